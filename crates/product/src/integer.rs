//! Products of matrices of 16-bit integers, with exact sums in 32 bits.
//!
//! A sum of integers has no rounding error, so it has the same bits in every order of summation and on every processor. Processors multiply
//! 16-bit integers faster than `f32`: a processor with AVX-512 VNNI or AVX2 makes about twice as many products per second. A caller that
//! rounds its numbers to integers knows the largest error that the rounding can cause, because the product adds none.
//!
//! ```
//! use fisherlens_product::{GROUP, IntegerPanels, Pair, Tile, multiply_integers};
//!
//! // Two rows (1, 2, 3) and (−1, 0, 1), times the transpose of two rows (1, 1, 1) and (2, 0, −2), each filled up with zeros.
//! let row = |first: Pair, second: Pair| [vec![first, second], vec![[0, 0]; GROUP - 2]].concat();
//! let a = [row([1, 2], [3, 0]), row([-1, 0], [1, 0])].concat();
//! let b = [row([1, 1], [1, 0]), row([2, 0], [-2, 0])].concat();
//! let panels = IntegerPanels::new(&b, 2, GROUP);
//! let mut products = Vec::new();
//! multiply_integers(&a, GROUP, &panels, |_, _, tile: &Tile| {
//!     products.extend(tile[..2].iter().map(|row| [row[0], row[1]]));
//! });
//! assert_eq!(products, [[6, -4], [0, -4]]);
//! ```

/// Two consecutive integers of one row. Processors multiply integers of 16 bits in pairs and add the two products.
pub type Pair = [i16; 2];

/// The number of pairs of a row is a multiple of this number. Rows are filled up with zeros.
pub const GROUP: usize = 8;
/// Rows of a [`Tile`].
pub const TILE_ROWS: usize = 12;
/// Columns of a [`Tile`], and of a panel of [`IntegerPanels`].
pub const TILE_COLUMNS: usize = 32;
/// A part of the product: the sums of some rows and some columns.
pub type Tile = [[i32; TILE_COLUMNS]; TILE_ROWS];

/// One step of a panel: a pair of each of its columns.
type Step = [Pair; TILE_COLUMNS];

/// The right factor of a product, in the order in which the product reads it.
#[derive(Debug, Clone)]
pub struct IntegerPanels {
    n_panels: usize,
    n_pairs: usize,
    /// Panel after panel, each of `n_pairs` steps. The columns that fill up the last panel are 0.
    steps: Vec<Step>,
}

impl IntegerPanels {
    /// From the transpose of the factor: `columns` has `n_columns` rows of `n_pairs` pairs, one row per column of the factor.
    ///
    /// # Panics
    /// If `n_pairs` is not a multiple of [`GROUP`], or the length of `columns` is not `n_columns · n_pairs`.
    pub fn new(columns: &[Pair], n_columns: usize, n_pairs: usize) -> Self {
        assert!(n_pairs.is_multiple_of(GROUP), "the number of pairs must be a multiple of {GROUP}");
        assert_eq!(columns.len(), n_columns * n_pairs, "each column has the same number of pairs");
        let n_panels = n_columns.div_ceil(TILE_COLUMNS);
        let mut steps = vec![[[0; 2]; TILE_COLUMNS]; n_panels * n_pairs];
        for (column, pairs) in columns.chunks_exact(n_pairs.max(1)).enumerate() {
            let panel = &mut steps[column / TILE_COLUMNS * n_pairs..][..n_pairs];
            for (step, &pair) in panel.iter_mut().zip(pairs) {
                step[column % TILE_COLUMNS] = pair;
            }
        }
        Self { n_panels, n_pairs, steps }
    }

    fn panel(&self, panel: usize) -> &[Step] {
        &self.steps[panel * self.n_pairs..][..self.n_pairs]
    }
}

/// `A · B`, tile by tile.
///
/// `rows`: A, row after row, `n_pairs` pairs each. `sink` gets each tile with its first row and its first column. Entries of a tile beyond
/// the last row of A have no meaning; columns beyond the last column of B are 0.
///
/// Each sum is the exact one modulo 2³², as an `i32`. It is the exact sum if this lies between −2³¹ and 2³¹ − 1, whatever the partial sums
/// are. That is certain if the product of the Euclidean lengths of the row and the column is below 2³¹.
///
/// # Panics
/// If the length of `rows` is not a multiple of `n_pairs`, or if B has another number of pairs per column.
pub fn multiply_integers(
    rows: &[Pair],
    n_pairs: usize,
    panels: &IntegerPanels,
    mut sink: impl FnMut(usize, usize, &Tile),
) {
    assert_eq!(n_pairs, panels.n_pairs, "both factors must have the same number of pairs");
    if n_pairs == 0 {
        assert!(rows.is_empty(), "rows without pairs have no length");
        return;
    }
    assert!(rows.len().is_multiple_of(n_pairs), "each row has the same number of pairs");
    let n_rows = rows.len() / n_pairs;
    for first in (0..n_rows).step_by(TILE_ROWS) {
        let tile_rows = tile_rows(rows, n_pairs, first, n_rows);
        for panel in 0..panels.n_panels {
            let mut tile = [[0; TILE_COLUMNS]; TILE_ROWS];
            add_products(&tile_rows, panels.panel(panel), &mut tile);
            sink(first, panel * TILE_COLUMNS, &tile);
        }
    }
}

/// The rows of the tile that starts at row `first`. The last row stands in for rows that do not exist.
fn tile_rows(rows: &[Pair], n_pairs: usize, first: usize, n_rows: usize) -> [&[Pair]; TILE_ROWS] {
    std::array::from_fn(|r| &rows[(first + r).min(n_rows - 1) * n_pairs..][..n_pairs])
}

/// Adds the products of the rows with one panel to `tile`. Each row has as many pairs as the panel has steps.
fn add_products(rows: &[&[Pair]; TILE_ROWS], panel: &[Step], tile: &mut Tile) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            #[expect(unsafe_code, reason = "functions for a kind of processor that was found at run time")]
            // SAFETY: the processor has the features that the function needs.
            unsafe {
                if is_x86_feature_detected!("avx512vnni") {
                    return x86::add_products_vnni(rows, panel, tile);
                }
                return x86::add_products_avx512(rows, panel, tile);
            }
        }
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "a function for a kind of processor that was found at run time")]
            // SAFETY: the processor has the features that the function needs.
            return unsafe { x86::add_products_avx2(rows, panel, tile) };
        }
    }
    add_products_plain(rows, panel, tile);
}

/// The same for every processor.
fn add_products_plain(rows: &[&[Pair]; TILE_ROWS], panel: &[Step], tile: &mut Tile) {
    for (row, sums) in rows.iter().zip(tile) {
        for (left, step) in row.iter().zip(panel) {
            for (sum, right) in sums.iter_mut().zip(step) {
                // The sum of two products lies outside of `i32` only if all four numbers are −2¹⁵; the wrapping sum is right even then.
                let products = [0, 1].map(|i| i32::from(left[i]) * i32::from(right[i]));
                *sum = sum.wrapping_add(products[0].wrapping_add(products[1]));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi32, _mm256_madd_epi16, _mm256_set1_epi32, _mm512_add_epi32,
        _mm512_dpwssd_epi32, _mm512_madd_epi16, _mm512_set1_epi32,
    };
    use std::array::from_fn;

    use bytemuck::{Pod, cast};

    use super::{GROUP, Pair, Step, TILE_COLUMNS, TILE_ROWS, Tile};

    /// Sums in one register of 512 bits.
    const WIDE: usize = 16;
    /// Registers of 512 bits per row of a tile.
    const N_WIDE: usize = TILE_COLUMNS / WIDE;
    /// Sums in one register of 256 bits.
    const NARROW: usize = 8;
    /// Registers of 256 bits per row of a tile.
    const N_NARROW: usize = TILE_COLUMNS / NARROW;
    /// Rows that the version for AVX2 multiplies at once: their sums and factors fit into its 16 registers.
    const FEW_ROWS: usize = 2;

    macro_rules! wide_version {
        ($name:ident, $features:literal, $multiply_add:expr) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(rows: &[&[Pair]; TILE_ROWS], panel: &[Step], tile: &mut Tile) {
                let mut sums: [[__m512i; N_WIDE]; TILE_ROWS] = from_fn(|r| from_fn(|part| wide(&tile[r], part)));
                for (group, steps) in panel.as_chunks::<GROUP>().0.iter().enumerate() {
                    // Within a group the places are constants, so that nothing is checked between the products.
                    let rows: [&[Pair; GROUP]; TILE_ROWS] = from_fn(|r| &rows[r].as_chunks::<GROUP>().0[group]);
                    for (at, step) in steps.iter().enumerate() {
                        let right: [__m512i; N_WIDE] = from_fn(|part| wide(step, part));
                        for (row, sums) in rows.iter().zip(&mut sums) {
                            let left = _mm512_set1_epi32(cast(row[at]));
                            for (sum, &right) in sums.iter_mut().zip(&right) {
                                *sum = $multiply_add(*sum, left, right);
                            }
                        }
                    }
                }
                for (row, sums) in tile.iter_mut().zip(sums) {
                    for (target, sums) in row.as_chunks_mut::<WIDE>().0.iter_mut().zip(sums) {
                        *target = cast(sums);
                    }
                }
            }
        };
    }

    wide_version!(add_products_vnni, "avx512f,avx512bw,avx512vnni", |sum, left, right| {
        _mm512_dpwssd_epi32(sum, left, right)
    });
    wide_version!(add_products_avx512, "avx512f,avx512bw", |sum, left, right| {
        _mm512_add_epi32(sum, _mm512_madd_epi16(left, right))
    });

    #[target_feature(enable = "avx2")]
    pub(super) fn add_products_avx2(rows: &[&[Pair]; TILE_ROWS], panel: &[Step], tile: &mut Tile) {
        for (rows, tile) in rows.as_chunks::<FEW_ROWS>().0.iter().zip(tile.as_chunks_mut::<FEW_ROWS>().0) {
            let mut sums: [[__m256i; N_NARROW]; FEW_ROWS] = from_fn(|r| from_fn(|part| narrow(&tile[r], part)));
            for (group, steps) in panel.as_chunks::<GROUP>().0.iter().enumerate() {
                let rows: [&[Pair; GROUP]; FEW_ROWS] = from_fn(|r| &rows[r].as_chunks::<GROUP>().0[group]);
                for (at, step) in steps.iter().enumerate() {
                    let left: [__m256i; FEW_ROWS] = from_fn(|r| _mm256_set1_epi32(cast(rows[r][at])));
                    for part in 0..N_NARROW {
                        let right = narrow(step, part);
                        for (sums, &left) in sums.iter_mut().zip(&left) {
                            sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(left, right));
                        }
                    }
                }
            }
            for (row, sums) in tile.iter_mut().zip(sums) {
                for (target, sums) in row.as_chunks_mut::<NARROW>().0.iter_mut().zip(sums) {
                    *target = cast(sums);
                }
            }
        }
    }

    /// Register `part` of a row of numbers of 32 bits.
    #[inline(always)]
    fn wide<T: Pod>(numbers: &[T; TILE_COLUMNS], part: usize) -> __m512i {
        cast(numbers.as_chunks::<WIDE>().0[part])
    }

    /// The same for 256 bits.
    #[inline(always)]
    fn narrow<T: Pod>(numbers: &[T; TILE_COLUMNS], part: usize) -> __m256i {
        cast(numbers.as_chunks::<NARROW>().0[part])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn integers(n: usize, seed: u64, bits: u32) -> Vec<Pair> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 48) as i16 >> (16 - bits)
        };
        (0..n).map(|_| [next(), next()]).collect()
    }

    fn slow(left: &[Pair], right: &[Pair]) -> i32 {
        let pairs = left.as_flattened().iter().zip(right.as_flattened());
        pairs.map(|(&left, &right)| i64::from(left) * i64::from(right)).sum::<i64>() as i32
    }

    proptest! {
        #[test]
        fn products_of_any_shape_equal_the_sums(
            m in 0_usize..40, n_groups in 1_usize..8, p in 0_usize..80, bits in 1_u32..=16,
        ) {
            let n_pairs = n_groups * GROUP;
            let (a, b) = (integers(m * n_pairs, 1, bits), integers(p * n_pairs, 2, bits));
            let mut found = vec![vec![0; p]; m];
            let panels = IntegerPanels::new(&b, p, n_pairs);
            multiply_integers(&a, n_pairs, &panels, |first_row, first_column, tile| {
                for (row, sums) in found[first_row..].iter_mut().zip(tile) {
                    for (column, &sum) in sums.iter().enumerate() {
                        match row.get_mut(first_column + column) {
                            Some(entry) => *entry = sum,
                            None => assert_eq!(sum, 0),
                        }
                    }
                }
            });
            for (row, left) in found.iter().zip(a.chunks_exact(n_pairs)) {
                for (&sum, right) in row.iter().zip(b.chunks_exact(n_pairs)) {
                    prop_assert_eq!(sum, slow(left, right));
                }
            }
        }
    }

    /// A version of the loop for one kind of processor.
    type Version = unsafe fn(&[&[Pair]; TILE_ROWS], &[Step], &mut Tile);

    #[test]
    fn all_versions_that_this_processor_runs_agree() {
        let mut versions: Vec<(&str, Version)> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected;
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            if wide && is_x86_feature_detected!("avx512vnni") {
                versions.push(("vnni", x86::add_products_vnni));
            }
            if wide {
                versions.push(("avx512", x86::add_products_avx512));
            }
            if is_x86_feature_detected!("avx2") {
                versions.push(("avx2", x86::add_products_avx2));
            }
        }
        for (n_pairs, bits) in [(8, 16), (40, 16), (80, 12)] {
            let rows = integers(TILE_ROWS * n_pairs, 3, bits);
            let mut columns = integers(TILE_COLUMNS * n_pairs, 4, bits);
            // The one product of a pair that does not fit into 32 bits.
            columns[0] = [i16::MIN; 2];
            let mut rows = rows;
            rows[0] = [i16::MIN; 2];
            let panels = IntegerPanels::new(&columns, TILE_COLUMNS, n_pairs);
            let tile_rows = tile_rows(&rows, n_pairs, 0, TILE_ROWS);
            let start: Tile = std::array::from_fn(|r| std::array::from_fn(|c| (r * 1000 + c) as i32 - 7));
            let mut expected = start;
            add_products_plain(&tile_rows, panels.panel(0), &mut expected);
            for (name, version) in &versions {
                let mut found = start;
                #[expect(unsafe_code, reason = "functions for a kind of processor that was found at run time")]
                // SAFETY: the list has only versions that this processor can run.
                unsafe {
                    version(&tile_rows, panels.panel(0), &mut found);
                }
                assert_eq!(found, expected, "{name}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "both factors must have the same number of pairs")]
    fn factors_that_do_not_fit_panic() {
        multiply_integers(&[[1, 1]; 16], 16, &IntegerPanels::new(&[[1, 1]; 8], 1, 8), |_, _, _| ());
    }
}
