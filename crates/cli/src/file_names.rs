//! Names of the files that `explain` writes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Greatest number of bytes of a part of a name. File systems accept names of 255 bytes, and a name has up to five parts.
const MAX_BYTES: usize = 60;

/// The text as a part of a file name: letters and digits of every language stay; characters that some system or shell treats in a special
/// way become hyphens, so that no name leads into another folder.
fn part(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || " ._-+=@,()".contains(c) { c } else { '-' };
    let mut part = String::new();
    for c in text.chars().map(plain) {
        if part.len() + c.len_utf8() > MAX_BYTES {
            break;
        }
        part.push(c);
    }
    part
}

/// The texts as parts of file names, all different: if two of them have the same part, the later one gets a number, so that no result
/// replaces another. Names that differ only in upper and lower case are equal here, because they are equal on some systems.
pub(crate) fn parts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let different = |text: &str| {
        let plain = part(text);
        let mut name = plain.clone();
        let mut number = 2;
        while !taken.insert(name.to_lowercase()) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        name
    };
    texts.into_iter().map(different).collect()
}

/// The names of classes as parts of file names. A hyphen parts a name from what follows it, so that photograph `a` of class `b-c` and photograph
/// `a-b` of class `c` would have one file; inside of classes it becomes an underscore.
pub(crate) fn class_parts<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<String> = names.into_iter().map(|name| name.replace('-', "_")).collect();
    parts(names.iter().map(String::as_str))
}

/// Refuses a photograph that lies in the folder `out` under a name that the command may write, because it would be replaced before it is
/// explained. `stems` are those of [`stems`].
///
/// # Errors
/// The photograph, and what to do.
pub(crate) fn refuse_own_results(images: &[PathBuf], stems: &[String], out: &Path) -> Result<()> {
    const ENDINGS: [&str; 4] = ["-heatmap.png", "-overlay.png", "-top.png", "-panel.png"];
    let Ok(out) = out.canonicalize() else { return Ok(()) };
    for image in images {
        let Ok(path) = image.canonicalize() else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let begins = stems.iter().any(|stem| name.starts_with(&format!("{stem}-"))) || name == "networks-panel.png";
        if path.parent() == Some(&out) && begins && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            bail!(
                "{} has the name of a picture that this command may write into {}: choose another folder with --out",
                image.display(),
                out.display()
            );
        }
    }
    Ok(())
}

/// The beginning of the names of each photograph's files: its own name without folder and extension.
pub(crate) fn stems(images: &[PathBuf]) -> Vec<String> {
    let name = |image: &'_ PathBuf| match image.file_stem() {
        _ if image.as_os_str() == "-" => "standard-input".to_owned(),
        stem => stem.unwrap_or_default().to_string_lossy().into_owned(),
    };
    let stems: Vec<String> = images.iter().map(name).collect();
    parts(stems.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_photographs_have_one_name() {
        let images =
            ["a/0001.jpg", "b/0001.jpg", "0001-2.png", "B/0001.JPG", "Pferd.jpg", "pferd.png", "馬.jpg", "犬.jpg"];
        let stems = stems(&images.map(PathBuf::from));
        assert_eq!(stems, ["0001", "0001-2", "0001-2-2", "0001-3", "Pferd", "pferd-2", "馬", "犬"]);
    }

    #[test]
    fn photograph_and_class_can_be_told_apart() {
        assert_eq!(class_parts(["c", "b-c", "B_C"]), ["c", "b_c", "B_C-2"]);
    }

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(part("/../../x"), "-..-..-x");
        assert_eq!(part("cat\u{1b}[2J\\"), "cat--2J-");
        assert_eq!(part(&"é".repeat(100)).len(), MAX_BYTES);
    }

    #[test]
    fn photographs_that_would_be_replaced_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            path
        };
        let images = [path("q.jpg"), path("q-panel.png")];
        let message = refuse_own_results(&images, &stems(&images), folder.path()).unwrap_err().to_string();
        assert!(message.contains("q-panel.png") && message.contains("--out"), "{message}");
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(refuse_own_results(&images, &stems(&images), elsewhere.path()).is_ok());
        let others = [path("q.jpg"), path("other-panel.png"), path("q-more.png")];
        assert!(refuse_own_results(&others, &[stems(&others)[0].clone()], folder.path()).is_ok());
    }
}
