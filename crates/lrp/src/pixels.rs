//! Layer 1: the relevance of descriptors, distributed to the pixels from which they were computed.

use fisherlens_descriptors::Frame;
use ndarray::Array2;

/// Relevance of every pixel (Eq. 10).
///
/// ```text
/// R[p] = Σ_{l : p ∈ area(l)} R[l] / |area(l)|
/// ```
/// `relevance` `R[l]` and `frames`: one entry per descriptor. `width` and `height` of the image are in pixels. `area(l)` is the
/// square of 4 × 4 bins around the descriptor's centre, clipped to the image ([`Frame::support`]), and `|area(l)|` is the number of
/// its pixels inside the image, so that `Σ_p R[p] = Σ_l R[l]`. Returns `(height, width)`.
///
/// The function writes the corners of all squares into a two-dimensional difference array and sums the array once, in `f64`. The cost is
/// therefore proportional to the number of descriptors plus the number of pixels. If a square lies completely outside the image, no pixel
/// gets its relevance; extractors do not produce such squares.
///
/// # Panics
/// When `relevance` and `frames` have different lengths.
///
/// # References
/// `lapuschkin2016`, supplement Eq. 10.
///
/// ```
/// use fisherlens_descriptors::Frame;
/// use fisherlens_lrp::pixel_relevance;
///
/// // 4 × 4 bins of 1 pixel, around the centre of pixel (5, 5).
/// let frame = Frame { x: 5.0, y: 5.0, bin_size: 1, norm: 1.0 };
/// let pixels = pixel_relevance(&[8.0], &[frame], 10, 9);
/// assert_eq!(pixels.dim(), (9, 10));
/// assert_eq!((pixels[[5, 5]], pixels[[0, 0]]), (0.5, 0.0));
/// ```
pub fn pixel_relevance(relevance: &[f32], frames: &[Frame], width: usize, height: usize) -> Array2<f32> {
    assert_eq!(relevance.len(), frames.len(), "there must be one relevance per frame");
    // One more row and column than the image has, for the right and bottom edges of the squares.
    let stride = width + 1;
    let mut differences = vec![0.0_f64; stride * (height + 1)];
    for (&relevance, frame) in relevance.iter().zip(frames) {
        let square = frame.support(width, height);
        let area = square.area();
        if area == 0 {
            continue;
        }
        let share = f64::from(relevance) / area as f64;
        differences[square.top * stride + square.left] += share;
        differences[square.top * stride + square.right] -= share;
        differences[square.bottom * stride + square.left] -= share;
        differences[square.bottom * stride + square.right] += share;
    }
    let mut pixels = Array2::zeros((height, width));
    // Sums of the difference array over each column, down to the current row.
    let mut columns = vec![0.0_f64; width];
    for (y, mut row) in pixels.rows_mut().into_iter().enumerate() {
        let differences = &differences[y * stride..y * stride + width];
        let mut sum = 0.0_f64;
        for ((pixel, column), difference) in row.iter_mut().zip(&mut columns).zip(differences) {
            *column += difference;
            sum += *column;
            *pixel = sum as f32;
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(x: f32, y: f32, bin_size: u16) -> Frame {
        Frame { x, y, bin_size, norm: 1.0 }
    }

    /// The formula as written: every pixel of every square.
    fn slow(relevance: &[f32], frames: &[Frame], width: usize, height: usize) -> Array2<f64> {
        let mut pixels = Array2::zeros((height, width));
        for (&relevance, frame) in relevance.iter().zip(frames) {
            let square = frame.support(width, height);
            for y in square.top..square.bottom {
                for x in square.left..square.right {
                    pixels[[y, x]] += f64::from(relevance) / square.area() as f64;
                }
            }
        }
        pixels
    }

    #[test]
    fn one_square_by_hand() {
        // 4 bins of 1 pixel: pixels 3 … 6 in both directions, 16 in total.
        let pixels = pixel_relevance(&[8.0], &[frame(5.0, 5.0, 1)], 10, 9);
        assert_eq!(pixels.dim(), (9, 10));
        for ((y, x), &value) in pixels.indexed_iter() {
            let inside = (3..7).contains(&x) && (3..7).contains(&y);
            assert_eq!(value, if inside { 0.5 } else { 0.0 }, "({x}, {y})");
        }
    }

    #[test]
    fn a_square_across_the_edge_keeps_its_relevance() {
        // Pixels −1 … 2 in both directions; 3 × 3 of them are inside.
        let pixels = pixel_relevance(&[9.0], &[frame(1.0, 1.0, 1)], 8, 8);
        assert_eq!(pixels[[0, 0]], 1.0);
        assert_eq!(pixels[[2, 2]], 1.0);
        assert_eq!(pixels[[3, 2]], 0.0);
        assert_eq!(pixels.sum(), 9.0);
    }

    #[test]
    fn empty_input_gives_zeros() {
        assert_eq!(pixel_relevance(&[], &[], 0, 0).len(), 0);
        assert_eq!(pixel_relevance(&[], &[], 3, 2), Array2::<f32>::zeros((2, 3)));
    }

    proptest! {
        #[test]
        fn pixels_equal_the_formula_and_keep_the_sum(
            places in prop::collection::vec((0.0_f32..40.0, 0.0_f32..30.0, 1_u16..12, -5.0_f32..5.0), 0..60),
        ) {
            let (width, height) = (40, 30);
            let frames: Vec<Frame> = places.iter().map(|&(x, y, b, _)| frame(x, y, b)).collect();
            let relevance: Vec<f32> = places.iter().map(|&(.., r)| r).collect();
            let pixels = pixel_relevance(&relevance, &frames, width, height);
            let expected = slow(&relevance, &frames, width, height);
            for (&found, &expected) in pixels.iter().zip(&expected) {
                prop_assert!((f64::from(found) - expected).abs() < 1e-6, "{found} {expected}");
            }
            let given: f64 = relevance.iter().map(|&r| f64::from(r)).sum();
            let absolute: f64 = relevance.iter().map(|&r| f64::from(r).abs()).sum();
            let spread: f64 = pixels.iter().map(|&r| f64::from(r)).sum();
            prop_assert!((given - spread).abs() <= 1e-6 * absolute, "{given} {spread}");
        }
    }
}
