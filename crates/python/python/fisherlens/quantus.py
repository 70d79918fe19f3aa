"""The metrics of Quantus on a fisherlens model.

Quantus (``pip install quantus``) measures explanations. It needs neither torch nor TensorFlow here.

>>> import quantus  # doctest: +SKIP
>>> from fisherlens.quantus import QuantusModel, explain  # doctest: +SKIP
>>> model = QuantusModel(fisherlens.Model.default())  # doctest: +SKIP
>>> a_batch = explain(model, x_batch, y_batch, rule="epsilon=100")  # doctest: +SKIP
>>> metric = quantus.PixelFlipping(features_in_step=300)  # doctest: +SKIP
>>> curves = metric(model=model, x_batch=x_batch, y_batch=y_batch, a_batch=a_batch, softmax=False)  # doctest: +SKIP

Input
    ``x_batch`` is an array of floats in [0, 1], shape (n, 3, height, width) or (n, 1, height, width). Do not subtract a
    mean, and do not divide by a standard deviation. The pictures are used in their own size; ``Model.scores`` shrinks
    pictures with more than 500 pixels per side, so shrink yours before. ``y_batch`` has n positions in
    ``model.classes``. The baselines of Quantus "black", "white", "mean", "uniform", and numbers in [0, 1], keep the
    pictures in [0, 1]. Functions that add noise do not; they need ``QuantusModel(model, clip=True)``.

Softmax
    The scores of the classes are independent, because a photograph may show several classes. Many metrics of Quantus
    apply the softmax, unless the call says ``softmax=False``. Then they see the scores of the classifier.

What the import changes
    Quantus 0.6 accepts models of torch and of TensorFlow only, and no other kind can be registered. The import of this
    module replaces one function, ``quantus.helpers.utils.get_wrapped_model``. The new function accepts models of
    fisherlens, and gives all others to the function of Quantus.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from fisherlens import Model

try:
    from quantus.helpers import utils
    from quantus.helpers.model.model_interface import ModelInterface
except ImportError as error:
    raise ImportError(f"fisherlens.quantus needs Quantus: pip install quantus ({error})") from error

__all__ = ["QuantusModel", "explain", "ranks"]


class QuantusModel(ModelInterface[Any]):
    """A fisherlens model with the methods that the metrics of Quantus call.

    Parameters
    ----------
    model : fisherlens.Model
        The model.
    softmax : bool
        Whether :meth:`predict` applies the softmax. The argument ``softmax`` in the call of a metric replaces it.
    probabilities : bool
        Whether :meth:`predict` returns the probability of each class, as ``Model.probabilities`` does. Then ``softmax``
        has no effect.
    clip : bool
        Whether values outside [0, 1] are set to 0 or 1. Otherwise they are an error.
    n_jobs : int, optional
        Number of threads, as in scikit-learn.
    """

    model: Model

    def __init__(
        self,
        model: Model,
        *,
        softmax: bool = False,
        probabilities: bool = False,
        clip: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model is a {type(model).__name__}, expected a fisherlens.Model")
        super().__init__(model=model, channel_first=True, softmax=softmax)
        self.probabilities = probabilities
        self.clip = clip
        self.n_jobs = n_jobs

    def replaced(self, model: Model | None = None, softmax: bool | None = None) -> QuantusModel:
        """A copy with another model or another ``softmax``."""
        return QuantusModel(
            self.model if model is None else model,
            softmax=self.softmax if softmax is None else softmax,
            probabilities=self.probabilities,
            clip=self.clip,
            n_jobs=self.n_jobs,
        )

    def predict(self, x: npt.ArrayLike, **kwargs: Any) -> npt.NDArray[np.float64]:
        """The scores of all classes.

        Parameters
        ----------
        x : array of float, shape (n, 3, height, width) or (n, 1, height, width)
            Pictures in [0, 1].
        **kwargs
            Refused. Quantus has options for other models here.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Scores, or their softmax, or probabilities.
        """
        if kwargs:
            raise TypeError(f"predict got {', '.join(sorted(kwargs))}, expected no options")
        scores = self.model.scores(self.pictures(x), max_side=None, n_jobs=self.n_jobs)
        if self.probabilities:
            return self.model.to_probabilities(scores)
        if not self.softmax:
            return scores
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def pictures(self, x: npt.ArrayLike) -> list[npt.NDArray[np.float32]]:
        """A batch of Quantus as the list of pictures that fisherlens takes.

        Parameters
        ----------
        x : array of float, shape (n, 3, height, width) or (n, 1, height, width)
            Pictures in [0, 1].

        Returns
        -------
        list of n ndarray of float32, shape (height, width, 3) or (height, width)
        """
        batch = np.asarray(x)
        if batch.ndim != 4 or batch.shape[1] not in (1, 3) or batch.size == 0:
            raise ValueError(f"the shape is {batch.shape}, expected (n, 3, height, width) or (n, 1, height, width)")
        if not np.issubdtype(batch.dtype, np.floating):
            raise TypeError(f"the pictures have {batch.dtype}, expected floats in [0, 1]: divide 8-bit values by 255")
        # Means may leave the range by a rounding error.
        tolerance = 1e-6
        if not self.clip and not (batch.min() >= -tolerance and batch.max() <= 1 + tolerance):
            raise ValueError(
                f"the pictures have values from {batch.min():g} to {batch.max():g}, expected 0 to 1: do not standardise"
                " them; for a metric that adds noise, use QuantusModel(model, clip=True)"
            )
        batch = np.clip(batch, 0, 1).astype(np.float32)
        if batch.shape[1] == 1:
            return list(batch[:, 0])
        return list(np.ascontiguousarray(batch.transpose(0, 2, 3, 1)))

    def shape_input(
        self, x: npt.NDArray[Any], shape: tuple[int, ...], channel_first: bool | None = None, batched: bool = False
    ) -> npt.NDArray[Any]:
        """``x`` in ``shape``, with a batch axis, and with the channels before the height."""
        if channel_first is None:
            channel_first = utils.infer_channel_first(x)
        return np.asarray(utils.make_channel_first(x.reshape(shape if batched else (1, *shape)), channel_first))

    def get_model(self) -> QuantusModel:
        """The model that Quantus gives to ``explain_func``: this object, because it knows ``clip`` and ``n_jobs``."""
        return self

    def get_softmax_arg_model(self) -> QuantusModel:
        """This object."""
        return self

    def state_dict(self) -> dict[str, npt.NDArray[np.float32]]:
        """The parameters that :meth:`get_random_layer_generator` can change.

        Returns
        -------
        dict
            ``classifier.coefficients``, shape (n_classes, D), and ``classifier.intercept``, shape (n_classes,).
        """
        return {"classifier.coefficients": self.model.coefficients, "classifier.intercept": self.model.intercept}

    @property
    def random_layer_generator_length(self) -> int:
        """The number of models of :meth:`get_random_layer_generator`."""
        return 1

    def get_random_layer_generator(self, order: str = "top_down", seed: int = 42) -> Generator[tuple[str, QuantusModel], None, None]:
        """Yields the model with a random classifier, for ``quantus.MPRT``, the test with random model parameters.

        The coefficients of each class are permuted: they keep their values, but the values belong to other dimensions
        of the Fisher vector. The intercepts, the principal components and the mixture stay: a classifier has no meaning
        for the Fisher vectors of another mixture.

        Parameters
        ----------
        order : str
            Has no effect, because there is one layer.
        seed : int
            The seed of the permutations.

        Yields
        ------
        tuple of str and QuantusModel
            ``"classifier"`` and the changed model.
        """
        coefficients = np.random.default_rng(seed).permuted(self.model.coefficients, axis=1)
        yield "classifier", self.replaced(model=self.model.with_classifier(coefficients, self.model.intercept))

    def add_mean_shift_to_first_layer(self, input_shift: float, shape: tuple[int, ...]) -> QuantusModel:
        """Raises NotImplementedError: only the metric InputInvariance calls it."""
        raise NotImplementedError("InputInvariance needs a first layer with a bias, and SIFT descriptors have none")

    def get_hidden_representations(
        self, x: npt.NDArray[Any], layer_names: list[str] | None = None, layer_indices: list[int] | None = None
    ) -> npt.NDArray[Any]:
        """Raises NotImplementedError: only the metric RelativeRepresentationStability calls it."""
        raise NotImplementedError("RelativeRepresentationStability needs the hidden layers of a network")


def explain(
    model: QuantusModel | Model,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: str | None = None,
    *,
    device: str | None = None,
    method: str | None = None,
) -> npt.NDArray[np.float32]:
    """Heatmaps as Quantus expects them: use it to make ``a_batch``, and as the ``explain_func`` of a metric.

    Parameters
    ----------
    model : QuantusModel or fisherlens.Model
        The model.
    inputs : array of float, shape (n, 3, height, width) or (n, 1, height, width)
        Pictures in [0, 1].
    targets : array of int, shape (n,)
        For each picture, the position of the class to explain in ``model.classes``.
    rule : str, optional
        The rule of relevance, as in ``Model.explain``. Metrics take it as ``explain_func_kwargs={"rule": ...}``.
    device, method : str, optional
        No effect. Quantus passes them to every ``explain_func``.

    Returns
    -------
    ndarray of float32, shape (n, 1, height, width)
        The relevance of each pixel. The channels have one value in common: the descriptors see gray values only.
    """
    wrapped = model if isinstance(model, QuantusModel) else QuantusModel(model)
    pictures, n_classes = wrapped.pictures(inputs), len(wrapped.model.classes)
    classes = [int(target) for target in np.asarray(targets).reshape(-1)]
    if len(classes) != len(pictures):
        raise ValueError(f"there are {len(classes)} targets, expected {len(pictures)}: one per picture")
    if not all(0 <= index < n_classes for index in classes):
        raise ValueError(
            f"the targets are {min(classes)} to {max(classes)}, expected 0 to {n_classes - 1}"
            f" (quantus.RandomLogit needs num_classes={n_classes})"
        )
    explanations = wrapped.model.explain_batch(pictures, classes, rule=rule, max_side=None, n_jobs=wrapped.n_jobs)
    return np.stack([explanation.pixels for explanation in explanations])[:, np.newaxis]


def ranks(a_batch: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The rank of each value, so that no two pixels of a picture are equal.

    ``quantus.PixelFlipping`` uses the order of the values only, and the order of equal values is undefined. In pictures
    with three channels it flips values of single channels, not pixels. With ``ranks(a_batch)`` and a multiple of 3 as
    ``features_in_step``, the order is defined and each step flips whole pixels. ``features_in_step`` must divide the
    number of pixels.

    Parameters
    ----------
    a_batch : array of float, shape (n, 1, height, width)
        Relevance.

    Returns
    -------
    ndarray of float64, shape (n, 1, height, width)
        1 for the smallest value of each picture. Of equal values, the first has the highest rank.
    """
    values = np.asarray(a_batch)
    order = np.argsort(-values.reshape(len(values), -1), axis=1, kind="stable")
    result = np.empty(order.shape)
    np.put_along_axis(result, order, np.arange(order.shape[1], 0.0, -1.0)[np.newaxis], axis=1)
    return result.reshape(values.shape)


def _accepting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_wrapped_model(model: Any, channel_first: bool, softmax: bool | None, *arguments: Any, **options: Any) -> Any:
        if isinstance(model, (Model, QuantusModel)):
            return (model if isinstance(model, QuantusModel) else QuantusModel(model)).replaced(softmax=softmax)
        return original(model, channel_first, softmax, *arguments, **options)

    return get_wrapped_model


utils.get_wrapped_model = _accepting(utils.get_wrapped_model)
