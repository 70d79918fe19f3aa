"""Models and explanations: what they tell, draw, write and report."""

from __future__ import annotations

import doctest
import importlib
import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fisherlens
from conftest import PHOTOGRAPH, Array
from fisherlens import Conservation, Explanation, Model

pytestmark = pytest.mark.filterwarnings("error")

RULES = ["epsilon=100", "naive", "absolute"]


@pytest.fixture(scope="module")
def explanation(model: Model) -> Explanation:
    """The person in the photograph."""
    return model.explain(PHOTOGRAPH, "person")


def test_the_shipped_model_knows_twenty_classes(model: Model) -> None:
    assert len(model.classes) == 20
    assert (model.classes[0], model.classes[14]) == ("aeroplane", "person")
    assert model.thresholds is not None
    assert model.thresholds.shape == (20,)
    assert model.coefficients.shape == (
        20,
        model.arrays["weights"].size * (1 + 2 * len(model.arrays["pca_components"])),
    )
    assert model.intercept.shape == (20,)
    assert "learned from" in model.card
    assert model.settings["descriptors.kind"] == "dense-sift"
    assert model.quality is None
    assert repr(model) == "<Model of 20 classes: aeroplane, bicycle, bird, boat, ...>"


def test_the_person_in_the_photograph_is_found(model: Model, explanation: Explanation) -> None:
    [names] = model.predict([PHOTOGRAPH])
    assert names[0] == "person"
    [scores] = model.scores([PHOTOGRAPH])
    margins = scores - model.thresholds
    assert names == [model.classes[index] for index in np.argsort(-margins) if margins[index] > 0]
    assert model.explain(PHOTOGRAPH).class_name == "person"
    assert explanation.score == pytest.approx(scores[14], abs=1e-5)
    assert explanation.probability == pytest.approx(model.probabilities([PHOTOGRAPH])[0, 14], abs=1e-5)
    assert explanation.threshold == model.thresholds[14]
    assert (explanation.class_index, explanation.rule) == (14, model.rule)
    assert repr(explanation).startswith("<Explanation of 'person': score +1.36")
    assert "above its threshold" in repr(explanation)


def test_the_linear_machine_can_be_checked_by_hand(small_model: Model, pipeline: Any, pictures: list[Array]) -> None:
    vectors = pipeline[:-1].transform(pictures)
    by_hand = vectors.astype(np.float64) @ small_model.coefficients.T + small_model.intercept
    np.testing.assert_allclose(small_model.scores(pictures), by_hand, rtol=0, atol=1e-5)
    slopes, offsets = pipeline["svm"]._sigmoids[:, 0]
    expected = 1 / (1 + np.exp(-(slopes * by_hand[:, 1] + offsets)))
    np.testing.assert_allclose(small_model.probabilities(pictures)[:, 1], expected, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_relevance_is_conserved(rule: str, model: Model) -> None:
    found = model.explain(PHOTOGRAPH, ["person", "cat"], rule)
    for explanation in found:
        conservation = explanation.conservation
        assert isinstance(conservation, Conservation)
        assert conservation.largest_gap < 1e-5
        assert conservation.score == explanation.score
        assert conservation.dimensions == pytest.approx(explanation.dimensions.sum())
        assert conservation.descriptors == pytest.approx(explanation.descriptors.sum(dtype=np.float64), abs=1e-4)
        assert conservation.pixels == pytest.approx(explanation.pixels.sum(dtype=np.float64), abs=1e-4)
        assert explanation.components.sum() == pytest.approx(explanation.dimensions.sum())
        if rule == "naive":
            assert conservation.predicted_leak == 0
    assert len({one.pixels.tobytes() for one in found}) == 2


def test_shapes_and_types_of_an_explanation(model: Model, explanation: Explanation) -> None:
    n, height, width = len(explanation.frames), 375, 500
    kinds = {
        "pixels": ((height, width), np.float32),
        "descriptors": ((n,), np.float32),
        "dimensions": ((model.coefficients.shape[1],), np.float64),
        "components": ((256,), np.float64),
        "photograph": ((height, width, 3), np.uint8),
    }
    for name, (shape, dtype) in kinds.items():
        array = getattr(explanation, name)
        assert (array.shape, array.dtype) == (shape, dtype), name
    assert explanation.frames.dtype.names == ("x", "y", "bin_size", "norm")
    assert explanation.frames["x"].max() < width
    assert explanation.frames["y"].max() < height
    with pytest.raises(AttributeError):
        explanation.score = 0.0  # type: ignore[misc]


def test_pixels_get_the_shares_of_their_descriptors(small_model: Model, pictures: list[Array]) -> None:
    """Eq. 10: a descriptor shares its relevance equally among the pixels that it covers."""
    explanation = small_model.explain(pictures[0], "discs", "naive")
    expected = np.zeros(explanation.pixels.shape)
    for frame, relevance in zip(explanation.frames, explanation.descriptors):
        half = 2 * int(frame["bin_size"])
        top, left = int(frame["y"]) - half, int(frame["x"]) - half
        covered = expected[max(top, 0) : top + 2 * half, max(left, 0) : left + 2 * half]
        covered += float(relevance) / covered.size
    scale = np.abs(expected).max()
    np.testing.assert_allclose(explanation.pixels, expected, rtol=0, atol=1e-5 * scale)


def test_one_or_many_classes_and_rules_in_the_order_asked_for(model: Model, crop: Array) -> None:
    assert isinstance(model.explain(crop), Explanation)
    assert isinstance(model.explain(crop, 3, "naive"), Explanation)
    found = model.explain(crop, ["cat", 2, np.int64(0)], RULES)
    assert [(one.class_name, one.rule) for one in found] == [(name, rule) for name in ("cat", "bird", "aeroplane") for rule in RULES]
    assert [one.class_name for one in model.explain(crop, ("dog",))] == ["dog"]
    assert [one.rule for one in model.explain(crop, "dog", ["naive"])] == ["naive"]
    alone = model.explain(crop, "bird", "absolute")
    np.testing.assert_array_equal(found[5].pixels, alone.pixels)
    best = model.classes[int((model.scores([crop])[0] - model.thresholds).argmax())]
    assert model.explain(crop).class_name == best


def test_a_batch_is_the_list_of_its_explanations(model: Model, crop: Array) -> None:
    images = [crop, crop[::-1], crop[:, ::-1]]
    for classes in (None, "cat", 3, ["cat", "dog", None], np.array([1, 2, 3])):
        batch = model.explain_batch(images, classes, "naive", n_jobs=2)
        one_each = [classes] * 3 if classes is None or isinstance(classes, (str, int)) else list(classes)
        for image, name, found in zip(images, one_each, batch):
            expected = model.explain(image, name, "naive")
            assert found.class_name == expected.class_name
            np.testing.assert_array_equal(found.pixels, expected.pixels)


def test_heatmaps_and_overlays(explanation: Explanation) -> None:
    pictures = {name: explanation.heatmap(name) for name in fisherlens._native.COLOR_MAPS}
    for picture in pictures.values():
        assert (picture.shape, picture.dtype) == ((375, 500, 3), np.uint8)
    assert len({picture.tobytes() for picture in pictures.values()}) == len(pictures) > 3
    largest = float(np.abs(explanation.pixels).max())
    np.testing.assert_array_equal(explanation.heatmap(largest=largest), explanation.heatmap())
    assert (explanation.heatmap(largest=10 * largest) != explanation.heatmap()).any()
    np.testing.assert_array_equal(explanation.overlay(opacity=1), explanation.heatmap())
    gray = explanation.overlay(opacity=0).astype(np.int16)
    assert np.abs(gray - explanation.photograph).max() <= 1 or (gray == gray[..., :1]).all()
    y, x = np.unravel_index(explanation.pixels.argmax(), explanation.pixels.shape)
    red, _, blue = explanation.heatmap()[y, x].astype(int)
    assert red > blue


def test_explanations_are_written_as_pictures_and_as_arrays(explanation: Explanation, tmp_path: Path) -> None:
    explanation.save(tmp_path / "x.png", opacity=0.3, color_map="gray")
    written = np.asarray(Image.open(tmp_path / "x.png"))
    np.testing.assert_array_equal(written, explanation.overlay("gray", 0.3))
    shown = np.asarray(Image.open(io.BytesIO(explanation._repr_png_())))
    np.testing.assert_array_equal(shown, explanation.overlay())
    explanation.save(str(tmp_path / "x.NPZ"))
    with np.load(tmp_path / "x.NPZ") as file:
        for name in ("pixels", "descriptors", "dimensions", "components", "frames", "photograph"):
            np.testing.assert_array_equal(file[name], getattr(explanation, name))
        assert (float(file["score"]), str(file["class"])) == (explanation.score, "person")
        assert (float(file["threshold"]), str(file["rule"])) == (explanation.threshold, explanation.rule)


def test_explanations_are_plotted_by_matplotlib(explanation: Explanation) -> None:
    with warnings.catch_warnings():
        # Some versions use outdated functions of other packages.
        warnings.simplefilter("ignore", DeprecationWarning)
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("agg")
        import matplotlib.pyplot as plt

    ax = explanation.plot()
    assert "person" in ax.get_title()
    assert len(ax.figure.axes) == 2
    figure, (left, right) = plt.subplots(1, 2)
    assert explanation.plot(left, cmap="coolwarm", opacity=1, colorbar=False) is left
    assert len(figure.axes) == 2
    assert len(left.images) == 2
    assert len(right.images) == 0
    np.testing.assert_array_equal(left.images[1].get_array(), explanation.pixels)
    plt.close("all")


def test_progress_is_a_bar_or_a_function(small_model: Model, pictures: list[Array], monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    expected = small_model.scores(pictures)
    np.testing.assert_array_equal(small_model.scores(pictures, progress=counts.append, n_jobs=2), expected)
    assert counts[-1] == 24
    assert counts == sorted(set(counts))
    counts.clear()
    small_model.explain_batch(pictures * 10, progress=counts.append)
    assert counts[-1] == 240
    auto = pytest.importorskip("tqdm.auto")
    bars: list[Any] = []

    class Bar(auto.tqdm):  # type: ignore[misc,name-defined]
        def __init__(self, *values: Any, **options: Any) -> None:
            super().__init__(*values, **options, file=io.StringIO())
            bars.append(self)

    monkeypatch.setattr(auto, "tqdm", Bar)
    calls = (small_model.scores, small_model.predict, small_model.probabilities, small_model.explain_batch)
    for call in calls:
        call(pictures, progress=True)
        assert (bars[-1].n, bars[-1].total) == (24, 24)
        assert bars[-1].disable or bars[-1].desc.rstrip(": ") in ("scores", "explain")
    assert len(bars) == 4


def test_an_error_of_the_progress_function_stops_the_call(model: Model, crop: Array) -> None:
    def stop(n_done: int) -> None:
        raise LookupError(f"enough after {n_done}")

    with pytest.raises(LookupError, match="enough after"):
        model.scores([crop] * 100, progress=stop)
    with pytest.raises(TypeError, match="expected True, False or a function"):
        model.scores([crop], progress="yes")  # type: ignore[arg-type]


def test_models_are_written_and_read(model: Model, small_model: Model, crop: Array, tmp_path: Path) -> None:
    for one in (model, small_model):
        one.save(tmp_path / "x.flm")
        restored = Model.load(str(tmp_path / "x.flm"))
        np.testing.assert_array_equal(restored.scores([crop]), one.scores([crop]))
        assert (restored.classes, restored.rule, restored.card) == (one.classes, one.rule, one.card)
        one.save(tmp_path / "half.flm", half=True)
        assert (tmp_path / "half.flm").stat().st_size < (tmp_path / "x.flm").stat().st_size
        np.testing.assert_allclose(Model.load(tmp_path / "half.flm").scores([crop]), one.scores([crop]), atol=3e-3)


def test_other_coefficients_make_another_model(model: Model, crop: Array) -> None:
    twin = model.with_classifier(model.coefficients, model.intercept)
    np.testing.assert_array_equal(twin.scores([crop]), model.scores([crop]))
    assert twin.thresholds is None
    assert twin.explain(crop, "cat").threshold == 0
    assert twin.explain(crop, "cat").probability is None
    doubled = model.with_classifier(2 * model.coefficients.astype(np.float64), 2 * model.intercept)
    np.testing.assert_allclose(doubled.scores([crop]), 2 * model.scores([crop]), rtol=1e-5)
    # Changes of the copies do not reach the model.
    model.arrays["coefficients"][:] = 0
    assert np.abs(model.coefficients).max() > 0


def test_the_package_is_imported_quickly_and_lists_its_names() -> None:
    assert set(fisherlens.__all__) <= set(dir(fisherlens))
    for name in fisherlens.__all__:
        if name not in ("quantus", "virelay"):
            assert getattr(fisherlens, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Modle'"):
        _ = fisherlens.Modle  # type: ignore[attr-defined]
    code = "import sys, fisherlens; fisherlens.Model.default(); print('sklearn' in sys.modules, 'PIL' in sys.modules)"
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("name", ["", "._model", "._descriptors", "._encoders", "._mixture", "._svm", ".artifacts", ".datasets"])
def test_the_examples_of_the_documentation_are_right(name: str) -> None:
    module = importlib.import_module(f"fisherlens{name}")
    assert doctest.testmod(module, report=False).failed == 0


def test_threads_that_share_an_image_give_the_same_bits(model: fisherlens.Model) -> None:
    one, many = (model.explain(PHOTOGRAPH, "person", "absolute", n_jobs=n_jobs) for n_jobs in (1, -1))
    assert one.score == many.score == model.scores([PHOTOGRAPH], n_jobs=-1)[0, model.classes.index("person")]
    assert np.array_equal(one.pixels, many.pixels)
    assert np.array_equal(one.descriptors, many.descriptors)
