"""The stages are estimators of scikit-learn, and everything learned survives copying and storing."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import parametrize_with_checks

import fisherlens
from conftest import Array, new_pipeline
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

FROM_SIGMOIDS = "labels follow the scores and probabilities follow sigmoids, as in SVC(probability=True)"


def expected_failed_checks(estimator: Any) -> dict[str, str]:
    return {"check_classifiers_train": FROM_SIGMOIDS} if getattr(estimator, "probability", False) else {}


@parametrize_with_checks(
    [
        Pca(),
        Pca(1, whiten=True),
        DiagonalGaussianMixture(),
        DiagonalGaussianMixture(2),
        LinearSvm(),
        LinearSvm(probability=True),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_the_checks_of_scikit_learn_pass(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


CHANGES: list[tuple[Any, dict[str, Any]]] = [
    (DenseSift((4, 8)), {"step": 5, "window": "gaussian", "low_contrast": "drop", "root_sift": True, "max_side": None}),
    (PerImage(Pca(4)), {"transformer__n_components": 3, "max_samples": 7, "random_state": 1, "n_jobs": 2}),
    (Pca(4), {"n_components": 3, "whiten": True}),
    (DiagonalGaussianMixture(3), {"n_components": 2, "tol": 0.5, "posterior_floor": 0.0, "means_init": [[1.0], [2.0]]}),
    (FisherVector(DiagonalGaussianMixture(3)), {"mixture__n_components": 2, "parts": ("means",), "pyramid": ("2x2",)}),
    (Vlad(DiagonalGaussianMixture(3)), {"mixture__tol": 0.5, "assignment": "soft", "normalization": "intra"}),
    (BagOfWords(DiagonalGaussianMixture(3)), {"mixture__tol": 0.5, "assignment": "soft", "normalization": "l2"}),
    (LinearSvm(2.0), {"C": (1.0, 2.0), "loss": "squared_hinge", "probability": True, "n_folds": 3}),
]


@pytest.mark.parametrize(("estimator", "changes"), CHANGES, ids=lambda value: type(value).__name__)
def test_parameters_are_read_changed_cloned_and_shown(estimator: Any, changes: dict[str, Any]) -> None:
    twin = clone(estimator)
    assert type(twin) is type(estimator)
    assert twin is not estimator
    before = estimator.get_params(deep=False)
    assert twin.set_params(**changes) is twin
    for name, value in changes.items():
        assert twin.get_params()[name] == value
        # The repr shows what is not the default.
        assert name.rpartition("__")[2] in repr(twin)
    assert type(twin).__name__ in estimator_html_repr(twin)
    # The clone shares nothing with the original.
    for name, value in estimator.get_params(deep=False).items():
        assert value is before[name]
    for name, value in clone(twin).get_params().items():
        assert repr(value) == repr(twin.get_params()[name])
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        twin.set_params(colour=1)


@pytest.mark.parametrize("estimator", [pair[0] for pair in CHANGES], ids=lambda value: type(value).__name__)
def test_the_constructor_keeps_every_parameter_as_it_is(estimator: Any) -> None:
    sentinels = {name: object() for name in estimator.get_params(deep=False)}
    made = type(estimator)(**sentinels)
    assert made.get_params(deep=False) == sentinels


def ways() -> dict[str, Callable[[Any], Any]]:
    def by_joblib(value: Any) -> Any:
        file = io.BytesIO()
        joblib.dump(value, file)
        file.seek(0)
        return joblib.load(file)

    return {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "joblib": by_joblib, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", list(ways()))
@pytest.mark.parametrize("encoder", [FisherVector, Vlad, BagOfWords])
@pytest.mark.filterwarnings("error")
def test_a_fitted_pipeline_survives_storing(encoder: Any, way: str, pictures: list[Array], labels: list[str]) -> None:
    pictures, labels = pictures[:10], labels[:10]
    mixture = DiagonalGaussianMixture(3, random_state=0, tol=1e-2)
    options = {"encoder": encoder(mixture, random_state=0), "svm__probability": True}
    fitted = new_pipeline(**options).fit(pictures, labels)
    restored = ways()[way](fitted)
    x = z = pictures[:5]
    for (_, ours), (_, theirs) in zip(fitted.steps[:-1], restored.steps[:-1]):
        x, z = ours.transform(x), theirs.transform(z)
        np.testing.assert_array_equal(np.concatenate(x), np.concatenate(z))
    for method in ("decision_function", "predict", "predict_proba"):
        found = getattr(restored, method)(pictures)
        np.testing.assert_array_equal(found, getattr(fitted, method)(pictures))
    # A stored estimator can be fitted again.
    again = restored.fit(pictures, labels)
    np.testing.assert_array_equal(again.decision_function(pictures), fitted.decision_function(pictures))


@pytest.mark.parametrize("way", list(ways()))
@pytest.mark.filterwarnings("error")
def test_a_fitted_mixture_survives_storing(way: str, descriptors: list[Array]) -> None:
    rows = np.concatenate(descriptors)
    mixture = DiagonalGaussianMixture(3, random_state=0, tol=1e-2).fit(rows)
    restored = ways()[way](mixture)
    np.testing.assert_array_equal(restored.predict_proba(rows), mixture.predict_proba(rows))
    assert restored.bic(rows) == mixture.bic(rows)
    assert restored.lower_bound_ == mixture.lower_bound_


@pytest.mark.parametrize("way", list(ways()))
@pytest.mark.filterwarnings("error")
def test_models_and_explanations_survive_storing(way: str, small_model: fisherlens.Model, pictures: list[Array]) -> None:
    small_model = ways()[way](small_model)
    explanation = small_model.explain(pictures[0], "discs")
    restored_model, restored = ways()[way]((small_model, explanation))
    np.testing.assert_array_equal(restored_model.scores(pictures), small_model.scores(pictures))
    np.testing.assert_array_equal(restored_model.probabilities(pictures), small_model.probabilities(pictures))
    assert (restored_model.classes, restored_model.rule) == (small_model.classes, small_model.rule)
    assert (restored_model.card, restored_model.settings) == (small_model.card, small_model.settings)
    for name, value in vars(explanation).items():
        if isinstance(value, np.ndarray):
            assert value.dtype == getattr(restored, name).dtype
            np.testing.assert_array_equal(getattr(restored, name), value)
        else:
            assert getattr(restored, name) == value
    assert repr(restored) == repr(explanation)


@pytest.mark.filterwarnings("error")
def test_models_of_files_survive_storing(model: fisherlens.Model, crop: Array) -> None:
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.scores([crop]), model.scores([crop]))
    np.testing.assert_array_equal(restored.thresholds, model.thresholds)
    assert restored.quality is None


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (PerImage(Pca()), "transform"),
        (Pca(), "transform"),
        (Pca(), "inverse_transform"),
        (DiagonalGaussianMixture(), "predict"),
        (DiagonalGaussianMixture(), "predict_proba"),
        (DiagonalGaussianMixture(), "score_samples"),
        (DiagonalGaussianMixture(), "score"),
        (DiagonalGaussianMixture(), "bic"),
        (DiagonalGaussianMixture(), "aic"),
        (FisherVector(), "transform"),
        (Vlad(), "transform"),
        (BagOfWords(), "transform"),
        (LinearSvm(), "decision_function"),
        (LinearSvm(), "predict"),
        (LinearSvm(probability=True), "predict_proba"),
    ],
)
def test_an_unfitted_estimator_says_so(estimator: Any, method: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(estimator, method)(np.zeros((3, 2)))


def test_sampling_and_names_need_a_fitted_estimator() -> None:
    with pytest.raises(NotFittedError):
        DiagonalGaussianMixture().sample()
    for estimator in (Pca(), FisherVector(), Vlad(), BagOfWords()):
        with pytest.raises(NotFittedError):
            estimator.get_feature_names_out()


@pytest.mark.filterwarnings("error")
def test_dense_sift_needs_no_fit(pictures: list[Array]) -> None:
    plain, fitted = DenseSift(step=8).transform(pictures[:2]), DenseSift(step=8).fit().transform(pictures[:2])
    np.testing.assert_array_equal(plain[1], fitted[1])


@pytest.mark.filterwarnings("error")
def test_the_mixture_has_the_methods_of_that_of_scikit_learn(descriptors: list[Array]) -> None:
    rows = np.concatenate(descriptors)
    ours = DiagonalGaussianMixture(3, random_state=0).fit(rows)
    theirs = GaussianMixture(3, covariance_type="diag")
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_", "n_features_in_"):
        setattr(theirs, name, getattr(ours, name))
    for method in ("score_samples", "predict_proba", "score", "bic", "aic"):
        np.testing.assert_allclose(getattr(ours, method)(rows), getattr(theirs, method)(rows), rtol=1e-4, atol=1e-4)
    assert (ours.predict(rows) == theirs.predict(rows)).mean() > 0.999
    drawn, components = ours.sample(20_000)
    assert (drawn.shape, drawn.dtype) == ((20_000, 8), np.float32)
    np.testing.assert_allclose(np.bincount(components) / 20_000, ours.weights_, atol=0.02)
    np.testing.assert_allclose(drawn[components == 1].mean(axis=0), ours.means_[1], atol=0.02)
    np.testing.assert_array_equal(ours.fit_predict(rows), ours.predict(rows))


@pytest.mark.filterwarnings("error")
def test_estimators_warn_when_they_stop_too_early(descriptors: list[Array]) -> None:
    rows = np.concatenate(descriptors)
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        DiagonalGaussianMixture(3, max_iter=1, tol=1e-9, random_state=0).fit(rows)
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        LinearSvm(1e4, max_iter=1, tol=1e-9, random_state=0).fit(rows[:40], np.arange(40) % 2)


def unaligned(array: Array) -> Array:
    """The same numbers at odd addresses."""
    return np.frombuffer(b"x" + array.tobytes(), dtype=array.dtype, offset=1).reshape(array.shape)


def in_records(array: Array) -> Array:
    """The same numbers as a field of packed records, whose length is no multiple of 4."""
    records = np.zeros(len(array), dtype=[("byte", "u1"), ("row", "f4", (array.shape[1],))])
    records["row"] = array
    field: Array = records["row"]
    return field


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "Fortran order": np.asfortranarray,
    "backwards": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda array: array.T.copy().T,
    "every second": lambda array: np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)[::2, ::2],
    "unaligned": unaligned,
    "in records": in_records,
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "double precision": lambda array: array.astype(np.float64),
    "read-only": lambda array: np.broadcast_to(array[np.newaxis], (1, *array.shape))[0],
    "lists": lambda array: array.tolist(),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_the_layout_of_the_samples_does_not_matter(layout: str, descriptors: list[Array]) -> None:
    rows = np.ascontiguousarray(descriptors[0], dtype=np.float32)
    changed = LAYOUTS[layout](rows)
    np.testing.assert_array_equal(changed, rows)
    before, labels = np.array(changed), np.arange(len(rows)) % 2

    def results(x: Any) -> list[Array]:
        pca = Pca(3).fit(x)
        mixture = DiagonalGaussianMixture(2, random_state=0, tol=0.1).fit(x)
        svm = LinearSvm(random_state=0, tol=0.1).fit(x, labels)
        encoder = FisherVector(DiagonalGaussianMixture(2, random_state=0, tol=0.1), pyramid=("1x1", "2x1")).fit([x])
        return [
            pca.components_,
            pca.transform(x),
            mixture.means_,
            mixture.predict_proba(x),
            mixture.score_samples(x),
            svm.coef_,
            svm.decision_function(x),
            encoder.transform([x], [np.asarray(x)[:, :2] % 1]),
        ]

    for found, expected in zip(results(changed), results(rows)):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(changed, before)
