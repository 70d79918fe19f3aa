"""One test per fault that was found by using the package."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline

import fisherlens
from conftest import Array
from fisherlens import DenseSift, FisherVector, LinearSvm, Model


def test_a_daemon_thread_in_a_call_does_not_crash_an_ending_interpreter() -> None:
    code = (
        "import sys, threading, time, numpy, fisherlens\n"
        "model, images = fisherlens.Model.default(), [numpy.random.rand(200, 300)] * 200\n"
        "threading.Thread(target=lambda: model.scores(images), daemon=True).start()\n"
        "time.sleep(0.7); sys.exit(3)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3


def test_samples_whose_inner_products_have_no_place_are_refused() -> None:
    x = np.zeros((3_000_000, 1), dtype=np.float32)
    with pytest.raises(MemoryError, match="3000000 samples take 36000.0 GB"):
        LinearSvm().fit(x, np.arange(len(x)) % 2)


def test_another_size_of_images_in_a_pipeline_is_a_warning(pipeline: Pipeline, pictures: list[Array]) -> None:
    small = Pipeline([("sift", DenseSift((4, 6), step=6, max_side=50)), *pipeline.steps[1:]])
    with pytest.warns(UserWarning, match="max_side=50"):
        model = Model.from_pipeline(small)
    expected = small.decision_function(pictures)
    np.testing.assert_allclose(model.scores(pictures, max_side=50)[:, 1], expected, atol=1e-4)


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), np.datetime64("NaT"), ""])
def test_missing_labels_and_groups_are_no_names(missing: Any) -> None:
    if isinstance(missing, np.datetime64):
        missing = pytest.importorskip("pandas").NaT
    with pytest.raises(ValueError, match="label of photograph 1"):
        Model.train(["a.png", "b.png"], ["cat", missing])
    with pytest.raises(ValueError, match="group of photograph 0"):
        Model.train(["a.png", "b.png"], ["cat", "dog"], groups=[missing, "x"])


def test_tables_and_matrices_are_no_lists_of_labels() -> None:
    pandas = pytest.importorskip("pandas")
    matrix = np.eye(2, dtype=int)
    for labels in (matrix, pandas.DataFrame(matrix, columns=["cat", "dog"])):
        with pytest.raises(TypeError, match="labels is a table or matrix"):
            Model.train(["a.png", "b.png"], labels)
    frame = pandas.DataFrame({"path": ["a.png"], "label": ["cat"]})
    with pytest.raises(TypeError, match="one of its columns"):
        Model.train(frame, ["cat"])
    with pytest.raises(TypeError, match="one of its columns"):
        Model.default().scores(frame)
    with pytest.raises(TypeError, match="bytes"):
        Model.train(["a.png"], [b"cat"])


def test_a_missing_photograph_is_named_by_its_place_in_the_list(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"photograph 1: there is no file .*b\.png") as refused:
        Model.train([__file__, tmp_path / "b.png"], ["cat", "dog"], cache=tmp_path / "cache", strict=True)
    assert "photographs.csv" not in str(refused.value)


def test_positions_in_pixels_are_refused(descriptors: list[Array]) -> None:
    encoder = FisherVector(pyramid=("2x2",), max_samples=500, random_state=0)
    encoder.set_params(mixture=fisherlens.DiagonalGaussianMixture(2, tol=1e-2, random_state=0)).fit(descriptors)
    with pytest.raises(ValueError, match="fractions of width and height"):
        encoder.transform(descriptors, [np.full((len(one), 2), 5.0) for one in descriptors])


def test_a_model_tells_one_truth(model: Model) -> None:
    for name, value in (("rule", "naive"), ("classes", []), ("thresholds", None), ("card", {}), ("settings", {})):
        with pytest.raises(AttributeError):
            setattr(model, name, value)
    model.classes[0] = "other"
    assert model.classes[0] == "aeroplane"


@pytest.mark.parametrize("value", [None, 3, b"model.flm", ""])
def test_errors_about_paths_name_the_parameter(model: Model, value: Any) -> None:
    for call in (lambda: Model.load(value), lambda: model.save(value)):
        with pytest.raises((TypeError, ValueError), match="path is"):
            call()
    for name in ("preset", "cache"):
        if value is not None:
            with pytest.raises((TypeError, ValueError), match=f"{name} is"):
                Model.train("photographs", **{name: value})


def test_a_terminal_without_our_characters_stops_no_training(tmp_path: Path) -> None:
    code = "from fisherlens._training import _say; _say('128 \u2192 64 dimensions')"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.split() == [b"128", b"?", b"64", b"dimensions"]


def test_names_are_listed_only_where_they_can_be_imported() -> None:
    names: dict[str, Any] = {}
    exec("from fisherlens import *", names)
    assert "Model" in names
    assert "quantus" not in names
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import importlib.util; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'sklearn' else find(name)\n"
        "from fisherlens import *\n"
        "Model.default().scores"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_pipeline_can_be_asked_for_tables(pipeline: Pipeline, pictures: list[Array]) -> None:
    pytest.importorskip("pandas")
    steps = copy.deepcopy(Pipeline(pipeline.steps[:3])).set_output(transform="pandas")
    assert list(steps.transform(pictures[:2]).columns)[0] == "fishervector0"


def test_words_of_the_compiled_half_are_not_shown(descriptors: list[Array]) -> None:
    for parameters, words in (
        ({"pyramid": ("0x1",)}, "pyramid has '0x1'"),
        ({"pyramid": [(1, 1)]}, "pyramid has"),
        ({"pyramid": ()}, "pyramid is empty"),
        ({"parts": ("means", "means")}, "parts is"),
    ):
        with pytest.raises(ValueError, match=words):
            FisherVector(fisherlens.DiagonalGaussianMixture(2, random_state=0), **parameters).fit(descriptors)


def test_a_tied_mixture_is_not_diagonal(descriptors: list[Array]) -> None:
    square = [one[:, :3].astype(np.float64) for one in descriptors]
    with pytest.raises(ValueError, match="diagonal"):
        FisherVector(GaussianMixture(3, covariance_type="tied", reg_covar=1e-3, random_state=0)).fit(square)


def test_sizes_of_bins_can_be_computed_with(model: Model, crop: Array) -> None:
    frames = model.explain(crop, "person").frames
    assert (-2 * frames["bin_size"]).min() < 0
