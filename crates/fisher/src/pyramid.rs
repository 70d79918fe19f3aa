//! Spatial pyramids: one vector for each cell of some grids, one after the other.

use crate::assigned::check;
use crate::{DescriptorSet, Encoder, FisherError, Layout, Mapping, Rows, Sign};

/// Cells that the image is cut into, of equal width and height.
///
/// Three horizontal bands, often written 3x1, are `columns: 1, rows: 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grid {
    /// Cells from left to right.
    pub columns: usize,
    /// Cells from top to bottom.
    pub rows: usize,
}

impl Grid {
    /// Cells of the grid.
    pub fn n_cells(&self) -> usize {
        self.columns * self.rows
    }

    /// The cell of a position, row by row from the top left. A position on a border is in the cell right of it or below;
    /// what lies outside [0, 1) is in the outermost cell.
    pub fn cell(&self, position: [f32; 2]) -> usize {
        // Compared with the rounded border rather than multiplied, so that a position computed as j/n is on it exactly.
        let along = |value: f32, n: usize| (1..n).filter(|&border| value >= border as f32 / n as f32).count();
        along(position[1], self.rows) * self.columns + along(position[0], self.columns)
    }
}

/// An encoder applied to every cell of some grids.
///
/// ```text
/// m_(c,d)(l) = m_d(l) for l in cell c, 0 outside;   x_(c,d) = Σ_l m_(c,d)(l) / descriptors in c,   0 in an empty cell
/// ```
/// Cells follow one another grid by grid, in a grid row by row. [`Mapping::n_descriptors`] and [`Mapping::unreached`] are
/// those of the image, so that relevance of dimensions that no descriptor reaches, an empty cell's too, goes to all of it.
///
/// # References
/// `lazebnik2006`; means by cell as in VLFeat's and `chatfield2011`'s encoders.
#[derive(Debug, Clone, PartialEq)]
pub struct Pyramid<E> {
    encoder: E,
    grids: Vec<Grid>,
}

impl<E: Encoder> Pyramid<E> {
    /// `encoder` (a `Box<dyn Encoder>` will do) on all cells of `grids`.
    ///
    /// # Errors
    /// [`FisherError::Parameter`] for no grid, a grid without cells, or an encoder that has cells already.
    pub fn new(encoder: E, grids: &[Grid]) -> Result<Self, FisherError> {
        let refuse = |name, found, expected| Err(FisherError::Parameter { name, found, expected });
        if grids.is_empty() {
            return refuse("grids", "an empty list".to_owned(), "at least one grid");
        }
        if let Some(grid) = grids.iter().find(|grid| grid.n_cells() == 0) {
            return refuse("grids", format!("{grid:?}"), "grids of at least one column and one row");
        }
        let n_cells = encoder.layout().n_cells;
        if n_cells != 1 {
            return refuse(
                "encoder",
                format!("an encoder of {n_cells} cells"),
                "one without cells, all grids in one pyramid",
            );
        }
        Ok(Self { encoder, grids: grids.to_vec() })
    }

    /// The encoder of a cell.
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
        check(&descriptors, self.n_features())?;
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

struct PyramidMapping<'a> {
    inner: Box<dyn Mapping + 'a>,
    grids: &'a [Grid],
    positions: &'a [[f32; 2]],
    /// Descriptors of each cell, rising.
    cells: Vec<Vec<u32>>,
}

impl PyramidMapping<'_> {
    /// The cells of a descriptor, one a grid.
    fn cells_of(&self, l: usize) -> impl Iterator<Item = usize> {
        let mut first = 0;
        self.grids.iter().map(move |grid| {
            let cell = first + grid.cell(self.positions[l]);
            first += grid.n_cells();
            cell
        })
    }

    /// All descriptors are in the cell, so that the encoder's pass over the whole image will do.
    fn whole(&self, cell: usize) -> bool {
        self.cells[cell].len() == self.inner.n_descriptors()
    }

    fn rows(&self, cell: usize) -> Rows<'_> {
        if self.whole(cell) { Rows::All } else { Rows::Some(&self.cells[cell]) }
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
            if self.whole(cell) {
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
