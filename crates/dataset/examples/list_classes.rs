//! Lists the classes of a PASCAL VOC devkit: images with an object, and images with difficult objects only, per class and image set.
//!
//! `cargo run --package fisherlens-dataset --example list_classes -- FOLDER [YEAR]`
//!
//! FOLDER is a `VOC<year>` folder or holds such folders, for example `VOCdevkit`.
#![expect(clippy::print_stdout, reason = "the example shows its results")]

use std::error::Error;
use std::path::Path;

use fisherlens_dataset::{Devkit, Missing};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        println!("Usage: list_classes FOLDER [YEAR]");
        return Ok(());
    };
    let year = arguments.get(1).map(|year| year.parse()).transpose()?;
    let devkit = Devkit::open(Path::new(folder), year)?;
    for set in devkit.sets() {
        // `Missing::Refuse` would end with an error at the first image whose file or annotation is missing.
        let images = devkit.image_set(set, Missing::Skip)?;
        println!("{set}: {} images, {} left out", images.images.len(), images.skipped.len());
        println!("  {:20} {:>9} {:>10}", "class", "positive", "difficult");
        for (column, class) in images.classes.iter().enumerate() {
            let count = |wanted: i8| images.images.iter().filter(|image| image.labels[column] == wanted).count();
            println!("  {class:20} {:>9} {:>10}", count(1), count(0));
        }
    }
    Ok(())
}
