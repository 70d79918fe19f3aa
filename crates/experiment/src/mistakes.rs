//! The mistakes that the classifiers are most sure of.

use std::collections::HashSet;

use fisherlens_classifier::Difficult;

use crate::stages::calibration::Calibration;
use crate::stages::scores::{Prediction, Scores};

/// A class that was found in a test image that does not have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) image: usize,
    pub(crate) class: usize,
}

/// At most `n` mistakes, the surest first, and at most one per image; and the number of images with a mistake.
///
/// If every test image has exactly one class, the class with the highest score is the one that was found. Otherwise all classes above their
/// threshold are. How sure a mistake is: the probability of the class, or where no probabilities are known the distance of the score
/// from the threshold.
pub(crate) fn most_confident(
    scores: &Scores,
    predictions: &[Prediction],
    calibration: &Calibration,
    difficult: Difficult,
    n: usize,
) -> (Vec<Mistake>, usize) {
    let threshold = |class: usize| predictions[class].threshold;
    let score = |image: usize, class: usize| f64::from(scores.scores[[image, class]]);
    let n_classes = scores.classes.len();
    let wrong = |image: usize, class: usize| difficult.resolve(scores.labels[[image, class]]) == -1;
    let found: Vec<Mistake> = if scores.single_classes().is_some() {
        let best = |image: usize| scores.best_class(image).map(|class| Mistake { image, class });
        (0..scores.ids.len()).filter_map(best).filter(|mistake| wrong(mistake.image, mistake.class)).collect()
    } else {
        let pairs = (0..scores.ids.len()).flat_map(|image| (0..n_classes).map(move |class| Mistake { image, class }));
        pairs
            .filter(|&Mistake { image, class }| wrong(image, class) && score(image, class) > threshold(class))
            .collect()
    };
    let sureness = |&Mistake { image, class }: &Mistake| {
        let score = score(image, class);
        calibration.probability(class, score).unwrap_or(score - threshold(class))
    };
    let mut found: Vec<(f64, Mistake)> = found.into_iter().map(|mistake| (sureness(&mistake), mistake)).collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut seen = HashSet::new();
    let mut mistakes: Vec<Mistake> =
        found.into_iter().map(|(_, mistake)| mistake).filter(|mistake| seen.insert(mistake.image)).collect();
    let n_images = mistakes.len();
    mistakes.truncate(n);
    (mistakes, n_images)
}

#[cfg(test)]
mod tests {
    use fisherlens_classifier::Sigmoid;
    use ndarray::array;

    use super::*;

    fn scores(labels: ndarray::Array2<i8>) -> Scores {
        Scores {
            ids: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            classes: ["cat".to_owned(), "dog".to_owned()].to_vec(),
            scores: array![[0.9, 0.2], [0.3, 0.4], [0.1, 0.8], [0.7, 0.6]],
            labels,
            n_descriptors: vec![1; 4],
        }
    }

    fn calibration(sigmoids: Option<Vec<Sigmoid>>) -> Calibration {
        Calibration { sigmoids, ..Calibration::default() }
    }

    fn surest(scores: &Scores, calibration: &Calibration, n: usize) -> Vec<Mistake> {
        let difficult = Difficult::Ignore;
        most_confident(scores, &scores.predictions(difficult), calibration, difficult, n).0
    }

    #[test]
    fn of_images_with_one_class_the_highest_score_counts() {
        let scores = scores(array![[-1, 1], [1, -1], [-1, 1], [1, -1]]);
        // a is taken for a cat (0.9), b for a dog (0.4).
        let found = surest(&scores, &calibration(None), 10);
        assert_eq!(found, [Mistake { image: 0, class: 0 }, Mistake { image: 1, class: 1 }]);
        // Probabilities can turn the order around.
        let flat = |offset: f64| Sigmoid { slope: 0.0, offset };
        let found = surest(&scores, &calibration(Some(vec![flat(0.0), flat(1.0)])), 1);
        assert_eq!(found, [Mistake { image: 1, class: 1 }]);
        // Both images are counted, and without probabilities the distance from the given thresholds decides.
        let predictions = scores.predictions_at(&[0.8, -5.0], Difficult::Ignore);
        let (found, n) = most_confident(&scores, &predictions, &calibration(None), Difficult::Ignore, 1);
        assert_eq!((found, n), (vec![Mistake { image: 1, class: 1 }], 2));
    }

    #[test]
    fn of_images_with_several_classes_every_class_above_its_threshold_counts_and_each_image_appears_once() {
        let scores = scores(array![[1, -1], [-1, -1], [-1, 1], [-1, -1]]);
        // cat: 0.9 against 0.7, 0.3, 0.1, threshold 0.8. dog: 0.8 against 0.6, 0.4, 0.2.
        assert_eq!(surest(&scores, &calibration(None), 10), []);
        let mut scores = scores;
        scores.labels = array![[-1, -1], [1, -1], [-1, -1], [1, 1]];
        // cat: 0.7 and 0.3 against 0.9 and 0.1; dog: 0.6 against 0.8, 0.4, 0.2.
        let found = surest(&scores, &calibration(None), 10);
        assert_eq!(found.len(), found.iter().map(|mistake| mistake.image).collect::<HashSet<_>>().len());
        assert!(found.contains(&Mistake { image: 0, class: 0 }), "{found:?}");
        scores.labels[[0, 0]] = 0;
        let found = surest(&scores, &calibration(None), 10);
        assert!(found.iter().all(|mistake| mistake.image != 0), "a difficult label is not a mistake: {found:?}");
    }
}
