//! Layer 2: the relevance of the vector's dimensions, distributed to the descriptors of the image.

use fisherlens_fisher::{Mapping, Rows, Sign};

use crate::error::LrpError;
use crate::rule::Rule;

/// Sums over the mapping of an image. They are computed once per image and used for all classes and rules.
///
/// `S[d] = Σ_l m[d](l)`, `A[d] = Σ_l |m[d](l)|` and Z(x), the dimensions that no descriptor reaches.
///
/// ```
/// use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector};
/// use fisherlens_lrp::{MappingSums, Rule, descriptor_relevance_with};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[-1.0], [1.0]], array![[1.0], [1.0]])?;
/// let encoder = FisherVector::params(mixture).check()?;
/// let values = array![[-1.5_f32], [0.25], [2.0]];
/// let positions = [[0.2, 0.5], [0.5, 0.5], [0.8, 0.5]];
/// let mapping = encoder.map(DescriptorSet { values: values.view(), positions: &positions })?;
///
/// let sums = MappingSums::new(mapping.as_ref());
/// for relevance in [[0.1; 6], [-0.2; 6]] {
///     let found = descriptor_relevance_with(mapping.as_ref(), &sums, &relevance, Rule::Absolute)?;
///     assert!((found.total() - relevance.iter().sum::<f64>()).abs() < 1e-5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MappingSums {
    n_descriptors: usize,
    signed: Vec<f64>,
    absolute: Option<Vec<f64>>,
    unreached: Vec<bool>,
}

impl MappingSums {
    /// Sums for all rules.
    pub fn new(mapping: &dyn Mapping) -> Self {
        Self::for_rules(mapping, &[Rule::Naive, Rule::Absolute])
    }

    /// Sums for the given rules. The sums of absolute values cost more, so they are left out unless the absolute rule is among `rules`.
    pub fn for_rules(mapping: &dyn Mapping, rules: &[Rule]) -> Self {
        Self {
            n_descriptors: mapping.n_descriptors(),
            signed: sums(mapping, Sign::Signed),
            absolute: rules.contains(&Rule::Absolute).then(|| sums(mapping, Sign::Absolute)),
            unreached: mapping.unreached(),
        }
    }

    /// |L|, the number of descriptors of the whole image, with or without a pyramid.
    pub fn n_descriptors(&self) -> usize {
        self.n_descriptors
    }

    /// Length of the vector.
    pub fn n_dimensions(&self) -> usize {
        self.signed.len()
    }

    /// `S[d]`.
    pub fn signed(&self) -> &[f64] {
        &self.signed
    }

    /// `A[d]`; `None` if [`MappingSums::for_rules`] left them out.
    pub fn absolute(&self) -> Option<&[f64]> {
        self.absolute.as_deref()
    }

    /// True for the dimensions of Z(x).
    pub fn unreached(&self) -> &[bool] {
        &self.unreached
    }
}

/// The relevance of every descriptor of an image, and the relevance that the descriptors did not get.
///
/// ```text
/// Σ_l values[l] = Σ_d R[d] − predicted_leak − undistributed     (up to rounding)
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DescriptorRelevance {
    /// `R[l]`, one value per descriptor, ξ included.
    pub values: Vec<f32>,
    /// `ξ = Σ_{d∈Z(x)} R[d] / |L|`, the share of every descriptor in the relevance of dimensions that no descriptor reaches.
    pub xi: f64,
    /// `Σ_{d∈Z(x)} R[d]`, the sum of ξ over all descriptors.
    pub unreached: f64,
    /// The relevance that the epsilon rule absorbs, `Σ_{d∉Z(x)} R[d] · (1 − S[d] / (S[d] + ε·sgn S[d]))`; 0 for the other rules.
    pub predicted_leak: f64,
    /// Relevance that could not be distributed: the relevance of dimensions where the naive rule would divide by 0, or all relevance if the
    /// image has no descriptors.
    pub undistributed: f64,
    /// Number of dimensions whose relevance is in `undistributed`.
    pub n_undistributed: usize,
}

impl DescriptorRelevance {
    /// `Σ_l R[l]`, summed in `f64`.
    pub fn total(&self) -> f64 {
        self.values.iter().map(|&value| f64::from(value)).sum()
    }
}

/// Relevance of every descriptor (Eq. 9, 11, 12). For several classes or rules, [`descriptor_relevance_with`] saves time, because it
/// computes the sums only once. The crate's front page has an example.
///
/// # Errors
/// The errors of [`descriptor_relevance_with`].
pub fn descriptor_relevance(
    mapping: &dyn Mapping,
    dimension_relevance: &[f64],
    rule: Rule,
) -> Result<DescriptorRelevance, LrpError> {
    let sums = MappingSums::for_rules(mapping, &[rule]);
    descriptor_relevance_with(mapping, &sums, dimension_relevance, rule)
}

/// Relevance of every descriptor (Eq. 9, 11, 12), with the sums of the image computed before.
///
/// ```text
/// c[d] = R[d] / (S[d] + γ[d])  for d ∉ Z(x),  0 in Z(x);   γ[d] = ε · sgn S[d] (epsilon), 0 (naive);
///                                                             absolute: A[d] in place of S[d], |m[d](l)| in place of m[d](l)
/// R[l] = Σ_d c[d] · m[d](l) + ξ,                           ξ = Σ_{d∈Z(x)} R[d] / |L|,   sgn(0) = +1
/// ```
/// `dimension_relevance` R `(n_dimensions)` belongs to one class. `sums` are the sums of this `mapping`. The `N × D` tensor of
/// the supplement is never stored: [`Mapping::contract`] visits every descriptor once. The sums are `f64`; the coefficients and the
/// contraction are `f32`.
///
/// The naive rule divides by `S[d]` without a stabiliser. If descriptors of both signs cancel, `S[d]` is small and `c[d]` is large, so
/// single descriptors get large relevance of both signs. This is a known weakness of the rule, and it is not corrected here. If `S[d]` is 0
/// although a descriptor reaches d, or so small that `c[d]` overflows `f32`, Eq. 9 has no value. No descriptor gets the relevance
/// of such a dimension; it is counted in [`DescriptorRelevance::undistributed`]. The other rules have no such case.
///
/// For an image without descriptors `values` is empty, and all relevance is undistributed. With a pyramid, Z(x), ξ and |L| are
/// those of the whole image; the dimensions of an empty cell are in Z(x).
///
/// # Errors
/// [`LrpError::Epsilon`] for a stabiliser that is not a finite number above 0, [`LrpError::Length`] when relevance, sums and mapping do
/// not belong together, [`LrpError::NotFinite`] for a relevance that is infinite or NaN.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 9, 11 and 12; `bach2015`, Eq. 26.
pub fn descriptor_relevance_with(
    mapping: &dyn Mapping,
    sums: &MappingSums,
    dimension_relevance: &[f64],
    rule: Rule,
) -> Result<DescriptorRelevance, LrpError> {
    rule.check()?;
    check(mapping, sums, dimension_relevance)?;
    if sums.n_descriptors == 0 {
        let total = dimension_relevance.iter().sum();
        return Ok(DescriptorRelevance {
            values: Vec::new(),
            xi: 0.0,
            unreached: total,
            predicted_leak: 0.0,
            undistributed: total,
            n_undistributed: dimension_relevance.len(),
        });
    }
    let sign = match rule {
        Rule::Naive | Rule::Epsilon(_) => Sign::Signed,
        Rule::Absolute => Sign::Absolute,
    };
    let shares = match (rule, &sums.absolute) {
        (Rule::Naive, _) => Shares::new(dimension_relevance, &sums.signed, &sums.unreached, 0.0),
        (Rule::Epsilon(epsilon), _) => {
            Shares::new(dimension_relevance, &sums.signed, &sums.unreached, f64::from(epsilon))
        }
        (Rule::Absolute, Some(absolute)) => Shares::new(dimension_relevance, absolute, &sums.unreached, 0.0),
        (Rule::Absolute, None) => {
            let absolute = self::sums(mapping, Sign::Absolute);
            Shares::new(dimension_relevance, &absolute, &sums.unreached, 0.0)
        }
    };
    let xi = shares.unreached / sums.n_descriptors as f64;
    let mut values = mapping.contract(&shares.coefficients, sign);
    for value in &mut values {
        *value = (f64::from(*value) + xi) as f32;
    }
    Ok(DescriptorRelevance {
        values,
        xi,
        unreached: shares.unreached,
        predicted_leak: shares.predicted_leak,
        undistributed: shares.undistributed,
        n_undistributed: shares.n_undistributed,
    })
}

/// The coefficients of the contraction, and the relevance that is not distributed by them.
struct Shares {
    /// `c[d]`; 0 in Z(x).
    coefficients: Vec<f32>,
    unreached: f64,
    predicted_leak: f64,
    undistributed: f64,
    n_undistributed: usize,
}

impl Shares {
    fn new(relevance: &[f64], sums: &[f64], unreached: &[bool], epsilon: f64) -> Self {
        let mut shares = Self {
            coefficients: vec![0.0; relevance.len()],
            unreached: 0.0,
            predicted_leak: 0.0,
            undistributed: 0.0,
            n_undistributed: 0,
        };
        for (dimension, (&relevance, &sum)) in relevance.iter().zip(sums).enumerate() {
            if unreached[dimension] {
                shares.unreached += relevance;
                continue;
            }
            let divisor = if sum >= 0.0 { sum + epsilon } else { sum - epsilon };
            let coefficient = (relevance / divisor) as f32;
            if coefficient.is_finite() {
                shares.coefficients[dimension] = coefficient;
                // Without a stabiliser `divisor − sum` is exactly 0, and so is the leak.
                shares.predicted_leak += relevance * (divisor - sum) / divisor;
            } else {
                shares.undistributed += relevance;
                shares.n_undistributed += 1;
            }
        }
        shares
    }
}

fn sums(mapping: &dyn Mapping, sign: Sign) -> Vec<f64> {
    let mut sums = vec![0.0; mapping.n_dimensions()];
    mapping.accumulate(Rows::All, sign, &mut sums);
    sums
}

fn check(mapping: &dyn Mapping, sums: &MappingSums, dimension_relevance: &[f64]) -> Result<(), LrpError> {
    let hint = "pass the relevance and the sums of this image's mapping";
    for (what, expected, found) in [
        ("relevance of dimensions", mapping.n_dimensions(), dimension_relevance.len()),
        ("sums over the mapping", mapping.n_dimensions(), sums.n_dimensions()),
        ("descriptors summed", mapping.n_descriptors(), sums.n_descriptors),
    ] {
        if expected != found {
            return Err(LrpError::Length { what, expected, found, hint });
        }
    }
    match dimension_relevance.iter().position(|value| !value.is_finite()) {
        Some(dimension) => Err(LrpError::NotFinite { dimension, value: dimension_relevance[dimension] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    /// m(l) as a table `(N, D)`.
    struct Table(Array2<f32>);

    impl Mapping for Table {
        fn n_descriptors(&self) -> usize {
            self.0.nrows()
        }
        fn n_dimensions(&self) -> usize {
            self.0.ncols()
        }
        fn row(&self, l: usize, out: &mut [f32]) {
            for (out, &value) in out.iter_mut().zip(self.0.row(l)) {
                *out = value;
            }
        }
    }

    fn table() -> Table {
        // S = 4, −2, 0, 0 and A = 4, 6, 2, 0: the third dimension cancels, the fourth is in Z(x).
        Table(array![[1.0_f32, 2.0, 1.0, 0.0], [3.0, -4.0, -1.0, 0.0]])
    }

    #[test]
    fn naive_by_hand() {
        let found = descriptor_relevance(&table(), &[8.0, 1.0, 5.0, 6.0], Rule::Naive).unwrap();
        // 8·1/4 + 1·2/−2 + 6/2 and 8·3/4 + 1·−4/−2 + 6/2. The 5 of the third dimension cannot be distributed.
        assert_eq!(found.values, [4.0, 11.0]);
        assert_eq!((found.xi, found.unreached), (3.0, 6.0));
        assert_eq!((found.undistributed, found.n_undistributed), (5.0, 1));
        assert_eq!(found.predicted_leak, 0.0);
        assert_eq!(found.total(), 15.0);
    }

    #[test]
    fn epsilon_by_hand_with_positive_sign_of_zero() {
        let found = descriptor_relevance(&table(), &[8.0, 1.0, 5.0, 6.0], Rule::Epsilon(2.0)).unwrap();
        // Divisors 6, −4, +2: 8/6 + 2/−4 + 5/2 + 3 and 24/6 − 4/−4 − 5/2 + 3.
        assert_relative_eq!(found.values[0], 8.0 / 6.0 - 0.5 + 2.5 + 3.0, max_relative = 1e-6);
        assert_relative_eq!(found.values[1], 4.0 + 1.0 - 2.5 + 3.0, max_relative = 1e-6);
        // 8·(1 − 4/6) + 1·(1 − 2/4) + 5·(1 − 0).
        assert_relative_eq!(found.predicted_leak, 8.0 / 3.0 + 0.5 + 5.0, max_relative = 1e-12);
        assert_relative_eq!(found.total() + found.predicted_leak, 20.0, max_relative = 1e-6);
        assert_eq!(found.n_undistributed, 0);
    }

    #[test]
    fn absolute_by_hand() {
        let found = descriptor_relevance(&table(), &[8.0, 6.0, 5.0, 6.0], Rule::Absolute).unwrap();
        assert_eq!(found.values, [2.0 + 2.0 + 2.5 + 3.0, 6.0 + 4.0 + 2.5 + 3.0]);
        assert_eq!((found.total(), found.undistributed), (25.0, 0.0));
    }

    #[test]
    fn shared_sums_change_nothing_and_missing_sums_are_computed() {
        let (table, relevance) = (table(), [8.0, 6.0, 5.0, 6.0]);
        let all = MappingSums::new(&table);
        assert_eq!(all.signed(), [4.0, -2.0, 0.0, 0.0]);
        assert_eq!(all.absolute(), Some(&[4.0, 6.0, 2.0, 0.0][..]));
        assert_eq!(all.unreached(), [false, false, false, true]);
        let signed = MappingSums::for_rules(&table, &[Rule::Naive]);
        assert_eq!(signed.absolute(), None);
        for rule in [Rule::Naive, Rule::Epsilon(0.5), Rule::Absolute] {
            let once = descriptor_relevance(&table, &relevance, rule).unwrap();
            assert_eq!(descriptor_relevance_with(&table, &all, &relevance, rule).unwrap(), once);
            assert_eq!(descriptor_relevance_with(&table, &signed, &relevance, rule).unwrap(), once);
        }
    }

    #[test]
    fn all_relevance_of_an_image_without_descriptors_is_undistributed() {
        let none = Table(Array2::zeros((0, 2)));
        for rule in [Rule::Naive, Rule::Epsilon(1.0), Rule::Absolute] {
            let found = descriptor_relevance(&none, &[1.0, 0.5], rule).unwrap();
            assert!(found.values.is_empty());
            assert_eq!((found.undistributed, found.unreached, found.xi), (1.5, 1.5, 0.0));
        }
    }

    #[test]
    fn relevance_of_a_sum_too_small_to_divide_by_is_undistributed() {
        let tiny = Table(array![[1e-40_f32], [0.0]]);
        let found = descriptor_relevance(&tiny, &[1.0], Rule::Naive).unwrap();
        assert_eq!(found.values, [0.0, 0.0]);
        assert_eq!((found.undistributed, found.n_undistributed), (1.0, 1));
    }

    #[test]
    fn wrong_lengths_and_values_are_refused() {
        let table = table();
        let relevance = |relevance: &[f64], rule| descriptor_relevance(&table, relevance, rule);
        assert!(matches!(relevance(&[1.0; 4], Rule::Epsilon(0.0)), Err(LrpError::Epsilon { found: 0.0 })));
        assert!(matches!(relevance(&[1.0; 3], Rule::Naive), Err(LrpError::Length { expected: 4, found: 3, .. })));
        assert!(matches!(
            relevance(&[1.0, 1.0, f64::INFINITY, 1.0], Rule::Naive),
            Err(LrpError::NotFinite { dimension: 2, .. })
        ));
        let others = MappingSums::new(&Table(Array2::ones((3, 4))));
        assert!(descriptor_relevance_with(&table, &others, &[1.0; 4], Rule::Naive).is_err());
    }

    proptest! {
        #[test]
        fn lost_relevance_is_reported(
            values in prop::collection::vec(prop_oneof![1 => Just(0.0_f32), 3 => -2.0_f32..2.0], 6 * 5),
            relevance in prop::collection::vec(-3.0_f64..3.0, 5),
            epsilon in 1e-3_f32..50.0,
        ) {
            let table = Table(Array2::from_shape_vec((6, 5), values).unwrap());
            let total: f64 = relevance.iter().sum();
            for rule in [Rule::Epsilon(epsilon), Rule::Absolute] {
                let found = descriptor_relevance(&table, &relevance, rule).unwrap();
                let absolute: f64 = found.values.iter().map(|value| f64::from(value.abs())).sum();
                let expected = total - found.predicted_leak - found.undistributed;
                prop_assert!((found.total() - expected).abs() <= 1e-5 * (absolute + 1.0));
            }
        }
    }
}
