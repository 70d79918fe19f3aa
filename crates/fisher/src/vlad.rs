//! Vectors of locally aggregated descriptors (VLAD): sums of the differences between descriptors and means.

use fisherlens_mixture::DiagonalGmm;

use crate::assigned::AssignedMapping;
use crate::encoder::{DescriptorSet, Encoder, Layout, Mapping};
use crate::error::FisherError;
use crate::params::{Assignment, VladParams};
use crate::tables::Tables;

/// Vectors of locally aggregated descriptors.
///
/// ```text
/// m(l) = [ γ_k·(l_d − μ_kd) ],   K·D entries, component by component
/// ```
/// with γ the [`Assignment`] of l to the components of a mixture. The raw vector is the mean of m(l) over the descriptors. Departure from
/// the paper: there, descriptors are assigned to the nearest centre of k-means, and the vector is their sum. Here, they are assigned to
/// the components of a mixture, and the vector is their mean.
///
/// ```
/// use fisherlens_fisher::{DescriptorSet, Encoder, Vlad};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [9.0]], array![[1.0], [1.0]])?;
/// let encoder = Vlad::params(mixture).check()?;
/// let values = array![[0.5_f32], [8.0], [9.5], [10.5]];
/// let vector = encoder.encode(DescriptorSet { values: values.view(), positions: &[[0.5, 0.5]; 4] })?;
/// // 0.5 / 4, and (−1 + 0.5 + 1.5) / 4
/// assert_eq!(vector, array![0.125, 0.25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// `jegou2010`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vlad {
    params: VladParams,
    tables: Tables,
}

impl Vlad {
    /// Parameters of a VLAD encoder with `mixture`. By default the assignment is hard.
    pub fn params(mixture: DiagonalGmm) -> VladParams {
        VladParams::new(mixture)
    }

    /// The mixture.
    pub fn mixture(&self) -> &DiagonalGmm {
        &self.params.mixture
    }

    /// How descriptors are assigned to components.
    pub fn assignment(&self) -> Assignment {
        self.params.assignment
    }
}

impl VladParams {
    /// Checks the parameters and makes the encoder.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] when the floor of a soft assignment is not in [0, 1).
    pub fn check(self) -> Result<Vlad, FisherError> {
        self.assignment.validate()?;
        let tables = Tables::residuals(&self.mixture);
        Ok(Vlad { params: self, tables })
    }
}

impl Encoder for Vlad {
    fn n_features(&self) -> usize {
        self.params.mixture.n_features()
    }

    fn layout(&self) -> Layout {
        self.tables.layout()
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        let mapping = AssignedMapping::new(&self.tables, &self.params.mixture, descriptors, self.params.assignment)?;
        Ok(Box::new(mapping))
    }
}
