//! Comparison of dense SIFT with a slow implementation of its definition in `f64`, and laws that every extractor obeys.

use std::f64::consts::{PI, TAU};

use linfa::ParamGuard;
use ndarray::{Array2, s};

use crate::{DenseSift, DescriptorExtractor, LocalDescriptors, LowContrast, RootSift, Window};

/// An image with gradients of every orientation and a flat corner.
fn image(height: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let wave = (x as f32 * 0.7 + (y as f32 * 0.31).sin() * 2.0).sin() * (y as f32 * 0.23).cos();
        if x + y < 40 { 0.5 } else { 0.5 + 0.4 * wave + 0.01 * ((x * 31 + y * 17) % 9) as f32 }
    })
}

fn at(image: &Array2<f64>, y: i64, x: i64) -> f64 {
    let (height, width) = image.dim();
    image[[y.clamp(0, height as i64 - 1) as usize, x.clamp(0, width as i64 - 1) as usize]]
}

fn smoothed(image: &Array2<f64>, sigma: f64) -> Array2<f64> {
    let radius = (4.0 * sigma).ceil() as i64;
    let weight = |k: i64| (-0.5 * (k as f64 / sigma).powi(2)).exp();
    let total: f64 = (-radius..=radius).map(weight).sum();
    let along_x = Array2::from_shape_fn(image.dim(), |(y, x)| {
        (-radius..=radius).map(|k| weight(k) / total * at(image, y as i64, x as i64 + k)).sum()
    });
    Array2::from_shape_fn(image.dim(), |(y, x)| {
        (-radius..=radius).map(|k| weight(k) / total * at(&along_x, y as i64 + k, x as i64)).sum()
    })
}

/// Derivative along a line of `length` values: half of the central difference, one-sided at the ends.
fn derivative(value: impl Fn(usize) -> f64, position: usize, length: usize) -> f64 {
    if position == 0 {
        value(1) - value(0)
    } else if position == length - 1 {
        value(position) - value(position - 1)
    } else {
        0.5 * (value(position + 1) - value(position - 1))
    }
}

/// The eight orientation maps.
fn orientations(image: &Array2<f64>) -> Vec<Array2<f64>> {
    let (height, width) = image.dim();
    let mut maps = vec![Array2::zeros((height, width)); 8];
    for y in 0..height {
        for x in 0..width {
            let across = derivative(|x| image[[y, x]], x, width);
            let down = derivative(|y| image[[y, x]], y, height);
            let turn = (down.atan2(across).rem_euclid(TAU) / (PI / 4.0)) % 8.0;
            let (low, share) = (turn.floor() as usize, turn.fract());
            maps[low % 8][[y, x]] += (1.0 - share) * across.hypot(down);
            maps[(low + 1) % 8][[y, x]] += share * across.hypot(down);
        }
    }
    maps
}

/// Sum of the bin in column `i` and row `j` around `(x, y)`, by the definition of the window.
fn bin_value(map: &Array2<f64>, window: Window, b: i64, (i, j): (i64, i64), (x, y): (i64, i64)) -> f64 {
    let size = b as f64;
    let gauss = |distance: f64| (-0.5 * (distance / (1.5 * size)).powi(2)).exp();
    let delta = |bin: i64| size * (bin as f64 - 1.5);
    let mean = |bin: i64| (1 - b..b).map(|u| gauss(u as f64 - delta(bin))).sum::<f64>() / (2 * b - 1) as f64;
    let mut sum = 0.0;
    for dy in 1 - b..b {
        for dx in 1 - b..b {
            let triangle = (1.0 - dx.abs() as f64 / size) * (1.0 - dy.abs() as f64 / size);
            let weight = match window {
                Window::Flat => triangle / (size * size) * (size * mean(i)) * (size * mean(j)),
                Window::Gaussian => triangle * gauss(dx as f64 + delta(i)) * gauss(dy as f64 + delta(j)),
            };
            sum += weight * at(map, y + dy, x + dx);
        }
    }
    sum
}

fn unit(values: &mut [f64]) {
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm > 0.0 {
        for value in values.iter_mut() {
            *value /= norm;
        }
    }
}

/// All descriptors of one bin size with their contrasts; `first` is the centre of the first bin of the first descriptor.
fn naive(image: &Array2<f32>, window: Window, b: i64, first: i64, step: usize) -> Vec<(f64, Vec<f64>)> {
    let maps = orientations(&smoothed(&image.mapv(f64::from), b as f64 / 6.0));
    let (height, width) = image.dim();
    let mut descriptors = Vec::new();
    for top in (first..height as i64 - 3 * b).step_by(step) {
        for left in (first..width as i64 - 3 * b).step_by(step) {
            let mut values = Vec::with_capacity(128);
            for j in 0..4 {
                for i in 0..4 {
                    let centre = (left + b * i, top + b * j);
                    values.extend(maps.iter().map(|map| bin_value(map, window, b, (i, j), centre)));
                }
            }
            let contrast = values.iter().sum::<f64>() / ((3 * b + 1) * (3 * b + 1)) as f64;
            unit(&mut values);
            for value in &mut values {
                *value = value.min(0.2);
            }
            unit(&mut values);
            descriptors.push((contrast, values));
        }
    }
    descriptors
}

#[test]
fn dense_sift_agrees_with_the_definition() {
    for (window, step, bin_sizes) in [
        (Window::Flat, 3, [4, 6]),
        (Window::Gaussian, 3, [4, 6]),
        (Window::Flat, 5, [1, 5]),
        (Window::Gaussian, 4, [3, 2]),
        (Window::Flat, 29, [7, 2]),
    ] {
        let image = image(47, 61);
        let params = DenseSift::params().window(window).step(step).low_contrast(LowContrast::Keep);
        let sift = params.bin_sizes(bin_sizes.to_vec()).check().unwrap();
        let found = sift.extract(image.view()).unwrap();
        let largest = bin_sizes.into_iter().max().unwrap();
        let expected: Vec<_> = bin_sizes
            .into_iter()
            .flat_map(|b| naive(&image, window, i64::from(b), 3 * i64::from(largest - b) / 2, step))
            .collect();
        assert_eq!(found.len(), expected.len());
        for (l, (contrast, values)) in expected.iter().enumerate() {
            assert!((f64::from(found.frames[l].norm) - contrast).abs() < 1e-6 + 1e-5 * contrast);
            // If the smoothed image is flat up to its last bits, the orientation of the gradient is determined by rounding alone.
            if *contrast > 1e-4 {
                for (found, expected) in found.values.row(l).iter().zip(values) {
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4,
                        "{window:?} {bin_sizes:?}: {found} {expected}"
                    );
                }
            }
        }
    }
}

fn extract(low_contrast: LowContrast, root_sift: RootSift, image: &Array2<f32>) -> LocalDescriptors {
    let params = DenseSift::params().bin_sizes(vec![4, 6]).low_contrast(low_contrast).root_sift(root_sift);
    params.check().unwrap().extract(image.view()).unwrap()
}

#[test]
fn descriptors_of_low_contrast_are_zeroed_dropped_or_kept() {
    let image = image(60, 70);
    let kept = extract(LowContrast::Keep, RootSift::Off, &image);
    let zeroed = extract(LowContrast::Zero, RootSift::Off, &image);
    let dropped = extract(LowContrast::Drop, RootSift::Off, &image);
    let flat: Vec<bool> = kept.frames.iter().map(|frame| frame.norm < 0.005).collect();
    assert!(flat.iter().any(|&flat| flat) && flat.iter().any(|&flat| !flat));
    assert_eq!(kept.frames, zeroed.frames);
    let mut of_dropped = 0;
    for (l, &flat) in flat.iter().enumerate() {
        if flat {
            assert!(zeroed.values.row(l).iter().all(|&value| value == 0.0));
        } else {
            assert_eq!(zeroed.values.row(l), kept.values.row(l));
            assert_eq!(dropped.values.row(of_dropped), kept.values.row(l));
            assert_eq!(dropped.frames[of_dropped], kept.frames[l]);
            of_dropped += 1;
        }
    }
    assert_eq!(dropped.len(), of_dropped);
}

#[test]
fn descriptors_are_unit_vectors_with_and_without_root_sift() {
    let image = image(60, 70);
    let plain = extract(LowContrast::Zero, RootSift::Off, &image);
    let rooted = extract(LowContrast::Zero, RootSift::On, &image);
    for (plain, rooted) in plain.values.rows().into_iter().zip(rooted.values.rows()) {
        let total = plain.sum();
        let expected = if total == 0.0 { 0.0 } else { 1.0 };
        assert!((plain.dot(&plain) - expected).abs() < 1e-5 && (rooted.dot(&rooted) - expected).abs() < 1e-5);
        for (plain, rooted) in plain.iter().zip(rooted) {
            assert!((rooted * rooted * total - plain).abs() < 1e-5);
        }
    }
}

#[test]
fn a_constant_image_gives_zeros_with_all_parameters() {
    for low_contrast in [LowContrast::Zero, LowContrast::Keep] {
        for root_sift in [RootSift::Off, RootSift::On] {
            let found = extract(low_contrast, root_sift, &Array2::from_elem((40, 40), 0.0));
            assert!(!found.is_empty() && found.values.iter().all(|&value| value == 0.0));
        }
    }
    assert!(extract(LowContrast::Drop, RootSift::Off, &Array2::from_elem((40, 40), 0.0)).is_empty());
}

#[test]
fn images_that_are_too_small_have_no_descriptors() {
    for (height, width) in [(0, 0), (0, 5), (1, 1), (12, 500), (500, 12), (13, 13)] {
        let sift = DenseSift::params().check().unwrap();
        let found = sift.extract(Array2::zeros((height, width)).view()).unwrap();
        assert_eq!(found.values.dim(), (0, 128), "{height} × {width}");
    }
    // The smallest image with a descriptor.
    let sift = DenseSift::params().bin_sizes(vec![1]).check().unwrap();
    assert_eq!(sift.extract(Array2::zeros((4, 4)).view()).unwrap().len(), 1);
}

#[test]
fn shifting_the_image_by_whole_steps_does_not_change_descriptors_inside() {
    let large = image(80, 90);
    let sift = DenseSift::params().bin_sizes(vec![4]).check().unwrap();
    let one = sift.extract(large.slice(s![..70, ..80])).unwrap();
    let other = sift.extract(large.slice(s![3..73, 6..86])).unwrap();
    let by_place = |found: &LocalDescriptors, x: f32, y: f32| {
        found.frames.iter().position(|frame| (frame.x, frame.y) == (x, y)).unwrap()
    };
    for (x, y) in [(30.0, 30.0), (36.0, 42.0), (45.0, 33.0)] {
        let (l, m) = (by_place(&one, x, y), by_place(&other, x - 6.0, y - 3.0));
        for (a, b) in one.values.row(l).iter().zip(other.values.row(m)) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}

#[test]
fn reused_memory_gives_the_same_descriptors() {
    let sift = DenseSift::params().check().unwrap();
    let mut descriptors = LocalDescriptors::default();
    for (height, width) in [(90, 120), (60, 60), (1, 1), (100, 130)] {
        let image = image(height, width);
        sift.extract_into(image.view(), &mut descriptors).unwrap();
        assert_eq!(descriptors, sift.extract(image.view()).unwrap());
    }
}

#[test]
fn blocks_together_are_the_whole_extraction() {
    for low_contrast in [LowContrast::Zero, LowContrast::Drop] {
        let sift = DenseSift::params().low_contrast(low_contrast).check().unwrap();
        for (height, width) in [(90, 120), (60, 60), (1, 1), (100, 131)] {
            let image = image(height, width);
            let whole = sift.extract(image.view()).unwrap();
            assert!(whole.len() <= sift.max_descriptors(width, height));
            let (mut frames, mut values) = (Vec::new(), Vec::new());
            let mut take = |block: &[crate::Frame], descriptors: ndarray::ArrayView2<'_, f32>| {
                assert!(!block.is_empty() && descriptors.dim() == (block.len(), 128));
                frames.extend_from_slice(block);
                values.extend(descriptors.iter().copied());
            };
            sift.extract_blocks(image.view(), &mut take).unwrap();
            assert_eq!(frames, whole.frames);
            assert_eq!(Some(values.as_slice()), whole.values.as_slice());
        }
    }
    let sift = DenseSift::params().check().unwrap();
    let outside = Array2::from_elem((60, 60), 2.0);
    assert!(
        sift.extract_blocks(outside.view(), &mut |_, _| panic!("pixels are checked before the first block")).is_err()
    );
}

#[test]
fn errors_name_the_first_pixel_out_of_range() {
    let sift = DenseSift::params().check().unwrap();
    for value in [f32::NAN, f32::INFINITY, -0.1, 1.5, 255.0] {
        let mut image = Array2::zeros((50, 60));
        image[[7, 9]] = value;
        let message = sift.extract(image.view()).unwrap_err().to_string();
        assert!(message.starts_with("pixel (x 9, y 7) is"), "{message}");
    }
}
