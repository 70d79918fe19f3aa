//! Vectors of locally aggregated descriptors: residuals to the means.

use fisherlens_mixture::DiagonalGmm;

use crate::assigned::AssignedMapping;
use crate::params::VladValidParams;
use crate::tables::Tables;
use crate::{Assignment, DescriptorSet, Encoder, FisherError, Layout, Mapping, VladParams};

/// Vectors of locally aggregated descriptors.
///
/// ```text
/// m(l) = [ γ_k·(l_d − μ_kd) ],   K·D entries, component by component
/// ```
/// with γ the [`Assignment`] of l to the components of a mixture; the raw vector is the mean of m(l). Departure: the
/// original assigns to the nearest centre of k-means and sums, here the components of a mixture take that place.
///
/// # References
/// `jegou2010`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vlad {
    params: VladValidParams,
    tables: Tables,
}

impl Vlad {
    /// Hard assignment.
    pub fn params(mixture: DiagonalGmm) -> VladParams {
        VladParams::new(mixture)
    }

    pub(crate) fn new(params: VladValidParams) -> Self {
        let tables = Tables::residuals(&params.mixture);
        Self { params, tables }
    }

    /// The mixture.
    pub fn mixture(&self) -> &DiagonalGmm {
        &self.params.mixture
    }

    /// How descriptors are assigned.
    pub fn assignment(&self) -> Assignment {
        self.params.assignment
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
