"""Threads change no bit of a result, Python goes on meanwhile, and forked and loky processes work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
import pytest

from conftest import Array, drawn, new_pipeline
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
)

pytestmark = pytest.mark.filterwarnings("error")

JOBS = (None, 1, 2, -1, 7)


def same(values: list[Any]) -> bool:
    """Whether arrays, or lists of arrays, are equal to the last bit."""
    first, *others = (np.concatenate(value) if isinstance(value, list) else value for value in values)
    return all(np.array_equal(first, other) for other in others)


def test_scores_and_explanations_do_not_depend_on_n_jobs(small_model: Model, pictures: list[Array]) -> None:
    assert same([small_model.scores(pictures, n_jobs=n) for n in JOBS])
    batches = [small_model.explain_batch(pictures, n_jobs=n) for n in JOBS]
    for name in ("pixels", "descriptors", "dimensions"):
        assert same([[getattr(one, name) for one in batch] for batch in batches])
    assert [one.class_name for one in batches[0]] == [one.class_name for one in batches[2]]


def test_stages_do_not_depend_on_n_jobs(pictures: list[Array], descriptors: list[Array]) -> None:
    rows = np.concatenate(descriptors)
    assert len(rows) > 2000
    assert same([DenseSift((4, 6), step=5, n_jobs=n).transform(pictures) for n in JOBS])
    assert same([PerImage(Pca(3), random_state=0, n_jobs=n).fit_transform(descriptors) for n in JOBS])
    mixtures = [DiagonalGaussianMixture(5, random_state=0, tol=1e-3, n_jobs=n).fit(rows) for n in JOBS]
    assert same([mixture.means_ for mixture in mixtures])
    assert same([mixture.lower_bounds_ for mixture in mixtures])
    assert same([mixture.predict_proba(rows) for mixture in mixtures])
    assert same([mixture.score_samples(rows) for mixture in mixtures])
    for encoder in (FisherVector, Vlad, BagOfWords):
        options = {"mixture": DiagonalGaussianMixture(3, random_state=0, tol=1e-3), "random_state": 0}
        assert same([encoder(**options, n_jobs=n).fit_transform(descriptors) for n in JOBS])
    vectors = FisherVector(DiagonalGaussianMixture(3, random_state=0), random_state=0).fit_transform(descriptors)
    y = np.arange(24) % 3
    machines = [LinearSvm((0.1, 1), probability=True, n_folds=3, random_state=0, n_jobs=n).fit(vectors, y) for n in JOBS]
    assert same([machine.coef_ for machine in machines])
    assert same([machine.predict_proba(vectors) for machine in machines])


def test_n_jobs_of_none_follows_joblib(small_model: Model, pictures: list[Array], monkeypatch: pytest.MonkeyPatch) -> None:
    from fisherlens import _jobs

    monkeypatch.setattr(_jobs, "_processors", lambda: 8)
    assert _jobs.n_threads(None) == 1
    assert (_jobs.n_threads(3), _jobs.n_threads(-1), _jobs.n_threads(-2), _jobs.n_threads(-99)) == (3, 8, 7, 1)
    with joblib.parallel_config("threading", n_jobs=3):
        assert _jobs.n_threads(None) == 3
        assert _jobs.n_threads(2) == 2


@pytest.fixture
def switching() -> Iterator[None]:
    """Python's threads take turns often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def large() -> Array:
    """A picture whose explanation takes a while."""
    return np.tile(drawn(1, 96, 128), (5, 5, 1))


@pytest.fixture(scope="module")
def long_calls(model: Model, large: Array) -> dict[str, Callable[[], Any]]:
    """Calls of the compiled half that take many milliseconds."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(150_000, 24)).astype(np.float32)
    mixture = DiagonalGaussianMixture(24, max_iter=3, tol=0, n_init_iter=1, n_init_samples=100, random_state=0)
    few = mixture.fit(rows[:3000])
    encoder = FisherVector(few).fit([rows[:3000]])
    vectors = random.normal(size=(1000, 8000)).astype(np.float32)
    wide = random.normal(size=(60_000, 96)).astype(np.float32)
    pca = Pca(90).fit(wide[:5000])
    fitted = LinearSvm(tol=0.5).fit(vectors[:20], np.arange(20) % 2)
    return {
        "explain": lambda: model.explain(large, "cat", max_side=None),
        "scores": lambda: model.scores([large], max_side=None),
        "dense SIFT": lambda: DenseSift(max_side=None).transform([large]),
        "Fisher vector": lambda: encoder.transform([rows]),
        "mixture": lambda: mixture.fit(rows),
        "posteriors": lambda: few.predict_proba(rows),
        "likelihood": lambda: few.score_samples(rows),
        "PCA": lambda: Pca(90).fit(wide),
        "projection": lambda: pca.transform(wide),
        "SVM": lambda: LinearSvm(random_state=0).fit(vectors[:600], np.arange(600) % 2),
        "SVM's scores": lambda: fitted.decision_function(vectors),
    }


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize(
    "name",
    [
        "explain", "scores", "dense SIFT", "Fisher vector", "mixture", "posteriors", "likelihood", "PCA", "projection", "SVM",
        "SVM's scores",
    ],
)  # fmt: skip
def test_python_goes_on_during_a_long_call(name: str, long_calls: dict[str, Callable[[], Any]]) -> None:
    ticks: list[float] = []
    is_over = threading.Event()

    def tick() -> None:
        while not is_over.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    shares = []
    # A busy machine may stop this process at a bad moment, but not always.
    for _ in range(4):
        start = time.perf_counter()
        long_calls[name]()
        end = time.perf_counter()
        during = [start, *(moment for moment in ticks if start <= moment <= end), end]
        # A call that kept Python's lock would be one long pause.
        shares.append(np.diff(during).max() / (end - start))
        if shares[-1] < 0.6:
            break
    is_over.set()
    thread.join()
    assert min(shares) < 0.6


def test_two_threads_of_python_compute_at_the_same_time(model: Model, large: Array) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one processor")
    rows = np.random.default_rng(0).normal(size=(150_000, 24)).astype(np.float32)
    encoder = FisherVector(DiagonalGaussianMixture(24, max_iter=1, tol=0, n_init_iter=1, random_state=0)).fit([rows[:3000]])
    alone = model.explain(large, "cat", max_side=None), encoder.transform([rows])
    spans: dict[str, tuple[float, float]] = {}

    def explain() -> Array:
        start = time.perf_counter()
        found = model.explain(large, "cat", max_side=None)
        spans["explain"] = start, time.perf_counter()
        return found.pixels

    def encode() -> Array:
        start = time.perf_counter()
        found = encoder.transform([rows, rows])
        spans["encode"] = start, time.perf_counter()
        return found[1]

    with ThreadPoolExecutor(2) as threads:
        pixels, vector = (future.result() for future in [threads.submit(explain), threads.submit(encode)])
    np.testing.assert_array_equal(pixels, alone[0].pixels)
    np.testing.assert_array_equal(vector, alone[1][0])
    # Each began before the other had ended.
    assert max(start for start, _ in spans.values()) < min(end for _, end in spans.values())


def test_many_threads_of_python_share_one_model(small_model: Model, pictures: list[Array]) -> None:
    expected = small_model.scores(pictures)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda index: small_model.scores([pictures[index % 24]], n_jobs=2), range(200)))
    assert all(np.array_equal(one[0], expected[index % 24]) for index, one in enumerate(found))


def in_child(number: int) -> tuple[float, float]:
    """Uses the model that the parent process made, and fits a new pipeline."""
    picture = drawn(number)
    scores = SHARED["model"].scores([picture, picture], n_jobs=2)
    fitted = new_pipeline(sift__n_jobs=2).fit([drawn(index) for index in range(4)], [0, 1, 0, 1])
    return float(scores[1, 0]), float(fitted.decision_function([picture])[0])


SHARED: dict[str, Any] = {}


@pytest.fixture
def forks_are_fine() -> Iterator[None]:
    """Python 3.12 warns of every fork in a process with threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.mark.usefixtures("forks_are_fine")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system has no fork")
def test_forked_processes_work(small_model: Model, pictures: list[Array]) -> None:
    # The parent has used threads before it forks.
    small_model.scores(pictures, n_jobs=2)
    SHARED["model"] = small_model
    expected = [in_child(number) for number in range(4)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(in_child, range(4)).get(timeout=60) == expected
    # And it goes on after that.
    assert in_child(0) == expected[0]


@pytest.mark.usefixtures("forks_are_fine")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_during_a_call_of_another_thread_works(small_model: Model, pictures: list[Array]) -> None:
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            small_model.scores(pictures, n_jobs=2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                # A child that hangs is ended by this signal.
                signal.alarm(60)
                status = 1
                try:
                    small_model.scores(pictures[:2], n_jobs=2)
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        is_over.set()
        thread.join()


def test_loky_workers_score_as_this_process_does(small_model: Model, pictures: list[Array]) -> None:
    expected = small_model.scores(pictures)
    parts = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(small_model.scores)(pictures[start : start + 6], n_jobs=2) for start in range(0, 24, 6)
    )
    np.testing.assert_array_equal(np.concatenate(parts), expected)
