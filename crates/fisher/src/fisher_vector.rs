//! Fisher vectors: the gradient of a descriptor's log-likelihood by the mixture's parameters.

use fisherlens_mixture::DiagonalGmm;

use crate::assigned::AssignedMapping;
use crate::params::FisherVectorValidParams;
use crate::tables::Tables;
use crate::{Assignment, DescriptorSet, Encoder, FisherError, FisherPart, FisherVectorParams, Layout, Mapping};

/// Fisher vectors by a diagonal Gaussian mixture.
///
/// ```text
/// m(l) = [ (γ_k − π_k)/√π_k | γ_k·z_kd/√π_k | γ_k·(z_kd² − 1)/√(2·π_k) ],   z_kd = (l_d − μ_kd)/σ_kd
/// ```
/// with γ the posteriors of l, those below the floor set to 0 without renormalising the others. The parts follow one
/// another as written: K weight entries, K·D mean entries (component by component), K·D variance entries; a part that
/// [`FisherVectorParams::parts`] leaves out is missing. The raw vector is the mean of m(l) over the descriptors; that of
/// no descriptors is zero. A component of weight 0 gives zeros.
///
/// Sums run in `f32` over blocks of descriptors, centred by the means, and in `f64` over the blocks.
///
/// # References
/// `sanchez2013`; `lapuschkin2016`, supplement Eq. 1, 2 and 8.
#[derive(Debug, Clone, PartialEq)]
pub struct FisherVector {
    params: FisherVectorValidParams,
    tables: Tables,
}

impl FisherVector {
    /// All three parts, posterior floor 1e-4.
    pub fn params(mixture: DiagonalGmm) -> FisherVectorParams {
        FisherVectorParams::new(mixture)
    }

    pub(crate) fn new(mut params: FisherVectorValidParams) -> Self {
        params.parts.sort_unstable();
        let has = |part| params.parts.contains(&part);
        let tables = Tables::fisher(
            &params.mixture,
            has(FisherPart::Weights),
            has(FisherPart::Means),
            has(FisherPart::Variances),
        );
        Self { params, tables }
    }

    /// The mixture.
    pub fn mixture(&self) -> &DiagonalGmm {
        &self.params.mixture
    }

    /// Parts of the vector, in their order.
    pub fn parts(&self) -> &[FisherPart] {
        &self.params.parts
    }

    /// Posteriors below it count as 0.
    pub fn posterior_floor(&self) -> f32 {
        self.params.posterior_floor
    }
}

impl Encoder for FisherVector {
    fn n_features(&self) -> usize {
        self.params.mixture.n_features()
    }

    fn layout(&self) -> Layout {
        self.tables.layout()
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        let assignment = Assignment::Soft { floor: self.params.posterior_floor };
        Ok(Box::new(AssignedMapping::new(&self.tables, &self.params.mixture, descriptors, assignment)?))
    }
}
