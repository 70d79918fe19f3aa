//! Comparison with VLFeat's output on a photograph; `tests/golden/README.md` says how it was made.

use std::fs::File;

use linfa::{DatasetBase, ParamGuard, traits::Fit};
use ndarray::{Array1, Array2, Axis, Dimension};
use ndarray_npy::{NpzReader, ReadableElement};

use crate::gradient::Polar;
use crate::{DenseSift, LocalDescriptors, LowContrast, Pca, Photograph, Window, smooth};

/// Levels per unit of VLFeat's 8-bit descriptors (`vl_dsift`).
const LEVELS_PER_UNIT: f32 = 512.0;

fn path(name: &str) -> String {
    format!("{}/../../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn golden<A: ReadableElement, D: Dimension>(file: &str, array: &str) -> ndarray::Array<A, D> {
    let mut reader = NpzReader::new(File::open(path(file)).unwrap()).unwrap();
    reader.by_name(&format!("{array}.npy")).or_else(|_| reader.by_name(array)).unwrap()
}

fn camera() -> Array2<f32> {
    Photograph::decode(&std::fs::read(path("camera.png")).unwrap()).unwrap().gray()
}

fn extract(window: Window, low_contrast: LowContrast, polar: Polar) -> LocalDescriptors {
    let sift = DenseSift::params().window(window).low_contrast(low_contrast).check().unwrap();
    let mut descriptors = LocalDescriptors::default();
    sift.extract_by(camera().view(), polar, &mut descriptors).unwrap();
    descriptors
}

/// Largest and mean absolute difference between the golden descriptors and `found`.
fn differences(file: &str, found: &LocalDescriptors) -> (f32, f32) {
    let indices: Array1<i64> = golden(file, "idx");
    let expected: Array2<f32> = golden(file, "descr");
    let rows: Vec<usize> = indices.iter().map(|&index| index as usize).collect();
    let apart = (found.values.select(Axis(0), &rows) - expected).mapv(f32::abs);
    (apart.fold(0.0, |largest, &value| largest.max(value)), apart.mean().unwrap())
}

#[test]
fn smoothed_images_agree() {
    let rows: Array1<i64> = golden("smoothing_camera.npz", "rows");
    for bin_size in [4_u16, 6, 8, 10] {
        let expected: Array2<f32> = golden("smoothing_camera.npz", &format!("size{bin_size}"));
        let found = smooth(camera().view(), f64::from(bin_size) / 6.0).unwrap();
        for (&row, expected) in rows.iter().zip(expected.rows()) {
            for (found, expected) in found.row(row as usize).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "bin size {bin_size}, row {row}: {found} {expected}");
            }
        }
    }
}

#[test]
fn frames_agree_for_both_windows() {
    for (window, file) in
        [(Window::Flat, "dense_sift_flat_camera.npz"), (Window::Gaussian, "dense_sift_gauss_camera.npz")]
    {
        let expected: Array2<i32> = golden(file, "xyb");
        let found = extract(window, LowContrast::Keep, Polar::Exact);
        assert_eq!(found.len(), 73_866);
        assert_eq!(found.values.dim(), (73_866, 128));
        for (frame, expected) in found.frames.iter().zip(expected.rows()) {
            assert_eq!([frame.x, frame.y, f32::from(frame.bin_size)], [0, 1, 2].map(|axis| expected[axis] as f32));
        }
    }
}

#[test]
fn contrasts_agree_for_the_flat_window() {
    let expected: Array1<f32> = golden("dense_sift_flat_camera.npz", "norm");
    let exact = extract(Window::Flat, LowContrast::Keep, Polar::Exact);
    let twin = extract(Window::Flat, LowContrast::Keep, Polar::VlFeat);
    for ((exact, twin), &expected) in exact.frames.iter().zip(&twin.frames).zip(&expected) {
        assert!((exact.norm - expected).abs() <= 0.012 * expected, "{} {expected}", exact.norm);
        assert!((twin.norm - expected).abs() <= 0.01 * expected, "{} {expected}", twin.norm);
    }
    let flat = |norms: &mut dyn Iterator<Item = f32>| norms.filter(|&norm| norm < 0.005).count();
    assert_eq!(flat(&mut exact.frames.iter().map(|frame| frame.norm)), flat(&mut expected.iter().copied()));
}

#[test]
fn descriptors_with_exact_functions_agree() {
    for (window, file) in
        [(Window::Flat, "dense_sift_flat_camera.npz"), (Window::Gaussian, "dense_sift_gauss_camera.npz")]
    {
        let (largest, mean) = differences(file, &extract(window, LowContrast::Keep, Polar::Exact));
        assert!(largest < 0.02 && mean < 3e-4, "{window:?}: at most {largest}, mean {mean}");
    }
}

#[test]
fn descriptors_with_the_approximations_of_vlfeat_agree_more_closely() {
    for (window, file) in
        [(Window::Flat, "dense_sift_flat_camera.npz"), (Window::Gaussian, "dense_sift_gauss_camera.npz")]
    {
        let (largest, mean) = differences(file, &extract(window, LowContrast::Keep, Polar::VlFeat));
        assert!(largest < 1e-3 && mean < 2e-6, "{window:?}: at most {largest}, mean {mean}");
    }
}

/// VLFeat's 8-bit form of a descriptor, `trunc(min(512 d, 255))`.
fn quantized(values: &[f32]) -> Vec<u8> {
    // The cast truncates and saturates.
    values.iter().map(|value| (LEVELS_PER_UNIT * value) as u8).collect()
}

#[test]
fn descriptors_of_eight_bits_agree_in_the_order_of_matlab() {
    let frames: Array2<i32> = golden("phow_u8_camera.npz", "xyb");
    let zero: Array1<u8> = golden("fisher_vector_camera.npz", "zero");
    let expected: Array2<u8> = golden("fisher_vector_camera.npz", "descr");
    let found = extract(Window::Flat, LowContrast::Zero, Polar::Exact);
    // The order in MATLAB: bin size by bin size, then x, with y fastest.
    let mut order: Vec<usize> = (0..found.len()).collect();
    let key = |index: usize| {
        let frame = found.frames[index];
        (frame.bin_size, frame.x as i32, frame.y as i32)
    };
    order.sort_by_key(|&index| key(index));
    for ((&index, expected), &zero) in order.iter().zip(frames.rows()).zip(&zero) {
        let (bin_size, x, y) = key(index);
        assert_eq!([x + 1, y + 1, i32::from(bin_size)], [expected[0], expected[1], expected[2]]);
        assert_eq!(found.values.row(index).iter().all(|&value| value == 0.0), zero == 1, "{expected}");
    }
    let (mut largest, mut sum) = (0, 0_u64);
    let not_zero = order.iter().zip(&zero).filter(|(_, zero)| **zero == 0).map(|(&index, _)| index);
    for (index, expected) in not_zero.zip(expected.rows()) {
        let bytes = quantized(found.values.row(index).as_slice().unwrap());
        for (&found, &expected) in bytes.iter().zip(expected) {
            largest = largest.max(found.abs_diff(expected));
            sum += u64::from(found.abs_diff(expected));
        }
    }
    // The mean includes the descriptors of zeros, which were found equal above.
    let mean = sum as f64 / found.values.len() as f64;
    assert!(largest <= 8 && mean < 0.12, "at most {largest}, mean {mean}");
}

#[test]
fn projections_agree() {
    let x: Array2<f32> = golden("pca_camera.npz", "x");
    let mean: Array1<f64> = golden("pca_camera.npz", "mean");
    let axes: Array2<f64> = golden("pca_camera.npz", "axes");
    let variances: Array1<f64> = golden("pca_camera.npz", "variances");
    let projected: Array2<f64> = golden("pca_camera.npz", "projected");
    let pca = Pca::params(10).fit(&DatasetBase::from(x.clone())).unwrap();
    let close = |found: f32, expected: f64, scale: f64| (f64::from(found) - expected).abs() < 1e-6 * scale;
    assert!(pca.mean().iter().zip(&mean).all(|(&found, &expected)| close(found, expected, 10.0)));
    assert!(pca.components().iter().zip(&axes).all(|(&found, &expected)| close(found, expected, 1.0)));
    for (&found, &expected) in pca.explained_variance().iter().zip(&variances) {
        assert!(close(found, expected, expected), "{found} {expected}");
    }
    let found = pca.transform(x.view()).unwrap();
    assert_eq!(found, linfa::traits::Transformer::transform(&pca, &x).unwrap());
    for (&found, &expected) in found.iter().zip(&projected) {
        assert!(close(found, expected, 500.0), "{found} {expected}");
    }
}
