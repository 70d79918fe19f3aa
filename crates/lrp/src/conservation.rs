//! How much relevance is lost or added on the way from the score to the pixels.

use ndarray::ArrayView2;

use crate::mapping::DescriptorRelevance;

/// The sum of relevance in every layer, and the parts that come from rules and from the bias.
///
/// ```text
/// score       = f(x)
/// dimensions  = Σ_d R[d] = score − taylor_remainder
/// descriptors = Σ_l R[l] = dimensions − predicted_leak − undistributed
/// pixels      = Σ_p R[p] = descriptors
/// ```
/// All values are in units of the score. The `*_gap` methods give the differences that these equations do not explain, which is rounding.
///
/// ```
/// use fisherlens_lrp::{Conservation, DescriptorRelevance};
/// use ndarray::array;
///
/// let descriptors = DescriptorRelevance {
///     values: vec![0.5, 0.25],
///     xi: 0.0,
///     unreached: 0.0,
///     predicted_leak: 0.25,
///     undistributed: 0.0,
///     n_undistributed: 0,
/// };
/// let measured = Conservation::measure(1.0, 0.0, &[0.75, 0.25], &descriptors, array![[0.5, 0.25]].view());
/// assert_eq!(measured.descriptors, 0.75);
/// assert_eq!(measured.largest_relative_gap(), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Conservation {
    /// f(x), the score that is explained.
    pub score: f64,
    /// `Σ_d R[d]` of layer 3.
    pub dimensions: f64,
    /// `Σ_l R[l]` of layer 2.
    pub descriptors: f64,
    /// `Σ_p R[p]` of layer 1.
    pub pixels: f64,
    /// b, the part of the score that comes from no entry of the vector. All dimensions share it.
    pub bias_share: f64,
    /// `Σ_{d∈Z(x)} R[d]`, the part that all descriptors share through ξ.
    pub unreached_share: f64,
    /// The relevance that the epsilon rule absorbs (if negative, adds). It is computed from the sums over the mapping, not from the
    /// relevance of the descriptors.
    pub predicted_leak: f64,
    /// Relevance that could not be distributed to descriptors.
    pub undistributed: f64,
    /// The remainder of a Taylor expansion of the score (`f(x) − Σ_d R[d]`); 0 for scores that are sums over dimensions.
    #[cfg_attr(feature = "serde", serde(default))]
    pub taylor_remainder: f64,
}

impl Conservation {
    /// Sums the relevance of each layer, in `f64`.
    ///
    /// `score` f(x) and `bias` b belong to the function that is explained. If f is the score minus a threshold, subtract the threshold from
    /// both.
    pub fn measure(
        score: f64,
        bias: f64,
        dimension_relevance: &[f64],
        descriptors: &DescriptorRelevance,
        pixels: ArrayView2<'_, f32>,
    ) -> Self {
        Self {
            score,
            dimensions: dimension_relevance.iter().sum(),
            descriptors: descriptors.total(),
            pixels: pixels.iter().map(|&value| f64::from(value)).sum(),
            bias_share: bias,
            unreached_share: descriptors.unreached,
            predicted_leak: descriptors.predicted_leak,
            undistributed: descriptors.undistributed,
            taylor_remainder: 0.0,
        }
    }

    /// Sets the Taylor remainder, for relevance of dimensions that comes from a Taylor expansion.
    #[must_use]
    pub fn with_taylor_remainder(self, taylor_remainder: f64) -> Self {
        Self { taylor_remainder, ..self }
    }

    /// `Σ_d R[d] + taylor_remainder − f(x)`. If this is more than rounding, score and vector do not belong together.
    pub fn dimension_gap(&self) -> f64 {
        self.dimensions + self.taylor_remainder - self.score
    }

    /// `Σ_l R[l] − (Σ_d R[d] − predicted_leak − undistributed)`. If this is more than rounding, the relevance did not use the posteriors γ
    /// of the forward mapping.
    pub fn descriptor_gap(&self) -> f64 {
        self.descriptors - (self.dimensions - self.predicted_leak - self.undistributed)
    }

    /// `Σ_p R[p] − Σ_l R[l]`. If this is more than rounding, the support squares of some descriptors lie outside the image.
    pub fn pixel_gap(&self) -> f64 {
        self.pixels - self.descriptors
    }

    /// `max(|f(x)|, |b|)`: losses are measured relative to this value. The score alone is not suitable, because a score near 0 is the
    /// difference of two larger numbers, the part of the vector and the bias.
    pub fn scale(&self) -> f64 {
        self.score.abs().max(self.bias_share.abs())
    }

    /// Largest absolute value of the three gaps, relative to [`Conservation::scale`]; 0 if the scale is 0.
    pub fn largest_relative_gap(&self) -> f64 {
        let scale = self.scale();
        if scale == 0.0 {
            return 0.0;
        }
        [self.dimension_gap(), self.descriptor_gap(), self.pixel_gap()]
            .into_iter()
            .fold(0.0, |largest: f64, gap| largest.max(gap.abs()))
            / scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    #[test]
    fn gaps_by_hand() {
        let descriptors = DescriptorRelevance {
            values: vec![0.5, 0.25],
            xi: 0.05,
            unreached: 0.1,
            predicted_leak: 0.15,
            undistributed: 0.1,
            n_undistributed: 1,
        };
        let measured =
            Conservation::measure(1.0, -0.5, &[0.75, 0.25], &descriptors, array![[0.5_f32, 0.125], [0.0, 0.0]].view());
        assert_relative_eq!(measured.dimension_gap(), 0.0);
        assert_relative_eq!(measured.descriptor_gap(), 0.0, epsilon = 1e-12);
        assert_relative_eq!(measured.pixel_gap(), -0.125);
        assert_relative_eq!(measured.largest_relative_gap(), 0.125);
        assert_eq!(measured.scale(), 1.0);
        assert_eq!(measured.unreached_share, 0.1);
        let expanded = measured.with_taylor_remainder(0.25);
        assert_relative_eq!(expanded.dimension_gap(), 0.25);
        assert_eq!(expanded.descriptor_gap(), measured.descriptor_gap());
        assert_eq!(Conservation::default().largest_relative_gap(), 0.0);
    }
}
