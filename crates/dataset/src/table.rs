//! Tables with a header: CSV, TSV, or with semicolons.
//!
//! | column | other names | content |
//! |---|---|---|
//! | `path` | `file`, `filename`, `file_name`, `image`, `image_path` | the image, relative to the table |
//! | `label` | `labels`, `class`, `classes`, `category` | one class, or several as `cat|dog`; empty for none |
//! | `split` | `set`, `subset` | `train`, `val` or `test`; may be absent |
//! | `x1`, `y1`, `x2`, `y2` | `xmin`, `ymin`, `xmax`, `ymax` | edges of a box in pixels, from 0, half-open; may be absent |
//!
//! Every other column is a group. With boxes, an image may have several rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use fisherlens_files::check_class_name;

use crate::error::DatasetError;
use crate::found::{Found, Opening, decide, resolve};
use crate::image::{BoundingBox, Object, Skipped};
use crate::split::Split;
use crate::text::without_mark;

/// Largest table that is read, 4 GiB.
const MAX_BYTES: u64 = 4 << 30;

const PATH: [&str; 6] = ["path", "file", "filename", "file_name", "image", "image_path"];
const LABEL: [&str; 5] = ["label", "labels", "class", "classes", "category"];
const SPLIT: [&str; 3] = ["split", "set", "subset"];
const EDGES: [[&str; 2]; 4] = [["x1", "xmin"], ["y1", "ymin"], ["x2", "xmax"], ["y2", "ymax"]];

/// Where the columns are.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
    edges: Option<[usize; 4]>,
    groups: Vec<(usize, String)>,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, String> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        if let Some(name) =
            names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name)
        {
            return Err(format!("two columns are called \"{name}\""));
        }
        let find = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        let missing = |wanted: &[&str]| {
            format!("no column is called {}; expected a header, found the columns {names:?}", wanted.join(" or "))
        };
        let path = find(&PATH).ok_or_else(|| missing(&PATH))?;
        let label = find(&LABEL).ok_or_else(|| missing(&LABEL))?;
        let split = find(&SPLIT);
        let found: Vec<usize> = EDGES.iter().filter_map(|names| find(names)).collect();
        let edges = match found.as_slice() {
            [] => None,
            &[left, top, right, bottom] => Some([left, top, right, bottom]),
            _ => {
                return Err(
                    "only some of the columns x1, y1, x2 and y2 are there: expected all four, or none".to_owned()
                );
            }
        };
        let used = |at: usize| at == path || at == label || Some(at) == split || edges.is_some_and(|e| e.contains(&at));
        let groups = (0..names.len()).filter(|&at| !used(at) && !names[at].is_empty());
        Ok(Self { path, label, split, edges, groups: groups.map(|at| (at, names[at].clone())).collect() })
    }
}

/// Reads a table.
pub(crate) fn read(path: &Path, opening: &Opening) -> Result<(Vec<Found>, Vec<Skipped>), DatasetError> {
    let bytes = fisherlens_files::read(path, MAX_BYTES).map_err(DatasetError::io(path))?;
    let bytes = without_mark(&bytes).map_err(|problem| DatasetError::content(path, problem))?;
    let at = |line: u64, problem: String| DatasetError::Line { path: path.to_owned(), line, problem };
    // Programs of some countries write semicolons, because the comma is their decimal sign.
    let first = bytes.split(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
    let delimiter = [b'\t', b';'].into_iter().find(|sign| first.contains(sign)).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().delimiter(delimiter).trim(Trim::All).from_reader(bytes);
    // Where lines end with \r\n, the reader counts the \n of the line before as the beginning of a record.
    let line_of =
        |position: &csv::Position| position.line() + u64::from(bytes.get(position.byte() as usize) == Some(&b'\n'));
    let wrong = |error: csv::Error| {
        let line = error.position().map_or(1, line_of);
        let problem = match error.kind() {
            csv::ErrorKind::Utf8 { .. } => "the text is not UTF-8: save the table as UTF-8".to_owned(),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("found {len} columns, expected {expected_len} as in the header")
            }
            _ => error.to_string(),
        };
        at(line, problem)
    };
    let columns = Columns::find(&reader.headers().map_err(wrong)?.clone()).map_err(|problem| at(1, problem))?;
    let mut table = Table { path, opening, columns, places: HashMap::new(), found: Vec::new(), skipped: Vec::new() };
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, line_of);
        // The message of a missing file does not stop the others; everything else does, because it is a mistake in the table.
        table.row(&record).or_else(|(error, id)| match id {
            Some(id) => decide(opening, at(line, error), &id, &mut table.skipped),
            None => Err(at(line, error)),
        })?;
    }
    Ok((table.found, table.skipped))
}

struct Table<'a> {
    path: &'a Path,
    opening: &'a Opening,
    columns: Columns,
    places: HashMap<String, usize>,
    found: Vec<Found>,
    skipped: Vec<Skipped>,
}

impl Table<'_> {
    /// Reads one row. An error with an id belongs to this image alone.
    fn row(&mut self, record: &StringRecord) -> Result<(), (String, Option<String>)> {
        let fatal = |problem: String| (problem, None);
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let id = cell(self.columns.path);
        if id.is_empty() {
            return Err(fatal("the path is empty".to_owned()));
        }
        let labels: Vec<&str> =
            cell(self.columns.label).split('|').map(str::trim).filter(|name| !name.is_empty()).collect();
        for name in &labels {
            check_class_name(name).map_err(fatal)?;
        }
        let split = match self.columns.split {
            Some(at) => Some(
                Split::parse(cell(at))
                    .ok_or_else(|| fatal(format!("the split is \"{}\": expected train, val or test", cell(at))))?,
            ),
            None => None,
        };
        let edges = match self.columns.edges {
            Some(edges) if edges.iter().any(|&at| !cell(at).is_empty()) => Some(edges),
            _ => None,
        };
        let object = match edges {
            Some(edges) => {
                let mut values = [0.0_f64; 4];
                for (value, at) in values.iter_mut().zip(edges) {
                    let text = cell(at);
                    *value = text.parse().map_err(|_| fatal(format!("\"{text}\" is not a number of pixels")))?;
                }
                let [class] = labels.as_slice() else {
                    return Err(fatal(format!("a box needs one class, found {}", labels.len())));
                };
                let bounds = BoundingBox::rounded(values, None).map_err(fatal)?;
                Some(Object { class: (*class).to_owned(), bounds, difficult: false, truncated: false })
            }
            None => None,
        };
        let groups = self.columns.groups.iter().filter(|(at, _)| !cell(*at).is_empty());
        let groups = groups.map(|(at, name)| (name.clone(), cell(*at).to_owned())).collect();
        match self.places.entry(id.to_owned()) {
            Entry::Occupied(place) => {
                let found = &mut self.found[*place.get()];
                let Some(object) = object.filter(|_| !found.objects.is_empty()) else {
                    return Err(fatal(format!("{id} is listed a second time")));
                };
                if (found.split, &found.groups) != (split, &groups) {
                    return Err(fatal(format!("{id} has another split or another group than in its row before")));
                }
                found.objects.push(object);
            }
            Entry::Vacant(place) => {
                let path = resolve(self.path, self.opening, id).map_err(|problem| (problem, Some(id.to_owned())))?;
                place.insert(self.found.len());
                let classes =
                    if object.is_some() { [].into() } else { labels.iter().map(|&name| name.to_owned()).collect() };
                self.found.push(Found {
                    id: id.to_owned(),
                    path,
                    size: None,
                    objects: object.into_iter().collect(),
                    classes,
                    groups,
                    split,
                });
            }
        }
        Ok(())
    }
}
