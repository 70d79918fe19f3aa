"""Mistakes with estimators give a ValueError, a TypeError or an OSError with words that help."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture

from fisherlens import (
    BagOfWords,
    DenseSift,
    DiagonalGaussianMixture,
    FisherVector,
    LinearSvm,
    Pca,
    PerImage,
    Vlad,
)

# Old versions of numpy warn of lists that are no arrays, before they are refused.
pytestmark = pytest.mark.filterwarnings("error", "ignore:Creating an ndarray from ragged")

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
MIXTURE = DiagonalGaussianMixture(2, tol=0.1)


def fit_of(make: Callable[..., Any], **parameters: Any) -> None:
    """Makes an estimator and uses it."""
    if make is DenseSift:
        DenseSift(**parameters).transform([np.zeros((30, 30))])
    elif make is Pca:
        Pca(**parameters).fit(ROWS)
    elif make is DiagonalGaussianMixture:
        start = {"weights_init": [1], "means_init": [[0] * 3], "precisions_init": [[1] * 3]}
        is_given = not start.keys().isdisjoint(parameters)
        DiagonalGaussianMixture(**{**(start if is_given else {}), **parameters}).fit(ROWS)
    elif make is LinearSvm:
        LinearSvm(**parameters).fit(ROWS, np.arange(40) % 2)
    elif make is PerImage:
        PerImage(**{"transformer": Pca(2), **parameters}).fit([ROWS, ROWS]).transform([ROWS])
    else:
        make(**{"mixture": MIXTURE, **parameters}).fit([ROWS, ROWS]).transform([ROWS])


ENCODER = {
    "mixture": (["x"], LinearRegression()),
    "normalization": (2, "l3"),
    "pyramid": ("1x1", ("0x1",)),
    "max_samples": (2.5, 0),
    "random_state": (None, "seed"),
    "n_jobs": (1.5, 0),
}
# For each parameter a value of a wrong type, or None where every type is allowed, and a wrong value.
WRONG: dict[Callable[..., Any], dict[str, tuple[Any, Any]]] = {
    DenseSift: {
        "bin_sizes": (4, (0,)),
        "step": (2.5, 0),
        "window": (1, "round"),
        "contrast_threshold": ("low", -1),
        "low_contrast": (None, "forget"),
        "root_sift": (1, None),
        "max_side": (10.5, 0),
        "n_jobs": (1.5, 0),
    },
    Pca: {"n_components": (1.5, 4), "whiten": ("yes", None)},
    PerImage: {
        "transformer": ([], object()),
        "max_samples": (2.5, 0),
        "random_state": (None, "seed"),
        "n_jobs": (1.5, 0),
    },
    DiagonalGaussianMixture: {
        "n_components": (1.5, 41),
        "tol": ("small", -1),
        "reg_covar": (None, np.nan),
        "max_iter": (10.0, 0),
        "init_params": (0, "kmeans--"),
        "n_init_samples": ("all", 0),
        "n_init_iter": (1.5, 0),
        "relative_variance_floor": ("x", -1e-9),
        "absolute_variance_floor": ([], np.inf),
        "posterior_floor": ("x", -1),
        "weights_init": ("x", [1.0, 1.0]),
        "means_init": ("x", [[1.0]]),
        "precisions_init": ("x", [[1.0]]),
        "random_state": (None, -1),
        "n_jobs": (True, 0),
    },
    FisherVector: {**ENCODER, "parts": ("means", ("mean",)), "posterior_floor": ("x", 1.5)},
    Vlad: {**ENCODER, "assignment": (True, "fuzzy"), "posterior_floor": ("x", -1)},
    BagOfWords: {**ENCODER, "assignment": (0, "fuzzy"), "posterior_floor": ("x", np.nan)},
    LinearSvm: {
        "C": ("large", 0),
        "loss": (1, "log"),
        "tol": (None, 0),
        "max_iter": (10.5, 0),
        "intercept_scaling": ("x", 0),
        "probability": (1, None),
        "n_folds": (2.5, 1),
        "random_state": (None, "seed"),
        "n_jobs": ("all", 0),
    },
}
CASES = [(make, name) for make, parameters in WRONG.items() for name in parameters]


def test_every_parameter_has_a_case() -> None:
    for make, parameters in WRONG.items():
        assert set(parameters) == set(make._get_param_names())


@pytest.mark.parametrize(("make", "name"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_parameter_is_named(make: Callable[..., Any], name: str) -> None:
    of_wrong_type, wrong = WRONG[make][name]
    if of_wrong_type is not None or name in ("low_contrast", "reg_covar", "tol"):
        with pytest.raises(TypeError) as caught:
            fit_of(make, **{name: of_wrong_type})
        assert name in str(caught.value)
        assert len(str(caught.value)) > len(name) + 15
    if wrong is not None:
        with pytest.raises((ValueError, TypeError)) as refused:
            fit_of(make, **{name: wrong})
        # scikit-learn checks seeds in its own words, and a mixture is not what it calls itself.
        words = {"random_state": "[Ss]eed", "mixture": "GaussianMixture|weights_|y", "pyramid": "0x1|pyramid"}
        assert re.search(words.get(name, name), str(refused.value)), str(refused.value)


LISTS: list[tuple[Any, type[Exception], str]] = [
    ([], ValueError, "no descriptors"),
    (ROWS, TypeError, "expected a list with one array"),
    ("rows", TypeError, "found str"),
    (None, TypeError, "found NoneType"),
    ([ROWS, ROWS[:, :2]], ValueError, "image 1 have 2 features, expected 3"),
    ([ROWS, ROWS[0]], ValueError, "entry 1 of the list has the shape .3,., expected 2 axes"),
    ([[[1, 2, 3], [4, 5]]], TypeError, "entry 0 of the list is list"),
    ([ROWS, None], TypeError, "entry 1 of the list is NoneType"),
    ([ROWS.astype(complex)], TypeError, "complex"),
    ([ROWS.astype(str)], TypeError, "expected an array of real numbers"),
    ([np.where(ROWS > 1.5, np.nan, ROWS)], ValueError, "hold nan in row"),
    ([ROWS.astype(np.float64) * 1e300], ValueError, "hold -?inf in row 0, column 0"),
]


@pytest.mark.parametrize(("value", "kind", "words"), LISTS, ids=[words for _, _, words in LISTS])
def test_wrong_lists_of_descriptors_are_refused(value: Any, kind: type[Exception], words: str) -> None:
    for estimator in (PerImage(Pca(2)), FisherVector(MIXTURE), Vlad(MIXTURE), BagOfWords(MIXTURE)):
        fitted = estimator.fit([ROWS, ROWS])
        for method in (fitted.transform, fitted.fit):
            with pytest.raises(kind, match=words):
                method(value)


def test_other_numbers_of_features_are_refused() -> None:
    for estimator in (PerImage(Pca(2)), FisherVector(MIXTURE), Vlad(MIXTURE), BagOfWords(MIXTURE)):
        with pytest.raises(ValueError, match="have 2 features, expected 3"):
            estimator.fit([ROWS]).transform([ROWS[:, :2]])
    with pytest.raises(ValueError, match="columns"):
        Pca(2).fit(ROWS).inverse_transform(ROWS)
    for estimator in (Pca(2).fit(ROWS), MIXTURE.fit(ROWS), LinearSvm().fit(ROWS, np.arange(40) % 2)):
        method = estimator.transform if isinstance(estimator, Pca) else estimator.predict
        with pytest.raises(ValueError, match="expecting 3 features"):
            method(ROWS[:, :2])


def test_wrong_mixtures_and_positions_are_refused() -> None:
    with pytest.raises(ValueError, match='expected a diagonal mixture, covariance_type="diag"'):
        FisherVector(GaussianMixture(2)).fit([ROWS])
    encoder = FisherVector(MIXTURE, pyramid=("1x1", "2x2")).fit([ROWS])
    with pytest.raises(ValueError, match="needs the positions"):
        encoder.transform([ROWS])
    with pytest.raises(ValueError, match="one position per descriptor"):
        encoder.transform([ROWS], [np.zeros((3, 2))])
    with pytest.raises(ValueError, match="have 3 features, expected 2"):
        encoder.transform([ROWS], [np.zeros((40, 3))])
    with pytest.raises(ValueError, match="hold nan"):
        encoder.transform([ROWS], [np.full((40, 2), np.nan)])
    with pytest.raises(ValueError, match="image 1 are so far from the mixture"):
        FisherVector(MIXTURE).fit([ROWS]).transform([ROWS, np.full((4, 3), 1e38)])
    with pytest.raises(ValueError, match="means_init and precisions_init missing"):
        DiagonalGaussianMixture(2, weights_init=[0.5, 0.5]).fit(ROWS)
    with pytest.raises(ValueError, match="precisions_init holds a number that is not above 0"):
        DiagonalGaussianMixture(1, weights_init=[1], means_init=[[0] * 3], precisions_init=[[0] * 3]).fit(ROWS)


def test_wrong_labels_of_the_svm_are_refused() -> None:
    with pytest.raises(ValueError, match="only one class: 'a'"):
        LinearSvm().fit(ROWS, ["a"] * 40)
    with pytest.raises(ValueError, match="expected 0 and 1, or -1, 0"):
        LinearSvm().fit(ROWS, np.full((40, 2), 3))
    with pytest.raises(ValueError, match="C is an empty list"):
        LinearSvm(C=()).fit(ROWS, np.arange(40) % 2)
    with pytest.raises(ValueError, match="beyond the range of single precision"):
        LinearSvm(1e3).fit(ROWS / 30, ROWS[:, 0] > 0).predict(np.full((1, 3), 3e38))
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'"):
        LinearSvm().fit(ROWS, np.arange(40) % 2).predict_proba(ROWS)
