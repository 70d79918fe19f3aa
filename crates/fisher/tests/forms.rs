//! Encoders and normalisations compared with results computed by hand and with their definitions as simple code.

mod support;

use approx::assert_relative_eq;
use fisherlens_fisher::{
    Assignment, BagOfWords, Encoder, FisherPart, FisherVector, Grid, Layout, Normalization, Pyramid, Vlad,
};
use fisherlens_mixture::DiagonalGmm;
use ndarray::array;
use support::{descriptors, mixture, set};

const ALL: [Normalization; 6] = [
    Normalization::Raw,
    Normalization::Power,
    Normalization::L2,
    Normalization::Improved,
    Normalization::Hellinger,
    Normalization::Intra,
];

/// Two components in one dimension, so far apart that every posterior of a descriptor near one of them is 0 or 1.
fn two_distant_components() -> DiagonalGmm {
    DiagonalGmm::from_parts(array![0.25, 0.75], array![[0.0], [100.0]], array![[4.0], [1.0]]).unwrap()
}

#[test]
fn three_descriptors_by_hand() {
    let x = array![[2.0_f32], [-4.0], [101.0]];
    let positions = [[0.1, 0.1]; 3];
    let encode = |encoder: &dyn Encoder| encoder.encode(set(&x, &positions)).unwrap().to_vec();

    let fisher_vector = encode(&FisherVector::params(two_distant_components()).check().unwrap());
    let expected = [
        (2.0 / 3.0 - 0.25) / 0.25_f32.sqrt(),
        (1.0 / 3.0 - 0.75) / 0.75_f32.sqrt(),
        (1.0 - 2.0) / 3.0 / 0.25_f32.sqrt(),
        1.0 / 3.0 / 0.75_f32.sqrt(),
        ((1.0 - 1.0) + (4.0 - 1.0)) / 3.0 / 0.5_f32.sqrt(),
        (1.0 - 1.0) / 3.0 / 1.5_f32.sqrt(),
    ];
    for (found, expected) in fisher_vector.iter().zip(expected) {
        assert_relative_eq!(*found, expected, epsilon = 1e-5);
    }
    let soft = Assignment::Soft { floor: 1e-4 };
    for assignment in [Assignment::Hard, soft] {
        let vlad = encode(&Vlad::params(two_distant_components()).assignment(assignment).check().unwrap());
        assert_relative_eq!(vlad[0], -2.0 / 3.0, epsilon = 1e-5);
        assert_relative_eq!(vlad[1], 1.0 / 3.0, epsilon = 1e-5);
        let words = encode(&BagOfWords::params(two_distant_components()).assignment(assignment).check().unwrap());
        assert_relative_eq!(words[0], 2.0 / 3.0, epsilon = 1e-6);
        assert_relative_eq!(words[1], 1.0 / 3.0, epsilon = 1e-6);
    }
}

#[test]
fn each_part_alone_equals_its_entries_in_the_whole_vector() {
    let (x, positions) = descriptors(300, 5, 2);
    let of = |parts: &[FisherPart]| {
        let params = FisherVector::params(mixture(7, 5)).parts(parts);
        params.check().unwrap().encode(set(&x, &positions)).unwrap().to_vec()
    };
    let (weights, means, variances) = (FisherPart::Weights, FisherPart::Means, FisherPart::Variances);
    let whole = of(&[weights, means, variances]);
    assert_eq!(whole.len(), 7 * 11);
    assert_eq!(of(&[weights]), whole[..7]);
    assert_eq!(of(&[means]), whole[7..42]);
    assert_eq!(of(&[variances]), whole[42..]);
    assert_eq!(of(&[means, variances]), whole[7..]);
}

#[test]
fn soft_words_are_mean_posteriors_and_soft_vlad_weights_residuals_with_them() {
    let (x, positions) = descriptors(200, 4, 3);
    let gmm = mixture(6, 4);
    let posteriors = gmm.posteriors(x.view(), 1e-3);
    let soft = Assignment::Soft { floor: 1e-3 };
    let words = BagOfWords::params(gmm.clone()).assignment(soft).check().unwrap();
    let words = words.encode(set(&x, &positions)).unwrap();
    let vlad = Vlad::params(gmm.clone()).assignment(soft).check().unwrap().encode(set(&x, &positions)).unwrap();
    for k in 0..6 {
        let share = posteriors.column(k).sum() / 200.0;
        assert_relative_eq!(words[k], share, epsilon = 1e-6);
        for d in 0..4 {
            let residuals = (0..200).map(|n| posteriors[[n, k]] * (x[[n, d]] - gmm.means()[[k, d]])).sum::<f32>();
            assert_relative_eq!(vlad[k * 4 + d], residuals / 200.0, epsilon = 1e-5);
        }
    }
}

/// Supplement, Eq. 3: its first form (square root, then ℓ2 norm) equals its last form (square root of x divided by the ℓ1 norm).
#[test]
fn both_forms_of_equation_3_are_equal() {
    let (x, positions) = descriptors(400, 5, 4);
    for grids in [vec![Grid { columns: 1, rows: 1 }], vec![Grid { columns: 1, rows: 1 }, Grid { columns: 2, rows: 2 }]]
    {
        let encoder = Pyramid::new(FisherVector::params(mixture(9, 5)).check().unwrap(), &grids).unwrap();
        let raw = encoder.encode(set(&x, &positions)).unwrap().to_vec();
        let (mut roots, mut hellinger) = (raw.clone(), raw.clone());
        Normalization::Improved.apply(&mut roots, &encoder.layout());
        Normalization::Hellinger.apply(&mut hellinger, &encoder.layout());
        let sizes: Vec<f64> = raw
            .chunks(encoder.layout().cell_len())
            .map(|cell| cell.iter().map(|&value| f64::from(value).abs()).sum())
            .collect();
        let n_cells = sizes.iter().filter(|&&size| size > 0.0).count() as f64;
        for (d, &value) in raw.iter().enumerate() {
            let size = sizes[d / encoder.layout().cell_len()];
            let expected = f64::from(value).signum() * (f64::from(value).abs() / size / n_cells).sqrt();
            let expected = if value == 0.0 { 0.0 } else { expected };
            assert_relative_eq!(f64::from(roots[d]), expected, epsilon = 1e-7, max_relative = 2e-6);
            assert_relative_eq!(f64::from(hellinger[d]), expected, epsilon = 1e-7, max_relative = 2e-6);
        }
        let squares: f64 = roots.iter().map(|&value| f64::from(value).powi(2)).sum();
        assert_relative_eq!(squares, 1.0, epsilon = 1e-5);
    }
}

#[test]
fn each_normalisation_by_hand() {
    // One cell, two components, two parts with 1 entry per component: component 0 has the entries 0 and 2, component 1 the others.
    let layout = Layout { n_cells: 1, n_components: 2, part_widths: vec![1, 1] };
    let of = |normalization: Normalization, mut x: Vec<f32>| {
        normalization.apply(&mut x, &layout);
        x
    };
    let x = vec![3.0, -16.0, 4.0, 0.0];
    assert_eq!(of(Normalization::Raw, x.clone()), x);
    let close = |found: Vec<f32>, expected: [f32; 4]| {
        for (found, expected) in found.iter().zip(expected) {
            assert_relative_eq!(*found, expected, epsilon = 1e-6);
        }
    };
    close(of(Normalization::Power, x.clone()), [3.0_f32.sqrt(), -4.0, 2.0, 0.0]);
    let length = (9.0_f32 + 256.0 + 16.0).sqrt();
    close(of(Normalization::L2, x.clone()), [3.0 / length, -16.0 / length, 4.0 / length, 0.0]);
    let root = 23.0_f32.sqrt();
    let improved = [3.0_f32.sqrt() / root, -4.0 / root, 2.0 / root, 0.0];
    close(of(Normalization::Improved, x.clone()), improved);
    close(of(Normalization::Hellinger, x.clone()), improved);
    let half = 0.5_f32.sqrt();
    close(of(Normalization::Intra, x), [0.6 * half, -half, 0.8 * half, 0.0]);
    for normalization in ALL {
        assert_eq!(of(normalization, vec![0.0; 4]), vec![0.0; 4], "{normalization:?} must not change zeros");
    }
}

#[test]
fn dot_equals_the_product_with_the_normalised_vector() {
    for n_cells in [1, 2] {
        let layout = Layout { n_cells, n_components: 13, part_widths: vec![1, 20, 20] };
        let x: Vec<f32> = (0..layout.len()).map(|d| ((d * 37 % 101) as f32 - 50.0) / 300.0).collect();
        let coefficients: Vec<f32> = (0..layout.len()).map(|d| ((d * 53 % 97) as f32 - 48.0) / 20.0).collect();
        for normalization in ALL {
            let mut normalised = x.clone();
            normalization.apply(&mut normalised, &layout);
            let terms = normalised.iter().zip(&coefficients).map(|(&x, &w)| f64::from(x) * f64::from(w));
            let expected: f64 = terms.sum();
            let found = normalization.dot(&x, &coefficients, &layout, &mut Vec::new());
            assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{normalization:?} {found} {expected}");
            assert_eq!(normalization.dot(&vec![0.0; x.len()], &coefficients, &layout, &mut Vec::new()), 0.0);
        }
    }
}
