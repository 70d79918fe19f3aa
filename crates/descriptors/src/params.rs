//! Parameters of dense SIFT and of PCA: defaults and checks.

use linfa::ParamGuard;

use crate::error::DescriptorError;

/// Bin sizes in pixels of the published experiment: the defaults of VLFeat's `vl_phow`, which fit the numbers of descriptors in
/// `lapuschkin2016`.
const DEFAULT_BIN_SIZES: [u16; 4] = [4, 6, 8, 10];

/// Pixels between neighbouring descriptors (`chatfield2011`, the encoding toolbox).
const DEFAULT_STEP: usize = 3;

/// Contrast below which a descriptor counts as flat (`vl_phow`, grey values in `[0, 1]`).
const DEFAULT_CONTRAST_THRESHOLD: f32 = 0.005;

/// Largest accepted bin size; its descriptors are 4,096 pixels wide.
const MAX_BIN_SIZE: u16 = 1024;

/// The weights of pixels by their distance from the centre of the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Window {
    /// One weight per bin: the mean of the Gaussian over the bin (the fast mode of `vl_phow`).
    #[default]
    Flat,
    /// One weight per pixel: a Gaussian with a standard deviation of 1.5 bins.
    Gaussian,
}

/// What happens to descriptors whose contrast is below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum LowContrast {
    /// The descriptor becomes 128 zeros, and still counts as a descriptor (`vl_phow`).
    #[default]
    Zero,
    /// The descriptor and its frame are left out.
    Drop,
    /// The descriptor is normalised like all others.
    Keep,
}

/// Whether descriptors are converted to RootSIFT, `√(d / Σ d)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum RootSift {
    /// Plain SIFT, normalised to ℓ2 norm 1.
    #[default]
    Off,
    /// Normalised to ℓ1 norm 1, then the square root of each entry; the ℓ2 norm is 1 again.
    On,
}

/// Whether PCA scales the projected descriptors to unit variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Whitening {
    /// No scaling: the axes have length 1.
    #[default]
    Off,
    /// Each axis is divided by the standard deviation along it.
    On,
}

/// Unchecked parameters of dense SIFT; see [`DenseSift`].
#[derive(Debug, Clone, PartialEq)]
pub struct DenseSiftParams(DenseSift);

/// Dense SIFT at several bin sizes: the extractor, which consists of its checked parameters.
///
/// Make it with [`DenseSift::params`] and `check`. The trait [`DescriptorExtractor`](crate::DescriptorExtractor) has its methods.
///
/// ```
/// use fisherlens_descriptors::{DenseSift, DescriptorExtractor, RootSift};
/// use linfa::ParamGuard;
/// use ndarray::Array2;
///
/// let sift = DenseSift::params().bin_sizes(vec![4]).step(8).root_sift(RootSift::On).check()?;
/// let image = Array2::from_shape_fn((50, 50), |(y, x)| ((x + 2 * y) % 9) as f32 / 9.0);
/// assert_eq!(sift.extract(image.view())?.values.dim(), (25, 128));
/// assert!(DenseSift::params().step(0).check().is_err());
/// # Ok::<(), fisherlens_descriptors::DescriptorError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DenseSift {
    pub(crate) bin_sizes: Vec<u16>,
    pub(crate) step: usize,
    pub(crate) window: Window,
    pub(crate) contrast_threshold: f32,
    pub(crate) low_contrast: LowContrast,
    pub(crate) root_sift: RootSift,
}

impl DenseSift {
    /// The parameters of `vl_phow` with step 3: bin sizes 4, 6, 8, 10, flat window, contrast threshold 0.005, and zeros for
    /// descriptors below it.
    pub fn params() -> DenseSiftParams {
        DenseSiftParams(Self {
            bin_sizes: DEFAULT_BIN_SIZES.to_vec(),
            step: DEFAULT_STEP,
            window: Window::default(),
            contrast_threshold: DEFAULT_CONTRAST_THRESHOLD,
            low_contrast: LowContrast::default(),
            root_sift: RootSift::default(),
        })
    }

    /// Bin sizes in pixels, in the order of extraction.
    pub fn bin_sizes(&self) -> &[u16] {
        &self.bin_sizes
    }

    /// Pixels between neighbouring descriptors along both axes.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Weights of the pixels.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Contrast below which a descriptor counts as flat.
    pub fn contrast_threshold(&self) -> f32 {
        self.contrast_threshold
    }

    /// What happens to flat descriptors.
    pub fn low_contrast(&self) -> LowContrast {
        self.low_contrast
    }

    /// Whether descriptors are converted to RootSIFT.
    pub fn root_sift(&self) -> RootSift {
        self.root_sift
    }
}

impl DenseSiftParams {
    /// Bin sizes in pixels, each from 1 to 1,024 and at most once; descriptors are extracted in this order. Default: 4, 6, 8, 10.
    #[must_use]
    pub fn bin_sizes(mut self, bin_sizes: Vec<u16>) -> Self {
        self.0.bin_sizes = bin_sizes;
        self
    }

    /// Pixels between neighbouring descriptors, at least 1. Default: 3.
    #[must_use]
    pub fn step(mut self, step: usize) -> Self {
        self.0.step = step;
        self
    }

    /// Weights of the pixels. Default: flat.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.0.window = window;
        self
    }

    /// Contrast below which a descriptor counts as flat, finite and not negative. Default: 0.005.
    #[must_use]
    pub fn contrast_threshold(mut self, contrast_threshold: f32) -> Self {
        self.0.contrast_threshold = contrast_threshold;
        self
    }

    /// What happens to flat descriptors. Default: zeros.
    #[must_use]
    pub fn low_contrast(mut self, low_contrast: LowContrast) -> Self {
        self.0.low_contrast = low_contrast;
        self
    }

    /// Whether descriptors are converted to RootSIFT. Default: off.
    #[must_use]
    pub fn root_sift(mut self, root_sift: RootSift) -> Self {
        self.0.root_sift = root_sift;
        self
    }
}

impl ParamGuard for DenseSiftParams {
    type Checked = DenseSift;
    type Error = DescriptorError;

    fn check_ref(&self) -> Result<&DenseSift, DescriptorError> {
        let refuse = |field, found: String, expected| Err(DescriptorError::Parameter { field, found, expected });
        let sift = &self.0;
        if sift.bin_sizes.is_empty() {
            return refuse("bin_sizes", "an empty list".into(), "at least one bin size, such as [4, 6, 8, 10]");
        }
        for (index, bin_size) in sift.bin_sizes.iter().enumerate() {
            if !(1..=MAX_BIN_SIZE).contains(bin_size) {
                return refuse("bin_sizes", bin_size.to_string(), "bin sizes from 1 to 1024 pixels");
            }
            if sift.bin_sizes[..index].contains(bin_size) {
                return refuse("bin_sizes", format!("{bin_size} twice"), "each bin size at most once");
            }
        }
        if sift.step == 0 {
            return refuse("step", "0".into(), "a step of at least 1 pixel");
        }
        if !(sift.contrast_threshold.is_finite() && sift.contrast_threshold >= 0.0) {
            return refuse(
                "contrast_threshold",
                sift.contrast_threshold.to_string(),
                "a finite contrast of at least 0; 0 keeps every descriptor",
            );
        }
        Ok(sift)
    }

    fn check(self) -> Result<DenseSift, DescriptorError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Unchecked parameters of PCA; see [`Pca`](crate::Pca).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcaParams(PcaValidParams);

/// Checked parameters of PCA; see [`Pca`](crate::Pca).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcaValidParams {
    pub(crate) n_components: usize,
    pub(crate) whitening: Whitening,
}

impl PcaParams {
    pub(crate) fn new(n_components: usize) -> Self {
        Self(PcaValidParams { n_components, whitening: Whitening::default() })
    }

    /// Whether projected descriptors are scaled to unit variance. Default: off.
    #[must_use]
    pub fn whitening(mut self, whitening: Whitening) -> Self {
        self.0.whitening = whitening;
        self
    }
}

impl PcaValidParams {
    /// Number of dimensions after the projection.
    pub fn n_components(&self) -> usize {
        self.n_components
    }

    /// Whether projected descriptors are scaled to unit variance.
    pub fn whitening(&self) -> Whitening {
        self.whitening
    }
}

impl ParamGuard for PcaParams {
    type Checked = PcaValidParams;
    type Error = DescriptorError;

    fn check_ref(&self) -> Result<&PcaValidParams, DescriptorError> {
        if self.0.n_components == 0 {
            return Err(DescriptorError::Parameter {
                field: "n_components",
                found: "0".into(),
                expected: "at least one dimension, such as 80",
            });
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<PcaValidParams, DescriptorError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, DescriptorError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_refused_parameter() {
        let params = DenseSift::params;
        assert!(message(params().bin_sizes(vec![]).check()).contains("bin_sizes is an empty list"));
        assert!(message(params().bin_sizes(vec![4, 0]).check()).contains("bin_sizes is 0"));
        assert!(message(params().bin_sizes(vec![2000]).check()).contains("bin_sizes is 2000"));
        assert!(message(params().bin_sizes(vec![4, 4]).check()).contains("4 twice"));
        assert!(message(params().step(0).check()).contains("step is 0"));
        for threshold in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(message(params().contrast_threshold(threshold).check()).contains("contrast_threshold is"));
        }
        assert!(message(PcaParams::new(0).check()).contains("n_components is 0"));
    }

    #[test]
    fn defaults_are_the_published_settings() {
        let sift = DenseSift::params().check().unwrap();
        assert_eq!(sift.bin_sizes(), [4, 6, 8, 10]);
        assert_eq!((sift.step(), sift.window()), (3, Window::Flat));
        assert_eq!((sift.contrast_threshold(), sift.low_contrast()), (0.005, LowContrast::Zero));
        assert_eq!(sift.root_sift(), RootSift::Off);
    }
}
