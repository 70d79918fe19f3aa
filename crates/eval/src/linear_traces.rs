//! Traces of one image for a linear classifier, many at once and without writing a vector down.
//!
//! The raw mean vector x has the score `w·Φ(x) + b`, with Φ the signed square root and ℓ2 norm 1:
//!
//! ```text
//! f(x) = Σ_d w[d]·sign(x[d])·√|x[d]| / √(Σ_d |x[d]|) + b
//! ```
//! Both sums go over dimensions one by one, and a factor of x cancels, so that the sums S of the mapping can take the place of the mean.
//! Some dimensions at a time are therefore followed from the first to the last point of measurement of each trace, and their terms are
//! added to the sums of every point. A part of the dimensions stays in the cache while all traces of the image use it.

use std::ops::Range;

use fisherlens_fisher::{Mapping, SumsByBatch};
use fisherlens_lanes::{LANES, vectorised};

use crate::batch_sums::{RawSums, replaced};
use crate::error::{EvalError, check_length};
use crate::perturbation::Trace;
use crate::resampling::Resampling;

/// A linear function of the normalised vector, `w·Φ(x) + constant`.
#[derive(Debug, Clone, Copy)]
pub struct LinearScore<'a> {
    /// w, one per dimension.
    pub coefficients: &'a [f32],
    /// The bias; less the threshold if the score is measured from it.
    pub constant: f64,
}

/// Which order and which new descriptors belong to a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracePair {
    /// Number of the order of removal.
    pub removal: usize,
    /// Number of the list of new descriptors; `None` if descriptors are removed without a replacement.
    pub addition: Option<usize>,
}

/// The sums of the descriptors that are replaced: the first ones of `order`, batch by batch.
///
/// # Errors
/// The errors of [`BatchSums::removals`](crate::BatchSums::removals).
pub fn removals_by_batch<'m>(
    image: &'m dyn Mapping,
    order: &'m [u32],
    resampling: Resampling,
) -> Result<Box<dyn SumsByBatch + 'm>, EvalError> {
    resampling.check()?;
    Ok(image.by_batch(replaced(order, image.n_descriptors(), resampling)?, resampling.batch))
}

/// Algorithm 1 for several orders and several lists of new descriptors of one image, and Φ the signed square root with ℓ2 norm 1.
///
/// [`resampling_trace`](crate::resampling_trace()) computes one trace for any score. Both agree up to rounding.
///
/// `start`: sums over all descriptors of the image, one cell. `removals`: the descriptors in the order of their removal, at least those
/// that `resampling` replaces, in its batches; one item per order. `additions`: the new descriptors in the same batches. All come from one
/// encoder. `pairs`: the traces to compute; without a replacement the score of an image that has lost all descriptors is the constant.
///
/// # Errors
/// [`EvalError::Parameter`] for settings without a point of measurement. [`EvalError::Length`] if lengths or numbers of batches do not
/// belong together, if the mappings come from different encoders, if the sums have several cells, or if a pair names an order or a list
/// that does not exist.
///
/// # References
/// `lapuschkin2016`, supplement Algorithm 1 and Eq. 3.
pub fn linear_traces(
    start: &RawSums,
    resampling: Resampling,
    removals: &[Box<dyn SumsByBatch + '_>],
    additions: &[Box<dyn SumsByBatch + '_>],
    pairs: &[TracePair],
    score: LinearScore<'_>,
) -> Result<Vec<Trace>, EvalError> {
    resampling.check()?;
    check_length("coefficients", start.sums().len(), score.coefficients.len())?;
    check_length("cells of the image", 1, start.cell_counts().len())?;
    let n_descriptors = start.cell_counts()[0];
    let n_replaced = resampling.n_replaced(n_descriptors);
    let n_batches = n_replaced.div_ceil(resampling.batch);
    for sums in removals.iter().chain(additions.iter()) {
        check_length("batches", n_batches, sums.n_batches())?;
    }
    for pair in pairs {
        for (what, number, n) in [
            ("orders of removal", Some(pair.removal), removals.len()),
            ("lists of new descriptors", pair.addition, additions.len()),
        ] {
            if let Some(number) = number.filter(|&number| number >= n) {
                return Err(EvalError::Length { what, expected: number + 1, found: n });
            }
        }
    }
    let Some(first) = removals.first() else { return Ok(Vec::new()) };
    let parts: Vec<Vec<Range<usize>>> = (0..first.n_parts()).map(|part| first.dimensions(part)).collect();
    check_length("dimensions of the parts", start.sums().len(), parts.iter().flatten().map(Range::len).sum())?;
    for sums in removals.iter().chain(additions) {
        check_length("parts", parts.len(), sums.n_parts())?;
        let n_same = parts.iter().enumerate().filter(|(part, expected)| sums.dimensions(*part) == **expected).count();
        check_length("equal parts", parts.len(), n_same)?;
    }
    let mut points = vec![Points::new(n_batches); pairs.len()];
    let mut at_start = Points::new(0);
    let (mut removed, mut added) = (vec![Vec::new(); removals.len()], vec![Vec::new(); additions.len()]);
    let mut walk = Walk::default();
    for (part, dimensions) in parts.iter().enumerate() {
        walk.begin(dimensions, start.sums(), score.coefficients);
        let width = walk.sums.len();
        for (sums, values) in removals.iter().zip(&mut removed).chain(additions.iter().zip(&mut added)) {
            values.resize(n_batches * width, 0.0);
            sums.sum(part, values);
        }
        at_start.add(&mut walk, &[], None);
        for (points, pair) in points.iter_mut().zip(pairs) {
            points.add(&mut walk, &removed[pair.removal], pair.addition.map(|number| &added[number][..]));
        }
    }
    let start = at_start.scores(score.constant)[0];
    let to_trace = |(points, pair): (&Points, &TracePair)| {
        let mut scores: Vec<f32> = points.scores(score.constant)[1..].iter().map(|&score| score as f32).collect();
        // Sums of which everything was taken away are not exactly 0.
        if pair.addition.is_none()
            && n_replaced == n_descriptors
            && let Some(last) = scores.last_mut()
        {
            *last = score.constant as f32;
        }
        let last = scores.last().copied().unwrap_or(start as f32);
        scores.resize(resampling.n_points(), last);
        Trace { start, scores, n_replaced, n_requested: resampling.n_replacements }
    };
    Ok(points.iter().zip(pairs).map(to_trace).collect())
}

/// `Σ w·sign(S)·√|S|` and `Σ |S|` at the start and after each batch.
#[derive(Clone)]
struct Points {
    products: Vec<f64>,
    absolutes: Vec<f64>,
}

impl Points {
    fn new(n_batches: usize) -> Self {
        Self { products: vec![0.0; n_batches + 1], absolutes: vec![0.0; n_batches + 1] }
    }

    /// Adds the terms of one part of the dimensions.
    fn add(&mut self, walk: &mut Walk, removed: &[f32], added: Option<&[f32]>) {
        follow(walk, removed, added, &mut self.products, &mut self.absolutes);
    }

    fn scores(&self, constant: f64) -> Vec<f64> {
        let score = |(&product, &absolute): (&f64, &f64)| {
            if absolute > 0.0 { product / absolute.sqrt() + constant } else { constant }
        };
        self.products.iter().zip(&self.absolutes).map(score).collect()
    }
}

/// One part of the dimensions: the sums of the image and the coefficients, and memory for the sums of the points.
#[derive(Default)]
struct Walk {
    sums: Vec<f64>,
    coefficients: Vec<f32>,
    /// One sum per lane at each point.
    products: Vec<[f32; LANES]>,
    absolutes: Vec<[f32; LANES]>,
}

impl Walk {
    fn begin(&mut self, dimensions: &[Range<usize>], sums: &[f64], coefficients: &[f32]) {
        self.sums.clear();
        self.coefficients.clear();
        for range in dimensions {
            self.sums.extend_from_slice(&sums[range.clone()]);
            self.coefficients.extend_from_slice(&coefficients[range.clone()]);
        }
    }
}

vectorised!(
    /// Follows the dimensions of one part from batch to batch, and adds their terms to the sums of the points.
    fn follow(walk: &mut Walk, removed: &[f32], added: Option<&[f32]>, products: &mut [f64], absolutes: &mut [f64]) {
        let (n_points, width) = (products.len(), walk.sums.len());
        let Walk { sums, coefficients, products: lane_products, absolutes: lane_absolutes } = walk;
        lane_products.clear();
        lane_products.resize(n_points, [0.0; LANES]);
        lane_absolutes.clear();
        lane_absolutes.resize(n_points, [0.0; LANES]);
        let whole = width - width % LANES;
        for start in (0..whole).step_by(LANES) {
            let mut sums: [f64; LANES] = *sums[start..].first_chunk().expect("a whole run of lanes");
            let coefficients: &[f32; LANES] = coefficients[start..].first_chunk().expect("a whole run of lanes");
            add_terms(&sums, coefficients, &mut lane_products[0], &mut lane_absolutes[0]);
            let points = lane_products[1..].iter_mut().zip(&mut lane_absolutes[1..]);
            for (batch, (products, absolutes)) in points.enumerate() {
                let at = batch * width + start;
                let removed: &[f32; LANES] = removed[at..].first_chunk().expect("a whole run of lanes");
                match added {
                    Some(added) => {
                        let added: &[f32; LANES] = added[at..].first_chunk().expect("a whole run of lanes");
                        for lane in 0..LANES {
                            sums[lane] += f64::from(added[lane] - removed[lane]);
                        }
                    }
                    None => {
                        for lane in 0..LANES {
                            sums[lane] -= f64::from(removed[lane]);
                        }
                    }
                }
                add_terms(&sums, coefficients, products, absolutes);
            }
        }
        // The dimensions that do not fill a vector register.
        for d in whole..width {
            let mut sum = sums[d];
            for point in 0..n_points {
                if point > 0 {
                    let at = (point - 1) * width + d;
                    sum += f64::from(added.map_or(0.0, |added| added[at]) - removed[at]);
                }
                let value = sum as f32;
                products[point] += f64::from(coefficients[d] * value.abs().sqrt().copysign(value));
                absolutes[point] += f64::from(value.abs());
            }
        }
        for point in 0..n_points {
            products[point] += lane_products[point].iter().map(|&value| f64::from(value)).sum::<f64>();
            absolutes[point] += lane_absolutes[point].iter().map(|&value| f64::from(value)).sum::<f64>();
        }
    }
);

/// Adds `w·sign(S)·√|S|` and `|S|` of one run of lanes.
#[inline(always)]
fn add_terms(
    sums: &[f64; LANES],
    coefficients: &[f32; LANES],
    products: &mut [f32; LANES],
    absolutes: &mut [f32; LANES],
) {
    for lane in 0..LANES {
        let value = sums[lane] as f32;
        products[lane] += coefficients[lane] * value.abs().sqrt().copysign(value);
        absolutes[lane] += value.abs();
    }
}

#[cfg(test)]
mod tests {
    use fisherlens_fisher::{
        BagOfWords, DescriptorSet, Encoder, FisherPart, FisherVector, Grid, Normalization, Pyramid, Vlad,
    };
    use fisherlens_mixture::DiagonalGmm;
    use ndarray::{Array1, Array2};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    use super::*;
    use crate::batch_sums::BatchSums;
    use crate::order::random_order;
    use crate::perturbation::{Replacement, perturbation_trace};

    fn mixture() -> DiagonalGmm {
        let mut rng = Xoshiro256Plus::seed_from_u64(1);
        let means = Array2::from_shape_simple_fn((9, 37), || rng.gen_range(-1.0_f32..1.0));
        DiagonalGmm::from_parts(Array1::from_elem(9, 1.0 / 9.0), means, Array2::from_elem((9, 37), 0.3)).unwrap()
    }

    fn encoders() -> Vec<Box<dyn Encoder>> {
        let fisher = |parts: &[FisherPart]| FisherVector::params(mixture()).parts(parts).check().unwrap();
        vec![
            Box::new(fisher(&[FisherPart::Weights, FisherPart::Means, FisherPart::Variances])),
            Box::new(fisher(&[FisherPart::Means, FisherPart::Variances])),
            Box::new(fisher(&[FisherPart::Variances])),
            Box::new(fisher(&[FisherPart::Weights])),
            Box::new(Vlad::params(mixture()).check().unwrap()),
            Box::new(BagOfWords::params(mixture()).check().unwrap()),
            // A mapping without a fast way of its own.
            Box::new(Pyramid::new(fisher(&[FisherPart::Means]), &[Grid { columns: 1, rows: 1 }]).unwrap()),
        ]
    }

    #[test]
    fn traces_equal_those_that_are_computed_one_by_one() {
        let mut rng = Xoshiro256Plus::seed_from_u64(2);
        let places = [[0.5; 2]; 60];
        let values = mixture().generate(60, &mut rng);
        let draws: Vec<Array2<f32>> = (0..2).map(|_| mixture().generate(60, &mut rng)).collect();
        let orders: Vec<Vec<u32>> = (0..3).map(|_| random_order(60, &mut rng)).collect();
        for encoder in encoders() {
            let image = encoder.map(DescriptorSet { values: values.view(), positions: &places }).unwrap();
            let new: Vec<_> = draws
                .iter()
                .map(|draws| encoder.map(DescriptorSet { values: draws.view(), positions: &places }).unwrap())
                .collect();
            let coefficients: Vec<f32> = (0..image.n_dimensions()).map(|_| rng.gen_range(-1.0..1.0)).collect();
            let (start, layout) = (RawSums::new(image.as_ref()), encoder.layout());
            for resampling in [
                Resampling { n_replacements: 20, batch: 6 },
                Resampling { n_replacements: 60, batch: 60 },
                Resampling { n_replacements: 90, batch: 7 },
            ] {
                let n_replaced = resampling.n_replaced(60);
                let rows: Vec<u32> = (0..n_replaced as u32).collect();
                let removals: Vec<_> =
                    orders.iter().map(|order| removals_by_batch(image.as_ref(), order, resampling).unwrap()).collect();
                let additions: Vec<_> = new.iter().map(|new| new.by_batch(&rows, resampling.batch)).collect();
                let pairs: Vec<TracePair> = (0..3)
                    .flat_map(|removal| [None, Some(0), Some(1)].map(|addition| TracePair { removal, addition }))
                    .collect();
                let linear = LinearScore { coefficients: &coefficients, constant: -0.25 };
                let found = linear_traces(&start, resampling, &removals, &additions, &pairs, linear).unwrap();
                for (found, pair) in found.iter().zip(&pairs) {
                    let mut score =
                        |raw: &[f32]| Normalization::Improved.dot(raw, &coefficients, &layout, &mut Vec::new()) - 0.25;
                    let removals = BatchSums::removals(image.as_ref(), &orders[pair.removal], resampling).unwrap();
                    let additions = pair
                        .addition
                        .map(|number| BatchSums::additions(new[number].as_ref(), n_replaced, resampling).unwrap());
                    let mut one = match &additions {
                        Some(additions) => Replacement::new(&start, &removals, additions).unwrap(),
                        None => Replacement::by_nothing(&start, &removals).unwrap(),
                    };
                    let expected = perturbation_trace(&mut one, &mut score).unwrap();
                    assert!((found.start - expected.start).abs() < 1e-5);
                    assert_eq!((found.n_replaced, found.n_requested), (expected.n_replaced, expected.n_requested));
                    assert_eq!(found.scores.len(), expected.scores.len());
                    for (found, expected) in found.scores.iter().zip(&expected.scores) {
                        assert!((found - expected).abs() < 2e-5, "{pair:?} {found} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let mut rng = Xoshiro256Plus::seed_from_u64(3);
        let encoder = FisherVector::params(mixture()).check().unwrap();
        let values = mixture().generate(10, &mut rng);
        let image = encoder.map(DescriptorSet { values: values.view(), positions: &[[0.5; 2]; 10] }).unwrap();
        let start = RawSums::new(image.as_ref());
        let coefficients = vec![1.0; image.n_dimensions()];
        let order: Vec<u32> = (0..10).collect();
        let ten = Resampling { n_replacements: 10, batch: 2 };
        let traces = |resampling: Resampling, batch: usize, removal: usize, addition: Option<usize>, n: usize| {
            let removals = vec![image.by_batch(&order, batch)];
            let score = LinearScore { coefficients: &coefficients[..n], constant: 0.0 };
            let pairs = [TracePair { removal, addition }];
            linear_traces(&start, resampling, &removals, &[], &pairs, score).unwrap_err()
        };
        let n = coefficients.len();
        assert!(matches!(traces(Resampling { batch: 0, ..ten }, 2, 0, None, n), EvalError::Parameter { .. }));
        assert!(matches!(traces(ten, 3, 0, None, n), EvalError::Length { what: "batches", .. }));
        assert!(matches!(traces(ten, 2, 1, None, n), EvalError::Length { what: "orders of removal", .. }));
        assert!(matches!(traces(ten, 2, 0, Some(0), n), EvalError::Length { what: "lists of new descriptors", .. }));
        assert!(matches!(traces(ten, 2, 0, None, n - 1), EvalError::Length { what: "coefficients", .. }));
        for order in [&[0, 1][..], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 8]] {
            assert!(removals_by_batch(image.as_ref(), order, ten).is_err());
        }
    }
}
