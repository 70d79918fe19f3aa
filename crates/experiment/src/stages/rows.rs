//! The stored vectors of one half: read in blocks from files that are mapped into memory, or all at once.

use std::error::Error;
use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::Mapped;
use fisherlens_artifact::array::Borrowed;
use fisherlens_classifier::RowSource;
use fisherlens_fisher::quantized::{n_scales, roots};
use fisherlens_fisher::{Layout, Normalization};
use ndarray::{Array2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use serde::Deserialize;

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::settings::sections::VectorFormat;
use crate::share::Chosen;
use crate::stages::encode;

/// The vectors of one half, in files that are mapped into memory.
#[derive(Debug)]
pub struct StoredRows {
    shards: Vec<StoredShard>,
    shard_size: usize,
    n_rows: usize,
    layout: Layout,
    normalization: Normalization,
}

#[derive(Debug)]
struct StoredShard {
    file: Mapped,
    /// Where the entries of the vectors lie in the payload.
    entries: Range<usize>,
    /// Where the scales `(n_images, n_scales)` lie, if the entries have 8 bits.
    scales: Option<Range<usize>>,
}

/// A shard of either format, as it lies in its file.
#[derive(Deserialize)]
struct Seen<'a> {
    n_descriptors: Vec<u32>,
    #[serde(borrow)]
    vectors: Option<Borrowed<'a>>,
    #[serde(borrow)]
    codes: Option<Borrowed<'a>>,
    #[serde(borrow)]
    scales: Option<Borrowed<'a>>,
}

/// The vectors of one half, and the number of descriptors of each image. The checksums of all shards are verified.
///
/// # Errors
/// See [`encode::ensure_shards`]; a damaged shard.
pub fn open(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(StoredRows, Vec<u32>)> {
    encode::ensure_shards(experiment, std::slice::from_ref(keys), half, Chosen::All)?;
    let core = &experiment.core;
    let layout = encode::encoder(experiment, keys)?.layout();
    let images = core.dataset.half(half);
    let mut shards = Vec::new();
    let mut n_descriptors = Vec::with_capacity(images.len());
    for (index, range) in images.shards(core.shard_size).into_iter().enumerate() {
        core.interrupt.check()?;
        let address = encode::address(keys, half, index);
        let file = core.store.map(&address)?;
        let file = file.with_context(|| {
            format!("the artifact {address} was removed while it was needed; run the same command again")
        })?;
        let format = experiment.settings.data.vectors;
        let (shard, counts) = opened(file, &layout, range.len(), format)
            .with_context(|| format!("the artifact {address} does not hold the vectors that are expected"))?;
        shards.push(shard);
        n_descriptors.extend(counts);
    }
    let normalization = experiment.settings.encoder.normalization;
    let n_rows = images.len();
    Ok((StoredRows { shards, shard_size: core.shard_size, n_rows, layout, normalization }, n_descriptors))
}

fn opened(file: Mapped, layout: &Layout, n_images: usize, format: VectorFormat) -> Result<(StoredShard, Vec<u32>)> {
    let seen: Seen<'_> = rmp_serde::from_slice(file.payload())?;
    let array = match format {
        VectorFormat::F32 => seen.vectors,
        VectorFormat::Int8 => seen.codes,
    };
    let array = array.context("it has no vectors")?;
    match format {
        VectorFormat::F32 => array.check::<f32>(),
        VectorFormat::Int8 => array.check::<i8>(),
    }
    .map_err(anyhow::Error::msg)?;
    let expected = [n_images, layout.len()];
    ensure!(array.shape == expected, "it has vectors of the shape {:?}, expected {expected:?}", array.shape);
    ensure!(seen.n_descriptors.len() == n_images, "it counts the descriptors of {} images", seen.n_descriptors.len());
    let scales = match format {
        VectorFormat::F32 => None,
        VectorFormat::Int8 => {
            let scales = seen.scales.context("it has no scales")?;
            scales.check::<f32>().map_err(anyhow::Error::msg)?;
            let expected = [n_images, n_scales(layout)];
            ensure!(scales.shape == expected, "it has scales of the shape {:?}, expected {expected:?}", scales.shape);
            Some(file.range_of(scales.data))
        }
    };
    let entries = file.range_of(array.data);
    let n_descriptors = seen.n_descriptors;
    Ok((StoredShard { file, entries, scales }, n_descriptors))
}

/// Raw vectors of one half `(n_images, n_dimensions)` and the number of descriptors of each image.
///
/// # Errors
/// See [`open`].
pub fn raw(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(Array2<f32>, Vec<u32>)> {
    let (rows, n_descriptors) = open(experiment, keys, half)?;
    Ok((rows.all(StoredRows::read_raw), n_descriptors))
}

/// Normalised vectors Φ(x) of one half, and the number of descriptors of each image.
///
/// # Errors
/// See [`open`].
pub fn normalized(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(Array2<f32>, Vec<u32>)> {
    let (rows, n_descriptors) = open(experiment, keys, half)?;
    Ok((rows.all(StoredRows::read_normalized), n_descriptors))
}

/// A vector as it is stored.
enum Stored<'a> {
    /// The bytes of its entries. They lie anywhere in the file and not at a multiple of the size of a number.
    Raw(&'a [u8]),
    /// Codes and scales.
    Rounded(&'a [i8], Vec<f32>),
}

impl StoredRows {
    fn stored(&self, row: usize) -> Stored<'_> {
        let (shard, place) = (&self.shards[row / self.shard_size], row % self.shard_size);
        // One row of an array that begins at a byte of the payload.
        let row_of =
            |array: &Range<usize>, row_len: usize| &shard.file.payload()[array.start + place * row_len..][..row_len];
        match &shard.scales {
            None => Stored::Raw(row_of(&shard.entries, self.layout.len() * size_of::<f32>())),
            Some(scales) => {
                let codes = row_of(&shard.entries, self.layout.len());
                let scales = row_of(scales, n_scales(&self.layout) * size_of::<f32>());
                Stored::Rounded(bytemuck::cast_slice(codes), bytemuck::pod_collect_to_vec(scales))
            }
        }
    }

    fn read_raw(&self, row: usize, target: &mut [f32]) {
        match self.stored(row) {
            Stored::Raw(vector) => bytemuck::cast_slice_mut(target).copy_from_slice(vector),
            Stored::Rounded(codes, scales) => {
                roots(codes, &scales, &self.layout, target);
                for root in target {
                    *root *= root.abs();
                }
            }
        }
    }

    fn read_normalized(&self, row: usize, target: &mut [f32]) {
        match self.stored(row) {
            Stored::Raw(vector) => {
                bytemuck::cast_slice_mut(target).copy_from_slice(vector);
                self.normalization.apply(target, &self.layout);
            }
            Stored::Rounded(codes, scales) => {
                roots(codes, &scales, &self.layout, target);
                self.normalization.apply_to_roots(target, &self.layout);
            }
        }
    }

    /// All vectors in memory.
    fn all(&self, read: fn(&Self, usize, &mut [f32])) -> Array2<f32> {
        let mut vectors = Array2::zeros((self.n_rows, self.layout.len()));
        vectors.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut target)| {
            read(self, row, target.as_slice_mut().expect("rows of a C-ordered array are contiguous"));
        });
        vectors
    }
}

impl RowSource for StoredRows {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_dimensions(&self) -> usize {
        self.layout.len()
    }

    fn read(&self, rows: Range<usize>, mut target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        for (row, mut target) in rows.zip(target.rows_mut()) {
            self.read_normalized(row, target.as_slice_mut().ok_or("the target of a vector must be in C order")?);
        }
        Ok(())
    }
}
