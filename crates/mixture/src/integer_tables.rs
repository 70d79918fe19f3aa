//! The product of `posteriors.rs` with integers in place of `f32`.
//!
//! The rows are `[y, y² − v]`, where v is the mean of y² under the mixture; the constants of the components make up for v. Entries
//! around 0 have smaller errors, which cancel in the sum. Both factors are rounded to 16 bits, the entries `p_j` of a row in units of
//! `1/i_j` and the entries `w_kj` of the matrix in units of `i_j·t_k`. The sums of their products are exact, so the only error is that of
//! the two roundings, and it has a bound:
//!
//! ```text
//! |t_k·Σ_j P_j·W_kj − Σ_j p_j·w_kj| ≤ r·t_k·Σ_j |W_kj| + r·t_k·Σ_j |p_j·i_j|,   r = 0.502,   Σ_j |p_j·i_j| ≤ √(2·D·Σ_j (p_j·i_j)²)
//! ```
//! r is half a unit, and the rounding errors of `f32` within the largest entry. The first term belongs to the component, and the second one
//! is the product of a number of the component and a number of the sample. Products of this size find the same candidates as the
//! products in `f32`, and some more.

use fisherlens_lanes::{LANES, ROUNDING, sum_lanes, vectorised};
use fisherlens_product::{GROUP, IntegerPanels, Pair, TILE_COLUMNS, Tile, multiply_integers};
use ndarray::ArrayView1;

/// Largest error of a rounded entry, in units.
const ROUNDING_ERROR: f32 = 0.502;
/// Length of a column `W_k`, if no single entry needs a larger unit.
const COLUMN_LENGTH: f64 = 32_768.0;
/// Length of the rounded entries of a sample that has the mean square of the mixture in every feature. Samples may be four times as long.
const USUAL_LENGTH: f64 = 8192.0;
/// Largest rounded entry.
const MAX_ENTRY: f64 = 32_766.0;
/// The product of the lengths of a row and a column must be smaller than 2³¹. This leaves room for the rounding of the entries.
const MAX_PRODUCT: f64 = 2_100_000_000.0;
/// The product in `f32` is used when components with more than this share of the weight ...
const MAX_INEXACT_WEIGHT: f64 = 0.05;
/// ... have a larger error than this for a usual sample, in natural logarithms. Too many components would be candidates.
const MAX_USUAL_ERROR: f64 = 1.0;
/// A component does not count for that if its variance is smaller than this share of the mean square in every feature: its samples are nearly
/// equal, and equal samples are computed once. For other samples its density is so small that its error does not matter.
const EQUAL_SAMPLES: f64 = 0.01;

/// The right factor of the product with integers, and the units of both factors.
pub(crate) struct IntegerTables {
    /// `(2·D)`: `i_j`.
    inverse_units: Vec<f32>,
    /// `(D)`: v.
    mean_squares: Vec<f32>,
    /// `(K)`: what the constants of the components need to make up for v, `Σ_d w_k,D+d · v_d`.
    shifts: Vec<f64>,
    panels: IntegerPanels,
    /// `(K rounded up to a multiple of LANES)`: `t_k`.
    units: Vec<f32>,
    /// The same length: the first term of the bound.
    errors: Vec<f32>,
    /// Square of the largest length of a rounded sample whose sums are certain to fit into 32 bits.
    max_squared_length: f32,
    /// r·√(2·D).
    length_error: f32,
}

impl IntegerTables {
    /// `matrix` `(K, 2·D)`: the columns of the factor; `mean_squares` `(D)`: mean of y² under the mixture; `weights` `(K)`.
    ///
    /// Returns `None` if the product with integers would find too many candidates, or if a unit is no normal number.
    pub(crate) fn new(matrix: &[f64], mean_squares: &[f64], weights: ArrayView1<'_, f32>) -> Option<Self> {
        let n_features = mean_squares.len();
        let n_entries = 2 * n_features;
        let scale = USUAL_LENGTH / (n_entries as f64).sqrt();
        // The standard deviation of the square of a normal variable is √2 times the mean of the square.
        let linear = mean_squares.iter().map(|square| scale / square.sqrt());
        let square = mean_squares.iter().map(|square| scale / (std::f64::consts::SQRT_2 * square));
        let inverse_units: Vec<f32> = linear.chain(square).map(|unit| unit as f32).collect();
        let mean_squares: Vec<f32> = mean_squares.iter().map(|&square| square as f32).collect();
        let mut shifts = Vec::with_capacity(weights.len());
        let n_pairs = n_features.next_multiple_of(GROUP);
        let n_components = weights.len();
        let width = n_components.next_multiple_of(LANES);
        let mut pairs: Vec<Pair> = Vec::with_capacity(n_components * n_pairs);
        let (mut units, mut errors) = (vec![1.0; width], vec![0.0; width]);
        let (mut max_squared_length, mut inexact_weight) = (0.0_f64, 0.0_f64);
        let usual_sum = scale * n_entries as f64;
        for (k, (column, &weight)) in matrix.chunks_exact(n_entries).zip(weights).enumerate() {
            let scaled = || column.iter().zip(&inverse_units).map(|(entry, &inverse)| entry / f64::from(inverse));
            let length = scaled().map(|entry| entry * entry).sum::<f64>().sqrt();
            let largest = scaled().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
            // Rounded up, so that no entry exceeds its limit.
            units[k] = ((length / COLUMN_LENGTH).max(largest / MAX_ENTRY) * (1.0 + 1e-6)) as f32;
            let rounded: Vec<i16> = scaled().map(|entry| (entry / f64::from(units[k])).round() as i16).collect();
            pairs.extend_from_slice(rounded.as_chunks::<2>().0);
            pairs.resize((k + 1) * n_pairs, [0; 2]);
            shifts.push(column[n_features..].iter().zip(&mean_squares).map(|(w, &v)| w * f64::from(v)).sum());
            let (mut sum, mut squares) = (0.0, 0.0);
            for entry in rounded {
                sum += f64::from(entry).abs();
                squares += f64::from(entry) * f64::from(entry);
            }
            max_squared_length = max_squared_length.max(squares);
            errors[k] = units[k] * ROUNDING_ERROR * sum as f32;
            let variances = column[n_features..].iter().map(|entry| -0.5 / entry);
            let is_wide =
                variances.zip(&mean_squares).any(|(variance, &square)| variance > EQUAL_SAMPLES * f64::from(square));
            if is_wide && f64::from(ROUNDING_ERROR) * f64::from(units[k]) * (sum + usual_sum) > MAX_USUAL_ERROR {
                inexact_weight += f64::from(weight);
            }
        }
        let are_normal = inverse_units.iter().chain(&units).all(|unit| unit.is_normal());
        if !are_normal || !errors.iter().all(|error| error.is_finite()) || inexact_weight > MAX_INEXACT_WEIGHT {
            return None;
        }
        let panels = IntegerPanels::new(&pairs, n_components, n_pairs);
        // No entry of a sample is larger than its length.
        let max_squared_length = (MAX_PRODUCT * MAX_PRODUCT / max_squared_length).min(MAX_ENTRY * MAX_ENTRY) as f32;
        let length_error = ROUNDING_ERROR * (n_entries as f32).sqrt();
        Some(Self { inverse_units, mean_squares, shifts, panels, units, errors, max_squared_length, length_error })
    }

    /// Rounds the entries `[y, y² − v]` of one sample, y = x − offset, and returns the bound of `r·Σ_j |p_j·i_j|` of the sample. It is
    /// infinite if the entries do not fit into 16 bits or the sums might not fit into 32 bits.
    pub(crate) fn round(&self, x: &[f32], offset: &[f32], entries: &mut [Pair]) -> f32 {
        let entries = entries[..offset.len()].as_flattened_mut();
        let squared_length = round_entries(x, offset, &self.mean_squares, &self.inverse_units, entries);
        // Written as "fits" so that NaN, which fails every comparison, does not fit.
        let fits = squared_length <= self.max_squared_length;
        if fits { self.length_error * squared_length.sqrt() } else { f32::INFINITY }
    }

    /// Writes `constants + t·(rows · panels)` into `joint`, row after row, as wide as `constants`.
    pub(crate) fn multiply(&self, rows: &[Pair], constants: &[f32], joint: &mut [f32]) {
        multiply_integers(rows, self.n_pairs(), &self.panels, |first_row, first_column, tile| {
            write_tile(tile, first_row, first_column, &self.units, constants, joint);
        });
    }

    /// Number of pairs of a row: D, rounded up. The pairs that fill it up must be 0.
    pub(crate) fn n_pairs(&self) -> usize {
        self.mean_squares.len().next_multiple_of(GROUP)
    }

    /// What has to be added to the constant of each component.
    pub(crate) fn shifts(&self) -> &[f64] {
        &self.shifts
    }

    /// `t_k`, one per column of the product.
    pub(crate) fn units(&self) -> &[f32] {
        &self.units
    }

    /// The terms of the bound that belong to the components.
    pub(crate) fn errors(&self) -> &[f32] {
        &self.errors
    }
}

vectorised!(
    /// Returns `Σ_j (p_j·i_j)²`, and writes the rounded entries.
    fn round_entries(
        x: &[f32],
        offset: &[f32],
        mean_squares: &[f32],
        inverse_units: &[f32],
        entries: &mut [i16],
    ) -> f32 {
        let n_features = offset.len();
        let (linear, square) = entries.split_at_mut(n_features);
        let (inverse_linear, inverse_square) = inverse_units.split_at(n_features);
        let mut squares = [0.0_f32; LANES];
        let (x, x_rest) = x.as_chunks::<LANES>();
        let (offset, offset_rest) = offset.as_chunks::<LANES>();
        let (mean_squares, mean_squares_rest) = mean_squares.as_chunks::<LANES>();
        let (inverse_linear, inverse_linear_rest) = inverse_linear.as_chunks::<LANES>();
        let (inverse_square, inverse_square_rest) = inverse_square.as_chunks::<LANES>();
        let (linear, linear_rest) = linear.as_chunks_mut::<LANES>();
        let (square, square_rest) = square.as_chunks_mut::<LANES>();
        for ((((x, offset), (v, linear)), square), (inverse_linear, inverse_square)) in x
            .iter()
            .zip(offset)
            .zip(mean_squares.iter().zip(linear))
            .zip(square)
            .zip(inverse_linear.iter().zip(inverse_square))
        {
            for lane in 0..LANES {
                let y = x[lane] - offset[lane];
                let (p, q) = (y * inverse_linear[lane], (y * y - v[lane]) * inverse_square[lane]);
                squares[lane] += p * p + q * q;
                linear[lane] = round(p);
                square[lane] = round(q);
            }
        }
        // The features that do not fill a vector register.
        for (at, (&x, &offset)) in x_rest.iter().zip(offset_rest).enumerate() {
            let y = x - offset;
            let (p, q) = (y * inverse_linear_rest[at], (y * y - mean_squares_rest[at]) * inverse_square_rest[at]);
            squares[0] += p * p + q * q;
            linear_rest[at] = round(p);
            square_rest[at] = round(q);
        }
        sum_lanes(&squares)
    }
);

/// The nearest integer, if it fits into 16 bits.
#[inline(always)]
fn round(entry: f32) -> i16 {
    (entry + ROUNDING).to_bits() as i16
}

vectorised!(
    /// `joint = constants + units · tile`, for the rows and columns that `joint` has.
    fn write_tile(
        tile: &Tile,
        first_row: usize,
        first_column: usize,
        units: &[f32],
        constants: &[f32],
        joint: &mut [f32],
    ) {
        let width = constants.len();
        // The number of columns is a multiple of the lanes, and the panels are filled up with columns of 0.
        let columns = first_column..width.min(first_column + TILE_COLUMNS);
        let (units, constants) = (&units[columns.clone()], &constants[columns.clone()]);
        for (row, sums) in joint[first_row * width..].chunks_exact_mut(width).zip(tile) {
            let targets = row[columns.clone()].as_chunks_mut::<LANES>().0;
            let factors = units.as_chunks::<LANES>().0.iter().zip(constants.as_chunks::<LANES>().0);
            for ((target, sums), (units, constants)) in targets.iter_mut().zip(sums.as_chunks::<LANES>().0).zip(factors)
            {
                for lane in 0..LANES {
                    target[lane] = constants[lane] + units[lane] * sums[lane] as f32;
                }
            }
        }
    }
);

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, ArrayView2};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use crate::diagonal_gmm::DiagonalGmm;

    /// A mixture whose variances span `decades` powers of ten in each feature.
    fn mixture(n_components: usize, n_features: usize, decades: f32, seed: u64) -> DiagonalGmm {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let weights = Array1::from_elem(n_components, 1.0 / n_components as f32);
        let means = Array2::from_shape_simple_fn((n_components, n_features), || rng.gen_range(-1.0..1.0));
        let variances = means.mapv(|_: f32| 10_f32.powf(-decades * rng.gen_range(0.0..1.0_f32)));
        DiagonalGmm::from_parts(weights, means, variances).unwrap()
    }

    /// ln w + ln N(x; μ, σ²) in `f64`.
    fn exact(mixture: &DiagonalGmm, k: usize, x: &[f32]) -> f64 {
        let terms = x.iter().enumerate().map(|(d, &x)| {
            let variance = f64::from(mixture.variances()[[k, d]]);
            let difference = f64::from(x) - f64::from(mixture.means()[[k, d]]);
            -0.5 * (difference * difference / variance + variance.ln() + std::f64::consts::TAU.ln())
        });
        f64::from(mixture.weights()[k]).ln() + terms.sum::<f64>()
    }

    #[test]
    fn the_product_is_within_its_bound_and_the_same_candidates_are_found() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
        for (n_components, n_features, decades) in [(1, 1, 0.0), (5, 3, 1.0), (40, 37, 0.5), (70, 80, 1.5)] {
            let mixture = mixture(n_components, n_features, decades, 4);
            let tables = mixture.tables(1e-4);
            assert!(tables.has_integers());
            let mut x = mixture.generate(60, &mut rng);
            // Samples far away from every component, and ones that no integer can hold.
            for (row, factor) in [(50, 3.0), (51, 30.0), (52, 1e4), (53, 1e30), (54, -1e38)] {
                x.row_mut(row).mapv_inplace(|value| value * factor);
            }
            x.row_mut(55).fill(0.0);
            let rows = x.as_slice().unwrap();
            let mut workspace = tables.workspace();
            tables.choose_rows(rows, 0, 60, &mut None, &mut workspace);
            tables.multiply_block(rows, &mut workspace);
            let width = tables.width();
            let joint = workspace.joint.as_slice().unwrap();
            let mut n_finite = 0;
            for (row, x) in x.rows().into_iter().enumerate() {
                let row_error = workspace.row_errors[row];
                n_finite += usize::from(row_error.is_finite());
                let slack = tables.slack(row_error);
                for k in 0..n_components {
                    let (errors, units) = slack.lanes().nth(k / super::LANES).unwrap();
                    let (error, unit) = (errors[k % super::LANES], units[k % super::LANES]);
                    let slack = f64::from(slack.of(true, error, unit));
                    let found = f64::from(joint[row * width + k]);
                    let exact = exact(&mixture, k, x.as_slice().unwrap()) - tables.reference();
                    // What f32 rounds away in the final sum.
                    let rounding = 1e-5 * exact.abs();
                    assert!(
                        (found - exact).abs() <= slack + rounding || slack.is_infinite(),
                        "{row} {k} {found} {exact} {slack}"
                    );
                }
            }
            assert!((50..60).contains(&n_finite), "{n_finite}");
        }
    }

    /// Compares all posteriors of at least 1e-4 with those in double precision.
    fn assert_posteriors(mixture: &DiagonalGmm, x: ArrayView2<'_, f32>) {
        let n_components = mixture.n_components();
        let found = mixture.sparse_posteriors(x, 1e-4).unwrap();
        for (row, x) in x.rows().into_iter().enumerate() {
            let logs: Vec<f64> = (0..n_components).map(|k| exact(mixture, k, x.as_slice().unwrap())).collect();
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
            let mut dense = vec![0.0; n_components];
            let (components, values) = found.row(row);
            for (&k, &value) in components.iter().zip(values) {
                dense[k as usize] = f64::from(value);
            }
            for (k, log) in logs.iter().enumerate() {
                let exact = (log - largest).exp() / sum;
                let far_from_floor = (exact - 1e-4).abs() > 1e-7;
                if exact > 1e-4 || !far_from_floor {
                    // The quadratic forms of candidates are summed in f32.
                    let tolerance = 1e-5 + 4e-7 * largest.abs();
                    let close = (dense[k] - exact).abs() <= tolerance * exact;
                    assert!(close || !far_from_floor, "{row} {k} {exact} {}", dense[k]);
                } else {
                    assert_eq!(dense[k], 0.0, "{row} {k} {exact}");
                }
            }
        }
    }

    #[test]
    fn posteriors_equal_those_in_double_precision() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        for (decades, spread) in [(0.0, 1.0), (1.0, 1.0), (2.0, 5.0), (4.0, 1.0)] {
            let mixture = mixture(64, 20, decades, 6);
            assert_posteriors(&mixture, (mixture.generate(400, &mut rng) * spread).view());
        }
    }

    #[test]
    fn mixtures_of_narrow_components_are_left_to_the_product_in_f32() {
        let usual = mixture(20, 10, 1.0, 3);
        let narrow = mixture(20, 10, 9.0, 3);
        assert!(usual.tables(1e-4).has_integers());
        assert!(!usual.tables(0.0).has_integers());
        assert!(!narrow.tables(1e-4).has_integers());
    }

    /// Descriptors of flat image areas are all equal, so every mixture of descriptors has a component that is narrow in all features.
    #[test]
    fn a_component_of_equal_samples_does_not_keep_the_others_from_integers() {
        let usual = mixture(20, 10, 1.0, 3);
        let mut variances = usual.variances().to_owned();
        variances.row_mut(7).fill(1e-6);
        let mut weights = Array1::from_elem(20, 0.8 / 19.0);
        weights[7] = 0.2;
        let mixture = DiagonalGmm::from_parts(weights, usual.means().to_owned(), variances).unwrap();
        assert!(mixture.tables(1e-4).has_integers());
        let mut x = usual.generate(300, &mut Xoshiro256PlusPlus::seed_from_u64(4));
        // Some of the equal samples, some near them, and others between the components.
        for n in 0..40 {
            let shift = if n < 20 { 0.0 } else { 1e-3 * n as f32 };
            x.row_mut(n).assign(&(&usual.means().row(7) + shift));
        }
        assert_posteriors(&mixture, x.view());
    }
}
