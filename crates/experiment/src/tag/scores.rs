//! The effect of a photographer's tag on the score of a class: it is pasted on other photographs, and removed from photographs that carry
//! it.

use anyhow::{Context as _, Result};
use fisherlens_dataset::ImageEntry;
use fisherlens_descriptors::gray_from_rgb;
use fisherlens_mini_voc::Picture;
use fisherlens_model::{Described, Explainer};
use ndarray::{Array2, Array3, s};
use serde::{Deserialize, Serialize};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::settings::sections::DataSource;
use crate::settings::strategies::Corner;
use crate::spread::spread;
use crate::stages::scores::Scores;
use crate::tag::{Region, Tag, fill};

/// Half the width of a 95 % interval of the mean, in standard errors.
const NORMAL_95: f64 = 1.96;

/// The change of a score over some images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreChange {
    /// The kind of change, such as `tag pasted`.
    pub name: String,
    /// The images that were changed, in words.
    pub images: String,
    /// Scores before the change, minus the equal-error threshold.
    pub before: Vec<f64>,
    /// Scores after the change, minus the equal-error threshold.
    pub after: Vec<f64>,
}

impl ScoreChange {
    /// Score after minus score before, for each image.
    pub fn changes(&self) -> Vec<f64> {
        self.after.iter().zip(&self.before).map(|(after, before)| after - before).collect()
    }

    /// Mean of the changes with its 95 % interval by the normal distribution; `None` without images. For one image, the interval has width
    /// 0.
    pub fn mean(&self) -> Option<[f64; 3]> {
        let changes = self.changes();
        let n = changes.len() as f64;
        let mean = changes.iter().sum::<f64>() / n;
        let variance = changes.iter().map(|change| (change - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let margin = NORMAL_95 * (variance / n).sqrt();
        (!changes.is_empty()).then_some([mean, mean - margin, mean + margin])
    }

    /// Number of images whose score rose above the threshold, and number of images whose score fell below it.
    pub fn crossed(&self) -> [usize; 2] {
        let pairs = || self.before.iter().zip(&self.after);
        let up = pairs().filter(|(before, after)| **before <= 0.0 && **after > 0.0).count();
        [up, pairs().filter(|(before, after)| **before > 0.0 && **after <= 0.0).count()]
    }
}

/// A change of an image.
enum Change<'a> {
    Paste(&'a Tag),
    Fill(Corner),
    /// The image is replaced by its drawing with the tag, or without the tag; embedded data only.
    Drawn {
        with_tag: bool,
    },
}

/// Measures the changes of the score of one class.
pub struct TagScores<'a> {
    experiment: &'a Experiment,
    explainer: &'a Explainer,
    class: usize,
    scores: &'a Scores,
    threshold: f64,
}

/// The tag of `owner`, estimated from the training images; `None` if they do not share a tag.
///
/// # Errors
/// An unreadable photograph.
pub fn estimate(experiment: &Experiment, owner: &str) -> Result<Option<Tag>> {
    let settings = &experiment.settings.strategies;
    let images = &experiment.core.dataset.half(Half::Train).set.images;
    let of_owner: Vec<usize> = (0..images.len()).filter(|&image| images[image].owner() == Some(owner)).collect();
    let bar = experiment.core.progress.bar("tag", of_owner.len() as u64);
    let grays = experiment.core.for_each(bar.as_ref(), &of_owner, |image| {
        let gray = experiment.core.dataset.reading.photograph(&images[image])?.gray();
        Ok(gray.mapv(|value| (255.0 * value).round() as u8))
    })?;
    drop(bar);
    let extent = |axis: usize| {
        let lengths = || grays.iter().map(|gray| gray.shape()[axis]);
        let share = settings.tag_size[1 - axis];
        let of_largest = (share * lengths().max().unwrap_or(0) as f64).round() as usize;
        of_largest.min(lengths().min().unwrap_or(0)).max(1)
    };
    let (height, width) = (extent(0), extent(1));
    let corners: Vec<Array2<u8>> = grays
        .iter()
        .map(|gray| {
            let Region { top, left, height, width } = Region::in_corner(settings.tag_corner, gray.dim(), height, width);
            gray.slice(s![top..top + height, left..left + width]).to_owned()
        })
        .collect();
    Ok(Tag::estimate(&corners, settings.tag_corner))
}

impl<'a> TagScores<'a> {
    /// Prepares the measurement for one class. `threshold`: its equal-error threshold, which is subtracted from every score. `scores`:
    /// scores of the unchanged test images.
    pub fn new(
        experiment: &'a Experiment,
        explainer: &'a Explainer,
        class: usize,
        scores: &'a Scores,
        threshold: f64,
    ) -> Self {
        Self { experiment, explainer, class, scores, threshold }
    }

    /// Measures all changes. The tag is pasted on images of another class, and the corner of `tagged` images is filled. As controls, the
    /// opposite corner of `tagged` images and the same corner of `untagged` images are filled. On the embedded data, drawings with and
    /// without the tag show the true effect of both. At most `strategies.n_changed` images of each kind are used, evenly spread.
    ///
    /// # Errors
    /// An unreadable photograph; a stop on request.
    pub fn all(&self, tag: Option<&Tag>, tagged: &[usize], untagged: &[usize]) -> Result<Vec<ScoreChange>> {
        let settings = &self.experiment.settings.strategies;
        let (corner, class) = (settings.tag_corner, &self.experiment.core.dataset.classes()[self.class]);
        let drawn = self.experiment.settings.data.source == DataSource::Mini
            && settings.tag_owner.as_deref() == Some(fisherlens_mini_voc::TAG_OWNER);
        let n_changed = settings.n_changed;
        let others = spread(&self.paste_on(), n_changed);
        let (tagged, untagged) = (&spread(tagged, n_changed), &spread(untagged, n_changed));
        let paste_images = format!("{} without {class}", settings.paste_on);
        let tagged_images = format!("{class} with the tag's owner");
        let mut changes = Vec::new();
        if let Some(tag) = tag {
            changes.push(self.measure("tag pasted", &paste_images, &others, &Change::Paste(tag))?);
            let mut turned = tag.clone();
            turned.matte.invert_axis(ndarray::Axis(0));
            changes.push(self.measure("tag pasted upside down", &paste_images, &others, &Change::Paste(&turned))?);
        }
        if drawn {
            let change = Change::Drawn { with_tag: true };
            changes.push(self.measure("tag drawn (truth)", &paste_images, &others, &change)?);
        }
        let fill = |corner: Corner| format!("{} corner filled", corner.name());
        changes.push(self.measure(&fill(corner), &tagged_images, tagged, &Change::Fill(corner))?);
        let opposite = corner.mirrored();
        changes.push(self.measure(&fill(opposite), &tagged_images, tagged, &Change::Fill(opposite))?);
        let untagged_images = format!("{class} of other owners");
        changes.push(self.measure(&fill(corner), &untagged_images, untagged, &Change::Fill(corner))?);
        if drawn {
            let change = Change::Drawn { with_tag: false };
            changes.push(self.measure("drawn without tag (truth)", &tagged_images, tagged, &change)?);
        }
        changes.retain(|change| !change.before.is_empty());
        Ok(changes)
    }

    /// Test images of the class `strategies.paste_on` that do not show this class.
    fn paste_on(&self) -> Vec<usize> {
        let Experiment { settings, core, .. } = self.experiment;
        let dataset = &core.dataset;
        let Ok(other) = dataset.class_index(&settings.strategies.paste_on) else { return Vec::new() };
        let images = &dataset.test.set.images;
        let without = |&image: &usize| images[image].labels[other] == 1 && images[image].labels[self.class] == -1;
        (0..images.len()).filter(without).collect()
    }

    fn measure(&self, name: &str, of: &str, images: &[usize], change: &Change<'_>) -> Result<ScoreChange> {
        let bar = self.experiment.core.progress.bar("tag", images.len() as u64);
        let scores = self.experiment.core.for_each(bar.as_ref(), images, |image| {
            let entry = &self.experiment.core.dataset.test.set.images[image];
            let after = self.after(entry, change).with_context(|| format!("{name}, image {}", entry.id))?;
            let before = f64::from(self.scores.scores[[image, self.class]]) - self.threshold;
            Ok(after.map(|after| (before, after)))
        })?;
        drop(bar);
        let (before, after) = scores.into_iter().flatten().unzip();
        Ok(ScoreChange { name: name.to_owned(), images: of.to_owned(), before, after })
    }

    /// The score of the changed image; `None` if the image is too small for a descriptor.
    fn after(&self, entry: &ImageEntry, change: &Change<'_>) -> Result<Option<f64>> {
        let mut rgb = self.experiment.core.dataset.reading.photograph(entry)?.rgb();
        let (height, width, _) = rgb.dim();
        match change {
            Change::Paste(tag) => tag.paste(rgb.view_mut()),
            Change::Fill(corner) => {
                let size = self.experiment.settings.strategies.tag_size;
                fill(&mut rgb, Region::of_share(*corner, (height, width), size));
            }
            Change::Drawn { with_tag } => {
                let (with, without) = fisherlens_mini_voc::draw_pair(&entry.id)?;
                rgb = drawn_array(if *with_tag { with } else { without })?;
            }
        }
        let gray = gray_from_rgb(rgb.view());
        let (extractor, pca) = (self.explainer.extractor(), self.explainer.pca());
        let described = Described::from_gray(extractor, pca, gray.view(), &entry.path)?;
        if described.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.explainer.map(&described, &[])?.score(self.class) - self.threshold))
    }
}

fn drawn_array(picture: Picture) -> Result<Array3<u8>> {
    Ok(Array3::from_shape_vec((picture.height, picture.width, 3), picture.rgb)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_by_hand() {
        let change = ScoreChange {
            name: String::new(),
            images: String::new(),
            before: vec![-0.5, 0.25, 1.0],
            after: vec![0.5, -0.25, 2.0],
        };
        assert_eq!(change.changes(), [1.0, -0.5, 1.0]);
        assert_eq!(change.crossed(), [1, 1]);
        let [mean, low, high] = change.mean().unwrap();
        assert!((mean - 0.5).abs() < 1e-12);
        // s² = (0.25 + 1 + 0.25) / 2, standard error √(0.75 / 3) = 0.5.
        assert!((low - (0.5 - 0.98)).abs() < 1e-12 && (high - (0.5 + 0.98)).abs() < 1e-12);
        assert_eq!(ScoreChange { before: vec![], after: vec![], ..change }.mean(), None);
    }
}
