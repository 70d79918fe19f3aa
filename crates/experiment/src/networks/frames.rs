//! Reads files for networks: weights, mean images, and photographs as frames and crops.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fisherlens_cnn::{Crop, Framing, Mean, Parameters, Placement, read_binaryproto, read_caffemodel, read_safetensors};
use fisherlens_dataset::ImageEntry;
use fisherlens_files::LARGEST_MODEL;
use ndarray::{Array3, Array4};

use crate::reading::Reading;

/// Reads weights, and computes a digest of the file. The ending of the file's name determines the format.
///
/// # Errors
/// A file that cannot be read or decoded; the message names it.
pub fn read_weights(path: &Path) -> Result<(Parameters, [u8; 32])> {
    let bytes = fisherlens_files::read(path, LARGEST_MODEL)
        .with_context(|| format!("cannot read the weights {}", path.display()))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let weights = match ending {
        "safetensors" => read_safetensors(&bytes),
        "caffemodel" => read_caffemodel(&bytes),
        _ => bail!("weights {}: the name ends in \"{ending}\", expected .caffemodel or .safetensors", path.display()),
    };
    Ok((weights.with_context(|| format!("weights {}", path.display()))?, *blake3::hash(&bytes).as_bytes()))
}

/// A photograph in its frame.
///
/// # Errors
/// A file that cannot be read or decoded; the message names it.
pub fn framed(entry: &ImageEntry, framing: Framing, side: usize) -> Result<(Array3<u8>, Placement)> {
    let photograph = Reading::Stored.photograph(entry)?;
    framing.frame(photograph.rgb().view(), side).with_context(|| format!("photograph {}", entry.path.display()))
}

/// Crops of a photograph: the centre crop if `n_crops` is 1, otherwise ten crops.
///
/// # Errors
/// See [`framed`].
pub fn crops(
    entry: &ImageEntry,
    frame_side: usize,
    crop_side: usize,
    n_crops: usize,
    mean: &Mean,
) -> Result<Array4<f32>> {
    let (frame, _) = framed(entry, Framing::Padded, frame_side)?;
    let size = (frame.dim().0, frame.dim().1);
    let crops = match n_crops {
        1 => vec![Crop::centre(size, crop_side)?],
        _ => Crop::ten(size, crop_side)?,
    };
    Ok(mean.inputs(&frame, &crops)?)
}

/// Reads a mean image.
///
/// # Errors
/// A file that cannot be read or decoded; the message names it.
pub fn read_mean(path: &Path) -> Result<Mean> {
    let bytes = fisherlens_files::read(path, LARGEST_MODEL)
        .with_context(|| format!("cannot read the mean {}", path.display()))?;
    Ok(Mean::Image(read_binaryproto(&bytes).with_context(|| format!("mean {}", path.display()))?))
}
