"""Runs on the workers of Dask: the same files as one process, also when workers die or hang."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fisherlens
from fisherlens import _native, artifacts

distributed = pytest.importorskip("distributed")
from fisherlens import distributed as ours  # noqa: E402

SETTINGS = {
    "data.shard_size": 4,
    "sample.n_descriptors": 4000,
    "pca.n_components": 16,
    "mixture.n_components": 8,
    "mixture.max_n_iterations": 3,
    "evaluation.n_seeds": 2,
}
LIMIT = 16


@contextlib.contextmanager
def two_workers():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with two_workers() as client:
        yield client


@pytest.fixture
def mortal():
    """A client whose workers may be killed."""
    with two_workers() as client:
        yield client


def contents(folder: Path) -> dict:
    """Name and content of every artifact, without the record of the run that only shared runs have."""
    files = (path for path in sorted(folder.glob("*-v*/*/*.msgpack")) if not path.parent.parent.name.startswith(("run-", "digests-")))
    return {str(path.relative_to(folder)): artifacts.load(path).payload for path in files}


def assert_same(found, expected, where=""):
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name in expected:
            assert_same(found[name], expected[name], f"{where}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for index, (one, other) in enumerate(zip(found, expected)):
            assert_same(one, other, f"{where}[{index}]")
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype and np.array_equal(found, expected), where
    else:
        assert found == expected, where


def request(folder: Path, **settings) -> str:
    changes = [f"{name}={json.dumps(value)}" for name, value in {**SETTINGS, **settings}.items()]
    wanted = {"experiment": "mini", "set": changes, "voc": None, "allow_missing": False, "limit": LIMIT, "artifacts": str(folder)}
    return json.dumps({"run": "alone", "request": {"reproduce": wanted}})


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run in one process, and its mean average precision."""
    folder = tmp_path_factory.mktemp("alone")
    _, mean = _native.finish(request(folder), "scores", None, 2)
    _native.release()
    return contents(folder), mean


def test_two_workers_give_the_files_of_one_process(client, alone, tmp_path):
    done = ours.reproduce("mini", client, artifacts=tmp_path, settings=SETTINGS, until="scores", limit=LIMIT)
    assert_same(contents(tmp_path), alone[0])
    assert done.mean_average_precision == alone[1] and done.page is None and done.artifacts == str(tmp_path)
    # Photographs (2 chunks), sample and two halves of vectors (4 shards each), projection, mixture, classifiers, scores, for two seeds.
    assert done.n_pieces == 2 + 2 * (3 * 4 + 4)
    again = ours.reproduce("mini", client, artifacts=tmp_path, settings=SETTINGS, until="scores", limit=LIMIT)
    assert again.n_pieces == 2 and again.mean_average_precision == alone[1]


def test_a_mixture_in_shards(client, tmp_path):
    settings = {**SETTINGS, "sample.in_memory": "shards", "evaluation.n_seeds": 1, "data.vectors": "int8"}
    ours.reproduce("mini", client, artifacts=tmp_path / "shared", settings=settings, until="scores", limit=LIMIT)
    _native.finish(
        request(tmp_path / "alone", **{name: settings[name] for name in ("sample.in_memory", "evaluation.n_seeds", "data.vectors")}),
        "scores",
        None,
        2,
    )
    _native.release()
    assert_same(contents(tmp_path / "shared"), contents(tmp_path / "alone"))


def test_workers_that_are_killed_at_any_moment(mortal, alone, tmp_path):
    draw = random.Random(2016)
    stop = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not stop.wait(draw.uniform(0.2, 4.0)) and len(killed) < 6:
            pids = worker_pids(mortal)
            if pids:
                killed.append(draw.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        done = ours.reproduce("mini", mortal, artifacts=tmp_path, settings=SETTINGS, until="scores", limit=LIMIT)
    finally:
        stop.set()
        killer.join()
    assert killed
    assert done.mean_average_precision == alone[1]
    assert_same(contents(tmp_path), alone[0])


def worker_pids(client) -> list[int]:
    """Processes of the workers that answer. One that is still starting does not, and its nanny gives up if it dies then."""
    found = client.run(os.getpid, on_error="ignore")
    return [pid for pid in found.values() if isinstance(pid, int)]


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(mortal, tmp_path, monkeypatch):
    stopped = []
    # The embedded photographs are drawn before, which may take longer than a piece of work may take here.
    _native.list_photographs(request(tmp_path), 2)

    pids = mortal.run(os.getpid)
    ended = threading.Event()
    running: dict[str, tuple[str, float]] = {}
    hear = ours._Run._hear

    def heard(run, event) -> None:
        hear(run, event)
        running.clear()
        running.update(run.running)

    monkeypatch.setattr(ours._Run, "_hear", heard)

    def stop_one() -> None:
        """Stops a worker that has begun a piece. If the piece has just ended, the worker goes on, and another one is stopped."""
        while not stopped and not ended.wait(0.01):
            for piece, (worker, begin) in list(running.items()):
                os.kill(pids[worker], signal.SIGSTOP)
                time.sleep(0.5)
                if running.get(piece) == (worker, begin):
                    stopped.append(pids[worker])
                    break
                os.kill(pids[worker], signal.SIGCONT)

    stopper = threading.Thread(target=stop_one)
    stopper.start()
    settings = {**SETTINGS, "seed": 5}
    try:
        ours.reproduce("mini", mortal, artifacts=tmp_path, settings=settings, until="scores", limit=LIMIT, piece_timeout=12)
    finally:
        ended.set()
        stopper.join()
    assert stopped
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(stopped[0], 0)
            time.sleep(0.1)


def test_training_on_workers(client, tmp_path):
    fisherlens.datasets.draw_mini(tmp_path / "mini")
    photographs = sorted((tmp_path / "mini").rglob("JPEGImages/*"))[:24]
    labels = ["even" if index % 2 else "odd" for index in range(len(photographs))]
    settings = {name: value for name, value in SETTINGS.items() if not name.startswith("evaluation")}
    found = ours.train(photographs, client, labels, cache=tmp_path / "shared", settings=settings)
    expected = fisherlens.Model.train(photographs, labels, cache=tmp_path / "alone", settings=settings)
    assert found.classes == expected.classes == ["even", "odd"]
    assert np.array_equal(found.scores(photographs[:3]), expected.scores(photographs[:3]))
    assert found.quality == expected.quality


def test_errors_are_those_of_the_work(client, tmp_path):
    with pytest.raises(ValueError, match="mixture.n_components = 0"):
        ours.reproduce("mini", client, artifacts=tmp_path, settings={"mixture.n_components": 0})
    with pytest.raises(ValueError, match='until is "middle", expected one of "photographs", "sample"'):
        ours.reproduce("mini", client, artifacts=tmp_path, settings=SETTINGS, limit=LIMIT, until="middle")
    with pytest.raises(ValueError, match="needs PASCAL VOC"):
        ours.reproduce("voc2007-val", client, artifacts=tmp_path)
    with pytest.raises(OSError):
        ours.train(tmp_path / "nothing", client, cache=tmp_path / "cache")
    with pytest.raises(TypeError, match="client is str"):
        ours.reproduce("mini", "127.0.0.1:8786", artifacts=tmp_path)
    with pytest.raises(ValueError, match="piece_timeout"):
        ours.reproduce("mini", client, artifacts=tmp_path, piece_timeout=0)
    with pytest.raises(TypeError, match="labels"):
        ours.train(["a.jpg"], client, cache=tmp_path)


def test_another_version_is_refused(client, tmp_path, monkeypatch):
    monkeypatch.setattr(_native, "__version__", "0.0.0")
    with pytest.raises(RuntimeError, match="but the client has 0.0.0"):
        ours.reproduce("mini", client, artifacts=tmp_path, settings=SETTINGS, limit=LIMIT, until="scores")


def test_wrong_arguments_name_the_parameter(client, tmp_path):
    def fails(error, message, client=client, **given):
        given = {"artifacts": tmp_path, "limit": LIMIT, "settings": SETTINGS, **given}
        with pytest.raises(error, match=message):
            ours.reproduce("mini", client, **given)

    fails((TypeError, ValueError), "until", until=3)
    fails(ValueError, "setting mixture.tolerance is nan", settings={"mixture.tolerance": float("nan")})
    fails(ValueError, "setting mixture.tolerance is None", settings={"mixture.tolerance": None})
    fails(ValueError, "expected voc=None", voc=tmp_path)
    fails(ValueError, "settings: mixture.k=3", settings={"mixture.k": 3})


def test_photographs_alone_are_a_run(client, tmp_path):
    done = ours.reproduce("mini", client, artifacts=tmp_path, settings=SETTINGS, until="photographs", limit=LIMIT)
    assert done.n_pieces == 2 and done.mean_average_precision is None


def test_a_closed_client_is_named(tmp_path):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as closed:
            pass
        with pytest.raises(ValueError, match="client is closed, expected one that is connected"):
            ours.reproduce("mini", closed, artifacts=tmp_path)


def test_a_cluster_that_closes_ends_the_run(tmp_path):
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        timer = threading.Timer(2.0, client.close)
        timer.start()
        with pytest.raises(RuntimeError, match="the run was cancelled: the client or the scheduler was closed"):
            ours.reproduce("mini", client, artifacts=tmp_path, settings={"evaluation.n_seeds": 20}, limit=LIMIT)
        timer.join()
