"""Extreme values lead to a result or to a ValueError, a TypeError or an OSError, and to nothing else."""

# ruff: noqa: B023

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from conftest import PHOTOGRAPH, Array
from fisherlens import (
    BagOfWords,
    DenseSift,
    DiagonalGaussianMixture,
    FisherVector,
    LinearSvm,
    Model,
    Pca,
    PerImage,
    Vlad,
    artifacts,
)

pytestmark = pytest.mark.filterwarnings("error")

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(60, 4)).astype(np.float32)
MIXTURE = DiagonalGaussianMixture(2, tol=0.1, random_state=0)
SETS = [ROWS[:30], ROWS[30:]]

NUMBERS: list[Any] = [
    -1, 0, 1, 2, 2**31, 2**32, 2**62, 2**63, 2**64, -(2**64), 10**400, 0.5, 1e38, 1e39, 1e308, -1e308, 1e-320,
    float("nan"), float("inf"), float("-inf"), 1j, True, np.float32("nan"), np.int64(-5), np.uint64(2**64 - 1),
]  # fmt: skip
OTHERS: list[Any] = [
    None, "", "x", "a\0b", "\ud800", b"x", [], (), [1], [-1], ["x"], [None], {}, {"a": 1}, object, object(), len,
    np.zeros(0), np.zeros(3), np.zeros((2, 0)), np.array(3), np.array(2.5), np.array("x"), np.array([None]),
    np.datetime64("2020-01-01"),
]  # fmt: skip


def attempt(call: Callable[[], Any]) -> None:
    """Calls, and accepts finite results and the three kinds of errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DataConversionWarning)
        warnings.filterwarnings("ignore", "Creating an ndarray from ragged")
        # scikit-learn warns when it finds numbers that are too large for single precision, before it refuses them.
        warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
        warnings.filterwarnings("ignore", "invalid value encountered in reduce", RuntimeWarning)
        try:
            result = call()
        except (ValueError, TypeError, OSError) as error:
            # Exceptions of Rust's panics have no base class that this would catch.
            assert str(error) or isinstance(error, TypeError)
            return
    for one in result if isinstance(result, (list, tuple)) else [result]:
        found = getattr(one, "pixels", one)
        if isinstance(found, np.ndarray) and found.dtype.kind == "f":
            assert np.isfinite(found).all()


USES: list[tuple[Any, Callable[[Any], Any]]] = [
    (DenseSift((4,)), lambda it: it.transform([np.zeros((24, 30))])),
    (Pca(2), lambda it: it.fit(ROWS).transform(ROWS)),
    (DiagonalGaussianMixture(2, random_state=0), lambda it: it.fit(ROWS).predict_proba(ROWS)),
    (PerImage(Pca(2)), lambda it: it.fit(SETS).transform(SETS)),
    (FisherVector(MIXTURE), lambda it: it.fit(SETS).transform(SETS)),
    (Vlad(MIXTURE), lambda it: it.fit(SETS).transform(SETS)),
    (BagOfWords(MIXTURE), lambda it: it.fit(SETS).transform(SETS)),
    (
        LinearSvm(probability=True, n_folds=2, max_iter=50),
        lambda it: it.fit(ROWS, np.arange(60) % 2).predict_proba(ROWS),
    ),
]


@pytest.mark.parametrize(("estimator", "use"), USES, ids=lambda value: type(value).__name__)
def test_every_parameter_may_have_an_extreme_value(estimator: Any, use: Callable[[Any], Any]) -> None:
    parameters = estimator.get_params(deep=False)
    for name in parameters:
        for value in NUMBERS + OTHERS:
            attempt(lambda: use(type(estimator)(**{**parameters, name: value})))


def test_pyramids_and_positions_may_be_extreme() -> None:
    inside = [np.full((30, 2), 0.5)] * 2
    levels = ("0x1", "-1x1", "99999x99999", "4294967296x4294967296", "65536x65536", "1000x1000", " 1x1", "1X1", "x")
    for pyramid in [*((level,) for level in levels), ("1x1",) * 50, (), ("1x1", 2), ("1x1", None)]:
        attempt(lambda: FisherVector(MIXTURE, pyramid=pyramid).fit(SETS).transform(SETS, inside))
    encoder = FisherVector(MIXTURE, pyramid=("1x1", "3x1")).fit(SETS)
    for value in NUMBERS + OTHERS:
        attempt(lambda: encoder.transform(SETS, value))
        attempt(lambda: encoder.transform(SETS, [value, value]))
    for number in (-5, 0, 1, 1e30, -1e30, 1e300):
        attempt(lambda: encoder.transform(SETS, [np.full((30, 2), number)] * 2))


MATRICES: list[Any] = [
    np.zeros(0), np.zeros((0, 4)), np.zeros((4, 0)), np.zeros((0, 0)), np.zeros(()), np.zeros((1, 4)), np.zeros((1, 1)),
    np.zeros((2, 4)), np.ones((5, 4)), np.full((5, 4), np.nan), np.full((5, 4), np.inf), np.full((9, 4), 1e38),
    np.full((9, 4), -1e38), np.full((9, 4), 1e300), np.full((9, 4), 1e-45, np.float32), ROWS * 1e37, ROWS * 1e20,
    ROWS * 1e-30, np.zeros((5, 4), object), np.full((5, 4), "x"), np.zeros((5, 4), complex), np.zeros((5, 4), bool),
    np.zeros((5, 4), "M8[s]"), np.zeros((5, 4), "V8"), np.zeros((5, 4), np.longdouble), np.zeros((2, 2, 2)),
    np.zeros((5, 5)), np.zeros((5, 3)), RANDOM.integers(-(2**63), 2**63 - 1, (9, 4)), np.full((1, 4), 2**64, object),
    [[1, 2], [3]], [[]], [[None] * 4] * 3, np.asmatrix(np.zeros((3, 4))), np.broadcast_to(np.zeros((1, 1)), (9, 4)), SETS,
    np.frombuffer(b"x" + ROWS.tobytes(), np.float32, offset=1).reshape(60, 4), np.zeros(9, "u1,(4,)f4")["f1"],
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(MATRICES)))
def test_every_method_may_get_an_extreme_matrix(index: int, small_model: Model) -> None:
    x, y = MATRICES[index], np.arange(60) % 2
    pca, mixture = Pca(2).fit(ROWS), DiagonalGaussianMixture(2, random_state=0).fit(ROWS)
    svm = LinearSvm(probability=True, n_folds=2).fit(ROWS, y)
    fisher, vlad = FisherVector(MIXTURE).fit(SETS), Vlad(MIXTURE).fit(SETS)
    step = PerImage(Pca(2)).fit(SETS)
    plain = DiagonalGaussianMixture(2, init_params="random", relative_variance_floor=0, absolute_variance_floor=0, posterior_floor=0)
    calls: list[Callable[[], Any]] = [
        lambda: Pca(2).fit_transform(x),
        lambda: Pca(2, whiten=True).fit_transform(x),
        lambda: pca.transform(x),
        lambda: pca.inverse_transform(x),
        lambda: DiagonalGaussianMixture(2).fit(x).means_,
        lambda: plain.fit(x).means_,
        lambda: mixture.predict_proba(x),
        lambda: mixture.score_samples(x),
        lambda: mixture.bic(x),
        lambda: LinearSvm(probability=True, n_folds=2).fit(x, y[: len(x)]).coef_,
        lambda: LinearSvm().fit(ROWS[: len(x)], x).coef_,
        lambda: svm.predict_proba(x),
        lambda: FisherVector(MIXTURE).fit([x]).transform([x]),
        lambda: FisherVector(MIXTURE).fit(x),
        lambda: fisher.transform(x),
        lambda: fisher.transform([SETS[0], x]),
        lambda: vlad.transform([x]),
        lambda: PerImage(Pca(1)).fit([x, x]),
        lambda: step.transform([x]),
        lambda: small_model.to_probabilities(x).shape,
        lambda: small_model.with_classifier(x, x),
        lambda: small_model.with_classifier(small_model.coefficients, x),
    ]
    for call in calls:
        attempt(call)


FILE = PHOTOGRAPH.read_bytes()
IMAGES: list[Any] = [
    *(np.zeros(shape) for shape in ((0,), (0, 3), (3, 0), (), (1, 1), (1, 1, 3), (1, 1000), (1000, 1), (1, 60, 3))),
    *(np.zeros(shape, np.uint8) for shape in ((1, 1, 1), (17, 17), (40, 40, 0), (40, 40, 2), (2, 40, 40, 3), (1, 10**5))),
    *(np.full((40, 40), value) for value in (-1e-9, 1 + 1e-9, -0.0, 1e300, np.nan, -np.inf)),
    *(np.zeros((40, 40), dtype) for dtype in (object, complex, "U1", bool, "i8", "u2", "m8[s]", "f2", "f4,f4")),
    np.broadcast_to(np.zeros((1, 1)), (60, 60)), np.broadcast_to(np.zeros((1, 1), "u1"), (10**5, 10**5))[:60, :60],
    RANDOM.random((18, 400)), FILE[:3000], FILE[:-9], FILE[:100] + FILE[90:], b"\x89PNG\r\n\x1a\n" + bytes(100),
    bytearray(), memoryview(b""), "/", "/dev/null", "\udcff", PHOTOGRAPH.parent, *NUMBERS, *OTHERS,
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(IMAGES)))
def test_every_method_may_get_an_extreme_image(index: int, small_model: Model) -> None:
    image = IMAGES[index]
    for call in (small_model.scores, small_model.explain_batch, DenseSift().transform, DenseSift().describe):
        attempt(lambda: call([image]))
        attempt(lambda: call(image))
    for sift in (
        DenseSift((1,), window="gaussian"),
        DenseSift((1024,), step=2**62),
        DenseSift((1,), low_contrast="drop"),
    ):
        attempt(lambda: sift.transform([image]))
    for side in (None, 1, 2**62):
        attempt(lambda: small_model.explain(image, max_side=side))


def test_every_argument_of_a_model_may_be_extreme(small_model: Model, pictures: list[Array], tmp_path: Path) -> None:
    picture, explanation, pipeline = pictures[0], small_model.explain(pictures[0]), small_model.to_pipeline()
    options: dict[str, Any] = {"cache": tmp_path / "cache"}
    for value in NUMBERS + OTHERS:
        calls: list[Callable[[], Any]] = [
            lambda: small_model.explain(picture, value),
            lambda: small_model.explain(picture, [value], [value]),
            lambda: small_model.explain(picture, 0, value),
            lambda: small_model.explain_batch([picture], value),
            lambda: small_model.explain_batch([picture], [value], value),
            lambda: small_model.scores([picture], max_side=value),
            lambda: small_model.scores([picture], n_jobs=value),
            lambda: small_model.scores([picture], progress=value) if value is not True else None,
            lambda: small_model.save(tmp_path / "x.flm", half=value),
            lambda: explanation.heatmap(value, value),
            lambda: explanation.heatmap(largest=value),
            lambda: explanation.overlay(opacity=value),
            lambda: Model.load(value),
            lambda: artifacts.load(value),
            lambda: Model.from_pipeline(value),
            lambda: Model.from_pipeline(pipeline, classes=value),
            lambda: Model.from_pipeline(pipeline, rule=value),
            lambda: Model.train(value, **options),
            lambda: Model.train(["/x"], value, **options),
            lambda: Model.train(["/x"], [value], groups=value, **options),
            lambda: Model.train(["/x"], ["a"], groups=[value], **options),
            lambda: Model.train(tmp_path / "none", preset=value, settings=value, **options),
            lambda: Model.train(tmp_path / "none", settings={"mixture.n_components": value}, **options),
            lambda: Model.train(tmp_path / "none", test_share=value, limit=value, **options),
            lambda: Model.train(tmp_path / "none", groups=value, images=value, **options),
            lambda: Model.train(tmp_path / "none", n_jobs=value, strict=value, keep_near=value, **options),
        ]
        for call in calls:
            attempt(call)
    for rule in ("epsilon=1e38", "epsilon=1e-38", "epsilon=1e-320", "epsilon=1e39", "EPSILON=1", " naive", "epsilon"):
        attempt(lambda: small_model.explain(picture, 0, rule))
