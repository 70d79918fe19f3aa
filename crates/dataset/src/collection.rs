//! All labelled photographs of one folder or file, before they are divided into a training and a test half.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::DatasetError;
use crate::found::{Found, Opening};
use crate::image::{ImageEntry, Skipped, stem};
use crate::split::Split;
use crate::{coco, folders, table, xml};

/// How photographs and labels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One folder per class, perhaps inside of `train`, `val` and `test`.
    ClassFolders,
    /// A table with a header: one row per image, or one per box.
    Table,
    /// COCO's instances in JSON.
    Coco,
    /// One annotation in VOC's XML per image, without lists of classes.
    Xml,
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ClassFolders => "class folders",
            Self::Table => "a table",
            Self::Coco => "COCO's JSON",
            Self::Xml => "annotations in XML",
        })
    }
}

/// All labelled photographs of one folder or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The layout that was found.
    pub layout: Layout,
    /// The folder or file that was opened.
    pub path: PathBuf,
    /// The classes, sorted.
    pub classes: Vec<String>,
    /// The images, sorted by the names of their files without folder and extension, then by their ids. Results then do not depend on the
    /// layout.
    pub images: Vec<ImageEntry>,
    /// The split of each image, where the data say it.
    pub splits: Vec<Option<Split>>,
    /// Entries and files that were left out.
    pub skipped: Vec<Skipped>,
}

impl Collection {
    /// Opens labelled photographs. A file that ends in `.json` is read as COCO, any other file as a table; a folder with annotations in XML
    /// (beside the images, in `Annotations`, or in folders of splits) as such, any other folder as class folders.
    ///
    /// # Errors
    /// [`DatasetError`] for files that cannot be read, for a table or JSON that breaks its rules, and when no image is found. With
    /// [`Missing::Refuse`](crate::Missing::Refuse) also for each entry that would otherwise be skipped.
    pub fn open(path: &Path, opening: &Opening) -> Result<Self, DatasetError> {
        let metadata = path.metadata().map_err(DatasetError::io(path))?;
        let (layout, found, skipped) = if metadata.is_dir() {
            let sources = xml::sources(path)?;
            if sources.is_empty() {
                let (found, skipped) = folders::read(path, opening)?;
                (Layout::ClassFolders, found, skipped)
            } else {
                let (found, skipped) = xml::read(&sources, path, opening)?;
                (Layout::Xml, found, skipped)
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            let (found, skipped) = coco::read(path, opening)?;
            (Layout::Coco, found, skipped)
        } else {
            let (found, skipped) = table::read(path, opening)?;
            (Layout::Table, found, skipped)
        };
        Self::assemble(layout, path, found, skipped)
    }

    fn assemble(
        layout: Layout,
        path: &Path,
        mut found: Vec<Found>,
        skipped: Vec<Skipped>,
    ) -> Result<Self, DatasetError> {
        if found.is_empty() {
            let why = skipped.first().map_or_else(String::new, |first| {
                format!("; {} entries were skipped, the first one: {}: {}", skipped.len(), first.id, first.reason)
            });
            let problem = format!(
                "no labelled image was found; expected a folder per class with images, a table (.csv, .tsv) with the columns path and label, \
                 COCO's JSON, or VOC's XML beside the images{why}"
            );
            return Err(DatasetError::content(path, problem));
        }
        found.sort_by_cached_key(|found| (stem(&found.path), found.id.clone()));
        let mut of_images = Vec::with_capacity(found.len());
        for found in &mut found {
            // An image has a class if one of its objects has; with difficult objects only it is neither positive nor negative.
            let mut labels: HashMap<String, i8> = HashMap::new();
            for object in &found.objects {
                let label = labels.entry(object.class.clone()).or_default();
                *label = (*label).max(i8::from(!object.difficult));
            }
            labels.extend(std::mem::take(&mut found.classes).into_iter().map(|class| (class, 1)));
            of_images.push(labels);
        }
        let classes: BTreeSet<&String> = of_images.iter().flat_map(HashMap::keys).collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let splits = found.iter().map(|found| found.split).collect();
        let images = found.into_iter().zip(&of_images).map(|(found, labels)| ImageEntry {
            labels: classes.iter().map(|class| labels.get(class).copied().unwrap_or(-1)).collect(),
            id: found.id,
            path: found.path,
            size: found.size,
            objects: found.objects,
            digest: None,
            groups: found.groups,
        });
        Ok(Self { layout, path: path.to_owned(), images: images.collect(), classes, splits, skipped })
    }

    /// The names of the groups that at least one image has, sorted.
    pub fn group_names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.images.iter().flat_map(|image| image.groups.keys()).collect();
        names.into_iter().cloned().collect()
    }
}
