//! In the embedded data, many images of one class carry a photographer's tag. The classifier learns the tag, and the heatmaps show it.

mod support;

use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::stages::{learned, strategies};
use fisherlens_lrp::Rule;
use fisherlens_mini_voc::{CLASSES, N_IMAGES, Picture, TAG_OWNER, TAGGED_CLASS, draw_image, draw_pair, image_id};

use support::open;

fn decoded(picture: &Picture) -> fisherlens_descriptors::Photograph {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&picture.rgb).unwrap();
    fisherlens_descriptors::Photograph::decode(&bytes).unwrap()
}

/// Mean of the values, and the number of values above zero.
fn mean_and_positive(values: &[f64]) -> (f64, usize) {
    (values.iter().sum::<f64>() / values.len() as f64, values.iter().filter(|&&value| value > 0.0).count())
}

#[test]
fn the_tag_raises_the_score_and_attracts_relevance() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = open(folder.path(), None, &["mixture.n_components=32", "sample.n_descriptors=60000"]);
    let keys = Keys::of(&experiment).unwrap();
    let explainer = learned::explainer(&experiment, &keys).unwrap();
    let class = experiment.core.dataset.class_index(TAGGED_CLASS).unwrap();
    let path = std::path::Path::new("drawn");
    let rule = Rule::Epsilon(21.0);
    let score = |picture: &Picture| {
        let described = explainer.describe(&decoded(picture), path).unwrap();
        explainer.map(&described, &[]).unwrap().score(class)
    };

    // Every second image is a test image. The two images of a pair differ only in the tag.
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

    // The density of relevance is more than twice as high on the tag as over the whole image.
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

#[test]
fn the_strategy_is_found_without_labels_and_the_score_falls_without_the_tag() {
    let folder = tempfile::tempdir().unwrap();
    // This is the model of the whole experiment. A smaller model relies less on the tag, and its heatmaps form clusters by the position of
    // the object.
    let whole = [
        "data.shard_size=50",
        "sample.n_descriptors=250000",
        "pca.n_components=80",
        "mixture.n_components=64",
        "mixture.max_n_iterations=20",
        "relevance.rules=[\"epsilon=21\"]",
    ];
    let experiment = open(folder.path(), None, &whole);
    let keys = Keys::of(&experiment).unwrap();
    let found = strategies::get(&experiment, &keys).unwrap();
    let knots = &found.classes[0];
    assert_eq!(experiment.core.dataset.classes()[knots.class], TAGGED_CLASS);

    // The clustering uses only the heatmaps; the photographers are compared afterwards.
    let agreement = knots.agreement.iter().find(|agreement| agreement.owner == TAG_OWNER).unwrap();
    assert!(agreement.n_images >= 40, "{agreement:?}");
    assert!(agreement.best.purity >= 0.9 && agreement.best.recall >= 0.9, "{agreement:?}");
    assert!(agreement.information > 0.6, "{agreement:?}");
    let others = knots.agreement.iter().filter(|agreement| agreement.owner != TAG_OWNER);
    assert!(others.into_iter().all(|agreement| agreement.information < 0.2));

    // The most suspicious cluster is the cluster of the tag, and its window lies where the tags were drawn.
    let first = &knots.clusters[0];
    assert_eq!(first.label, agreement.best.cluster);
    let window = first.window.as_ref().unwrap();
    let grid = experiment.settings.strategies.grid;
    assert!(window.rows.end == grid && 2 * window.rows.start > grid, "{window:?}");
    assert!(window.columns.end == grid && 2 * window.columns.start > grid, "{window:?}");
    assert!(window.inside > 3.0 * window.elsewhere, "{window:?}");
    let other_clusters = &knots.clusters[1..];
    assert!(other_clusters.iter().all(|cluster| 2.0 * cluster.window.as_ref().unwrap().suspicion < window.suspicion));

    // The tag that is estimated from the training images has the same effect as the drawn tag, and so has its removal.
    let mean = |name: &str| {
        let change = knots.changes.iter().find(|change| change.name == name).unwrap();
        let [mean, low, high] = change.mean().unwrap();
        assert!(low <= mean && mean <= high && change.before.len() >= 16, "{name}: {change:?}");
        (mean, low, high)
    };
    let (pasted, drawn) = (mean("tag pasted"), mean("tag drawn (truth)"));
    assert!(pasted.1 > 0.05 && (pasted.0 - drawn.0).abs() < 0.2 * drawn.0, "{pasted:?}, {drawn:?}");
    let (filled, removed) = (mean("lower right corner filled"), mean("drawn without tag (truth)"));
    assert!(filled.2 < -0.05 && removed.2 < -0.05, "{filled:?}, {removed:?}");
    let control = mean("lower left corner filled");
    assert!(filled.0 < 3.0 * control.0.min(0.0) && filled.2 < control.1, "{filled:?}, {control:?}");

    // The stored result equals the computed result.
    let again = strategies::get(&experiment, &keys).unwrap();
    assert_eq!(again.classes[0].strategies, knots.strategies);
    assert_eq!(again.tag, found.tag);
}
