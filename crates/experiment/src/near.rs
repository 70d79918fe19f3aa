//! Nearly equal photographs: copies that were resized, compressed again or given a caption.

use std::collections::HashMap;

use fisherlens_descriptors::Photograph;
use image_hasher::{HashAlg, HasherConfig};
use serde::{Deserialize, Serialize};

/// Rows and columns of the small picture whose differences of neighbours are the bits.
const SIDE: u32 = 16;
/// Bits of a fingerprint.
const N_BITS: u32 = SIDE * SIDE;
/// Largest number of different bits of two pictures that count as nearly equal. Pictures that have nothing in common differ in about half of
/// the bits; a copy of half the size or with JPEG quality 50 differs in fewer than ten.
const MAX_DISTANCE: u32 = 12;
/// Bits of a part. Two fingerprints of [`MAX_DISTANCE`] share at least one of their 16 parts, so only those that share a part are compared.
const PART: usize = 16;

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

    fn distance(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    fn parts(&self) -> impl Iterator<Item = (usize, u16)> + '_ {
        let parts = self.0.iter().flat_map(|word| (0..64 / PART).map(move |part| (word >> (PART * part)) as u16));
        parts.enumerate()
    }
}

/// Pairs of nearly equal photographs, as indices, each pair once and in order.
pub(crate) fn pairs(fingerprints: &[Option<Fingerprint>]) -> Vec<[usize; 2]> {
    let mut places: HashMap<(usize, u16), Vec<usize>> = HashMap::new();
    let mut pairs = Vec::new();
    for (index, fingerprint) in fingerprints.iter().enumerate() {
        let Some(fingerprint) = fingerprint else { continue };
        let first = pairs.len();
        for part in fingerprint.parts() {
            let others = places.entry(part).or_default();
            for &other in others.iter() {
                let near = fingerprints[other].is_some_and(|other| other.distance(fingerprint) <= MAX_DISTANCE);
                if near && !pairs[first..].contains(&[other, index]) {
                    pairs.push([other, index]);
                }
            }
            others.push(index);
        }
    }
    pairs.sort_unstable();
    pairs
}

/// For each of `n` photographs the index of the first one that it is nearly equal to, directly or through others; its own if there is none.
pub(crate) fn together(n: usize, pairs: &[[usize; 2]]) -> Vec<usize> {
    let mut first: Vec<usize> = (0..n).collect();
    for &[a, b] in pairs {
        let (a, b) = (root(&first, a), root(&first, b));
        first[a.max(b)] = a.min(b);
    }
    (0..n).map(|index| root(&first, index)).collect()
}

fn root(first: &[usize], mut index: usize) -> usize {
    while first[index] != index {
        index = first[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_whatever_their_place() {
        let random = |seed: u64| {
            let digest = blake3::hash(&seed.to_le_bytes());
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(digest.as_bytes().as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            Fingerprint(words)
        };
        let mut all: Vec<Option<Fingerprint>> = (0..500).map(|seed| Some(random(seed))).collect();
        let changed = |fingerprint: Option<Fingerprint>, n: u32| {
            let mut changed = fingerprint.unwrap();
            for bit in 0..n {
                changed.0[(bit % 4) as usize] ^= 1 << (bit * 5 % 64);
            }
            Some(changed)
        };
        all[400] = changed(all[3], MAX_DISTANCE);
        all[401] = changed(all[400], 1);
        all[450] = changed(all[7], MAX_DISTANCE + 1);
        all[460] = None;
        let found = pairs(&all);
        // The slow twin compares all pairs.
        let mut slow = Vec::new();
        for b in 0..all.len() {
            for a in 0..b {
                if let (Some(one), Some(other)) = (all[a], all[b])
                    && one.distance(&other) <= MAX_DISTANCE
                {
                    slow.push([a, b]);
                }
            }
        }
        slow.sort_unstable();
        assert_eq!(found, slow);
        assert!(found.contains(&[3, 400]) && found.contains(&[400, 401]) && !found.contains(&[7, 450]));
        let together = together(all.len(), &found);
        assert_eq!((together[401], together[450], together[8]), (3, 450, 8));
    }
}
