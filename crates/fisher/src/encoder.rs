//! The two traits behind every encoder: one makes the mapping of an image, the other is that mapping.

use ndarray::{Array1, ArrayView2};

use crate::FisherError;

/// The local descriptors of one image, projected, with their places.
#[derive(Debug, Clone, Copy)]
pub struct DescriptorSet<'a> {
    /// `(N, n_features)`.
    pub values: ArrayView2<'a, f32>,
    /// Centres as fractions of the image's width and height, in [0, 1); one a row.
    pub positions: &'a [[f32; 2]],
}

/// How a vector is divided: `n_cells` equal runs; in each, for every part p, `n_components` blocks of
/// `part_widths[p]` entries.
///
/// A Fisher vector has the parts `[1, D, D]` (weights, means, variances), VLAD `[D]`, a bag of words `[1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Cells of a spatial pyramid; 1 without.
    pub n_cells: usize,
    /// Components of the mixture.
    pub n_components: usize,
    /// Entries a component has in each part.
    pub part_widths: Vec<usize>,
}

impl Layout {
    /// Entries of one cell.
    pub fn cell_len(&self) -> usize {
        self.n_components * self.part_widths.iter().sum::<usize>()
    }

    /// Entries of the whole vector.
    pub fn len(&self) -> usize {
        self.n_cells * self.cell_len()
    }

    /// Whether the vector has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Turns the local descriptors of an image into one vector, by way of a mapping m(l) of each descriptor.
///
/// An encoder of one's own needs [`Encoder::n_features`], [`Encoder::layout`] and [`Encoder::map`] only.
pub trait Encoder: Send + Sync {
    /// Length of a descriptor.
    fn n_features(&self) -> usize;

    /// How the vector is divided; `layout().len()` is its length.
    fn layout(&self) -> Layout;

    /// Assigns the descriptors once. The forward vector and relevance both read the object returned, hence share one γ.
    ///
    /// # Errors
    /// [`FisherError`] when the descriptors have another length than [`Encoder::n_features`], or are not as many as
    /// their positions.
    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError>;

    /// Length of the vector.
    fn n_dimensions(&self) -> usize {
        self.layout().len()
    }

    /// The raw vector: the mean of m(l) over the descriptors.
    ///
    /// # Errors
    /// See [`Encoder::map`].
    fn encode(&self, descriptors: DescriptorSet<'_>) -> Result<Array1<f32>, FisherError> {
        // A view's lifetime is invariant; a view of the view may be as short as `self`.
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

/// Whether m(l) enters with its sign (Eq. 9, 11) or by magnitude (Eq. 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// m(l).
    Signed,
    /// |m(l)|.
    Absolute,
}

impl Sign {
    /// The value, or its magnitude.
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
    /// All of the image.
    All,
    /// These, in this order.
    Some(&'a [u32]),
}

/// The mapping `m_d(l)` of all descriptors l of one image (supplement, Eq. 8).
///
/// [`Mapping::row`] is the definition; what is provided in its terms is slow, and encoders that can do better override it.
pub trait Mapping: Send + Sync {
    /// Descriptors of the image, |L|.
    fn n_descriptors(&self) -> usize;

    /// Length of the vector.
    fn n_dimensions(&self) -> usize;

    /// Writes m(l) into `out`, of length [`Mapping::n_dimensions`].
    fn row(&self, l: usize, out: &mut [f32]);

    /// `sums[d] += Σ_{l in rows} m_d(l)`, or of the magnitudes.
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

    /// `out[d] = Σ_{l in rows} m_d(l)` of few descriptors, such as those replaced between two measurements: some hundred, so that `f32`
    /// will do.
    fn sum_few(&self, rows: &[u32], out: &mut [f32]) {
        let mut sums = vec![0.0; self.n_dimensions()];
        self.accumulate(Rows::Some(rows), Sign::Signed, &mut sums);
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = sum as f32;
        }
    }

    /// `Σ_d coefficients[d] · m_d(l)`, or of the magnitudes, for every descriptor l.
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

    /// [`Mapping::contract`] for the descriptors `rows`, in their order; a pyramid asks for the descriptors of each cell.
    fn contract_rows(&self, rows: Rows<'_>, coefficients: &[f32], sign: Sign) -> Vec<f32> {
        let all = self.contract(coefficients, sign);
        match rows {
            Rows::All => all,
            Rows::Some(list) => list.iter().map(|&l| all[l as usize]).collect(),
        }
    }

    /// Z(x) by dimension: true where `m_d(l) = 0` for every l.
    fn unreached(&self) -> Vec<bool> {
        let mut sums = vec![0.0; self.n_dimensions()];
        self.accumulate(Rows::All, Sign::Absolute, &mut sums);
        sums.iter().map(|&sum| sum == 0.0).collect()
    }

    /// Descriptors in each cell: one entry, |L|, without a pyramid.
    fn cell_counts(&self) -> Vec<usize> {
        vec![self.n_descriptors()]
    }

    /// How many of the descriptors `rows` are in each cell, in the order of [`Mapping::cell_counts`].
    fn cell_counts_of(&self, rows: &[u32]) -> Vec<usize> {
        vec![rows.len()]
    }

    /// The raw vector, `x_d = Σ_l m_d(l) / count of d's cell`; zeros where the cell is empty.
    fn mean(&self) -> Array1<f32> {
        let mut sums = vec![0.0; self.n_dimensions()];
        self.accumulate(Rows::All, Sign::Signed, &mut sums);
        self.mean_from(&sums).into()
    }

    /// The raw vector from the signed sums of all descriptors, where these are known already.
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
