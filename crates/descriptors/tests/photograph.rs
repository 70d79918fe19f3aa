//! Decoding: every kind of PNG by hand, JPEG in comparison with libjpeg-turbo, and damaged bytes of both.

#![cfg(feature = "decode")]

use std::fs::File;

use fisherlens_descriptors::{DescriptorError, Photograph};
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzReader;
use png::{BitDepth, ColorType};
use proptest::prelude::*;

fn png(width: u32, height: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![10, 20, 30, 200, 100, 50]);
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

fn jpegs() -> NpzReader<File> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/jpeg.npz");
    NpzReader::new(File::open(path).unwrap()).unwrap()
}

fn jpeg(name: &str) -> Vec<u8> {
    let bytes: Array1<u8> = jpegs().by_name(name).unwrap();
    bytes.to_vec()
}

/// Mean and largest absolute difference between two images.
fn differences<'a>(found: impl Iterator<Item = &'a u8>, expected: impl Iterator<Item = &'a u8>) -> (f64, u8) {
    let differences: Vec<u8> = found.zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
    let sum: u64 = differences.iter().map(|&difference| u64::from(difference)).sum();
    (sum as f64 / differences.len() as f64, differences.into_iter().max().unwrap())
}

#[test]
fn every_kind_of_png_by_hand() {
    use BitDepth::{Eight, One, Sixteen};
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let rgb = |color, depth, data: &[u8]| {
        let photograph = Photograph::decode(&png(2, 1, color, depth, data)).unwrap();
        assert_eq!((photograph.width(), photograph.height()), (2, 1));
        photograph.rgb().iter().copied().collect::<Vec<u8>>()
    };
    assert_eq!(rgb(Rgb, Eight, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(rgb(Grayscale, Eight, &[7, 9]), [7, 7, 7, 9, 9, 9]);
    assert_eq!(rgb(Grayscale, One, &[0b0100_0000]), [0, 0, 0, 255, 255, 255]);
    assert_eq!(rgb(Indexed, Eight, &[1, 0]), [200, 100, 50, 10, 20, 30]);
    // 16 bits are rounded to 8: 0x80ff of 0xffff is 128.498 of 255.
    assert_eq!(rgb(Grayscale, Sixteen, &[0x80, 0xff, 0xff, 0xff]), [128, 128, 128, 255, 255, 255]);
    // Transparent pixels become white; partly transparent pixels are blended with white.
    assert_eq!(rgb(Rgba, Eight, &[9, 9, 9, 0, 100, 0, 50, 255]), [255, 255, 255, 100, 0, 50]);
    assert_eq!(rgb(GrayscaleAlpha, Eight, &[55, 51, 0, 255]), [215, 215, 215, 0, 0, 0]);
}

#[test]
fn grey_values_of_grey_and_of_colour_images() {
    let gray = |bytes: &[u8]| Photograph::decode(bytes).unwrap().gray();
    let of_gray = gray(&png(1, 1, ColorType::Grayscale, BitDepth::Eight, &[51]));
    assert_eq!(of_gray[[0, 0]], 51.0 / 255.0);
    let of_rgb = gray(&png(1, 1, ColorType::Rgb, BitDepth::Eight, &[255, 0, 51]));
    assert!((of_rgb[[0, 0]] - (0.2989 + 0.114 * 0.2)).abs() < 1e-6);
}

#[test]
fn jpegs_agree_with_libjpeg_turbo() {
    for (name, mean_bound, bound) in [("baseline", 0.05, 3), ("subsampled", 0.5, 4), ("progressive", 0.5, 4)] {
        let expected: Array3<u8> = jpegs().by_name(&format!("{name}_values")).unwrap();
        let found = Photograph::decode(&jpeg(name)).unwrap().rgb();
        assert_eq!(found.dim(), expected.dim());
        let (mean, largest) = differences(found.iter(), expected.iter());
        assert!(mean < mean_bound && largest <= bound, "{name}: mean {mean}, at most {largest}");
    }
    let expected: Array2<u8> = jpegs().by_name("grey_values").unwrap();
    let photograph = Photograph::decode(&jpeg("grey")).unwrap();
    let found = photograph.gray().mapv(|value| (value * 255.0).round() as u8);
    let (mean, largest) = differences(found.iter(), expected.iter());
    assert!(mean < 0.05 && largest <= 1, "grey: mean {mean}, at most {largest}");
}

#[test]
fn cmyk_is_converted_to_rgb() {
    // Pillow wrote the file in CMYK and reads its left half as (200, 40, 60), its right half as (30, 140, 220).
    let found = Photograph::decode(&jpeg("cmyk")).unwrap().rgb();
    assert_eq!(found.dim(), (16, 16, 3));
    for (x, expected) in [(2, [200_u8, 40, 60]), (13, [30, 140, 220])] {
        let pixel = found.slice(ndarray::s![4, x, ..]);
        assert!(pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 4), "{pixel} for {expected:?}");
    }
}

/// The Adobe marker of a file with four components decides between CMYK and YCCK. Where zune-jpeg decides otherwise than libjpeg, no decoder
/// has the colours right.
#[test]
fn four_components_with_the_wrong_transform_are_refused() {
    let mut bytes = jpeg("cmyk");
    let at = bytes.windows(5).position(|name| name == b"Adobe").unwrap() + 11;
    assert_eq!(bytes[at], 0);
    bytes[at] = 1;
    let message = Photograph::decode(&bytes).unwrap_err().to_string();
    assert!(message.contains("contradict each other") && !message.contains("damaged"), "{message}");
}

#[test]
fn decode_upright_applies_the_orientation_of_exif() {
    // The stored picture is 24 pixels wide and 16 high: red and green above blue and yellow. It must be turned clockwise.
    let stored = Photograph::decode(&jpeg("oriented")).unwrap();
    assert_eq!((stored.width(), stored.height()), (24, 16));
    let seen = Photograph::decode_upright(&jpeg("oriented")).unwrap();
    assert_eq!((seen.width(), seen.height()), (16, 24));
    let (stored, seen) = (stored.rgb(), seen.rgb());
    for y in 0..24 {
        for x in 0..16 {
            assert_eq!(seen.slice(ndarray::s![y, x, ..]), stored.slice(ndarray::s![15 - x, y, ..]), "({x}, {y})");
        }
    }
    assert!(seen[[2, 13, 0]] > 200 && seen[[2, 13, 1]] < 60, "red must be at the top right");
    // A file without EXIF data is not turned.
    assert_eq!(Photograph::decode_upright(&jpeg("grey")).unwrap(), Photograph::decode(&jpeg("grey")).unwrap());
}

#[test]
fn large_photographs_are_made_smaller_and_small_ones_stay() {
    let photograph = Photograph::decode(&jpeg("baseline")).unwrap();
    assert_eq!(photograph.clone().fitted(61), photograph);
    let small = photograph.clone().fitted(30);
    assert_eq!((small.width(), small.height()), (30, 22));
    let mean = |photograph: &Photograph| photograph.gray().mean().unwrap();
    assert!((mean(&small) - mean(&photograph)).abs() < 0.01);
    assert_eq!(photograph.fitted(1).width(), 1);
    let grey = Photograph::decode(&jpeg("grey")).unwrap().fitted(20);
    assert_eq!(grey.rgb().dim(), (15, 20, 3));
    // A grey photograph stays grey: its values are multiples of 1 / 255.
    assert!(grey.gray().iter().all(|value| ((value * 255.0).round() - value * 255.0).abs() < 1e-3));
}

#[test]
fn animated_pngs_are_refused() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[1, 2]).unwrap();
    writer.write_image_data(&[3, 4]).unwrap();
    writer.finish().unwrap();
    let error = Photograph::decode(&bytes).unwrap_err();
    assert!(matches!(error, DescriptorError::Animated { n_frames: Some(2), .. }), "{error}");
}

#[test]
fn incomplete_files_are_refused_wherever_they_end() {
    let png = png(9, 7, ColorType::Rgb, BitDepth::Eight, &(0..189).collect::<Vec<u8>>());
    for bytes in [jpeg("baseline"), jpeg("progressive"), jpeg("grey"), png] {
        assert!(Photograph::decode(&bytes).is_ok());
        for end in 0..bytes.len() - 12 {
            assert!(Photograph::decode(&bytes[..end]).is_err(), "cut after {end} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn other_formats_and_huge_sizes_are_refused() {
    let error = Photograph::decode(b"GIF89a").unwrap_err();
    assert!(matches!(&error, DescriptorError::UnknownFormat { found } if found == "47 49 46 38 (GIF)"), "{error}");
    for (bytes, name) in [
        (&b"RIFF\x10\0\0\0WEBPVP8 "[..], "WebP"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"II*\0\x08", "TIFF"),
        (b"BM6", "BMP"),
    ] {
        assert!(Photograph::decode(bytes).unwrap_err().to_string().contains(name), "{name}");
    }
    assert!(matches!(Photograph::decode(b"").unwrap_err(), DescriptorError::Empty));
    // A file whose header gives a size of 60,000 × 60,000 pixels.
    let mut bytes = Vec::new();
    drop(png::Encoder::new(&mut bytes, 60_000, 60_000).write_header().unwrap());
    let error = Photograph::decode(&bytes).unwrap_err();
    assert!(matches!(error, DescriptorError::TooLarge { width: 60_000, height: 60_000, .. }), "{error}");
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(
        name in prop::sample::select(vec!["baseline", "subsampled", "progressive", "grey", "cmyk", "oriented"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = jpeg(name);
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let _ = Photograph::decode_upright(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        signature in prop::sample::select(vec![&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b""]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = Photograph::decode_upright(&[signature, &rest].concat());
    }
}
