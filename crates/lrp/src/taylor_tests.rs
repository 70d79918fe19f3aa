//! Relevance through kernels: cases computed by hand, finite differences, and conservation.

use super::*;
use approx::assert_relative_eq;
use ndarray::{Array2, array};
use proptest::prelude::*;

fn model(kernel: Kernel, support: Array2<f32>, alphas: Array2<f32>, bias: f32) -> KernelModel {
    KernelModel::from_parts(kernel, support, alphas, array![bias]).unwrap()
}

fn small(kernel: Kernel) -> KernelModel {
    let support = array![[0.5_f32, 0.0, 0.3, 0.2], [0.1, 0.6, 0.0, 0.3], [0.0, 0.2, 0.8, 0.0]];
    model(kernel, support, array![[1.5_f32, -1.0, -0.4]], -0.05)
}

#[test]
fn histogram_intersection_by_hand() {
    let model = model(
        Kernel::HistogramIntersection,
        array![[2.0_f32, 0.0, 1.0], [0.0, 3.0, 0.5]],
        array![[1.0_f32, -0.5]],
        0.75,
    );
    let found = kernel_relevance(&model, 0, &[1.0, 2.0, 4.0]).unwrap();
    // min(2, 1); −½·min(3, 2); min(1, 4) − ½·min(½, 4). Each dimension gets a third of the bias 0.75 in addition.
    assert_eq!(found.values, [1.25, -0.75, 1.0]);
    assert_eq!((found.bias_share, found.taylor_remainder), (0.75, 0.0));
    assert_relative_eq!(found.values.iter().sum::<f64>(), model.score(0, &[1.0, 2.0, 4.0]));
}

#[test]
fn rbf_by_hand() {
    // f = exp(−x²) − e⁻¹ has its root at 1, with slope −2/e.
    let root = (-1.0_f64).exp();
    let model = model(Kernel::Rbf { gamma: 1.0 }, array![[0.0_f32]], array![[1.0_f32]], -root as f32);
    let found = kernel_relevance(&model, 0, &[0.5]).unwrap();
    assert_relative_eq!(found.values[0], -2.0 * root * (0.5 - 1.0), max_relative = 1e-6);
    assert_relative_eq!(found.taylor_remainder, (-0.25_f64).exp() - root - root, max_relative = 1e-5);
    assert_eq!(found.bias_share, 0.0);
}

#[test]
fn gradients_agree_with_finite_differences() {
    for kernel in
        [Kernel::Linear, Kernel::HistogramIntersection, Kernel::ChiSquared { gamma: 1.3 }, Kernel::Rbf { gamma: 0.8 }]
    {
        let model = small(kernel);
        let kernel_score = KernelScore::new(&model, 0);
        let x = [0.31, 0.17, 0.42, 0.11];
        let gradient = kernel_score.gradient(&x);
        for d in 0..4 {
            let moved = |by: f64| {
                let mut x = x;
                x[d] += by;
                kernel_score.at(&x)
            };
            assert_relative_eq!(gradient[d], (moved(1e-6) - moved(-1e-6)) / 2e-6, epsilon = 1e-8);
        }
    }
    // One-sided at 0, for dimensions in which the entries of the support vectors are 0 and for others.
    let model = small(Kernel::ChiSquared { gamma: 1.3 });
    let kernel_score = KernelScore::new(&model, 0);
    let gradient = kernel_score.gradient(&[0.0; 4]);
    for d in 0..4 {
        let mut x = [0.0; 4];
        x[d] = 1e-8;
        assert_relative_eq!(
            gradient[d],
            (kernel_score.at(&x) - kernel_score.at(&[0.0; 4])) / 1e-8,
            max_relative = 1e-5
        );
    }
}

#[test]
fn the_remainder_shrinks_with_the_square_of_the_distance_to_the_root() {
    for kernel in [Kernel::ChiSquared { gamma: 1.3 }, Kernel::Rbf { gamma: 0.8 }] {
        let model = small(kernel);
        let kernel_score = KernelScore::new(&model, 0);
        let x = [0.5, 0.1, 0.3, 0.2];
        let (root, score) = expansion_point(&kernel_score, &x);
        assert!(score == 0.0 && kernel_score.at(&root).abs() <= 1e-8);
        let at = |share: f64| {
            let x: Vec<f64> = root.iter().zip(&x).map(|(root, x)| root + share * (x - root)).collect();
            taylor(&kernel_score, &x, &root, 0.0).taylor_remainder.abs()
        };
        let (one, half, quarter) = (at(0.02), at(0.01), at(0.005));
        assert!((3.0..5.5).contains(&(one / half)), "{kernel:?}: {one} {half}");
        assert!((3.0..5.5).contains(&(half / quarter)), "{kernel:?}: {half} {quarter}");
    }
}

#[test]
fn rbf_with_a_small_gamma_is_nearly_linear() {
    // exp(−γ‖x − s‖²) = 1 − γ‖x − s‖² + O(γ²). With Σ α = 0 the squares of x cancel: f ≈ 2γ Σ α s·x + constant.
    let gamma = 1e-4;
    let model = model(Kernel::Rbf { gamma }, array![[1.0_f32, 0.0], [0.0, 1.0]], array![[1000.0_f32, -1000.0]], 0.0);
    let found = kernel_relevance(&model, 0, &[0.8, 0.2]).unwrap();
    let score = model.score(0, &[0.8, 0.2]);
    assert_relative_eq!(score, 2000.0 * gamma * 0.6, max_relative = 1e-3);
    assert!(found.taylor_remainder.abs() < 1e-3 * score);
    // The root is on the diagonal, at (0.5, 0.5), so each dimension differs from it by 0.3.
    assert_relative_eq!(found.values[0], 2000.0 * gamma * 0.3, max_relative = 1e-3);
    assert_relative_eq!(found.values[1], 2000.0 * gamma * 0.3, max_relative = 1e-3);
}

#[test]
fn a_score_without_a_root_is_expanded_where_it_is_nearest_to_zero() {
    let always = model(Kernel::Rbf { gamma: 1.0 }, array![[0.5_f32, 0.5]], array![[1.0_f32]], 2.0);
    let phi = [0.4_f32, 0.6];
    let found = kernel_relevance(&always, 0, &phi).unwrap();
    let score = always.score(0, &phi);
    // The score is between 2 and 3 everywhere. Far along the gradient it is little more than the bias, and all dimensions share it.
    assert!(found.bias_share >= 2.0 && found.bias_share < score, "{found:?}");
    let sum = found.values.iter().sum::<f64>() + found.taylor_remainder;
    assert_relative_eq!(sum, score, max_relative = 1e-6);
}

#[test]
fn a_wrong_class_length_or_entry_is_refused() {
    let model = small(Kernel::ChiSquared { gamma: 1.0 });
    assert!(matches!(kernel_relevance(&model, 1, &[0.1; 4]), Err(LrpError::Class { found: 1, n_classes: 1 })));
    assert!(matches!(kernel_relevance(&model, 0, &[0.1; 3]), Err(LrpError::Length { expected: 4, found: 3, .. })));
    let negative = kernel_relevance(&model, 0, &[0.1, -0.5, 0.0, 0.0]);
    assert!(matches!(negative, Err(LrpError::Negative { dimension: 1, .. })));
    let infinite = kernel_relevance(&model, 0, &[0.1, f32::INFINITY, 0.0, 0.0]);
    assert!(matches!(infinite, Err(LrpError::NotFinite { dimension: 1, .. })));
}

proptest! {
    #[test]
    fn relevance_and_remainder_sum_to_the_score(
        entries in prop::collection::vec(prop_oneof![1 => Just(0.0_f32), 3 => 0.0_f32..1.0], 5 * 6),
        alphas in prop::collection::vec(-2.0_f32..2.0, 5),
        phi in prop::collection::vec(prop_oneof![1 => Just(0.0_f32), 3 => 0.0_f32..1.0], 6),
        bias in -0.5_f32..0.5,
    ) {
        let support = Array2::from_shape_vec((5, 6), entries).unwrap();
        let alphas = Array2::from_shape_vec((1, 5), alphas).unwrap();
        for kernel in [
            Kernel::Linear,
            Kernel::HistogramIntersection,
            Kernel::ChiSquared { gamma: 0.6 },
            Kernel::Rbf { gamma: 0.6 },
        ] {
            let model = model(kernel, support.clone(), alphas.clone(), bias);
            let found = kernel_relevance(&model, 0, &phi).unwrap();
            let sum = found.values.iter().sum::<f64>() + found.taylor_remainder;
            prop_assert!((sum - model.score(0, &phi)).abs() < 1e-5, "{kernel:?}");
            if kernel.gamma().is_none() {
                prop_assert_eq!(found.taylor_remainder, 0.0);
            }
        }
    }
}
