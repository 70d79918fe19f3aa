//! Annotations in VOC's XML without lists of classes, as labelling tools write them: beside the images (labelImg), in the folders of splits
//! (Roboflow), or in `Annotations` (CVAT).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fisherlens_files::check_class_name;

use crate::error::DatasetError;
use crate::folders::{entries, is_image, split_folders};
use crate::found::{Found, Opening, decide, inside};
use crate::image::{OWNER, Skipped, stem};
use crate::split::Split;
use crate::voc::annotation::{Annotation, read as read_annotation};

/// Largest annotation or list that is read.
const MAX_BYTES: u64 = 64 << 20;

/// A folder of annotations.
pub(crate) struct Source {
    annotations: PathBuf,
    /// Folders of the images, in the order in which they are searched.
    images: Vec<PathBuf>,
    split: Option<Split>,
}

/// The folders of annotations below `root`; empty if there are none.
pub(crate) fn sources(root: &Path) -> Result<Vec<Source>, DatasetError> {
    let annotations = root.join("Annotations");
    if annotations.is_dir() {
        let images = ["JPEGImages", "images", ""].map(|folder| root.join(folder));
        let images = images.into_iter().filter(|folder| folder.is_dir()).collect();
        return Ok(vec![Source { annotations, images, split: None }]);
    }
    let beside =
        |folder: &Path, split| Source { annotations: folder.to_owned(), images: vec![folder.to_owned()], split };
    if has_annotations(root)? {
        return Ok(vec![beside(root, None)]);
    }
    let mut sources = Vec::new();
    for (folder, split) in split_folders(root)? {
        if has_annotations(&folder)? {
            sources.push(beside(&folder, Some(split)));
        }
    }
    Ok(sources)
}

fn is_annotation(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"))
}

fn has_annotations(folder: &Path) -> Result<bool, DatasetError> {
    Ok(entries(folder)?.iter().any(|path| is_annotation(path)))
}

/// Reads all annotations. Images without an annotation are skipped: nobody has looked at them.
pub(crate) fn read(
    sources: &[Source],
    root: &Path,
    opening: &Opening,
) -> Result<(Vec<Found>, Vec<Skipped>), DatasetError> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    let lists = listed_splits(root)?;
    for source in sources {
        let mut images: HashMap<String, PathBuf> = HashMap::new();
        for folder in &source.images {
            for path in entries(folder)?.into_iter().filter(|path| is_image(path) && path.is_file()) {
                images.entry(stem(&path)).or_insert(path);
            }
        }
        for path in entries(&source.annotations)?.into_iter().filter(|path| is_annotation(path)) {
            let stem = stem(&path);
            let id = inside(root, &path.with_extension(""));
            let image = images.remove(&stem);
            let read = annotation(&path).and_then(|annotation| match image {
                Some(image) => Ok((annotation, image)),
                None => Err(DatasetError::content(&path, format!("no image is called {stem}"))),
            });
            match read {
                Ok((Annotation { width, height, owner, objects }, image)) => found.push(Found {
                    path: image,
                    size: Some([width, height]),
                    objects,
                    groups: owner.into_iter().map(|owner| (OWNER.to_owned(), owner)).collect(),
                    split: source.split.or_else(|| lists.get(&stem).copied()),
                    id,
                    ..Found::default()
                }),
                Err(error) => decide(opening, error, &id, &mut skipped)?,
            }
        }
        let mut without: Vec<PathBuf> = images.into_values().collect();
        without.sort();
        for path in without {
            let error = DatasetError::content(&path, "the image has no annotation");
            decide(opening, error, &inside(root, &path), &mut skipped)?;
        }
    }
    if lists.is_empty() {
        return Ok((found, skipped));
    }
    // An image that no list names belongs to no split.
    let (listed, others): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| found.split.is_some());
    for other in others {
        let error = DatasetError::content(&other.path, "no list in ImageSets/Main names the image");
        decide(opening, error, &other.id, &mut skipped)?;
    }
    Ok((listed, skipped))
}

fn annotation(path: &Path) -> Result<Annotation, DatasetError> {
    let bytes = fisherlens_files::read(path, MAX_BYTES).map_err(DatasetError::io(path))?;
    let annotation = read_annotation(&bytes).map_err(|problem| DatasetError::content(path, problem))?;
    for object in &annotation.objects {
        check_class_name(&object.class).map_err(|problem| DatasetError::content(path, problem))?;
    }
    Ok(annotation)
}

/// The split of each id, if ImageSets/Main has lists called train, val or test.
fn listed_splits(root: &Path) -> Result<HashMap<String, Split>, DatasetError> {
    let folder = root.join("ImageSets").join("Main");
    let mut splits = HashMap::new();
    if !folder.is_dir() {
        return Ok(splits);
    }
    for path in entries(&folder)? {
        let Some(split) = Split::parse(&stem(&path)) else { continue };
        let text = fisherlens_files::read_text(&path, MAX_BYTES).map_err(DatasetError::io(&path))?;
        splits.extend(text.lines().filter_map(|line| Some((line.split_whitespace().next()?.to_owned(), split))));
    }
    Ok(splits)
}
