//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod clean;
pub(crate) mod conservation;
pub(crate) mod export;
#[cfg(feature = "cnn")]
pub(crate) mod network;
#[cfg(not(feature = "cnn"))]
#[path = "no_network.rs"]
pub(crate) mod network;
pub(crate) mod reproduce;
pub(crate) mod status;
pub(crate) mod traces;

/// Whether an experiment uses a network. Its name shows it, or a section `[network]` in its settings file.
fn is_with_network(experiment: &str) -> bool {
    if ["mini-cnn", "voc2007-cnn"].contains(&experiment) {
        return true;
    }
    let is_file = std::path::Path::new(experiment).extension().is_some_and(|extension| extension == "toml");
    let text = if is_file { std::fs::read_to_string(experiment).unwrap_or_default() } else { String::new() };
    text.lines().any(|line| line.trim() == "[network]")
}
