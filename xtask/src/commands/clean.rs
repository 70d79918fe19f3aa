//! `cargo xtask clean`: removes stored artifacts.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use fisherlens_artifact::Store;
use fisherlens_cli::answer;
use fisherlens_cli::caller::Caller;
use fisherlens_experiment::stage::Stage;

use crate::cli::Clean;
use crate::commands::status::size;

/// Removes the artifacts of one stage, or of all stages.
///
/// # Errors
/// The errors of the file system.
pub(crate) fn run(arguments: &Clean, caller: &Caller) -> Result<()> {
    let folder = caller.artifacts(arguments.artifacts.as_deref());
    ensure!(folder.exists(), "there is no folder {}: expected a folder of artifacts", folder.display());
    let store = Store::open(folder)?;
    let _lock = store.own()?;
    let bytes = match &arguments.stage {
        Some(stage) => {
            // Stored artifacts may also belong to stages of networks, which only some builds know, or to older versions.
            let mut known: BTreeSet<String> = Stage::ALL.iter().map(|stage| stage.name().to_owned()).collect();
            known.extend(store.entries()?.into_iter().map(|entry| entry.stage));
            let names = || known.iter().cloned().collect::<Vec<_>>().join(", ");
            ensure!(known.contains(stage), "--stage {stage}: expected one of {}", names());
            store.remove_stage(stage)?
        }
        None => store.clean()?,
    };
    answer!("removed {} from {}", size(bytes), store.root().display());
    Ok(())
}
