//! Processes that share the work of a run must store results in the same formats. The first one leaves a record of its formats in the store,
//! and the others compare it with theirs.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::core::StageId;
use crate::experiment::Experiment;
use crate::intake::FORMATS;
use crate::stage::Stage;

/// The record in the store.
const RECORD: StageId = StageId { name: "run", format_version: 1 };

/// The formats of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Formats {
    /// Version of the program.
    program: String,
    /// Name and format version of everything that it stores.
    versions: BTreeMap<String, u32>,
}

impl Formats {
    fn of_this_program() -> Self {
        let stages = Stage::ALL.into_iter().map(Stage::id).map(|id| (id.name.to_owned(), id.format_version));
        let others = FORMATS.map(|(name, version)| (name.to_owned(), version));
        Self { program: env!("CARGO_PKG_VERSION").to_owned(), versions: stages.chain(others).collect() }
    }
}

/// Compares the formats of this program with those of the program that began the run: the one that did the first share or piece of work with
/// these settings on these photographs, in this store.
///
/// # Errors
/// A format that differs. Both programs would then wait for results that the other stores under another name.
pub fn check(experiment: &Experiment) -> Result<()> {
    let core = &experiment.core;
    let key = RECORD
        .key()
        .setting("settings", &core.settings)
        .input("train", core.dataset.train.files)
        .input("test", core.dataset.test.files)
        .finish();
    let address = RECORD.at(key);
    let own = Formats::of_this_program();
    if !core.has(&address) {
        core.keep(&address, 0.0, &own)?;
    }
    // Processes that begin at the same time all write a record, and compare theirs with the last one.
    let first: Formats = core.needed(&address)?;
    let names = own.versions.keys().chain(first.versions.keys());
    for name in names {
        let (of_own, of_first) = (own.versions.get(name), first.versions.get(name));
        if of_own != of_first {
            let text =
                |version: Option<&u32>| version.map_or_else(|| "not at all".to_owned(), |v| format!("in format {v}"));
            bail!(
                "this program (version {}) stores {name} {}, but the run was begun by a program (version {}) that stores it {}: start all \
                 processes of a run from the same program. To begin again with this program, remove the record of the first one, {}",
                own.program,
                text(of_own),
                first.program,
                text(of_first),
                core.store.path(&address).display()
            );
        }
    }
    Ok(())
}
