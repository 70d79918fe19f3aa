//! The trait of extractors of local descriptors, and the descriptors of one image.

use ndarray::{Array2, ArrayView2};

use crate::error::DescriptorError;
use crate::frame::{Frame, SupportSquare};

/// The local descriptors of one image.
///
/// Row `l` of `values` belongs to `frames[l]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalDescriptors {
    /// The place of each descriptor, N entries.
    pub frames: Vec<Frame>,
    /// The descriptors `(N, n_features)`, in C order.
    pub values: Array2<f32>,
}

impl Default for LocalDescriptors {
    /// No descriptors, with rows of length 0.
    fn default() -> Self {
        Self { frames: Vec::new(), values: Array2::zeros((0, 0)) }
    }
}

impl LocalDescriptors {
    /// Number of descriptors N.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there are no descriptors.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Computes the local descriptors of a grey image.
///
/// The methods with a default implementation are faster ways to the same descriptors.
///
/// ```
/// use fisherlens_descriptors::{DescriptorError, DescriptorExtractor, Frame, LocalDescriptors};
/// use ndarray::{Array2, ArrayView2};
///
/// /// One descriptor per pixel: its grey value.
/// struct Pixels;
///
/// impl DescriptorExtractor for Pixels {
///     fn n_features(&self) -> usize {
///         1
///     }
///
///     fn extract(&self, image: ArrayView2<'_, f32>) -> Result<LocalDescriptors, DescriptorError> {
///         let frame = |(y, x): (usize, usize)| Frame { x: x as f32, y: y as f32, bin_size: 1, norm: 1.0 };
///         let frames = image.indexed_iter().map(|(place, _)| frame(place)).collect();
///         let values = Array2::from_shape_fn((image.len(), 1), |(l, _)| image[[l / image.ncols(), l % image.ncols()]]);
///         Ok(LocalDescriptors { frames, values })
///     }
/// }
///
/// let descriptors = Pixels.extract(Array2::from_elem((2, 3), 0.5).view())?;
/// assert_eq!(descriptors.values.dim(), (6, 1));
/// assert_eq!((descriptors.frames[5].x, descriptors.frames[5].y), (2.0, 1.0));
/// # Ok::<(), DescriptorError>(())
/// ```
pub trait DescriptorExtractor: Send + Sync {
    /// Number of entries of one descriptor.
    fn n_features(&self) -> usize;

    /// The descriptors of `image` `(height, width)`, grey values in `[0, 1]`.
    ///
    /// It runs on the calling thread only, because callers process several images in parallel. An image that is too small for a
    /// descriptor gives 0 descriptors; it is not an error.
    ///
    /// # Errors
    /// [`DescriptorError::Pixel`] if a pixel lies outside `[0, 1]` or is NaN.
    fn extract(&self, image: ArrayView2<'_, f32>) -> Result<LocalDescriptors, DescriptorError>;

    /// Like [`extract`](Self::extract), but writes into the memory of `descriptors`, whose old content is replaced.
    ///
    /// The descriptors of one photograph take about 38 MB, and new memory of that size can cost more time than the extraction. A thread
    /// that processes many images should keep one `LocalDescriptors` and pass it to each call.
    ///
    /// # Errors
    /// The errors of [`extract`](Self::extract). `descriptors` is then valid, but its content is unspecified.
    fn extract_into(
        &self,
        image: ArrayView2<'_, f32>,
        descriptors: &mut LocalDescriptors,
    ) -> Result<(), DescriptorError> {
        *descriptors = self.extract(image)?;
        Ok(())
    }

    /// Like [`extract`](Self::extract), but calls `take` with one block of descriptors after the other: their frames and, as rows, the
    /// descriptors themselves.
    ///
    /// The order of the descriptors is the same. `take` finds each block in the processor's cache, and the descriptors of the whole image
    /// are never in memory at once.
    ///
    /// # Errors
    /// The errors of [`extract`](Self::extract).
    fn extract_blocks(
        &self,
        image: ArrayView2<'_, f32>,
        take: &mut dyn FnMut(&[Frame], ArrayView2<'_, f32>),
    ) -> Result<(), DescriptorError> {
        let descriptors = self.extract(image)?;
        take(&descriptors.frames, descriptors.values.view());
        Ok(())
    }

    /// The parts into which the extraction from an image of this size can be divided, so that several threads can share it: the largest
    /// possible number of descriptors of each part. Nothing is divided if there is a single part.
    fn parts(&self, width: usize, height: usize) -> Vec<usize> {
        vec![self.max_descriptors(width, height)]
    }

    /// Like [`extract_blocks`](Self::extract_blocks), but extracts only one part. The parts one after the other give the descriptors of the
    /// image in their order.
    ///
    /// # Errors
    /// The errors of [`extract`](Self::extract).
    fn extract_part(
        &self,
        image: ArrayView2<'_, f32>,
        part: usize,
        take: &mut dyn FnMut(&[Frame], ArrayView2<'_, f32>),
    ) -> Result<(), DescriptorError> {
        if part == 0 { self.extract_blocks(image, take) } else { Ok(()) }
    }

    /// Extracts only the descriptors that depend on pixels inside `changed`.
    ///
    /// `take` receives blocks of them: their indices in the order of [`extract`](Self::extract) and, as rows, the descriptors of the image
    /// with its present pixels. They equal those of a whole extraction to the bit. A caller that changes a few pixels at a time can
    /// keep all other descriptors.
    ///
    /// Returns false, without a call of `take`, if the extractor cannot know which descriptors these are, for example because it chooses
    /// the places of its descriptors by the pixels. The caller must then extract all descriptors again.
    ///
    /// # Errors
    /// The errors of [`extract`](Self::extract).
    fn extract_touched(
        &self,
        image: ArrayView2<'_, f32>,
        changed: SupportSquare,
        take: &mut dyn FnMut(&[u32], ArrayView2<'_, f32>),
    ) -> Result<bool, DescriptorError> {
        let _ = (image, changed, take);
        Ok(false)
    }

    /// Where the descriptors of an image of this size lie, in their order, if that does not depend on the pixels. The contrasts are 0.
    fn places(&self, width: usize, height: usize) -> Option<Vec<Frame>> {
        let _ = (width, height);
        None
    }

    /// Largest possible number of descriptors of an image of this size, for reserving memory; 0 if the extractor does not know it.
    fn max_descriptors(&self, width: usize, height: usize) -> usize {
        let _ = (width, height);
        0
    }
}
