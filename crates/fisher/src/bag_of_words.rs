//! Bags of visual words: how often each component was met.

use fisherlens_mixture::DiagonalGmm;

use crate::assigned::AssignedMapping;
use crate::params::BagOfWordsValidParams;
use crate::tables::Tables;
use crate::{Assignment, BagOfWordsParams, DescriptorSet, Encoder, FisherError, Layout, Mapping};

/// Bags of visual words.
///
/// ```text
/// m(l) = [ γ_k ],   K entries
/// ```
/// with γ the [`Assignment`] of l to the components of a mixture; the raw vector is the mean of m(l): with hard assignment
/// the share of descriptors in each component.
///
/// # References
/// `csurka2004`.
#[derive(Debug, Clone, PartialEq)]
pub struct BagOfWords {
    params: BagOfWordsValidParams,
    tables: Tables,
}

impl BagOfWords {
    /// Hard assignment.
    pub fn params(mixture: DiagonalGmm) -> BagOfWordsParams {
        BagOfWordsParams::new(mixture)
    }

    pub(crate) fn new(params: BagOfWordsValidParams) -> Self {
        let tables = Tables::shares(&params.mixture);
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

impl Encoder for BagOfWords {
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
