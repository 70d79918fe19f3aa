//! The computations for one image: 73,866 descriptors, 256 components, 80 features.

use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Mapping, Normalization, Rows, Sign};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use ndarray_npy::NpzReader;

const N_DESCRIPTORS: usize = 73_866;

fn main() {
    divan::main();
}

struct Image {
    encoder: FisherVector,
    values: Array2<f32>,
    positions: Vec<[f32; 2]>,
}

/// All descriptors of a photograph, the zeroed ones of its flat areas included, and a mixture learned from several photographs.
fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/fisher_vector_camera.npz");
        let mut file = NpzReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let weights: Array1<f32> = file.by_name("weights").unwrap();
        let means: Array2<f32> = file.by_name("means").unwrap();
        let variances: Array2<f32> = file.by_name("variances").unwrap();
        let zero: Array1<u8> = file.by_name("zero").unwrap();
        let descriptors: Array2<u8> = file.by_name("descr").unwrap();
        let projection: Array2<f32> = file.by_name("proj").unwrap();
        let projected = descriptors.mapv(f32::from).dot(&projection.t());
        let mut values = Array2::zeros((N_DESCRIPTORS, projection.nrows()));
        let places = zero.iter().enumerate().filter(|(_, zero)| **zero == 0).map(|(place, _)| place);
        for (place, row) in places.zip(projected.rows()) {
            values.row_mut(place).assign(&row);
        }
        let gmm = DiagonalGmm::from_parts(weights, means, variances).unwrap();
        let encoder = FisherVector::params(gmm).check().unwrap();
        Image { encoder, values, positions: vec![[0.5, 0.5]; N_DESCRIPTORS] }
    })
}

fn mapping() -> &'static dyn Mapping {
    static MAPPING: OnceLock<Box<dyn Mapping>> = OnceLock::new();
    let made = MAPPING.get_or_init(|| {
        let image = image();
        let set = DescriptorSet { values: image.values.view(), positions: &image.positions };
        image.encoder.map(set).unwrap()
    });
    made.as_ref()
}

#[divan::bench(args = [Sign::Signed, Sign::Absolute])]
fn accumulate(bencher: Bencher, sign: Sign) {
    let mapping = mapping();
    let mut sums = vec![0.0; mapping.n_dimensions()];
    bencher
        .counter(ItemsCount::new(N_DESCRIPTORS))
        .bench_local(|| mapping.accumulate(Rows::All, sign, divan::black_box(&mut sums)));
}

#[divan::bench]
fn accumulate_100_rows(bencher: Bencher) {
    let mapping = mapping();
    let rows: Vec<u32> = (0..100).map(|l| l * 701).collect();
    let mut sums = vec![0.0; mapping.n_dimensions()];
    bencher.bench_local(|| mapping.accumulate(Rows::Some(&rows), Sign::Signed, divan::black_box(&mut sums)));
}

#[divan::bench(args = [Sign::Signed, Sign::Absolute])]
fn contract(bencher: Bencher, sign: Sign) {
    let mapping = mapping();
    let coefficients: Vec<f32> = (0..mapping.n_dimensions()).map(|d| (d % 17) as f32 - 8.0).collect();
    bencher
        .counter(ItemsCount::new(N_DESCRIPTORS))
        .bench_local(|| mapping.contract(divan::black_box(&coefficients), sign));
}

#[divan::bench]
fn unreached(bencher: Bencher) {
    let mapping = mapping();
    bencher.bench_local(|| mapping.unreached());
}

#[divan::bench]
fn encode(bencher: Bencher) {
    let image = image();
    bencher.bench_local(|| {
        let set = DescriptorSet { values: image.values.view(), positions: &image.positions };
        image.encoder.encode(set).unwrap()
    });
}

#[divan::bench]
fn score_41216(bencher: Bencher) {
    let layout = image().encoder.layout();
    let vector: Vec<f32> = (0..layout.len()).map(|d| (d % 19) as f32 - 9.0).collect();
    let coefficients: Vec<f32> = (0..layout.len()).map(|d| (d % 17) as f32 - 8.0).collect();
    let mut scratch = Vec::new();
    bencher
        .bench_local(|| Normalization::Improved.dot(&vector, divan::black_box(&coefficients), &layout, &mut scratch));
}

#[divan::bench(args = [Normalization::Power, Normalization::L2, Normalization::Improved, Normalization::Hellinger, Normalization::Intra])]
fn normalize_41216(bencher: Bencher, normalization: Normalization) {
    let layout = image().encoder.layout();
    let vector: Vec<f32> = (0..layout.len()).map(|d| (d % 19) as f32 - 9.0).collect();
    bencher.with_inputs(|| vector.clone()).bench_local_refs(|vector| normalization.apply(vector, &layout));
}
