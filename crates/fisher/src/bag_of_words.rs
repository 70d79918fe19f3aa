//! Bags of visual words: how many descriptors belong to each component.

use fisherlens_mixture::DiagonalGmm;

use crate::assigned::AssignedMapping;
use crate::encoder::{DescriptorSet, Encoder, Layout, Mapping};
use crate::error::FisherError;
use crate::params::{Assignment, BagOfWordsParams};
use crate::tables::Tables;

/// Bags of visual words.
///
/// ```text
/// m(l) = [ γ_k ],   K entries
/// ```
/// with γ the [`Assignment`] of l to the components of a mixture. The raw vector is the mean of m(l) over the descriptors. With hard
/// assignment it is the proportion of the descriptors that belongs to each component.
///
/// ```
/// use fisherlens_fisher::{BagOfWords, DescriptorSet, Encoder};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [9.0]], array![[1.0], [1.0]])?;
/// let encoder = BagOfWords::params(mixture).check()?;
/// let values = array![[0.5_f32], [8.0], [9.5], [10.0]];
/// let vector = encoder.encode(DescriptorSet { values: values.view(), positions: &[[0.5, 0.5]; 4] })?;
/// assert_eq!(vector, array![0.25, 0.75]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// `csurka2004`.
#[derive(Debug, Clone, PartialEq)]
pub struct BagOfWords {
    params: BagOfWordsParams,
    tables: Tables,
}

impl BagOfWords {
    /// Parameters of a bag of visual words with `mixture`. By default the assignment is hard.
    pub fn params(mixture: DiagonalGmm) -> BagOfWordsParams {
        BagOfWordsParams::new(mixture)
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

impl BagOfWordsParams {
    /// Checks the parameters and makes the encoder.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] when the floor of a soft assignment is not in [0, 1).
    pub fn check(self) -> Result<BagOfWords, FisherError> {
        self.assignment.validate()?;
        let tables = Tables::posteriors(&self.mixture);
        Ok(BagOfWords { params: self, tables })
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
