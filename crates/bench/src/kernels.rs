//! The inner loops with small inputs, each run once so that its instructions can be counted.

use std::hint::black_box;

use anyhow::{Result, bail};
use fisherlens_classifier::gram;
use fisherlens_descriptors::{DescriptorExtractor, LocalDescriptors};
use fisherlens_eval::Resampling;
use fisherlens_fisher::{DescriptorSet, Encoder, Sign};
use fisherlens_lrp::pixel_relevance;
use ndarray::{Axis, s};

use crate::inputs::{Inputs, POSTERIOR_FLOOR};
use crate::rows::classifier::{made_up_vectors, trainer};
use crate::rows::mixture::{N_COMPONENTS, steps};
use crate::rows::relevance::{EPSILON, MappedImage, Traced};

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

/// Number of descriptors for the kernels that need descriptors.
const N_DESCRIPTORS: usize = 1000;

/// What the counter counts: this function and everything that it calls.
pub(crate) const COUNTED: &str = "*counted_kernel*";

/// Runs a kernel inside a function whose name the counter knows.
#[inline(never)]
fn counted_kernel(kernel: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let result = kernel();
    // Prevents a tail call, so that the counter sees this function return.
    black_box(&result);
    result
}

fn count<T>(mut kernel: impl FnMut() -> Result<T>) -> Result<()> {
    counted_kernel(&mut || {
        black_box(kernel()?);
        Ok(())
    })
}

/// Makes the inputs of a kernel and runs the kernel once. Only the instructions of the kernel are counted.
///
/// # Errors
/// An unknown name; an error of the kernel.
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
    // Descriptors at equal distances in the list. They come from all bin sizes and all parts of the image.
    let rows: Vec<usize> = (0..N_DESCRIPTORS).map(|index| index * inputs.n_descriptors() / N_DESCRIPTORS).collect();
    let projected = inputs.described.values.select(Axis(0), &rows);
    let positions: Vec<[f32; 2]> = rows.iter().map(|&row| inputs.described.positions[row]).collect();
    let set = DescriptorSet { values: projected.view(), positions: &positions };
    // The mixture makes its tables once.
    inputs.encoder.mixture().sparse_posteriors(projected.slice(s![..1, ..]), POSTERIOR_FLOOR)?;
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
            let relevance = MappedImage::new(&inputs, inputs.set(), EPSILON)?.descriptors(0, EPSILON)?;
            let (height, width) = inputs.gray.dim();
            count(|| Ok(pixel_relevance(black_box(&relevance), &inputs.local.frames, width, height)))
        }
        "resampling-trace" => {
            let traced = Traced::new(&inputs, set, Resampling { n_replacements: 200, batch: 20 })?;
            count(|| traced.trace())
        }
        _ => bail!("no kernel has the name \"{name}\"; the kernels are {}", KERNELS.join(", ")),
    }
}
