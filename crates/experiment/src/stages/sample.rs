//! Descriptors drawn from the training images. The projection and the mixture learn from them.

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
    // The next image uses the memory of one image's descriptors again: new memory for each image would cost more time than the extraction.
    let memory = Mutex::new(Vec::new());
    let reading = experiment.core.dataset.reading;
    let drawn = experiment.core.for_each(bar.as_ref(), &indices, |i| {
        let entry = &images[i];
        let not_poisoned = "no thread panics while it holds this lock";
        let mut local: LocalDescriptors = memory.lock().expect(not_poisoned).pop().unwrap_or_default();
        photograph::extract_into(extractor, &reading.photograph(entry)?, &entry.path, &mut local)?;
        // The shares of the images add up exactly to the requested number.
        let share = (i + 1) * wanted / images.len() - i * wanted / images.len();
        let mut rng = generator(keys.seed, "sample", &entry.stem(), 0);
        let mut rows = index::sample(&mut rng, local.len(), share.min(local.len())).into_vec();
        rows.sort_unstable();
        let drawn = local.values.select(Axis(0), &rows);
        memory.lock().expect(not_poisoned).push(local);
        Ok(drawn)
    })?;
    let views: Vec<_> = drawn.iter().map(Array2::view).collect();
    let values = concatenate(Axis(0), &views)?;
    if values.nrows() == 0 {
        bail!("no training image is large enough for one descriptor; expected larger images or a smaller bin size");
    }
    let what = format!("{} descriptors of {} images", values.nrows(), images.len());
    Ok((Sample { values }, what))
}
