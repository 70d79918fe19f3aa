//! `cargo xtask status`: lists the stored artifacts.

use std::collections::BTreeMap;

use anyhow::Result;
use fisherlens_artifact::Store;
use fisherlens_cli::answer;
use fisherlens_cli::caller::Caller;
use fisherlens_experiment::progress::duration;
use fisherlens_experiment::stage::Stage;

use crate::cli::Status;

/// The answer where no artifact is stored.
const NOTHING: &str = "nothing is stored yet; `cargo xtask reproduce` computes the embedded experiment";

/// Prints one line per stage and key, for the current settings and for all earlier ones.
///
/// # Errors
/// A folder that cannot be read.
pub(crate) fn run(arguments: &Status, caller: &Caller) -> Result<()> {
    let folder = caller.artifacts(arguments.artifacts.as_deref());
    if !folder.exists() {
        answer!("{}", folder.display());
        answer!("{NOTHING}");
        return Ok(());
    }
    let store = Store::open(folder)?;
    if arguments.digests {
        return digests(&store);
    }
    let mut rows: BTreeMap<(usize, String, String), (usize, u64, f64)> = BTreeMap::new();
    for entry in store.entries()? {
        let position = Stage::ALL.iter().position(|stage| stage.name() == entry.stage);
        let name = format!("{}-v{}", entry.stage, entry.format_version);
        let row = rows.entry((position.unwrap_or(usize::MAX), name, entry.key.clone())).or_default();
        row.0 += 1;
        row.1 += entry.n_bytes;
        row.2 += entry.header.as_ref().map_or(0.0, |header| header.seconds);
    }
    answer!("{}", store.root().display());
    if rows.is_empty() {
        answer!("{NOTHING}");
        return Ok(());
    }
    answer!("{:<16} {:<18} {:>6} {:>12} {:>14}", "stage", "key", "files", "size", "time");
    let (mut files, mut bytes, mut seconds) = (0, 0, 0.0);
    for ((_, name, key), row) in &rows {
        answer!("{name:<16} {key:<18} {:>6} {:>12} {:>14}", row.0, size(row.1), time(row.2));
        files += row.0;
        bytes += row.1;
        seconds += row.2;
    }
    answer!("{:<16} {:<18} {files:>6} {:>12} {:>14}", "all", "", size(bytes), time(seconds));
    let unfinished = store.unfinished();
    if !unfinished.is_empty() {
        let bytes = unfinished.iter().map(|(_, bytes)| bytes).sum();
        answer!(
            "{} unfinished files, {}, of a run that is at work or was killed; the next run that has the folder for itself removes them",
            unfinished.len(),
            size(bytes)
        );
    }
    Ok(())
}

/// One line per file: stage, key, part, and the digest of its content.
fn digests(store: &Store) -> Result<()> {
    for entry in store.entries()? {
        let digest = entry.payload_digest()?;
        answer!("{}-v{} {} {} {digest}", entry.stage, entry.format_version, entry.key, entry.part);
    }
    Ok(())
}

fn time(seconds: f64) -> String {
    duration(std::time::Duration::from_secs_f64(seconds))
}

/// `12.3 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        0.0..1e3 => format!("{bytes} B"),
        1e3..1e6 => format!("{:.1} kB", bytes / 1e3),
        1e6..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}
