//! The scores of all photographs in a folder as CSV, one row per photograph and one column per class:
//! `cargo run --package fisherlens-model --example score_folder [FOLDER] > scores.csv`
//!
//! Without a folder, two drawn photographs are scored.

#![expect(clippy::print_stdout, reason = "an example shows its results")]
#![expect(clippy::print_stderr, reason = "what was left out does not belong into the table")]

use std::error::Error;
use std::path::{Path, PathBuf};

use fisherlens_model::{Explainer, Model, photograph, write_png};
use ndarray::Array3;

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => draw_into(temporary.path())?,
    };
    let mut files =
        std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.sort();

    let model = Model::shipped();
    let explainer = Explainer::from_model(&model)?;
    println!("file,{}", model.classes.join(","));
    for file in files.iter().filter(|file| is_photograph(file)) {
        let scores = || -> Result<Vec<String>, Box<dyn Error>> {
            let described = explainer.describe(&photograph::read_upright(file, 500)?, file)?;
            let mapped = explainer.map(&described, &[])?;
            Ok((0..model.classes.len()).map(|class| format!("{:.4}", mapped.score(class))).collect())
        };
        let name = file.file_name().unwrap_or_default().to_string_lossy().replace('"', "\"\"");
        match scores() {
            Ok(scores) => println!("\"{name}\",{}", scores.join(",")),
            Err(error) => eprintln!("left out: {name}: {error}"),
        }
    }
    Ok(())
}

fn is_photograph(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["jpg", "jpeg", "png"].contains(&extension.as_str())
}

/// Stripes and squares.
fn draw_into(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let picture = |value: fn(usize, usize) -> u8| Array3::from_shape_fn((240, 320, 3), |(y, x, _)| value(y, x));
    write_png(&folder.join("stripes.png"), picture(|_, x| 200 * (x / 15 % 2) as u8).view())?;
    write_png(&folder.join("squares.png"), picture(|y, x| 200 * ((x / 30 + y / 30) % 2) as u8).view())?;
    Ok(folder.to_owned())
}
