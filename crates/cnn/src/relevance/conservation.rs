//! Conservation: where relevance was lost or added on its way through a network.

/// Relevance that a layer does not pass on to its inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Absorbed {
    /// Relevance of the bias.
    pub bias: f64,
    /// Relevance of the stabiliser, and under the rule γ the relevance of outputs of exactly 0, which is not distributed.
    pub stabilizer: f64,
}

/// Sums of relevance at one layer, over all images and targets.
///
/// `arrived = passed_on + bias + stabilizer`, except for rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConservation {
    /// Name of the layer.
    pub layer: String,
    /// Type of the layer.
    pub kind: &'static str,
    /// Rule of the layer; empty if it needs none.
    pub rule: String,
    /// Relevance of the layer's outputs.
    pub arrived: f64,
    /// Relevance of the layer's inputs.
    pub passed_on: f64,
    /// Relevance of bias and stabiliser.
    pub absorbed: Absorbed,
}

impl LayerConservation {
    /// The part of the relevance that is not explained by `passed_on`, bias and stabiliser: rounding error.
    pub fn unexplained(&self) -> f64 {
        self.arrived - self.passed_on - self.absorbed.bias - self.absorbed.stabilizer
    }
}
