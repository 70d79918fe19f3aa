//! `cargo xtask clean`: removes stored artifacts.

use anyhow::Result;

use crate::artifact::Store;
use crate::cli::Clean;
use crate::commands::status::size;
use crate::session;

/// Removes the artifacts of one stage, or of all.
///
/// # Errors
/// What the file system says.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub fn run(arguments: &Clean) -> Result<()> {
    let store = Store::open(arguments.artifacts.clone().unwrap_or_else(session::default_artifacts))?;
    let bytes = match arguments.stage {
        Some(stage) => store.remove_stage(stage.name())?,
        None => store.clean()?,
    };
    println!("removed {} from {}", size(bytes), store.root().display());
    Ok(())
}
