//! Precision, recall and average precision of a ranking, as PASCAL VOC defines them.

/// VOC 2007 divides recall into this many steps: precision is read at the recalls 0, 1/10, …, 10/10.
const N_RECALL_STEPS: usize = 10;

/// How average precision is computed from the precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Interpolation {
    /// VOC 2007: the mean over t = 0, 0.1, …, 1 of the greatest precision at recall ≥ t (`everingham2010`, eq. (1) and (2)).
    #[default]
    ElevenPoint,
    /// VOC 2010 and later: the area under the curve after its precision has been made monotonically decreasing.
    Area,
}

/// The precision-recall curve of a ranking: one point per counted image, from the highest score to the lowest.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PrecisionRecall {
    /// Positives up to this image divided by all positives, in `[0, 1]`, never decreasing. All values are 0 if there is no positive.
    pub recall: Vec<f64>,
    /// Positives up to this image divided by images up to this image, in `[0, 1]`.
    pub precision: Vec<f64>,
}

/// Average precision of one class.
///
/// ```text
/// p[k] = k / rank of the k-th positive,   e[k] = max over j ≥ k of p[j],   P positives
/// ElevenPoint   1/11 · Σ_{t = 0 … 10} e[max(1, ⌈t·P / 10⌉)]
/// Area          1/P · Σ_k e[k]
/// ```
/// `scores` and `labels` `(N)`. Labels are −1, 0 or +1; images with label 0 (only difficult instances) are left out of the ranking.
/// Images with equal scores keep their order, and NaN ranks last. Returns a number in `[0, 1]`, or `None` if there is no positive.
/// Recall is compared with t in integers, so that rounding cannot change the result.
///
/// ```
/// use fisherlens_eval::{Interpolation, average_precision};
///
/// let (scores, labels) = ([0.9, 0.8, 0.7], [1, -1, 1]);
/// let area = average_precision(&scores, &labels, Interpolation::Area).unwrap();
/// assert!((area - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
/// ```
///
/// # Panics
/// When `scores` and `labels` differ in length.
///
/// # References
/// `everingham2010`, section 4.2; the devkits' `VOCap.m` and `VOCevalcls.m`.
pub fn average_precision(scores: &[f32], labels: &[i8], interpolation: Interpolation) -> Option<f64> {
    let order = ranking(scores, labels);
    let hits = order.iter().map(|&image| labels[image as usize] > 0);
    average_of_ranked(hits, interpolation, &mut Vec::new())
}

/// Precision and recall after each image, from the highest score to the lowest. Images with label 0 are left out.
///
/// Equal scores and NaN are ranked as in [`average_precision`].
///
/// # Panics
/// When `scores` and `labels` differ in length.
pub fn precision_recall(scores: &[f32], labels: &[i8]) -> PrecisionRecall {
    let order = ranking(scores, labels);
    let n_positives = labels.iter().filter(|&&label| label > 0).count();
    let mut n_hits = 0;
    let (recall, precision) = order
        .iter()
        .enumerate()
        .map(|(rank, &image)| {
            n_hits += usize::from(labels[image as usize] > 0);
            (n_hits as f64 / n_positives.max(1) as f64, n_hits as f64 / (rank + 1) as f64)
        })
        .unzip();
    PrecisionRecall { recall, precision }
}

/// Counted images from the highest score to the lowest. Images with equal scores keep their order, and NaN is last.
pub(crate) fn ranking(scores: &[f32], labels: &[i8]) -> Vec<u32> {
    assert_eq!(scores.len(), labels.len(), "every score needs a label");
    let key = |image: u32| {
        let score = scores[image as usize];
        // Adding zero turns −0 into +0. Otherwise total_cmp would treat them as different.
        if score.is_nan() { f32::NEG_INFINITY } else { score + 0.0 }
    };
    let mut order: Vec<u32> = (0..scores.len() as u32).filter(|&image| labels[image as usize] != 0).collect();
    order.sort_by(|&one, &other| {
        let nan_last = scores[one as usize].is_nan().cmp(&scores[other as usize].is_nan());
        key(other).total_cmp(&key(one)).then(nan_last)
    });
    order
}

/// Average precision of images that are already ranked. `hits`: whether each image is positive. `envelope`: scratch space.
pub(crate) fn average_of_ranked(
    hits: impl Iterator<Item = bool>,
    interpolation: Interpolation,
    envelope: &mut Vec<f64>,
) -> Option<f64> {
    envelope.clear();
    for (rank, hit) in hits.enumerate() {
        if hit {
            envelope.push((envelope.len() + 1) as f64 / (rank + 1) as f64);
        }
    }
    let n_positives = envelope.len();
    if n_positives == 0 {
        return None;
    }
    // Precision rises only at positives, so the greatest precision from some rank on always lies at a positive. The loop turns
    // p[k] into e[k].
    for k in (0..n_positives - 1).rev() {
        envelope[k] = envelope[k].max(envelope[k + 1]);
    }
    Some(match interpolation {
        Interpolation::ElevenPoint => {
            // The first k (counted from 1) whose recall k / P is at least t / 10, in integers.
            let at = |t: usize| envelope[(t * n_positives).div_ceil(N_RECALL_STEPS).max(1) - 1];
            (0..=N_RECALL_STEPS).map(at).sum::<f64>() / (N_RECALL_STEPS + 1) as f64
        }
        Interpolation::Area => envelope.iter().sum::<f64>() / n_positives as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    /// `VOCap.m` of the 2007 and 2010 devkits, translated line by line.
    fn devkit(scores: &[f32], labels: &[i8], interpolation: Interpolation) -> f64 {
        let PrecisionRecall { recall, precision } = precision_recall(scores, labels);
        match interpolation {
            Interpolation::ElevenPoint => (0..=10)
                .map(|t| {
                    let reached = recall.iter().zip(&precision).filter(|(r, _)| **r >= f64::from(t) / 10.0 - 1e-12);
                    reached.map(|(_, &p)| p).fold(0.0, f64::max) / 11.0
                })
                .sum(),
            Interpolation::Area => {
                let mut mrec = vec![0.0];
                mrec.extend(&recall);
                mrec.push(1.0);
                let mut mpre = vec![0.0];
                mpre.extend(&precision);
                mpre.push(0.0);
                for i in (0..mpre.len() - 1).rev() {
                    mpre[i] = mpre[i].max(mpre[i + 1]);
                }
                (1..mrec.len()).map(|i| (mrec[i] - mrec[i - 1]) * mpre[i]).sum()
            }
        }
    }

    #[test]
    fn average_precision_and_curve_match_hand_computed_values() {
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5];
        let labels = [1, -1, 1, -1, -1];
        // Precision 1 up to recall 1/2 (t = 0 … 0.5), then 2/3.
        let eleven = average_precision(&scores, &labels, Interpolation::ElevenPoint).unwrap();
        assert_relative_eq!(eleven, (6.0 + 5.0 * 2.0 / 3.0) / 11.0, epsilon = 1e-12);
        let area = average_precision(&scores, &labels, Interpolation::Area).unwrap();
        assert_relative_eq!(area, 0.5 + 0.5 * 2.0 / 3.0, epsilon = 1e-12);
        let curve = precision_recall(&scores, &labels);
        assert_eq!(curve.recall, [0.5, 0.5, 1.0, 1.0, 1.0]);
        assert_eq!(curve.precision, [1.0, 0.5, 2.0 / 3.0, 0.5, 0.4]);
    }

    #[test]
    fn the_greatest_precision_at_a_higher_recall_counts() {
        // Ranks 2, 3, 4: precision 1/2, 2/3, 3/4, so 3/4 everywhere.
        let scores = [4.0, 3.0, 2.0, 1.0];
        for interpolation in [Interpolation::ElevenPoint, Interpolation::Area] {
            let found = average_precision(&scores, &[-1, 1, 1, 1], interpolation).unwrap();
            assert_relative_eq!(found, 0.75, epsilon = 1e-12);
        }
    }

    #[test]
    fn difficult_images_are_skipped() {
        let with = average_precision(&[5.0, 4.0, 3.0, 2.0], &[0, 1, 0, -1], Interpolation::Area);
        assert_eq!(with, Some(1.0));
        assert_eq!(precision_recall(&[5.0, 4.0], &[0, 1]).precision, [1.0]);
    }

    #[test]
    fn without_a_positive_there_is_no_average_precision() {
        assert_eq!(average_precision(&[1.0, 2.0], &[-1, 0], Interpolation::ElevenPoint), None);
        assert_eq!(average_precision(&[], &[], Interpolation::Area), None);
        assert_eq!(precision_recall(&[1.0], &[-1]).recall, [0.0]);
    }

    #[test]
    fn equal_scores_keep_their_order_and_nan_is_last() {
        assert_eq!(ranking(&[0.0, -0.0, 0.0], &[1, 1, 1]), [0, 1, 2]);
        assert_eq!(ranking(&[f32::NAN, 1.0, f32::NEG_INFINITY, 2.0], &[1; 4]), [3, 1, 2, 0]);
    }

    #[test]
    fn recall_of_exactly_one_tenth_counts() {
        // Ten positives; between two positives there is one negative more each time. The first positive has a recall of exactly 0.1.
        let labels: Vec<i8> = (0..10).flat_map(|k| std::iter::once(1).chain((0..k).map(|_| -1))).collect();
        let scores: Vec<f32> = (0..labels.len()).map(|rank| -(rank as f32)).collect();
        let found = average_precision(&scores, &labels, Interpolation::ElevenPoint).unwrap();
        assert_relative_eq!(found, devkit(&scores, &labels, Interpolation::ElevenPoint), epsilon = 1e-12);
    }

    proptest! {
        #[test]
        fn equals_the_devkit(images in prop::collection::vec((-3.0_f32..3.0, -1_i8..=1), 1..60)) {
            let (scores, labels): (Vec<f32>, Vec<i8>) = images.into_iter().unzip();
            for interpolation in [Interpolation::ElevenPoint, Interpolation::Area] {
                let found = average_precision(&scores, &labels, interpolation);
                prop_assert_eq!(found.is_none(), labels.iter().all(|&label| label < 1));
                if let Some(found) = found {
                    prop_assert!((found - devkit(&scores, &labels, interpolation)).abs() < 1e-12);
                    prop_assert!(found > 0.0 && found <= 1.0);
                }
            }
        }

        #[test]
        fn an_increasing_function_of_the_scores_changes_nothing(
            images in prop::collection::vec((-300_i16..300, -1_i8..=1), 1..60),
        ) {
            let labels: Vec<i8> = images.iter().map(|image| image.1).collect();
            let scores: Vec<f32> = images.iter().map(|image| f32::from(image.0)).collect();
            let changed: Vec<f32> = scores.iter().map(|score| score * score * score + 7.0).collect();
            for interpolation in [Interpolation::ElevenPoint, Interpolation::Area] {
                prop_assert_eq!(
                    average_precision(&scores, &labels, interpolation),
                    average_precision(&changed, &labels, interpolation)
                );
            }
        }

        #[test]
        fn the_order_of_images_changes_nothing(
            labels in prop::collection::vec(-1_i8..=1, 1..60), turn in 0_usize..60,
        ) {
            // Distinct scores in scattered order.
            let scores: Vec<f32> = (0..labels.len()).map(|i| ((i * 37) % 61) as f32).collect();
            let (mut turned_scores, mut turned_labels) = (scores.clone(), labels.clone());
            turned_scores.rotate_left(turn % labels.len());
            turned_labels.rotate_left(turn % labels.len());
            turned_scores.reverse();
            turned_labels.reverse();
            for interpolation in [Interpolation::ElevenPoint, Interpolation::Area] {
                prop_assert_eq!(
                    average_precision(&scores, &labels, interpolation),
                    average_precision(&turned_scores, &turned_labels, interpolation)
                );
            }
        }
    }
}
