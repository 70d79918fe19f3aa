//! Trains a linear SVM on vectors that stay in a file, and prints the time per pass and the memory that was needed.
//!
//! `cargo run --release --package fisherlens-classifier --example svm_beyond_memory -- [SAMPLES DIMENSIONS CLASSES [FOLDER]]`
//!
//! The vectors are drawn at random and written with 8 bits per number into a new file, which is removed at the end. Without arguments the
//! example runs on a small problem. With `200000 41216 20` it needs 8.2 GB in the folder, by default the folder for temporary files.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::Instant;

use fisherlens_classifier::{LinearSvm, RowSource};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayViewMut2};
use rand::{Rng, RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// Samples that are drawn and written together.
const DRAWN_TOGETHER: usize = 64;

/// Vectors in a file, one byte per number, row after row.
struct ByteFile {
    file: File,
    n_rows: usize,
    n_dimensions: usize,
}

impl RowSource for ByteFile {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_dimensions(&self) -> usize {
        self.n_dimensions
    }

    fn read(&self, rows: Range<usize>, mut target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut bytes = vec![0; rows.len() * self.n_dimensions];
        read_at(&self.file, &mut bytes, (rows.start * self.n_dimensions) as u64)?;
        // The factor gives the vectors roughly unit length.
        let factor = 1.0 / (40.0 * (self.n_dimensions as f32).sqrt());
        for (row, mut target) in bytes.chunks_exact(self.n_dimensions).zip(target.rows_mut()) {
            target.iter_mut().zip(row).for_each(|(to, &byte)| *to = f32::from(byte.cast_signed()) * factor);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let n_read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if n_read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[n_read..];
        offset += n_read as u64;
    }
    Ok(())
}

/// Removes the file at the end, also after an error.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Each vector is noise, plus a direction that all samples share, plus the centre of the class of the sample.
fn write(path: &Path, n: usize, d: usize, n_classes: usize) -> std::io::Result<()> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let shared: Vec<i8> = (0..d).map(|_| rng.gen_range(-20..=20)).collect();
    let centres: Vec<Vec<i8>> =
        (0..n_classes).map(|_| (0..d).map(|_| [0, 0, 0, 0, 0, 0, -2, 2][rng.gen_range(0..8)]).collect()).collect();
    let mut file = BufWriter::new(File::create(path)?);
    for first in (0..n).step_by(DRAWN_TOGETHER) {
        let rows: Vec<Vec<u8>> = (first..n.min(first + DRAWN_TOGETHER))
            .into_par_iter()
            .map(|sample| {
                let mut row = vec![0; d];
                Xoshiro256PlusPlus::seed_from_u64(sample as u64).fill_bytes(&mut row);
                for ((byte, shared), centre) in row.iter_mut().zip(&shared).zip(&centres[sample % n_classes]) {
                    *byte = (byte.cast_signed() / 2 + shared + centre).cast_unsigned();
                }
                row
            })
            .collect();
        rows.iter().try_for_each(|row| file.write_all(row))?;
    }
    file.flush()
}

/// Anonymous memory of this process in MB, where the system tells it.
fn anonymous_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = |place: usize, default: usize| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (n, d, n_classes) = (size(0, 1000)?, size(1, 2000)?, size(2, 4)?);
    let folder = arguments.get(3).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = Removed(folder.join(format!("svm_beyond_memory-{}.bin", std::process::id())));

    let start = Instant::now();
    write(&path.0, n, d, n_classes)?;
    println!("{n} vectors of {d} dimensions written in {:.1} s", start.elapsed().as_secs_f64());
    let rows = ByteFile { file: File::open(&path.0)?, n_rows: n, n_dimensions: d };
    // Every 50th sample has a wrong label, so that the classes cannot be separated.
    let targets = Array2::from_shape_fn((n, n_classes), |(sample, class)| {
        let label = if sample % 50 == 7 { sample / 50 } else { sample };
        if label % n_classes == class { 1 } else { -1 }
    });

    // As for the photographs of VOC 2007.
    let svm = LinearSvm::params().c(10.0).tolerance(1e-3).check()?;
    let (mut pass_start, mut peak) = (Instant::now(), 0.0_f64);
    println!("pass   seconds   not solved   largest relative gap before the pass");
    let training = svm.train_rows(&rows, targets.view(), &mut |progress| {
        peak = peak.max(anonymous_memory().unwrap_or(f64::NAN));
        if progress.n_rows_read == n {
            let seconds = pass_start.elapsed().as_secs_f64();
            let (pass, n_unsolved) = (progress.n_passes + 1, progress.n_unsolved);
            if seconds > 1.0 || pass % 10 == 1 {
                println!("{pass:>4}   {seconds:>7.2}   {n_unsolved:>10}   {:.1e}", progress.largest_gap);
            }
            pass_start = Instant::now();
        }
        ControlFlow::Continue(())
    })?;

    println!("\nclass   objective   relative gap   epochs   support vectors");
    for (class, report) in training.report.classes.iter().enumerate() {
        let gap = report.relative_duality_gap().unwrap_or(f64::NAN);
        let (objective, n_epochs) = (report.objective, report.n_epochs.unwrap_or(0));
        println!("{class:>5}   {objective:>9.4}   {gap:>12.1e}   {n_epochs:>6}   {:>15}", report.n_support_vectors);
    }
    let scores = training.model.decision_function_rows(&rows)?;
    let n_right = scores.iter().zip(&targets).filter(|(score, target)| (**score > 0.0) == (**target > 0)).count();
    println!(
        "\nthe sign of the score is right for {:.1} % of the targets",
        100.0 * n_right as f64 / scores.len() as f64
    );
    println!("peak of the anonymous memory: {peak:.0} MB");
    Ok(())
}
