//! SHA-256 of files.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::FetchError;
use crate::observer::{Observer, Work, stopped};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 18;

/// The SHA-256 of a file. SHA-256 is published for the archives of VOC and for the weights of BVLC, and nobody can make a second file with
/// the same one; the MD5 of VOC and the SHA-1 of BVLC do not give that certainty.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest with these 64 hexadecimal digits in lower case; `None` for any other text.
    ///
    /// ```
    /// use fisherlens_fetch::Digest;
    ///
    /// let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    /// assert_eq!(Digest::from_hex(text), Some(Digest::of(b"abc")));
    /// assert_eq!(Digest::of(b"abc").to_string(), text);
    /// assert_eq!(Digest::from_hex("ba78"), None);
    /// ```
    pub const fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        let mut at = 0;
        while at < 64 {
            let value = match text[at] {
                digit @ b'0'..=b'9' => digit - b'0',
                letter @ b'a'..=b'f' => letter - b'a' + 10,
                _ => return None,
            };
            bytes[at / 2] = bytes[at / 2] << 4 | value;
            at += 1;
        }
        Some(Self(bytes))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a file.
    ///
    /// # Errors
    /// [`FetchError::Io`], and [`FetchError::Stopped`] if the observer asks for it.
    pub(crate) fn of_file(path: &Path, name: &str, observer: &dyn Observer) -> Result<Self, FetchError> {
        let mut file = File::open(path).map_err(FetchError::io("read", path))?;
        let n_bytes = file.metadata().map_err(FetchError::io("read", path))?.len();
        let bar = observer.begin(Work::Check, name, n_bytes);
        let mut state = Sha256::new();
        let mut block = vec![0; BLOCK];
        let mut done = 0;
        loop {
            stopped(observer)?;
            let n = file.read(&mut block).map_err(FetchError::io("read", path))?;
            if n == 0 {
                return Ok(Self(state.finalize().into()));
            }
            state.update(&block[..n]);
            done += n as u64;
            bar.set_position(done);
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Silent;

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..BLOCK + 17).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Digest::of_file(&path, "file", &Silent).unwrap(), Digest::of(&bytes));
    }

    #[test]
    fn only_64_lower_case_digits_are_a_digest() {
        assert!(Digest::from_hex(&"0".repeat(64)).is_some());
        for text in ["", "0", &"0".repeat(63), &"0".repeat(65), &"A".repeat(64), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Digest::from_hex(text), None, "{text}");
        }
    }
}
