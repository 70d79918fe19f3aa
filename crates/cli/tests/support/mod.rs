//! Calls the program as a user does.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fisherlens_model::write_png;
use ndarray::Array3;

/// Output of the program with these arguments.
pub(crate) fn fisherlens(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fisherlens")).args(words).output().unwrap()
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Standard output of a command that must succeed.
pub(crate) fn succeed(words: &[&[&str]]) -> String {
    let output = fisherlens(&words.concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that a command fails without a panic, and that its message contains all texts of `expected`.
pub(crate) fn fail(words: &[&[&str]], expected: &[&str]) {
    let output = fisherlens(&words.concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{words:?}: {:?} {said}", output.status);
    assert!(!said.contains("panicked"), "{words:?}: {said}");
    for part in expected {
        assert!(said.contains(part), "{words:?} should say {part:?}, but says: {said}");
    }
}

/// A picture with stripes in one direction, or in both for `class` 2, and noise that differs from picture to picture.
pub(crate) fn picture(path: &Path, class: usize, number: usize) {
    let noise = |x: usize, y: usize| (x * 31 + y * 17 + number * 97 + x * y * (number + 3)) % 40;
    let stripe = |at: usize| 90 * (at / 6 % 2);
    let of = |(y, x, _): (usize, usize, usize)| match class {
        0 => stripe(x + number),
        1 => stripe(y + number),
        _ => stripe(x).midpoint(stripe(y)),
    } + noise(x, y);
    write_png(path, Array3::from_shape_fn((60, 80, 3), |at| of(at) as u8).view()).unwrap();
}

/// Twelve pictures of each of two classes in class folders, and their names.
pub(crate) fn class_folders(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for (class, name) in ["upright", "lying, flat"].iter().enumerate() {
        fs::create_dir_all(root.join(name)).unwrap();
        for number in 0..12 {
            let file = format!("{name}/{class}-{number} é.png");
            picture(&root.join(&file), class, number);
            names.push(file);
        }
    }
    names
}

/// Settings that make training take less than a second.
pub(crate) const SMALL: [&str; 8] = [
    "--set",
    "sample.n_descriptors=4000",
    "--set",
    "pca.n_components=16",
    "--set",
    "mixture.n_components=8",
    "--set",
    "mixture.max_n_iterations=3",
];
