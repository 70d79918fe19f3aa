//! Where relevance was lost or made on its way through a network.

/// What a linear layer kept back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Absorbed {
    /// Share of the bias.
    pub bias: f64,
    /// Share of the stabiliser, and what arrived at outputs that share nothing: those of exactly 0 under γ.
    pub stabilizer: f64,
}

/// Sums of relevance around one layer, over images and targets.
///
/// `arrived = passed_on + bias + stabilizer`, up to rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConservation {
    /// Name of the layer.
    pub layer: String,
    /// Its type.
    pub kind: &'static str,
    /// Its rule, empty where it needs none.
    pub rule: String,
    /// Relevance of its outputs.
    pub arrived: f64,
    /// Relevance of its inputs.
    pub passed_on: f64,
    /// What bias and stabiliser kept.
    pub absorbed: Absorbed,
}

impl LayerConservation {
    /// What none of the shares explains.
    pub fn unexplained(&self) -> f64 {
        self.arrived - self.passed_on - self.absorbed.bias - self.absorbed.stabilizer
    }
}
