//! Fisher vectors: the gradient of the log-likelihood of descriptors with respect to the parameters of a mixture.

use fisherlens_mixture::DiagonalGmm;

use crate::assigned::AssignedMapping;
use crate::encoder::{DescriptorSet, Encoder, Layout, Mapping};
use crate::error::FisherError;
use crate::params::{Assignment, FisherPart, FisherVectorParams};
use crate::tables::Tables;

/// Fisher vectors with a diagonal Gaussian mixture.
///
/// ```text
/// m(l) = [ (γ_k − π_k)/√π_k | γ_k·z_kd/√π_k | γ_k·(z_kd² − 1)/√(2·π_k) ],   z_kd = (l_d − μ_kd)/σ_kd
/// ```
/// with π the weights, μ the means and σ² the variances of the mixture, and γ the posteriors of l. Posteriors below the floor are set to
/// 0, and the others are not rescaled.
///
/// The parts are in this order: K weight entries, K·D mean entries (component by component), K·D variance entries. A part that
/// [`FisherVectorParams::parts`] does not list is left out. The raw vector is the mean of m(l) over the descriptors; without descriptors
/// it is zero. A component of weight 0 gives zeros.
///
/// Blocks of descriptors are summed in `f32`, about the means, and the sums of the blocks in `f64`.
///
/// ```
/// use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector, Normalization};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.25, 0.75], array![[0.0], [100.0]], array![[4.0], [1.0]])?;
/// let encoder = FisherVector::params(mixture).check()?;
/// let values = array![[2.0_f32], [-4.0], [101.0]];
/// let mut vector = encoder.encode(DescriptorSet { values: values.view(), positions: &[[0.5, 0.5]; 3] })?.to_vec();
/// // The mean entry of component 0: z is 1 and −2 for the first two descriptors, and the third does not reach it.
/// assert!((vector[2] - (1.0 - 2.0) / 3.0 / 0.25_f32.sqrt()).abs() < 1e-5);
/// Normalization::Improved.apply(&mut vector, &encoder.layout());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// `sanchez2013`; `lapuschkin2016`, supplement Eq. 1, 2 and 8.
#[derive(Debug, Clone, PartialEq)]
pub struct FisherVector {
    params: FisherVectorParams,
    tables: Tables,
}

impl FisherVector {
    /// Parameters of a Fisher vector with `mixture`. By default it has all three parts and a posterior floor of 1e-4.
    pub fn params(mixture: DiagonalGmm) -> FisherVectorParams {
        FisherVectorParams::new(mixture)
    }

    /// The mixture.
    pub fn mixture(&self) -> &DiagonalGmm {
        &self.params.mixture
    }

    /// The parts of the vector, in their order.
    pub fn parts(&self) -> &[FisherPart] {
        &self.params.parts
    }

    /// Posteriors below this value count as 0.
    pub fn posterior_floor(&self) -> f32 {
        self.params.posterior_floor
    }
}

impl FisherVectorParams {
    /// Checks the parameters and makes the encoder.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] when the list of parts is empty or names a part twice, or when the floor is not in [0, 1).
    pub fn check(mut self) -> Result<FisherVector, FisherError> {
        self.validate()?;
        self.parts.sort_unstable();
        let tables = Tables::fisher(&self.mixture, &self.parts);
        Ok(FisherVector { params: self, tables })
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
