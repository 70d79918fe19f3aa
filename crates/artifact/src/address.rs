//! Which artifact: stage, format version, key and part.

use std::fmt;

use crate::key::Key;

/// Name of the only part of an artifact that is not divided.
const WHOLE: &str = "artifact";

/// Which artifact: stage, format version, key and part.
///
/// ```
/// use fisherlens_artifact::{Address, Key};
///
/// let key = Key::builder("encode", 3).setting("step", &4).finish();
/// let shard = Address::new("encode", 3, key, Some("train-0003"));
/// assert_eq!(shard.to_string(), format!("encode-v3/{key}/train-0003"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name of the stage.
    pub stage: String,
    /// Version of what the stage computes.
    pub format_version: u32,
    /// Digest of everything that the artifact depends on.
    pub key: Key,
    /// Name of the part: `artifact`, or the name of a shard.
    pub part: String,
}

impl Address {
    /// The artifact of `stage` under `key`; without a part, the undivided artifact.
    ///
    /// # Panics
    /// When the name of the stage or part is empty or has other characters than ASCII letters, digits and hyphens.
    pub fn new(stage: &str, format_version: u32, key: Key, part: Option<&str>) -> Self {
        let part = part.unwrap_or(WHOLE);
        for name in [stage, part] {
            let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            assert!(plain, "names of stages and parts have letters, digits and hyphens only, not {name:?}");
        }
        Self { stage: stage.to_owned(), format_version, key, part: part.to_owned() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-v{}/{}/{}", self.stage, self.format_version, self.key, self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "letters, digits and hyphens")]
    fn a_part_cannot_leave_its_folder() {
        let _ = Address::new("encode", 3, Key::builder("encode", 3).finish(), Some("../x"));
    }
}
