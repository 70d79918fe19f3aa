//! A `VOC<year>` folder and its image sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::image::{ImageEntry, ImageSet, Missing, OWNER, Skipped};
use crate::voc::annotation::{Annotation, read};
use crate::voc::error::VocError;
use crate::voc::image_list::{check_id, has_labels, parse_class_list, parse_image_list};

/// Extensions of image files, in the order in which they are tried. VOC itself has only the first.
const IMAGE_EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG"];
/// Largest list or annotation that is read.
const MAX_BYTES: u64 = 256 << 20;
/// Extensions of annotation files.
const ANNOTATION_EXTENSIONS: [&str; 2] = ["xml", "XML"];

/// One `VOC<year>` folder.
///
/// ```no_run
/// use std::path::Path;
///
/// use fisherlens_dataset::Devkit;
///
/// let devkit = Devkit::open(Path::new("VOCdevkit"), Some(2007))?;
/// println!("classes {:?}, image sets {:?}", devkit.classes(), devkit.sets());
/// # Ok::<(), fisherlens_dataset::VocError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devkit {
    root: PathBuf,
    year: Option<u16>,
    classes: Vec<String>,
    sets: Vec<String>,
    doubtful: Vec<String>,
}

impl Devkit {
    /// Opens a devkit. `path` is a folder that holds `VOC<year>` folders, or a `VOC<year>` folder itself.
    ///
    /// Without a `year`, the folder must hold exactly one year. The class names come from ImageSets/Main: each list with labels is named
    /// `<class>_<set>.txt`. The first line of a list shows whether it has labels; the name cannot, because VOC has both a class "train"
    /// and a set "train".
    ///
    /// # Errors
    /// [`VocError::NoDevkit`], [`VocError::NoClassLists`], [`VocError::Year`] if the year is missing or there are several to choose from,
    /// [`VocError::Io`].
    pub fn open(path: &Path, year: Option<u16>) -> Result<Self, VocError> {
        let (root, year) = locate(path, year)?;
        let Lists { classes, sets, doubtful } = discover(&lists_folder(&root))?;
        if classes.is_empty() {
            return Err(VocError::NoClassLists { path: lists_folder(&root) });
        }
        Ok(Self { root, year, classes, sets, doubtful })
    }

    /// The `VOC<year>` folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The year, if the name of the folder holds one.
    pub fn year(&self) -> Option<u16> {
        self.year
    }

    /// The classes of all sets, sorted.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Lists that have the name of a class and a set, but no labels from which a class could be learned, each with what is wrong, sorted. Their
    /// classes are not in [`Devkit::classes`] unless another list names them.
    pub fn doubtful_lists(&self) -> &[String] {
        &self.doubtful
    }

    /// The names of the image sets, sorted.
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Reads the lists of a set and the annotation of each of its images.
    ///
    /// # Errors
    /// [`VocError::UnknownSet`], [`VocError::MissingClassList`] and [`VocError::ListLine`] for a malformed line, in any case. `missing`
    /// decides what happens if an image is missing, if its annotation is missing or broken, or if one list names it and another does
    /// not: [`Missing::Refuse`] returns an error, and [`Missing::Skip`] adds the image to [`ImageSet::skipped`].
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
                let problem = format!("{id} is listed a second time");
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
                    return Err(at(line, format!("{id} is listed a second time")));
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

    /// Path of the image file, which ends in .jpg, .jpeg or .png, in small or capital letters.
    ///
    /// # Errors
    /// [`VocError::MissingImage`] if no such file exists, [`VocError::Id`] if the id is not a plain file name.
    pub fn image_path(&self, id: &str) -> Result<PathBuf, VocError> {
        check_id(id).map_err(|_| VocError::Id { id: id.to_owned() })?;
        let folder = self.root.join("JPEGImages");
        let paths = IMAGE_EXTENSIONS.map(|extension| folder.join(format!("{id}.{extension}")));
        let found = paths.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| VocError::MissingImage { path: folder.join(id) })
    }

    /// The annotation of an image.
    ///
    /// # Errors
    /// [`VocError::MissingAnnotation`], [`VocError::Annotation`] with the path and the problem, [`VocError::Io`],
    /// [`VocError::Id`] if the id is not a plain file name.
    pub fn annotation(&self, id: &str) -> Result<Annotation, VocError> {
        check_id(id).map_err(|_| VocError::Id { id: id.to_owned() })?;
        let paths =
            ANNOTATION_EXTENSIONS.map(|extension| self.root.join("Annotations").join(format!("{id}.{extension}")));
        for path in &paths {
            match fisherlens_files::read(path, MAX_BYTES) {
                Ok(bytes) => {
                    return read(&bytes).map_err(|problem| VocError::Annotation { path: path.clone(), problem });
                }
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                Err(cause) => return Err(VocError::Io { path: path.clone(), cause }),
            }
        }
        let [path, _] = paths;
        Err(VocError::MissingAnnotation { path })
    }

    fn entry(&self, id: &str, labels: &[Option<i8>], set: &str) -> Result<ImageEntry, VocError> {
        if let Some(column) = labels.iter().position(Option::is_none) {
            let path = lists_folder(&self.root).join(format!("{}_{set}.txt", self.classes[column]));
            let line = read_text(&path)?.lines().count();
            return Err(VocError::ListLine { path, line, problem: format!("the list has no line for {id}") });
        }
        let path = self.image_path(id)?;
        let Annotation { width, height, owner, objects } = self.annotation(id)?;
        Ok(ImageEntry {
            id: id.to_owned(),
            path,
            labels: labels.iter().copied().flatten().collect(),
            size: Some([width, height]),
            objects,
            digest: None,
            groups: owner.into_iter().map(|owner| (OWNER.to_owned(), owner)).collect(),
        })
    }
}

/// Returns the error, or adds the image to `skipped`. An image is added only once, even if several lists disagree on it.
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

/// Finds the `VOC<year>` folder for `path` and `year`, and its year.
fn locate(path: &Path, year: Option<u16>) -> Result<(PathBuf, Option<u16>), VocError> {
    if lists_folder(path).is_dir() {
        // A path such as "." has no folder name before it is resolved.
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

/// What the lists of a devkit name.
struct Lists {
    /// Sorted.
    classes: Vec<String>,
    /// Sorted.
    sets: Vec<String>,
    doubtful: Vec<String>,
}

/// Class names and set names, from the names of the lists and from whether the lists hold labels.
fn discover(folder: &Path) -> Result<Lists, VocError> {
    let mut sets = BTreeSet::new();
    let (mut labelled, mut empty, mut doubtful) = (Vec::new(), Vec::new(), Vec::new());
    for name in file_names(folder)? {
        // Some systems leave hidden files such as `._train.txt` next to the lists.
        let Some(stem) = name.strip_suffix(".txt").filter(|stem| !stem.starts_with('.')) else {
            continue;
        };
        let path = folder.join(&name);
        if path.is_dir() {
            continue;
        }
        // A text of somebody's own among the lists must not stop the others. If the list is needed, it is read again with an error.
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) => {
                doubtful.push(error.to_string());
                continue;
            }
        };
        match has_labels(&text) {
            Some(true) => labelled.push(stem.to_owned()),
            Some(false) => {
                sets.insert(stem.to_owned());
            }
            // An empty list shows neither a set nor a class. If it belongs to a class, the lists of the other sets name that class.
            None => empty.push(stem.to_owned()),
        }
    }
    // Both names may contain underscores, so several sets can fit the end of a list's name. The longest set leaves the shortest class.
    let class = |stem: &String| {
        let fits = sets.iter().filter_map(|set| stem.strip_suffix(set.as_str())?.strip_suffix('_'));
        fits.filter(|class| !class.is_empty()).min_by_key(|class| class.len()).map(str::to_owned)
    };
    let classes: BTreeSet<String> = labelled.iter().filter_map(class).collect();
    let without_labels = sets.iter().map(|stem| (stem, "its first line has no label (-1, 0 or 1) after the id"));
    for (stem, problem) in without_labels.chain(empty.iter().map(|stem| (stem, "it is empty"))) {
        if let Some(class) = class(stem).filter(|class| !classes.contains(class)) {
            let path = folder.join(format!("{stem}.txt"));
            doubtful.push(format!("{} is not taken for the list of a class \"{class}\": {problem}", path.display()));
        }
    }
    doubtful.sort();
    Ok(Lists { classes: classes.into_iter().collect(), sets: sets.into_iter().collect(), doubtful })
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
    let bytes =
        fisherlens_files::read(path, MAX_BYTES).map_err(|cause| VocError::Io { path: path.to_owned(), cause })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|&byte| byte == b'\n').count();
        VocError::ListLine { path: path.to_owned(), line, problem: "not UTF-8 text".to_owned() }
    })
}
