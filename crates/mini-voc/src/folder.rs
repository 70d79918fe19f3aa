//! The devkit's folder: lists, annotations, pictures, and the check of their content.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fisherlens_files::TemporaryFolder;
use rayon::prelude::*;

use crate::contents::{CHECKSUM, CLASSES, N_IMAGES, YEAR};
use crate::error::MiniVocError;
use crate::picture::{Picture, draw_image, image_id};
use crate::png_file;

/// The file that is written last: it says that the folder is complete, and holds the checksum of its content.
const MARKER: &str = "CHECKSUM";
/// The image sets. Images belong to them in turn: the first image to the first set, the second to the second, and so on.
const SETS: [&str; 2] = ["train", "test"];

/// Makes sure that `dir` holds the devkit, and returns the folder to open it from, which is `dir`.
///
/// A complete devkit is left as it is. Otherwise everything is drawn into a temporary folder in `dir`, which gets its name when it is
/// complete, so that an interrupted run leaves no incomplete devkit. The drawing is compared with [`CHECKSUM`].
///
/// # Errors
/// [`MiniVocError::Foreign`] when `dir` has a folder VOC2016 that this function did not write; [`MiniVocError::Io`] and
/// [`MiniVocError::Png`] when a file cannot be written; [`MiniVocError::Checksum`] when the drawing differs from [`CHECKSUM`].
pub fn ensure(dir: &Path) -> Result<PathBuf, MiniVocError> {
    ensure_while(dir, &|| true)
}

/// [`ensure`] for callers that show progress or can be asked to stop: `goes_on` is called after each drawn image, [`N_IMAGES`] times in all,
/// from several threads. It is not called where the devkit is complete already.
///
/// # Errors
/// See [`ensure`]; also [`MiniVocError::Stopped`] when `goes_on` returns `false`. Nothing of the drawing is left then.
pub fn ensure_while(dir: &Path, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<PathBuf, MiniVocError> {
    let target = dir.join(format!("VOC{YEAR}"));
    if is_complete(&target) {
        return Ok(dir.to_owned());
    }
    if target.exists() && !target.join(MARKER).is_file() {
        return Err(MiniVocError::Foreign { path: target });
    }
    fs::create_dir_all(dir).map_err(MiniVocError::io("make the folder", dir))?;
    let temporary = TemporaryFolder::new(dir).map_err(MiniVocError::io("make a folder in", dir))?;
    let drawn = temporary.path().join("VOC");
    let found = draw_into(&drawn, goes_on)?;
    if found != CHECKSUM {
        return Err(MiniVocError::Checksum { path: target, found, expected: CHECKSUM });
    }
    if is_complete(&target) {
        // Another process drew at the same time and was first. Its devkit has the same content and may be in use, so it stays.
        return Ok(dir.to_owned());
    }
    if target.exists() {
        // An older version of the devkit. A rename does not replace a folder that has files, so it is moved away first.
        fs::rename(&target, temporary.path().join("old"))
            .or_else(|error| if is_complete(&target) { Ok(()) } else { Err(error) })
            .map_err(MiniVocError::io("move away the old devkit", &target))?;
    }
    match fs::rename(&drawn, &target) {
        Err(error) if !is_complete(&target) => Err(MiniVocError::io("move the drawn devkit to", &target)(error)),
        // If the rename failed, another process was first here too.
        _ => Ok(dir.to_owned()),
    }
}

/// Reads the devkit in `dir` and compares its content with [`CHECKSUM`].
///
/// # Errors
/// [`MiniVocError::Io`] and [`MiniVocError::Png`] when a file cannot be read; [`MiniVocError::Checksum`] when the content differs.
pub fn verify(dir: &Path) -> Result<(), MiniVocError> {
    let root = dir.join(format!("VOC{YEAR}"));
    let read = |name: String| {
        let path = root.join(name);
        fs::read(&path).map_err(MiniVocError::io("read", &path))
    };
    let pixels = |name: String| {
        let decoded = png_file::decode(&read(name.clone())?);
        decoded.map(|(_, _, rgb)| rgb).map_err(MiniVocError::png(&root.join(name)))
    };
    let digests = (0..N_IMAGES).into_par_iter().map(|index| {
        let id = image_id(index);
        let rgb = pixels(format!("JPEGImages/{id}.png"))?;
        let masks = pixels(format!("Masks/{id}.png"))?;
        let xml = read(format!("Annotations/{id}.xml"))?;
        Ok(image_digest(&id, &rgb, &masks, &xml))
    });
    let digests = digests.collect::<Result<Vec<_>, MiniVocError>>()?;
    let names = list_names().map(|name| Ok((read(format!("ImageSets/Main/{name}"))?, name)));
    let lists = names.collect::<Result<Vec<_>, MiniVocError>>()?;
    let found = checksum(&digests, lists.iter().map(|(content, name)| (name.as_str(), content.as_slice())));
    if found == CHECKSUM { Ok(()) } else { Err(MiniVocError::Checksum { path: root, found, expected: CHECKSUM }) }
}

fn is_complete(target: &Path) -> bool {
    fs::read_to_string(target.join(MARKER)).is_ok_and(|found| found.trim() == CHECKSUM)
}

/// Draws everything into a new folder and returns the checksum of the content.
fn draw_into(root: &Path, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<String, MiniVocError> {
    for part in ["JPEGImages", "Annotations", "ImageSets/Main", "Masks"] {
        let folder = root.join(part);
        fs::create_dir_all(&folder).map_err(MiniVocError::io("make the folder", &folder))?;
    }
    let images = (0..N_IMAGES).into_par_iter().map(|index| {
        let picture = draw_image(index);
        let (id, masks, xml) = (&picture.id, picture.masks.rgb(), annotation(&picture));
        for (part, rgb) in [("JPEGImages", &picture.rgb), ("Masks", &masks)] {
            let path = root.join(part).join(format!("{id}.png"));
            let bytes = png_file::encode(picture.width, picture.height, rgb).map_err(MiniVocError::png(&path))?;
            write(&path, &bytes)?;
        }
        write(&root.join("Annotations").join(format!("{id}.xml")), xml.as_bytes())?;
        let digest = image_digest(id, &picture.rgb, &masks, xml.as_bytes());
        if !goes_on() {
            return Err(MiniVocError::Stopped);
        }
        Ok((digest, labels(&picture)))
    });
    let images = images.collect::<Result<Vec<_>, MiniVocError>>()?;
    let (digests, labels): (Vec<_>, Vec<_>) = images.into_iter().unzip();
    let lists: Vec<(String, String)> = list_names().zip(lists(&labels)).collect();
    for (name, content) in &lists {
        write(&root.join("ImageSets/Main").join(name), content.as_bytes())?;
    }
    let checksum = checksum(&digests, lists.iter().map(|(name, content)| (name.as_str(), content.as_bytes())));
    write(&root.join(MARKER), checksum.as_bytes())?;
    Ok(checksum)
}

fn write(path: &Path, content: &[u8]) -> Result<(), MiniVocError> {
    let written = fs::File::create(path).and_then(|mut file| file.write_all(content));
    written.map_err(MiniVocError::io("write", path))
}

/// One label per class: 1 if the picture shows the class, 0 if all its objects are difficult, −1 if the class is absent.
fn labels(picture: &Picture) -> [i8; CLASSES.len()] {
    CLASSES.map(|class| {
        let objects = picture.objects.iter().filter(|object| object.class == class);
        objects.map(|object| i8::from(!object.difficult)).max().unwrap_or(-1)
    })
}

/// File names of the lists: for each set the list of all ids, then one list per class.
fn list_names() -> impl Iterator<Item = String> {
    SETS.into_iter().flat_map(|set| {
        let of_classes = CLASSES.into_iter().map(move |class| format!("{class}_{set}.txt"));
        std::iter::once(format!("{set}.txt")).chain(of_classes)
    })
}

/// Contents of the lists, in the order of [`list_names`].
fn lists(labels: &[[i8; CLASSES.len()]]) -> Vec<String> {
    let mut lists = Vec::new();
    for half in 0..SETS.len() {
        let images = || labels.iter().enumerate().skip(half).step_by(SETS.len());
        lists.push(images().fold(String::new(), |list, (index, _)| list + &image_id(index) + "\n"));
        for class in 0..CLASSES.len() {
            let mut list = String::new();
            for (index, labels) in images() {
                writeln!(list, "{} {:2}", image_id(index), labels[class]).expect("writing into a string cannot fail");
            }
            lists.push(list);
        }
    }
    lists
}

/// The annotation of a picture as VOC writes it: corners count from 1, and the lower right corner belongs to the box.
fn annotation(picture: &Picture) -> String {
    let Picture { id, width, height, owner, .. } = picture;
    let mut xml = format!(
        "<annotation>\n\t<folder>VOC{YEAR}</folder>\n\t<filename>{id}.png</filename>\n\
         \t<source>\n\t\t<database>The miniature devkit of fisherlens</database>\n\t</source>\n\
         \t<owner>\n\t\t<name>{owner}</name>\n\t</owner>\n\
         \t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n\t\t<depth>3</depth>\n\t</size>\n\
         \t<segmented>0</segmented>\n"
    );
    for object in &picture.objects {
        let (bounds, class) = (object.bounds, object.class);
        let (truncated, difficult) = (u8::from(object.truncated), u8::from(object.difficult));
        let (xmin, ymin, xmax, ymax) = (bounds.left + 1, bounds.top + 1, bounds.right, bounds.bottom);
        write!(
            xml,
            "\t<object>\n\t\t<name>{class}</name>\n\t\t<pose>Unspecified</pose>\n\
             \t\t<truncated>{truncated}</truncated>\n\t\t<difficult>{difficult}</difficult>\n\
             \t\t<bndbox>\n\t\t\t<xmin>{xmin}</xmin>\n\t\t\t<ymin>{ymin}</ymin>\n\
             \t\t\t<xmax>{xmax}</xmax>\n\t\t\t<ymax>{ymax}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        )
        .expect("writing into a string cannot fail");
    }
    xml + "</annotation>\n"
}

/// Digest of one image: of id, pixels, masks and annotation, each preceded by its length.
pub(crate) fn image_digest(id: &str, rgb: &[u8], masks: &[u8], xml: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in [id.as_bytes(), rgb, masks, xml] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize()
}

fn checksum<'a>(images: &[blake3::Hash], lists: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = blake3::Hasher::new();
    for digest in images {
        hasher.update(digest.as_bytes());
    }
    for (name, content) in lists {
        for part in [name.as_bytes(), content] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    hasher.finalize().to_hex().to_string()
}
