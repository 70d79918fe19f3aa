"""Mistakes with images, files and models give a ValueError, a TypeError or an OSError with words that help."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from conftest import PHOTOGRAPH, Array, new_pipeline
from fisherlens import DenseSift, LinearSvm, Model, Pca, artifacts, datasets

pytestmark = pytest.mark.filterwarnings("error")

IMAGES: list[tuple[Any, type[Exception], str]] = [
    (3, TypeError, "found int, expected an image: a path"),
    (np.zeros((3, 50, 50)), ValueError, "move the channels to the end"),
    (np.zeros((50, 50, 4)), ValueError, "blend the last channel"),
    (np.zeros((2, 50, 50, 3)), ValueError, "given as a list"),
    (np.zeros((0, 50)), ValueError, "has no pixels"),
    (np.zeros((50, 50), np.uint16), TypeError, "divide 16-bit values by 65535"),
    (np.zeros((50, 50), bool), TypeError, "an array of bool"),
    (np.zeros((50, 50), complex), TypeError, "an array of complex"),
    (np.zeros((50, 50), object), TypeError, "an array of object"),
    (np.full((50, 50), 255.0), ValueError, r"pixel .x 0, y 0. is 255.0.* divide 8-bit values by 255"),
    (np.full((50, 50), np.nan), ValueError, "is nan"),
    (np.full((50, 50), 1e300), ValueError, "is inf"),
    (np.zeros((4, 4)), ValueError, "too small for the descriptor grid"),
    (b"", ValueError, "the file is empty"),
    (b"GIF89a" + bytes(50), ValueError, "convert the image to one of these formats"),
    (b"\xff\xd8\xff" + bytes(50), ValueError, "image 0"),
    ("no such file.jpg", FileNotFoundError, "no such file.jpg"),
    (str(PHOTOGRAPH.parent), IsADirectoryError, "src"),
    (str(PHOTOGRAPH / "below"), NotADirectoryError, "astronaut.jpg"),
    ("a\0b", ValueError, "a"),
]


@pytest.mark.parametrize(("image", "kind", "words"), IMAGES, ids=[words for _, _, words in IMAGES])
def test_wrong_images_are_refused(image: Any, kind: type[Exception], words: str, model: Model) -> None:
    for call in (model.scores, model.explain_batch, model.predict, model.probabilities):
        with pytest.raises(kind, match=words):
            call([image])
    with pytest.raises(kind, match=words if words != "image 0" else None):
        model.explain(image)
    if "too small" not in words:
        with pytest.raises(kind, match=words):
            DenseSift().transform([image])


def test_the_error_of_a_list_tells_the_place(model: Model, crop: Array) -> None:
    with pytest.raises(TypeError, match="image 1: found NoneType"):
        model.scores([crop, None])
    with pytest.raises(ValueError, match="image 2: an image of 4 × 4 pixels"):
        model.scores([crop, crop, crop[:4, :4]])
    for lonely in (crop, "x.png", b"x", PHOTOGRAPH):
        with pytest.raises(TypeError, match=r"write \[image\]"):
            model.scores(lonely)
    with pytest.raises(ValueError, match="give at least one"):
        model.scores([])
    for n_jobs, kind in ((0, ValueError), (1.5, TypeError), ("all", TypeError), (True, TypeError)):
        for call in (model.scores, model.explain_batch, model.predict, model.probabilities):
            with pytest.raises(kind, match="n_jobs is"):
                call([crop], n_jobs=n_jobs)
    for side, other in ((0, ValueError), (-1, ValueError), (1.5, TypeError), ("x", TypeError)):
        with pytest.raises(other, match="max_side is"):
            model.scores([crop], max_side=side)  # type: ignore[arg-type]


def test_files_that_may_not_be_read_are_named(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(b"x")
    path.chmod(0)

    def check() -> None:
        for call in (model.explain, Model.load, artifacts.load):
            with pytest.raises(PermissionError, match="locked.png"):
                call(path)

    if os.geteuid() != 0:
        check()
        return
    # The administrator may read everything, so another user tries, in a process of its own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setuid(65534)
            check()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_files_that_cannot_be_written_are_named(small_model: Model, pictures: list[Array], tmp_path: Path) -> None:
    explanation = small_model.explain(pictures[0])
    for name in ("missing/x.png", "missing/x.npz"):
        with pytest.raises(FileNotFoundError, match="missing"):
            explanation.save(tmp_path / name)
    with pytest.raises(ValueError, match="ends in .png or .npz"):
        explanation.save(tmp_path / "x.jpg")
    with pytest.raises(TypeError, match="'opacity' is for pictures"):
        explanation.save(tmp_path / "x.npz", opacity=0.5)
    with pytest.raises(FileNotFoundError, match="missing"):
        small_model.save(tmp_path / "missing" / "x.flm")
    with pytest.raises((IsADirectoryError, ValueError), match="folder"):
        small_model.save(tmp_path)
    with pytest.raises(TypeError, match="half is 1"):
        small_model.save(tmp_path / "x.flm", half=1)  # type: ignore[arg-type]
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OSError, match="file"):
        datasets.draw_mini(tmp_path / "file" / "below")


def test_damaged_model_files_are_refused(small_model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.flm"
    small_model.save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"", whole[:10], whole[:-1], whole + b"x", bytes(flipped), b"x" * 1000):
        path.write_bytes(damaged)
        for load in (Model.load, artifacts.load):
            with pytest.raises(ValueError, match="model.flm"):
                load(path)
    for load in (Model.load, artifacts.load):
        with pytest.raises(FileNotFoundError, match="nothing here"):
            load(tmp_path / "nothing here")
        with pytest.raises(IsADirectoryError):
            load(tmp_path)
        with pytest.raises(TypeError):
            load(5)  # type: ignore[arg-type]


def test_wrong_classes_and_rules_are_refused(model: Model, small_model: Model, pictures: list[Array]) -> None:
    refused: list[tuple[Any, type[Exception], str]] = [
        ("hrse", ValueError, 'no class is called "hrse"; did you mean "horse"'),
        ("zzz", ValueError, "the classes are aeroplane, bicycle"),
        (20, ValueError, "expected an index from 0 to 19"),
        (-1, ValueError, "expected an index from 0 to 19"),
        (1.0, TypeError, "the name of a class or its index"),
        (True, TypeError, "the name of a class or its index"),
        ([], ValueError, "no class to explain"),
        (["cat", "dgo"], ValueError, 'did you mean "dog"'),
    ]
    for value, kind, words in refused:
        with pytest.raises(kind, match=words):
            model.explain(pictures[0], value)
    for rule in ("lrp", "epsilon=0", "epsilon=-1", "epsilon=nan", "epsilon=inf", "epsilon=1e400", "epsilon="):
        with pytest.raises(ValueError, match="rule: "):
            model.explain(pictures[0], "cat", rule)
    with pytest.raises(TypeError, match="rule is 5"):
        model.explain(pictures[0], "cat", 5)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="no rule"):
        model.explain(pictures[0], "cat", [])
    with pytest.raises(ValueError, match="2 classes for 1 images"):
        model.explain_batch(pictures[:1], ["cat", "dog"])
    with pytest.raises(TypeError, match="takes one rule"):
        model.explain_batch(pictures[:1], "cat", ["naive", "absolute"])  # type: ignore[arg-type]
    explanation = small_model.explain(pictures[0])
    with pytest.raises(ValueError, match='color_map is "rainbow", expected one of "diverging"'):
        explanation.heatmap("rainbow")
    for call in (explanation.overlay, explanation.plot):
        for opacity, kind in ((1.5, ValueError), (-1, ValueError), (np.nan, ValueError), ("x", TypeError)):
            with pytest.raises(kind, match="opacity is"):
                call(opacity=opacity)
    for largest, kind in ((0, ValueError), (np.nan, ValueError), ("x", TypeError)):
        with pytest.raises(kind, match="largest is"):
            explanation.heatmap(largest=largest)
    with pytest.raises(TypeError, match="made by Model.default"):
        Model()


def test_wrong_parts_of_a_model_are_refused(small_model: Model, pictures: list[Array], labels: list[str]) -> None:
    for coefficients, intercept in ((np.zeros((2, 3)), [0, 0]), (small_model.coefficients, [0]), (np.zeros(3), [0])):
        with pytest.raises(ValueError):
            small_model.with_classifier(coefficients, np.asarray(intercept))
    with pytest.raises(ValueError, match="expected .*2"):
        small_model.to_probabilities(np.zeros((3, 4)))
    plain = small_model.with_classifier(small_model.coefficients, small_model.intercept)
    for call in (plain.probabilities, plain.to_probabilities):
        with pytest.raises(ValueError, match="cannot tell probabilities"):
            call(pictures[:1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a Pipeline of DenseSift"):
        Model.from_pipeline(Pca())
    with pytest.raises(ValueError, match="the pipeline has the steps Pca, LinearSvm"):
        Model.from_pipeline(make_pipeline(Pca(), LinearSvm()))
    with pytest.raises(ValueError, match="not fitted"):
        Model.from_pipeline(new_pipeline())
    fitted = new_pipeline().fit(pictures, labels)
    for classes, kind, words in ((["one"], ValueError, "1 names for 2"), ("ab", TypeError, "list of names")):
        with pytest.raises(kind, match=words):
            Model.from_pipeline(fitted, classes=classes)
    with pytest.raises(ValueError, match="rule: "):
        Model.from_pipeline(fitted, rule="lrp")
    # For three classes there are three pairs of classes, but a row of coefficients means something else.
    three = ["late" if index >= 16 else label for index, label in enumerate(labels)]
    for shape in ("ovo", "ovr"):
        pairs = new_pipeline(svm=SVC(kernel="linear", decision_function_shape=shape)).fit(pictures, three)
        assert pairs["svm"].coef_.shape[0] == 3
        with pytest.raises(ValueError, match="scores of SVC are not"):
            Model.from_pipeline(pairs)
    # For two classes it is one machine.
    pair = new_pipeline(svm=SVC(kernel="linear", C=10)).fit(pictures, labels)
    scores = Model.from_pipeline(pair).scores(pictures)[:, 1]
    np.testing.assert_allclose(scores, pair.decision_function(pictures), rtol=1e-3, atol=1e-3)
