"""Stored results of training, and model files, as arrays."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import write_folders
from fisherlens import Model, artifacts
from fisherlens.artifacts import Artifact

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model, list[Path]]:
    """The folder of stored results, the model, and its photographs."""
    folder = tmp_path_factory.mktemp("artifacts")
    paths, _ = write_folders(folder / "photographs", 24)
    settings = {"mixture.n_components": 3, "pca.n_components": 8}
    return folder / "stored", Model.train(folder / "photographs", settings=settings, cache=folder / "stored"), paths


def stored(folder: Path, stage: str) -> list[Artifact]:
    files = sorted(folder.glob(f"{stage}-v*/*/*.msgpack"))
    assert files, stage
    return [artifacts.load(file) for file in files]


def one(folder: Path, stage: str) -> Artifact:
    [found] = stored(folder, stage)
    return found


SHAPES: dict[str, dict[str, tuple[tuple[int | None, ...], str]]] = {
    "sample": {"values": ((None, 128), "float32")},
    "pca": {"mean": ((128,), "float32"), "components": ((8, 128), "float32"), "explained_variance": ((8,), "float32")},
    "mixture": {"weights": ((3,), "float32"), "means": ((3, 8), "float32"), "variances": ((3, 8), "float32")},
    "classifier": {"coefficients": ((2, 51), "float32"), "bias": ((2,), "float32"), "alphas": ((2, None), "float32")},
    "scores": {"scores": ((None, 2), "float32"), "labels": ((None, 2), "int8")},
}


@pytest.mark.parametrize("stage", list(SHAPES))
def test_blocks_of_numbers_are_arrays(stage: str, trained: tuple[Path, Model, list[Path]]) -> None:
    payload = one(trained[0], stage).payload
    for name, (shape, dtype) in SHAPES[stage].items():
        array = payload[name]
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.dtype(dtype)
        assert len(array.shape) == len(shape)
        assert all(wanted in (None, found) for found, wanted in zip(array.shape, shape))
        assert np.isfinite(array).all()


def test_the_arrays_are_those_of_the_model(trained: tuple[Path, Model, list[Path]]) -> None:
    folder, model, paths = trained
    arrays = model.arrays
    pca, mixture, classifier = (one(folder, stage).payload for stage in ("pca", "mixture", "classifier"))
    np.testing.assert_array_equal(pca["components"], arrays["pca_components"])
    np.testing.assert_array_equal(pca["mean"], arrays["pca_mean"])
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(mixture[name], arrays[name])
    np.testing.assert_array_equal(classifier["coefficients"], arrays["coefficients"])
    scores = one(folder, "scores").payload
    assert scores["classes"] == model.classes
    by_name = {path.name: path for path in paths}
    tested = [by_name[Path(name).name if Path(name).suffix else f"{Path(name).name}.png"] for name in scores["ids"]]
    np.testing.assert_allclose(model.scores(tested), scores["scores"], rtol=0, atol=1e-5)
    vectors = {artifact.part.partition("-")[0]: artifact.payload["vectors"] for artifact in stored(folder, "encode")}
    assert set(vectors) == {"train", "test"}
    # Vectors are stored before they are normalised.
    expected = model.to_pipeline().set_params(encoder__normalization="raw")[:-1].transform(tested)
    np.testing.assert_allclose(vectors["test"], expected, rtol=0, atol=1e-4)


def test_the_header_tells_where_a_result_comes_from(trained: tuple[Path, Model, list[Path]]) -> None:
    folder, _, _ = trained
    pca, sample = one(folder, "pca"), one(folder, "sample")
    assert (pca.stage, pca.part) == ("pca", "artifact")
    assert isinstance(pca.format_version, int)
    assert len(pca.key) == 64
    assert (folder / f"pca-v{pca.format_version}" / pca.key[:16] / "artifact.msgpack").is_file()
    assert pca.key != sample.key
    assert all(isinstance(name, str) and len(key) == 64 for name, key in pca.inputs.items())
    assert pca.settings["pca"]["n_components"] == 8
    assert pca.settings["mixture"]["n_components"] == 3
    assert 0 <= pca.seconds < 100
    assert abs(pca.created - time.time()) < 1000
    with pytest.raises(AttributeError):
        pca.stage = "x"  # type: ignore[misc]


def test_every_stored_result_is_read(trained: tuple[Path, Model, list[Path]]) -> None:
    files = list(trained[0].rglob("*.msgpack"))
    assert len(files) >= 9
    for file in files:
        found = artifacts.load(str(file))
        assert found.stage == file.parents[1].name.rpartition("-v")[0]
        assert found.part == file.stem
        plain(found.payload)


def plain(value: Any) -> None:
    """Checks that a payload consists of Python's values and of arrays."""
    if isinstance(value, dict):
        for name, entry in value.items():
            assert isinstance(name, str)
            plain(entry)
    elif isinstance(value, list):
        for entry in value:
            plain(entry)
    else:
        assert value is None or isinstance(value, (bool, int, float, str, bytes, np.ndarray))


@pytest.mark.parametrize("half", [False, True])
def test_a_model_file_is_an_artifact(half: bool, trained: tuple[Path, Model, list[Path]], tmp_path: Path) -> None:
    model = trained[1]
    model.save(tmp_path / "x.flm", half=half)
    found = artifacts.load(tmp_path / "x.flm")
    payload = found.payload
    assert payload["classes"] == model.classes
    assert payload["display_rule"] == model.rule
    np.testing.assert_array_equal(payload["pca_components"], model.arrays["pca_components"])
    np.testing.assert_array_equal(payload["mixture_means"], model.arrays["means"])
    np.testing.assert_allclose(payload["thresholds"], model.thresholds)
    assert [tuple(pair) for pair in payload["card"]] == list(model.card.items())
    assert payload["descriptors"]["kind"] == "dense-sift"
    if not half:
        np.testing.assert_array_equal(payload["coefficients"]["whole"], model.coefficients)


def test_arrays_can_be_changed_and_kept(trained: tuple[Path, Model, list[Path]]) -> None:
    array = one(trained[0], "pca").payload["components"]
    assert array.flags.writeable
    array[:] = 0
    assert np.abs(one(trained[0], "pca").payload["components"]).max() > 0


def test_damaged_files_and_other_files_are_refused(trained: tuple[Path, Model, list[Path]], tmp_path: Path) -> None:
    [file] = trained[0].glob("pca-v*/*/*.msgpack")
    whole = file.read_bytes()
    damaged = tmp_path / "damaged.msgpack"
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        damaged.write_bytes(changed)
        with pytest.raises(ValueError, match="damaged.msgpack"):
            artifacts.load(damaged)
        damaged.write_bytes(whole[:place])
        with pytest.raises(ValueError, match="damaged.msgpack"):
            artifacts.load(damaged)
    for file in (trained[2][0], Path(__file__)):
        with pytest.raises(ValueError, match=file.name):
            artifacts.load(file)
    with pytest.raises(FileNotFoundError, match="nothing"):
        artifacts.load(tmp_path / "nothing")
