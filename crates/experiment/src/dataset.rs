//! The photographs of an experiment: both image sets, and digests of everything that the stages read from them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use fisherlens_artifact::Key;
use fisherlens_dataset::{Devkit, ImageEntry, ImageSet, Layout, Missing, Skipped, VocError};
use fisherlens_eval::Rect;
use ndarray::Array2;

use crate::intake::{Intake, Look};
use crate::judged::JudgedModel;
use crate::near::Fingerprint;
use crate::own::{Halves, OwnPhotographs};
use crate::reading::Reading;
use crate::settings::sections::{DataSettings, DataSource};
use crate::spread::spread;

/// Training or test half of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// The images that the stages learn from.
    Train,
    /// The images that the classifiers are tested on.
    Test,
}

impl Half {
    /// Name in artifact parts and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// One image set with digests of its content.
#[derive(Debug, Clone)]
pub struct Images {
    /// The entries, in the order of the image set's list.
    pub set: ImageSet,
    /// Digest of the ids and of every file's bytes.
    pub files: Key,
    /// Digest of the classes and labels.
    pub labels: Key,
    /// Digest of the boxes and owners.
    pub annotations: Key,
}

/// Both halves.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The devkit's folder.
    pub root: PathBuf,
    /// The training half.
    pub train: Images,
    /// The test half.
    pub test: Images,
    /// Classes that are left out because the settings name them, or because a limited half has no positive or no negative example of them.
    pub left_out: Vec<String>,
    /// For each test image whose file has the same bytes as that of a training image: the ids of the training image and of the test image.
    pub shared: Vec<[String; 2]>,
    /// The same for test images that are nearly equal to a training image.
    pub near: Vec<[String; 2]>,
    /// What a user must know besides [`Dataset::shared`] and [`Dataset::near`].
    pub notes: Vec<String>,
    /// How the photographs are read.
    pub reading: Reading,
    /// The layout of photographs of one's own; `None` for a devkit.
    pub layout: Option<Layout>,
    /// The year of the devkit; `None` if the name of its folder contains no year.
    pub year: Option<u16>,
    /// Folder of the object masks; only the embedded devkit has them. A folder of the same name in another devkit holds something else.
    pub masks: Option<PathBuf>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.set.images.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.set.images.is_empty()
    }

    /// Labels `(n_images, n_classes)`: −1, 0 (only difficult instances) or +1.
    pub fn label_matrix(&self) -> Array2<i8> {
        Array2::from_shape_fn((self.len(), self.set.classes.len()), |(image, class)| {
            self.set.images[image].labels[class]
        })
    }

    /// Ranges of `shard_size` images.
    pub fn shards(&self, shard_size: usize) -> Vec<std::ops::Range<usize>> {
        (0..self.len()).step_by(shard_size).map(|start| start..(start + shard_size).min(self.len())).collect()
    }
}

impl Dataset {
    /// Opens the devkit under `root` and reads both halves.
    ///
    /// `limit` keeps this number of images of each half, evenly spread over its list. Classes for which a half then has no positive or no
    /// negative example are left out. `intake` looks into every photograph; `missing` decides what happens to those that cannot be used.
    ///
    /// # Errors
    /// The errors of the devkit, which name the file and the place in it; a photograph that cannot be used; an empty image set; image sets
    /// with different classes; a class of `data.leave_out` that does not exist.
    pub(crate) fn open(
        root: &Path,
        settings: &DataSettings,
        missing: Missing,
        limit: Option<usize>,
        intake: &Intake<'_>,
    ) -> Result<Self> {
        let (devkit, [mut train, mut test]) = listed(root, settings, missing, limit)?;
        let fingerprints = [usable_files(&mut train, missing, intake)?, usable_files(&mut test, missing, intake)?];
        let near = intake.near([&train.images, &test.images], fingerprints.each_ref().map(Vec::as_slice))?;
        let mut left_out = leave_out_named(&mut train, &mut test, &settings.leave_out)?;
        if limit.is_some() {
            left_out.extend(leave_out_one_sided(&mut train, &mut test));
        }
        for set in [&train, &test] {
            if set.images.is_empty() || set.classes.is_empty() {
                bail!(
                    "image set \"{}\" of {} has {} images and {} classes with examples; expected at least one of each{}",
                    set.name,
                    root.display(),
                    set.images.len(),
                    set.classes.len(),
                    if limit.is_some() { "; use a larger --limit" } else { "" },
                );
            }
        }
        if train.classes != test.classes {
            bail!(
                "image sets \"{}\" and \"{}\" of {} have different classes; expected the same classes in both",
                train.name,
                test.name,
                root.display()
            );
        }
        let masks = Some(devkit.root().join("Masks")).filter(|_| settings.source == DataSource::Mini);
        let (train_files, test_files) = (file_digests(&train), file_digests(&test));
        Ok(Self {
            root: devkit.root().to_owned(),
            layout: None,
            year: devkit.year(),
            shared: shared(&train_files, &test_files),
            near,
            notes: devkit.doubtful_lists().to_vec(),
            reading: Reading::Stored,
            train: digest(train, &train_files, Reading::Stored),
            test: digest(test, &test_files, Reading::Stored),
            left_out,
            masks,
        })
    }

    /// Opens photographs of one's own. Classes without a positive or a negative training image are left out; if a model is `judged`, the
    /// classes are those of the model.
    ///
    /// # Errors
    /// The errors of the collection, which name the file and the line; no class to learn; images that have none of the judged model's classes.
    pub(crate) fn open_own(
        own: &OwnPhotographs,
        settings: &DataSettings,
        limit: Option<usize>,
        judged: Option<&JudgedModel>,
        intake: &Intake<'_>,
    ) -> Result<Self> {
        let Halves { layout, sets: [mut train, mut test], near, warnings } =
            own.halves([&settings.train, &settings.test], intake, limit)?;
        let (train_files, test_files) = (file_digests(&train), file_digests(&test));
        let shared = shared(&train_files, &test_files);
        let found = train.classes.clone();
        let mut left_out = leave_out_named(&mut train, &mut test, &settings.leave_out)?;
        let mut notes = warnings;
        if let Some(judged) = judged {
            let (unknown, note) = judged.take_classes([&mut train, &mut test])?;
            if !unknown.is_empty() {
                notes.push(format!("classes that the model does not have are left out: {}", unknown.join(", ")));
            }
            left_out.extend(unknown);
            notes.extend(note);
        } else {
            let usable: Vec<bool> =
                (0..train.classes.len()).map(|class| has(&train, class, 1) && has(&train, class, -1)).collect();
            left_out.extend(leave_out(&mut train, &mut test, &usable));
        }
        if train.classes.is_empty() {
            let found = if found.is_empty() {
                "no class is".to_owned()
            } else {
                format!("the classes {} are", found.join(", "))
            };
            bail!(
                "{}: {found} there, which gives nothing to learn: expected at least one class with images, and images without it, in the \
                 training half",
                own.path.display()
            );
        }
        let [train, test] =
            [(train, train_files), (test, test_files)].map(|(set, files)| digest(set, &files, Reading::Upright));
        if let Some(judged) = judged {
            notes.extend(judged.note((!train.is_empty()).then_some(train.files)));
        }
        Ok(Self {
            root: own.path.clone(),
            layout: Some(layout),
            year: None,
            shared,
            near,
            notes,
            reading: Reading::Upright,
            train,
            test,
            left_out,
            masks: None,
        })
    }

    /// What a user must know about the images before the results are believed.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.notes.clone();
        let never = |class: &usize| !has(&self.test.set, *class, 1);
        let never: Vec<&str> =
            (0..self.classes().len()).filter(never).map(|class| self.classes()[class].as_str()).collect();
        if !never.is_empty() && self.reading == Reading::Stored {
            warnings.push(format!(
                "no image of set {} has the classes {}, so they have no average precision and are not part of the mean",
                self.test.set.name,
                never.join(", ")
            ));
        }
        if let Some([first, copy]) = self.near.first() {
            let advice = if self.layout.is_some() { "; --keep-near keeps them together" } else { "" };
            warnings.push(format!(
                "{} of the {} test images are nearly equal to a training image, so the results may be too good; the first one is {copy} (in \
                 training: {first}){advice}",
                self.near.len(),
                self.test.len()
            ));
        }
        let Some([first, same]) = self.shared.first() else { return warnings };
        warnings.push(format!(
            "{} of the {} images of set {} have the same bytes as an image of set {}, from which the classifiers learn, so the results are \
             too good; the first one is {same} (in set {}: {first})",
            self.shared.len(),
            self.test.len(),
            self.test.set.name,
            self.train.set.name,
            self.train.set.name
        ));
        warnings
    }

    /// One half.
    pub fn half(&self, half: Half) -> &Images {
        match half {
            Half::Train => &self.train,
            Half::Test => &self.test,
        }
    }

    /// The classes.
    pub fn classes(&self) -> &[String] {
        &self.train.set.classes
    }

    /// Index of the class called `name`.
    ///
    /// # Errors
    /// A name that is not a class of the data; the message lists the classes.
    pub fn class_index(&self, name: &str) -> Result<usize> {
        self.classes()
            .iter()
            .position(|class| class == name)
            .with_context(|| format!("no class is called \"{name}\"; expected one of {}", self.classes().join(", ")))
    }

    /// The image with this id, in either half.
    pub fn image(&self, id: &str) -> Option<&ImageEntry> {
        self.train.set.images.iter().chain(&self.test.set.images).find(|entry| entry.id == id)
    }
}

/// The devkit, and its two image sets with at most `limit` images each. No photograph is read.
///
/// # Errors
/// The errors of the devkit, which name the file and the place in it.
pub(crate) fn listed(
    root: &Path,
    settings: &DataSettings,
    missing: Missing,
    limit: Option<usize>,
) -> Result<(Devkit, [ImageSet; 2])> {
    let devkit = Devkit::open(root, settings.year).map_err(|error| match error {
        VocError::Year { .. } => anyhow!("{error} with --set data.year=YEAR"),
        other => other.into(),
    })?;
    let read = |set: &str| {
        devkit.image_set(set, missing).map_err(|error| match error {
            VocError::Listed { .. } => {
                anyhow!("{error}; repair the devkit, or give --allow-missing to skip and count such images")
            }
            VocError::UnknownSet { .. } => {
                anyhow!("{error}; choose image sets with --set data.train=SET and --set data.test=SET, or choose another experiment")
            }
            other => other.into(),
        })
    };
    let mut train = read(&settings.train)?;
    let mut test = read(&settings.test)?;
    if let Some(limit) = limit {
        limit_images(&mut train.images, limit);
        limit_images(&mut test.images, limit);
    }
    Ok((devkit, [train, test]))
}

/// Keeps `limit` images, evenly spread.
pub(crate) fn limit_images(images: &mut Vec<ImageEntry>, limit: usize) {
    let all: Vec<usize> = (0..images.len()).collect();
    let kept: BTreeSet<usize> = spread(&all, limit).into_iter().collect();
    let mut index = 0;
    images.retain(|_| {
        index += 1;
        kept.contains(&(index - 1))
    });
}

/// Removes the classes called `names`, and returns their names.
fn leave_out_named(train: &mut ImageSet, test: &mut ImageSet, names: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = names.iter().find(|name| !train.classes.contains(name)) {
        bail!("data.leave_out has \"{unknown}\": expected classes of the data, which are {}", train.classes.join(", "));
    }
    let usable: Vec<bool> = train.classes.iter().map(|class| !names.contains(class)).collect();
    Ok(leave_out(train, test, &usable))
}

/// Removes the classes that lack positive or negative examples in one of the halves, and returns their names.
fn leave_out_one_sided(train: &mut ImageSet, test: &mut ImageSet) -> Vec<String> {
    let usable: Vec<bool> = (0..train.classes.len())
        .map(|class| has(train, class, 1) && has(train, class, -1) && has(test, class, 1) && has(test, class, -1))
        .collect();
    leave_out(train, test, &usable)
}

fn has(set: &ImageSet, class: usize, label: i8) -> bool {
    set.images.iter().any(|entry| entry.labels[class] == label)
}

/// Removes the classes that are not usable from both halves, and returns their names.
fn leave_out(train: &mut ImageSet, test: &mut ImageSet, usable: &[bool]) -> Vec<String> {
    let left_out = keep(&train.classes, usable, false);
    for set in [train, test] {
        set.classes = keep(&set.classes, usable, true);
        for entry in &mut set.images {
            entry.labels = keep(&entry.labels, usable, true);
        }
    }
    left_out
}

fn keep<T: Clone>(values: &[T], usable: &[bool], wanted: bool) -> Vec<T> {
    values.iter().zip(usable).filter(|(_, u)| **u == wanted).map(|(value, _)| value.clone()).collect()
}

/// All boxes of a class in an image. Difficult objects are included, because their pixels are not context either.
pub fn boxes(entry: &ImageEntry, class: &str) -> Vec<Rect> {
    let of_class = entry.objects.iter().filter(|object| object.class == class);
    of_class
        .map(|object| Rect {
            left: object.bounds.left as usize,
            top: object.bounds.top as usize,
            right: object.bounds.right as usize,
            bottom: object.bounds.bottom as usize,
        })
        .collect()
}

/// Id of an image and digest of its file's bytes.
type FileDigest = (String, [u8; 32]);

fn files_key(files: &[FileDigest], reading: Reading) -> Key {
    let name = match reading {
        Reading::Stored => "images",
        Reading::Upright => "upright images",
    };
    Key::builder(name, 1).setting("files", &files).finish()
}

/// Reads every file once for its digest, and looks into every photograph, so that no long computation ends at an unusable one. Images that
/// cannot be used are an error, or are moved to the skipped ones.
fn usable_files(set: &mut ImageSet, missing: Missing, intake: &Intake<'_>) -> Result<Vec<Option<Fingerprint>>> {
    let n_images = set.images.len();
    let mut faults = Vec::new();
    let looks = intake.look_at(&mut set.images, Reading::Stored)?;
    let found = set.images.iter().zip(looks).map(|(entry, look)| usable(entry, look?)).collect();
    let fingerprints = keep_usable(set, found, &mut faults);
    if let Some((id, problem)) = faults.first()
        && missing == Missing::Refuse
    {
        bail!(
            "image {id} of set {}: {problem} ({} of {n_images} images of this set cannot be used); repair the devkit, or give \
             --allow-missing to skip and count such images",
            set.name,
            faults.len()
        );
    }
    set.skipped.extend(faults.into_iter().map(|(id, reason)| Skipped { id, reason }));
    Ok(fingerprints)
}

/// Keeps the images with a value, and returns the values. The ids and problems of the others are added to `faults`.
fn keep_usable<T>(set: &mut ImageSet, values: Vec<Result<T, String>>, faults: &mut Vec<(String, String)>) -> Vec<T> {
    let mut kept = Vec::with_capacity(values.len());
    for (entry, value) in std::mem::take(&mut set.images).into_iter().zip(values) {
        match value {
            Ok(value) => {
                set.images.push(entry);
                kept.push(value);
            }
            Err(problem) => faults.push((entry.id, problem)),
        }
    }
    kept
}

/// The fingerprint of an image that can be used: it can be decoded, and its annotation belongs to a picture of this size.
fn usable(entry: &ImageEntry, look: Look) -> Result<Option<Fingerprint>, String> {
    let path = entry.path.display();
    let (width, height, fingerprint) = match look {
        Look::Fault(error) => return Err(format!("{path}: cannot decode the file: {error}")),
        Look::Photograph { width, height, fingerprint } => (width, height, fingerprint),
    };
    match entry.size {
        Some(annotated) if annotated != [width, height] => Err(format!(
            "{path}: the picture has {width} × {height} pixels, but its annotation says {} × {}, so its boxes belong to another picture{}",
            annotated[0],
            annotated[1],
            if annotated == [height, width] { "; the picture may have been turned after it was annotated" } else { "" }
        )),
        _ => Ok(fingerprint),
    }
}

/// Ids and digests of the images of a set whose files were read.
fn file_digests(set: &ImageSet) -> Vec<FileDigest> {
    set.images.iter().filter_map(|entry| Some((entry.id.clone(), entry.digest?))).collect()
}

/// Training image and test image with the same bytes.
fn shared(train: &[FileDigest], test: &[FileDigest]) -> Vec<[String; 2]> {
    let ids: HashMap<&[u8; 32], &String> = train.iter().rev().map(|(id, digest)| (digest, id)).collect();
    test.iter().filter_map(|(id, digest)| ids.get(digest).map(|&same| [same.clone(), id.clone()])).collect()
}

fn digest(set: ImageSet, files: &[FileDigest], reading: Reading) -> Images {
    let labels: Vec<_> = set.images.iter().map(|entry| (&entry.id, &entry.labels)).collect();
    let annotations: Vec<_> = set
        .images
        .iter()
        .map(|entry| {
            let boxes: Vec<_> = entry
                .objects
                .iter()
                .map(|o| (&o.class, o.difficult, [o.bounds.left, o.bounds.top, o.bounds.right, o.bounds.bottom]))
                .collect();
            (&entry.id, entry.owner(), boxes)
        })
        .collect();
    Images {
        files: files_key(files, reading),
        labels: Key::builder("labels", 1).setting("classes", &set.classes).setting("labels", &labels).finish(),
        annotations: Key::builder("annotations", 1).setting("annotations", &annotations).finish(),
        set,
    }
}
