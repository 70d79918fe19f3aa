//! Posteriors of many samples. Only the large posteriors are stored.

use std::ops::Range;

/// Posteriors of many samples, without those below a floor.
///
/// The rows are stored in CSR form: `components[offsets[n]..offsets[n + 1]]` are the components of row n in increasing order, and the
/// same entries of `values` are their posteriors, in (0, 1]. With a floor of 0, a posterior can be 0.
///
/// ```
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [100.0]], array![[1.0], [1.0]])?;
/// let posteriors = mixture.sparse_posteriors(array![[99.0_f32], [1.0]].view(), 1e-4)?;
/// assert_eq!(posteriors.len(), 2);
/// assert_eq!(posteriors.row(0), (&[1][..], &[1.0][..]));
/// assert_eq!(posteriors.row(1), (&[0][..], &[1.0][..]));
/// # Ok::<(), fisherlens_mixture::MixtureError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SparsePosteriors {
    /// Where each row starts, and where the last row ends: one entry more than there are rows. The first entry is 0.
    pub offsets: Vec<usize>,
    /// Component of each entry.
    pub components: Vec<u32>,
    /// Posterior of each entry.
    pub values: Vec<f32>,
}

impl SparsePosteriors {
    pub(crate) fn with_capacity(n_rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_rows + 1);
        offsets.push(0);
        Self { offsets, components: Vec::with_capacity(8 * n_rows), values: Vec::with_capacity(8 * n_rows) }
    }

    /// The rows of all pieces, one piece after another.
    pub(crate) fn concatenated(pieces: &[Self]) -> Self {
        let n_entries = pieces.iter().map(|piece| piece.values.len()).sum();
        let mut whole = Self {
            offsets: Vec::with_capacity(1 + pieces.iter().map(Self::len).sum::<usize>()),
            components: Vec::with_capacity(n_entries),
            values: Vec::with_capacity(n_entries),
        };
        whole.offsets.push(0);
        for piece in pieces {
            let before = whole.values.len();
            whole.offsets.extend(piece.offsets[1..].iter().map(|offset| before + offset));
            whole.components.extend_from_slice(&piece.components);
            whole.values.extend_from_slice(&piece.values);
        }
        whole
    }

    pub(crate) fn clear(&mut self) {
        self.offsets.truncate(1);
        self.components.clear();
        self.values.clear();
    }

    /// Appends a row: each entry is multiplied by `scale`, and those below `floor` are left out.
    #[inline(always)]
    pub(crate) fn append_row(&mut self, entries: impl Iterator<Item = (u32, f32)>, scale: f32, floor: f32) {
        for (component, value) in entries {
            let posterior = value * scale;
            if posterior >= floor {
                self.components.push(component);
                self.values.push(posterior);
            }
        }
        self.offsets.push(self.values.len());
    }

    /// Appends a row with the entries of `components`, multiplied by `scale`. `row` has one value for every component of the mixture.
    #[inline(always)]
    pub(crate) fn append_listed(&mut self, components: &[u32], row: &[f32], scale: f32) {
        self.components.extend_from_slice(components);
        self.values.extend(components.iter().map(|&component| row[component as usize] * scale));
        self.offsets.push(self.values.len());
    }

    /// Appends a copy of row `n`.
    pub(crate) fn repeat_row(&mut self, n: usize) {
        let entries = self.entries(n);
        self.components.extend_from_within(entries.clone());
        self.values.extend_from_within(entries);
        self.offsets.push(self.values.len());
    }

    fn entries(&self, n: usize) -> Range<usize> {
        self.offsets[n]..self.offsets[n + 1]
    }

    /// Components and posteriors of row `n`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, n: usize) -> (&[u32], &[f32]) {
        let entries = self.entries(n);
        (&self.components[entries.clone()], &self.values[entries])
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
