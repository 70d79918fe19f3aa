//! How relevance changes with the distance from the objects.

use ndarray::ArrayView2;

use crate::rect::Rect;

/// Every fourth row and column is used. This is enough because relevance changes slowly: every descriptor spreads its relevance over
/// a square of at least 16 pixels. So a sixteenth of the pixels gives the same ranking as all of them.
const STRIDE: usize = 4;

/// Spearman's rank correlation of relevance and the distance to the nearest box, over the pixels outside all boxes.
///
/// ```text
/// ρ = correlation of rank(R[p]) and rank(distance(p, nearest box)),   p outside, in every 4th row and column
/// ```
/// Equal values get the mean of their ranks.
///
/// In −1 to 1. Below 0: relevance decreases with the distance from the object. About 0: it does not depend on the distance. Above 0:
/// it is far from the object, as with a planted tag in a corner.
///
/// `relevance` `(height, width)`, with its signs. `boxes`: in pixels of `relevance`, half open, clipped to it. Returns `None` without
/// a box, if fewer than three of the used pixels are outside, or if all of those have the same relevance or the same distance.
///
/// This is not the "distance correlation" of statistics, which measures any dependence of two variables.
///
/// ```
/// use fisherlens_eval::{Rect, distance_correlation};
/// use ndarray::Array2;
///
/// let fading = Array2::from_shape_fn((20, 40), |(_, x)| 1.0 / (x as f32 + 1.0));
/// let found = distance_correlation(fading.view(), &[Rect { left: 0, top: 0, right: 8, bottom: 20 }]).unwrap();
/// assert!((found + 1.0).abs() < 1e-12);
/// ```
pub fn distance_correlation(relevance: ArrayView2<'_, f32>, boxes: &[Rect]) -> Option<f64> {
    let (height, width) = relevance.dim();
    let clipped = boxes.iter().map(|rect| Rect {
        left: rect.left.min(width),
        top: rect.top.min(height),
        right: rect.right.min(width),
        bottom: rect.bottom.min(height),
    });
    let boxes: Vec<Rect> = clipped.filter(|rect| rect.left < rect.right && rect.top < rect.bottom).collect();
    let (mut values, mut distances) = (Vec::new(), Vec::new());
    for y in (0..height).step_by(STRIDE) {
        for x in (0..width).step_by(STRIDE) {
            let nearest = boxes.iter().map(|rect| squared_distance(rect, x, y)).min()?;
            if nearest > 0 {
                let value = relevance[[y, x]];
                values.push(if value.is_finite() { value + 0.0 } else { 0.0 });
                distances.push(nearest as f32);
            }
        }
    }
    if values.len() < 3 {
        return None;
    }
    correlation(&ranks(&values), &ranks(&distances))
}

/// Squared distance from a pixel to the nearest pixel of the box, between pixel centres; 0 inside. It has the same ranks as the distance.
fn squared_distance(rect: &Rect, x: usize, y: usize) -> usize {
    let along = |at: usize, first: usize, end: usize| first.saturating_sub(at).max((at + 1).saturating_sub(end));
    along(x, rect.left, rect.right).pow(2) + along(y, rect.top, rect.bottom).pow(2)
}

/// Ranks, counted from 0. Equal values get the mean of their ranks.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let value = values[order[first] as usize];
        let n_equal = order[first..].iter().take_while(|&&at| values[at as usize] == value).count().max(1);
        for &at in &order[first..first + n_equal] {
            ranks[at as usize] = (2 * first + n_equal - 1) as f64 / 2.0;
        }
        first += n_equal;
    }
    ranks
}

/// Pearson's correlation; `None` if one of the two does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use ndarray::Array2;

    use super::*;

    const BOX: Rect = Rect { left: 0, top: 0, right: 8, bottom: 40 };

    #[test]
    fn decreasing_increasing_and_constant_relevance() {
        let fading = Array2::from_shape_fn((40, 60), |(_, x)| 1.0 / (x as f32 + 1.0));
        assert_relative_eq!(distance_correlation(fading.view(), &[BOX]).unwrap(), -1.0, epsilon = 1e-12);
        let rising = fading.mapv(|value| -value.sqrt());
        assert_relative_eq!(distance_correlation(rising.view(), &[BOX]).unwrap(), 1.0, epsilon = 1e-12);
        assert_eq!(distance_correlation(Array2::ones((40, 60)).view(), &[BOX]), None);
        let across = Array2::from_shape_fn((40, 60), |(y, _)| y as f32);
        assert!(distance_correlation(across.view(), &[BOX]).unwrap().abs() < 1e-12);
    }

    #[test]
    fn without_a_box_or_an_outside_there_is_no_correlation() {
        let values = Array2::from_shape_fn((40, 60), |(y, x)| (x + y) as f32);
        assert_eq!(distance_correlation(values.view(), &[]), None);
        assert_eq!(distance_correlation(values.view(), &[Rect { left: 0, top: 0, right: 99, bottom: 99 }]), None);
        assert_eq!(distance_correlation(values.view(), &[Rect { left: 9, top: 9, right: 9, bottom: 99 }]), None);
        assert_eq!(distance_correlation(Array2::zeros((0, 0)).view(), &[BOX]), None);
    }

    #[test]
    fn distances_and_ranks_match_hand_computed_values() {
        let rect = Rect { left: 3, top: 2, right: 6, bottom: 4 };
        assert_eq!(squared_distance(&rect, 4, 3), 0);
        assert_eq!(squared_distance(&rect, 6, 3), 1);
        assert_eq!(squared_distance(&rect, 1, 0), 8);
        assert_eq!(squared_distance(&rect, 8, 9), 45);
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        // Spearman of (1, 2, 3, 4) and (2, 1, 4, 3): 1 − 6·4/(4·15).
        let found = correlation(&ranks(&[1.0, 2.0, 3.0, 4.0]), &ranks(&[2.0, 1.0, 4.0, 3.0]));
        assert_relative_eq!(found.unwrap(), 0.6, epsilon = 1e-12);
    }
}
