//! Clusters among the heatmaps of a class. The clustering does not use the photographers. Afterwards the clusters are compared with the
//! photographers, and the effect of a photographer's tag on the score is measured.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use fisherlens_artifact::array;
use fisherlens_dataset::ImageEntry;
use fisherlens_eval::{
    ClusterAgreement, ExcessWindow, Strategies, adjusted_mutual_information, best_cluster, downsized, excess_window,
    find_strategies,
};
use fisherlens_lrp::{ColorMap, heatmap};
use fisherlens_model::Explainer;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView3, Axis, s};
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::reading::Reading;
use crate::settings::strategies::{Corner, ExplainedImages};
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{explained, learned, predictions, relevance, scores};
use crate::tag::scores::{self as tag_scores, ScoreChange, TagScores};
use crate::tag::{Region, Tag};

/// Minimum number of images of a photographer with whom the clusters are compared.
const MIN_N_OF_OWNER: usize = 5;
/// Maximum number of stored examples per cluster.
const MAX_N_EXAMPLES: usize = 8;
/// Longest side of an example's pictures, in pixels.
const EXAMPLE_SIDE: usize = 160;

/// The stage's artifact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StrategiesFound {
    /// One entry per class.
    pub classes: Vec<ClassStrategies>,
    /// The tag, estimated from the training images; `None` without an owner, or if the images do not share a tag.
    pub tag: Option<Tag>,
}

/// What was found among the heatmaps of one class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClassStrategies {
    /// Index of the class.
    pub class: usize,
    /// Ids of the explained images.
    pub ids: Vec<String>,
    /// Their photographers.
    pub owners: Vec<Option<String>>,
    /// Their heatmaps on the grid, signed `(n_images, grid, grid)`.
    #[serde(with = "array")]
    pub heatmaps: Array3<f32>,
    /// Share of the positive relevance in each corner, in the order of [`Corner::ALL`].
    #[serde(with = "array")]
    pub corners: Vec<[f64; 4]>,
    /// The sweep over numbers of neighbours and clusters, and the chosen setting.
    pub strategies: Strategies,
    /// The clusters of the chosen setting, most suspicious first; empty if there were too few heatmaps.
    pub clusters: Vec<Cluster>,
    /// Agreement with each photographer who took five or more of the images; the photographer with the most images first.
    pub agreement: Vec<OwnerAgreement>,
    /// The effect of pasting and removing the tag; empty without an owner of the tag.
    pub changes: Vec<ScoreChange>,
}

/// One cluster of the chosen setting.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// The label of the cluster.
    pub label: usize,
    /// Indices of its images in [`ClassStrategies::ids`]; the images nearest to the direction of the mean heatmap come first.
    pub members: Vec<usize>,
    /// The window in which the cluster has more relevance than the other heatmaps; `None` if there are too few heatmaps.
    pub window: Option<ExcessWindow>,
    /// Pictures of the first members.
    pub examples: Vec<Example>,
}

/// The pictures of one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Example {
    /// Index of the image in [`ClassStrategies::ids`].
    pub place: usize,
    /// The downsized photograph `(height, width, 3)`.
    #[serde(with = "array")]
    pub photograph: Array3<u8>,
    /// Its downsized heatmap.
    #[serde(with = "array")]
    pub heatmap: Array3<u8>,
}

/// How well the images of one photographer agree with a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnerAgreement {
    /// The photographer.
    pub owner: String,
    /// Number of the photographer's images among the explained images.
    pub n_images: usize,
    /// The cluster that agrees best.
    pub best: ClusterAgreement,
    /// Adjusted mutual information of the clusters and the partition into images of this photographer and images of others.
    pub information: f64,
}

/// One explained image.
struct ClassHeatmap {
    image: usize,
    grid: Array2<f64>,
    corners: [f64; 4],
    small: Array2<f64>,
}

/// Computes or loads the strategies.
///
/// # Errors
/// The errors of the earlier stages; a class that the data does not have; an unreadable photograph; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<StrategiesFound> {
    experiment.core.cached(Stage::Strategies.id().at(keys.strategies(experiment)), || compute(experiment, keys))
}

fn compute(experiment: &Experiment, keys: &Keys) -> Result<(StrategiesFound, String)> {
    explained::ensure_shards(experiment, keys, Chosen::All, &[Stage::Relevance])?;
    let explainer = learned::explainer(experiment, keys)?;
    let scores = scores::get(experiment, keys)?;
    let predictions = predictions::get(experiment, keys)?;
    let owner = experiment.settings.strategies.tag_owner.as_deref();
    let tag = owner.map(|owner| tag_scores::estimate(experiment, owner)).transpose()?.flatten();
    let mut found = StrategiesFound { classes: Vec::new(), tag };
    for class in classes(experiment)? {
        let images: Vec<usize> = match experiment.settings.strategies.images {
            ExplainedImages::TruePositives => predictions[class].true_positives.clone(),
            ExplainedImages::Positives => {
                (0..scores.ids.len()).filter(|&image| scores.labels[[image, class]] == 1).collect()
            }
        };
        let explained = explain(experiment, keys, &explainer, class, &images)?;
        let mut strategies = cluster(experiment, class, &explained)?;
        if let Some(owner) = owner {
            let threshold = scores::thresholds(&predictions)[class];
            let (tagged, untagged): (Vec<usize>, Vec<usize>) = explained
                .iter()
                .map(|e| e.image)
                .partition(|&image| experiment.core.dataset.test.set.images[image].owner() == Some(owner));
            if !tagged.is_empty() {
                let tag_scores = TagScores::new(experiment, &explainer, class, &scores, threshold);
                strategies.changes = tag_scores.all(found.tag.as_ref(), &tagged, &untagged)?;
            }
        }
        found.classes.push(strategies);
    }
    let n_heatmaps: usize = found.classes.iter().map(|class| class.ids.len()).sum();
    Ok((found, format!("{n_heatmaps} heatmaps")))
}

/// Indices of the classes of the settings, without classes that a limited set leaves out.
///
/// # Errors
/// A class that the data does not have; the message lists the classes of the data.
pub fn classes(experiment: &Experiment) -> Result<Vec<usize>> {
    let dataset = &experiment.core.dataset;
    let names = &experiment.settings.strategies.classes;
    let unknown = |name: &String| !dataset.classes().contains(name) && !dataset.left_out.contains(name);
    for name in names.iter().chain([&experiment.settings.strategies.paste_on]) {
        if unknown(name) {
            bail!(
                "[strategies]: found the class \"{name}\", expected one of {}; change strategies.classes or strategies.paste_on",
                dataset.classes().join(", ")
            );
        }
    }
    let all = dataset.classes().iter().enumerate();
    Ok(all.filter(|(_, name)| names.is_empty() || names.contains(name)).map(|(class, _)| class).collect())
}

/// Heatmaps of one class, in the order of the images. Heatmaps that are not stored are computed.
fn explain(
    experiment: &Experiment,
    keys: &Keys,
    explainer: &Explainer,
    class: usize,
    images: &[usize],
) -> Result<Vec<ClassHeatmap>> {
    let rule = experiment.settings.relevance.display_rule;
    let bar = experiment.core.progress.bar("strategies", images.len() as u64);
    let mut all = Vec::with_capacity(images.len());
    for (index, range) in experiment.core.dataset.test.shards(experiment.core.shard_size).into_iter().enumerate() {
        let here: Vec<usize> = images.iter().copied().filter(|image| range.contains(image)).collect();
        if here.is_empty() {
            continue;
        }
        let shard = relevance::shard(experiment, keys, rule, index)?;
        let explained = experiment.core.for_each(bar.as_ref(), &here, |image| {
            let entry = &experiment.core.dataset.test.set.images[image];
            let path = &entry.path;
            let stored = shard.targets.iter().find(|target| target.image == image && target.class == class);
            let pixels = if let Some(target) = stored {
                let photograph = experiment.core.dataset.reading.photograph(entry)?;
                let frames = explainer.places(&photograph, path)?;
                target.pixels(&frames, photograph.width(), photograph.height())
            } else {
                let described = explainer.describe(&experiment.core.dataset.reading.photograph(entry)?, path)?;
                if described.is_empty() {
                    return Ok(None);
                }
                explainer.map(&described, &[rule])?.explain(class, rule)?.pixels
            };
            measure(experiment, image, &pixels).with_context(|| format!("heatmap of {}", path.display())).map(Some)
        })?;
        all.extend(explained.into_iter().flatten());
    }
    Ok(all)
}

fn measure(experiment: &Experiment, image: usize, pixels: &Array2<f32>) -> Result<ClassHeatmap> {
    let settings = &experiment.settings.strategies;
    let [height, width] = small_size(pixels.dim());
    Ok(ClassHeatmap {
        image,
        grid: downsized(pixels.view(), settings.grid, settings.grid)?,
        corners: Corner::ALL
            .map(|corner| Region::of_share(corner, pixels.dim(), settings.tag_size).share(pixels.view())),
        small: downsized(pixels.view(), height, width)?,
    })
}

/// Height and width of an example's pictures.
fn small_size((height, width): (usize, usize)) -> [usize; 2] {
    let longest = height.max(width).max(EXAMPLE_SIDE);
    [height, width].map(|length| ((length * EXAMPLE_SIDE + longest / 2) / longest).max(1))
}

fn cluster(experiment: &Experiment, class: usize, explained: &[ClassHeatmap]) -> Result<ClassStrategies> {
    let settings = &experiment.settings.strategies;
    let entries: Vec<_> = explained.iter().map(|e| &experiment.core.dataset.test.set.images[e.image]).collect();
    let grid = settings.grid;
    let heatmaps = Array3::from_shape_fn((explained.len(), grid, grid), |(place, y, x)| explained[place].grid[[y, x]]);
    let flat = heatmaps.to_shape((explained.len(), grid * grid)).context("cannot view each heatmap as one row")?;
    let strategies = if explained.is_empty() {
        Strategies { sweep: Vec::new(), chosen: None, eigenvalues: Vec::new() }
    } else {
        find_strategies(flat.view(), &settings.n_neighbours, &settings.n_clusters, experiment.settings.seed)?
    };
    let owners: Vec<Option<String>> = entries.iter().map(|entry| entry.owner().map(str::to_owned)).collect();
    let (mut clusters, mut agreement) = (Vec::new(), Vec::new());
    if let Some(choice) = strategies.choice() {
        let n_labels = choice.labels.iter().copied().max().map_or(0, |label| label + 1);
        for label in 0..n_labels {
            let members: Vec<bool> = choice.labels.iter().map(|other| *other == label).collect();
            let window = excess_window(heatmaps.view(), &members)?;
            let members = nearest_first(heatmaps.view(), &members);
            let shown = members.iter().take(MAX_N_EXAMPLES);
            let reading = experiment.core.dataset.reading;
            let examples = shown.map(|&place| example(place, explained, reading, entries[place]));
            let examples = examples.collect::<Result<Vec<_>>>()?;
            clusters.push(Cluster { label, members, window, examples });
        }
        let suspicion = |cluster: &Cluster| cluster.window.as_ref().map_or(f64::NEG_INFINITY, |w| w.suspicion);
        clusters.sort_by(|a, b| suspicion(b).total_cmp(&suspicion(a)).then(a.label.cmp(&b.label)));
        agreement = agreements(&choice.labels, &owners)?;
    }
    Ok(ClassStrategies {
        class,
        ids: entries.iter().map(|entry| entry.id.clone()).collect(),
        owners,
        corners: explained.iter().map(|e| e.corners).collect(),
        heatmaps: heatmaps.mapv(|value| value as f32),
        strategies,
        clusters,
        agreement,
        changes: Vec::new(),
    })
}

/// Members of a cluster, ordered by their cosine with the mean of the members' directions, largest first.
fn nearest_first(heatmaps: ArrayView3<'_, f64>, members: &[bool]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..members.len()).filter(|&place| members[place]).collect();
    let flat = |place: usize| Array1::from_iter(heatmaps.index_axis(Axis(0), place).iter().copied());
    let direction = |values: Array1<f64>| {
        let norm = values.dot(&values).sqrt();
        if norm > 0.0 { values / norm } else { values }
    };
    let directions: BTreeMap<usize, Array1<f64>> =
        places.iter().map(|&place| (place, direction(flat(place)))).collect();
    let n_cells = heatmaps.dim().1 * heatmaps.dim().2;
    let mean = directions.values().fold(Array1::zeros(n_cells), |sum: Array1<f64>, direction| sum + direction);
    let nearness = |place: &usize| ArrayView1::dot(&directions[place].view(), &mean);
    places.sort_by(|a, b| nearness(b).total_cmp(&nearness(a)));
    places
}

fn example(place: usize, explained: &[ClassHeatmap], reading: Reading, entry: &ImageEntry) -> Result<Example> {
    let rgb = reading.photograph(entry)?.rgb();
    let [height, width] = small_size((rgb.dim().0, rgb.dim().1));
    let n_pixels = (rgb.dim().0 * rgb.dim().1) as f64 / (height * width) as f64;
    let mut photograph = Array3::zeros((height, width, 3));
    for channel in 0..3 {
        let sums = downsized(rgb.slice(s![.., .., channel]).mapv(f32::from).view(), height, width)?;
        photograph.slice_mut(s![.., .., channel]).assign(&sums.mapv(|sum| (sum / n_pixels).round() as u8));
    }
    let relevance = explained[place].small.mapv(|value| value as f32);
    Ok(Example { place, photograph, heatmap: heatmap(relevance.view(), ColorMap::Diverging) })
}

fn agreements(labels: &[usize], owners: &[Option<String>]) -> Result<Vec<OwnerAgreement>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for owner in owners.iter().flatten() {
        *counts.entry(owner).or_default() += 1;
    }
    let mut found = Vec::new();
    for (owner, n_images) in counts.into_iter().filter(|(_, n)| *n >= MIN_N_OF_OWNER) {
        let is_owners: Vec<bool> = owners.iter().map(|other| other.as_deref() == Some(owner)).collect();
        let Some(best) = best_cluster(labels, &is_owners)? else { continue };
        let groups: Vec<usize> = is_owners.iter().map(|&is_owners| usize::from(is_owners)).collect();
        let information = adjusted_mutual_information(labels, &groups)?;
        found.push(OwnerAgreement { owner: owner.to_owned(), n_images, best, information });
    }
    found.sort_by(|a, b| b.n_images.cmp(&a.n_images).then(a.owner.cmp(&b.owner)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_with_owners_by_hand() {
        let owner = |name: &str| Some(name.to_owned());
        let mut owners = vec![owner("A"); 6];
        owners.extend([owner("B"), owner("B"), None, None]);
        let found = agreements(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1], &owners).unwrap();
        // B has fewer than five images.
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].owner.as_str(), found[0].n_images, found[0].best.cluster), ("A", 6, 0));
        assert_eq!((found[0].best.purity, found[0].best.recall), (1.0, 5.0 / 6.0));
        assert!(found[0].information > 0.3 && found[0].information < 1.0);
    }

    #[test]
    fn members_near_the_mean_come_first() {
        let heatmaps = Array3::from_shape_vec((3, 1, 2), vec![0.0, 1.0, 5.0, 1.0, 1.0, 0.1]).unwrap();
        assert_eq!(nearest_first(heatmaps.view(), &[true; 3]), [1, 2, 0]);
        assert_eq!(nearest_first(heatmaps.view(), &[true, false, true]).len(), 2);
    }

    #[test]
    fn pictures_keep_their_aspect_ratio() {
        assert_eq!(small_size((500, 250)), [160, 80]);
        assert_eq!(small_size((100, 50)), [100, 50]);
    }
}
