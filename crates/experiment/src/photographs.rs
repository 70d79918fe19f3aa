//! The looks into photographs, which come before everything else, as work that several processes can share.

use anyhow::Result;
use fisherlens_artifact::Store;

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

/// What was looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Number of chunks of photographs of the whole experiment. Each is one piece of work.
    pub n_chunks: usize,
    /// Number of photographs in the chosen chunks.
    pub n_photographs: usize,
}

/// Reads and decodes the photographs of the chosen chunks, and stores what the experiment needs to know about them when it is opened. Results
/// that are stored already are not computed again.
///
/// # Errors
/// A devkit or collection that cannot be opened; the errors of the store; a stop on request. Photographs that cannot be used are left to the
/// opening of the experiment, which names them.
pub fn look(session: &Session, progress: &Progress, interrupt: &Interrupt, chosen: Chosen) -> Result<Looked> {
    let settings = Settings::load(&session.experiment, &session.set)?;
    let store = Store::open(&session.artifacts)?;
    let _lock = store.share();
    let intake = Intake { store: &store, progress, interrupt, is_too_small: &|_, _| false };
    let (sets, reading) = if let Some(own) = &session.own {
        (vec![own.listed()?], Reading::Upright)
    } else {
        let root = session.devkit(settings.data.source, progress, interrupt)?;
        let (_, sets) = listed(&root, &settings.data, session.missing, session.limit)?;
        (sets.map(|set| set.images).into(), Reading::Stored)
    };
    let mut looked = Looked { n_chunks: 0, n_photographs: 0 };
    for mut images in sets {
        looked.n_photographs += intake.look_at_chunks(&mut images, reading, chosen, looked.n_chunks)?;
        looked.n_chunks += n_chunks(images.len());
    }
    Ok(looked)
}
