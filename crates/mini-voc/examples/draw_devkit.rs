//! Draws the miniature devkit, checks it, and counts its classes and tags.
//!
//! `cargo run --package fisherlens-mini-voc --example draw_devkit -- FOLDER`
//! writes it into FOLDER; without an argument it goes into a temporary folder, which is removed at the end.
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::path::Path;

use fisherlens_dataset::{Devkit, Missing};
use fisherlens_mini_voc::{CHECKSUM, YEAR, ensure, verify};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(folder) => draw(Path::new(&folder)),
        None => draw(tempfile::tempdir()?.path()),
    }
}

fn draw(folder: &Path) -> Result<(), Box<dyn Error>> {
    let folder = ensure(folder)?;
    verify(&folder)?;
    println!("{} has the checksum {CHECKSUM}", folder.join(format!("VOC{YEAR}")).display());
    // The folder has the layout of PASCAL VOC, so the reader of PASCAL VOC opens it.
    let devkit = Devkit::open(&folder, None)?;
    for name in ["train", "test"] {
        let set = devkit.image_set(name, Missing::Refuse)?;
        println!("\n{name}: {} images", set.images.len());
        for (index, class) in devkit.classes().iter().enumerate() {
            let n_positives = set.images.iter().filter(|image| image.labels[index] == 1).count();
            println!("  {class:<5} {n_positives:>4} images");
        }
        let owner = fisherlens_mini_voc::TAG_OWNER;
        let n_tags = set.images.iter().filter(|image| image.owner() == Some(owner)).count();
        println!("  {n_tags} images by {owner}, whose tag is in the lower right corner");
    }
    Ok(())
}
