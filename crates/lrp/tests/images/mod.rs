//! Random images and all encoders, for the tests.

use fisherlens_descriptors::Frame;
use fisherlens_fisher::{
    Assignment, BagOfWords, DescriptorSet, Encoder, FisherPart, FisherVector, Grid, Pyramid, Vlad,
};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

const N_COMPONENTS: usize = 7;
const N_FEATURES: usize = 5;

/// A mixture whose last component is far from all descriptors.
fn mixture() -> DiagonalGmm {
    let mut rng = Xoshiro256Plus::seed_from_u64(42);
    let mut weights = Array1::from_shape_simple_fn(N_COMPONENTS, || rng.gen_range(0.5_f32..1.5));
    weights /= weights.sum();
    let mut means = Array2::from_shape_simple_fn((N_COMPONENTS, N_FEATURES), || rng.gen_range(-2.0_f32..2.0));
    means.row_mut(N_COMPONENTS - 1).fill(60.0);
    let variances = Array2::from_shape_simple_fn((N_COMPONENTS, N_FEATURES), || rng.gen_range(0.3_f32..1.2));
    DiagonalGmm::from_parts(weights, means, variances).unwrap()
}

/// All encoders and assignments, each with and without a pyramid.
pub(crate) fn encoders() -> Vec<(String, Box<dyn Encoder>)> {
    type Make = fn() -> Box<dyn Encoder>;
    let plain: [(&str, Make); 6] = [
        ("Fisher vector", || Box::new(FisherVector::params(mixture()).check().unwrap())),
        ("Fisher vector of means, no floor", || {
            let params = FisherVector::params(mixture()).parts(&[FisherPart::Means]).posterior_floor(0.0);
            Box::new(params.check().unwrap())
        }),
        ("hard VLAD", || Box::new(Vlad::params(mixture()).check().unwrap())),
        ("soft VLAD", || {
            Box::new(Vlad::params(mixture()).assignment(Assignment::Soft { floor: 1e-4 }).check().unwrap())
        }),
        ("hard bag of words", || Box::new(BagOfWords::params(mixture()).check().unwrap())),
        ("soft bag of words", || {
            Box::new(BagOfWords::params(mixture()).assignment(Assignment::Soft { floor: 1e-4 }).check().unwrap())
        }),
    ];
    let grids = [Grid { columns: 1, rows: 1 }, Grid { columns: 2, rows: 2 }, Grid { columns: 1, rows: 3 }];
    let mut encoders = Vec::new();
    for (name, make) in plain {
        encoders.push((name.to_owned(), make()));
        let pyramid = Pyramid::new(make(), &grids).unwrap();
        encoders.push((format!("{name}, pyramid"), Box::new(pyramid) as Box<dyn Encoder>));
    }
    encoders
}

/// Descriptors at random places of an image.
pub(crate) struct Image {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) frames: Vec<Frame>,
    values: Array2<f32>,
    positions: Vec<[f32; 2]>,
}

impl Image {
    /// `n` descriptors drawn from the mixture and placed at random. Draws from the last component are moved near the others.
    pub(crate) fn random(n: usize, seed: u64) -> Self {
        let (width, height) = (90, 60);
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let mut values = mixture().generate(n, &mut rng);
        for mut row in values.rows_mut() {
            if row[0] > 30.0 {
                row.mapv_inplace(|value| value - 60.0);
            }
        }
        let frames: Vec<Frame> = (0..n)
            .map(|_| Frame {
                x: rng.gen_range(0.0..width as f32 - 0.01),
                y: rng.gen_range(0.0..height as f32 - 0.01),
                bin_size: [4, 6, 8, 10][rng.gen_range(0..4)],
                norm: 1.0,
            })
            .collect();
        let mut image = Self { width, height, frames, values, positions: Vec::new() };
        image.place();
        image
    }

    /// The same image with all descriptors moved to the left half.
    pub(crate) fn left_half(mut self) -> Self {
        for frame in &mut self.frames {
            frame.x /= 2.1;
        }
        self.place();
        self
    }

    fn place(&mut self) {
        self.positions =
            self.frames.iter().map(|frame| [frame.x / self.width as f32, frame.y / self.height as f32]).collect();
    }

    pub(crate) fn descriptors(&self) -> DescriptorSet<'_> {
        DescriptorSet { values: self.values.view(), positions: &self.positions }
    }
}
