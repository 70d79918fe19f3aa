"""Between models and fitted pipelines of scikit-learn."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fisherlens import _native
from fisherlens._arrays import float32
from fisherlens._descriptors import DenseSift, Pca, PerImage, unit_rows
from fisherlens._encoders import BagOfWords, FisherVector, Vlad, _Encoder
from fisherlens._mixture import DiagonalGaussianMixture
from fisherlens._svm import LinearSvm

_STEPS = "DenseSift, PerImage with a PCA, an encoder (FisherVector, Vlad or BagOfWords), and a linear classifier"


def model_of(pipeline: Any, classes: Sequence[str] | None, rule: str) -> _native.Model:
    """A fitted pipeline as a model."""
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"found {type(pipeline).__name__}, expected a Pipeline of {_STEPS}")
    steps = [step for _, step in pipeline.steps if step not in (None, "passthrough")]
    if len(steps) != 4 or not (isinstance(steps[0], DenseSift) and isinstance(steps[1], PerImage) and isinstance(steps[2], _Encoder)):
        found = ", ".join(type(step).__name__ for step in steps)
        raise ValueError(f"the pipeline has the steps {found}; expected {_STEPS}")
    sift, per_image, encoder, classifier = steps
    if sift.max_side != _native.DEFAULT_MAX_SIDE:
        warnings.warn(
            f"the pipeline shrinks images to max_side={sift.max_side}, a model to {_native.DEFAULT_MAX_SIDE}: for the same scores give "
            f"max_side={sift.max_side} to scores, predict and explain",
            UserWarning,
            stacklevel=3,
        )
    for step in (per_image, encoder, classifier):
        check_is_fitted(step)
    coefficients, bias, labels = _classifier(classifier)
    if isinstance(classes, (str, bytes)) or not (classes is None or isinstance(classes, Iterable)):
        raise TypeError(f"classes is {classes!r}, expected a list of names")
    names = [str(name) for name in (labels if classes is None else classes)]
    if len(names) != len(labels):
        raise ValueError(f"{len(names)} names for {len(labels)} classes")
    sigmoids = getattr(classifier, "_sigmoids", None)
    pairs = None if sigmoids is None else [(float(slope), float(offset)) for slope, offset in np.asarray(sigmoids).T]
    if pairs is not None and len(pairs) == 1:
        slope, offset = pairs[0]
        # The other class has the opposite score and the opposite probability.
        pairs = [(slope, -offset), (slope, offset)]
    return _native.Model.from_parts(
        sift._settings(),
        encoder._settings(),
        _projection(per_image.transformer_),
        encoder._parts,
        (coefficients, bias),
        names,
        None,
        pairs,
        rule,
        [("made by", "Model.from_pipeline")],
    )


def _projection(pca: Any) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    if isinstance(pca, FrozenEstimator):
        pca = pca.estimator
    if isinstance(pca, Pca):
        return pca.mean_, pca._projection, pca.explained_variance_
    if not all(hasattr(pca, name) for name in ("mean_", "components_", "explained_variance_")):
        raise TypeError(f"PerImage has {type(pca).__name__}, expected a PCA with mean_, components_ and explained_variance_")
    components = np.asarray(pca.components_, dtype=np.float64)
    if getattr(pca, "whiten", False):
        components = components / np.sqrt(np.asarray(pca.explained_variance_))[:, np.newaxis]
    return float32(pca.mean_, 1, "mean_"), float32(components, 2, "components_"), float32(pca.explained_variance_, 1, "explained_variance_")


def _classifier(classifier: Any) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Any]]:
    if not all(hasattr(classifier, name) for name in ("coef_", "intercept_", "classes_")):
        raise TypeError(f"{type(classifier).__name__} has no coef_, intercept_ and classes_: expected a linear classifier")
    coefficients = np.atleast_2d(float32(classifier.coef_, name="coef_"))
    bias = np.broadcast_to(float32(classifier.intercept_, name="intercept_").reshape(-1), (len(coefficients),))
    _check_linear(classifier, coefficients, bias)
    labels = list(classifier.classes_)
    if len(labels) == 2 and len(coefficients) == 1:
        coefficients, bias = np.concatenate([-coefficients, coefficients]), np.concatenate([-bias, bias])
    if len(labels) != len(coefficients):
        raise ValueError(f"the classifier has {len(coefficients)} rows of coefficients for {len(labels)} classes: expected one per class")
    return np.ascontiguousarray(coefficients), np.ascontiguousarray(bias), labels


def _check_linear(classifier: Any, coefficients: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Refuses classifiers whose scores are not what their coefficients say, such as those that compare pairs of classes."""
    if not hasattr(classifier, "decision_function"):
        return
    # Vectors along the coefficients have scores that differ.
    vectors = coefficients / np.maximum(np.linalg.norm(coefficients, axis=1, keepdims=True), 1e-12)
    vectors = np.concatenate([vectors, -vectors])
    expected = vectors.astype(np.float64) @ coefficients.T + bias
    found = np.asarray(classifier.decision_function(vectors)).reshape(len(vectors), -1)
    is_linear = found.shape == expected.shape and np.allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    if is_linear and found.shape[1] > 1:
        predicted = np.asarray(classifier.predict(vectors))
        is_linear = predicted.ndim > 1 or bool((predicted == np.asarray(classifier.classes_)[found.argmax(axis=1)]).all())
    if not is_linear:
        raise ValueError(
            f"the scores of {type(classifier).__name__} are not coef_ x + intercept_ with one row per class: use one classifier against the rest per class, such as LinearSvm"
        )


def pipeline_of(native: _native.Model) -> Pipeline:
    """A model as a fitted pipeline."""
    descriptors, encoder = (json.loads(section) for section in native.sections)
    arrays = native.arrays
    sift = DenseSift(
        tuple(descriptors["bin_sizes"]),
        step=descriptors["step"],
        window=descriptors["window"],
        # The file keeps the number in single precision; this is its shortest form.
        contrast_threshold=float(str(np.float32(descriptors["contrast_threshold"]))),
        low_contrast=descriptors["low_contrast"],
        root_sift=descriptors["root_sift"] == "on",
    )
    pca = Pca(len(arrays["pca_components"]))
    pca.mean_, pca._projection, pca.explained_variance_ = (arrays[f"pca_{name}"] for name in ("mean", "components", "variances"))
    pca.components_ = unit_rows(pca._projection)
    pca.n_components_, pca.n_features_in_ = pca._projection.shape
    per_image = PerImage(pca)
    per_image.transformer_, per_image.n_features_in_ = pca, pca.n_features_in_
    mixture = DiagonalGaussianMixture(len(arrays["weights"]))
    mixture.weights_, mixture.means_, mixture.covariances_ = arrays["weights"], arrays["means"], arrays["variances"]
    mixture.n_features_in_ = mixture.means_.shape[1]
    common = {
        "posterior_floor": float(str(np.float32(encoder["posterior_floor"]))),
        "normalization": encoder["normalization"],
        "pyramid": tuple(encoder["pyramid"]),
    }
    made: _Encoder
    if encoder["kind"] == "fisher-vector":
        made = FisherVector(FrozenEstimator(mixture), parts=tuple(encoder["parts"]), **common)
    else:
        kind = Vlad if encoder["kind"] == "vlad" else BagOfWords
        made = kind(FrozenEstimator(mixture), assignment=encoder["assignment"], **common)
    made.mixture_, made.n_features_in_ = mixture, mixture.n_features_in_
    made._learn_from(mixture)
    svm = LinearSvm(probability=native.sigmoids is not None)
    svm.coef_, svm.intercept_, svm.classes_ = arrays["coefficients"], arrays["bias"], np.asarray(native.classes)
    svm._sigmoids = None if native.sigmoids is None else np.asarray(native.sigmoids).T
    svm._is_multilabel = len(svm.classes_) == 1
    if len(svm.classes_) == 2:
        # scikit-learn has one score for two classes. Half of the difference is the score itself where the two are opposite numbers.
        is_opposite = np.array_equal(svm.coef_[0], -svm.coef_[1])
        svm.coef_ = float32(svm.coef_[1:] - svm.coef_[:1]) / np.float32(2)
        svm.intercept_ = float32(svm.intercept_[1:] - svm.intercept_[:1]) / np.float32(2)
        svm._sigmoids = svm._sigmoids[:, 1:] if svm._sigmoids is not None and is_opposite else None
        svm.probability = svm._sigmoids is not None
    svm.n_features_in_ = svm.coef_.shape[1]
    return Pipeline([("sift", sift), ("pca", per_image), ("encoder", made), ("svm", svm)])
