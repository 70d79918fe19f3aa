//! What an encoder that assigns descriptors to components knows of the components.

use fisherlens_mixture::DiagonalGmm;

use crate::Layout;

/// The part that has one entry a component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Share {
    /// None.
    Absent,
    /// γ.
    Posterior,
    /// (γ − π) / √π.
    Centred,
}

/// What an encoder knows of the components.
///
/// ```text
/// m = [share_k | scale_k·γ_k·z_kd | scale_k/√2·γ_k·(z_kd² − 1)],   z_kd = (x_d − μ_kd)·inverse_kd
/// ```
/// with any of the three parts left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tables {
    pub(crate) n_components: usize,
    pub(crate) n_features: usize,
    pub(crate) weights: Vec<f32>,
    pub(crate) means: Vec<f32>,
    pub(crate) inverse_deviations: Vec<f32>,
    pub(crate) scales: Vec<f64>,
    pub(crate) share: Share,
    /// First entry of the part, where it is there.
    pub(crate) first: Option<usize>,
    pub(crate) second: Option<usize>,
}

impl Tables {
    /// A Fisher vector's, with the parts wanted.
    pub(crate) fn fisher(mixture: &DiagonalGmm, share: bool, first: bool, second: bool) -> Self {
        let share = if share { Share::Centred } else { Share::Absent };
        let mut tables = Self::new(mixture, share, first, second);
        tables.inverse_deviations =
            mixture.variances().iter().map(|&variance| (1.0 / f64::from(variance).sqrt()) as f32).collect();
        let scale = |&weight: &f32| if weight > 0.0 { 1.0 / f64::from(weight).sqrt() } else { 0.0 };
        tables.scales = mixture.weights().iter().map(scale).collect();
        tables
    }

    /// Residuals γ·(x − μ) as they are.
    pub(crate) fn residuals(mixture: &DiagonalGmm) -> Self {
        Self::new(mixture, Share::Absent, true, false)
    }

    /// Posteriors as they are.
    pub(crate) fn shares(mixture: &DiagonalGmm) -> Self {
        Self::new(mixture, Share::Posterior, false, false)
    }

    fn new(mixture: &DiagonalGmm, share: Share, first: bool, second: bool) -> Self {
        let (n_components, n_features) = (mixture.n_components(), mixture.n_features());
        let after_share = if share == Share::Absent { 0 } else { n_components };
        let after_first = after_share + if first { n_components * n_features } else { 0 };
        Self {
            n_components,
            n_features,
            weights: mixture.weights().iter().copied().collect(),
            means: mixture.means().iter().copied().collect(),
            inverse_deviations: vec![1.0; n_components * n_features],
            scales: vec![1.0; n_components],
            share,
            first: first.then_some(after_share),
            second: second.then_some(after_first),
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        let mut part_widths = Vec::new();
        if self.share != Share::Absent {
            part_widths.push(1);
        }
        part_widths.extend([self.first, self.second].iter().flatten().map(|_| self.n_features));
        Layout { n_cells: 1, n_components: self.n_components, part_widths }
    }

    /// Entry of the first part at posterior γ.
    pub(crate) fn share(&self, component: usize, posterior: f32) -> f64 {
        match self.share {
            Share::Absent => 0.0,
            Share::Posterior => f64::from(posterior),
            Share::Centred => (f64::from(posterior) - f64::from(self.weights[component])) * self.scales[component],
        }
    }

    pub(crate) fn block(&self, component: usize) -> std::ops::Range<usize> {
        component * self.n_features..(component + 1) * self.n_features
    }

    /// Writes the block of one component at posterior γ into a row of zeros.
    pub(crate) fn write(&self, component: usize, posterior: f32, x: &[f32], out: &mut [f32]) {
        if self.share != Share::Absent {
            out[component] = self.share(component, posterior) as f32;
        }
        let block = self.block(component);
        let factor = f64::from(posterior) * self.scales[component];
        for (d, at) in block.enumerate() {
            let z = (x[d] - self.means[at]) * self.inverse_deviations[at];
            if let Some(first) = self.first {
                out[first + at] = (factor * f64::from(z)) as f32;
            }
            if let Some(second) = self.second {
                out[second + at] = (factor * std::f64::consts::FRAC_1_SQRT_2 * f64::from(z * z - 1.0)) as f32;
            }
        }
    }
}
