//! Spatial pyramids: the vectors of all cells of some grids, one after another.

use crate::encoder::{DescriptorSet, Encoder, Layout, Mapping, Rows, Sign};
use crate::error::FisherError;

/// A division of the image into cells of equal width and height.
///
/// Three horizontal bands, often written 3x1, are `columns: 1, rows: 3`.
///
/// ```
/// use fisherlens_fisher::Grid;
///
/// let grid = Grid { columns: 2, rows: 3 };
/// assert_eq!(grid.n_cells(), 6);
/// assert_eq!(grid.cell([0.7, 0.1]), 1); // top right
/// assert_eq!(grid.cell([0.2, 0.9]), 4); // bottom left
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grid {
    /// Number of cells from left to right.
    pub columns: usize,
    /// Number of cells from top to bottom.
    pub rows: usize,
}

impl Grid {
    /// Number of cells of the grid.
    pub fn n_cells(&self) -> usize {
        self.columns * self.rows
    }

    /// The number of the cell that contains the position [x, y], in [0, 1). Cells are numbered row by row from the top left. A position
    /// on a border belongs to the cell to the right of it or below it; a position outside [0, 1) belongs to the nearest cell.
    pub fn cell(&self, position: [f32; 2]) -> usize {
        // Comparing with the rounded border, instead of multiplying the position, puts a position that was computed as j/n exactly on
        // the border.
        let along = |value: f32, n: usize| (1..n).filter(|&border| value >= border as f32 / n as f32).count();
        along(position[1], self.rows) * self.columns + along(position[0], self.columns)
    }
}

/// An encoder that is applied to every cell of some grids.
///
/// ```text
/// m_(c,d)(l) = m_d(l) for l in cell c, 0 outside;   x_(c,d) = Σ_l m_(c,d)(l) / number of descriptors in c,   0 in an empty cell
/// ```
/// The cells are in the order of the grids, and row by row in each grid. [`Mapping::n_descriptors`] and [`Mapping::unreached`] are about
/// the whole image: the relevance of a dimension that no descriptor reaches, for example in an empty cell, goes to all descriptors of the
/// image.
///
/// ```
/// use fisherlens_fisher::{BagOfWords, DescriptorSet, Encoder, Grid, Pyramid};
/// use fisherlens_mixture::DiagonalGmm;
/// use ndarray::array;
///
/// let mixture = DiagonalGmm::from_parts(array![0.5, 0.5], array![[0.0], [9.0]], array![[1.0], [1.0]])?;
/// let grids = [Grid { columns: 1, rows: 1 }, Grid { columns: 2, rows: 1 }];
/// let encoder = Pyramid::new(BagOfWords::params(mixture).check()?, &grids)?;
/// let values = array![[0.5_f32], [9.0]];
/// let vector = encoder.encode(DescriptorSet { values: values.view(), positions: &[[0.2, 0.5], [0.8, 0.5]] })?;
/// // The whole image, the left half and the right half.
/// assert_eq!(vector, array![0.5, 0.5, 1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// `lazebnik2006`. Means per cell, as in the encoders of VLFeat and of `chatfield2011`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pyramid<E> {
    encoder: E,
    grids: Vec<Grid>,
}

impl<E: Encoder> Pyramid<E> {
    /// Applies `encoder`, for example a `Box<dyn Encoder>`, to all cells of `grids`.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] when there is no grid, when a grid has no cells, or when the encoder has several cells already.
    pub fn new(encoder: E, grids: &[Grid]) -> Result<Self, FisherError> {
        let refuse = |name, found, expected| Err(FisherError::Parameter { name, found, expected });
        if grids.is_empty() {
            return refuse("grids", "an empty list".to_owned(), "at least one grid");
        }
        if let Some(grid) = grids.iter().find(|grid| grid.n_cells() == 0) {
            return refuse("grids", format!("{grid:?}"), "grids with at least one column and one row");
        }
        let n_cells = encoder.layout().n_cells;
        if n_cells != 1 {
            return refuse(
                "encoder",
                format!("an encoder with {n_cells} cells"),
                "an encoder with one cell; list all grids in one pyramid",
            );
        }
        Ok(Self { encoder, grids: grids.to_vec() })
    }

    /// The encoder that is applied to each cell.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }

    /// The grids.
    pub fn grids(&self) -> &[Grid] {
        &self.grids
    }
}

impl<E: Encoder> Encoder for Pyramid<E> {
    fn n_features(&self) -> usize {
        self.encoder.n_features()
    }

    fn layout(&self) -> Layout {
        Layout { n_cells: self.grids.iter().map(Grid::n_cells).sum(), ..self.encoder.layout() }
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        descriptors.check(self.n_features())?;
        let inner = self.encoder.map(descriptors)?;
        let mut cells = Vec::with_capacity(self.layout().n_cells);
        for grid in &self.grids {
            let mut members = vec![Vec::new(); grid.n_cells()];
            for (l, &position) in descriptors.positions.iter().enumerate() {
                members[grid.cell(position)].push(l as u32);
            }
            cells.append(&mut members);
        }
        Ok(Box::new(PyramidMapping { inner, grids: &self.grids, positions: descriptors.positions, cells }))
    }
}

/// The mapping of the image by the encoder without cells, and which descriptors are in which cell.
struct PyramidMapping<'a> {
    inner: Box<dyn Mapping + 'a>,
    grids: &'a [Grid],
    positions: &'a [[f32; 2]],
    /// The descriptors of each cell, in increasing order.
    cells: Vec<Vec<u32>>,
}

impl PyramidMapping<'_> {
    /// The cells that a descriptor is in, one per grid.
    fn cells_of(&self, l: usize) -> impl Iterator<Item = usize> {
        let mut grid_start = 0;
        self.grids.iter().map(move |grid| {
            let cell = grid_start + grid.cell(self.positions[l]);
            grid_start += grid.n_cells();
            cell
        })
    }

    /// Whether all descriptors of the image are in the cell, so that the faster methods for all descriptors can be used.
    fn holds_all(&self, cell: usize) -> bool {
        self.cells[cell].len() == self.inner.n_descriptors()
    }

    /// The descriptors of a cell.
    fn rows(&self, cell: usize) -> Rows<'_> {
        if self.holds_all(cell) { Rows::All } else { Rows::Some(&self.cells[cell]) }
    }
}

impl Mapping for PyramidMapping<'_> {
    fn n_descriptors(&self) -> usize {
        self.inner.n_descriptors()
    }

    fn n_dimensions(&self) -> usize {
        self.cells.len() * self.inner.n_dimensions()
    }

    fn row(&self, l: usize, out: &mut [f32]) {
        let cell_len = self.inner.n_dimensions();
        out.fill(0.0);
        for cell in self.cells_of(l) {
            self.inner.row(l, &mut out[cell * cell_len..(cell + 1) * cell_len]);
        }
    }

    fn accumulate(&self, rows: Rows<'_>, sign: Sign, sums: &mut [f64]) {
        let cell_len = self.inner.n_dimensions();
        let members: Option<Vec<Vec<u32>>> = match rows {
            Rows::All => None,
            Rows::Some(list) => {
                let mut members = vec![Vec::new(); self.cells.len()];
                for &l in list {
                    for cell in self.cells_of(l as usize) {
                        members[cell].push(l);
                    }
                }
                Some(members)
            }
        };
        for cell in 0..self.cells.len() {
            let rows = match &members {
                None => self.rows(cell),
                Some(members) => Rows::Some(&members[cell]),
            };
            if !matches!(rows, Rows::Some([])) {
                self.inner.accumulate(rows, sign, &mut sums[cell * cell_len..(cell + 1) * cell_len]);
            }
        }
    }

    fn contract(&self, coefficients: &[f32], sign: Sign) -> Vec<f32> {
        let cell_len = self.inner.n_dimensions();
        let mut sums = vec![0.0_f64; self.n_descriptors()];
        for (cell, members) in self.cells.iter().enumerate() {
            if members.is_empty() {
                continue;
            }
            let coefficients = &coefficients[cell * cell_len..(cell + 1) * cell_len];
            let products = self.inner.contract_rows(self.rows(cell), coefficients, sign);
            for (&l, product) in members.iter().zip(products) {
                sums[l as usize] += f64::from(product);
            }
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }

    fn unreached(&self) -> Vec<bool> {
        let cell_len = self.inner.n_dimensions();
        let mut unreached = Vec::with_capacity(self.n_dimensions());
        let mut sums = vec![0.0; cell_len];
        for cell in 0..self.cells.len() {
            if self.holds_all(cell) {
                unreached.extend(self.inner.unreached());
            } else {
                sums.fill(0.0);
                if !self.cells[cell].is_empty() {
                    self.inner.accumulate(self.rows(cell), Sign::Absolute, &mut sums);
                }
                unreached.extend(sums.iter().map(|&sum| sum == 0.0));
            }
        }
        unreached
    }

    fn cell_counts(&self) -> Vec<usize> {
        self.cells.iter().map(Vec::len).collect()
    }

    fn cell_counts_of(&self, rows: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; self.cells.len()];
        for &l in rows {
            for cell in self.cells_of(l as usize) {
                counts[cell] += 1;
            }
        }
        counts
    }
}
