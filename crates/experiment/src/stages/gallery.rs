//! The example heatmaps of the report: the best, the worst and the most context-driven images of each class, and the surest mistakes, by every
//! rule.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use fisherlens_lrp::{ColorMap, Conservation, Rule, heatmap};
use fisherlens_model::Explainer;
use fisherlens_report::{RgbImage, shrink};
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::mistakes::{Mistake, most_confident};
use crate::stage::Stage;
use crate::stages::{calibration, context, learned, predictions, relevance, scores};

/// Longest side of a stored photograph, in pixels.
pub const PHOTOGRAPH: usize = 220;
/// Longest side of a stored heatmap, in pixels. Few pixels are enough: every descriptor covers at least 16 pixels, so heatmaps are smooth.
pub(crate) const HEATMAP: usize = 110;

/// Largest number of mistakes of all classes together.
const N_MISTAKES: usize = 12;

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
pub struct Gallery {
    /// The best, the worst and the most context-driven images of each class, and the surest mistakes of all classes.
    pub examples: Vec<Example>,
    /// Number of images with a mistake.
    pub n_mistakes: usize,
}

/// Why an image was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Among the highest scores of the class's images.
    Best,
    /// Among the lowest scores of the class's images.
    Worst,
    /// A true positive whose relevance by the displayed rule lies most outside the boxes.
    Context,
    /// Among the mistakes that the classifiers are most sure of: the class was found, but the image does not have it.
    Mistake,
}

/// One explained image.
#[derive(Debug, Serialize, Deserialize)]
pub struct Example {
    /// Index of the class.
    pub class: usize,
    /// Why the image was chosen.
    pub kind: Kind,
    /// Id of the image.
    pub id: String,
    /// f(x).
    pub score: f64,
    /// Whether it is a true positive.
    pub is_true_positive: bool,
    /// Ratio of relevance outside the boxes to relevance inside, by the displayed rule; only for images that were chosen by this ratio.
    pub context_ratio: Option<f64>,
    /// The photograph, downsized.
    pub photograph: RgbImage,
    /// One downsized heatmap per rule, in the order of the settings.
    pub heatmaps: Vec<RgbImage>,
    /// Where the displayed rule lost or added relevance.
    pub conservation: Conservation,
}

/// One image to explain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    pub(crate) class: usize,
    pub(crate) kind: Kind,
    pub(crate) image: usize,
    pub(crate) is_true_positive: bool,
    pub(crate) context_ratio: Option<f64>,
}

/// Computes or loads the examples.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Gallery> {
    experiment.core.cached(Stage::Report.id().at(keys.gallery(experiment)), || {
        let core = &experiment.core;
        let scores = scores::get(experiment, keys)?;
        let shown = experiment.settings.relevance.display_rule;
        let contexts = context::get(experiment, keys)?.into_iter().find(|(rule, _)| *rule == shown);
        let contexts = contexts.map(|(_, contexts)| contexts).unwrap_or_default();
        let targets = relevance::targets(experiment, keys)?;
        let explainer = learned::explainer(experiment, keys)?;
        let mut chosen = choose(&scores, &targets, &contexts, experiment.settings.report.n_examples);
        let calibration = calibration::get(experiment, keys)?;
        let predictions = predictions::get(experiment, keys)?;
        let difficult = experiment.settings.data.difficult;
        let (mistakes, n_mistakes) = most_confident(&scores, &predictions, &calibration, difficult, N_MISTAKES);
        chosen.extend(mistakes.into_iter().map(|Mistake { image, class }| {
            let kind = Kind::Mistake;
            Choice { class, kind, image, is_true_positive: false, context_ratio: None }
        }));
        let bar = core.progress.bar("examples", chosen.len() as u64);
        let indices: Vec<usize> = (0..chosen.len()).collect();
        let examples = core.for_each(bar.as_ref(), &indices, |i| example(experiment, &explainer, chosen[i]))?;
        let gallery = Gallery { examples: examples.into_iter().flatten().collect(), n_mistakes };
        let what = format!("heatmaps of {} examples", gallery.examples.len());
        Ok((gallery, what))
    })
}

/// For each class: the images with the highest scores, highest first; the images with the lowest scores, lowest first; and the true
/// positives with the largest context ratios, largest first. Of images with equal ratios, the earlier one comes first.
pub(crate) fn choose(
    scores: &scores::Scores,
    targets: &[Vec<usize>],
    contexts: &context::Contexts,
    n_examples: usize,
) -> Vec<Choice> {
    let image_of: HashMap<&str, usize> =
        scores.ids.iter().enumerate().map(|(image, id)| (id.as_str(), image)).collect();
    let found: HashSet<(usize, usize)> = targets
        .iter()
        .enumerate()
        .flat_map(|(image, classes)| classes.iter().map(move |&class| (image, class)))
        .collect();
    let mut chosen = Vec::new();
    for class in 0..scores.classes.len() {
        let column = scores.of_class(class);
        let choice = |kind: Kind, image: usize, context_ratio: Option<f64>| Choice {
            class,
            kind,
            image,
            is_true_positive: found.contains(&(image, class)),
            context_ratio,
        };
        let mut positives: Vec<usize> = (0..column.len()).filter(|&i| scores.labels[[i, class]] == 1).collect();
        positives.sort_by(|&a, &b| column[b].total_cmp(&column[a]));
        let n_best = n_examples.min(positives.len());
        let n_worst = n_examples.min(positives.len() - n_best);
        chosen.extend(positives[..n_best].iter().map(|&image| choice(Kind::Best, image, None)));
        chosen.extend(positives.iter().rev().take(n_worst).map(|&image| choice(Kind::Worst, image, None)));
        let of_class = contexts.targets.iter().filter(|target| target.class == class);
        let mut ratios: Vec<(f64, usize)> = of_class
            .filter_map(|target| Some((target.context.ratio?, *image_of.get(target.id.as_str())?)))
            .filter(|(ratio, _)| ratio.is_finite())
            .collect();
        ratios.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let most = ratios.into_iter().take(n_examples);
        chosen.extend(most.map(|(ratio, image)| choice(Kind::Context, image, Some(ratio))));
    }
    chosen
}

fn example(experiment: &Experiment, explainer: &Explainer, choice: Choice) -> Result<Option<Example>> {
    let entry = &experiment.core.dataset.test.set.images[choice.image];
    let photograph = experiment.core.dataset.reading.photograph(entry)?;
    let described = explainer.describe(&photograph, &entry.path)?;
    if described.is_empty() {
        return Ok(None);
    }
    let relevance = &experiment.settings.relevance;
    let explained = explainer.map(&described, &relevance.rules)?;
    let picture = |rule: &Rule| -> Result<RgbImage> {
        let pixels = explained.explain(choice.class, *rule)?.pixels;
        Ok(heatmap(shrink(pixels.view(), HEATMAP).view(), ColorMap::Diverging).view().into())
    };
    let heatmaps = relevance.rules.iter().map(picture).collect::<Result<Vec<_>>>()?;
    let shown = explained.explain(choice.class, relevance.display_rule)?;
    Ok(Some(Example {
        class: choice.class,
        kind: choice.kind,
        id: entry.id.clone(),
        score: shown.score,
        is_true_positive: choice.is_true_positive,
        context_ratio: choice.context_ratio,
        photograph: RgbImage::from(photograph.rgb().view()).thumbnail(PHOTOGRAPH),
        heatmaps,
        conservation: shown.conservation,
    }))
}

#[cfg(test)]
mod tests {
    use fisherlens_eval::Context;
    use ndarray::{Array2, array};

    use super::{Kind, choose};
    use crate::stages::context::{ContextTarget, Contexts};
    use crate::stages::scores::Scores;

    fn target(id: &str, ratio: Option<f64>) -> ContextTarget {
        let context = Context { ratio, ..fisherlens_eval::context(Array2::zeros((2, 2)).view(), &[]) };
        ContextTarget { id: id.to_owned(), class: 0, context, masks: None }
    }

    #[test]
    fn best_worst_and_context_driven_images_are_chosen() {
        let scores = Scores {
            ids: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
            classes: vec!["cat".to_owned()],
            scores: array![[0.1], [0.9], [0.5], [2.0], [-1.0]],
            labels: array![[1], [1], [1], [-1], [1]],
            n_descriptors: vec![1; 5],
        };
        let targets = [vec![], vec![0], vec![0], vec![], vec![0]];
        let contexts = Contexts {
            targets: vec![target("b", Some(0.2)), target("c", None), target("e", Some(0.8)), target("a", Some(0.2))],
        };
        let chosen = choose(&scores, &targets, &contexts, 2);
        let of = |kind: Kind| -> Vec<usize> {
            chosen.iter().filter(|choice| choice.kind == kind).map(|choice| choice.image).collect()
        };
        assert_eq!(of(Kind::Best), [1, 2], "d is not a positive image");
        assert_eq!(of(Kind::Worst), [4, 0]);
        assert_eq!(of(Kind::Context), [4, 0], "equal ratios: a comes before b");
        assert!(chosen.iter().all(|choice| choice.is_true_positive == (choice.image != 0)));
        assert_eq!(chosen[4].context_ratio, Some(0.8));
        assert_eq!(choose(&scores, &targets, &contexts, 10).len(), 4 + 3, "no image is both best and worst");
    }
}
