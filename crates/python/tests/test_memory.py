"""The memory that the process holds does not grow with the number of calls."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Array
from fisherlens import DenseSift, DiagonalGaussianMixture, FisherVector, LinearSvm, Model, Pca, artifacts

STATM = Path("/proc/self/statm")
pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.skipif(not STATM.exists(), reason="the system does not tell the memory of a process"),
]
LARGEST_GROWTH = 15e6


def resident() -> int:
    """Bytes of memory of this process."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grows(call: Callable[[], Any], n_first: int = 200, n_all: int = 1000) -> float:
    """By how many bytes memory grows from call ``n_first`` to call ``n_all``."""
    for _ in range(n_first):
        call()
    before = resident()
    for _ in range(n_all - n_first):
        call()
    return resident() - before


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, TypeError, OSError)):
        call()


def test_explanations_are_forgotten(small_model: Model, crop: Array) -> None:
    # Photograph and relevance of the calls that are measured would be noticed if they were kept.
    explanation = small_model.explain(crop)
    assert 800 * (explanation.photograph.nbytes + explanation.pixels.nbytes) > 2 * LARGEST_GROWTH
    assert grows(lambda: small_model.explain(crop, [0, 1], "epsilon=1")) < LARGEST_GROWTH


def test_explanations_of_the_shipped_model_are_forgotten(model: Model, crop: Array) -> None:
    # A vector of this model has 300 kB.
    assert grows(lambda: model.explain(crop, "cat"), 20, 120) < LARGEST_GROWTH


def test_scores_are_forgotten(small_model: Model, crop: Array) -> None:
    assert grows(lambda: small_model.scores([crop], n_jobs=2)) < LARGEST_GROWTH


def test_vectors_are_forgotten(descriptors: list[Array]) -> None:
    encoder = FisherVector(DiagonalGaussianMixture(4, tol=1e-2), random_state=0).fit(descriptors)
    rows = [np.repeat(descriptors[0], 20, axis=0)]
    assert 800 * rows[0].nbytes > 2 * LARGEST_GROWTH
    assert grows(lambda: encoder.transform(rows)) < LARGEST_GROWTH


def test_descriptors_are_forgotten(crop: Array) -> None:
    sift = DenseSift((4, 6), step=6, n_jobs=2)
    [found] = sift.transform([crop])
    assert 800 * found.nbytes > 2 * LARGEST_GROWTH
    assert grows(lambda: sift.describe([crop])) < LARGEST_GROWTH


def test_estimators_are_forgotten(descriptors: list[Array]) -> None:
    rows = np.tile(np.concatenate(descriptors), (10, 1))
    labels = np.arange(len(rows)) % 2

    def learn() -> None:
        Pca(4).fit(rows).transform(rows)
        mixture = DiagonalGaussianMixture(1, max_iter=1, tol=0, init_params="random").fit(rows)
        mixture.predict_proba(rows), mixture.score_samples(rows)
        LinearSvm(tol=0.5, random_state=0).fit(rows[:60], labels[:60]).decision_function(rows)

    assert 50 * rows.nbytes > 2 * LARGEST_GROWTH
    assert grows(learn, 10, 60) < LARGEST_GROWTH


def test_errors_are_forgotten(small_model: Model, crop: Array, descriptors: list[Array], tmp_path: Path) -> None:
    small_model.save(tmp_path / "x.flm")
    damaged = tmp_path / "damaged.flm"
    damaged.write_bytes((tmp_path / "x.flm").read_bytes()[:-1])
    encoder = FisherVector(DiagonalGaussianMixture(4, tol=1e-2), random_state=0).fit(descriptors)
    small = crop[:4, :4]
    broken = crop.tobytes()
    far = np.full((500, 8), 1e38, dtype=np.float32)

    def fail() -> None:
        refused(lambda: small_model.scores([crop, small]))
        refused(lambda: small_model.scores([broken]))
        refused(lambda: small_model.explain(crop / 2))
        refused(lambda: small_model.explain(crop, 0, ["naive", "x"]))
        refused(lambda: small_model.explain(tmp_path / "missing.png"))
        refused(lambda: small_model.scores([crop, crop], progress=lambda _: 1 / "x"))  # type: ignore[operator]
        refused(lambda: encoder.transform([far]))
        refused(lambda: Model.load(damaged))
        refused(lambda: artifacts.load(damaged))

    assert grows(fail, 30, 160) < LARGEST_GROWTH


def test_models_are_forgotten(small_model: Model, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "x.flm"
    small_model.save(path)
    assert grows(lambda: (Model.load(path), artifacts.load(path), pickle.loads(pickle.dumps(small_model)))) < LARGEST_GROWTH
    # Some 13 MB each.
    assert grows(lambda: (model.arrays, model.to_pipeline()), 3, 20) < LARGEST_GROWTH
