//! One photograph on its way through the first stages: file → descriptors → projected descriptors.

use std::fs::File;
use std::io;
use std::path::Path;

use fisherlens_descriptors::{DescriptorError, DescriptorExtractor, Frame, LocalDescriptors, Pca, Photograph};
use fisherlens_files::read_stream;
use fisherlens_fisher::DescriptorSet;
use fisherlens_lanes::is_divided;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::error::ModelError;

/// Largest file of a photograph that is read. The largest accepted picture takes less, also without compression.
pub const MAX_BYTES: u64 = 256 << 20;

/// The projected descriptors of one image.
///
/// ```
/// use fisherlens_model::{Explainer, Model};
/// use ndarray::Array2;
///
/// let explainer = Explainer::from_model(&Model::shipped())?;
/// let described = explainer.describe_gray(Array2::from_elem((60, 90), 0.5).view())?;
/// assert_eq!((described.width, described.height), (90, 60));
/// assert_eq!(described.values.dim(), (described.frames.len(), explainer.pca().n_components()));
/// # Ok::<(), fisherlens_model::ModelError>(())
/// ```
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
/// [`ModelError::Read`] or [`ModelError::Decode`], with the name of the file.
pub fn read(path: &Path) -> Result<Photograph, ModelError> {
    decode(path, Photograph::decode)
}

/// Reads a photograph from outside a data set: turned as its EXIF data says, and shrunk so that its longer side has at most `max_side`
/// pixels. `max_side` 0 leaves the size as it is. The path `-` is standard input.
///
/// # Errors
/// [`ModelError::Read`] or [`ModelError::Decode`], with the name of the file.
pub fn read_upright(path: &Path, max_side: usize) -> Result<Photograph, ModelError> {
    let photograph = decode(path, Photograph::decode_upright)?;
    Ok(if max_side == 0 { photograph } else { photograph.fitted(max_side) })
}

fn decode(path: &Path, decode: fn(&[u8]) -> Result<Photograph, DescriptorError>) -> Result<Photograph, ModelError> {
    decode(&read_bytes(path)?).map_err(|source| ModelError::Decode { path: path.to_owned(), source })
}

/// Reads the bytes of a photograph's file, at most [`MAX_BYTES`]. The path `-` is standard input.
///
/// # Errors
/// [`ModelError::Read`], with the name of the file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    // A photograph may come from a pipe, such as `<(convert …)` in a shell, so this is not limited to regular files.
    let read = if path == Path::new("-") {
        read_stream(io::stdin().lock(), MAX_BYTES)
    } else {
        File::open(path).and_then(|file| read_stream(file, MAX_BYTES))
    };
    read.map_err(|source| ModelError::Read { path: path.to_owned(), source })
}

/// Local descriptors of a photograph's grey values; `path` names the photograph in errors.
///
/// # Errors
/// [`ModelError::Extract`] when the extractor refuses the photograph.
pub fn extract(
    extractor: &dyn DescriptorExtractor,
    photograph: &Photograph,
    path: &Path,
) -> Result<LocalDescriptors, ModelError> {
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
) -> Result<(), ModelError> {
    extractor.extract_into(photograph.gray().view(), descriptors).map_err(|error| refused(path, error))
}

/// Where the descriptors of a photograph lie. They are only extracted if that depends on the pixels; the contrasts of the frames are not known.
///
/// # Errors
/// See [`extract`].
pub fn places(
    extractor: &dyn DescriptorExtractor,
    photograph: &Photograph,
    path: &Path,
) -> Result<Vec<Frame>, ModelError> {
    if let Some(places) = extractor.places(photograph.width(), photograph.height()) {
        return Ok(places);
    }
    let mut frames = Vec::with_capacity(extractor.max_descriptors(photograph.width(), photograph.height()));
    extractor
        .extract_blocks(photograph.gray().view(), &mut |block, _| frames.extend_from_slice(block))
        .map_err(|error| refused(path, error))?;
    Ok(frames)
}

fn refused(path: &Path, source: DescriptorError) -> ModelError {
    ModelError::Extract { path: path.to_owned(), source }
}

impl Described {
    /// Extracts and projects; `path` names the photograph in errors.
    ///
    /// # Errors
    /// See [`extract`]; also a projection that was learned from descriptors of another length.
    pub fn new(
        extractor: &dyn DescriptorExtractor,
        pca: &Pca,
        photograph: &Photograph,
        path: &Path,
    ) -> Result<Self, ModelError> {
        Self::from_gray(extractor, pca, photograph.gray().view(), path)
    }

    /// Extracts from grey values `(height, width)` and projects; `path` names the image in errors.
    ///
    /// # Errors
    /// See [`Described::new`].
    pub fn from_gray(
        extractor: &dyn DescriptorExtractor,
        pca: &Pca,
        gray: ArrayView2<'_, f32>,
        path: &Path,
    ) -> Result<Self, ModelError> {
        let described = Self::of_each(extractor, &[pca], gray, path)?.pop();
        Ok(described.expect("one projection gives one result"))
    }

    /// [`Described::from_gray`] for several projections, with the descriptors extracted once. One result per projection.
    ///
    /// # Errors
    /// See [`Described::new`].
    pub fn of_each(
        extractor: &dyn DescriptorExtractor,
        pcas: &[&Pca],
        gray: ArrayView2<'_, f32>,
        path: &Path,
    ) -> Result<Vec<Self>, ModelError> {
        let (height, width) = gray.dim();
        let parts = extractor.parts(width, height);
        let (frames, values) = if is_divided() && parts.len() > 1 {
            describe_parts(extractor, pcas, gray, path, &parts)?
        } else {
            describe_whole(extractor, pcas, gray, path)?
        };
        let positions: Vec<_> = frames.iter().map(|frame| [frame.x / width as f32, frame.y / height as f32]).collect();
        // A single projection takes the frames without a copy.
        let shared = std::iter::repeat_n((frames, positions), pcas.len());
        let with_each = pcas.iter().zip(values).zip(shared).map(|((pca, values), (frames, positions))| {
            let values = Array2::from_shape_vec((frames.len(), pca.n_components()), values);
            let values = values.expect("an extractor gives one frame per descriptor");
            Self { width, height, frames, values, positions }
        });
        Ok(with_each.collect())
    }

    /// Reads a file, extracts and projects.
    ///
    /// # Errors
    /// See [`read`] and [`Described::new`].
    pub fn from_file(extractor: &dyn DescriptorExtractor, pca: &Pca, path: &Path) -> Result<Self, ModelError> {
        Self::new(extractor, pca, &read(path)?, path)
    }

    /// The descriptors and positions as encoders take them.
    pub fn set(&self) -> DescriptorSet<'_> {
        DescriptorSet { values: self.values.view(), positions: &self.positions }
    }

    /// Whether the image is too small for a single descriptor.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// The frames of an image, and its projected descriptors for each projection.
type Projected = (Vec<Frame>, Vec<Vec<f32>>);

fn describe_whole(
    extractor: &dyn DescriptorExtractor,
    pcas: &[&Pca],
    gray: ArrayView2<'_, f32>,
    path: &Path,
) -> Result<Projected, ModelError> {
    let expected = extractor.max_descriptors(gray.ncols(), gray.nrows());
    let mut frames = Vec::with_capacity(expected);
    let mut values: Vec<_> = pcas.iter().map(|pca| Vec::with_capacity(expected * pca.n_components())).collect();
    let mut projected = Ok(());
    // Each block is projected as soon as it is extracted, while the processor's cache still holds it.
    let mut take = |block: &[Frame], descriptors: ArrayView2<'_, f32>| {
        if projected.is_ok() {
            frames.extend_from_slice(block);
            let mut both = pcas.iter().zip(&mut values);
            projected = both.try_for_each(|(pca, values)| pca.project_onto(descriptors, values));
        }
    };
    extractor.extract_blocks(gray, &mut take).map_err(|error| refused(path, error))?;
    projected?;
    Ok((frames, values))
}

/// The same with all threads: each part of the extraction writes to its own place.
fn describe_parts(
    extractor: &dyn DescriptorExtractor,
    pcas: &[&Pca],
    gray: ArrayView2<'_, f32>,
    path: &Path,
    parts: &[usize],
) -> Result<Projected, ModelError> {
    let expected: usize = parts.iter().sum();
    let mut values: Vec<_> = pcas.iter().map(|pca| vec![0.0; expected * pca.n_components()]).collect();
    let mut rests: Vec<&mut [f32]> = values.iter_mut().map(Vec::as_mut_slice).collect();
    let mut split = |n_descriptors: usize| -> Vec<&mut [f32]> {
        let both = pcas.iter().zip(&mut rests);
        let first = both.map(|(pca, rest)| rest.split_off_mut(..n_descriptors * pca.n_components()));
        first.collect::<Option<_>>().expect("there is room for all parts")
    };
    let places: Vec<_> = parts.iter().map(|&n_descriptors| split(n_descriptors)).collect();
    let describe = |(part, mut places): (usize, Vec<&mut [f32]>)| {
        let mut frames = Vec::with_capacity(parts[part]);
        let mut projected = Ok(());
        let mut take = |block: &[Frame], descriptors: ArrayView2<'_, f32>| {
            if projected.is_ok() {
                let start = frames.len();
                frames.extend_from_slice(block);
                let mut both = pcas.iter().zip(&mut places);
                projected = both.try_for_each(|(pca, place)| {
                    let place = &mut place[start * pca.n_components()..frames.len() * pca.n_components()];
                    pca.project_into(descriptors, place)
                });
            }
        };
        extractor.extract_part(gray, part, &mut take).map_err(|error| refused(path, error))?;
        projected?;
        Ok(frames)
    };
    let frames: Vec<Vec<Frame>> =
        places.into_par_iter().enumerate().with_max_len(1).map(describe).collect::<Result<_, ModelError>>()?;
    let frames_found = frames.iter().map(Vec::len);
    if !frames_found.clone().eq(parts.iter().copied()) {
        // Some parts have fewer descriptors than they could have.
        for (pca, values) in pcas.iter().zip(&mut values) {
            let (mut from, mut to) = (0, 0);
            for (found, n_possible) in frames_found.clone().zip(parts) {
                values.copy_within(from..from + found * pca.n_components(), to);
                to += found * pca.n_components();
                from += n_possible * pca.n_components();
            }
            values.truncate(to);
        }
    }
    Ok((frames.concat(), values))
}
