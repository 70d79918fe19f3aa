//! JPEG files of rare kinds: sampling factors, orders of scans, restarts, progressive scripts, and files that are cut off.

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

#[test]
fn every_file_has_the_pixels_of_libjpeg_turbo_or_is_refused() {
    let (mut n_decoded, mut refused) = (0, Vec::new());
    for (name, bytes, expected) in files() {
        match (Photograph::decode(&bytes), expected) {
            (Ok(photograph), Some(expected)) => {
                let found = photograph.rgb();
                assert_eq!(found.dim(), expected.dim(), "{name}");
                let sum: u64 = found.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                let mean = sum as f64 / expected.len() as f64;
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
