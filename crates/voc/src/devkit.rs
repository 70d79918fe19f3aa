//! A `VOC<year>` folder and its image sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::annotation::{Annotation, read};
use crate::error::VocError;
use crate::image_list::{check_id, has_labels, parse_class_list, parse_image_list};

/// Extensions tried for an image, in this order; VOC itself has only the first.
const IMAGE_EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// One `VOC<year>` folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devkit {
    root: PathBuf,
    year: Option<u16>,
    classes: Vec<String>,
    sets: Vec<String>,
}

/// What to do with an image that is listed but cannot be used: its file or annotation is missing or broken, or the class
/// lists disagree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Refuse the set, with the place.
    Refuse,
    /// Leave the image out and say so in [`ImageSet::skipped`].
    Skip,
}

/// The images of one set with labels and annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// The set's name, such as "train".
    pub name: String,
    /// The classes, sorted: the columns of [`ImageEntry::labels`].
    pub classes: Vec<String>,
    /// The images, in the order of the set's list.
    pub images: Vec<ImageEntry>,
    /// What was left out, with [`Missing::Skip`].
    pub skipped: Vec<Skipped>,
}

/// A listed image that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its id.
    pub id: String,
    /// Why, with the place.
    pub reason: String,
}

/// One image of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEntry {
    /// Its id: the file name without extension.
    pub id: String,
    /// The image file, which exists.
    pub path: PathBuf,
    /// One label a class: −1 absent, 0 only difficult objects, +1 present.
    pub labels: Vec<i8>,
    /// Size, owner and boxes.
    pub annotation: Annotation,
}

impl Devkit {
    /// Opens a devkit. `path` is a folder that holds `VOC<year>` folders, or a `VOC<year>` folder itself.
    ///
    /// Without a `year` the only one there is taken. Classes are found in ImageSets/Main: every list with labels called
    /// `<class>_<set>.txt`. Whether a list has labels is read from its first line, since VOC has a class "train" beside a
    /// set "train".
    ///
    /// # Errors
    /// [`VocError::NoDevkit`], [`VocError::Year`] when the year is absent or ambiguous, [`VocError::Io`].
    pub fn open(path: &Path, year: Option<u16>) -> Result<Self, VocError> {
        let (root, year) = locate(path, year)?;
        let (classes, sets) = discover(&lists_folder(&root))?;
        if classes.is_empty() {
            return Err(VocError::NoDevkit { path: root });
        }
        Ok(Self { root, year, classes, sets })
    }

    /// The `VOC<year>` folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The year in the folder's name, where it has one.
    pub fn year(&self) -> Option<u16> {
        self.year
    }

    /// The classes of all sets, sorted.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The image sets there are, sorted.
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Reads the set's lists and the annotation of each image.
    ///
    /// # Errors
    /// [`VocError::UnknownSet`], [`VocError::MissingClassList`] and a malformed line refuse the set in any case. An image
    /// that is missing, whose annotation is missing or broken, or that stands in one list and not in another, refuses it
    /// with [`Missing::Refuse`] and is listed in [`ImageSet::skipped`] with [`Missing::Skip`].
    pub fn image_set(&self, set: &str, missing: Missing) -> Result<ImageSet, VocError> {
        let folder = lists_folder(&self.root);
        if !self.sets.iter().any(|known| known == set) {
            return Err(VocError::UnknownSet { path: folder, set: set.to_owned(), found: self.sets.clone() });
        }
        let list = folder.join(format!("{set}.txt"));
        let text = read_text(&list)?;
        let ids = parse_image_list(&text).map_err(|(line, problem)| VocError::ListLine {
            path: list.clone(),
            line,
            problem,
        })?;
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(ids.len());
        for (row, &(line, id)) in ids.iter().enumerate() {
            if places.insert(id, row).is_some() {
                let problem = format!("{id} stands here a second time");
                return Err(VocError::ListLine { path: list, line, problem });
            }
        }

        let mut skipped = Vec::new();
        let mut labels = vec![vec![None; self.classes.len()]; ids.len()];
        for (column, class) in self.classes.iter().enumerate() {
            let path = folder.join(format!("{class}_{set}.txt"));
            if !path.is_file() {
                return Err(VocError::MissingClassList { path, class: class.clone(), set: set.to_owned() });
            }
            let text = read_text(&path)?;
            let at = |line, problem| VocError::ListLine { path: path.clone(), line, problem };
            for (line, id, label) in parse_class_list(&text).map_err(|(line, problem)| at(line, problem))? {
                let Some(&row) = places.get(id) else {
                    let unlisted = at(line, format!("{id} is not in {set}.txt"));
                    decide(missing, unlisted, id, &mut skipped)?;
                    continue;
                };
                if labels[row][column].replace(label).is_some() {
                    return Err(at(line, format!("{id} stands here a second time")));
                }
            }
        }

        let mut images = Vec::with_capacity(ids.len());
        for (&(line, id), labels) in ids.iter().zip(&labels) {
            match self.entry(id, labels, set) {
                Ok(entry) => images.push(entry),
                Err(cause) => {
                    let listed =
                        VocError::Listed { path: list.clone(), line, id: id.to_owned(), cause: Box::new(cause) };
                    decide(missing, listed, id, &mut skipped)?;
                }
            }
        }
        Ok(ImageSet { name: set.to_owned(), classes: self.classes.clone(), images, skipped })
    }

    /// The image's file, .jpg, .jpeg or .png.
    ///
    /// # Errors
    /// [`VocError::MissingImage`] when there is none, [`VocError::Id`] when the id is no plain file name.
    pub fn image_path(&self, id: &str) -> Result<PathBuf, VocError> {
        check_id(id).map_err(|_| VocError::Id { id: id.to_owned() })?;
        let folder = self.root.join("JPEGImages");
        let paths = IMAGE_EXTENSIONS.map(|extension| folder.join(format!("{id}.{extension}")));
        let found = paths.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| VocError::MissingImage { path: folder.join(id) })
    }

    /// The image's annotation.
    ///
    /// # Errors
    /// [`VocError::MissingAnnotation`], [`VocError::Annotation`] with the file and what is wrong in it, [`VocError::Io`],
    /// [`VocError::Id`] when the id is no plain file name.
    pub fn annotation(&self, id: &str) -> Result<Annotation, VocError> {
        check_id(id).map_err(|_| VocError::Id { id: id.to_owned() })?;
        let path = self.root.join("Annotations").join(format!("{id}.xml"));
        match fs::read(&path) {
            Ok(bytes) => read(&bytes).map_err(|problem| VocError::Annotation { path, problem }),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Err(VocError::MissingAnnotation { path }),
            Err(cause) => Err(VocError::Io { path, cause }),
        }
    }

    fn entry(&self, id: &str, labels: &[Option<i8>], set: &str) -> Result<ImageEntry, VocError> {
        if let Some(column) = labels.iter().position(Option::is_none) {
            let path = lists_folder(&self.root).join(format!("{}_{set}.txt", self.classes[column]));
            let line = read_text(&path)?.lines().count();
            return Err(VocError::ListLine { path, line, problem: format!("ends without a line for {id}") });
        }
        Ok(ImageEntry {
            id: id.to_owned(),
            path: self.image_path(id)?,
            labels: labels.iter().copied().flatten().collect(),
            annotation: self.annotation(id)?,
        })
    }
}

/// Refuses, or notes and goes on; an image is noted once, however many lists disagree on it.
fn decide(missing: Missing, error: VocError, id: &str, skipped: &mut Vec<Skipped>) -> Result<(), VocError> {
    match missing {
        Missing::Refuse => Err(error),
        Missing::Skip => {
            if !skipped.iter().any(|known| known.id == id) {
                skipped.push(Skipped { id: id.to_owned(), reason: error.to_string() });
            }
            Ok(())
        }
    }
}

fn lists_folder(root: &Path) -> PathBuf {
    root.join("ImageSets").join("Main")
}

/// The `VOC<year>` folder meant by `path` and `year`.
fn locate(path: &Path, year: Option<u16>) -> Result<(PathBuf, Option<u16>), VocError> {
    if lists_folder(path).is_dir() {
        // The name of "." is only known after resolving it.
        let resolved = path.canonicalize().map_err(|cause| VocError::Io { path: path.to_owned(), cause })?;
        let own = resolved.file_name().and_then(|name| year_of(&name.to_string_lossy()));
        return match year {
            Some(asked) if own.is_some_and(|own| own != asked) => {
                Err(VocError::Year { path: path.to_owned(), asked: year, found: own.into_iter().collect() })
            }
            _ => Ok((path.to_owned(), own)),
        };
    }
    if !path.is_dir() {
        return Err(VocError::NoDevkit { path: path.to_owned() });
    }
    let mut found = BTreeMap::new();
    for name in file_names(path)? {
        let folder = path.join(&name);
        if let Some(year) = year_of(&name).filter(|_| lists_folder(&folder).is_dir()) {
            found.insert(year, folder);
        }
    }
    if found.is_empty() {
        return Err(VocError::NoDevkit { path: path.to_owned() });
    }
    let chosen = match year {
        Some(asked) => found.get_key_value(&asked),
        None if found.len() == 1 => found.first_key_value(),
        None => None,
    };
    match chosen {
        Some((&year, folder)) => Ok((folder.clone(), Some(year))),
        None => Err(VocError::Year { path: path.to_owned(), asked: year, found: found.into_keys().collect() }),
    }
}

fn year_of(name: &str) -> Option<u16> {
    name.strip_prefix("VOC").filter(|digits| digits.len() == 4)?.parse().ok()
}

/// Classes and sets, both sorted, from the names of the lists and whether they hold labels.
fn discover(folder: &Path) -> Result<(Vec<String>, Vec<String>), VocError> {
    let mut sets = BTreeSet::new();
    let mut labelled = Vec::new();
    for name in file_names(folder)? {
        let Some(stem) = name.strip_suffix(".txt") else {
            continue;
        };
        match has_labels(&read_text(&folder.join(&name))?) {
            Some(true) => labelled.push(stem.to_owned()),
            Some(false) => {
                sets.insert(stem.to_owned());
            }
            // A list without lines names neither: its class shows in the other sets.
            None => {}
        }
    }
    // The longest set wins, so that a class keeps its own underscores and so does a set.
    let class = |stem: &String| {
        let fits = sets.iter().filter_map(|set| stem.strip_suffix(set.as_str())?.strip_suffix('_'));
        fits.filter(|class| !class.is_empty()).min_by_key(|class| class.len()).map(str::to_owned)
    };
    let classes: BTreeSet<String> = labelled.iter().filter_map(class).collect();
    Ok((classes.into_iter().collect(), sets.into_iter().collect()))
}

fn file_names(folder: &Path) -> Result<Vec<String>, VocError> {
    let io = |cause| VocError::Io { path: folder.to_owned(), cause };
    let mut names = fs::read_dir(folder)
        .map_err(io)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    names.sort();
    Ok(names)
}

fn read_text(path: &Path) -> Result<String, VocError> {
    let bytes = fs::read(path).map_err(|cause| VocError::Io { path: path.to_owned(), cause })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|&byte| byte == b'\n').count();
        VocError::ListLine { path: path.to_owned(), line, problem: "not UTF-8 text".to_owned() }
    })
}
