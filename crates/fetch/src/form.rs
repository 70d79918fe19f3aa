//! Whether a file is a whole message of Protocol Buffers: the check of files whose digest nobody has published.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek};
use std::path::Path;

/// Largest number of fields on the outside of a message. The files of Caffe have one per layer.
const MAX_FIELDS: usize = 1_000_000;

/// Steps from field to field through the file, without looking into them. A page of the web or a file that was cut short does not end where
/// its last field ends.
///
/// Returns what is wrong; `None` for a whole message.
pub(crate) fn wrong_message(path: &Path) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let n_bytes = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut at = 0;
    let wrong = |at: u64| Ok(Some(format!("it is not a file of Caffe, or it was cut short: no field at byte {at}")));
    for _ in 0..MAX_FIELDS {
        if at == n_bytes {
            return Ok((n_bytes == 0).then(|| "it is empty".to_owned()));
        }
        let length = match field(&mut reader) {
            Ok(Some(length)) => length,
            Ok(None) => return wrong(at),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return wrong(at),
            Err(error) => return Err(error),
        };
        let here = reader.stream_position()?;
        match here.checked_add(length).filter(|&end| end <= n_bytes).zip(i64::try_from(length).ok()) {
            Some((end, length)) => {
                reader.seek_relative(length)?;
                at = end;
            }
            None => return wrong(at),
        }
    }
    wrong(at)
}

/// Reads the beginning of a field and returns the number of bytes that follow; `None` for something that is not a field.
fn field(reader: &mut impl Read) -> io::Result<Option<u64>> {
    let Some(key) = varint(reader)? else { return Ok(None) };
    if key >> 3 == 0 {
        return Ok(None);
    }
    Ok(match key & 7 {
        0 => varint(reader)?.map(|_| 0),
        1 => Some(8),
        2 => varint(reader)?,
        5 => Some(4),
        _ => None,
    })
}

/// A number in pieces of 7 bits; `None` for one with more than 64 bits.
fn varint(reader: &mut impl Read) -> io::Result<Option<u64>> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(bytes: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        wrong_message(&path).unwrap()
    }

    /// Name "net", a number, four bytes, eight bytes, and a layer of 300 bytes.
    fn message() -> Vec<u8> {
        let mut bytes = b"\x0a\x03net\x10\x96\x01\x25abcd\x29abcdefgh\xa2\x06\xac\x02".to_vec();
        bytes.extend([7; 300]);
        bytes
    }

    #[test]
    fn a_message_is_whole_only_at_its_end() {
        let bytes = message();
        assert_eq!(wrong(&bytes), None);
        let ends: Vec<usize> = (0..=bytes.len()).filter(|&n| wrong(&bytes[..n]).is_none()).collect();
        assert_eq!(ends, [5, 8, 13, 22, bytes.len()]);
    }

    #[test]
    fn pages_and_other_bytes_are_no_messages() {
        for bytes in
            [&b""[..], b"<!DOCTYPE html><html></html>", b"\0\0", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
        {
            assert!(wrong(bytes).is_some(), "{bytes:?}");
        }
    }
}
