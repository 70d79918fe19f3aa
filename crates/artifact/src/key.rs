//! What an artifact depends on, as one digest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::ArtifactError;

/// Number of digits in a folder's name and in messages. They are 64 bits, which is enough to distinguish the few hundred artifacts of an
/// experiment.
const N_SHORT_DIGITS: usize = 16;

/// Digest (BLAKE3, 32 bytes) of a stage's name, format version, settings and the keys of its inputs.
///
/// It is displayed by its first 16 hexadecimal digits; [`Key::to_hex`], [`FromStr`] and serde use all 64.
///
/// ```
/// use fisherlens_artifact::Key;
///
/// let pca = Key::builder("pca", 1).setting("n_components", &64).finish();
/// let encode = |step: usize| Key::builder("encode", 3).setting("step", &step).input("pca", pca).finish();
/// assert_eq!(encode(4), encode(4));
/// assert_ne!(encode(4), encode(5));
/// assert_eq!(pca.to_hex().parse::<Key>()?, pca);
/// # Ok::<(), fisherlens_artifact::ArtifactError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Key([u8; 32]);

/// Collects what goes into a [`Key`].
///
/// The order of the calls does not matter, but the names do. If a name is given twice, the later value counts.
#[derive(Debug, Clone)]
#[must_use = "a builder has no effect until `finish` is called"]
pub struct KeyBuilder {
    stage: String,
    format_version: u32,
    settings: BTreeMap<String, ByteBuf>,
    inputs: BTreeMap<String, Key>,
}

impl Key {
    /// Starts the key of an artifact of `stage`. Raise `format_version` whenever the stage computes something else.
    pub fn builder(stage: &str, format_version: u32) -> KeyBuilder {
        KeyBuilder { stage: stage.to_owned(), format_version, settings: BTreeMap::new(), inputs: BTreeMap::new() }
    }

    /// All 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// The first 16 digits, which name the artifact's folder.
    pub fn short(self) -> String {
        self.to_hex()[..N_SHORT_DIGITS].to_owned()
    }
}

impl KeyBuilder {
    /// Adds a setting: any value that serde can write. Structs are written with the names of their fields.
    ///
    /// A hash map has no fixed order and would give another key each time; use a `BTreeMap`.
    ///
    /// # Panics
    /// When the value's `Serialize` implementation returns an error.
    pub fn setting<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        let bytes = rmp_serde::to_vec_named(value)
            .expect("the settings of a key are plain values, which can always be written");
        self.settings.insert(name.to_owned(), ByteBuf::from(bytes));
        self
    }

    /// Adds the key of an artifact that this one is computed from.
    pub fn input(mut self, name: &str, key: Key) -> Self {
        self.inputs.insert(name.to_owned(), key);
        self
    }

    /// The digest.
    pub fn finish(self) -> Key {
        // MessagePack writes every part with its length, so two different sets of parts never give the same bytes.
        let parts = ("fisherlens key 1", self.stage, self.format_version, self.settings, self.inputs);
        let bytes = rmp_serde::to_vec_named(&parts).expect("strings, numbers and byte blocks can always be written");
        Key(*blake3::hash(&bytes).as_bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.short())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({self})")
    }
}

impl FromStr for Key {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| ArtifactError::Key { found: text.to_owned() })?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_hex()
    }
}

impl TryFrom<String> for Key {
    type Error = ArtifactError;

    fn try_from(text: String) -> Result<Self, ArtifactError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Setting {
        step: usize,
        file: Option<String>,
    }

    fn key(step: usize) -> Key {
        Key::builder("encode", 3).setting("descriptors", &Setting { step, file: None }).setting("seed", &7_u64).finish()
    }

    #[test]
    fn the_order_of_calls_does_not_matter_and_everything_else_does() {
        let other_order =
            Key::builder("encode", 3).setting("seed", &7_u64).setting("descriptors", &Setting { step: 3, file: None });
        assert_eq!(other_order.clone().finish(), key(3));
        let with_file = Setting { step: 3, file: Some("a".into()) };
        let others = [
            key(4),
            Key::builder("encode", 4).setting("descriptors", &Setting { step: 3, file: None }).finish(),
            Key::builder("pca", 3).setting("descriptors", &Setting { step: 3, file: None }).finish(),
            other_order.clone().setting("descriptors", &with_file).finish(),
            other_order.clone().setting("seeds", &7_u64).finish(),
            other_order.clone().input("pca", key(3)).finish(),
            other_order.clone().input("mixture", key(3)).finish(),
            other_order.input("mixture", key(4)).finish(),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(*other, key(3), "{i}");
            assert!(others[..i].iter().all(|earlier| earlier != other), "{i}");
        }
    }

    #[test]
    fn letters_cannot_move_from_a_name_into_its_value() {
        let a = Key::builder("s", 1).setting("ab", "c").finish();
        let b = Key::builder("s", 1).setting("a", "bc").finish();
        assert_ne!(a, b);
    }

    #[test]
    fn a_key_can_be_written_and_read_and_is_displayed_short() {
        let key = key(3);
        assert_eq!(key.to_hex().parse::<Key>().unwrap(), key);
        assert_eq!(key.to_string().len(), 16);
        assert!(key.to_hex().starts_with(&key.to_string()));
        let bytes = rmp_serde::to_vec(&key).unwrap();
        assert_eq!(rmp_serde::from_slice::<Key>(&bytes).unwrap(), key);
        for text in ["", "12", "zz", &"g".repeat(64)] {
            assert!(text.parse::<Key>().unwrap_err().to_string().contains("64 hexadecimal"));
        }
    }

    #[test]
    fn the_digest_stays_the_same_in_every_version() {
        // If this value changes, no stored artifact is found any more; then also raise the "1" in "fisherlens key 1".
        assert_eq!(key(3).to_string(), "7e1c8cece7fb4110");
    }
}
