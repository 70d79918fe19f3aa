//! Nearly equal photographs: copies that were resized, compressed again or given a caption.

use fisherlens_dataset::ImageEntry;
use fisherlens_descriptors::Photograph;
use image_hasher::{HashAlg, HasherConfig};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows and columns of the small picture whose differences of neighbours are the bits.
const SIDE: u32 = 16;
/// Bits of a fingerprint.
const N_BITS: u32 = SIDE * SIDE;
/// Largest number of different bits of two pictures that count as nearly equal. Pictures that have nothing in common differ in about half of
/// the bits; a copy of half the size or with JPEG quality 50 differs in fewer than ten.
const MAX_DISTANCE: u32 = 12;

/// 256 bits that nearly equal photographs share: whether each cell of a small grey copy is brighter than its neighbour on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint([u64; 4]);

impl Fingerprint {
    /// The fingerprint of a photograph; `None` for one that is almost of one colour, because such pictures all have the same.
    pub(crate) fn of(photograph: &Photograph) -> Option<Self> {
        let gray = photograph.gray();
        let values = gray.iter().map(|value| (255.0 * value).round() as u8).collect();
        let picture = image::GrayImage::from_raw(photograph.width() as u32, photograph.height() as u32, values)?;
        let hasher =
            HasherConfig::with_bytes_type::<[u8; 32]>().hash_size(SIDE, SIDE).hash_alg(HashAlg::Gradient).to_hasher();
        let hash = hasher.hash_image(&picture);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let n_set: u32 = words.iter().map(|word: &u64| word.count_ones()).sum();
        (N_BITS / 16..N_BITS - N_BITS / 16).contains(&n_set).then_some(Self(words))
    }

    /// Whether at most [`MAX_DISTANCE`] bits differ. For most pairs the first 64 bits are enough to see that more do.
    fn is_near(&self, other: &Self) -> bool {
        let mut distance = 0;
        self.0.iter().zip(&other.0).all(|(a, b)| {
            distance += (a ^ b).count_ones();
            distance <= MAX_DISTANCE
        })
    }
}

/// For each photograph of the second half that is nearly equal to one of the first half: the index of the first such photograph, and its own.
/// `may_be` leaves pairs out. All pairs are compared: pictures of things on a white background share most of their bits, so that no index over
/// parts of the bits would save work there. 100,000 photographs take some seconds.
fn copies(
    first: &[Option<Fingerprint>],
    second: &[Option<Fingerprint>],
    may_be: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<[usize; 2]> {
    let original = |(own, fingerprint): (usize, &Option<Fingerprint>)| {
        let fingerprint = fingerprint.as_ref()?;
        let is_near = |other: &Option<Fingerprint>| other.is_some_and(|other| other.is_near(fingerprint));
        let index = (0..first.len()).find(|&index| is_near(&first[index]) && may_be(index, own))?;
        Some([index, own])
    };
    second.par_iter().enumerate().filter_map(original).collect()
}

/// Training image and test image of every pair that is nearly equal. Equal ones are reported by the data set.
pub(crate) fn divided(
    [train, test]: [&[ImageEntry]; 2],
    [first, second]: [&[Option<Fingerprint>]; 2],
) -> Vec<[String; 2]> {
    let copies = copies(first, second, |a, b| train[a].digest != test[b].digest);
    copies.into_iter().map(|[original, copy]| [train[original].id.clone(), test[copy].id.clone()]).collect()
}

/// Groups of photographs that are nearly equal, directly or through others: per photograph, the index of the first one of its group. A photograph
/// that is equal to no other is a group of its own.
pub(crate) fn together(fingerprints: &[Option<Fingerprint>]) -> Vec<usize> {
    /// Photographs whose pairs are in memory together. Among the frames of one video every pair may be nearly equal.
    const CHUNK: usize = 64;
    let mut first: Vec<usize> = (0..fingerprints.len()).collect();
    for start in (0..fingerprints.len()).step_by(CHUNK) {
        let end = fingerprints.len().min(start + CHUNK);
        let before = |index: usize| {
            let fingerprint = fingerprints[index];
            let is_near = move |other: &Option<Fingerprint>| {
                other.zip(fingerprint).is_some_and(|(other, fingerprint)| other.is_near(&fingerprint))
            };
            let near = (0..index).filter(move |&other| is_near(&fingerprints[other]));
            near.map(move |other| [other, index]).collect::<Vec<_>>()
        };
        let pairs: Vec<Vec<[usize; 2]>> = (start..end).into_par_iter().map(before).collect();
        for [a, b] in pairs.into_iter().flatten() {
            let (a, b) = (root(&mut first, a), root(&mut first, b));
            first[a.max(b)] = a.min(b);
        }
    }
    (0..fingerprints.len()).map(|index| root(&mut first, index)).collect()
}

/// The first photograph of a group. The way to it is made shorter for the next time.
fn root(first: &mut [usize], mut index: usize) -> usize {
    while first[index] != index {
        first[index] = first[first[index]];
        index = first[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64) -> Fingerprint {
        let digest = blake3::hash(&seed.to_le_bytes());
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.as_bytes().as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Fingerprint(words)
    }

    /// The same fingerprint with `n` other bits, beginning with bit `from`.
    fn changed(fingerprint: Fingerprint, from: u32, n: u32) -> Fingerprint {
        let mut changed = fingerprint;
        for bit in from..from + n {
            changed.0[(bit % 4) as usize] ^= 1 << (bit * 5 % 64);
        }
        changed
    }

    #[test]
    fn copies_are_found_through_other_copies() {
        let mut all: Vec<Option<Fingerprint>> = (0..500).map(|seed| Some(random(seed))).collect();
        all[400] = Some(changed(random(3), 0, MAX_DISTANCE));
        all[401] = Some(changed(all[400].unwrap(), 20, 5));
        all[450] = Some(changed(random(7), 0, MAX_DISTANCE + 1));
        all[460] = None;
        let found = together(&all);
        assert_eq!((found[400], found[401], found[450], found[460], found[8]), (3, 3, 450, 460, 8));
        assert_eq!(found.iter().enumerate().filter(|(index, first)| index != *first).count(), 2);

        let (train, test) = all.split_at(300);
        assert_eq!(copies(train, test, |_, _| true), [[3, 100]], "401 differs from 3 in too many bits");
        assert!(copies(train, test, |index, _| index != 3).is_empty());
    }
}
