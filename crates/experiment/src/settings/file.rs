//! Reads settings from a built-in experiment or from a user's file and applies `--set`, for both kinds of experiment.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::settings::bounds;
use crate::settings::names::names_of;
use crate::settings::overrides::{self, Change};

/// All settings of one kind of experiment.
pub(crate) trait SettingsFile: Serialize + DeserializeOwned {
    /// Name and text of the built-in experiments.
    const BUILT_IN: &'static [(&'static str, &'static str)];
    /// The kind of experiment, for error messages.
    const KIND: &'static str;

    /// Refuses values that are not allowed, and values that contradict each other.
    ///
    /// # Errors
    /// The setting, what was found and what is allowed.
    fn check(&self) -> Result<()>;
}

/// Largest settings file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// The settings of a built-in experiment, or of a file ending in `.toml`, changed by `changes` (`section.name=value`).
pub(crate) fn load<T: SettingsFile>(experiment: &str, changes: &[String]) -> Result<T> {
    if let Some((_, text)) = T::BUILT_IN.iter().find(|(name, _)| *name == experiment) {
        return parse(text, changes).with_context(|| format!("experiment {experiment}"));
    }
    let names: Vec<&str> = T::BUILT_IN.iter().map(|(name, _)| *name).collect();
    ensure!(
        Path::new(experiment).extension().is_some_and(|extension| extension == "toml"),
        "no {} is called \"{experiment}\"; expected one of {}, or the path of a settings file that ends in .toml",
        T::KIND,
        names.join(", ")
    );
    let text = fisherlens_files::read_text(Path::new(experiment), MAX_BYTES)
        .with_context(|| format!("cannot read the settings file {experiment}"))?;
    parse(&text, changes).with_context(|| format!("settings file {experiment}"))
}

/// The settings in a TOML text, changed by `changes`.
pub(crate) fn parse<T: SettingsFile>(text: &str, changes: &[String]) -> Result<T> {
    let mut table: Table = text.parse().context("the text is not TOML")?;
    let names = names_of::<T>();
    for change in changes {
        let change = Change::parse(change, &names)?;
        // An empty value removes a setting, but only if the settings can still be read without it.
        let may_be_removed = change.is_empty() && {
            let mut without = table.clone();
            change.remove(&mut without)?;
            without.try_into::<T>().is_ok()
        };
        if may_be_removed {
            change.remove(&mut table)?;
        } else {
            change.apply(&mut table)?;
        }
    }
    bounds::check(&table)?;
    let settings: T = table.try_into().map_err(|error| overrides::readable(&error))?;
    settings.check()?;
    Ok(settings)
}
