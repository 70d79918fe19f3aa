//! The embedded data has a photographer's tag planted on one class: the classifier learns it, and the heatmaps say so.

mod support;

use fisherlens_lrp::Rule;
use fisherlens_xtask::explainer::Explainer;
use fisherlens_xtask::mini_devkit::{CLASSES, N_IMAGES, Picture, TAGGED_CLASS, draw_image, draw_pair, image_id};
use support::open;

fn decoded(picture: &Picture) -> fisherlens_descriptors::Photograph {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&picture.rgb).unwrap();
    fisherlens_descriptors::Photograph::decode(&bytes).unwrap()
}

/// Mean of the values and how many of them are above zero.
fn mean_and_positive(values: &[f64]) -> (f64, usize) {
    (values.iter().sum::<f64>() / values.len() as f64, values.iter().filter(|&&value| value > 0.0).count())
}

#[test]
fn the_tag_carries_the_score_and_draws_the_relevance() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), None, &["mixture.n_components=32", "sample.n_descriptors=60000"]);
    let keys = experiment.keys().unwrap();
    let explainer = Explainer::new(&experiment, &keys).unwrap();
    let class = experiment.dataset.class_index(TAGGED_CLASS).unwrap();
    let path = std::path::Path::new("drawn");
    let rule = Rule::Epsilon(21.0);
    let score = |picture: &Picture| {
        let described = explainer.describe(&decoded(picture), path).unwrap();
        explainer.map(&described, &[]).unwrap().score(class)
    };

    // Test images are every second one. Pairs are equal but for the tag.
    let test: Vec<usize> = (1..N_IMAGES).step_by(2).collect();
    let tagged: Vec<usize> = test.iter().copied().filter(|&index| draw_image(index).tag.is_some()).collect();
    assert!(tagged.len() >= 40);
    let changes = |indices: &[usize]| -> Vec<f64> {
        let change = |&index: &usize| {
            let (with, without) = draw_pair(&image_id(index)).unwrap();
            score(&with) - score(&without)
        };
        indices.iter().map(change).collect()
    };
    let removed = changes(&tagged[..24]);
    let (mean, n_raised) = mean_and_positive(&removed);
    assert!(mean > 0.05 && n_raised >= 22, "removing the tag: {mean}, {n_raised} of 24: {removed:?}");
    let others: Vec<usize> = test
        .iter()
        .copied()
        .filter(|&index| draw_image(index).objects.iter().all(|object| object.class != TAGGED_CLASS))
        .take(24)
        .collect();
    let pasted = changes(&others);
    let (mean, n_raised) = mean_and_positive(&pasted);
    assert!(mean > 0.05 && n_raised >= 22, "pasting the tag: {mean}, {n_raised} of 24: {pasted:?}");

    // Relevance stands on the tag many times more densely than over the image.
    assert!(CLASSES.contains(&TAGGED_CLASS));
    let densities: Vec<f64> = tagged[..24]
        .iter()
        .map(|&index| {
            let picture = draw_image(index);
            let described = explainer.describe(&decoded(&picture), path).unwrap();
            let pixels = explainer.map(&described, &[rule]).unwrap().explain(class, rule).unwrap().pixels;
            let positive: Vec<f64> = pixels.iter().map(|&value| f64::from(value.max(0.0))).collect();
            let tag: Vec<usize> = (0..positive.len()).filter(|&pixel| picture.masks.tag[pixel]).collect();
            let share = tag.iter().map(|&pixel| positive[pixel]).sum::<f64>() / positive.iter().sum::<f64>();
            share / (tag.len() as f64 / positive.len() as f64) - 1.0
        })
        .collect();
    let (mean, n_denser) = mean_and_positive(&densities);
    assert!(mean > 1.0 && n_denser >= 22, "relevance on the tag: {mean}, {n_denser} of 24: {densities:?}");
}
