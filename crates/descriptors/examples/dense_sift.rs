//! Dense SIFT descriptors of a photograph, or of a drawn image without an argument, and their projection by PCA.
//!
//! `cargo run --package fisherlens-descriptors --example dense_sift [-- PHOTOGRAPH.jpg]`
#![expect(clippy::print_stdout, reason = "the example shows its results")]

use std::error::Error;

use fisherlens_descriptors::{DenseSift, DescriptorExtractor, Pca, Photograph};
use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use ndarray::Array2;

/// Longer side of a photograph in pixels; larger ones are made smaller.
const MAX_SIDE: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    // Grey values in [0, 1], rows from the top.
    let image = match std::env::args().nth(1) {
        Some(path) => Photograph::decode_upright(&std::fs::read(path)?)?.fitted(MAX_SIDE).gray(),
        None => rings(240, 320),
    };
    println!("image: {} × {} pixels", image.ncols(), image.nrows());

    // The settings of the published experiment; `check` refuses impossible ones.
    let sift = DenseSift::params().bin_sizes(vec![4, 6, 8, 10]).step(3).check()?;
    let descriptors = sift.extract(image.view())?;
    println!("descriptors: {:?}", descriptors.values.dim());
    for &bin_size in sift.bin_sizes() {
        let n_descriptors = descriptors.frames.iter().filter(|frame| frame.bin_size == bin_size).count();
        println!("  bin size {bin_size}: {n_descriptors}");
    }
    if let Some(frame) = descriptors.frames.first() {
        println!("first descriptor: centre ({}, {}), contrast {:.4}", frame.x, frame.y, frame.norm);
        println!("  pixels: {:?}", frame.support(image.ncols(), image.nrows()));
    }

    // An experiment learns the projection from descriptors of many images.
    let dataset = DatasetBase::from(descriptors.values);
    let pca = Pca::params(80).fit(&dataset)?;
    let projected = pca.transform(dataset.records.view())?;
    println!("after PCA: {:?}", projected.dim());
    let largest: Vec<String> = pca.explained_variance().iter().take(5).map(|value| format!("{value:.4}")).collect();
    println!("largest variances: {}", largest.join(", "));
    Ok(())
}

/// Rings around the centre of the image.
fn rings(height: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (x, y) = (x as f32 - width as f32 / 2.0, y as f32 - height as f32 / 2.0);
        0.5 + 0.4 * (x.hypot(y) / 5.0).sin()
    })
}
