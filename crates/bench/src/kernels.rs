//! The hot kernels at small sizes, run once each so that an instruction counter can watch them.

use std::hint::black_box;

use anyhow::{Result, bail};
use fisherlens_classifier::gram;
use fisherlens_descriptors::{DescriptorExtractor, LocalDescriptors};
use fisherlens_eval::Resampling;
use fisherlens_fisher::{DescriptorSet, Encoder, Sign};
use fisherlens_lrp::pixel_relevance;
use ndarray::Axis;

use super::inputs::{Inputs, POSTERIOR_FLOOR};
use super::rows::classifier::{made_up_vectors, trainer};
use super::rows::mixture::{N_COMPONENTS, steps};
use super::rows::relevance::{EPSILON, Explained, Traced};

/// Names of the kernels.
pub(crate) const KERNELS: [&str; 10] = [
    "dense-sift",
    "pca-projection",
    "posteriors",
    "fisher-vector",
    "em-step",
    "gram",
    "svm-solve",
    "contraction",
    "pixel-map",
    "resampling-trace",
];

/// Descriptors of the kernels that take some.
const N_DESCRIPTORS: usize = 1000;

/// What the counter is told to count: this function and all that it calls.
pub(crate) const COUNTED: &str = "*counted_kernel*";

/// Runs a kernel under a name that the counter knows.
#[inline(never)]
fn counted_kernel(kernel: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let result = kernel();
    // Keeps this function's frame, so that the counter sees it return.
    black_box(&result);
    result
}

fn count<T>(mut kernel: impl FnMut() -> Result<T>) -> Result<()> {
    counted_kernel(&mut || {
        black_box(kernel()?);
        Ok(())
    })
}

/// Makes the inputs of a kernel, uncounted, and runs it once.
///
/// # Errors
/// An unknown name; what the kernel says.
pub(crate) fn run(name: &str) -> Result<()> {
    match name {
        "gram" => {
            let (x, _) = made_up_vectors(128, 2048);
            return count(|| Ok(gram(black_box(x.view()))));
        }
        "svm-solve" => {
            let (x, targets) = made_up_vectors(300, 256);
            let (svm, products) = (trainer()?, gram(x.view()));
            return count(|| Ok(svm.train_with_gram(x.view(), black_box(products.view()), targets.view())?));
        }
        _ => {}
    }
    let inputs = Inputs::small()?;
    // Every so many descriptors, so that all bin sizes and parts of the image are among them.
    let rows: Vec<usize> = (0..N_DESCRIPTORS).map(|index| index * inputs.n_descriptors() / N_DESCRIPTORS).collect();
    let projected = inputs.described.values.select(Axis(0), &rows);
    let positions: Vec<[f32; 2]> = rows.iter().map(|&row| inputs.described.positions[row]).collect();
    let set = DescriptorSet { values: projected.view(), positions: &positions };
    match name {
        "dense-sift" => {
            let mut local = LocalDescriptors::default();
            inputs.sift.extract_into(inputs.gray.view(), &mut local)?;
            count(|| Ok(inputs.sift.extract_into(black_box(inputs.gray.view()), &mut local)?))
        }
        "pca-projection" => {
            let values = inputs.local.values.select(Axis(0), &rows);
            count(|| Ok(inputs.pca.transform(black_box(values.view()))?))
        }
        "posteriors" => {
            let mixture = inputs.encoder.mixture();
            count(|| Ok(mixture.sparse_posteriors(black_box(projected.view()), POSTERIOR_FLOOR)?))
        }
        "fisher-vector" => count(|| Ok(inputs.encoder.encode(black_box(set))?)),
        "em-step" => {
            let (start, params) = (inputs.encoder.mixture(), steps(N_COMPONENTS, 1, POSTERIOR_FLOOR)?);
            count(|| Ok(params.fit_from(start, black_box(projected.view()))?))
        }
        "contraction" => {
            let mapping = inputs.encoder.map(set)?;
            let coefficients: Vec<f32> = (0..mapping.n_dimensions()).map(|d| (d % 17) as f32 - 8.0).collect();
            count(|| Ok(mapping.contract(black_box(&coefficients), Sign::Signed)))
        }
        "pixel-map" => {
            let relevance = Explained::new(&inputs, inputs.set(), EPSILON)?.descriptors(0, EPSILON)?;
            let (height, width) = inputs.gray.dim();
            count(|| Ok(pixel_relevance(black_box(&relevance), &inputs.local.frames, width, height)))
        }
        "resampling-trace" => {
            let traced = Traced::new(&inputs, set, Resampling { n_replacements: 200, batch: 20 })?;
            count(|| traced.trace())
        }
        _ => bail!("no kernel is called \"{name}\"; there are {}", KERNELS.join(", ")),
    }
}
