//! One experiment with Fisher vectors: its settings and its swappable stages, on the core that all experiments share.

use anyhow::Result;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::core::Core;
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
        let settings = Settings::load(&session.experiment, &session.set)?;
        let parts = Parts::from_settings(&settings)?;
        let core = Core::open(session, &settings, &settings.data, progress, interrupt)?;
        Ok(Self { core, settings, parts })
    }
}

/// A separate random generator for each purpose, image and repeat, so that no result depends on the order of the work.
pub fn generator(seed: u64, purpose: &str, id: &str, repeat: usize) -> Xoshiro256PlusPlus {
    let digest = blake3::hash(format!("{seed}/{purpose}/{id}/{repeat}").as_bytes());
    Xoshiro256PlusPlus::from_seed(*digest.as_bytes())
}
