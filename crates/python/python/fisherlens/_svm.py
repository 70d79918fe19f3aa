"""One-vs-rest linear support vector machines."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from fisherlens import _native
from fisherlens._arrays import aligned, float32, sigmoids
from fisherlens._checks import flag, number, one_of, whole
from fisherlens._jobs import n_threads
from fisherlens._lists import seed_of


def _has_probability(estimator: LinearSvm) -> bool:
    if not estimator.probability:
        raise AttributeError("predict_proba needs LinearSvm(probability=True) before fit")
    return True


class LinearSvm(ClassifierMixin, BaseEstimator):
    """One linear support vector machine per class, for data with many more dimensions than samples.

    .. math:: \\min_{w, b} \\; \\tfrac12 \\|w\\|^2 + \\tfrac12 (b / s)^2 + C \\sum_i \\xi(y_i (w \\cdot x_i + b))

    The inner products of all samples are computed once and serve all classes, all folds and all C. The bias is regularised as in
    liblinear and scikit-learn's ``LinearSVC``; the C of both means the same.

    Parameters
    ----------
    C : float or sequence of float
        Factor of the losses. Of several candidates, cross-validation chooses the one with the highest mean average precision.
    loss : {"hinge", "squared_hinge"}
        ξ(m) = max(0, 1 − m), or its square.
    tol : float
        The relative duality gap at which the solver stops.
    max_iter : int
        Largest number of passes over the samples.
    intercept_scaling : float
        s, the value of the added feature whose coefficient is the bias.
    probability : bool
        Whether :meth:`predict_proba` is wanted. It costs one training per fold.
    n_folds : int
        Folds for the choice of C and for probabilities.
    random_state : int, RandomState or None
        For the folds and for the order of the samples in the solver.
    n_jobs : int, optional
        Number of threads. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray
        The labels. For a matrix of labels, the numbers of its columns.
    coef_ : ndarray of float32, shape (n_classes, n_features_in_), or (1, n_features_in_) for two classes
    intercept_ : ndarray of float32, shape (n_classes,) or (1,)
    dual_coef_ : ndarray of float32, shape (n_classes or 1, n_samples)
        α, with the sign of the targets: :math:`w = \\sum_i \\alpha_i x_i`.
    duality_gap_ : ndarray of float64
        The relative duality gap that was reached, per class.
    C_ : float
        The C that was used.
    n_iter_ : int
        The largest number of passes of a class.

    Notes
    -----
    y may be one label per sample, or a matrix (n_samples, n_classes) for samples with several classes: of 0 and 1, or of −1, 0 and +1, where
    0 means that the sample is left out for this class (a "difficult" image of PASCAL VOC).

    References
    ----------
    C.-J. Hsieh et al., A dual coordinate descent method for large-scale linear SVM, ICML 2008; J. Platt, Probabilistic outputs for support
    vector machines, 1999.
    """

    def __init__(
        self,
        C: Any = 10.0,
        *,
        loss: str = "hinge",
        tol: float = 1e-4,
        max_iter: int = 1000,
        intercept_scaling: float = 1.0,
        probability: bool = False,
        n_folds: int = 5,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.loss = loss
        self.tol = tol
        self.max_iter = max_iter
        self.intercept_scaling = intercept_scaling
        self.probability = probability
        self.n_folds = n_folds
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> LinearSvm:
        """Learns from samples (n_samples, n_features) and their labels."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        X = aligned(validate_data(self, X, dtype=np.float32, order="C", accept_sparse=False))
        targets = self._targets(X, y)
        found = _native.svm_fit(
            X,
            targets,
            self._candidates(),
            whole("n_folds", self.n_folds, 2),
            one_of("loss", self.loss, ("hinge", "squared_hinge")) == "squared_hinge",
            number("intercept_scaling", self.intercept_scaling, 0, is_open=True),
            number("tol", self.tol, 0, is_open=True),
            whole("max_iter", self.max_iter, 1),
            seed_of(self.random_state),
            flag("probability", self.probability),
            n_threads(self.n_jobs),
        )
        self.coef_: NDArray[np.float32] = found["coefficients"]
        self.intercept_: NDArray[np.float32] = found["bias"]
        self.dual_coef_: NDArray[np.float32] = found["alphas"]
        self.duality_gap_ = np.asarray(found["gaps"])
        self.n_iter_ = int(max(found["n_iter"]))
        self.C_ = float(found["c"])
        self._sigmoids = np.asarray([found["slopes"], found["offsets"]]) if "slopes" in found else None
        if not found["converged"]:
            warnings.warn(
                f"the solver stopped after max_iter={self.max_iter} passes with a relative duality gap of {self.duality_gap_.max():.1e}: "
                "raise max_iter or tol, or lower C",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _targets(self, X: NDArray[np.float32], y: Any) -> NDArray[np.int8]:
        """+1, −1 and 0 (left out), shape (n_samples, n_classes), or one column for two classes."""
        matrix = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_consistent_length(X, matrix)
        self._is_multilabel = matrix.ndim == 2 and matrix.shape[1] > 1
        if self._is_multilabel:
            values = set(np.unique(matrix).tolist())
            if not values <= {-1, 0, 1}:
                raise ValueError(f"y is a matrix that holds {sorted(values - {-1, 0, 1})[:3]}, expected 0 and 1, or -1, 0 (left out) and 1")
            self.classes_ = np.arange(matrix.shape[1])
            return np.ascontiguousarray(matrix if -1 in values else 2 * matrix.astype(np.int8) - 1, dtype=np.int8)
        if matrix.ndim == 2:
            from sklearn.utils import column_or_1d

            matrix = column_or_1d(matrix, warn=True)
        check_classification_targets(matrix)
        if type_of_target(matrix) not in ("binary", "multiclass"):
            raise ValueError(f"Unknown label type: {type_of_target(matrix)}")
        self.classes_, numbers_of = np.unique(matrix, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"LinearSvm needs samples of at least 2 classes, but the data contains only one class: {self.classes_.tolist()[0]!r}"
            )
        if len(self.classes_) == 2:
            return (2 * numbers_of.reshape(-1, 1) - 1).astype(np.int8)
        return np.where(numbers_of.reshape(-1, 1) == np.arange(len(self.classes_)), 1, -1).astype(np.int8)

    def _candidates(self) -> list[float]:
        if isinstance(self.C, (str, bytes)) or not isinstance(self.C, (numbers.Real, Iterable)):
            raise TypeError(f"C is {self.C!r}, expected a number or a sequence of numbers")
        candidates = [self.C] if isinstance(self.C, numbers.Real) else list(self.C)
        if not candidates:
            raise ValueError("C is an empty list, expected a number or at least one candidate")
        return [number("C", c, 0, is_open=True) for c in candidates]

    def decision_function(self, X: Any) -> NDArray[np.float32]:
        """Scores: shape (n_samples,) for two classes, otherwise (n_samples, n_classes)."""
        check_is_fitted(self)
        X = aligned(validate_data(self, X, dtype=np.float32, order="C", reset=False))
        scores = _native.svm_scores(X, float32(self.coef_, 2, "coef_"), float32(self.intercept_, 1, "intercept_"))
        if not np.isfinite(scores).all():
            raise ValueError("a score is beyond the range of single precision: scale the samples")
        return scores[:, 0] if self._is_binary else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The label with the highest score; for a matrix of labels, 1 where the score is above 0."""
        scores = self.decision_function(X)
        if self._is_multilabel:
            return (scores > 0).astype(np.int64)
        predicted: NDArray[Any] = self.classes_[(scores > 0).astype(np.intp) if self._is_binary else scores.argmax(axis=1)]
        return predicted

    @available_if(_has_probability)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, shape (n_samples, n_classes).

        The sigmoids of Platt on held-out scores. For one label per sample they are divided by their sum; for a matrix of labels each column
        stands alone.
        """
        scores = self.decision_function(X).astype(np.float64)
        if self._sigmoids is None:
            raise AttributeError("predict_proba needs LinearSvm(probability=True) before fit")
        slopes, offsets = self._sigmoids
        each = sigmoids(slopes, offsets, scores.reshape(len(scores), -1))
        if self._is_binary:
            return np.hstack([1.0 - each, each])
        return np.asarray(each if self._is_multilabel else each / each.sum(axis=1, keepdims=True))

    @property
    def _is_binary(self) -> bool:
        return not self._is_multilabel and len(self.classes_) == 2

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
