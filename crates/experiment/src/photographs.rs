//! The looks into photographs, which come before everything else, as work that several processes can share.

use anyhow::Result;
use fisherlens_artifact::Store;
use fisherlens_dataset::ImageEntry;

use crate::dataset::listed;
use crate::intake::{Intake, n_chunks};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::reading::Reading;
use crate::session::Session;
use crate::settings::Settings;
use crate::share::Chosen;

/// Name of this work on the command line.
pub const NAME: &str = "photographs";

/// The photographs of an experiment, as they are listed before any is read.
#[derive(Debug)]
pub struct Listed {
    sets: Vec<Vec<ImageEntry>>,
    reading: Reading,
}

/// What was looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Number of photographs in the chosen chunks.
    pub n_photographs: usize,
    /// Number of these whose chunks were not stored before.
    pub n_new: usize,
}

impl Listed {
    /// Lists the photographs.
    ///
    /// # Errors
    /// A devkit or collection that cannot be opened.
    pub fn new(session: &Session, progress: &Progress, interrupt: &Interrupt) -> Result<Self> {
        let settings = Settings::load(&session.experiment, &session.set)?;
        if let Some(own) = &session.own {
            return Ok(Self { sets: vec![own.listed()?], reading: Reading::Upright });
        }
        let root = session.devkit(settings.data.source, progress, interrupt)?;
        let (_, sets) = listed(&root, &settings.data, session.missing, session.limit)?;
        Ok(Self { sets: sets.map(|set| set.images).into(), reading: Reading::Stored })
    }

    /// Number of chunks of photographs. Each is one piece of work.
    pub fn n_chunks(&self) -> usize {
        self.sets.iter().map(|images| n_chunks(images.len())).sum()
    }

    /// Reads and decodes the photographs of the chosen chunks, and stores what the experiment needs to know about them when it is opened.
    /// Results that are stored already are not computed again.
    ///
    /// # Errors
    /// The errors of the store; a stop on request. Photographs that cannot be used are left to the opening of the experiment, which names
    /// them.
    pub fn look(
        &self,
        session: &Session,
        progress: &Progress,
        interrupt: &Interrupt,
        chosen: Chosen,
    ) -> Result<Looked> {
        let store = Store::open(&session.artifacts)?;
        let _lock = store.share();
        let intake = Intake { store: &store, progress, interrupt, is_too_small: &|_, _| false };
        let mut looked = Looked { n_photographs: 0, n_new: 0 };
        let mut first = 0;
        for images in &self.sets {
            let [n_photographs, n_new] = intake.look_at_chunks(images, self.reading, chosen, first)?;
            looked.n_photographs += n_photographs;
            looked.n_new += n_new;
            first += n_chunks(images.len());
        }
        Ok(looked)
    }
}
