//! The largest value of every setting that is a whole number.
//!
//! A number with some digits too many would otherwise end a run after hours, or take all memory. The bounds are far above every value that
//! makes sense; the smallest values are checked together with the other conditions of each section.

use anyhow::{Result, bail};
use toml::{Table, Value};

/// Dotted name and largest value.
const LARGEST: [(&str, i64); 36] = [
    ("data.shard_size", 100_000),
    ("descriptors.bin_sizes", 255),
    ("descriptors.step", 10_000),
    ("sample.n_descriptors", 10_000_000_000),
    ("sample.n_images", 10_000_000_000),
    ("pca.n_components", 100_000),
    ("mixture.n_components", 100_000),
    ("mixture.max_n_iterations", 1_000_000),
    ("mixture.init_n_samples", 100_000_000),
    ("mixture.init_n_iterations", 1_000_000),
    ("classifier.n_folds", 1000),
    ("classifier.max_n_epochs", 100_000_000),
    ("relevance.grid", 1000),
    ("resampling.n_replacements", 100_000_000),
    ("resampling.batch", 100_000_000),
    ("resampling.n_repeats", 10_000),
    ("pixels.side", 1000),
    ("pixels.n_regions", 1_000_000),
    ("pixels.batch", 1_000_000),
    ("pixels.n_targets", 1_000_000),
    ("evaluation.n_bootstrap", 1_000_000),
    ("evaluation.n_seeds", 1000),
    ("strategies.grid", 256),
    ("strategies.n_neighbours", 100_000),
    ("strategies.n_clusters", 1000),
    ("strategies.n_changed", 1_000_000),
    ("report.n_examples", 1000),
    ("network.frame", 4096),
    ("network.stride", 4096),
    ("network.mean", 255),
    ("retraining.n_epochs", 1_000_000),
    ("retraining.step_size", 1_000_000_000),
    ("retraining.batch_size", 100_000),
    ("retraining.checkpoint_every", 1_000_000_000),
    ("retraining.validate_every", 1_000_000_000),
    ("comparison.n_examples", 1000),
];

/// Refuses numbers above their bound.
///
/// # Errors
/// The first setting that is too large; the message has its name, its value and the bound.
pub(crate) fn check(settings: &Table) -> Result<()> {
    for (name, largest) in LARGEST {
        let value = name.split_once('.').and_then(|(section, field)| settings.get(section)?.get(field));
        let values = match value {
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
            None => continue,
        };
        for value in values {
            let is_too_large = match value {
                Value::Integer(found) => *found > largest,
                Value::Float(found) => *found > largest as f64,
                _ => false,
            };
            if is_too_large {
                bail!("{name} = {value}: expected at most {largest}");
            }
        }
    }
    Ok(())
}
