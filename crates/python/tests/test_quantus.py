"""The metrics of Quantus on the shipped model, against loops written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

quantus = pytest.importorskip("quantus")

from PIL import Image

import fisherlens
from fisherlens.quantus import QuantusModel, explain, ranks

Array = npt.NDArray[Any]

PHOTOGRAPH = Path(__file__).parents[2] / "bench" / "src" / "astronaut.jpg"
# The number of pixels is a multiple of 3, so that a step of Quantus can consist of whole pixels.
HEIGHT, WIDTH = 80, 96
RULE = "epsilon=100"


@pytest.fixture(scope="module")
def model() -> fisherlens.Model:
    return fisherlens.Model.default()


@pytest.fixture(scope="module")
def x_batch() -> Array:
    """Two crops, (2, 3, 80, 96)."""
    pixels = np.asarray(Image.open(PHOTOGRAPH).convert("RGB"), dtype=np.float32) / 255
    crops = [pixels[y : y + HEIGHT, x : x + WIDTH] for y, x in [(20, 180), (200, 60)]]
    return np.stack(crops).transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def y_batch(model: fisherlens.Model, x_batch: Array) -> Array:
    """The class with the highest score, for each crop."""
    return np.asarray(QuantusModel(model).predict(x_batch).argmax(axis=1))


@pytest.fixture(scope="module")
def a_batch(model: fisherlens.Model, x_batch: Array, y_batch: Array) -> Array:
    return explain(model, x_batch, y_batch, rule=RULE)


def scores_by_hand(model: fisherlens.Model, x_batch: Array, y_batch: Array) -> Array:
    """The scores of the explained classes, without the adapter."""
    pictures = [x.transpose(1, 2, 0) if len(x) == 3 else x[0] for x in x_batch]
    return model.scores(pictures)[np.arange(len(y_batch)), y_batch]


def flipped_by_hand(
    model: fisherlens.Model,
    x_batch: Array,
    y_batch: Array,
    a_batch: Array,
    pixels_in_step: int,
    value_of: Callable[[Array], float],
) -> Array:
    """Replaces whole pixels, those of the highest relevance first, and returns the score after each step."""
    order = np.argsort(-a_batch.reshape(len(a_batch), -1), axis=1, kind="stable")
    pictures, curve = x_batch.copy(), []
    for start in range(0, order.shape[1], pixels_in_step):
        for picture, pixels in zip(pictures, order[:, start : start + pixels_in_step]):
            picture[:, pixels // WIDTH, pixels % WIDTH] = value_of(picture)
        curve.append(scores_by_hand(model, pictures, y_batch))
    return np.stack(curve, axis=1)


def test_predict_and_explain_give_what_the_model_gives(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    pictures = list(x_batch.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(QuantusModel(model).predict(x_batch), model.scores(pictures))
    explanations = model.explain_batch(pictures, [int(y) for y in y_batch], rule=RULE)
    assert a_batch.shape == (2, 1, HEIGHT, WIDTH)
    np.testing.assert_array_equal(a_batch[:, 0], [explanation.pixels for explanation in explanations])
    probabilities = QuantusModel(model, softmax=True).predict(x_batch)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), y_batch)
    probabilities = QuantusModel(model, probabilities=True).predict(x_batch)
    np.testing.assert_array_equal(probabilities, model.probabilities(pictures))


@pytest.mark.parametrize(
    ("baseline", "value_of"),
    [("black", np.min), ("white", np.max), ("mean", np.mean), (0.5, lambda _: 0.5)],
    ids=["black", "white", "mean", "number"],
)
def test_pixel_flipping_equals_a_loop_over_pixels(
    model: fisherlens.Model,
    x_batch: Array,
    y_batch: Array,
    a_batch: Array,
    baseline: Any,
    value_of: Callable[[Array], float],
) -> None:
    metric = quantus.PixelFlipping(features_in_step=3 * 640, perturb_baseline=baseline, disable_warnings=True)
    found = metric(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=ranks(a_batch), softmax=False)
    expected = flipped_by_hand(model, x_batch, y_batch, a_batch, 640, value_of)
    assert np.shape(found) == (2, HEIGHT * WIDTH // 640)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found, axis=1).min() > 1e-3


def test_pixel_flipping_of_gray_pictures(model: fisherlens.Model, x_batch: Array, y_batch: Array) -> None:
    gray = x_batch.mean(axis=1, keepdims=True)
    relevance = explain(model, gray, y_batch)
    metric = quantus.PixelFlipping(features_in_step=960, perturb_baseline=0.0, disable_warnings=True)
    found = metric(model=model, x_batch=gray, y_batch=y_batch, a_batch=ranks(relevance), softmax=False)
    np.testing.assert_allclose(found, flipped_by_hand(model, gray, y_batch, relevance, 960, lambda _: 0.0), atol=1e-5)


def test_pixels_of_high_relevance_carry_the_score(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    metric = quantus.PixelFlipping(features_in_step=3 * 640, perturb_baseline="mean", disable_warnings=True)
    means = [
        np.mean(metric(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=ranks(sign * a_batch), softmax=False), axis=1)
        for sign in (1, -1)
    ]
    assert np.all(means[0] < means[1] - 0.3)


def test_the_argument_softmax_of_a_metric_is_used(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    metric = quantus.PixelFlipping(features_in_step=HEIGHT * WIDTH, perturb_baseline=0.0, disable_warnings=True)
    # A fisherlens.Model is accepted too. All pixels are black after the last step.
    found = metric(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=a_batch, softmax=True)
    scores = model.scores([np.zeros((HEIGHT, WIDTH, 3), np.float32)])[0]
    np.testing.assert_allclose(np.array(found)[:, -1], (np.exp(scores) / np.exp(scores).sum())[y_batch], atol=1e-6)


def test_region_perturbation_equals_a_loop_over_regions(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    metric = quantus.RegionPerturbation(patch_size=16, regions_evaluation=6, perturb_baseline="black", disable_warnings=True)
    found = metric(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=a_batch, softmax=False)
    start = scores_by_hand(model, x_batch, y_batch)
    sums = a_batch.astype(np.float64).reshape(2, HEIGHT // 16, 16, WIDTH // 16, 16).sum(axis=(2, 4)).reshape(2, -1)
    order, pictures = np.argsort(-sums, axis=1), x_batch.copy()
    for step in range(6):
        for picture, region in zip(pictures, order[:, step]):
            y, x = 16 * (region // (WIDTH // 16)), 16 * (region % (WIDTH // 16))
            picture[:, y : y + 16, x : x + 16] = picture.min()
        np.testing.assert_allclose(np.array(found)[:, step], start - scores_by_hand(model, pictures, y_batch), atol=1e-5)


def test_relevance_rank_accuracy_counts_the_hits(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    mask = np.zeros((2, 1, HEIGHT, WIDTH), dtype=int)
    mask[:, :, 20:60, 30:70] = 1
    metric = quantus.RelevanceRankAccuracy(disable_warnings=True)
    order = ranks(a_batch)
    found = metric(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=order, s_batch=mask)
    highest = order > HEIGHT * WIDTH - mask[0].sum()
    np.testing.assert_allclose(found, (highest & (mask == 1)).sum(axis=(1, 2, 3)) / mask[0].sum())


def test_sparseness_is_the_gini_index(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    found = quantus.Sparseness(disable_warnings=True)(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=a_batch)
    for value, relevance in zip(found, np.abs(a_batch.astype(np.float64))):
        # Twice the area between the diagonal and the Lorenz curve.
        shares = np.cumsum(np.sort(relevance.ravel())) / relevance.sum()
        assert value == pytest.approx(1 - 2 * shares.mean(), abs=1e-3)


def test_random_logit_explains_another_class(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    arguments = {"x_batch": x_batch, "y_batch": y_batch, "a_batch": a_batch, "explain_func": explain}
    metric = quantus.RandomLogit(num_classes=len(model.classes), disable_warnings=True)
    found = metric(model=model, explain_func_kwargs={"rule": RULE}, **arguments)
    assert np.shape(found) == (2,)
    assert np.all(np.abs(found) <= 1)
    with pytest.raises(ValueError, match="RandomLogit needs num_classes=20"):
        quantus.RandomLogit(disable_warnings=True)(model=model, **arguments)


def test_mprt_permutes_the_coefficients(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    metric = quantus.MPRT(seed=3, disable_warnings=True)
    found = metric(
        model=model,
        x_batch=x_batch,
        y_batch=y_batch,
        a_batch=a_batch,
        explain_func=explain,
        explain_func_kwargs={"rule": RULE},
    )
    assert list(found) == ["original", "classifier"]
    np.testing.assert_allclose(found["original"], 1)
    assert np.all(np.array(found["classifier"]) < 0.95)
    (name, changed), (_, again) = (next(QuantusModel(model).get_random_layer_generator(seed=3)) for _ in range(2))
    assert name == "classifier"
    for key, values in QuantusModel(model).state_dict().items():
        np.testing.assert_array_equal(np.sort(changed.state_dict()[key], axis=-1), np.sort(values, axis=-1))
        np.testing.assert_array_equal(changed.state_dict()[key], again.state_dict()[key])
    assert not np.array_equal(changed.model.coefficients, model.coefficients)


def test_quantus_computes_a_batch_and_moves_the_channels(model: fisherlens.Model, x_batch: Array, y_batch: Array, a_batch: Array) -> None:
    metric = quantus.PixelFlipping(features_in_step=HEIGHT * WIDTH, disable_warnings=True)
    arguments = {"y_batch": y_batch, "explain_func": explain, "explain_func_kwargs": {"rule": RULE}, "softmax": False}
    expected = metric(model=model, x_batch=x_batch, a_batch=a_batch, **arguments)
    assert metric(model=model, x_batch=x_batch, **arguments) == expected
    assert metric(model=model, x_batch=np.moveaxis(x_batch, 1, -1), **arguments) == expected


def test_quantus_evaluate(model: fisherlens.Model, x_batch: Array, y_batch: Array) -> None:
    results = quantus.evaluate(
        metrics={"sparseness": quantus.Sparseness(disable_warnings=True)},
        xai_methods={"lrp": explain},
        model=QuantusModel(model),
        x_batch=x_batch,
        y_batch=y_batch,
        explain_func_kwargs={"rule": RULE},
    )
    assert np.all(np.isfinite(results["lrp"]["sparseness"]))


def test_other_inputs_are_refused(model: fisherlens.Model, x_batch: Array) -> None:
    wrapped = QuantusModel(model)
    with pytest.raises(TypeError, match="divide 8-bit values by 255"):
        wrapped.predict((255 * x_batch).astype(np.uint8))
    with pytest.raises(ValueError, match="do not standardise"):
        wrapped.predict(x_batch - 0.5)
    with pytest.raises(ValueError, match="do not standardise"):
        wrapped.predict(np.full_like(x_batch, np.nan))
    with pytest.raises(ValueError, match=r"the shape is \(2, 80, 96, 3\)"):
        wrapped.predict(np.moveaxis(x_batch, 1, -1))
    with pytest.raises(ValueError, match="there are 1 targets, expected 2"):
        explain(model, x_batch, [0])
    with pytest.raises(TypeError, match="predict got batch_size, expected no options"):
        wrapped.predict(x_batch, batch_size=3)
    with pytest.raises(TypeError, match=r"model is a str, expected a fisherlens\.Model"):
        QuantusModel("model")  # type: ignore[arg-type]
    clipped = QuantusModel(model, clip=True).predict(2 * x_batch - 0.5)
    np.testing.assert_array_equal(clipped, wrapped.predict(np.clip(2 * x_batch - 0.5, 0, 1)))


def test_quantus_still_refuses_models_that_it_does_not_know(x_batch: Array) -> None:
    with pytest.raises(ValueError, match=r"torch\.nn\.Module"):
        quantus.Sparseness(disable_warnings=True)(model=object(), x_batch=x_batch, y_batch=[0, 0], a_batch=x_batch)


def test_ranks_have_no_ties() -> None:
    np.testing.assert_array_equal(ranks([[0.0, 2.0, 0.0], [5.0, 5.0, 7.0]]), [[2, 3, 1], [2, 1, 3]])
