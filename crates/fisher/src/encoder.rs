//! The two traits behind every encoder: [`Encoder`] makes the mapping of an image, and [`Mapping`] is that mapping.

use std::ops::Range;

use ndarray::{Array1, ArrayView2};

use crate::by_batch::{SumsByBatch, WholeSums};
use crate::error::FisherError;

/// The local descriptors of one image, projected by PCA, and their positions.
#[derive(Debug, Clone, Copy)]
pub struct DescriptorSet<'a> {
    /// The descriptors, `(N, n_features)`.
    pub values: ArrayView2<'a, f32>,
    /// The centre [x, y] of each descriptor, as fractions of the image's width and height, in [0, 1). Of the encoders
    /// of this crate, only [`Pyramid`](crate::Pyramid) uses them.
    pub positions: &'a [[f32; 2]],
}

impl DescriptorSet<'_> {
    /// Checks that each descriptor has `n_features` features and a position. Every encoder calls this first.
    ///
    /// # Errors
    /// [`FisherError::Features`] or [`FisherError::Positions`].
    pub fn check(&self, n_features: usize) -> Result<(), FisherError> {
        let (n_descriptors, found) = self.values.dim();
        if found != n_features {
            return Err(FisherError::Features { found, expected: n_features });
        }
        if self.positions.len() != n_descriptors {
            return Err(FisherError::Positions { descriptors: n_descriptors, positions: self.positions.len() });
        }
        Ok(())
    }
}

/// How a vector is divided.
///
/// The vector consists of `n_cells` cells of equal length. A cell consists of the parts p, one after another, and part p consists of
/// `n_components` blocks of `part_widths[p]` entries. A Fisher vector has parts of the widths `[1, D, D]` (weights, means, variances),
/// VLAD `[D]`, a bag of words `[1]`.
///
/// ```
/// use fisherlens_fisher::Layout;
///
/// let layout = Layout { n_cells: 1, n_components: 256, part_widths: vec![1, 80, 80] };
/// assert_eq!(layout.len(), 256 * (1 + 80 + 80));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Number of cells of the spatial pyramid; 1 without a pyramid.
    pub n_cells: usize,
    /// Number of components of the mixture.
    pub n_components: usize,
    /// Number of entries per component in each part.
    pub part_widths: Vec<usize>,
}

impl Layout {
    /// Number of entries of one cell.
    pub fn cell_len(&self) -> usize {
        self.n_components * self.part_widths.iter().sum::<usize>()
    }

    /// Number of entries of the whole vector.
    pub fn len(&self) -> usize {
        self.n_cells * self.cell_len()
    }

    /// Whether the vector has no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` with the entries of each component in each part and cell, in the order of the entries, and with the number of the
    /// component, all components of a cell together.
    pub(crate) fn for_each_block(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        let mut start = 0;
        for cell in 0..self.n_cells {
            for &width in &self.part_widths {
                for component in 0..self.n_components {
                    visit(start..start + width, cell * self.n_components + component);
                    start += width;
                }
            }
        }
    }
}

/// Turns the local descriptors of an image into one vector, by a mapping m(l) of each descriptor l.
///
/// To write an encoder, implement [`Encoder::n_features`], [`Encoder::layout`] and [`Encoder::map`]; the other methods are provided.
/// `examples/encoder_alone.rs` shows it.
///
/// ```
/// use fisherlens_fisher::{DescriptorSet, Encoder, FisherVector};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [4.0]], array![[1.0], [1.0]])?;
/// let encoder: Box<dyn Encoder> = Box::new(FisherVector::params(mixture).check()?);
/// let values = array![[0.5_f32], [3.0], [4.5]];
/// let vector = encoder.encode(DescriptorSet { values: values.view(), positions: &[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]] })?;
/// assert_eq!(vector.len(), encoder.n_dimensions());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Encoder: Send + Sync {
    /// Number of features of a descriptor.
    fn n_features(&self) -> usize;

    /// How the vector is divided; `layout().len()` is its length.
    fn layout(&self) -> Layout;

    /// Makes the mapping of the descriptors of one image.
    ///
    /// The descriptors are assigned to the components here, once. The vector and the relevance are both computed from the returned
    /// object and therefore use the same γ.
    ///
    /// # Errors
    /// The errors of [`DescriptorSet::check`], and an error when the mixture refuses the descriptors.
    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError>;

    /// Length of the vector.
    fn n_dimensions(&self) -> usize {
        self.layout().len()
    }

    /// The raw vector, not normalised: the mean of m(l) over the descriptors.
    ///
    /// # Errors
    /// See [`Encoder::map`].
    fn encode(&self, descriptors: DescriptorSet<'_>) -> Result<Array1<f32>, FisherError> {
        // `map` needs one lifetime for the encoder and the descriptors. A new view of the values has a lifetime as short as `self`.
        let values = descriptors.values.view();
        Ok(self.map(DescriptorSet { values, ..descriptors })?.mean())
    }
}

impl<E: Encoder + ?Sized> Encoder for Box<E> {
    fn n_features(&self) -> usize {
        (**self).n_features()
    }

    fn layout(&self) -> Layout {
        (**self).layout()
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        (**self).map(descriptors)
    }
}

/// Whether a sum uses m(l) with its sign (Eq. 9 and 11) or its absolute value (Eq. 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// m(l).
    Signed,
    /// |m(l)|.
    Absolute,
}

impl Sign {
    /// The value or its absolute value.
    #[inline]
    pub fn of(self, value: f32) -> f32 {
        match self {
            Self::Signed => value,
            Self::Absolute => value.abs(),
        }
    }
}

/// Which descriptors a sum runs over.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// All descriptors of the image.
    All,
    /// The descriptors with these numbers, in this order.
    Some(&'a [u32]),
}

/// The mapping `m_d(l)` of all descriptors l of one image (supplement, Eq. 8).
///
/// [`Mapping::row`] is the definition. The provided methods call it for each descriptor, which is slow; an encoder that has a faster
/// way overrides them.
///
/// ```
/// use fisherlens_fisher::{BagOfWords, DescriptorSet, Encoder, Sign};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [9.0]], array![[1.0], [1.0]])?;
/// let encoder = BagOfWords::params(mixture).check()?;
/// let values = array![[0.5_f32], [9.5]];
/// let mapping = encoder.map(DescriptorSet { values: values.view(), positions: &[[0.2, 0.5], [0.8, 0.5]] })?;
/// assert_eq!(mapping.mean(), array![0.5, 0.5]);
/// // The contribution of each descriptor to a linear score, times the number of descriptors.
/// assert_eq!(mapping.contract(&[3.0, -1.0], Sign::Signed), [3.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Mapping: Send + Sync {
    /// Number of descriptors of the image, |L|.
    fn n_descriptors(&self) -> usize;

    /// Length of the vector.
    fn n_dimensions(&self) -> usize;

    /// Writes m(l) into `out`, of length [`Mapping::n_dimensions`].
    fn row(&self, l: usize, out: &mut [f32]);

    /// `sums[d] += Σ_{l in rows} m_d(l)`, or the same with the absolute values.
    fn accumulate(&self, rows: Rows<'_>, sign: Sign, sums: &mut [f64]) {
        let mut row = vec![0.0; self.n_dimensions()];
        let mut add = |l: usize| {
            self.row(l, &mut row);
            for (sum, &value) in sums.iter_mut().zip(&row) {
                *sum += f64::from(sign.of(value));
            }
        };
        match rows {
            Rows::All => (0..self.n_descriptors()).for_each(&mut add),
            Rows::Some(list) => list.iter().for_each(|&l| add(l as usize)),
        }
    }

    /// `out[d] = Σ_{l in rows} m_d(l)` for few descriptors: some hundred, so that sums in `f32` are accurate enough. Such are the
    /// descriptors that are replaced between two measurements of a perturbation.
    fn sum_few(&self, rows: &[u32], out: &mut [f32]) {
        let mut sums = vec![0.0; self.n_dimensions()];
        self.accumulate(Rows::Some(rows), Sign::Signed, &mut sums);
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = sum as f32;
        }
    }

    /// The sums over batches of the descriptors `rows`, in their order: `batch` descriptors each, some hundred, in `f32`.
    fn by_batch<'m>(&'m self, rows: &'m [u32], batch: usize) -> Box<dyn SumsByBatch + 'm> {
        Box::new(WholeSums::new(self, rows, batch))
    }

    /// `Σ_d coefficients[d] · m_d(l)` for every descriptor l, or the same with the absolute values of m.
    fn contract(&self, coefficients: &[f32], sign: Sign) -> Vec<f32> {
        let mut row = vec![0.0; self.n_dimensions()];
        (0..self.n_descriptors())
            .map(|l| {
                self.row(l, &mut row);
                let products = row.iter().zip(coefficients).map(|(&m, &c)| f64::from(sign.of(m)) * f64::from(c));
                products.sum::<f64>() as f32
            })
            .collect()
    }

    /// [`Mapping::contract`] for the descriptors `rows`, in their order. A pyramid calls it for the descriptors of each cell.
    fn contract_rows(&self, rows: Rows<'_>, coefficients: &[f32], sign: Sign) -> Vec<f32> {
        let all = self.contract(coefficients, sign);
        match rows {
            Rows::All => all,
            Rows::Some(list) => list.iter().map(|&l| all[l as usize]).collect(),
        }
    }

    /// The dimensions Z(x) that no descriptor reaches: true where `m_d(l) = 0` for every l.
    fn unreached(&self) -> Vec<bool> {
        let mut sums = vec![0.0; self.n_dimensions()];
        self.accumulate(Rows::All, Sign::Absolute, &mut sums);
        sums.iter().map(|&sum| sum == 0.0).collect()
    }

    /// Number of descriptors in each cell. Without a pyramid this is one entry, |L|.
    fn cell_counts(&self) -> Vec<usize> {
        vec![self.n_descriptors()]
    }

    /// Number of the descriptors `rows` in each cell, in the order of [`Mapping::cell_counts`].
    fn cell_counts_of(&self, rows: &[u32]) -> Vec<usize> {
        vec![rows.len()]
    }

    /// The raw vector, `x_d = Σ_l m_d(l) / number of descriptors in the cell of d`; zeros where the cell is empty.
    fn mean(&self) -> Array1<f32> {
        let mut sums = vec![0.0; self.n_dimensions()];
        self.accumulate(Rows::All, Sign::Signed, &mut sums);
        self.mean_from(&sums).into()
    }

    /// The raw vector from the signed sums over all descriptors, for callers that have computed these sums already.
    fn mean_from(&self, sums: &[f64]) -> Vec<f32> {
        let counts = self.cell_counts();
        let cell_len = (sums.len() / counts.len().max(1)).max(1);
        let mean = |(cell, sums): (usize, &[f64])| {
            let factor = if counts[cell] == 0 { 0.0 } else { 1.0 / counts[cell] as f64 };
            sums.iter().map(move |sum| (sum * factor) as f32).collect::<Vec<_>>()
        };
        sums.chunks(cell_len).enumerate().flat_map(mean).collect()
    }
}
