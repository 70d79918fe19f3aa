//! What is in the devkit: size of the images, classes, photographers, and the digest of everything.

/// BLAKE3 digest of all pixels, masks, annotations and lists. It does not depend on how PNG compresses the pixels.
pub const CHECKSUM: &str = "c4567db7f33b6fa737bbecbfb6557782adc781bcfcdf3dfa25c1d3495e4df9af";

/// Width of every image in pixels.
pub const WIDTH: usize = 240;
/// Height of every image in pixels.
pub const HEIGHT: usize = 180;
/// Number of images; every second one is a test image.
pub const N_IMAGES: usize = 500;
/// The year in the folder's name.
pub const YEAR: u16 = 2016;

/// The names of the classes, sorted.
pub const CLASSES: [&str; 7] = ["burr", "comb", "drum", "fan", "knot", "pod", "reel"];
/// The class that half of the images show. A third of these images have the tag.
pub const TAGGED_CLASS: &str = "knot";
/// The photographer whose images have the tag.
pub const TAG_OWNER: &str = "Erin Vale";
/// The other photographers.
pub(crate) const OTHER_OWNERS: [&str; 9] = [
    "Abel Norring",
    "Bela Castan",
    "Ciro Lindqvist",
    "Dora Pell",
    "Femi Oyarzun",
    "Greta Halm",
    "Ilse Marr",
    "Jun Takeda-Roy",
    "Kasia Wren",
];
