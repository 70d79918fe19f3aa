//! Implementations of stages that the settings choose, each with the text that identifies it.

use std::sync::Arc;

use fisherlens_descriptors::{DenseSift, DescriptorExtractor};
use fisherlens_fisher::{BagOfWords, Encoder, FisherVector, Normalization, Pyramid, Vlad};
use fisherlens_mixture::DiagonalGmm;
use linfa::ParamGuard;
use serde::Serialize;

use crate::error::ModelError;
use crate::settings::{DescriptorSettings, EncoderKind, EncoderSettings};

/// Makes an encoder from the learned mixture.
pub type BuildEncoder = dyn Fn(&DiagonalGmm) -> Result<Box<dyn Encoder>, ModelError> + Send + Sync;

/// The implementation of a stage with the text that distinguishes it from all others in the keys of artifacts.
pub struct Part<T: ?Sized> {
    /// Name and parameters; two parts that compute different things must differ here.
    pub identity: String,
    /// The implementation.
    pub value: Arc<T>,
}

impl<T: ?Sized> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self { identity: self.identity.clone(), value: Arc::clone(&self.value) }
    }
}

impl<T: ?Sized> std::fmt::Debug for Part<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.identity)
    }
}

impl<T: ?Sized> Part<T> {
    /// A part that a section of the settings describes. Its identity is the section as TOML.
    ///
    /// # Panics
    /// When the section has no TOML form.
    pub fn of_section(section: &impl Serialize, value: Arc<T>) -> Self {
        Self { identity: toml::to_string(section).expect("a section of the settings has a TOML form"), value }
    }
}

/// The extractor that a section of the settings asks for.
///
/// # Errors
/// [`ModelError::DescriptorSettings`] for a parameter that the extractor refuses.
pub fn extractor(section: &DescriptorSettings) -> Result<Part<dyn DescriptorExtractor>, ModelError> {
    let sift = DenseSift::params()
        .bin_sizes(section.bin_sizes.clone())
        .step(section.step)
        .window(section.window)
        .contrast_threshold(section.contrast_threshold)
        .low_contrast(section.low_contrast)
        .root_sift(section.root_sift)
        .check()
        .map_err(ModelError::DescriptorSettings)?;
    Ok(Part::of_section(section, Arc::new(sift)))
}

/// The encoder that a section of the settings asks for.
pub fn encoder(section: &EncoderSettings) -> Part<BuildEncoder> {
    // Vectors are stored before they are normalised, so the identity leaves the normalisation out.
    let identity = EncoderSettings { normalization: Normalization::Raw, ..section.clone() };
    let section = section.clone();
    let build = move |mixture: &DiagonalGmm| -> Result<Box<dyn Encoder>, ModelError> {
        let mixture = mixture.clone();
        let assignment = section.assignment();
        let plain: Box<dyn Encoder> = match section.kind {
            EncoderKind::FisherVector => Box::new(
                FisherVector::params(mixture).parts(&section.parts).posterior_floor(section.posterior_floor).check()?,
            ),
            EncoderKind::Vlad => Box::new(Vlad::params(mixture).assignment(assignment).check()?),
            EncoderKind::BagOfWords => Box::new(BagOfWords::params(mixture).assignment(assignment).check()?),
        };
        let grids = section.grids();
        // A single cell is the whole image and needs no pyramid around it.
        if matches!(grids.as_slice(), [grid] if grid.columns * grid.rows == 1) {
            return Ok(plain);
        }
        Ok(Box::new(Pyramid::new(plain, &grids)?))
    };
    Part::of_section(&identity, Arc::new(build))
}
