//! The same tests for every encoder: the methods that it overrides for speed give the results of its rows, which are the definition.

mod support;

use fisherlens_fisher::{
    Assignment, BagOfWords, DescriptorSet, Encoder, FisherPart, FisherVector, Grid, Mapping, Pyramid, Rows, Sign, Vlad,
};
use support::{Moments, descriptors, mixture, set};

const N_COMPONENTS: usize = 9;

/// Encoders with one cell.
fn plain(n_features: usize) -> Vec<(&'static str, Box<dyn Encoder>)> {
    let gmm = || mixture(N_COMPONENTS, n_features);
    let fisher = |parts: &[FisherPart]| {
        let params = FisherVector::params(gmm()).parts(parts);
        Box::new(params.check().unwrap())
    };
    let soft = Assignment::Soft { floor: 1e-3 };
    vec![
        ("fisher", Box::new(FisherVector::params(gmm()).check().unwrap())),
        ("fisher, no floor", Box::new(FisherVector::params(gmm()).posterior_floor(0.0).check().unwrap())),
        ("fisher weights", fisher(&[FisherPart::Weights])),
        ("fisher means", fisher(&[FisherPart::Means])),
        ("fisher means, variances", fisher(&[FisherPart::Variances, FisherPart::Means])),
        ("hard vlad", Box::new(Vlad::params(gmm()).check().unwrap())),
        ("soft vlad", Box::new(Vlad::params(gmm()).assignment(soft).check().unwrap())),
        ("hard bag", Box::new(BagOfWords::params(gmm()).check().unwrap())),
        ("soft bag", Box::new(BagOfWords::params(gmm()).assignment(soft).check().unwrap())),
        ("user-defined", Box::new(Moments { n_features })),
    ]
}

/// All encoders, with one cell and in a pyramid.
fn encoders(n_features: usize) -> Vec<(String, Box<dyn Encoder>)> {
    let grids = [(1, 1), (2, 2), (1, 3)].map(|(columns, rows)| Grid { columns, rows });
    let mut all = Vec::new();
    for (name, encoder) in plain(n_features) {
        all.push((name.to_owned(), encoder));
    }
    for (name, encoder) in plain(n_features) {
        let pyramid = Pyramid::new(encoder, &grids).unwrap();
        all.push((format!("{name}, pyramid"), Box::new(pyramid)));
    }
    all
}

fn rows_of(mapping: &dyn Mapping) -> Vec<Vec<f32>> {
    let mut row = vec![f32::NAN; mapping.n_dimensions()];
    (0..mapping.n_descriptors())
        .map(|l| {
            mapping.row(l, &mut row);
            row.clone()
        })
        .collect()
}

/// Compares each entry with a tolerance relative to its scale.
fn assert_near(name: &str, what: &str, found: &[f64], expected: &[f64], scale: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}: {what}");
    for (d, ((found, expected), scale)) in found.iter().zip(expected).zip(scale).enumerate() {
        let bound = 3e-6 * scale.max(1e-3);
        assert!((found - expected).abs() <= bound, "{name}: {what} [{d}] {found} instead of {expected}");
    }
}

/// Sums of the rows, and sums of their absolute values, which are the scale of the rounding errors.
fn plain_sums(rows: &[Vec<f32>], of: &[u32], sign: Sign) -> (Vec<f64>, Vec<f64>) {
    let mut sums = vec![0.0; rows[0].len()];
    let mut absolute_sums = sums.clone();
    for &l in of {
        for (d, &value) in rows[l as usize].iter().enumerate() {
            sums[d] += f64::from(sign.of(value));
            absolute_sums[d] += f64::from(value.abs());
        }
    }
    (sums, absolute_sums)
}

#[test]
fn overridden_methods_agree_with_the_rows() {
    // 5 features are less than a run of the inner loops, 16 are one run, 21 are one run and some more.
    for n_features in [5, 16, 21] {
        let (values, positions) = descriptors(700, n_features, 3);
        for (name, encoder) in encoders(n_features) {
            let layout = encoder.layout();
            assert_eq!(layout.len(), encoder.n_dimensions());
            let mapping = encoder.map(set(&values, &positions)).unwrap();
            assert_eq!(mapping.n_descriptors(), 700);
            assert_eq!(mapping.n_dimensions(), layout.len(), "{name}");
            let rows = rows_of(mapping.as_ref());
            let all: Vec<u32> = (0..700).collect();
            let some = [5_u32, 699, 3, 5, 120, 64];
            let coefficients: Vec<f32> = (0..layout.len()).map(|d| ((d * 37) % 101) as f32 / 50.0 - 1.0).collect();
            for sign in [Sign::Signed, Sign::Absolute] {
                let lists = [(Rows::All, all.as_slice()), (Rows::Some(&some), some.as_slice()), (Rows::Some(&[]), &[])];
                for (which, list) in lists {
                    let mut sums = vec![0.5; layout.len()];
                    mapping.accumulate(which, sign, &mut sums);
                    for sum in &mut sums {
                        *sum -= 0.5;
                    }
                    let (expected, scales) = plain_sums(&rows, list, sign);
                    assert_near(&name, "sums", &sums, &expected, &scales);
                }
                let products: Vec<(f64, f64)> = rows
                    .iter()
                    .map(|row| {
                        let terms = row.iter().zip(&coefficients).map(|(&m, &c)| f64::from(sign.of(m)) * f64::from(c));
                        terms.fold((0.0, 0.0), |(sum, scale), term| (sum + term, scale + term.abs()))
                    })
                    .collect();
                let (expected, scales): (Vec<f64>, Vec<f64>) = products.into_iter().unzip();
                let found = mapping.contract(&coefficients, sign);
                let wide: Vec<f64> = found.iter().map(|&value| f64::from(value)).collect();
                assert_near(&name, "products", &wide, &expected, &scales);
                let picked = mapping.contract_rows(Rows::Some(&some), &coefficients, sign);
                let expected: Vec<f32> = some.iter().map(|&l| found[l as usize]).collect();
                assert_eq!(picked, expected, "{name}: products of some rows");
            }
            for list in [&some[..], &all, &[]] {
                let mut few = vec![9.0; layout.len()];
                mapping.sum_few(list, &mut few);
                let (expected, scales) = plain_sums(&rows, list, Sign::Signed);
                let wide: Vec<f64> = few.iter().map(|&value| f64::from(value)).collect();
                assert_near(&name, "sums of few", &wide, &expected, &scales);
            }
            let unreached: Vec<bool> = (0..layout.len()).map(|d| rows.iter().all(|row| row[d] == 0.0)).collect();
            assert_eq!(mapping.unreached(), unreached, "{name}: unreached");
            let counts = mapping.cell_counts();
            assert_eq!(counts.len(), layout.n_cells);
            let (sums, scales) = plain_sums(&rows, &all, Sign::Signed);
            let mean = |values: &[f64]| -> Vec<f64> {
                let cells = values.chunks(layout.cell_len()).zip(&counts);
                cells.flat_map(|(cell, &count)| cell.iter().map(move |value| value / count.max(1) as f64)).collect()
            };
            let found: Vec<f64> = mapping.mean().iter().map(|&value| value.into()).collect();
            assert_near(&name, "mean", &found, &mean(&sums), &mean(&scales));
            assert_eq!(encoder.encode(set(&values, &positions)).unwrap(), mapping.mean());
        }
    }
}

#[test]
fn no_descriptors_give_zeros() {
    let (values, positions) = descriptors(0, 5, 3);
    for (name, encoder) in encoders(5) {
        let mapping = encoder.map(set(&values, &positions)).unwrap();
        assert!(mapping.mean().iter().all(|&value| value == 0.0), "{name}");
        assert!(mapping.unreached().iter().all(|&unreached| unreached), "{name}");
        let products = mapping.contract(&vec![1.0; mapping.n_dimensions()], Sign::Signed);
        assert!(products.is_empty(), "{name}");
    }
}

#[test]
fn a_component_that_no_descriptor_reaches_has_zeros() {
    let (values, positions) = descriptors(50, 5, 4);
    let encoder = FisherVector::params(mixture(N_COMPONENTS, 5)).check().unwrap();
    let mapping = encoder.map(set(&values, &positions)).unwrap();
    let unreached = mapping.unreached();
    let last = N_COMPONENTS - 1;
    assert!(!unreached[last], "the weight entry is −√π for every descriptor");
    let means = N_COMPONENTS + last * 5..N_COMPONENTS + N_COMPONENTS * 5;
    assert!(unreached[means.clone()].iter().all(|&unreached| unreached));
    let mean = mapping.mean();
    assert!(means.clone().all(|d| mean[d] == 0.0));
    let weight = encoder.mixture().weights()[last];
    assert!((mean[last] + weight.sqrt()).abs() < 1e-7);
}

#[test]
fn repeated_runs_and_other_memory_orders_give_the_same_bits() {
    let (values, positions) = descriptors(300, 21, 5);
    let transposed = values.t().as_standard_layout().to_owned();
    for (name, encoder) in encoders(21) {
        let first = encoder.encode(set(&values, &positions)).unwrap();
        assert_eq!(first, encoder.encode(set(&values, &positions)).unwrap(), "{name}");
        let column_major = DescriptorSet { values: transposed.t(), positions: &positions };
        assert_eq!(first, encoder.encode(column_major).unwrap(), "{name}");
    }
}

#[test]
fn sums_over_the_cells_of_a_grid_equal_the_sums_over_the_image() {
    let (values, positions) = descriptors(400, 5, 6);
    let grids = [(1, 1), (2, 2)].map(|(columns, rows)| Grid { columns, rows });
    for (name, encoder) in plain(5) {
        let pyramid = Pyramid::new(encoder, &grids).unwrap();
        let mapping = pyramid.map(set(&values, &positions)).unwrap();
        let mut sums = vec![0.0; mapping.n_dimensions()];
        mapping.accumulate(Rows::All, Sign::Signed, &mut sums);
        let cells: Vec<&[f64]> = sums.chunks(pyramid.layout().cell_len()).collect();
        for (d, &whole) in cells[0].iter().enumerate() {
            let parts: f64 = cells[1..].iter().map(|cell| cell[d]).sum();
            assert!((whole - parts).abs() < 1e-3, "{name} [{d}]: {whole} and {parts}");
        }
        let counts = mapping.cell_counts();
        assert_eq!((counts[0], counts[1..].iter().sum::<usize>()), (400, 400));
    }
}

#[test]
fn wrong_descriptors_parameters_and_grids_are_refused() {
    let (values, positions) = descriptors(10, 4, 6);
    let encoder = FisherVector::params(mixture(3, 5)).check().unwrap();
    let message = encoder.encode(set(&values, &positions)).unwrap_err().to_string();
    assert!(message.contains('4') && message.contains('5'), "{message}");
    let encoder = FisherVector::params(mixture(3, 4)).check().unwrap();
    let message = encoder.encode(set(&values, &positions[..9])).unwrap_err().to_string();
    assert!(message.contains('9') && message.contains("10"), "{message}");
    let params = || FisherVector::params(mixture(3, 4));
    assert!(params().parts(&[]).check().is_err());
    assert!(params().parts(&[FisherPart::Means, FisherPart::Means]).check().is_err());
    for floor in [-0.1, 1.0, f32::NAN] {
        assert!(params().posterior_floor(floor).check().is_err());
        let soft = Assignment::Soft { floor };
        assert!(Vlad::params(mixture(3, 4)).assignment(soft).check().is_err());
        assert!(BagOfWords::params(mixture(3, 4)).assignment(soft).check().is_err());
    }
    let grid = Grid { columns: 2, rows: 1 };
    assert!(Pyramid::new(params().check().unwrap(), &[]).is_err());
    assert!(Pyramid::new(params().check().unwrap(), &[Grid { rows: 0, ..grid }]).is_err());
    let once = Pyramid::new(params().check().unwrap(), &[grid]).unwrap();
    assert!(Pyramid::new(once, &[grid]).is_err(), "a pyramid of a pyramid");
}
