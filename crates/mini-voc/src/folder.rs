//! The devkit's folder: lists, annotations, pictures, and the check that they are the right ones.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rayon::prelude::*;

use crate::contents::{CHECKSUM, CLASSES, N_IMAGES, YEAR};
use crate::picture::{Picture, draw_image, image_id};
use crate::png_file;

/// The file that says the folder is complete, and with what content.
const MARKER: &str = "CHECKSUM";
/// The sets, in the order in which images fall into them.
const SETS: [&str; 2] = ["train", "test"];

/// Makes sure that `dir` holds the devkit, and returns the folder to open it from, which is `dir`.
///
/// A complete folder is left as it is; otherwise everything is drawn beside it and renamed when complete, so that an
/// interrupted drawing leaves no half a devkit. What was drawn is compared with [`CHECKSUM`].
///
/// # Errors
/// When a folder VOC2016 is there that this function did not write, when a file cannot be written, when the drawing
/// differs from [`CHECKSUM`].
pub fn ensure(dir: &Path) -> Result<PathBuf> {
    let target = dir.join(format!("VOC{YEAR}"));
    if is_complete(&target) {
        return Ok(dir.to_owned());
    }
    ensure!(
        !target.exists() || target.join(MARKER).is_file(),
        "{} is there but was not drawn by this program: move it away",
        target.display()
    );
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let aside =
        tempfile::Builder::new().prefix(".drawing-").tempdir_in(dir).context("cannot make a folder to draw in")?;
    let drawn = aside.path().join("VOC");
    let checksum = draw_into(&drawn)?;
    if checksum != CHECKSUM {
        bail!(
            "the miniature devkit came out as {checksum}, expected {CHECKSUM}: the drawing is to be the same everywhere"
        );
    }
    if is_complete(&target) {
        // Someone else who drew at the same time was first: theirs has the same content and may be in use.
        return Ok(dir.to_owned());
    }
    if target.exists() {
        // An older drawing: out of the way first, since a rename does not replace a folder with files.
        fs::rename(&target, aside.path().join("old"))
            .or_else(|error| if is_complete(&target) { Ok(()) } else { Err(error) })?;
    }
    match fs::rename(&drawn, &target) {
        Err(error) if !is_complete(&target) => {
            Err(error).with_context(|| format!("cannot move the drawn devkit to {}", target.display()))
        }
        // Here too someone else may have been first.
        _ => Ok(dir.to_owned()),
    }
}

/// Reads the devkit in `dir` back and compares it with [`CHECKSUM`], file by file.
///
/// # Errors
/// When a file cannot be read or the content differs.
pub fn verify(dir: &Path) -> Result<()> {
    let root = dir.join(format!("VOC{YEAR}"));
    let read =
        |name: String| fs::read(root.join(&name)).with_context(|| format!("cannot read {name} of {}", root.display()));
    let digests = (0..N_IMAGES).into_par_iter().map(|index| {
        let id = image_id(index);
        let (_, _, rgb) = png_file::decode(&read(format!("JPEGImages/{id}.png"))?)?;
        let (_, _, masks) = png_file::decode(&read(format!("Masks/{id}.png"))?)?;
        let xml = read(format!("Annotations/{id}.xml"))?;
        Ok(image_digest(&id, &rgb, &masks, &xml))
    });
    let digests = digests.collect::<Result<Vec<_>>>()?;
    let names = list_names().map(|name| Ok((read(format!("ImageSets/Main/{name}"))?, name)));
    let lists = names.collect::<Result<Vec<_>>>()?;
    let found = checksum(&digests, lists.iter().map(|(content, name)| (name.as_str(), content.as_slice())));
    ensure!(found == CHECKSUM, "{} has the content {found}, expected {CHECKSUM}", root.display());
    Ok(())
}

fn is_complete(target: &Path) -> bool {
    fs::read_to_string(target.join(MARKER)).is_ok_and(|found| found.trim() == CHECKSUM)
}

/// Draws everything into a new folder and returns the checksum of what was drawn.
fn draw_into(root: &Path) -> Result<String> {
    for part in ["JPEGImages", "Annotations", "ImageSets/Main", "Masks"] {
        let folder = root.join(part);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let images = (0..N_IMAGES).into_par_iter().map(|index| {
        let picture = draw_image(index);
        let (id, masks, xml) = (&picture.id, picture.masks.rgb(), annotation(&picture));
        let png = |rgb: &[u8]| png_file::encode(picture.width, picture.height, rgb);
        write(&root.join("JPEGImages").join(format!("{id}.png")), &png(&picture.rgb)?)?;
        write(&root.join("Masks").join(format!("{id}.png")), &png(&masks)?)?;
        write(&root.join("Annotations").join(format!("{id}.xml")), xml.as_bytes())?;
        let digest = image_digest(id, &picture.rgb, &masks, xml.as_bytes());
        Ok((digest, labels(&picture)))
    });
    let images = images.collect::<Result<Vec<_>>>()?;
    let (digests, labels): (Vec<_>, Vec<_>) = images.into_iter().unzip();
    let lists: Vec<(String, String)> = list_names().zip(lists(&labels)).collect();
    for (name, content) in &lists {
        write(&root.join("ImageSets/Main").join(name), content.as_bytes())?;
    }
    let checksum = checksum(&digests, lists.iter().map(|(name, content)| (name.as_str(), content.as_bytes())));
    write(&root.join(MARKER), checksum.as_bytes())?;
    Ok(checksum)
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    let written = fs::File::create(path).and_then(|mut file| file.write_all(content));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// One label a class: 1 present, 0 only as a difficult object, −1 absent.
fn labels(picture: &Picture) -> [i8; CLASSES.len()] {
    CLASSES.map(|class| {
        let objects = picture.objects.iter().filter(|object| object.class == class);
        objects.map(|object| i8::from(!object.difficult)).max().unwrap_or(-1)
    })
}

/// The lists' names, set by set: the ids first, then the classes.
fn list_names() -> impl Iterator<Item = String> {
    SETS.into_iter().flat_map(|set| {
        let of_classes = CLASSES.into_iter().map(move |class| format!("{class}_{set}.txt"));
        std::iter::once(format!("{set}.txt")).chain(of_classes)
    })
}

/// The lists' contents, in the order of [`list_names`].
fn lists(labels: &[[i8; CLASSES.len()]]) -> Vec<String> {
    let mut lists = Vec::new();
    for half in 0..SETS.len() {
        let images = || labels.iter().enumerate().skip(half).step_by(SETS.len());
        lists.push(images().fold(String::new(), |list, (index, _)| list + &image_id(index) + "\n"));
        for class in 0..CLASSES.len() {
            let mut list = String::new();
            for (index, labels) in images() {
                writeln!(list, "{} {:2}", image_id(index), labels[class]).expect("a string takes every line");
            }
            lists.push(list);
        }
    }
    lists
}

/// VOC's annotation of a picture, corners 1-based and inclusive.
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
        .expect("a string takes every line");
    }
    xml + "</annotation>\n"
}

/// Digest of one image: id, pixels, masks and annotation, each with its length.
pub(super) fn image_digest(id: &str, rgb: &[u8], masks: &[u8], xml: &[u8]) -> blake3::Hash {
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
