//! Comparison with Fisher vectors that VLFeat and scikit-image computed.

mod support;

use std::fs::File;

use fisherlens_fisher::{Encoder, FisherPart, FisherVector, Normalization};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2, s};
use ndarray_npy::NpzReader;
use support::{fisher_vector_in_f64, relative_difference, set};

fn open(name: &str) -> NpzReader<File> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");
    NpzReader::new(File::open(format!("{folder}{name}")).unwrap()).unwrap()
}

fn mixture(file: &mut NpzReader<File>) -> DiagonalGmm {
    let weights: Array1<f32> = file.by_name("weights").unwrap();
    let means: Array2<f32> = file.by_name("means").unwrap();
    let variances: Array2<f32> = file.by_name("variances").unwrap();
    DiagonalGmm::from_parts(weights, means, variances).unwrap()
}

/// All 73,866 projected descriptors of a photograph, 22,679 zeroed ones included.
fn photograph(file: &mut NpzReader<File>) -> Array2<f32> {
    let zero: Array1<u8> = file.by_name("zero").unwrap();
    let descriptors: Array2<u8> = file.by_name("descr").unwrap();
    let projection: Array2<f32> = file.by_name("proj").unwrap();
    let projected = descriptors.mapv(f32::from).dot(&projection.t());
    let mut x = Array2::zeros((zero.len(), projection.nrows()));
    let places = zero.iter().enumerate().filter(|(_, zero)| **zero == 0).map(|(place, _)| place);
    for (place, row) in places.zip(projected.rows()) {
        x.row_mut(place).assign(&row);
    }
    x
}

fn assert_within(name: &str, found: &[f32], expected: &[f64], bound: f64) {
    let difference = relative_difference(found, expected);
    assert!(difference <= bound, "{name}: the relative difference is {difference:.2e}, more than {bound:.0e}");
}

#[test]
fn made_up_descriptors_give_the_vectors_of_vlfeat() {
    let mut file = open("small_fisher_vector.npz");
    let x: Array2<f32> = file.by_name("x").unwrap();
    let positions = vec![[0.5, 0.5]; x.nrows()];
    let encoder = FisherVector::params(mixture(&mut file))
        .parts(&[FisherPart::Means, FisherPart::Variances])
        .posterior_floor(1e-6)
        .check()
        .unwrap();
    let raw: Array1<f32> = file.by_name("vlfeat_raw").unwrap();
    let improved: Array1<f32> = file.by_name("vlfeat_improved").unwrap();
    let mut found = encoder.encode(set(&x, &positions)).unwrap().to_vec();
    let wide = |values: Array1<f32>| values.mapv(f64::from).to_vec();
    assert_within("raw", &found, &wide(raw), 1e-5);
    Normalization::Improved.apply(&mut found, &encoder.layout());
    assert_within("improved", &found, &wide(improved), 5e-5);
}

#[test]
fn made_up_descriptors_give_the_vectors_of_scikit_image() {
    let mut file = open("small_fisher_vector.npz");
    let x: Array2<f32> = file.by_name("x").unwrap();
    let positions = vec![[0.5, 0.5]; x.nrows()];
    let encoder = FisherVector::params(mixture(&mut file)).posterior_floor(0.0).check().unwrap();
    let mut raw: Array1<f64> = file.by_name("scikit_raw").unwrap();
    let mut improved: Array1<f64> = file.by_name("scikit_improved").unwrap();
    // scikit-image has (1 − z²) where the papers have (z² − 1).
    for expected in [&mut raw, &mut improved] {
        expected.iter_mut().skip(8 + 8 * 16).for_each(|value| *value = -*value);
    }
    let mut found = encoder.encode(set(&x, &positions)).unwrap().to_vec();
    assert_within("raw", &found, &raw.to_vec(), 1e-5);
    assert_within("weight part", &found[..8], &raw.iter().copied().take(8).collect::<Vec<_>>(), 2e-5);
    Normalization::Improved.apply(&mut found, &encoder.layout());
    assert_within("improved", &found, &improved.to_vec(), 5e-5);
}

#[test]
fn descriptors_of_a_photograph_give_the_vector_computed_in_f64() {
    let mut file = open("fisher_vector_camera.npz");
    let x = photograph(&mut file).slice(s![..;123, ..]).to_owned();
    let positions = vec![[0.5, 0.5]; x.nrows()];
    let gmm = mixture(&mut file);
    let encoder = FisherVector::params(gmm.clone()).check().unwrap();
    let expected = fisher_vector_in_f64(&gmm, gmm.posteriors(x.view(), 1e-4).view(), x.view());
    let found = encoder.encode(set(&x, &positions)).unwrap().to_vec();
    assert_within("whole", &found, &expected, 5e-6);
    let means = 256 + 256 * 80;
    for (name, run) in [("weights", 0..256), ("means", 256..means), ("variances", means..found.len())] {
        assert_within(name, &found[run.clone()], &expected[run], 5e-6);
    }
}

#[test]
fn a_photograph_gives_the_vectors_of_vlfeat_and_of_f64() {
    let mut file = open("fisher_vector_camera.npz");
    let x = photograph(&mut file);
    let gmm = mixture(&mut file);
    let params = FisherVector::params(gmm.clone()).parts(&[FisherPart::Means, FisherPart::Variances]);
    let encoder = params.posterior_floor(1e-6).check().unwrap();
    let positions = vec![[0.5, 0.5]; x.nrows()];
    let mut found = encoder.encode(set(&x, &positions)).unwrap().to_vec();
    let exact = fisher_vector_in_f64(&gmm, gmm.posteriors(x.view(), 1e-6).view(), x.view())[256..].to_vec();
    let raw: Array1<f32> = file.by_name("raw").unwrap();
    let improved: Array1<f32> = file.by_name("improved").unwrap();

    // VLFeat sums in `f32`, and its own relative difference to the exact values is 2.0e-4.
    assert_within("raw", &found, &raw.mapv(f64::from).to_vec(), 3e-4);
    assert_within("raw, exact", &found, &exact, 5e-5);
    // Two components have nearly all of the vector's norm, so that differences in the other components would not be visible in it.
    for (block, (found, exact)) in found.chunks(80).zip(exact.chunks(80)).enumerate() {
        if [107, 218, 233].contains(&(block % 256)) {
            assert!(found.iter().all(|&value| value == 0.0), "component {} receives nothing", block % 256);
        } else {
            assert_within(&format!("block {block}"), found, exact, 5e-5);
        }
    }
    Normalization::Improved.apply(&mut found, &encoder.layout());
    assert_within("improved", &found, &improved.mapv(f64::from).to_vec(), 1.5e-4);
}
