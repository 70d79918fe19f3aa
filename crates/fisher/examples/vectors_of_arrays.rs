//! Fisher vectors for arrays that another program made: the parameters of a mixture, and the local descriptors of one image.
//!
//! Run: `cargo run --package fisherlens-fisher --example vectors_of_arrays [arrays.npz]`
//!
//! Without an argument it uses small arrays that are written below. The file has `float32` arrays, for example from Python:
//! `numpy.savez("arrays.npz", weights=g.weights_.astype("f4"), means=g.means_.astype("f4"), variances=g.covariances_.astype("f4"),
//! descriptors=x.astype("f4"))`, where `g` is a `GaussianMixture(covariance_type="diag")` of scikit-learn.
#![expect(clippy::print_stdout, reason = "an example prints what it computes")]

use std::{env, error::Error, fs::File};

use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Normalization};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2, array};
use ndarray_npy::NpzReader;

/// `weights` `(K)`, `means` `(K, D)`, `variances` `(K, D)`, `descriptors` `(N, D)`.
type Arrays = (Array1<f32>, Array2<f32>, Array2<f32>, Array2<f32>);

fn written_here() -> Arrays {
    let weights = array![0.5, 0.3, 0.2];
    let means = array![[0.0, 0.0], [3.0, 1.0], [-2.0, 2.0]];
    let variances = array![[1.0, 1.0], [0.5, 2.0], [1.0, 0.5]];
    let descriptors = array![[0.1, -0.4], [2.5, 1.5], [3.2, 0.0], [-1.0, 1.5], [0.7, 0.9]];
    (weights, means, variances, descriptors)
}

fn from_file(path: &str) -> Result<Arrays, Box<dyn Error>> {
    let mut file = NpzReader::new(File::open(path)?)?;
    let (weights, means) = (file.by_name("weights")?, file.by_name("means")?);
    Ok((weights, means, file.by_name("variances")?, file.by_name("descriptors")?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (weights, means, variances, descriptors) = match env::args().nth(1) {
        Some(path) => from_file(&path)?,
        None => written_here(),
    };
    let encoder = FisherVector::params(DiagonalGmm::from_parts(weights, means, variances)?).check()?;

    // Only a spatial pyramid uses the positions, so that any positions can be given here.
    let positions = vec![[0.5, 0.5]; descriptors.nrows()];
    let mut vector = encoder.encode(DescriptorSet { values: descriptors.view(), positions: &positions })?;
    println!("{} descriptors give a vector of {} entries", descriptors.nrows(), vector.len());
    Normalization::Improved.apply(vector.as_slice_mut().ok_or("the vector is not contiguous")?, &encoder.layout());

    // The parts follow one another: K weight entries, K·D mean entries, K·D variance entries.
    let (k, d) = (encoder.mixture().n_components(), encoder.mixture().n_features());
    let (weights, others) = vector.view().split_at(ndarray::Axis(0), k);
    let (means, variances) = others.split_at(ndarray::Axis(0), k * d);
    println!("weights:\n{weights:.4}\nmeans:\n{:.4}", means.into_shape_with_order((k, d))?);
    println!("variances:\n{:.4}", variances.into_shape_with_order((k, d))?);
    Ok(())
}
