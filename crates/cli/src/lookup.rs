//! Reads the image that an argument names, and checks that the models which a command needs are stored.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fisherlens_descriptors::Photograph;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::stage::Stage;
use fisherlens_model::photograph;

/// Files are shrunk until their longer side has at most this number of pixels, because the models were trained on photographs of this size.
pub const MAX_SIDE: usize = 500;

/// A photograph that an argument names.
#[derive(Debug)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// The pixels that are explained.
    pub photograph: Photograph,
    /// Width and height of the file, before it was shrunk.
    pub original: (usize, usize),
}

/// Reads the photograph that `name` names. A file is turned upright and shrunk until its longer side has at most `max_side` pixels (0: not
/// shrunk). The id of an image of the experiment gives the image in the form that the experiment uses.
///
/// # Errors
/// A name that is neither a file nor an id; the errors of reading.
pub fn photograph(experiment: Option<&Experiment>, name: &Path, max_side: usize) -> Result<Found> {
    // A symbolic link that leads nowhere is reported by the reader of the file.
    if name == Path::new("-") || name.symlink_metadata().is_ok_and(|_| !(experiment.is_some() && name.is_dir())) {
        let whole = photograph::read_upright(name, 0)?;
        let original = (whole.width(), whole.height());
        let photograph = if max_side == 0 { whole } else { whole.fitted(max_side) };
        return Ok(Found { path: name.to_owned(), photograph, original });
    }
    let shown = name.display();
    let Some(experiment) = experiment else {
        bail!(
            "there is no file {shown}; if it is the id of an image, give the experiment of the image with --experiment E"
        );
    };
    let Some(entry) = name.to_str().and_then(|id| experiment.core.dataset.image(id)) else {
        bail!("{shown} is neither a file nor the id of an image of experiment {}", experiment.core.name)
    };
    let photograph = experiment.core.dataset.reading.photograph(entry)?;
    let original = (photograph.width(), photograph.height());
    Ok(Found { path: entry.path.clone(), photograph, original })
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
