//! The bytes of one artifact: header, payload and checksum in one MessagePack map, written and read in one pass.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use rmp_serde::config::{DefaultConfig, StructMapConfig};
use rmp_serde::decode::ReadSlice;
use rmp_serde::{Deserializer, Serializer};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::store::Address;

/// Name and version of the layout below.
const MAGIC: &str = "fisherlens artifact 1";

/// Entries of the outer map, in the order of [`write()`].
const N_ENTRIES: u8 = 11;

/// First byte of a MessagePack map of up to 15 entries; the lower half holds their number.
const SMALL_MAP: u8 = 0x80;

/// Length of a BLAKE3 digest.
const N_CHECKSUM_BYTES: usize = 32;

/// How MessagePack announces a block of 32 bytes.
const CHECKSUM_MARKER: [u8; 2] = [0xc4, N_CHECKSUM_BYTES as u8];

/// What an artifact's file says about its making, besides its address.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The settings it was made by.
    pub settings: toml::Table,
    /// Names and keys of what it was computed from, where the stage tells them.
    pub inputs: BTreeMap<String, Key>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

impl Header {
    /// A header that repeats `settings` and is dated now.
    ///
    /// # Errors
    /// Settings without a TOML form.
    pub fn new<T: Serialize>(settings: &T, seconds: f64) -> Result<Self> {
        // By way of text, because an f32 turned straight into TOML's f64 shows digits that nobody wrote.
        let text = toml::to_string(settings).context("the settings have no TOML form")?;
        let settings = text.parse().context("the settings' TOML form does not read back")?;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Self { settings, inputs: BTreeMap::new(), seconds, created })
    }

    /// The same header with an input's key.
    #[must_use]
    pub fn input(mut self, name: &str, key: Key) -> Self {
        self.inputs.insert(name.to_owned(), key);
        self
    }
}

/// Header and address as a file holds them.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) address: Address,
    pub(super) header: Header,
}

/// Writes header, payload and checksum; returns the number of bytes.
pub(super) fn write<W: Write, T: Serialize>(writer: W, address: &Address, header: &Header, value: &T) -> Result<u64> {
    // The checksum is taken below the buffer, hence of large pieces.
    let mut buffer = BufWriter::new(Checksummed { writer, hasher: blake3::Hasher::new(), n_bytes: 0 });
    buffer.write_all(&[SMALL_MAP | N_ENTRIES])?;
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
    "checksum".serialize(&mut map)?;
    buffer.write_all(&CHECKSUM_MARKER)?;
    let mut inner = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
    let checksum = inner.hasher.finalize();
    inner.write_all(checksum.as_bytes())?;
    inner.writer.flush()?;
    Ok(inner.n_bytes)
}

fn write_entry<W: Write, T: Serialize + ?Sized>(
    map: &mut Serializer<W, StructMapConfig<DefaultConfig>>,
    name: &str,
    value: &T,
) -> Result<()> {
    name.serialize(&mut *map)?;
    value.serialize(map)?;
    Ok(())
}

/// Verifies the checksum and the address of a whole file and reads it.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], address: &Address) -> Result<(Header, T)> {
    verify(bytes)?;
    let mut rest = bytes;
    let n_entries = read_map_length(&mut rest)?;
    let mut map = Deserializer::from_read_ref(rest);
    let head = read_entries(&mut map, n_entries)?;
    ensure!(
        head.address == *address,
        "it holds {}, expected {address}; it was renamed or copied by hand",
        head.address
    );
    let value = T::deserialize(&mut map).context("its payload is not what this version of the program writes")?;
    Ok((head.header, value))
}

/// Reads no further than to the payload, and verifies nothing but that there is a header.
pub(super) fn read_head<R: Read>(mut reader: R) -> Result<Head> {
    let n_entries = read_map_length(&mut reader)?;
    read_entries(&mut Deserializer::new(reader), n_entries)
}

fn verify(bytes: &[u8]) -> Result<()> {
    let Some((content, checksum)) = bytes.split_last_chunk::<N_CHECKSUM_BYTES>() else {
        bail!("it has {} bytes and so is no artifact; it was cut short", bytes.len());
    };
    ensure!(
        content.ends_with(&CHECKSUM_MARKER) && blake3::hash(content) == *checksum,
        "its checksum does not match; it was cut short or changed"
    );
    Ok(())
}

fn read_map_length<R: Read>(reader: &mut R) -> Result<u8> {
    let mut first = [0];
    reader.read_exact(&mut first).context("it is empty")?;
    ensure!(first[0] & 0xf0 == SMALL_MAP, "it does not start like an artifact");
    Ok(first[0] & 0x0f)
}

/// Reads entries up to the name `payload`; entries that this version does not know are passed over.
fn read_entries<'de, R: ReadSlice<'de>>(map: &mut Deserializer<R>, n_entries: u8) -> Result<Head> {
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
        let name = String::deserialize(&mut *map).context("it has no header that can be read")?;
        ensure!((entry == 0) == (name == "magic"), "it does not start like an artifact");
        match name.as_str() {
            "magic" => {
                let magic = String::deserialize(&mut *map)?;
                ensure!(magic == MAGIC, "it starts with {magic:?}, expected {MAGIC:?}");
            }
            "stage" => found.stage = Some(Deserialize::deserialize(&mut *map)?),
            "format_version" => found.format_version = Some(Deserialize::deserialize(&mut *map)?),
            "key" => found.key = Some(Deserialize::deserialize(&mut *map)?),
            "part" => found.part = Some(Deserialize::deserialize(&mut *map)?),
            "settings" => found.settings = Some(Deserialize::deserialize(&mut *map)?),
            "inputs" => found.inputs = Some(Deserialize::deserialize(&mut *map)?),
            "seconds" => found.seconds = Some(Deserialize::deserialize(&mut *map)?),
            "created" => found.created = Some(Deserialize::deserialize(&mut *map)?),
            "payload" => break,
            _ => {
                IgnoredAny::deserialize(&mut *map)?;
            }
        }
    }
    let address = Address {
        stage: found.stage.context("its header has no stage")?,
        format_version: found.format_version.context("its header has no format_version")?,
        key: found.key.context("its header has no key")?,
        part: found.part.context("its header has no part")?,
    };
    let header = Header {
        settings: found.settings.context("its header has no settings")?,
        inputs: found.inputs.context("its header has no inputs")?,
        seconds: found.seconds.context("its header has no seconds")?,
        created: found.created.context("its header has no created")?,
    };
    Ok(Head { address, header })
}

/// Passes bytes on, and counts and digests them on the way.
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

    /// The file as serde alone sees it.
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
    fn what_was_written_is_read() {
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
    fn every_flipped_bit_and_every_cut_is_noticed() {
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
            // Noise under a right checksum: what a bug in the writer would leave behind.
            let mut sealed = bytes();
            sealed.truncate(at % sealed.len());
            sealed.extend(&noise);
            sealed.extend(CHECKSUM_MARKER);
            let checksum = blake3::hash(&sealed);
            sealed.extend(checksum.as_bytes());
            let _ = read::<Value>(&sealed, &address());
        }
    }
}
