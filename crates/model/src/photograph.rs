//! One photograph on its way through the front stages: file → descriptors → projected descriptors.

use std::path::Path;

use anyhow::{Context as _, Result};
use fisherlens_descriptors::{DescriptorExtractor, Frame, LocalDescriptors, Pca, Photograph};
use fisherlens_fisher::DescriptorSet;
use ndarray::{Array2, ArrayView2};

/// The projected descriptors of one image.
#[derive(Debug, Clone)]
pub struct Described {
    /// Width of the image in pixels.
    pub width: usize,
    /// Height of the image in pixels.
    pub height: usize,
    /// Where the descriptors were taken.
    pub frames: Vec<Frame>,
    /// `(N, n_components)`.
    pub values: Array2<f32>,
    /// Centres as fractions of width and height.
    pub positions: Vec<[f32; 2]>,
}

/// Reads and decodes a photograph.
///
/// # Errors
/// The file's name with what is wrong with it.
pub fn read(path: &Path) -> Result<Photograph> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Photograph::decode(&bytes).with_context(|| format!("cannot decode {}", path.display()))
}

/// Reads a photograph of a user's own: the way up that its EXIF data says, and at most `max_side` pixels long where that is not 0.
///
/// # Errors
/// The file's name with what is wrong with it.
pub fn read_upright(path: &Path, max_side: usize) -> Result<Photograph> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let photograph = Photograph::decode_upright(&bytes).with_context(|| format!("cannot decode {}", path.display()))?;
    Ok(if max_side == 0 { photograph } else { photograph.fitted(max_side) })
}

/// Local descriptors of a photograph's grey values.
///
/// # Errors
/// The extractor's own, with the file's name.
pub fn extract(extractor: &dyn DescriptorExtractor, photograph: &Photograph, path: &Path) -> Result<LocalDescriptors> {
    let mut descriptors = LocalDescriptors::default();
    extract_into(extractor, photograph, path, &mut descriptors)?;
    Ok(descriptors)
}

/// [`extract`] into memory that is used again.
///
/// # Errors
/// See [`extract`].
pub fn extract_into(
    extractor: &dyn DescriptorExtractor,
    photograph: &Photograph,
    path: &Path,
    descriptors: &mut LocalDescriptors,
) -> Result<()> {
    let extracted = extractor.extract_into(photograph.gray().view(), descriptors);
    extracted.with_context(|| format!("no descriptors of {}", path.display()))
}

/// Frames of a photograph's descriptors alone.
///
/// # Errors
/// See [`extract`].
pub fn frames(extractor: &dyn DescriptorExtractor, photograph: &Photograph, path: &Path) -> Result<Vec<Frame>> {
    let mut frames = Vec::with_capacity(extractor.max_descriptors(photograph.width(), photograph.height()));
    extractor
        .extract_blocks(photograph.gray().view(), &mut |block, _| frames.extend_from_slice(block))
        .with_context(|| format!("no descriptors of {}", path.display()))?;
    Ok(frames)
}

impl Described {
    /// Extracts and projects.
    ///
    /// # Errors
    /// See [`extract`]; also a projection learned from descriptors of another length.
    pub fn new(extractor: &dyn DescriptorExtractor, pca: &Pca, photograph: &Photograph, path: &Path) -> Result<Self> {
        Self::from_gray(extractor, pca, photograph.gray().view(), path)
    }

    /// From grey values `(height, width)`; `path` names the photograph in errors. Blocks of descriptors are projected as they are extracted.
    ///
    /// # Errors
    /// See [`Described::new`].
    pub fn from_gray(
        extractor: &dyn DescriptorExtractor,
        pca: &Pca,
        gray: ArrayView2<'_, f32>,
        path: &Path,
    ) -> Result<Self> {
        let (height, width) = gray.dim();
        let expected = extractor.max_descriptors(width, height);
        let mut frames = Vec::with_capacity(expected);
        let mut values = Vec::with_capacity(expected * pca.n_components());
        let mut projected = Ok(());
        let mut take = |block: &[Frame], descriptors: ArrayView2<'_, f32>| {
            if projected.is_ok() {
                frames.extend_from_slice(block);
                projected = pca.project_onto(descriptors, &mut values);
            }
        };
        let extracted = extractor.extract_blocks(gray, &mut take);
        extracted.with_context(|| format!("no descriptors of {}", path.display()))?;
        projected?;
        let values = Array2::from_shape_vec((frames.len(), pca.n_components()), values)?;
        let positions = frames.iter().map(|frame| [frame.x / width as f32, frame.y / height as f32]).collect();
        Ok(Self { width, height, frames, values, positions })
    }

    /// From a file.
    ///
    /// # Errors
    /// See [`read`] and [`Described::new`].
    pub fn from_file(extractor: &dyn DescriptorExtractor, pca: &Pca, path: &Path) -> Result<Self> {
        Self::new(extractor, pca, &read(path)?, path)
    }

    /// The set that an encoder maps.
    pub fn set(&self) -> DescriptorSet<'_> {
        DescriptorSet { values: self.values.view(), positions: &self.positions }
    }

    /// Whether the image is too small for a single descriptor.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}
