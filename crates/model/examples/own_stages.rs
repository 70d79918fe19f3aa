//! A whole chain of stages put together by hand, learned from made-up images, and one image explained:
//! `cargo run --package fisherlens-model --example own_stages`
//! The heatmap `own-stages.png` goes to the folder for temporary files.

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::{error::Error, sync::Arc};

use fisherlens_classifier::{ClassifierTrainer, LinearSvm, Model as Classifier};
use fisherlens_descriptors::{DenseSift, DescriptorExtractor, Pca};
use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Normalization};
use fisherlens_lrp::{ColorMap, Rule, heatmap};
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{Explainer, write_png};
use linfa::{Dataset, ParamGuard, traits::Fit};
use ndarray::{Array2, Axis, aview1, concatenate, s};

fn main() -> Result<(), Box<dyn Error>> {
    let extractor = DenseSift::params().bin_sizes(vec![4, 6]).step(4).check()?;
    let images = (0..24).map(|index| extractor.extract(image(index).view())).collect::<Result<Vec<_>, _>>()?;
    let all = concatenate(Axis(0), &images.iter().map(|image| image.values.view()).collect::<Vec<_>>())?;
    let pca = Pca::params(24).fit(&Dataset::from(all.clone()))?;
    let mixture = DiagonalGmm::params(8).seed(1).fit(&Dataset::from(pca.transform(all.view())?))?;
    let encoder = FisherVector::params(mixture).check()?;

    // One vector per image; images with an even number have vertical stripes and are the positive ones.
    let mut vectors = Array2::zeros((images.len(), encoder.n_dimensions()));
    for (image, mut vector) in images.iter().zip(vectors.rows_mut()) {
        let values = pca.transform(image.values.view())?;
        let set = DescriptorSet { values: values.view(), positions: &vec![[0.5; 2]; values.nrows()] };
        let mut raw = encoder.encode(set)?.to_vec();
        Normalization::Improved.apply(&mut raw, &encoder.layout());
        vector.assign(&aview1(&raw));
    }
    let targets = Array2::from_shape_fn((images.len(), 1), |(index, _)| if index % 2 == 0 { 1 } else { -1 });
    let svm = Classifier::Linear(LinearSvm::params().c(10.0).check()?.train(vectors.view(), targets.view())?.model);

    // An image that the classifier has not seen.
    let explainer = Explainer::assemble(Arc::new(extractor), pca, Box::new(encoder), Normalization::Improved, svm)?;
    let described = explainer.describe_gray(image(100).view())?;
    let explanation = explainer.map(&described, &[Rule::Naive])?.explain(0, Rule::Naive)?;
    let share = explanation.pixels.slice(s![36..84, 36..84]).sum() / explanation.pixels.sum();
    println!("score {:+.3}, {:.0} % of it in the patch", explanation.score, 100.0 * share);
    let heat = heatmap(explanation.pixels.view(), ColorMap::Diverging);
    Ok(write_png(&std::env::temp_dir().join("own-stages.png"), heat.view())?)
}

/// Noise of 120 × 120 pixels with a patch of stripes, vertical for even numbers.
fn image(index: usize) -> Array2<f32> {
    Array2::from_shape_fn((120, 120), |(y, x)| {
        let noise = ((x * 7919 + y * 104_729 + index * 1_299_709) % 65_521 * 31_337 % 65_521) as f32 / 65_521.0;
        let stripe = (if index.is_multiple_of(2) { x } else { y }) / 4 % 2;
        let is_patch = (36..84).contains(&x) && (36..84).contains(&y);
        if is_patch { 0.3 * noise + 0.7 * stripe as f32 } else { noise }
    })
}
