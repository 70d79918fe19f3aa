//! The vectors of one half as they lie on the disk: read in blocks, never all in memory.

use std::error::Error;
use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::array::Borrowed;
use fisherlens_artifact::{Block, Mapped};
use fisherlens_classifier::Rows;
use fisherlens_fisher::quantized::{n_scales, roots};
use fisherlens_fisher::{Layout, Normalization};
use ndarray::{Array2, ArrayViewMut2};
use serde::Deserialize;

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::settings::sections::VectorFormat;
use crate::share::Chosen;
use crate::stages::encode;

/// Normalised vectors Φ(x) of one half, in files that are mapped into memory.
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
    /// `(n_images, n_scales)` if the entries have 8 bits.
    scales: Option<Array2<f32>>,
}

/// A shard of either format, as it lies in its file.
#[derive(Deserialize)]
struct Seen<'a> {
    n_descriptors: Vec<u32>,
    #[serde(borrow)]
    vectors: Option<Borrowed<'a>>,
    #[serde(borrow)]
    codes: Option<Borrowed<'a>>,
    scales: Option<Block<Array2<f32>>>,
}

/// The vectors of one half, and the number of descriptors of each image. The checksums of all shards are verified.
///
/// # Errors
/// See [`encode::ensure_shards`]; a damaged shard.
pub fn open(experiment: &Experiment, keys: &Keys, half: Half) -> Result<(StoredRows, Vec<u32>)> {
    encode::ensure_shards(experiment, keys, half, Chosen::All)?;
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
            let Block(scales) = seen.scales.context("it has no scales")?;
            let expected = (n_images, n_scales(layout));
            ensure!(scales.dim() == expected, "it has scales of the shape {:?}, expected {expected:?}", scales.dim());
            Some(scales)
        }
    };
    let entries = file.range_of(array.data);
    let n_descriptors = seen.n_descriptors;
    Ok((StoredShard { file, entries, scales }, n_descriptors))
}

impl Rows for StoredRows {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_dimensions(&self) -> usize {
        self.layout.len()
    }

    fn read(&self, rows: Range<usize>, mut target: ArrayViewMut2<'_, f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        for (row, mut target) in rows.zip(target.rows_mut()) {
            let target = target.as_slice_mut().ok_or("the target of a vector must be in C order")?;
            let (shard, place) = (&self.shards[row / self.shard_size], row % self.shard_size);
            let entries = &shard.file.payload()[shard.entries.clone()];
            let n_bytes = entries.len() / shard_len(self.n_rows, self.shard_size, row);
            let entries = &entries[place * n_bytes..(place + 1) * n_bytes];
            if let Some(scales) = &shard.scales {
                let scales = scales.row(place);
                let scales = scales.as_slice().ok_or("scales must be in C order")?;
                roots(bytemuck::cast_slice(entries), scales, &self.layout, target);
                self.normalization.apply_to_roots(target, &self.layout);
            } else {
                bytemuck::cast_slice_mut(target).copy_from_slice(entries);
                self.normalization.apply(target, &self.layout);
            }
        }
        Ok(())
    }
}

/// Number of rows in the shard of a row.
fn shard_len(n_rows: usize, shard_size: usize, row: usize) -> usize {
    let start = row / shard_size * shard_size;
    shard_size.min(n_rows - start)
}
