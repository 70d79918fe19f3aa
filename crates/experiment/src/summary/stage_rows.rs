//! Size, number and time of the artifacts of a run, stage by stage.

use anyhow::Result;
use fisherlens_artifact::{Entry, Key};
use fisherlens_report::StageRow;

use crate::core::StageId;
use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::run::Run;
use crate::stage::Stage;
use crate::stages::resampling::all_series;

/// A stage that took less than this share of its original time has loaded its artifacts.
const CACHED_SHARE: f64 = 0.5;

/// The row of one stage. `keys`: the keys of its artifacts. `seconds`: its time in this run.
pub(crate) fn stage_row(entries: &[Entry], stage: StageId, keys: &[Key], seconds: f64) -> StageRow {
    let names: Vec<String> = keys.iter().map(|key| key.short()).collect();
    let files: Vec<_> =
        entries.iter().filter(|entry| entry.stage == stage.name && names.contains(&entry.key)).collect();
    // The headers of the artifacts contain the time of their computation.
    let made: f64 = files.iter().filter_map(|entry| entry.header.as_ref()).map(|header| header.seconds).sum();
    let cached = seconds < CACHED_SHARE * made;
    StageRow {
        name: stage.name.to_owned(),
        key: names.first().cloned().unwrap_or_default(),
        n_artifacts: files.len(),
        bytes: files.iter().map(|entry| entry.n_bytes).sum(),
        seconds: if cached { made } else { seconds },
        cached,
    }
}

/// The rows of an experiment with Fisher vectors.
pub(super) fn stage_rows(experiment: &Experiment, run: &Run) -> Result<Vec<StageRow>> {
    let keys = &run.keys;
    let settings = &experiment.settings;
    let entries = experiment.core.store.entries()?;
    let rules = &settings.relevance.rules;
    let keys_of = |stage: Stage| match stage {
        Stage::Sample => vec![keys.sample_shards],
        Stage::Pca => vec![keys.pca],
        Stage::Mixture => vec![keys.mixture],
        Stage::Encode => vec![keys.encode(Half::Train), keys.encode(Half::Test)],
        Stage::Classifier => vec![keys.classifier],
        Stage::Scores => vec![keys.scores],
        Stage::Calibration => vec![keys.calibration()],
        Stage::Relevance => rules.iter().map(|rule| keys.relevance(experiment, *rule)).collect(),
        Stage::Resampling => {
            all_series(settings).into_iter().map(|series| keys.resampling(experiment, series)).collect()
        }
        Stage::Pixels => vec![keys.pixels(experiment)],
        Stage::Context => rules.iter().map(|rule| keys.context(experiment, *rule)).collect(),
        Stage::Strategies => vec![keys.strategies(experiment)],
        Stage::Report => vec![keys.gallery(experiment)],
    };
    let row = |&(stage, seconds): &(Stage, f64)| stage_row(&entries, stage.id(), &keys_of(stage), seconds);
    let mut rows: Vec<StageRow> = run.stages.iter().map(row).collect();
    if let Some(seconds) = run.other_seeds_seconds {
        let after_scores =
            rows.iter().position(|row| row.name == Stage::Scores.name()).map_or(rows.len(), |row| row + 1);
        let further =
            StageRow { name: "further seeds".to_owned(), seconds, cached: seconds < 1.0, ..StageRow::default() };
        rows.insert(after_scores, further);
    }
    Ok(rows)
}
