//! The parameters of an encoder that assigns descriptors to the components of a mixture.

use std::ops::Range;

use fisherlens_mixture::DiagonalGmm;

use crate::encoder::Layout;
use crate::params::FisherPart;

/// The part of the mapping with one entry per component, computed from the posterior γ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PosteriorPart {
    /// The encoder does not have this part.
    Absent,
    /// γ.
    Plain,
    /// (γ − π) / √π, with π the weight of the component.
    Centred,
}

/// The parameters of all components, in the form that the mapping needs.
///
/// ```text
/// m(x) = [ p_k | scale_k·γ_k·z_kd | scale_k/√2·γ_k·(z_kd² − 1) ],   z_kd = (x_d − μ_kd)·inverse_deviation_kd
/// ```
/// with p the [`PosteriorPart`]. Each of the three parts can be left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tables {
    pub(crate) n_components: usize,
    pub(crate) n_features: usize,
    pub(crate) weights: Vec<f32>,
    pub(crate) means: Vec<f32>,
    pub(crate) inverse_deviations: Vec<f32>,
    pub(crate) scales: Vec<f64>,
    pub(crate) posterior_part: PosteriorPart,
    /// Where the entries γ·z start in the vector, if the encoder has them.
    pub(crate) first_start: Option<usize>,
    /// Where the entries γ·(z² − 1) start in the vector, if the encoder has them.
    pub(crate) second_start: Option<usize>,
}

impl Tables {
    /// For a Fisher vector with the given parts.
    pub(crate) fn fisher(mixture: &DiagonalGmm, parts: &[FisherPart]) -> Self {
        let has = |part| parts.contains(&part);
        let posterior_part = if has(FisherPart::Weights) { PosteriorPart::Centred } else { PosteriorPart::Absent };
        let mut tables = Self::new(mixture, posterior_part, has(FisherPart::Means), has(FisherPart::Variances));
        tables.inverse_deviations =
            mixture.variances().iter().map(|&variance| (1.0 / f64::from(variance).sqrt()) as f32).collect();
        let scale = |&weight: &f32| if weight > 0.0 { 1.0 / f64::from(weight).sqrt() } else { 0.0 };
        tables.scales = mixture.weights().iter().map(scale).collect();
        tables
    }

    /// For the residuals γ·(x − μ), not scaled.
    pub(crate) fn residuals(mixture: &DiagonalGmm) -> Self {
        Self::new(mixture, PosteriorPart::Absent, true, false)
    }

    /// For the posteriors γ alone.
    pub(crate) fn posteriors(mixture: &DiagonalGmm) -> Self {
        Self::new(mixture, PosteriorPart::Plain, false, false)
    }

    fn new(mixture: &DiagonalGmm, posterior_part: PosteriorPart, has_first: bool, has_second: bool) -> Self {
        let (n_components, n_features) = (mixture.n_components(), mixture.n_features());
        let after_posteriors = if posterior_part == PosteriorPart::Absent { 0 } else { n_components };
        let after_first = after_posteriors + if has_first { n_components * n_features } else { 0 };
        Self {
            n_components,
            n_features,
            weights: mixture.weights().iter().copied().collect(),
            means: mixture.means().iter().copied().collect(),
            inverse_deviations: vec![1.0; n_components * n_features],
            scales: vec![1.0; n_components],
            posterior_part,
            first_start: has_first.then_some(after_posteriors),
            second_start: has_second.then_some(after_first),
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        let mut part_widths = Vec::new();
        if self.posterior_part != PosteriorPart::Absent {
            part_widths.push(1);
        }
        part_widths.extend(self.block_starts().map(|_| self.n_features));
        Layout { n_cells: 1, n_components: self.n_components, part_widths }
    }

    /// Where the parts with D entries per component start in the vector.
    pub(crate) fn block_starts(&self) -> impl Iterator<Item = usize> {
        [self.first_start, self.second_start].into_iter().flatten()
    }

    /// The entry of the posterior part for a component and its posterior γ.
    pub(crate) fn posterior_entry(&self, component: usize, posterior: f32) -> f64 {
        match self.posterior_part {
            PosteriorPart::Absent => 0.0,
            PosteriorPart::Plain => f64::from(posterior),
            PosteriorPart::Centred => {
                (f64::from(posterior) - f64::from(self.weights[component])) * self.scales[component]
            }
        }
    }

    /// The entries of a component within an array `(K, D)`.
    pub(crate) fn block(&self, component: usize) -> Range<usize> {
        component * self.n_features..(component + 1) * self.n_features
    }

    /// Where the entries of these components lie in the vector, one range per part.
    pub(crate) fn entries(&self, components: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let of_posteriors = (self.posterior_part != PosteriorPart::Absent).then(|| components.clone());
        let (from, to) = (components.start * self.n_features, components.end * self.n_features);
        of_posteriors.into_iter().chain(self.block_starts().map(move |start| start + from..start + to))
    }

    /// Writes the entries of one component with posterior γ into a row m(x) of length [`Layout::len`].
    pub(crate) fn write(&self, component: usize, posterior: f32, x: &[f32], out: &mut [f32]) {
        if self.posterior_part != PosteriorPart::Absent {
            out[component] = self.posterior_entry(component, posterior) as f32;
        }
        let block = self.block(component);
        let factor = f64::from(posterior) * self.scales[component];
        for (d, at) in block.enumerate() {
            let z = (x[d] - self.means[at]) * self.inverse_deviations[at];
            if let Some(start) = self.first_start {
                out[start + at] = (factor * f64::from(z)) as f32;
            }
            if let Some(start) = self.second_start {
                out[start + at] = (factor * std::f64::consts::FRAC_1_SQRT_2 * f64::from(z * z - 1.0)) as f32;
            }
        }
    }
}
