//! What an artifact depends on, as one digest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Digits that name a folder and that people are shown: 64 bits, where one experiment has some hundred artifacts.
const N_SHORT_DIGITS: usize = 16;

/// Digest (BLAKE3, 32 bytes) of a stage's name, format version, settings and the keys of its inputs.
///
/// Shown by its first 16 hexadecimal digits; [`Key::to_hex`], [`FromStr`] and serde use all 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Key([u8; 32]);

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseKeyError {
    found: String,
}

/// What goes into a [`Key`], and the header that repeats it.
///
/// The order of the calls does not matter, the names do; a name given twice keeps the later value.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is finished"]
pub struct KeyBuilder {
    stage: String,
    format_version: u32,
    settings: BTreeMap<String, ByteBuf>,
    inputs: BTreeMap<String, Key>,
}

impl Key {
    /// Starts the key of an artifact of `stage`; the version rises whenever the stage computes something else.
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
    /// Adds a setting: anything that serde can write, structs by the names of their fields.
    ///
    /// Hash maps have no order of their own and so would give another key each time; use a `BTreeMap`.
    ///
    /// # Panics
    /// When the value's own `Serialize` reports an error.
    pub fn setting<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        let bytes = rmp_serde::to_vec_named(value).expect("settings of a key are plain values that always encode");
        self.settings.insert(name.to_owned(), ByteBuf::from(bytes));
        self
    }

    /// Adds the key of an artifact that this one is computed from.
    pub fn input(mut self, name: &str, key: Key) -> Self {
        self.inputs.insert(name.to_owned(), key);
        self
    }

    /// The digest.
    ///
    /// # Panics
    /// Never: strings, numbers and byte blocks always encode.
    pub fn finish(self) -> Key {
        // Every part carries its length in MessagePack, so no two different sets of parts spell the same bytes.
        let parts = ("fisherlens key 1", self.stage, self.format_version, self.settings, self.inputs);
        let bytes = rmp_serde::to_vec_named(&parts).expect("strings, numbers and byte blocks always encode");
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
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| ParseKeyError { found: text.to_owned() })?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_hex()
    }
}

impl TryFrom<String> for Key {
    type Error = ParseKeyError;

    fn try_from(text: String) -> Result<Self, ParseKeyError> {
        text.parse()
    }
}

impl fmt::Display for ParseKeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "key: found {:?}, expected 64 hexadecimal digits", self.found)
    }
}

impl std::error::Error for ParseKeyError {}

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
    fn a_name_cannot_flow_into_its_neighbour() {
        let a = Key::builder("s", 1).setting("ab", "c").finish();
        let b = Key::builder("s", 1).setting("a", "bc").finish();
        assert_ne!(a, b);
    }

    #[test]
    fn a_key_survives_its_own_text_and_is_shown_short() {
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
    fn the_digest_stays_the_same_from_version_to_version() {
        // A change of this value makes every stored artifact useless: raise the "1" in the digest's first part with it.
        assert_eq!(key(3).to_string(), "7e1c8cece7fb4110");
    }
}
