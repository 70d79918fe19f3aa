//! One image on one thread and on several gives the same bits.

use std::path::Path;

use fisherlens_descriptors::{DenseSift, DescriptorExtractor, LowContrast};
use fisherlens_lanes::on_all_threads;
use fisherlens_lrp::Rule;
use fisherlens_model::{Described, Explainer, Model};
use linfa::ParamGuard;
use ndarray::Array2;
use rayon::ThreadPoolBuilder;

/// Stripes of several widths beside a flat area.
fn gray() -> Array2<f32> {
    Array2::from_shape_fn((130, 171), |(y, x)| {
        if x < 60 { 0.3 } else { 0.5 + 0.25 * ((x * x) as f32 / 900.0).sin() + 0.2 * ((x + 2 * y) as f32 / 5.0).cos() }
    })
}

fn in_pool<T: Send>(n_threads: usize, work: impl FnOnce() -> T + Send) -> T {
    ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap().install(|| on_all_threads(work))
}

fn assert_equal(found: &Described, expected: &Described) {
    assert_eq!(found.frames, expected.frames);
    assert_eq!(found.positions, expected.positions);
    assert_eq!(found.values, expected.values);
}

#[test]
fn scores_and_relevance_do_not_depend_on_the_threads_of_one_image() {
    let explainer = Explainer::from_model(&Model::shipped()).unwrap();
    let rules = [Rule::Epsilon(100.0), Rule::Naive, Rule::Absolute];
    let gray = gray();
    let explain = || {
        let described = explainer.describe_gray(gray.view()).unwrap();
        let mapped = explainer.map(&described, &rules).unwrap();
        let explained: Vec<_> = rules.iter().map(|&rule| mapped.explain(12, rule).unwrap()).collect();
        assert_eq!(explainer.scores(&described).unwrap()[12], mapped.score(12));
        (described.clone(), explained)
    };
    let (described, expected) = explain();
    assert!(described.frames.len() > 5000);
    for n_threads in [1, 2, 3, 8] {
        let (found_described, found) = in_pool(n_threads, explain);
        assert_equal(&found_described, &described);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.score, expected.score);
            assert_eq!(found.dimensions, expected.dimensions);
            assert_eq!(found.descriptors, expected.descriptors);
            assert_eq!(found.pixels, expected.pixels);
        }
    }
}

#[test]
fn parts_with_fewer_descriptors_than_possible_are_moved_together() {
    let sift = DenseSift::params().low_contrast(LowContrast::Drop).check().unwrap();
    let pca = Model::shipped().pca;
    let gray = gray();
    let describe = || Described::from_gray(&sift, &pca, gray.view(), Path::new("stripes")).unwrap();
    let expected = describe();
    assert!(expected.frames.len() < sift.max_descriptors(171, 130));
    assert_equal(&in_pool(3, describe), &expected);
    // An image without any contrast has no descriptors at all.
    let flat = Array2::from_elem((130, 171), 0.5);
    let none = in_pool(2, || Described::from_gray(&sift, &pca, flat.view(), Path::new("flat")).unwrap());
    assert!(none.is_empty() && none.values.nrows() == 0);
}

#[test]
fn all_parts_together_are_the_extraction() {
    let sift = DenseSift::params().check().unwrap();
    let gray = gray();
    let whole = sift.extract(gray.view()).unwrap();
    let parts = sift.parts(171, 130);
    assert_eq!(parts.iter().sum::<usize>(), whole.len());
    let (mut frames, mut values) = (Vec::new(), Vec::new());
    // A part that does not exist has no descriptors.
    for part in 0..=parts.len() {
        sift.extract_part(gray.view(), part, &mut |block, rows| {
            frames.extend_from_slice(block);
            values.extend(rows.iter().copied());
        })
        .unwrap();
    }
    assert_eq!(frames, whole.frames);
    // Only the contrasts depend on the pixels.
    let places: Vec<_> =
        whole.frames.iter().map(|frame| fisherlens_descriptors::Frame { norm: 0.0, ..*frame }).collect();
    assert_eq!(sift.places(171, 130), Some(places));
    assert_eq!(DenseSift::params().low_contrast(LowContrast::Drop).check().unwrap().places(171, 130), None);
    assert_eq!(values, whole.values.into_raw_vec_and_offset().0);
}
