//! Parameters of dense SIFT and of PCA, their defaults and the one place where they are checked.

use linfa::ParamGuard;

use crate::DescriptorError;

/// Bin sizes in pixels of the published experiment (`lapuschkin2016` by its descriptor counts; VLFeat's `vl_phow`
/// defaults).
const DEFAULT_BIN_SIZES: [u16; 4] = [4, 6, 8, 10];

/// Pixels between neighbouring descriptors (`chatfield2011`, the encoding toolbox).
const DEFAULT_STEP: usize = 3;

/// Contrast below which a descriptor counts as flat (`vl_phow`, image in `[0, 1]`).
const DEFAULT_CONTRAST_THRESHOLD: f32 = 0.005;

/// Largest accepted bin size; a descriptor of it spans 4,096 pixels.
const MAX_BIN_SIZE: u16 = 1024;

/// How pixels are weighted by their distance to the descriptor's centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Window {
    /// One weight for each bin: the mean of the Gaussian over it (`vl_phow`'s fast form).
    #[default]
    Flat,
    /// A Gaussian of standard deviation 1.5 bins, evaluated at each pixel.
    Gaussian,
}

/// What becomes of a descriptor whose contrast is below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum LowContrast {
    /// It stays as 128 zeros and counts as a descriptor (`vl_phow`).
    #[default]
    Zero,
    /// It is left out, with its frame.
    Drop,
    /// It stays normalised like any other.
    Keep,
}

/// Whether descriptors are turned into their RootSIFT form, `√(d / Σ d)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum RootSift {
    /// ℓ2-normalised SIFT as it is.
    #[default]
    Off,
    /// ℓ1-normalised, then the square root of each entry; again of unit ℓ2 norm.
    On,
}

/// Whether projected descriptors are scaled to unit variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Whitening {
    /// Axes of unit length.
    #[default]
    Off,
    /// Axes divided by the standard deviation along them.
    On,
}

/// Unchecked parameters of dense SIFT; see [`DenseSift`].
#[derive(Debug, Clone, PartialEq)]
pub struct DenseSiftParams(DenseSift);

/// Dense multi-scale SIFT with checked parameters: the extractor itself.
///
/// Make it by [`DenseSift::params`] and `check`. It learns nothing, so the checked parameters do the work.
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
    /// The settings of `vl_phow` with step 3: bin sizes 4, 6, 8, 10, flat window, contrast threshold 0.005, low
    /// contrast set to zero.
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

    /// Pixels between neighbouring descriptors along either axis.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Weighting of the pixels.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Contrast below which a descriptor is flat.
    pub fn contrast_threshold(&self) -> f32 {
        self.contrast_threshold
    }

    /// What becomes of flat descriptors.
    pub fn low_contrast(&self) -> LowContrast {
        self.low_contrast
    }

    /// Whether descriptors are turned into their RootSIFT form.
    pub fn root_sift(&self) -> RootSift {
        self.root_sift
    }
}

impl DenseSiftParams {
    /// Bin sizes in pixels, each 1 … 1,024 and given once; descriptors come in this order. Default 4, 6, 8, 10.
    #[must_use]
    pub fn bin_sizes(mut self, bin_sizes: Vec<u16>) -> Self {
        self.0.bin_sizes = bin_sizes;
        self
    }

    /// Pixels between neighbouring descriptors, at least 1. Default 3.
    #[must_use]
    pub fn step(mut self, step: usize) -> Self {
        self.0.step = step;
        self
    }

    /// Weighting of the pixels. Default flat.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.0.window = window;
        self
    }

    /// Contrast below which a descriptor is flat, finite and not negative. Default 0.005.
    #[must_use]
    pub fn contrast_threshold(mut self, contrast_threshold: f32) -> Self {
        self.0.contrast_threshold = contrast_threshold;
        self
    }

    /// What becomes of flat descriptors. Default: set to zero.
    #[must_use]
    pub fn low_contrast(mut self, low_contrast: LowContrast) -> Self {
        self.0.low_contrast = low_contrast;
        self
    }

    /// Whether descriptors are turned into their RootSIFT form. Default off.
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
                return refuse("bin_sizes", format!("{bin_size} twice"), "each bin size once");
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

/// Checked parameters of PCA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcaValidParams {
    pub(crate) n_components: usize,
    pub(crate) whitening: Whitening,
}

impl PcaParams {
    pub(crate) fn new(n_components: usize) -> Self {
        Self(PcaValidParams { n_components, whitening: Whitening::default() })
    }

    /// Whether projected descriptors are scaled to unit variance. Default off.
    #[must_use]
    pub fn whitening(mut self, whitening: Whitening) -> Self {
        self.0.whitening = whitening;
        self
    }
}

impl PcaValidParams {
    /// Dimensions after the projection.
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
    fn each_refused_parameter_names_itself() {
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
    fn defaults_are_those_of_the_experiment() {
        let sift = DenseSift::params().check().unwrap();
        assert_eq!(sift.bin_sizes(), [4, 6, 8, 10]);
        assert_eq!((sift.step(), sift.window()), (3, Window::Flat));
        assert_eq!((sift.contrast_threshold(), sift.low_contrast()), (0.005, LowContrast::Zero));
        assert_eq!(sift.root_sift(), RootSift::Off);
    }
}
