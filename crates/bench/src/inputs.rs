//! The input of every row: one photograph, its descriptors, and models of the size of the published experiment.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use fisherlens_classifier::LinearModel;
use fisherlens_descriptors::{DenseSift, DescriptorExtractor, LocalDescriptors, Pca, Photograph};
use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector};
use fisherlens_mixture::DiagonalGmm;
use linfa::ParamGuard;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use ndarray_npy::NpzReader;
use rand::seq::index;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use fisherlens_model::Described;

/// A colour photograph of 500×375 pixels: `astronaut` from scikit-image's sample data (NASA, Eileen Collins, public domain), cropped to
/// 4:3, resized and stored as a JPEG of quality 90.
const PHOTOGRAPH: &[u8] = include_bytes!("astronaut.jpg");

/// The projection of the golden file was learned from VLFeat's 8-bit descriptors, whose values are 512 times ours.
const QUANTISATION: f32 = 512.0;

/// Posteriors below this value count as 0, in the vector and in the M step.
pub(crate) const POSTERIOR_FLOOR: f32 = 1e-4;

/// Seed of all random numbers.
const SEED: u64 = 2016;

/// Height and width of the part of the photograph that is used while instructions are counted.
const SMALL: (usize, usize) = (96, 128);

/// Number of classes of the made-up model.
const N_CLASSES: usize = 2;

/// Everything that is made before anything is timed.
pub(crate) struct Inputs {
    /// The bytes of the photograph's file.
    pub(crate) jpeg: Vec<u8>,
    /// Grey values `(height, width)`.
    pub(crate) gray: Array2<f32>,
    /// Dense SIFT with four bin sizes and step 3.
    pub(crate) sift: DenseSift,
    /// Projection from 128 to 80 features.
    pub(crate) pca: Pca,
    /// Fisher vector with K = 256, D = 80 and all three parts.
    pub(crate) encoder: FisherVector,
    /// Made-up linear classifiers of Fisher vectors.
    pub(crate) model: LinearModel,
    /// The photograph's descriptors.
    pub(crate) local: LocalDescriptors,
    /// The photograph's descriptors after the projection.
    pub(crate) described: Described,
    sample: OnceLock<Array2<f32>>,
}

impl Inputs {
    /// Projected descriptors of grey values, made as in the experiment.
    ///
    /// # Errors
    /// See [`Described::from_gray`].
    pub(crate) fn describe(&self, gray: ArrayView2<'_, f32>) -> Result<Described> {
        describe(&self.sift, &self.pca, gray)
    }

    /// Reads the models of the golden file and describes the photograph, or the one in the file `image`.
    ///
    /// # Errors
    /// When the photograph or the golden file cannot be read.
    pub(crate) fn new(image: Option<&Path>) -> Result<Self> {
        let jpeg = match image {
            Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => PHOTOGRAPH.to_vec(),
        };
        let gray = Photograph::decode(&jpeg).context("the photograph cannot be decoded")?.gray();
        Self::of_gray(jpeg, gray)
    }

    /// The same inputs for a small part of the photograph, so that counting instructions does not take long.
    ///
    /// # Errors
    /// When the golden file cannot be read.
    pub(crate) fn small() -> Result<Self> {
        let whole = Photograph::decode(PHOTOGRAPH).context("the photograph cannot be decoded")?.gray();
        let (height, width) = SMALL;
        let (y, x) = ((whole.nrows() - height) / 2, (whole.ncols() - width) / 2);
        Self::of_gray(PHOTOGRAPH.to_vec(), Array2::from_shape_fn(SMALL, |at| whole[[at.0 + y, at.1 + x]]))
    }

    fn of_gray(jpeg: Vec<u8>, gray: Array2<f32>) -> Result<Self> {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/fisher_vector_camera.npz");
        let (pca, mixture) = models(&golden).with_context(|| format!("cannot read {}", golden.display()))?;
        let sift = DenseSift::params().check()?;
        let encoder = FisherVector::params(mixture).posterior_floor(POSTERIOR_FLOOR).check()?;
        let local = sift.extract(gray.view())?;
        ensure!(!local.is_empty(), "the photograph is too small: it has no descriptors");
        let described = describe(&sift, &pca, gray.view())?;
        let model = made_up_model(encoder.n_dimensions())?;
        let sample = OnceLock::new();
        Ok(Self { jpeg, gray, sift, pca, encoder, model, local, described, sample })
    }

    /// Number of descriptors.
    pub(crate) fn n_descriptors(&self) -> usize {
        self.local.len()
    }

    /// The photograph's projected descriptors as an encoder takes them.
    pub(crate) fn set(&self) -> DescriptorSet<'_> {
        self.described.set()
    }

    /// `n` projected descriptors that are not zero, in random order, from the photograph turned and mirrored in all eight ways.
    ///
    /// # Errors
    /// When the photograph has too few of them.
    pub(crate) fn sample(&self, n: usize) -> Result<ArrayView2<'_, f32>> {
        if self.sample.get().is_none_or(|sample| sample.nrows() < n) {
            let made = self.make_sample(n)?;
            // The sample is made once: no run needs a larger one later.
            self.sample.get_or_init(|| made);
        }
        let sample = self.sample.get().context("the sample is made above")?;
        ensure!(sample.nrows() >= n, "the sample has {} descriptors, expected at least {n}", sample.nrows());
        Ok(sample.view().split_at(Axis(0), n).0)
    }

    fn make_sample(&self, n: usize) -> Result<Array2<f32>> {
        let mut parts = Vec::new();
        for view in turned(self.gray.view()) {
            let local = self.sift.extract(view.as_standard_layout().view())?;
            let not_flat: Vec<usize> =
                (0..local.len()).filter(|&l| local.values.row(l).iter().any(|&value| value != 0.0)).collect();
            parts.push(self.pca.transform(local.values.select(Axis(0), &not_flat).view())?);
        }
        let views: Vec<_> = parts.iter().map(Array2::view).collect();
        let all = concatenate(Axis(0), &views)?;
        ensure!(
            all.nrows() >= n,
            "the photograph has {} descriptors of patches that are not flat, expected at least {n}; use a larger photograph",
            all.nrows()
        );
        let rows = index::sample(&mut Xoshiro256Plus::seed_from_u64(SEED), all.nrows(), n);
        Ok(all.select(Axis(0), &rows.into_vec()))
    }

    /// Start values for expectation maximisation: different random samples as means, the variance of all samples, equal weights.
    ///
    /// # Errors
    /// When a feature is the same in all samples.
    pub(crate) fn start(sample: ArrayView2<'_, f32>, n_components: usize) -> Result<DiagonalGmm> {
        let rows = index::sample(&mut Xoshiro256Plus::seed_from_u64(SEED + 1), sample.nrows(), n_components);
        let means = sample.select(Axis(0), &rows.into_vec());
        let variance = sample.var_axis(Axis(0), 0.0);
        let variances = variance.broadcast(means.dim()).context("one variance per feature")?.to_owned();
        let weights = Array1::from_elem(n_components, 1.0 / n_components as f32);
        Ok(DiagonalGmm::from_parts(weights, means, variances)?)
    }
}

fn describe(sift: &DenseSift, pca: &Pca, gray: ArrayView2<'_, f32>) -> Result<Described> {
    Ok(Described::from_gray(sift, pca, gray, Path::new("the photograph"))?)
}

fn models(path: &Path) -> Result<(Pca, DiagonalGmm)> {
    let mut file = NpzReader::new(std::fs::File::open(path)?)?;
    let projection: Array2<f32> = file.by_name("proj")?;
    let (n_components, n_features) = projection.dim();
    let pca = Pca::from_parts(Array1::zeros(n_features), projection * QUANTISATION, Array1::ones(n_components))?;
    let mixture =
        DiagonalGmm::from_parts(file.by_name("weights")?, file.by_name("means")?, file.by_name("variances")?)?;
    Ok((pca, mixture))
}

fn made_up_model(n_dimensions: usize) -> Result<LinearModel> {
    let mut rng = Xoshiro256Plus::seed_from_u64(SEED + 2);
    let coefficients = Array2::from_shape_simple_fn((N_CLASSES, n_dimensions), || rng.gen_range(-1.0_f32..1.0));
    Ok(LinearModel::from_parts(coefficients, Array1::from_elem(N_CLASSES, -0.5))?)
}

/// The eight images that result from mirroring an image and turning it by 90 degrees.
fn turned(image: ArrayView2<'_, f32>) -> Vec<ArrayView2<'_, f32>> {
    let mut views = Vec::with_capacity(8);
    for transposed in [false, true] {
        for flip_rows in [false, true] {
            for flip_columns in [false, true] {
                let mut view = if transposed { image.reversed_axes() } else { image };
                if flip_rows {
                    view.invert_axis(Axis(0));
                }
                if flip_columns {
                    view.invert_axis(Axis(1));
                }
                views.push(view);
            }
        }
    }
    views
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photograph_has_the_published_number_of_descriptors() {
        let inputs = Inputs::new(None).unwrap();
        assert_eq!(inputs.gray.dim(), (375, 500));
        assert_eq!(inputs.n_descriptors(), 73_866);
        let sample = inputs.sample(1000).unwrap();
        assert_eq!(sample.dim(), (1000, 80));
        let start = Inputs::start(sample, 16).unwrap();
        assert_eq!(start.n_components(), 16);
        // The projection and the mixture of the golden file fit our descriptors if only a few components are near each descriptor.
        let posteriors = inputs.encoder.mixture().sparse_posteriors(sample, POSTERIOR_FLOOR).unwrap();
        let n_components_per_descriptor = posteriors.values.len() as f64 / sample.nrows() as f64;
        assert!((1.0..16.0).contains(&n_components_per_descriptor), "{n_components_per_descriptor}");
    }

    #[test]
    fn the_eight_views_are_different() {
        let image = ndarray::array![[1.0_f32, 2.0], [3.0, 4.0]];
        let views = turned(image.view());
        for (index, view) in views.iter().enumerate() {
            assert!(views[..index].iter().all(|other| other != view));
        }
    }
}
