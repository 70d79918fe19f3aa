//! Which class is taken for which.

use ndarray::{Array2, ArrayView2};

use crate::error::{EvalError, check_length};

/// How often each class was predicted for the images of each class. Every image has exactly one class, and the class with the highest score is
/// predicted; among equal scores, the first.
///
/// ```
/// use fisherlens_eval::Confusion;
/// use ndarray::array;
///
/// let scores = array![[0.9_f32, -0.5], [0.1, 0.3], [-0.2, 0.4]];
/// let confusion = Confusion::new(scores.view(), &[0, 0, 1])?;
/// assert_eq!(confusion.counts, array![[1, 1], [0, 1]]);
/// assert_eq!(confusion.accuracy(), 2.0 / 3.0);
/// assert_eq!(confusion.mistakes(), [(0, 1, 1)]);
/// # Ok::<(), fisherlens_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// `(n_classes, n_classes)`: row is the true class, column the predicted one.
    pub counts: Array2<usize>,
}

impl Confusion {
    /// Counts. `scores` `(n_images, n_classes)`; `truth`: the class of each image.
    ///
    /// # Errors
    /// [`EvalError::Length`] when the number of images differs; [`EvalError::Parameter`] for a class that has no scores.
    pub fn new(scores: ArrayView2<'_, f32>, truth: &[usize]) -> Result<Self, EvalError> {
        check_length("true classes", scores.nrows(), truth.len())?;
        let n = scores.ncols();
        let mut counts = Array2::zeros((n, n));
        for (scores, &class) in scores.rows().into_iter().zip(truth) {
            if class >= n {
                return Err(EvalError::Parameter {
                    name: "true class",
                    found: class.to_string(),
                    expected: "a class that has scores",
                });
            }
            let mut best = 0;
            for (candidate, score) in scores.iter().enumerate() {
                if score.total_cmp(&scores[best]).is_gt() {
                    best = candidate;
                }
            }
            counts[[class, best]] += 1;
        }
        Ok(Self { counts })
    }

    /// Share of the images whose class was predicted, 0 to 1; NaN without images.
    pub fn accuracy(&self) -> f64 {
        self.counts.diag().sum() as f64 / self.counts.sum() as f64
    }

    /// True class, predicted class and number of images of every mistake, the most frequent first.
    pub fn mistakes(&self) -> Vec<(usize, usize, usize)> {
        let wrong = self.counts.indexed_iter().filter(|&((truth, predicted), &n)| truth != predicted && n > 0);
        let mut mistakes: Vec<_> = wrong.map(|((truth, predicted), &n)| (truth, predicted, n)).collect();
        mistakes.sort_by_key(|&(truth, predicted, n)| (std::cmp::Reverse(n), truth, predicted));
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn equal_scores_go_to_the_first_class_and_impossible_input_is_refused() {
        let scores = array![[0.5_f32, 0.5, 0.1], [0.0, 0.2, 0.2], [-3.0, -2.0, -1.0]];
        let confusion = Confusion::new(scores.view(), &[0, 2, 2]).unwrap();
        assert_eq!(confusion.counts, array![[1, 0, 0], [0, 0, 0], [0, 1, 1]]);
        assert_eq!(confusion.mistakes(), [(2, 1, 1)]);
        assert!(matches!(Confusion::new(scores.view(), &[0]), Err(EvalError::Length { .. })));
        assert!(matches!(Confusion::new(scores.view(), &[0, 1, 3]), Err(EvalError::Parameter { .. })));
        let none = Confusion::new(Array2::<f32>::zeros((0, 2)).view(), &[]).unwrap();
        assert!(none.accuracy().is_nan());
    }
}
