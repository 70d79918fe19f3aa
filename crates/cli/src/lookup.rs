//! Finds the image that an argument names, and checks that the models which a command needs are stored.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::stage::Stage;

/// The path of an image. `name` is a file, or else the id of an image of the experiment.
///
/// # Errors
/// A name that is neither a file nor an id.
pub fn image_path(experiment: &Experiment, name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    // A symbolic link that leads nowhere is reported by the reader of the file.
    if path.symlink_metadata().is_ok() {
        return Ok(path.to_owned());
    }
    match experiment.core.dataset.image(name) {
        Some(entry) => Ok(entry.path.clone()),
        None => bail!("{name} is neither a file nor the id of an image of experiment {}", experiment.core.name),
    }
}

/// Checks that the result of `stage` is stored. Otherwise a command about one image would start hours of learning.
///
/// # Errors
/// A result that is not stored; the message contains the command that computes it.
pub fn ensure_learned(experiment: &Experiment, keys: &Keys, stage: Stage) -> Result<()> {
    let (key, given) = match stage {
        Stage::Pca => (keys.pca, experiment.settings.pca.from.is_some()),
        Stage::Mixture => (keys.mixture, experiment.settings.mixture.from.is_some()),
        Stage::Classifier => (keys.classifier, experiment.settings.classifier.from.is_some()),
        _ => (keys.scores, false),
    };
    if given || experiment.core.has(&stage.id().at(key)) {
        return Ok(());
    }
    bail!(
        "experiment {} with these settings has no stored {}: run `cargo xtask reproduce {} --until {}` first, with the \
         same --voc, --set, --limit and --artifacts",
        experiment.core.name,
        stage.name(),
        experiment.core.name,
        stage.name()
    )
}
