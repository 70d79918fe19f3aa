//! One experiment with Fisher vectors: its settings and its swappable stages, on the core that all experiments share.

use anyhow::{Result, ensure};
use fisherlens_dataset::ImageEntry;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::core::Core;
use crate::dataset::Dataset;
use crate::interrupt::Interrupt;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::Settings;

/// Everything that a stage reads.
#[derive(Debug)]
pub struct Experiment {
    /// Data, store, progress.
    pub core: Core,
    /// All settings.
    pub settings: Settings,
    /// The swappable stages.
    pub parts: Parts,
}

impl Experiment {
    /// Reads the settings and opens the photographs.
    ///
    /// # Errors
    /// An unknown experiment or setting; a devkit that is missing, broken or not needed. Each message says what to do.
    pub fn open(session: &Session, progress: Progress, interrupt: Interrupt) -> Result<Self> {
        let mut settings = Settings::load(&session.experiment, &session.set)?;
        if let Some(judged) = &session.judged {
            settings = judged.settings(settings)?;
        }
        let parts = Parts::from_settings(&settings)?;
        let is_too_small = |width, height| parts.extractor.value.max_descriptors(width, height) == 0;
        let core = Core::open(session, &settings, &settings.data, progress, interrupt, &is_too_small)?;
        check_labels(&core.dataset, &settings)?;
        Ok(Self { core, settings, parts })
    }
}

/// Refuses labels from which the classifiers could not learn. They would refuse them too, but only after the vectors of all images were
/// computed.
fn check_labels(dataset: &Dataset, settings: &Settings) -> Result<()> {
    if settings.classifier.from.is_some() {
        return Ok(());
    }
    let (set, classes) = (&dataset.train.set, dataset.classes());
    for (column, class) in classes.iter().enumerate() {
        let count = |label: i8| {
            let of_image = |entry: &&ImageEntry| settings.data.difficult.resolve(entry.labels[column]) == label;
            set.images.iter().filter(of_image).count()
        };
        let (n_positives, n_negatives) = (count(1), count(-1));
        ensure!(
            n_positives > 0 && n_negatives > 0,
            "class \"{class}\" has {n_positives} positive and {n_negatives} negative images in set {}: expected at least one of each; leave \
             the class out with --set 'data.leave_out=[\"{class}\"]', or choose another set with --set data.train=SET",
            set.name
        );
    }
    let classifier = &settings.classifier;
    ensure!(
        classifier.c_grid.len() == 1 || classifier.n_folds <= set.images.len(),
        "classifier.n_folds = {}: expected at most {}, the number of training images",
        classifier.n_folds,
        set.images.len()
    );
    Ok(())
}

/// A separate random generator for each purpose, image and repeat, so that no result depends on the order of the work.
pub fn generator(seed: u64, purpose: &str, id: &str, repeat: usize) -> Xoshiro256PlusPlus {
    let digest = blake3::hash(format!("{seed}/{purpose}/{id}/{repeat}").as_bytes());
    Xoshiro256PlusPlus::from_seed(*digest.as_bytes())
}
