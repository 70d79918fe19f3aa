//! What an answer means for the part that is there: continue it, start again, or refuse the answer.

use std::path::Path;

use crate::client::{Ended, Head};
use crate::package::RemoteFile;
use crate::part::Source;
use crate::problem::Problem;

/// What to do with the bytes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Write them behind the part.
    Continue {
        /// Number of bytes of the whole file, if the server says it.
        total: Option<u64>,
    },
    /// Throw the part away, and write them.
    Start(Source),
    /// Throw the part away, and ask for the whole file.
    AskAgain,
    /// The part is the whole file already.
    Complete,
}

/// Decides. `asked_from` is the number of bytes of the part, if its rest was asked for; `source` is where the part came from.
pub(crate) fn reply(
    head: &Head,
    file: &RemoteFile,
    address: &str,
    asked_from: Option<u64>,
    source: Option<&Source>,
) -> Result<Reply, Ended> {
    match (head.status, asked_from) {
        (200, _) => {
            check_body(head, file)?;
            check_size(head.length, file)?;
            let validator = validator(head);
            Ok(Reply::Start(Source { address: address.to_owned(), validator, total: head.length }))
        }
        (206, Some(from)) => {
            check_body(head, file)?;
            let text = head.range.as_deref().unwrap_or("a part without a Content-Range");
            let range = ContentRange::parse(text).filter(|range| range.first == Some(from));
            let Some(range) = range else {
                return Err(Problem::OtherRange { found: text.to_owned(), expected: from }.into());
            };
            check_size(range.total, file)?;
            let same_address = source.filter(|source| source.address == address);
            let is_changed = same_address.is_some_and(|source| {
                differ(source.validator.as_ref(), validator(head).as_ref())
                    || differ(source.total.as_ref(), range.total.as_ref())
            });
            Ok(if is_changed { Reply::AskAgain } else { Reply::Continue { total: range.total } })
        }
        // Nothing follows the part: it is the whole file, or it is longer than the file on this server.
        (416, Some(from)) => {
            let total = head.range.as_deref().and_then(ContentRange::parse).and_then(|range| range.total);
            let is_whole = file.size.allows(from) && total.is_none_or(|total| total == from);
            Ok(if is_whole { Reply::Complete } else { Reply::AskAgain })
        }
        (code, _) => Err(Problem::Status { code }.into()),
    }
}

/// Refuses bytes that cannot be those of the file.
fn check_body(head: &Head, file: &RemoteFile) -> Result<(), Problem> {
    if let Some(found) = &head.media_type {
        let kind = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => return Err(Problem::WebPage { found: found.clone() }),
            // Servers say this of files whose form they do not know. The size then shows that it is the file.
            "text/plain" if head.length.is_some() => {}
            "application/json" | "application/xml" => return Err(Problem::Text { found: found.clone() }),
            text if text.starts_with("text/") => return Err(Problem::Text { found: found.clone() }),
            _ => {}
        }
    }
    // Some servers say of every .gz file that it is compressed, which is true, and send it as it is.
    let is_gzip = Path::new(&file.name).extension().is_some_and(|extension| extension == "gz");
    let is_as_named = |encoding: &str| encoding == "identity" || (encoding.ends_with("gzip") && is_gzip);
    match head.encoding.as_ref().filter(|encoding| !is_as_named(&encoding.to_ascii_lowercase())) {
        Some(found) => Err(Problem::Compressed { found: found.clone() }),
        None => Ok(()),
    }
}

fn check_size(found: Option<u64>, file: &RemoteFile) -> Result<(), Problem> {
    match found.filter(|&found| !file.size.allows(found)) {
        Some(found) => Err(Problem::OtherSize { found, expected: file.size }),
        None => Ok(()),
    }
}

/// The name of this version that `If-Range` accepts: weak tags (`W/"…"`) are not allowed there.
fn validator(head: &Head) -> Option<String> {
    head.etag.clone().filter(|tag| tag.starts_with('"')).or_else(|| head.modified.clone())
}

/// Whether both are known and not equal.
fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a != b)
}

/// `bytes 100-199/200`, `bytes 100-199/*`, or `bytes */200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentRange {
    first: Option<u64>,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        if range == "*" {
            return Some(Self { first: None, total });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let fits = first <= last && total.is_none_or(|total: u64| last < total);
        fits.then_some(Self { first: Some(first), total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Content, Expected, Form, Size};

    const ADDRESS: &str = "http://a/file.bin";

    fn file() -> RemoteFile {
        RemoteFile {
            name: "file.bin".to_owned(),
            addresses: vec![ADDRESS.to_owned()],
            size: Size { least: 90, most: 200 },
            digest: Expected::Unknown,
            content: Content::File(Form::Bytes),
        }
    }

    fn source() -> Source {
        Source { address: ADDRESS.to_owned(), validator: Some("\"v1\"".to_owned()), total: Some(200) }
    }

    fn partial(range: &str) -> Head {
        Head { status: 206, range: Some(range.to_owned()), etag: Some("\"v1\"".to_owned()), ..Head::default() }
    }

    fn after_100(head: &Head, address: &str) -> Result<Reply, String> {
        reply(head, &file(), address, Some(100), Some(&source())).map_err(|ended| match ended {
            Ended::Problem(problem) => problem.to_string(),
            Ended::Error(error) => error.to_string(),
        })
    }

    #[test]
    fn ranges_are_read() {
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(ContentRange::parse("bytes 100-199/200"), range(Some(100), Some(200)));
        assert_eq!(ContentRange::parse("bytes 100-199/*"), range(Some(100), None));
        assert_eq!(ContentRange::parse("bytes */200"), range(None, Some(200)));
        for bad in
            ["", "bytes", "bytes 1-2", "bytes 2-1/9", "bytes 1-9/9", "bytes a-b/c", "items 1-2/3", "bytes -1-2/3"]
        {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_right_rest_is_continued() {
        assert_eq!(after_100(&partial("bytes 100-199/200"), ADDRESS), Ok(Reply::Continue { total: Some(200) }));
        assert_eq!(after_100(&partial("bytes 100-149/*"), ADDRESS), Ok(Reply::Continue { total: None }));
        let other = Head { etag: Some("\"v2\"".to_owned()), ..partial("bytes 100-199/200") };
        assert_eq!(after_100(&other, "http://b/file.bin"), Ok(Reply::Continue { total: Some(200) }));
    }

    #[test]
    fn another_version_is_asked_for_again() {
        let other = Head { etag: Some("\"v2\"".to_owned()), ..partial("bytes 100-199/200") };
        assert_eq!(after_100(&other, ADDRESS), Ok(Reply::AskAgain));
        assert_eq!(after_100(&partial("bytes 100-149/150"), ADDRESS), Ok(Reply::AskAgain));
        let dated = Head {
            etag: Some("W/\"v1\"".to_owned()),
            modified: Some("today".to_owned()),
            ..partial("bytes 100-199/200")
        };
        assert_eq!(after_100(&dated, ADDRESS), Ok(Reply::AskAgain));
    }

    #[test]
    fn another_range_is_refused() {
        for range in ["bytes 0-199/200", "bytes 101-199/200", "bytes 100-250/200", "nonsense"] {
            let message = after_100(&partial(range), ADDRESS).unwrap_err();
            assert_eq!(message, format!("the server sent {range}, expected the bytes from 100 on"));
        }
        let bare = Head { range: None, ..partial("") };
        assert!(after_100(&bare, ADDRESS).unwrap_err().contains("without a Content-Range"));
        assert!(after_100(&partial("bytes 100-299/300"), ADDRESS).unwrap_err().contains("has 300 bytes"));
    }

    #[test]
    fn a_whole_file_starts_again() {
        let head = Head { status: 200, length: Some(200), modified: Some("today".to_owned()), ..Head::default() };
        let source = Source { validator: Some("today".to_owned()), ..source() };
        assert_eq!(after_100(&head, ADDRESS), Ok(Reply::Start(source)));
        let long = Head { length: Some(201), ..head.clone() };
        assert!(after_100(&long, ADDRESS).unwrap_err().contains("has 201 bytes, expected 90 to 200"));
        let page = Head { media_type: Some("Text/HTML; charset=utf-8".to_owned()), ..head.clone() };
        assert!(after_100(&page, ADDRESS).unwrap_err().contains("a page of the web"));
        for kind in ["application/json", "application/xml; charset=utf-8", "text/css"] {
            let text = Head { media_type: Some(kind.to_owned()), ..head.clone() };
            assert!(after_100(&text, ADDRESS).unwrap_err().contains(&format!("sent text ({kind})")), "{kind}");
        }
        let page = Head { media_type: Some("application/xhtml+xml".to_owned()), ..head.clone() };
        assert!(after_100(&page, ADDRESS).unwrap_err().contains("a page of the web"));
        let plain = Head { media_type: Some("text/plain".to_owned()), ..head.clone() };
        assert!(after_100(&plain, ADDRESS).is_ok());
        assert!(after_100(&Head { length: None, ..plain }, ADDRESS).unwrap_err().contains("sent text (text/plain)"));
        let packed = Head { encoding: Some("gzip".to_owned()), ..head };
        assert!(after_100(&packed, ADDRESS).unwrap_err().contains("compressed the file (gzip)"));
        let archive = RemoteFile { name: "file.tar.gz".to_owned(), ..file() };
        assert!(reply(&packed, &archive, ADDRESS, None, None).is_ok());
    }

    #[test]
    fn nothing_after_the_part_means_that_it_is_whole_or_wrong() {
        let head = |range: Option<&str>| Head { status: 416, range: range.map(str::to_owned), ..Head::default() };
        assert_eq!(after_100(&head(Some("bytes */100")), ADDRESS), Ok(Reply::Complete));
        assert_eq!(after_100(&head(None), ADDRESS), Ok(Reply::Complete));
        assert_eq!(after_100(&head(Some("bytes */150")), ADDRESS), Ok(Reply::AskAgain));
        assert!(reply(&head(None), &file(), ADDRESS, None, None).is_err());
    }

    #[test]
    fn other_statuses_are_refused() {
        for status in [204, 206, 302, 404, 503] {
            let head = Head { status, ..Head::default() };
            assert!(matches!(reply(&head, &file(), ADDRESS, None, None), Err(Ended::Problem(Problem::Status { .. }))));
        }
    }
}
