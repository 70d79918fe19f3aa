//! What the components of a JPEG file stand for.
//!
//! A file does not say it in one place. It is decided as libjpeg does, so that a picture has the colours that other programs show.
//!
//! # References
//! libjpeg-turbo, `default_decompress_parms` in jdapimin.c; `examine_app0` and `examine_app14` in jdmarker.c.

use jpeg_decoder::ColorTransform;
use zune_core::colorspace::ColorSpace;

use crate::jpeg::structure::Fault;

/// What the components of a frame stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Gray,
    Rgb,
    YCbCr,
    Cmyk,
    /// CMYK whose first three components are stored as YCbCr.
    Ycck,
}

/// What markers say about the colours.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ColourMarkers {
    is_jfif: bool,
    /// The transform of the last Adobe marker before the first scan.
    adobe: Option<u8>,
    /// Whether an Adobe marker comes after a scan. It does not count there, but zune-jpeg would follow it.
    pub(super) has_late_adobe: bool,
}

impl ColourMarkers {
    /// Reads a segment; those that say nothing about colours are skipped. `is_late`: whether a scan came before.
    pub(super) fn read(&mut self, marker: u8, segment: &[u8], is_late: bool) -> Result<(), Fault> {
        let is_jfif = marker == 0xe0 && segment.len() >= 14 && segment.starts_with(b"JFIF\0");
        self.is_jfif |= is_jfif && !is_late;
        if marker == 0xee && segment.len() >= 12 && segment.starts_with(b"Adobe") {
            let transform = segment[11];
            if transform > 2 {
                // Both decoders stop at such a marker, even where it does not count.
                return Err(Fault::Unsupported("an Adobe marker with an unknown colour transform"));
            }
            if is_late {
                self.has_late_adobe = true;
            } else {
                self.adobe = Some(transform);
            }
        }
        Ok(())
    }

    /// What 1, 3 or 4 components with these identifiers stand for.
    pub(super) fn colours(self, ids: &[u8]) -> Colours {
        match (ids.len(), self.adobe) {
            (1, _) => Colours::Gray,
            (3, _) if self.is_jfif => Colours::YCbCr,
            (3, Some(0)) => Colours::Rgb,
            (3, None) if ids == b"RGB" => Colours::Rgb,
            (3, _) => Colours::YCbCr,
            (_, None | Some(0)) => Colours::Cmyk,
            _ => Colours::Ycck,
        }
    }
}

impl Colours {
    /// The colours that zune-jpeg has found in the headers of a file with `n` components; `None` for all others.
    pub(super) fn of_zune(found: Option<ColorSpace>, n: usize) -> Option<Self> {
        match (n, found?) {
            (1, ColorSpace::Luma) => Some(Self::Gray),
            // While decoding, it replaces the kinds that have four components.
            (3, ColorSpace::RGB | ColorSpace::CMYK) => Some(Self::Rgb),
            (3, ColorSpace::YCbCr | ColorSpace::YCCK) => Some(Self::YCbCr),
            (4, ColorSpace::CMYK) => Some(Self::Cmyk),
            (4, ColorSpace::YCCK) => Some(Self::Ycck),
            _ => None,
        }
    }

    /// The name that jpeg-decoder has for it.
    pub(super) fn transform(self) -> ColorTransform {
        match self {
            Self::Gray => ColorTransform::Grayscale,
            Self::Rgb => ColorTransform::RGB,
            Self::YCbCr => ColorTransform::YCbCr,
            Self::Cmyk => ColorTransform::CMYK,
            Self::Ycck => ColorTransform::YCCK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JFIF: (u8, &[u8]) = (0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");

    fn colours(segments: &[(u8, &[u8])], ids: &[u8]) -> Colours {
        let mut markers = ColourMarkers::default();
        for &(marker, segment) in segments {
            markers.read(marker, segment, false).unwrap();
        }
        markers.colours(ids)
    }

    fn adobe(transform: u8) -> Vec<u8> {
        [b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat()
    }

    /// The whole table of `default_decompress_parms`.
    #[test]
    fn colours_are_decided_as_libjpeg_does() {
        use Colours::{Cmyk, Gray, Rgb, YCbCr, Ycck};
        let adobe = [0, 1, 2].map(adobe);
        let [adobe_0, adobe_1, adobe_2] = [0, 1, 2].map(|transform: usize| (0xee, adobe[transform].as_slice()));
        for (segments, three, four) in [
            (&[][..], YCbCr, Cmyk),
            (&[JFIF], YCbCr, Cmyk),
            (&[adobe_0], Rgb, Cmyk),
            (&[adobe_1], YCbCr, Ycck),
            (&[adobe_2], YCbCr, Ycck),
            (&[JFIF, adobe_0], YCbCr, Cmyk),
            (&[adobe_0, JFIF], YCbCr, Cmyk),
            (&[JFIF, adobe_1], YCbCr, Ycck),
            // The last Adobe marker counts.
            (&[adobe_1, adobe_0], Rgb, Cmyk),
        ] {
            assert_eq!(colours(segments, &[1, 2, 3]), three, "{segments:?}");
            assert_eq!(colours(segments, &[0, 1, 2]), three, "{segments:?}");
            assert_eq!(colours(segments, b"CMYK"), four, "{segments:?}");
            assert_eq!(colours(segments, b"R"), Gray, "{segments:?}");
            // The letters count only without a marker.
            assert_eq!(colours(segments, b"RGB"), if segments.is_empty() { Rgb } else { three }, "{segments:?}");
        }
        assert_eq!(colours(&[], b"rgb"), YCbCr);
    }

    /// Other segments with the same number, short ones, and those behind a scan do not count; unknown transforms are refused.
    #[test]
    fn only_whole_markers_in_their_place_count() {
        let adobe_0 = adobe(0);
        for segments in [(0xe0, &b"JFXX\0\x01\x01\0\0\x01\0\x01\0\0"[..]), (0xe0, &JFIF.1[..13]), (0xe1, JFIF.1)] {
            assert_eq!(colours(&[segments, (0xee, &adobe_0)], &[1, 2, 3]), Colours::Rgb);
        }
        assert_eq!(colours(&[(0xee, &adobe_0[..11])], &[1, 2, 3]), Colours::YCbCr);
        let mut markers = ColourMarkers::default();
        markers.read(0xee, &adobe_0, true).unwrap();
        assert!(markers.has_late_adobe);
        assert_eq!(markers.colours(&[1, 2, 3]), Colours::YCbCr);
        assert!(matches!(markers.read(0xee, &adobe(3), false), Err(Fault::Unsupported(_))));
    }
}
