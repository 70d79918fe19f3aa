//! What an extractor of local descriptors is, and what it returns.

use ndarray::{Array2, ArrayView2};

use crate::{DescriptorError, Frame, SupportSquare};

/// The local descriptors of one image.
///
/// Row `l` of `values` belongs to `frames[l]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalDescriptors {
    /// Where each descriptor lies, N entries.
    pub frames: Vec<Frame>,
    /// The descriptors `(N, n_features)`, C order.
    pub values: Array2<f32>,
}

impl Default for LocalDescriptors {
    /// No descriptor, of no feature.
    fn default() -> Self {
        Self { frames: Vec::new(), values: Array2::zeros((0, 0)) }
    }
}

impl LocalDescriptors {
    /// Number of descriptors N.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is no descriptor.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Turns a grey image into local descriptors.
pub trait DescriptorExtractor: Send + Sync {
    /// Entries of one descriptor.
    fn n_features(&self) -> usize;

    /// The descriptors of `image` `(height, width)`, grey values in `[0, 1]`.
    ///
    /// Runs on the calling thread only, as images are what callers run in parallel. An image smaller than the grid
    /// gives zero descriptors, not an error.
    ///
    /// # Errors
    /// [`DescriptorError::Pixel`] when a pixel lies outside `[0, 1]` or is not a number.
    fn extract(&self, image: ArrayView2<'_, f32>) -> Result<LocalDescriptors, DescriptorError>;

    /// Like [`extract`](Self::extract), into memory that is used again: what `descriptors` held is replaced.
    ///
    /// The descriptors of one photograph take some 38 MB, and fresh memory of that size can cost more than the
    /// extraction; a thread that describes many images keeps one `LocalDescriptors` and hands it in each time.
    ///
    /// # Errors
    /// Those of [`extract`](Self::extract); `descriptors` is then left valid, with unspecified content.
    fn extract_into(
        &self,
        image: ArrayView2<'_, f32>,
        descriptors: &mut LocalDescriptors,
    ) -> Result<(), DescriptorError> {
        *descriptors = self.extract(image)?;
        Ok(())
    }

    /// Like [`extract`](Self::extract), a block of descriptors at a time, in the same order: `take` gets their frames and, as rows, the
    /// descriptors themselves.
    ///
    /// What is done with each block then finds it in the processor's cache, and the descriptors of the whole image never lie in memory.
    ///
    /// # Errors
    /// Those of [`extract`](Self::extract).
    fn extract_blocks(
        &self,
        image: ArrayView2<'_, f32>,
        take: &mut dyn FnMut(&[Frame], ArrayView2<'_, f32>),
    ) -> Result<(), DescriptorError> {
        let descriptors = self.extract(image)?;
        take(&descriptors.frames, descriptors.values.view());
        Ok(())
    }

    /// The descriptors that pixels inside `changed` have a part in, when the rest of `image` is as it was: `take` gets their places in
    /// the order of [`extract`](Self::extract) and, as rows, the descriptors of the image as it is now.
    ///
    /// Lets a caller who alters a few pixels at a time keep what he knows of the other descriptors. The same bits as in a
    /// whole extraction. Returns false, with `take` not called, where the extractor cannot say which descriptors those are,
    /// as one that chooses its places by what it sees; the caller then extracts everything anew.
    ///
    /// # Errors
    /// Those of [`extract`](Self::extract).
    fn extract_touched(
        &self,
        image: ArrayView2<'_, f32>,
        changed: SupportSquare,
        take: &mut dyn FnMut(&[u32], ArrayView2<'_, f32>),
    ) -> Result<bool, DescriptorError> {
        let _ = (image, changed, take);
        Ok(false)
    }

    /// A number that the descriptors of an image of this size do not exceed, for setting memory aside; 0 where it is not known.
    fn most_descriptors(&self, width: usize, height: usize) -> usize {
        let _ = (width, height);
        0
    }
}
