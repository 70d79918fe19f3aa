//! Photographs of one's own: a collection in any layout becomes the two halves of an experiment.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use fisherlens_dataset::{
    BoundingBox, Collection, ImageEntry, ImageSet, Layout, Missing, Opening, Skipped, SplitOptions,
};
use fisherlens_descriptors::fitted_size;

use crate::intake::{Intake, Look};
use crate::near::Fingerprint;
use crate::reading::{MAX_SIDE, Reading};

/// Smallest number of images of a class that a result can be based on.
const MIN_N_IMAGES: usize = 10;

/// Photographs of one's own, and how they are divided.
#[derive(Debug, Clone)]
pub struct OwnPhotographs {
    /// A folder, a table or a JSON file; see [`Collection::open`].
    pub path: PathBuf,
    /// How it is opened.
    pub opening: Opening,
    /// How it is divided into halves, unless it has a split of its own.
    pub split: SplitOptions,
    /// Whether nearly equal photographs are kept in one half.
    pub near_together: bool,
    /// Whether all images are test images, for a model that learned from others. The training half is then empty.
    pub all_tested: bool,
}

/// The halves, and what their user must know.
pub(crate) struct Halves {
    pub(crate) layout: Layout,
    pub(crate) sets: [ImageSet; 2],
    /// Ids of a training image and of a test image that are nearly equal.
    pub(crate) near: Vec<[String; 2]>,
    pub(crate) warnings: Vec<String>,
}

impl OwnPhotographs {
    /// The images of the collection, before any of them is read.
    ///
    /// # Errors
    /// See [`Collection::open`].
    pub(crate) fn listed(&self) -> Result<Vec<ImageEntry>> {
        Ok(Collection::open(&self.path, &self.opening)?.images)
    }

    /// Opens the collection, looks into every photograph, and divides them. `names`: of the training and of the test half.
    pub(crate) fn halves(&self, names: [&str; 2], intake: &Intake<'_>, limit: Option<usize>) -> Result<Halves> {
        if let Some(share) = self.split.test_share {
            ensure!(share > 0.0 && share < 1.0, "--test-share {share}: expected a number above 0 and below 1");
        }
        let mut collection = Collection::open(&self.path, &self.opening)?;
        let fingerprints = self.looks(&mut collection, intake)?;
        let all =
            if self.near_together { intake.together(&fingerprints)? } else { (0..collection.images.len()).collect() };
        let mut sets = if self.all_tested {
            collection.all_in_second(names)
        } else {
            collection.halves(names, &all, &self.split)?
        };
        if let Some(limit) = limit {
            for set in &mut sets {
                crate::dataset::limit_images(&mut set.images, limit);
            }
        }
        let mut warnings = Vec::new();
        if let Some(first) = collection.skipped.first() {
            let n = collection.skipped.len();
            let were = if n == 1 { "file or entry was" } else { "files or entries were" };
            warnings.push(format!("{n} {were} skipped, the first one: {}", first.reason));
        }
        warnings.extend(self.only_split(&collection));
        warnings.extend(alike(&collection.classes));
        let by_id: HashMap<&str, Option<Fingerprint>> =
            collection.images.iter().map(|entry| entry.id.as_str()).zip(fingerprints.iter().copied()).collect();
        let of = |set: &ImageSet| set.images.iter().map(|entry| by_id[entry.id.as_str()]).collect::<Vec<_>>();
        let near = intake.near([&sets[0].images, &sets[1].images], [&of(&sets[0]), &of(&sets[1])])?;
        warnings.extend(contradictions(&collection));
        if !self.all_tested {
            warnings.extend(small_classes(&sets));
        }
        Ok(Halves { layout: collection.layout, sets, near, warnings })
    }

    /// A split of the data that says the same of all images divides nothing.
    fn only_split(&self, collection: &Collection) -> Option<String> {
        let first = collection.splits.first().copied().flatten()?;
        (!self.all_tested && collection.splits.iter().all(|split| *split == Some(first))).then(|| {
            format!("the data put all images into the split {}, so they are divided by their digests", first.name())
        })
    }

    /// Fingerprint of every photograph that can be used. Boxes are turned into pixels of the shrunk photographs.
    fn looks(&self, collection: &mut Collection, intake: &Intake<'_>) -> Result<Vec<Option<Fingerprint>>> {
        let looks = intake.look_at(&mut collection.images, Reading::Upright)?;
        let fitted = |(entry, look): (&mut ImageEntry, Result<Look, String>)| match look? {
            Look::Fault(problem) => Err(format!("{}: {problem}", entry.path.display())),
            Look::Photograph { width, height, fingerprint } => {
                let [fitted_width, fitted_height] = fitted_size([width as usize, height as usize], MAX_SIDE);
                if (intake.is_too_small)(fitted_width, fitted_height) {
                    let size = format!("{width} × {height} pixels");
                    return Err(format!(
                        "{}: a picture of {size} is too small for a local descriptor",
                        entry.path.display()
                    ));
                }
                fit_boxes(entry, [width, height]).map(|()| fingerprint)
            }
        };
        let found = collection.images.iter_mut().zip(looks).map(fitted).collect();
        self.keep(collection, found)
    }

    /// Keeps the images with a value; the others are refused, or moved to the skipped ones.
    fn keep<T>(&self, collection: &mut Collection, values: Vec<Result<T, String>>) -> Result<Vec<T>> {
        let faults = values.iter().filter(|value| value.is_err()).count();
        let mut kept = Vec::with_capacity(values.len());
        let images = std::mem::take(&mut collection.images);
        let splits = std::mem::take(&mut collection.splits);
        for ((image, split), value) in images.into_iter().zip(splits).zip(values) {
            match value {
                Ok(value) => {
                    kept.push(value);
                    collection.images.push(image);
                    collection.splits.push(split);
                }
                Err(reason) if self.opening.missing == Missing::Refuse => {
                    bail!(
                        "{reason} ({faults} images cannot be used); without --strict such images are skipped and counted"
                    )
                }
                Err(reason) => collection.skipped.push(Skipped { id: image.id, reason }),
            }
        }
        if kept.is_empty() {
            let first = collection.skipped.first().map_or("", |skipped| skipped.reason.as_str());
            bail!("no photograph of {} can be used; the first one: {first}", self.path.display());
        }
        Ok(kept)
    }
}

/// Checks the size and the boxes of an image against its pixels, and gives both in pixels of the shrunk photograph.
fn fit_boxes(entry: &mut ImageEntry, pixels: [u32; 2]) -> Result<(), String> {
    let path = entry.path.display();
    let [width, height] = pixels;
    if let Some([said_width, said_height]) = entry.size
        && [said_width, said_height] != pixels
    {
        return Err(format!(
            "{path} has {width} × {height} pixels when it is upright, but its annotation says {said_width} × {said_height}, so its boxes \
             belong to another picture"
        ));
    }
    let size = fitted_size(pixels.map(|side| side as usize), MAX_SIDE).map(|side| side as u32);
    // The place of an edge in the shrunk photograph.
    let place =
        |edge: u32, axis: usize| (f64::from(edge) * f64::from(size[axis]) / f64::from(pixels[axis])).round() as u32;
    let span = |low: u32, high: u32, axis: usize| {
        let low = place(low, axis).min(size[axis] - 1);
        (low, place(high, axis).max(low + 1))
    };
    for object in &mut entry.objects {
        let BoundingBox { left, top, right, bottom } = object.bounds;
        if right > width || bottom > height {
            return Err(format!(
                "{path}: a box of class \"{}\" ends at ({right}, {bottom}), outside of the {width} × {height} pixels",
                object.class
            ));
        }
        let ((left, right), (top, bottom)) = (span(left, right, 0), span(top, bottom, 1));
        object.bounds = BoundingBox { left, top, right, bottom };
    }
    entry.size = Some(size);
    Ok(())
}

/// Files with the same bytes and other labels.
fn contradictions(collection: &Collection) -> Option<String> {
    let mut first = HashMap::new();
    let mut found = Vec::new();
    for (index, entry) in collection.images.iter().enumerate() {
        let other = *first.entry(entry.digest).or_insert(index);
        if collection.images[other].labels != entry.labels {
            found.push((other, index));
        }
    }
    let &(a, b) = found.first()?;
    let have = if found.len() == 1 { "file has" } else { "files have" };
    Some(format!(
        "{} {have} the same bytes as a file with other labels; the first one: {} and {}",
        found.len(),
        collection.images[a].path.display(),
        collection.images[b].path.display()
    ))
}

/// Names of classes that differ only in upper and lower case or in spaces.
fn alike(classes: &[String]) -> Option<String> {
    let plain = |class: &String| class.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let mut first: HashMap<String, &String> = HashMap::new();
    let pairs: Vec<String> = classes
        .iter()
        .filter_map(|class| match first.entry(plain(class)) {
            Entry::Vacant(entry) => {
                entry.insert(class);
                None
            }
            Entry::Occupied(entry) => Some(format!("\"{}\" and \"{class}\"", entry.get())),
        })
        .collect();
    (!pairs.is_empty()).then(|| format!("classes whose names are almost the same are kept apart: {}", pairs.join(", ")))
}

/// Classes with so few images that their results say little.
fn small_classes([train, test]: &[ImageSet; 2]) -> Vec<String> {
    let count = |set: &ImageSet, class: usize| set.images.iter().filter(|entry| entry.labels[class] == 1).count();
    let small = |class: usize| {
        let (n_train, n_test) = (count(train, class), count(test, class));
        let is_small = n_train + n_test < MIN_N_IMAGES || n_train == 0 || n_test == 0;
        is_small.then(|| format!("{} ({n_train} + {n_test})", train.classes[class]))
    };
    let small: Vec<String> = (0..train.classes.len()).filter_map(small).collect();
    if small.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "classes with fewer than {MIN_N_IMAGES} images, or without images in one half (training + test images): {}",
        small.join(", ")
    )]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fisherlens_dataset::Object;

    use super::*;

    fn entry(size: Option<[u32; 2]>, edges: [u32; 4]) -> ImageEntry {
        let [left, top, right, bottom] = edges;
        let bounds = BoundingBox { left, top, right, bottom };
        ImageEntry {
            id: "a".to_owned(),
            path: "a.jpg".into(),
            labels: vec![1],
            size,
            objects: vec![Object { class: "cat".to_owned(), bounds, difficult: false, truncated: false }],
            digest: None,
            groups: BTreeMap::new(),
        }
    }

    #[test]
    fn boxes_follow_the_shrunk_photograph() {
        let fitted = |pixels: [u32; 2], edges: [u32; 4]| {
            let mut entry = entry(None, edges);
            fit_boxes(&mut entry, pixels).map(|()| (entry.size.unwrap(), entry.objects[0].bounds))
        };
        let bounds = |left, top, right, bottom| BoundingBox { left, top, right, bottom };
        assert_eq!(fitted([400, 300], [0, 7, 400, 9]).unwrap(), ([400, 300], bounds(0, 7, 400, 9)));
        // Half of the size: a box that covers the picture still does, and one of a pixel still has one.
        assert_eq!(fitted([1000, 600], [0, 0, 1000, 600]).unwrap(), ([500, 300], bounds(0, 0, 500, 300)));
        assert_eq!(fitted([1000, 600], [999, 0, 1000, 1]).unwrap(), ([500, 300], bounds(499, 0, 500, 1)));
        assert!(fitted([400, 300], [0, 0, 401, 5]).unwrap_err().contains("outside of the 400 × 300 pixels"));
        let problem = fit_boxes(&mut entry(Some([300, 400]), [0, 0, 1, 1]), [400, 300]).unwrap_err();
        assert!(problem.contains("belong to another picture"), "{problem}");
    }
}
