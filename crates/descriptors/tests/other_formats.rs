//! WebP, BMP and TIFF have the pixels that were written, and damaged ones are refused.
#![cfg(feature = "decode")]

use std::io::Cursor;

use fisherlens_descriptors::{DescriptorError, Photograph};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};
use proptest::prelude::*;

fn colours() -> RgbImage {
    RgbImage::from_fn(19, 13, |x, y| Rgb([(x * 13) as u8, (y * 19) as u8, (x * y) as u8]))
}

fn written(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn colours_and_grey_values_are_those_that_were_written() {
    let gray = GrayImage::from_fn(19, 13, |x, y| Luma([(x * y) as u8]));
    for format in [ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff] {
        let found = Photograph::decode(&written(colours(), format)).unwrap();
        assert_eq!((found.width(), found.height()), (19, 13));
        assert_eq!(found.rgb().into_raw_vec_and_offset().0, colours().into_raw(), "{format:?}");
        // Not every format stores grey as grey, but the values are equal.
        let found = Photograph::decode(&written(gray.clone(), format)).unwrap().rgb();
        assert_eq!(found.index_axis(ndarray::Axis(2), 1).iter().copied().collect::<Vec<u8>>(), gray.as_raw().clone());
    }
    let wide = ImageBuffer::<Luma<u16>, _>::from_fn(3, 1, |x, _| Luma([[0, 32_768, 65_535][x as usize]]));
    let found = Photograph::decode(&written(wide, ImageFormat::Tiff)).unwrap().gray();
    assert_eq!(found.iter().map(|value| (value * 255.0) as u8).collect::<Vec<_>>(), [0, 128, 255]);
}

#[test]
fn transparent_pixels_are_blended_with_white() {
    let picture = ImageBuffer::from_fn(2, 1, |x, _| Rgba([10_u8, 20, 30, if x == 0 { 255 } else { 0 }]));
    for format in [ImageFormat::WebP, ImageFormat::Tiff] {
        let found = Photograph::decode(&written(picture.clone(), format)).unwrap().rgb();
        assert_eq!(found.iter().copied().collect::<Vec<u8>>(), [10, 20, 30, 255, 255, 255], "{format:?}");
    }
}

#[test]
fn an_animated_webp_is_refused() {
    // The extended header says that the file is an animation.
    let mut bytes = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\0\0\0\0\0\0ANIM\x06\0\0\0\xff\xff\xff\xff\0\0".to_vec();
    let length = (bytes.len() - 8) as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let error = Photograph::decode(&bytes).unwrap_err();
    // The decoder may also miss the frames that the header promises.
    assert!(
        matches!(error, DescriptorError::Animated { .. } | DescriptorError::Decode { format: "WebP", .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn damaged_bytes_never_panic(
        format in prop::sample::select(vec![ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = written(colours(), format);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = Photograph::decode(&bytes);
        bytes.truncate(end.index(bytes.len()));
        let _ = Photograph::decode(&bytes);
    }
}
