"""Ctrl-C stops a long call within a second, and Python goes on after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import write_folders

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the signal of Ctrl-C is sent as on Unix")

# {prepare} makes everything that the long call needs; {call} takes many seconds; {after} is quick.
PROGRAM = """
import json, os, signal, sys, threading, time
import numpy as np
import fisherlens

random = np.random.default_rng(0)
{prepare}
times = dict()

def interrupt():
    time.sleep(0.4)
    times["signal"] = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)

thread = threading.Thread(target=interrupt)
thread.start()
try:
    {call}
    ended = "by itself"
except KeyboardInterrupt:
    ended = "KeyboardInterrupt"
stopped = time.perf_counter()
thread.join()
{after}
print(json.dumps(dict(ended=ended, seconds=stopped - times["signal"])))
"""

CALLS = {
    "scores": (
        "model = fisherlens.Model.default()\nimages = [random.integers(0, 256, (120, 160), np.uint8) for _ in range(40)] * 50",
        "model.scores(images, n_jobs=2)",
        "assert np.isfinite(model.scores(images[:1])).all()",
    ),
    "one large explanation": (
        "model = fisherlens.Model.default()\nimage = random.integers(0, 256, (3000, 4000), np.uint8)",
        "model.explain(image, 'cat', max_side=None)",
        "assert np.isfinite(model.explain(image[:60, :60], 'cat').pixels).all()",
    ),
    "mixture": (
        (
            "rows = random.random((100_000, 32), np.float32)\n"
            "mixture = fisherlens.DiagonalGaussianMixture(256, max_iter=1000, tol=0, random_state=0)"
        ),
        "mixture.fit(rows)",
        "assert np.isfinite(mixture.set_params(n_components=2, max_iter=2).fit(rows[:100]).means_).all()",
    ),
    "mixture from a start": (
        (
            "rows = random.random((100_000, 32), np.float32)\n"
            "start = dict(weights_init=np.full(256, 1 / 256), means_init=rows[:256], precisions_init=np.ones((256, 32)))\n"
            "mixture = fisherlens.DiagonalGaussianMixture(256, max_iter=1000, tol=0, **start)"
        ),
        "mixture.fit(rows)",
        "assert np.isfinite(mixture.set_params(max_iter=1).fit(rows[:1000]).means_).all()",
    ),
    "SVM": (
        (
            "rows = random.random((4000, 2000), np.float32)\nlabels = random.integers(0, 5, 4000)\n"
            "svm = fisherlens.LinearSvm((1.0, 10.0, 100.0), random_state=0, tol=1e-9, max_iter=10**6)"
        ),
        "svm.fit(rows, labels)",
        "svm.set_params(C=1.0, tol=0.1)\nassert np.isfinite(svm.fit(rows[:20, :9], labels[:20]).coef_).all()",
    ),
    "training": (
        (
            "settings = dict([('mixture.n_components', 128), ('mixture.max_n_iterations', 10**6), ('mixture.tolerance', 0.0)])\n"
            "again = dict([('mixture.n_components', 2)])\nfolder, cache = sys.argv[1:]"
        ),
        "fisherlens.Model.train(folder, settings=settings, cache=cache)",
        "assert fisherlens.Model.train(folder, settings=again, cache=cache).classes == ['discs', 'stripes']",
    ),
    "drawing": (
        "from fisherlens import datasets\nfolder = sys.argv[1] + '/drawn'",
        "datasets.draw_mini(folder)",
        "assert os.listdir(folder) == []",
    ),
    "progress": (
        "model = fisherlens.Model.default()\nimages = [random.integers(0, 256, (120, 160), np.uint8) for _ in range(40)] * 50\ncounts = []",
        "model.explain_batch(images, 'cat', progress=counts.append)",
        "assert counts == sorted(counts) and len(counts) > 0",
    ),
}


@pytest.mark.parametrize("name", list(CALLS))
def test_ctrl_c_stops_a_long_call(name: str, tmp_path: Path) -> None:
    prepare, call, after = CALLS[name]
    if name == "training":
        write_folders(tmp_path / "pictures", 24, height=160, width=200)
    program = PROGRAM.format(prepare=prepare, call=call, after=after)
    arguments = [str(tmp_path / "pictures"), str(tmp_path / "cache")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ended"] == "KeyboardInterrupt"
    assert found["seconds"] < 1
