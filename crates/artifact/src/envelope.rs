//! The bytes of one artifact: header, payload and checksum in one MessagePack map, written and read in one pass.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rmp_serde::config::{DefaultConfig, StructMapConfig};
use rmp_serde::decode::ReadSlice;
use rmp_serde::{Deserializer, Serializer};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::error::{ArtifactError, sentence};
use crate::key::Key;

/// Name and version of the layout below.
const MAGIC: &str = "fisherlens artifact 1";
/// The first word of [`MAGIC`] lies within this number of bytes.
const N_START_BYTES: usize = 32;

/// Number of entries of the outer map; [`write()`] has their order.
const N_ENTRIES: u8 = 11;

/// First byte of a MessagePack map of at most 15 entries; its lower four bits hold their number.
const SMALL_MAP: u8 = 0x80;

/// Number of bytes of a BLAKE3 digest.
const N_CHECKSUM_BYTES: usize = 32;

/// What MessagePack writes before a block of 32 bytes.
const CHECKSUM_MARKER: [u8; 2] = [0xc4, N_CHECKSUM_BYTES as u8];

/// What an artifact's file says about how it was made, besides its address.
///
/// ```
/// use std::collections::BTreeMap;
/// use fisherlens_artifact::{Header, Key};
///
/// let pca = Key::builder("pca", 1).finish();
/// let header = Header::new(&BTreeMap::from([("step", 4)]), 1.5)?.input("pca", pca);
/// assert_eq!(header.settings["step"].as_integer(), Some(4));
/// assert_eq!(header.inputs["pca"], pca);
/// # Ok::<(), fisherlens_artifact::ArtifactError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The settings that it was made with.
    pub settings: toml::Table,
    /// Names and keys of the artifacts that it was computed from, as far as the stage records them.
    pub inputs: BTreeMap<String, Key>,
    /// How long the computation took, in seconds.
    pub seconds: f64,
    /// When it was made, in seconds since the start of 1970 (UTC).
    pub created: u64,
}

impl Header {
    /// A header that repeats `settings` and has the present time as its date.
    ///
    /// # Errors
    /// [`ArtifactError::Settings`] for settings that TOML cannot express, such as a list at the top.
    pub fn new<T: Serialize>(settings: &T, seconds: f64) -> Result<Self, ArtifactError> {
        // TOML has only f64, and an f32 that is converted to it shows digits that nobody wrote: 0.005 becomes
        // 0.004999999888241291. As text an f32 keeps the digits that were written, so the settings are written and parsed.
        let text = toml::to_string(settings).map_err(|cause| ArtifactError::Settings { problem: cause.to_string() })?;
        let settings =
            text.parse().map_err(|cause: toml::de::Error| ArtifactError::Settings { problem: cause.to_string() })?;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Self { settings, inputs: BTreeMap::new(), seconds, created })
    }

    /// The same header with the key of one more input.
    #[must_use]
    pub fn input(mut self, name: &str, key: Key) -> Self {
        self.inputs.insert(name.to_owned(), key);
        self
    }
}

/// Header and address as a file holds them.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) address: Address,
    pub(crate) header: Header,
}

/// Writes header, payload and checksum; returns the number of bytes. An error is a sentence about what went wrong.
pub(crate) fn write<W: Write, T: Serialize>(
    writer: W,
    address: &Address,
    header: &Header,
    value: &T,
) -> Result<u64, String> {
    let failed = |error: io::Error| sentence(&error);
    // The digest is computed below the buffer, so that it is fed with large pieces.
    let mut buffer = BufWriter::new(Checksummed { writer, hasher: blake3::Hasher::new(), n_bytes: 0 });
    buffer.write_all(&[SMALL_MAP | N_ENTRIES]).map_err(failed)?;
    let mut map = Serializer::new(&mut buffer).with_struct_map();
    write_entry(&mut map, "magic", MAGIC)?;
    write_entry(&mut map, "stage", &address.stage)?;
    write_entry(&mut map, "format_version", &address.format_version)?;
    write_entry(&mut map, "key", &address.key)?;
    write_entry(&mut map, "part", &address.part)?;
    write_entry(&mut map, "settings", &header.settings)?;
    write_entry(&mut map, "inputs", &header.inputs)?;
    write_entry(&mut map, "seconds", &header.seconds)?;
    write_entry(&mut map, "created", &header.created)?;
    write_entry(&mut map, "payload", value)?;
    "checksum".serialize(&mut map).map_err(|error| sentence(&error))?;
    buffer.write_all(&CHECKSUM_MARKER).map_err(failed)?;
    let mut inner = buffer.into_inner().map_err(|error| failed(error.into_error()))?;
    let checksum = inner.hasher.finalize();
    inner.write_all(checksum.as_bytes()).map_err(failed)?;
    inner.writer.flush().map_err(failed)?;
    Ok(inner.n_bytes)
}

fn write_entry<W: Write, T: Serialize + ?Sized>(
    map: &mut Serializer<W, StructMapConfig<DefaultConfig>>,
    name: &str,
    value: &T,
) -> Result<(), String> {
    name.serialize(&mut *map).and_then(|()| value.serialize(map)).map_err(|error| sentence(&error))
}

/// Whether a file begins like an artifact of this or another layout.
pub(crate) fn has_start(path: &Path) -> bool {
    let word = MAGIC.as_bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
    let mut start = Vec::with_capacity(N_START_BYTES);
    let read = File::open(path).and_then(|file| file.take(N_START_BYTES as u64).read_to_end(&mut start));
    read.is_ok() && start.windows(word.len()).any(|window| window == word)
}

/// Verifies the checksum and the address of a whole file and reads it.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], address: &Address) -> Result<(Header, T), ArtifactError> {
    verify(bytes)?;
    let mut rest = bytes;
    let n_entries = read_map_length(&mut rest)?;
    let mut map = Deserializer::from_read_ref(rest);
    let head = read_entries(&mut map, n_entries)?;
    if head.address != *address {
        return Err(ArtifactError::Address { found: head.address.to_string(), expected: address.to_string() });
    }
    let value = T::deserialize(&mut map).map_err(|cause| ArtifactError::Payload { problem: cause.to_string() })?;
    Ok((head.header, value))
}

/// Reads only as far as the payload, and checks only that there is a header.
pub(crate) fn read_head<R: Read>(mut reader: R) -> Result<Head, ArtifactError> {
    let n_entries = read_map_length(&mut reader)?;
    read_entries(&mut Deserializer::new(reader), n_entries)
}

/// Verifies the checksum of a whole file, and tells where its payload lies.
pub(crate) fn open(bytes: &[u8]) -> Result<(Head, Range<usize>), ArtifactError> {
    verify(bytes)?;
    let mut reader = io::Cursor::new(bytes);
    let head = read_head(&mut reader)?;
    let start = reader.position() as usize;
    // The name of the last entry, a string of eight letters with one byte before it, then marker and checksum.
    let n_last = 1 + "checksum".len() + CHECKSUM_MARKER.len() + N_CHECKSUM_BYTES;
    let end = bytes.len().checked_sub(n_last).filter(|end| *end >= start);
    let end = end.ok_or_else(|| ArtifactError::Payload { problem: "the payload is missing".to_owned() })?;
    Ok((head, start..end))
}

/// BLAKE3 of the payload alone: equal for equal results, whatever the settings, the key and the time in the header are.
pub(crate) fn payload_digest(bytes: &[u8]) -> Result<[u8; N_CHECKSUM_BYTES], ArtifactError> {
    let (_, payload) = open(bytes)?;
    Ok(*blake3::hash(&bytes[payload]).as_bytes())
}

fn verify(bytes: &[u8]) -> Result<(), ArtifactError> {
    let Some((content, checksum)) = bytes.split_last_chunk::<N_CHECKSUM_BYTES>() else {
        return Err(ArtifactError::Short { found: bytes.len(), expected: N_CHECKSUM_BYTES });
    };
    if content.ends_with(&CHECKSUM_MARKER) && blake3::hash(content) == *checksum {
        Ok(())
    } else {
        Err(ArtifactError::Checksum)
    }
}

fn read_map_length<R: Read>(reader: &mut R) -> Result<u8, ArtifactError> {
    let mut first = [0];
    let is_map = reader.read_exact(&mut first).is_ok() && first[0] & 0xf0 == SMALL_MAP;
    if is_map { Ok(first[0] & 0x0f) } else { Err(ArtifactError::Start) }
}

/// Reads entries up to the name `payload`; entries that this version does not know are skipped.
fn read_entries<'de, R: ReadSlice<'de>>(map: &mut Deserializer<R>, n_entries: u8) -> Result<Head, ArtifactError> {
    #[derive(Default)]
    struct Found {
        stage: Option<String>,
        format_version: Option<u32>,
        key: Option<Key>,
        part: Option<String>,
        settings: Option<toml::Table>,
        inputs: Option<BTreeMap<String, Key>>,
        seconds: Option<f64>,
        created: Option<u64>,
    }
    let mut found = Found::default();
    for entry in 0..n_entries {
        let name: String = entry_of(map, "name of an entry")?;
        // "magic" is the first entry, and only the first.
        if (entry == 0) != (name == "magic") {
            return Err(ArtifactError::Start);
        }
        match name.as_str() {
            "magic" => {
                let magic: String = entry_of(map, "magic")?;
                if magic != MAGIC {
                    return Err(ArtifactError::Layout { found: magic, expected: MAGIC });
                }
            }
            "stage" => found.stage = Some(entry_of(map, "stage")?),
            "format_version" => found.format_version = Some(entry_of(map, "format_version")?),
            "key" => found.key = Some(entry_of(map, "key")?),
            "part" => found.part = Some(entry_of(map, "part")?),
            "settings" => found.settings = Some(entry_of(map, "settings")?),
            "inputs" => found.inputs = Some(entry_of(map, "inputs")?),
            "seconds" => found.seconds = Some(entry_of(map, "seconds")?),
            "created" => found.created = Some(entry_of(map, "created")?),
            "payload" => break,
            _ => {
                let IgnoredAny = entry_of(map, "unknown")?;
            }
        }
    }
    let address = Address {
        stage: present(found.stage, "stage")?,
        format_version: present(found.format_version, "format_version")?,
        key: present(found.key, "key")?,
        part: present(found.part, "part")?,
    };
    let header = Header {
        settings: present(found.settings, "settings")?,
        inputs: present(found.inputs, "inputs")?,
        seconds: present(found.seconds, "seconds")?,
        created: present(found.created, "created")?,
    };
    Ok(Head { address, header })
}

/// Reads one value of the header.
fn entry_of<'de, T: Deserialize<'de>, R: ReadSlice<'de>>(
    map: &mut Deserializer<R>,
    entry: &'static str,
) -> Result<T, ArtifactError> {
    T::deserialize(map).map_err(|cause| ArtifactError::Header { entry, problem: format!("cannot be read: {cause}") })
}

/// Refuses a header without the entry.
fn present<T>(value: Option<T>, entry: &'static str) -> Result<T, ArtifactError> {
    value.ok_or_else(|| ArtifactError::Header { entry, problem: "is missing".to_owned() })
}

/// Passes bytes on to `writer`, counts them and computes their digest.
struct Checksummed<W> {
    writer: W,
    hasher: blake3::Hasher,
    n_bytes: u64,
}

impl<W: Write> Write for Checksummed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.writer.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Value {
        name: String,
        #[serde(with = "crate::array")]
        line: Vec<f32>,
    }

    /// The file as serde reads it without this crate.
    #[derive(Deserialize)]
    struct Plain {
        magic: String,
        stage: String,
        payload: Value,
        checksum: serde_bytes::ByteBuf,
    }

    #[derive(Serialize)]
    struct Settings {
        threshold: f32,
        file: Option<String>,
        grid: Vec<String>,
    }

    fn value() -> Value {
        Value { name: "a".into(), line: vec![1.0, -2.5, 3.25] }
    }

    fn address() -> Address {
        Address::new("encode", 3, Key::builder("encode", 3).finish(), Some("train-0003"))
    }

    fn header() -> Header {
        let settings = Settings { threshold: 0.005, file: None, grid: vec!["1x1".into()] };
        Header::new(&settings, 1.5).unwrap().input("pca", Key::builder("pca", 1).finish())
    }

    fn bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        let n_bytes = write(&mut bytes, &address(), &header(), &value()).unwrap();
        assert_eq!(n_bytes, bytes.len() as u64);
        bytes
    }

    #[test]
    fn reading_gives_what_was_written() {
        let (read_header, read_value) = read::<Value>(&bytes(), &address()).unwrap();
        assert_eq!(read_value, value());
        assert_eq!(read_header.settings, header().settings);
        assert_eq!(read_header.settings["threshold"], toml::Value::Float(0.005));
        assert_eq!(read_header.inputs, header().inputs);
        assert_eq!(read_header.seconds, 1.5);
        let head = read_head(bytes().as_slice()).unwrap();
        assert_eq!(head.address, address());
        assert_eq!(head.header.settings, header().settings);
    }

    #[test]
    fn the_file_is_one_plain_map_with_the_checksum_last() {
        let bytes = bytes();
        let plain: Plain = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!((plain.magic.as_str(), plain.stage.as_str()), (MAGIC, "encode"));
        assert_eq!(plain.payload, value());
        let (content, checksum) = bytes.split_at(bytes.len() - N_CHECKSUM_BYTES);
        assert_eq!(plain.checksum, checksum);
        assert_eq!(blake3::hash(content), *<&[u8; N_CHECKSUM_BYTES]>::try_from(checksum).unwrap());
    }

    #[test]
    fn another_address_is_refused() {
        let key = Key::builder("encode", 4).finish();
        for other in [
            Address { stage: "pca".into(), ..address() },
            Address { format_version: 4, ..address() },
            Address { key, ..address() },
            Address { part: "train-0004".into(), ..address() },
        ] {
            let message = read::<Value>(&bytes(), &other).unwrap_err().to_string();
            assert!(message.contains(&format!("expected {other}")), "{message}");
        }
    }

    #[test]
    fn another_payload_is_refused() {
        assert!(read::<Vec<u32>>(&bytes(), &address()).unwrap_err().to_string().contains("payload"));
    }

    #[test]
    fn the_digest_of_the_payload_does_not_depend_on_the_header() {
        let digest = payload_digest(&bytes()).unwrap();
        assert_eq!(digest, *blake3::hash(&rmp_serde::to_vec_named(&value()).unwrap()).as_bytes());
        let mut other = Vec::new();
        let later = Header { seconds: 99.0, created: 5, ..header() };
        write(&mut other, &address(), &later, &value()).unwrap();
        assert_eq!(payload_digest(&other).unwrap(), digest);
        assert!(payload_digest(&bytes()[1..]).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_missing_end_is_noticed() {
        let whole = bytes();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert!(read::<Value>(&flipped, &address()).is_err(), "bit {bit} of byte {at}");
                let _ = read_head(flipped.as_slice());
            }
            assert!(read::<Value>(&whole[..at], &address()).is_err(), "cut at {at}");
            let _ = read_head(&whole[..at]);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(noise in prop::collection::vec(any::<u8>(), 0..300), at in 0..300_usize) {
            prop_assert!(read::<Value>(&noise, &address()).is_err());
            prop_assert!(read_head(noise.as_slice()).is_err());
            // Noise with a correct checksum: what a mistake in the writer would leave behind.
            let mut sealed = bytes();
            sealed.truncate(at % sealed.len());
            sealed.extend(&noise);
            sealed.extend(CHECKSUM_MARKER);
            let checksum = blake3::hash(&sealed);
            sealed.extend(checksum.as_bytes());
            let _ = read::<Value>(&sealed, &address());
            let _ = open(&sealed);
        }
    }
}
