//! Training of all classes on one Gram matrix.

use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};

use crate::cross_validation::{Candidate, best_c, cross_validate};
use crate::dual::{DualPoint, Panels, Problems};
use crate::error::ClassifierError;
use crate::gram::gram;
use crate::linear_model::{DualView, LinearModel};
use crate::params::{Difficult, LinearSvm};
use crate::primal::coefficients;
use crate::training::{ClassifierTrainer, Training, TrainingReport};

/// The solutions of the dual problems of all classes.
pub(crate) struct Solution {
    /// α `(n_classes, n_samples)`, with the sign of the targets.
    pub(crate) alphas: Array2<f32>,
    /// b `(n_classes)`.
    pub(crate) bias: Array1<f32>,
    pub(crate) report: TrainingReport,
}

impl ClassifierTrainer for LinearSvm {
    fn train(&self, x: ArrayView2<'_, f32>, targets: ArrayView2<'_, i8>) -> Result<Training, ClassifierError> {
        // Checked here already, so that bad input fails before the expensive Gram matrix is computed.
        checked_targets(x, targets, self.difficult)?;
        self.train_with_gram(x, gram(x).view(), targets)
    }
}

impl LinearSvm {
    /// [`ClassifierTrainer::train`] with a Gram matrix that [`gram()`] computed before. A caller who trains several times on the same
    /// samples, with other classes or settings, computes it only once.
    ///
    /// `gram` `(n_samples, n_samples)`: inner products of the rows of `x`.
    ///
    /// # Errors
    /// The errors of [`ClassifierTrainer::train`], and [`ClassifierError::Length`] for a matrix of another size.
    pub fn train_with_gram(
        &self,
        x: ArrayView2<'_, f32>,
        gram: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, i8>,
    ) -> Result<Training, ClassifierError> {
        let targets = checked_targets(x, targets, self.difficult)?;
        let Solution { alphas, bias, report } = self.solve_dual(gram, &targets)?;
        // The coefficients are computed from the α after these were rounded to f32, so that both views are the same classifier.
        let model = LinearModel::from_parts(coefficients(alphas.view(), x), bias)?.with_dual(DualView { alphas })?;
        Ok(Training { model, report })
    }

    /// What all dual problems on this Gram matrix share. `gram` must be in C order.
    pub(crate) fn problems<'a>(&self, gram: ArrayView2<'a, f32>) -> Problems<'a> {
        Problems {
            gram,
            panels: Panels::new(gram),
            loss: self.loss,
            squared_bias_feature: self.bias_feature * self.bias_feature,
            tolerance: self.tolerance,
            max_n_epochs: self.max_n_epochs,
            seed: self.seed,
        }
    }

    /// Chooses C and solves the dual problems of all classes. `gram` may belong to any kernel; `targets` come from [`checked_targets`].
    pub(crate) fn solve_dual(
        &self,
        gram: ArrayView2<'_, f32>,
        targets: &Array2<i8>,
    ) -> Result<Solution, ClassifierError> {
        check_gram(gram, targets.nrows())?;
        let gram = gram.as_standard_layout();
        let problems = self.problems(gram.view());
        let (c, cross_validation) = match self.c_grid.as_slice() {
            [c] => (*c, Vec::new()),
            c_grid => {
                let rows = cross_validate(targets, c_grid, self.n_folds, self.seed, usize::MAX, |folds| {
                    let mut points: Vec<DualPoint> =
                        folds.iter().map(|(_, kept)| DualPoint::zero(kept.clone())).collect();
                    let mut paths = vec![Vec::with_capacity(c_grid.len()); points.len()];
                    // C rises from candidate to candidate: the solution for one is a good starting point for the next.
                    for &c in c_grid {
                        let reports = problems.solve(c, &mut points);
                        for ((path, point), report) in paths.iter_mut().zip(&points).zip(reports) {
                            path.push(Candidate { scores: point.scores(&problems), converged: report.converged });
                        }
                    }
                    Ok(paths)
                })?;
                (best_c(&rows).unwrap_or(c_grid[0]), rows)
            }
        };

        let mut points: Vec<DualPoint> =
            targets.columns().into_iter().map(|column| DualPoint::zero(column.to_vec())).collect();
        let reports = problems.solve(c, &mut points);

        let n_classes = targets.ncols();
        let mut alphas = Array2::zeros((n_classes, targets.nrows()));
        let mut bias = Array1::zeros(n_classes);
        for (class, point) in points.iter().enumerate() {
            bias[class] = (problems.squared_bias_feature * point.alphas.iter().sum::<f64>()) as f32;
            for (alpha, &value) in alphas.row_mut(class).iter_mut().zip(&point.alphas) {
                *alpha = value as f32;
            }
        }
        Ok(Solution { alphas, bias, report: TrainingReport { c: Some(c), classes: reports, cross_validation } })
    }
}

/// Training through linfa's trait. The model keeps its dual view; only [`ClassifierTrainer::train`] returns the report.
impl<S: Data<Elem = f32>> Fit<ArrayBase<S, Ix2>, Array2<i8>, ClassifierError> for LinearSvm {
    type Object = LinearModel;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<S, Ix2>, Array2<i8>>) -> Result<LinearModel, ClassifierError> {
        Ok(self.train(dataset.records.view(), dataset.targets.view())?.model)
    }
}

/// Checks shapes, values and classes. Returns the targets with 0 replaced as `difficult` says.
pub(crate) fn checked_targets(
    x: ArrayView2<'_, f32>,
    targets: ArrayView2<'_, i8>,
    difficult: Difficult,
) -> Result<Array2<i8>, ClassifierError> {
    checked_targets_of(x.dim(), targets, difficult)
}

/// [`checked_targets`] for vectors of which only the shape `(n, D)` is known.
pub(crate) fn checked_targets_of(
    (n, d): (usize, usize),
    targets: ArrayView2<'_, i8>,
    difficult: Difficult,
) -> Result<Array2<i8>, ClassifierError> {
    if targets.nrows() != n {
        return Err(ClassifierError::Length { what: "samples with targets", expected: n, found: targets.nrows() });
    }
    for (what, number) in [("sample", n), ("dimension", d), ("class", targets.ncols())] {
        if number == 0 {
            return Err(ClassifierError::Empty { what });
        }
    }
    for ((sample, class), &found) in targets.indexed_iter() {
        if !(-1..=1).contains(&found) {
            return Err(ClassifierError::Target { sample, class, found });
        }
    }
    let targets = targets.as_standard_layout().mapv(|target| difficult.resolve(target));
    for (class, column) in targets.columns().into_iter().enumerate() {
        let count = |of: i8| column.iter().filter(|&&target| target == of).count();
        let (n_positives, n_negatives) = (count(1), count(-1));
        if n_positives == 0 || n_negatives == 0 {
            return Err(ClassifierError::OneSided { class, n_positives, n_negatives });
        }
    }
    Ok(targets)
}

/// Checks the shape, and that all samples are finite: a value that is not finite makes the squared length of its sample not finite.
pub(crate) fn check_gram(gram: ArrayView2<'_, f32>, n: usize) -> Result<(), ClassifierError> {
    for (what, found) in [("rows of the Gram matrix", gram.nrows()), ("columns of the Gram matrix", gram.ncols())] {
        if found != n {
            return Err(ClassifierError::Length { what, expected: n, found });
        }
    }
    for (sample, &found) in gram.diag().iter().enumerate() {
        if !found.is_finite() {
            return Err(ClassifierError::NotFinite { what: "the squared length", sample, found });
        }
    }
    Ok(())
}
