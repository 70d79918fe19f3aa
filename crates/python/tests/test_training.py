"""Training from folders, lists and tables of photographs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import LABELS, Array, drawn, write_folders
from fisherlens import Model, datasets

pytestmark = pytest.mark.filterwarnings("error")

Photographs = tuple[Path, list[Path], list[str]]
SETTINGS: dict[str, Any] = {"mixture.n_components": 3, "pca.n_components": 8}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    """A folder of 2 x 12 pictures, their paths and their labels."""
    folder = tmp_path_factory.mktemp("photographs")
    return folder, *write_folders(folder, 24)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def train(data: Any, *values: Any, cache: Path, **options: Any) -> Model:
    return Model.train(data, *values, **{"settings": SETTINGS, "cache": cache, **options})


def test_a_folder_of_folders_is_learned(photographs: Photographs, cache: Path) -> None:
    folder, paths, labels = photographs
    model = train(folder, cache=cache)
    assert model.classes == ["discs", "stripes"]
    quality = model.quality
    assert quality is not None
    assert quality["n_train"] + quality["n_test"] == 24
    assert quality["n_test"] >= 3
    assert quality["skipped"] == quality["warnings"] == quality["equal"] == []
    assert quality["mean_average_precision"] == quality["accuracy"] == 1
    confusion = np.array(quality["confusion"])
    assert confusion.sum() == np.trace(confusion) == quality["n_test"]
    for row, name in zip(quality["classes"], LABELS):
        assert (row["class"], row["average_precision"]) == (name, 1)
        assert row["n_train"] + row["n_test"] == 12
        assert isinstance(row["threshold"], float)
    assert model.predict(paths) == [[label] for label in labels]
    assert model.explain(paths[0], "discs").conservation.largest_gap < 1e-4
    assert str(quality["n_train"]) in model.card["learned from"]


def test_the_same_photographs_as_a_list_give_the_same_model(photographs: Photographs, cache: Path) -> None:
    folder, paths, labels = photographs
    of_folder = train(folder, cache=cache)
    for listed in (paths, [str(path) for path in paths], tuple(paths), np.array([str(path) for path in paths])):
        of_list = train(listed, labels, cache=cache)
        assert of_list.classes == of_folder.classes
        np.testing.assert_array_equal(of_list.scores(paths), of_folder.scores(paths))
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"path": [str(path) for path in paths], "label": labels}, index=range(100, 124))
    # The groups decide who is tested, so they must not depend on the folder for temporary files.
    groups = pandas.Series([f"{path.parent.name}/{path.name}" for path in paths], index=table.index)
    of_table = train(table["path"], table["label"], groups=groups, cache=cache)
    np.testing.assert_array_equal(of_table.scores(paths).shape, (24, 2))
    # The order does not matter either.
    backwards = train(paths[::-1], labels[::-1], cache=cache)
    np.testing.assert_allclose(backwards.scores(paths), of_folder.scores(paths), atol=0.05)


def test_the_model_depends_neither_on_n_jobs_nor_on_the_cache(photographs: Photographs, tmp_path: Path) -> None:
    folder, paths, _ = photographs
    models = [train(folder, cache=tmp_path / str(n), n_jobs=n) for n in (1, 2, -1)]
    models.append(train(folder, cache=tmp_path / "1"))
    for model in models[1:]:
        np.testing.assert_array_equal(model.coefficients, models[0].coefficients)
        assert model.quality == models[0].quality
    models[0].save(tmp_path / "model.flm")
    again = Model.load(tmp_path / "model.flm")
    np.testing.assert_array_equal(again.scores(paths), models[0].scores(paths))
    np.testing.assert_array_equal(again.probabilities(paths), models[0].probabilities(paths))
    assert again.card == models[0].card


def test_settings_change_the_model(photographs: Photographs, cache: Path) -> None:
    folder, paths, _ = photographs
    changes = {
        "mixture.n_components": np.int64(2),
        "pca.n_components": 4,
        "descriptors.bin_sizes": (4, 6),
        "descriptors.step": 5,
        "descriptors.root_sift": "on",
        "encoder.parts": ["means", "variances"],
        "classifier.c_grid": np.array([1.0, 10.0]),
    }
    model = train(folder, cache=cache, settings=changes)
    assert model.arrays["means"].shape == (2, 4)
    assert model.coefficients.shape == (2, 2 * 2 * 4)
    assert model.settings["descriptors.bin_sizes"] == "[4, 6]"
    assert model.settings["descriptors.step"] == "5"
    assert model.predict(paths[:2]) == [["discs"], ["stripes"]]
    for wrong in ({"mixture.n_componnets": 2}, {"mixture.n_components": "many"}, {"": 1}, {"mixture.n_components": -1}):
        with pytest.raises(ValueError):
            train(folder, cache=cache, settings=wrong)
    with pytest.raises(ValueError, match="fats"):
        train(folder, cache=cache, preset="fats")
    with pytest.raises(TypeError, match="settings is list"):
        train(folder, cache=cache, settings=["mixture.n_components=2"])


def test_test_share_and_limit_choose_the_halves(photographs: Photographs, cache: Path) -> None:
    folder, _, _ = photographs
    quality = train(folder, cache=cache, test_share=0.5).quality
    assert quality is not None
    assert 8 <= quality["n_test"] <= 16
    with pytest.warns(UserWarning, match="fewer than 10 images"):
        limited = train(folder, cache=cache, limit=6).quality
    assert limited is not None
    assert (limited["n_train"], limited["n_test"]) == (6, 6)
    for share in (0, 1, -0.5, 2, np.nan):
        with pytest.raises(ValueError, match="test_share"):
            train(folder, cache=cache, test_share=share)
    with pytest.raises(TypeError, match="test_share is 'half'"):
        train(folder, cache=cache, test_share="half")
    with pytest.raises(ValueError, match="limit is 0"):
        train(folder, cache=cache, limit=0)


def test_photographs_of_a_group_are_in_one_half(photographs: Photographs, cache: Path, tmp_path: Path) -> None:
    from fisherlens import artifacts

    _, paths, labels = photographs
    owners = [f"owner {index // 2}" for index in range(24)]
    folder = tmp_path / "cache"
    model = train(paths, labels, groups=owners, cache=folder)
    assert model.quality is not None
    [file] = (folder / "scores-v1").rglob("*.msgpack")
    tested = {Path(name).stem for name in artifacts.load(file).payload["ids"]}
    assert len(tested & {path.stem for path in paths}) == model.quality["n_test"] > 0
    for owner in set(owners):
        assert len({path.stem in tested for path, name in zip(paths, owners) if name == owner}) == 1
    with pytest.raises(ValueError, match="3 groups for 24 photographs"):
        train(paths, labels, groups=owners[:3], cache=cache)
    with pytest.raises(TypeError, match="groups is str"):
        train(paths, labels, groups="owner", cache=cache)
    with pytest.raises(TypeError, match="expected the name of a column"):
        train(photographs[0], groups=owners, cache=cache)


def test_photographs_may_have_several_classes_or_none(photographs: Photographs, cache: Path) -> None:
    _, paths, labels = photographs
    many: list[Any] = [[label, "even"] if index % 4 < 2 else label for index, label in enumerate(labels)]
    many[3], many[4], many[5] = (), {"discs", "even"}, np.array(["stripes", "even"])
    model = train(paths, many, cache=cache)
    assert model.classes == ["discs", "even", "stripes"]
    assert model.quality is not None
    assert model.quality["accuracy"] is None
    assert model.quality["confusion"] is None
    assert sum(row["n_train"] + row["n_test"] for row in model.quality["classes"]) == sum(
        1 if isinstance(label, str) else len(label) for label in many
    )


def test_labels_may_be_any_names(photographs: Photographs, cache: Path) -> None:
    _, paths, labels = photographs
    names = {"discs": 'round, "red"; 丸', "stripes": 7}
    model = train(paths, [names[label] for label in labels], cache=cache)
    assert model.classes == sorted(["7", 'round, "red"; 丸'])
    with pytest.raises(ValueError, match='label "a|b" of photograph 3'.replace("|", r"\|")):
        train(paths, ["x", "y", "x", "a|b"] * 6, cache=cache)
    for nothing in (None, np.nan):
        with pytest.raises(ValueError, match="the label of photograph 1 is"):
            train(paths, ["x", nothing] * 12, cache=cache)
    with pytest.raises(ValueError, match="23 labels for 24 photographs"):
        train(paths, labels[1:], cache=cache)
    with pytest.raises(TypeError, match="needs labels"):
        train(paths, cache=cache)
    with pytest.raises(TypeError, match="labels are for a list"):
        train(photographs[0], labels, cache=cache)
    with pytest.raises(TypeError, match="photograph 0 is ndarray, expected a path"):
        train([drawn(0)], ["x"], cache=cache)
    with pytest.raises(ValueError, match="give a list of paths"):
        train([], [], cache=cache)


def test_files_that_cannot_be_used_are_skipped_or_refused(photographs: Photographs, cache: Path, tmp_path: Path) -> None:
    _, paths, labels = photographs
    damaged, tiny = tmp_path / "damaged.png", tmp_path / "tiny.png"
    damaged.write_bytes(paths[0].read_bytes()[:100])
    Image.fromarray(drawn(0, 5, 5)).save(tiny)
    missing = tmp_path / "missing.png"
    all_paths, all_labels = [*paths, damaged, tiny, missing], [*labels, *["discs"] * 3]
    with pytest.warns(UserWarning, match="3 files or entries were skipped"):
        model = train(all_paths, all_labels, cache=cache)
    assert model.quality is not None
    reasons = {entry["id"]: entry["reason"] for entry in model.quality["skipped"]}
    assert len(reasons) == 3
    for name in ("damaged", "tiny", "missing"):
        assert any(name in reason for reason in reasons.values())
    for path in (damaged, tiny, missing):
        with pytest.raises((ValueError, OSError), match=f"{path.name}(?!.*--)"):
            train([*paths, path], [*labels, "discs"], cache=cache, strict=True)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        train(tmp_path / "nowhere", cache=cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty"):
        train(tmp_path / "empty", cache=cache)
    with pytest.raises(ValueError, match="one class|nothing to learn"):
        train(paths[::2], labels[::2], cache=cache)
    with pytest.raises(ValueError, match="give a split, another test_share, or more images"):
        train(paths[:2], labels[:2], cache=cache)


def test_nearly_equal_photographs_are_told(photographs: Photographs, cache: Path, tmp_path: Path) -> None:
    _, paths, labels = photographs
    copies = []
    for index, path in enumerate(paths):
        copies.append(tmp_path / f"copy {index}.jpg")
        Image.open(path).save(copies[-1], quality=95)
    with pytest.warns(UserWarning, match="nearly equal.* keep_near=True keeps them together"):
        quality = train([*paths, *copies], labels * 2, cache=cache).quality
    assert quality is not None
    together = train([*paths, *copies], labels * 2, cache=cache, keep_near=True).quality
    assert together is not None
    assert len(quality["nearly_equal"]) > 0
    assert together["nearly_equal"] == []


def test_a_table_gives_split_and_groups(photographs: Photographs, cache: Path, tmp_path: Path) -> None:
    folder, paths, labels = photographs
    rows = [
        f"{path.relative_to(folder)},{label},{'test' if index < 8 else 'train'},{index}"
        for index, (path, label) in enumerate(zip(paths, labels))
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label,split,owner", *rows]))
    quality = train(table, cache=cache, images=folder).quality
    assert quality is not None
    assert (quality["n_train"], quality["n_test"]) == (16, 8)
    with pytest.raises(ValueError, match="painter"):
        train(table, cache=cache, images=folder, groups="painter")


def test_progress_and_lines(
    photographs: Photographs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photographs[0]
    train(folder, cache=tmp_path / "silent")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    train(folder, cache=tmp_path / "verbose", verbose=True)
    lines = capsys.readouterr().out
    for stage in ("train", "sample", "pca", "mixture", "encode", "classifier", "scores", "calibration"):
        assert stage in lines
    auto = pytest.importorskip("tqdm.auto")
    bars: list[tuple[str, int]] = []

    class Bar(auto.tqdm):  # type: ignore[misc,name-defined]
        def __init__(self, *values: Any, **options: Any) -> None:
            super().__init__(*values, **options, file=io.StringIO())
            bars.append((self.desc, self.total))

    monkeypatch.setattr(auto, "tqdm", Bar)
    # Short steps may end before they are looked at, so the pictures are many.
    many, _ = write_folders(tmp_path / "many", 40, height=150, width=200)
    train(many[0].parents[1], cache=tmp_path / "bars", progress=True, settings={"mixture.n_components": 64})
    assert len(bars) > 0
    assert all(total > 0 for _, total in bars)
    assert capsys.readouterr().out == ""
    for name in ("progress", "verbose", "strict", "keep_near"):
        with pytest.raises(TypeError, match=f"{name} is 1"):
            train(folder, cache=tmp_path / "x", **{name: 1})


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The embedded photographs."""
    return datasets.draw_mini(tmp_path_factory.mktemp("mini"))


def test_the_embedded_photographs_are_drawn_and_learned(mini: str, cache: Path) -> None:
    pictures = sorted((Path(mini) / "JPEGImages").iterdir())
    assert len(pictures) == 500
    before = pictures[0].stat().st_mtime_ns
    assert datasets.draw_mini(Path(mini).parent) == mini
    assert pictures[0].stat().st_mtime_ns == before
    with pytest.warns(UserWarning, match="fewer than 10 images"):
        model = train(mini, cache=cache, limit=20)
    assert len(model.classes) == 7
    assert model.quality is not None
    assert (model.quality["n_train"], model.quality["n_test"]) == (20, 20)
    found: Array = model.scores(pictures[:3])
    assert np.isfinite(found).all()
