//! Selects some of many images, evenly spread.

/// At most `n` of the images, evenly spread.
pub fn spread(images: &[usize], n: usize) -> Vec<usize> {
    let n = n.min(images.len());
    (0..n).map(|i| images[i * images.len() / n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_evenly_spread() {
        assert_eq!(spread(&[3, 5, 8, 9, 12, 20], 3), [3, 8, 12]);
        assert_eq!(spread(&[3, 5], 4), [3, 5]);
        assert!(spread(&[], 4).is_empty());
    }
}
