//! `cargo xtask export traces`: the raw traces of Algorithm 1.

use anyhow::{Result, ensure};
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::series::Series;
use fisherlens_experiment::stages::resampling;
use fisherlens_model::NpzFile;
use ndarray::{Array1, Array3};

/// Adds the traces of one series, or of all series: one array per series under its name, and the image and class of each row.
///
/// # Errors
/// A series that the settings do not ask for; a shard that is absent or damaged.
pub(crate) fn add(experiment: &Experiment, keys: &Keys, series: Option<&str>, file: &mut NpzFile) -> Result<()> {
    let known = resampling::all_series(&experiment.settings);
    let chosen = match series {
        None => known,
        Some(text) => {
            let series: Series = text.parse()?;
            let names: Vec<String> = known.iter().map(ToString::to_string).collect();
            ensure!(
                known.contains(&series),
                "experiment {} has no series \"{series}\" with these settings; expected one of {}",
                experiment.core.name,
                names.join(", ")
            );
            vec![series]
        }
    };
    for (index, series) in chosen.into_iter().enumerate() {
        let targets = resampling::all(experiment, keys, series)?;
        let n_repeats = targets.first().map_or(0, |target| target.traces.len());
        let n_points = targets.first().and_then(|target| target.traces.first()).map_or(0, |trace| trace.scores.len());
        let scores: Vec<f32> =
            targets.iter().flat_map(|target| &target.traces).flat_map(|trace| trace.scores.iter().copied()).collect();
        if index == 0 {
            file.add("image", &targets.iter().map(|target| target.image as u32).collect::<Array1<u32>>())?;
            file.add("class", &targets.iter().map(|target| target.class as u32).collect::<Array1<u32>>())?;
            let start = targets.iter().map(|target| target.traces.first().map_or(f64::NAN, |trace| trace.start));
            file.add("start", &start.collect::<Array1<f64>>())?;
        }
        file.add(&series.to_string(), &Array3::from_shape_vec((targets.len(), n_repeats, n_points), scores)?)?;
    }
    Ok(())
}
