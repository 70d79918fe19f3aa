//! A user's own encoder gets all rules from the two traits alone: it says what `m(l)` is and nothing else.

use fisherlens_descriptors::Frame;
use fisherlens_fisher::{DescriptorSet, Encoder, FisherError, Layout, Mapping};
use fisherlens_lrp::{
    Conservation, MappingSums, Rule, descriptor_relevance_with, dimension_relevance, pixel_relevance,
};
use ndarray::{Array2, ArrayView2};

/// Every descriptor as it is, and its cubes: first and third moments.
struct Moments {
    n_features: usize,
}

struct MomentsOf<'a> {
    values: ArrayView2<'a, f32>,
}

impl Encoder for Moments {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn layout(&self) -> Layout {
        Layout { n_cells: 1, n_components: 1, part_widths: vec![self.n_features, self.n_features] }
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        Ok(Box::new(MomentsOf { values: descriptors.values }))
    }
}

impl Mapping for MomentsOf<'_> {
    fn n_descriptors(&self) -> usize {
        self.values.nrows()
    }

    fn n_dimensions(&self) -> usize {
        2 * self.values.ncols()
    }

    fn row(&self, l: usize, out: &mut [f32]) {
        let (first, third) = out.split_at_mut(self.values.ncols());
        for ((first, third), &value) in first.iter_mut().zip(third).zip(self.values.row(l)) {
            *first = value;
            *third = value.powi(3);
        }
    }
}

#[test]
fn all_rules_work_on_it() {
    let encoder = Moments { n_features: 3 };
    let values = Array2::from_shape_fn((40, 3), |(l, d)| ((l * 7 + d * 5) % 11) as f32 / 4.0 - 1.0);
    let positions: Vec<[f32; 2]> = (0..40).map(|l| [l as f32 / 40.0, 0.5]).collect();
    let mapping = encoder.map(DescriptorSet { values: values.view(), positions: &positions }).unwrap();
    let phi = mapping.mean().to_vec();
    assert_eq!(phi.len(), encoder.layout().len());
    let coefficients = [1.0_f32, -2.0, 0.5, 0.25, 3.0, -1.0];
    let bias = 0.125_f32;
    let relevance = dimension_relevance(&coefficients, bias, &phi);
    let score: f64 =
        coefficients.iter().zip(&phi).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum::<f64>() + f64::from(bias);
    let frames: Vec<Frame> = (0..40).map(|l| Frame { x: l as f32 / 2.0, y: 8.0, bin_size: 2, norm: 1.0 }).collect();

    let sums = MappingSums::new(mapping.as_ref());
    for rule in [Rule::Naive, Rule::Epsilon(0.5), Rule::Absolute] {
        let descriptors = descriptor_relevance_with(mapping.as_ref(), &sums, &relevance, rule).unwrap();
        let pixels = pixel_relevance(&descriptors.values, &frames, 24, 16);
        let kept = Conservation::measure(score, f64::from(bias), &relevance, &descriptors, pixels.view());
        assert!(kept.largest_relative_gap() < 1e-5, "{rule}: {kept:?}");
        assert_eq!(rule.conserves(), kept.predicted_leak == 0.0, "{rule}: {kept:?}");
    }
}
