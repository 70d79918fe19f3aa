//! VLFeat 0.9.21 through its shared library: dense SIFT as in `vl_phow`, Fisher vectors, expectation maximisation.
//!
//! The declarations follow the headers `dsift.h`, `imopv.h`, `fisher.h`, `gmm.h` and `generic.h` (`vedaldi2010`).

#![expect(unsafe_code, reason = "a C library is called; each block says why this is sound")]

use std::ffi::{CStr, c_char, c_double, c_float, c_int, c_uint, c_void};
use std::path::Path;

use anyhow::{Result, ensure};
use fisherlens_mixture::DiagonalGmm;
use libloading::Library;
use ndarray::ArrayView2;

use crate::peers::Availability;

/// The library's usual name, found by the dynamic linker.
const LIBRARY: &str = "libvl.so.1";

/// `VL_TYPE_FLOAT`.
const TYPE_FLOAT: c_uint = 1;
/// `VL_PAD_BY_CONTINUITY | VL_TRANSPOSE`.
const PAD_AND_TRANSPOSE: c_uint = 1 | 1 << 2;
/// `VL_FISHER_FLAG_IMPROVED`: signed square root and unit norm.
const IMPROVED: c_int = 1 | 1 << 1;
/// `VlGMMCustom`: start with the parameters that were set.
const CUSTOM_START: c_int = 2;
/// `vl_phow` smooths with a standard deviation of the bin size divided by this number.
const MAGNIFICATION: f32 = 6.0;

/// `VlDsiftDescriptorGeometry`.
#[repr(C)]
struct Geometry {
    n_orientations: c_int,
    n_bins_x: c_int,
    n_bins_y: c_int,
    bin_size_x: c_int,
    bin_size_y: c_int,
}

/// The public first fields of `VlDsiftFilter`. The library makes the filter; it has further, private fields.
#[repr(C)]
struct DenseFilter {
    width: c_int,
    height: c_int,
    step_x: c_int,
    step_y: c_int,
    min_x: c_int,
    min_y: c_int,
    max_x: c_int,
    max_y: c_int,
    geometry: Geometry,
    use_flat_window: c_int,
    window_size: c_double,
    n_frames: c_int,
    descriptor_size: c_int,
    frames: *mut c_void,
    descriptors: *mut c_float,
}

type Convolve = unsafe extern "C" fn(
    *mut c_float,
    usize,
    *const c_float,
    usize,
    usize,
    usize,
    *const c_float,
    isize,
    isize,
    c_int,
    c_uint,
);
type Encode = unsafe extern "C" fn(
    *mut c_void,
    c_uint,
    *const c_void,
    usize,
    usize,
    *const c_void,
    *const c_void,
    *const c_void,
    usize,
    c_int,
) -> usize;
type SetPointer = unsafe extern "C" fn(*mut c_void, *const c_void);

/// The loaded library and its functions.
pub(crate) struct VlFeat {
    dense_new: unsafe extern "C" fn(c_int, c_int) -> *mut DenseFilter,
    dense_update: unsafe extern "C" fn(*mut DenseFilter),
    dense_process: unsafe extern "C" fn(*mut DenseFilter, *const c_float),
    dense_delete: unsafe extern "C" fn(*mut DenseFilter),
    convolve: Convolve,
    encode: Encode,
    gmm_new: unsafe extern "C" fn(c_uint, usize, usize) -> *mut c_void,
    gmm_delete: unsafe extern "C" fn(*mut c_void),
    gmm_set_steps: unsafe extern "C" fn(*mut c_void, usize),
    gmm_set_start: unsafe extern "C" fn(*mut c_void, c_int),
    gmm_set_means: SetPointer,
    gmm_set_variances: SetPointer,
    gmm_set_weights: SetPointer,
    gmm_maximise: unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> c_double,
    built_with: String,
    _library: Library,
}

impl std::fmt::Debug for VlFeat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VlFeat").field("built_with", &self.built_with).finish_non_exhaustive()
    }
}

/// One symbol as a function; the caller's type says which.
macro_rules! symbol {
    ($library:expr, $name:literal) => {{
        // SAFETY: the type that is inferred is the declaration of this function in VLFeat's header.
        *unsafe { $library.get($name) }?
    }};
}

impl VlFeat {
    /// Loads the library `path`, or the system's, and makes it use one thread.
    pub(crate) fn load(path: Option<&Path>) -> Availability<Self> {
        let name = path.map_or_else(|| LIBRARY.to_owned(), |path| path.display().to_string());
        match Self::open(&name) {
            Ok(vlfeat) => Availability::Available(vlfeat),
            Err(error) => Availability::Missing(format!(
                "VLFeat is not measured, because {name} cannot be loaded ({:#}): apt-get install libvlfeat1, or --vlfeat PATH",
                anyhow::Error::from(error)
            )),
        }
    }

    fn open(name: &str) -> Result<Self, libloading::Error> {
        // SAFETY: loading runs the library's initialiser, which only initialises its own state.
        let library = unsafe { Library::new(name) }?;
        let set_threads: unsafe extern "C" fn(usize) = symbol!(library, b"vl_set_num_threads\0");
        let configuration: unsafe extern "C" fn() -> *mut c_char =
            symbol!(library, b"vl_configuration_to_string_copy\0");
        let free: unsafe extern "C" fn(*mut c_void) = symbol!(library, b"vl_free\0");
        // SAFETY: the call has no requirements.
        unsafe { set_threads(1) };
        // SAFETY: the function returns a new string that ends with 0; it is copied and freed once.
        let built_with = unsafe {
            let text = configuration();
            let copy = one_line(&CStr::from_ptr(text).to_string_lossy());
            free(text.cast());
            copy
        };
        Ok(Self {
            dense_new: symbol!(library, b"vl_dsift_new\0"),
            dense_update: symbol!(library, b"_vl_dsift_update_buffers\0"),
            dense_process: symbol!(library, b"vl_dsift_process\0"),
            dense_delete: symbol!(library, b"vl_dsift_delete\0"),
            convolve: symbol!(library, b"vl_imconvcol_vf\0"),
            encode: symbol!(library, b"vl_fisher_encode\0"),
            gmm_new: symbol!(library, b"vl_gmm_new\0"),
            gmm_delete: symbol!(library, b"vl_gmm_delete\0"),
            gmm_set_steps: symbol!(library, b"vl_gmm_set_max_num_iterations\0"),
            gmm_set_start: symbol!(library, b"vl_gmm_set_initialization\0"),
            gmm_set_means: symbol!(library, b"vl_gmm_set_means\0"),
            gmm_set_variances: symbol!(library, b"vl_gmm_set_covariances\0"),
            gmm_set_weights: symbol!(library, b"vl_gmm_set_priors\0"),
            gmm_maximise: symbol!(library, b"vl_gmm_em\0"),
            built_with,
            _library: library,
        })
    }

    /// The library's description of itself.
    pub(crate) fn built_with(&self) -> &str {
        &self.built_with
    }

    /// Dense SIFT of `image` `(height, width)` as in `vl_phow`, with a flat window: for each bin size the image is smoothed and described
    /// on a grid. `look` gets the descriptors `(N, 128)` of each bin size. Returns the number of all descriptors.
    ///
    /// # Errors
    /// When the image is not in C order.
    pub(crate) fn dense_sift(
        &self,
        image: ArrayView2<'_, f32>,
        bin_sizes: &[u16],
        step: usize,
        look: &mut dyn FnMut(&[f32]),
    ) -> Result<usize> {
        let (height, width) = image.dim();
        let Some(pixels) = image.as_slice() else { anyhow::bail!("an image for VLFeat must be in C order") };
        let largest = bin_sizes.iter().copied().max().unwrap_or(0);
        let mut n_descriptors = 0;
        for &bin_size in bin_sizes {
            let smoothed = self.smooth(pixels, width, height, f32::from(bin_size) / MAGNIFICATION);
            let first = c_int::from((3 * (largest - bin_size)) / 2);
            // SAFETY: the library makes the filter for images of this size. Its public fields are set and then updated as its own accessors
            // do it. The image has as many pixels as the filter reads. The descriptors belong to the filter, which exists until it is
            // deleted once at the end.
            unsafe {
                let filter = (self.dense_new)(width as c_int, height as c_int);
                ensure!(!filter.is_null(), "VLFeat has not enough memory for its filter");
                let fields = &mut *filter;
                fields.geometry.bin_size_x = c_int::from(bin_size);
                fields.geometry.bin_size_y = c_int::from(bin_size);
                (fields.step_x, fields.step_y) = (step as c_int, step as c_int);
                (fields.min_x, fields.min_y) = (first, first);
                (fields.max_x, fields.max_y) = (width as c_int - 1, height as c_int - 1);
                fields.use_flat_window = 1;
                fields.window_size = 1.5;
                (self.dense_update)(filter);
                (self.dense_process)(filter, smoothed.as_ptr());
                let n_values = (*filter).n_frames as usize * (*filter).descriptor_size as usize;
                look(std::slice::from_raw_parts((*filter).descriptors, n_values));
                n_descriptors += (*filter).n_frames as usize;
                (self.dense_delete)(filter);
            }
        }
        Ok(n_descriptors)
    }

    /// Smoothing as in `vl_imsmooth`: a Gaussian of standard deviation `sigma`, cut off at 4σ; border pixels are repeated.
    fn smooth(&self, pixels: &[f32], width: usize, height: usize, sigma: f32) -> Vec<f32> {
        let radius = (4.0 * sigma).ceil() as isize;
        let mut kernel: Vec<f32> = (-radius..=radius)
            .map(|at| {
                let z = at as f32 / (sigma + f32::EPSILON);
                (-0.5 * z * z).exp()
            })
            .collect();
        let sum: f32 = kernel.iter().sum();
        for value in &mut kernel {
            *value /= sum;
        }
        let mut columns = vec![0.0_f32; pixels.len()];
        let mut smoothed = vec![0.0_f32; pixels.len()];
        let taps = kernel.as_ptr();
        // SAFETY: source and target have width · height values. The target's stride is the other side, because the result is
        // transposed. The kernel has 2 · radius + 1 values from −radius to radius.
        unsafe {
            let flags = PAD_AND_TRANSPOSE;
            let (source, turned) = (pixels.as_ptr(), columns.as_mut_ptr());
            (self.convolve)(turned, height, source, width, height, width, taps, -radius, radius, 1, flags);
            (self.convolve)(
                smoothed.as_mut_ptr(),
                width,
                turned,
                height,
                width,
                height,
                taps,
                -radius,
                radius,
                1,
                flags,
            );
        }
        smoothed
    }

    /// The improved Fisher vector of `vl_fisher_encode`: K·D entries of the means, then K·D entries of the variances.
    ///
    /// # Errors
    /// When the descriptors are not in C order or do not fit the mixture.
    pub(crate) fn fisher_vector(&self, x: ArrayView2<'_, f32>, mixture: &DiagonalGmm) -> Result<Vec<f32>> {
        let mut vector = vec![0.0_f32; 2 * mixture.n_components() * mixture.n_features()];
        let parts = Parts::new(x, mixture)?;
        // SAFETY: all arrays are `f32` in C order and have the given sizes, and the vector has 2·K·D entries.
        unsafe {
            (self.encode)(
                vector.as_mut_ptr().cast(),
                TYPE_FLOAT,
                parts.means.as_ptr().cast(),
                mixture.n_features(),
                mixture.n_components(),
                parts.variances.as_ptr().cast(),
                parts.weights.as_ptr().cast(),
                parts.x.as_ptr().cast(),
                x.nrows(),
                IMPROVED,
            );
        }
        Ok(vector)
    }

    /// Expectation maximisation by `vl_gmm_em`, starting with `start`. Returns the log-likelihood of all samples.
    ///
    /// # Errors
    /// When the samples are not in C order or do not fit the mixture.
    pub(crate) fn expectation_maximisation(
        &self,
        x: ArrayView2<'_, f32>,
        start: &DiagonalGmm,
        steps: usize,
    ) -> Result<f64> {
        let parts = Parts::new(x, start)?;
        // SAFETY: the library makes the object for D features and K components, and it is deleted once. The parameters that it copies
        // and the samples that it reads are `f32` in C order and have these sizes.
        unsafe {
            let gmm = (self.gmm_new)(TYPE_FLOAT, start.n_features(), start.n_components());
            ensure!(!gmm.is_null(), "VLFeat has not enough memory for its mixture");
            (self.gmm_set_steps)(gmm, steps);
            (self.gmm_set_start)(gmm, CUSTOM_START);
            (self.gmm_set_means)(gmm, parts.means.as_ptr().cast());
            (self.gmm_set_variances)(gmm, parts.variances.as_ptr().cast());
            (self.gmm_set_weights)(gmm, parts.weights.as_ptr().cast());
            let log_likelihood = (self.gmm_maximise)(gmm, parts.x.as_ptr().cast(), x.nrows());
            (self.gmm_delete)(gmm);
            Ok(log_likelihood)
        }
    }
}

/// Arrays in C order whose sizes fit together.
struct Parts<'a> {
    x: &'a [f32],
    means: Vec<f32>,
    variances: Vec<f32>,
    weights: Vec<f32>,
}

impl<'a> Parts<'a> {
    fn new(x: ArrayView2<'a, f32>, mixture: &DiagonalGmm) -> Result<Self> {
        ensure!(
            x.ncols() == mixture.n_features(),
            "descriptors have {} features, the mixture has {}",
            x.ncols(),
            mixture.n_features()
        );
        let Some(x) = x.to_slice() else { anyhow::bail!("descriptors for VLFeat must be in C order") };
        let (means, variances) = (mixture.means(), mixture.variances());
        Ok(Self {
            x,
            means: means.iter().copied().collect(),
            variances: variances.iter().copied().collect(),
            weights: mixture.weights().to_vec(),
        })
    }
}

/// VLFeat's description (version, compiler, processor) in one line.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_becomes_one_line() {
        assert_eq!(
            one_line("VLFeat version 0.9.21\n    Static config: X86\n\n"),
            "VLFeat version 0.9.21; Static config: X86"
        );
    }

    #[test]
    fn the_message_about_a_missing_library_says_what_to_install() {
        let Availability::Missing(words) = VlFeat::load(Some(Path::new("/nowhere/libvl.so"))) else {
            panic!("this library does not exist");
        };
        assert!(words.contains("/nowhere/libvl.so") && words.contains("apt-get install libvlfeat1"), "{words}");
    }
}
