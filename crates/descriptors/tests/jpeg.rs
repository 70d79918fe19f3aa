//! JPEG files of rare kinds: sampling factors, orders of scans, restarts, progressive scripts, markers of colours, and files that are cut off.

#![cfg(feature = "decode")]

use std::fs::File;

use fisherlens_descriptors::{DescriptorError, Photograph};
use ndarray::{Array1, Array3};
use ndarray_npy::NpzReader;
use proptest::prelude::*;

/// Name and bytes of every file of the collection, with the pixels that libjpeg-turbo decodes if it has them.
fn files() -> Vec<(String, Vec<u8>, Option<Array3<u8>>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/jpeg_kinds.npz");
    let mut reader = NpzReader::new(File::open(path).unwrap()).unwrap();
    let names: Vec<String> =
        reader.names().unwrap().iter().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
    let read = |name: &String| {
        let bytes: Array1<u8> = reader.by_name(name).unwrap();
        (name.clone(), bytes.to_vec(), reader.by_name(&format!("{name}_values")).ok())
    };
    names.iter().filter(|name| !name.ends_with("_values")).map(read).collect()
}

fn file(name: &str) -> Vec<u8> {
    files().into_iter().find(|(found, ..)| found == name).unwrap().1
}

/// Places of a marker. It cannot occur among coded bytes.
fn places(bytes: &[u8], marker: u8) -> Vec<usize> {
    let pairs = bytes.windows(2).enumerate();
    pairs.filter(|(_, pair)| *pair == [0xff, marker]).map(|(at, _)| at).collect()
}

/// Files of the collection that zune-jpeg and jpeg-decoder decode, in one scan and in several, all with the pixels YCbCr.
const COLOURED: [&str; 4] = ["s2x2-inter-0-33", "s2x2-nonint-0-33", "s1x1-prog1-0-33", "s2x1-prog2-1B-33"];

const JFIF: &[u8] = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

fn adobe(transform: u8) -> Vec<u8> {
    [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0", &[transform][..]].concat()
}

/// The file with other markers instead of its JFIF marker, and with these names of its components.
fn with_markers(bytes: &[u8], markers: &[u8], ids: [u8; 3]) -> Vec<u8> {
    assert_eq!(bytes[2..20], *JFIF);
    let mut bytes = bytes.to_vec();
    let frame = [0xc0, 0xc1, 0xc2].iter().find_map(|&marker| places(&bytes, marker).first().copied()).unwrap();
    for (index, id) in ids.into_iter().enumerate() {
        bytes[frame + 10 + 3 * index] = id;
    }
    for scan in places(&bytes, 0xda) {
        for entry in 0..usize::from(bytes[scan + 4]) {
            let id = &mut bytes[scan + 5 + 2 * entry];
            // The collection has the names 1, 2 and 3.
            *id = ids[usize::from(*id) - 1];
        }
    }
    [&bytes[..2], markers, &bytes[20..]].concat()
}

fn mean_difference(found: &Array3<u8>, expected: &Array3<u8>) -> f64 {
    assert_eq!(found.dim(), expected.dim());
    let sum: u64 = found.iter().zip(expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / expected.len() as f64
}

/// YCbCr values as RGB, by the formula of JFIF.
fn rgb_of(ycc: &Array3<u8>) -> Array3<u8> {
    let mut rgb = ycc.clone();
    for mut pixel in rgb.rows_mut() {
        let [y, cb, cr] = [0, 1, 2].map(|channel| f64::from(pixel[channel]));
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        let values = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
        values.iter().zip(&mut pixel).for_each(|(value, place)| *place = value.round() as u8);
    }
    rgb
}

#[test]
fn every_file_has_the_pixels_of_libjpeg_turbo_or_is_refused() {
    let (mut n_decoded, mut refused) = (0, Vec::new());
    for (name, bytes, expected) in files() {
        match (Photograph::decode(&bytes), expected) {
            (Ok(photograph), Some(expected)) => {
                let mean = mean_difference(&photograph.rgb(), &expected);
                assert!(mean < 1.0, "{name}: the mean difference is {mean}");
                n_decoded += 1;
            }
            (Err(DescriptorError::Unsupported { .. }), _) => refused.push(name),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    assert!(n_decoded > 100, "{n_decoded} files were decoded, refused: {refused:?}");
    assert!(refused.contains(&"arith-75-33".to_owned()), "{refused:?}");
}

#[test]
fn a_picture_that_is_larger_than_its_data_is_refused() {
    let mut bytes = file("s2x2-inter-0-33");
    // Height and width follow the marker of the frame header, its length and the number of bits.
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap() + 5;
    bytes[at..at + 4].copy_from_slice(&[0x1f, 0x40, 0x1f, 0x40]);
    let message = Photograph::decode(&bytes).unwrap_err().to_string();
    assert!(message.contains("blocks are missing"), "{message}");
}

#[test]
fn a_file_of_endless_scans_is_refused() {
    let bytes = file("s1x1-prog2-0-33");
    // The last scan, again and again.
    let at = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let (start, scan) = bytes[..bytes.len() - 2].split_at(at);
    let many = [start, &scan.repeat(1000), &[0xff, 0xd9]].concat();
    let message = Photograph::decode(&many).unwrap_err().to_string();
    assert!(message.contains("more than 500 scans"), "{message}");
}

#[test]
fn sound_files_are_not_called_damaged() {
    let message = Photograph::decode(&file("arith-75-33")).unwrap_err().to_string();
    assert!(message.contains("arithmetic coding") && !message.contains("damaged"), "{message}");
}

/// Which markers and names make a picture YCbCr or RGB. The rules are those of libjpeg; before, each decoder had its own.
#[test]
fn markers_decide_about_colours_as_in_libjpeg() {
    let numbers = [1, 2, 3];
    let late = |name: &str| {
        // Behind a scan, an Adobe marker does not count.
        let bytes = file(name);
        let at = *places(&bytes, 0xda).last().unwrap();
        [&bytes[..at], &adobe(0), &bytes[at..]].concat()
    };
    for name in COLOURED {
        let bytes = file(name);
        let expected = Photograph::decode(&bytes).unwrap().rgb();
        let decode = |markers: &[u8], ids| Photograph::decode(&with_markers(&bytes, markers, ids)).unwrap().rgb();
        for (markers, ids) in [
            (vec![], numbers),
            (vec![], [0, 1, 2]),
            (vec![], *b"rgb"),
            (adobe(1), numbers),
            (adobe(2), numbers),
            (adobe(1), *b"RGB"),
            (JFIF.to_vec(), *b"RGB"),
            ([JFIF, &adobe(0)].concat(), numbers),
            ([&adobe(0), JFIF].concat(), numbers),
            ([JFIF, &adobe(0)].concat(), *b"RGB"),
        ] {
            let mean = mean_difference(&decode(&markers, ids), &expected);
            assert!(mean < 1.0, "{name}, {ids:?}, {markers:?}: the mean difference is {mean}");
        }
        for (markers, ids) in [(adobe(0), numbers), (adobe(0), *b"RGB"), (adobe(0), [9, 8, 7]), (vec![], *b"RGB")] {
            // The stored values are shown as they are.
            let found = decode(&markers, ids);
            assert!(mean_difference(&found, &expected) > 10.0, "{name}, {ids:?}, {markers:?}");
            let mean = mean_difference(&rgb_of(&found), &expected);
            assert!(mean < 2.0, "{name}, {ids:?}, {markers:?}: the mean difference is {mean}");
        }
        if !name.contains("inter") {
            let mean = mean_difference(&Photograph::decode(&late(name)).unwrap().rgb(), &expected);
            assert!(mean < 1.0, "{name}, late marker: the mean difference is {mean}");
        }
    }
}

/// A sound file whose colours no decoder has right is not called damaged.
#[test]
fn unknown_colours_are_refused_by_name() {
    let message = |bytes: &[u8]| match Photograph::decode(bytes) {
        Err(error @ DescriptorError::Unsupported { .. }) => error.to_string(),
        found => panic!("{found:?}"),
    };
    for name in COLOURED {
        let unknown = with_markers(&file(name), &adobe(3), [1, 2, 3]);
        assert!(message(&unknown).contains("unknown colour transform"), "{name}");
    }
    // The third of three scans is left out, and the frame says so.
    let mut bytes = file("s1x1-nonint-0-33");
    let (frame, last) = (places(&bytes, 0xc0)[0], places(&bytes, 0xda)[2]);
    bytes.truncate(last);
    bytes.extend([0xff, 0xd9]);
    bytes.drain(frame + 16..frame + 19);
    bytes[frame + 3] -= 3;
    bytes[frame + 9] = 2;
    assert!(message(&bytes).contains("two components"), "{}", message(&bytes));
    // Five components, of which two are of no scan.
    let mut bytes = file("s1x1-nonint-0-33");
    bytes.splice(frame + 19..frame + 19, [4, 0x11, 0, 5, 0x11, 0]);
    bytes[frame + 3] += 6;
    bytes[frame + 9] = 5;
    assert!(message(&bytes).contains("more than four components"), "{}", message(&bytes));
}

/// Any number of bytes `ff` may come before a marker, also before a restart marker within a scan.
#[test]
fn fill_bytes_before_restart_markers_change_nothing() {
    let mut n_files = 0;
    for (name, bytes, _) in files() {
        let scan = places(&bytes, 0xda)[0];
        let is_restart =
            |at: usize| bytes[at] == 0xff && bytes.get(at + 1).is_some_and(|byte| (0xd0..0xd8).contains(byte));
        let restarts: Vec<usize> = (scan..bytes.len()).filter(|&at| is_restart(at)).collect();
        let Ok(expected) = Photograph::decode(&bytes) else { continue };
        if restarts.is_empty() {
            continue;
        }
        let mut filled = bytes.clone();
        for (index, at) in restarts.into_iter().enumerate().rev() {
            filled.splice(at..at, vec![0xff; index % 4]);
        }
        // Also before the end of the picture.
        let end = filled.len() - 2;
        filled.splice(end..end, [0xff; 3]);
        assert_eq!(Photograph::decode(&filled).unwrap(), expected, "{name}");
        n_files += 1;
    }
    assert!(n_files > 40, "only {n_files} files have restart markers");
}

/// Fill bytes are no data: they cannot stand for missing blocks.
#[test]
fn a_scan_of_fill_bytes_is_incomplete() {
    for name in ["s2x2-inter-0-33", "s1x1-inter-3B-33", "s2x2-nonint-0-33"] {
        let bytes = file(name);
        let start = places(&bytes, 0xda)[0] + 14;
        let half = start + (bytes.len() - start) / 2;
        let filled = [&bytes[..half], &[0xff; 5000], &[0xd9]].concat();
        let message = Photograph::decode(&filled).unwrap_err().to_string();
        assert!(message.contains("damaged or incomplete"), "{name}: {message}");
    }
}

proptest! {
    #[test]
    fn a_file_that_is_cut_and_closed_again_is_refused(index in 0_usize..200, share in 0.0_f64..0.97) {
        let files = files();
        let (name, bytes, expected) = &files[index % files.len()];
        let start = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
        let length = start + (share * (bytes.len() - 2 - start) as f64) as usize;
        let cut = [&bytes[..length], &[0xff, 0xd9]].concat();
        // A cut between two scans of a progressive file leaves a coarser picture, which is a sound file of its own.
        let is_sequential = !name.contains("prog");
        if is_sequential && expected.is_some() {
            prop_assert!(Photograph::decode(&cut).is_err(), "{name}, cut at {length} of {}", bytes.len());
        }
    }

    #[test]
    fn changed_bytes_never_panic(index in 0_usize..200, at in 0.0_f64..1.0, value in any::<u8>()) {
        let files = files();
        let (_, bytes, _) = &files[index % files.len()];
        let mut bytes = bytes.clone();
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = value;
        let _ = Photograph::decode(&bytes);
    }
}
