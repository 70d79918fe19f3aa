//! Descriptors drawn from the training images, for the projection and the mixture to learn from.

use std::sync::Mutex;

use anyhow::{Result, bail};
use fisherlens_artifact::array;
use fisherlens_descriptors::LocalDescriptors;
use fisherlens_model::photograph;
use ndarray::{Array2, Axis, concatenate};
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, generator};
use crate::keys::Keys;
use crate::stage::Stage;

/// The stage's artifact.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sample {
    /// `(n_sampled, n_features)`, grouped by image.
    #[serde(with = "array")]
    pub values: Array2<f32>,
}

/// The same number of descriptors from each training image, drawn without replacement.
///
/// # Errors
/// An unreadable photograph; training images that are all smaller than the grid; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Array2<f32>> {
    let sample = experiment.core.cached(Stage::Sample.id().at(keys.sample), || draw(experiment, keys))?;
    Ok(sample.values)
}

fn draw(experiment: &Experiment, keys: &Keys) -> Result<(Sample, String)> {
    let images = &experiment.core.dataset.train.set.images;
    let wanted = experiment.settings.sample.n_descriptors;
    let bar = experiment.core.progress.bar("sample", images.len() as u64);
    let extractor = experiment.parts.extractor.value.as_ref();
    let indices: Vec<usize> = (0..images.len()).collect();
    // The memory of one image's descriptors is used again by the next image: fresh memory for each would cost more than the extraction.
    let memory = Mutex::new(Vec::new());
    let drawn = experiment.core.for_each(bar.as_ref(), &indices, |i| {
        let entry = &images[i];
        let unused = "no thread stops while it holds this";
        let mut local: LocalDescriptors = memory.lock().expect(unused).pop().unwrap_or_default();
        photograph::extract_into(extractor, &photograph::read(&entry.path)?, &entry.path, &mut local)?;
        // The shares of the images add up exactly to the number that is wanted.
        let share = (i + 1) * wanted / images.len() - i * wanted / images.len();
        let mut rng = generator(keys.seed, "sample", &entry.id, 0);
        let mut rows = index::sample(&mut rng, local.len(), share.min(local.len())).into_vec();
        rows.sort_unstable();
        let drawn = local.values.select(Axis(0), &rows);
        memory.lock().expect(unused).push(local);
        Ok(drawn)
    })?;
    let views: Vec<_> = drawn.iter().map(Array2::view).collect();
    let values = concatenate(Axis(0), &views)?;
    if values.nrows() == 0 {
        bail!("the training images are all smaller than the descriptor grid: nothing to learn from");
    }
    let what = format!("{} descriptors of {} images", values.nrows(), images.len());
    Ok((Sample { values }, what))
}
