//! The training and the test half: as the data say, or by a digest of each file's content.

use std::collections::BTreeSet;

use crate::collection::Collection;
use crate::error::DatasetError;
use crate::image::ImageSet;
use crate::split::Split;

/// How a collection without a split of its own is divided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SplitOptions {
    /// Share of the images in the test half, above 0 and below 1; `None`: 0.25, where the data give no split.
    pub test_share: Option<f64>,
    /// The group that is never divided: all images with the same value are in the same half.
    pub group: Option<String>,
}

/// Share of the images in the test half, unless the user asks for another.
const TEST_SHARE: f64 = 0.25;

impl Collection {
    /// Divides the images into a training and a test half.
    ///
    /// If the data give a split, it is used: the test half is the test split, and the training half is the rest, the validation split
    /// included, because C is chosen by cross-validation inside of it. Without a test split, the validation split is the test half.
    ///
    /// Otherwise an image belongs to the test half if a digest, read as a number from 0 to 1, is below the test share. The digest is that of the
    /// group, or else that of the file, so that the split is the same everywhere, stays the same when images are added, and never divides
    /// equal files.
    ///
    /// `names`: of the training and of the test half. `together`: for each image, the index of the image whose digest decides for it, which is
    /// its own index unless it must stay together with another one. Without a split of the data and without a group, the digests of the files
    /// must be known.
    ///
    /// # Errors
    /// [`DatasetError::Content`] for an unknown group, for a group or a test share where the data give a split, or when a half has no image.
    pub fn halves(
        &self,
        names: [&str; 2],
        together: &[usize],
        options: &SplitOptions,
    ) -> Result<[ImageSet; 2], DatasetError> {
        let refuse = |problem: String| Err(DatasetError::content(&self.path, problem));
        let given: BTreeSet<Split> = self.splits.iter().flatten().copied().collect();
        let is_given = given.len() > 1;
        if let Some(group) = &options.group {
            let groups = self.group_names();
            if !groups.contains(group) {
                return refuse(format!("no group is called \"{group}\"; expected one of the columns {groups:?}"));
            }
            if is_given {
                return refuse(format!(
                    "the data give a split, so it cannot follow the group \"{group}\"; leave out --group or the split"
                ));
            }
        }
        if let (Some(share), true) = (options.test_share, is_given) {
            return refuse(format!(
                "the data give a split, so the test share cannot be {share}; leave out --test-share or the split"
            ));
        }
        let test_share = options.test_share.unwrap_or(TEST_SHARE);
        let of_test = if given.contains(&Split::Test) { Split::Test } else { Split::Validation };
        let is_test = |index: usize| {
            if is_given {
                return self.splits[index] == Some(of_test);
            }
            let value = options.group.as_ref().and_then(|group| self.images[index].groups.get(group));
            let digest = match value {
                Some(value) => *blake3::hash(value.as_bytes()).as_bytes(),
                None => self.images[together[index]].digest.unwrap_or_default(),
            };
            share_of(&digest) < test_share
        };
        let halves = self.divided(names, is_test);
        if let Some(empty) = halves.iter().find(|half| half.images.is_empty()) {
            return refuse(format!(
                "the {} half has no image (there are {} in all); give a split, another --test-share, or more images",
                empty.name,
                self.images.len()
            ));
        }
        Ok(halves)
    }

    /// All images in the second half, for judging what was learned elsewhere. `names`: of the first half, which is empty, and of the second.
    pub fn all_in_second(&self, names: [&str; 2]) -> [ImageSet; 2] {
        self.divided(names, |_| true)
    }

    /// The images of the second half are those for which `is_second` is true. The skipped files are noted in the first half.
    fn divided(&self, names: [&str; 2], is_second: impl Fn(usize) -> bool) -> [ImageSet; 2] {
        let half = |name: &str, wanted: bool| ImageSet {
            name: name.to_owned(),
            classes: self.classes.clone(),
            images: (0..self.images.len())
                .filter(|&i| is_second(i) == wanted)
                .map(|i| self.images[i].clone())
                .collect(),
            skipped: Vec::new(),
        };
        let mut halves = [half(names[0], false), half(names[1], true)];
        halves[0].skipped.clone_from(&self.skipped);
        halves
    }
}

/// A digest as a number from 0 to 1. Its last bytes are used: digests of files are shown by their first ones.
fn share_of(digest: &[u8; 32]) -> f64 {
    let [.., a, b, c, d] = *digest;
    f64::from(u32::from_be_bytes([a, b, c, d])) / 4_294_967_296.0
}
