"""Numbers of a user as arrays that the compiled half can read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def float32(values: Any, ndim: int | None = None, name: str = "the array") -> NDArray[np.float32]:
    """The values in single precision, in one piece of memory. Numbers beyond its range become infinite.

    Raises
    ------
    TypeError
        For something that is no array of real numbers.
    ValueError
        For another number of axes than ``ndim``.
    """
    try:
        found = np.asarray(values)
        if values is None:
            raise TypeError("None is no number")
        if found.dtype.kind not in "biufO":
            raise TypeError(f"it has values of type {found.dtype}")
        with np.errstate(over="ignore"):
            array = np.require(found, np.float32, ["C_CONTIGUOUS", "ALIGNED"])
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} is {type(values).__name__}, expected an array of real numbers: {error}") from None
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} has the shape {array.shape}, expected {ndim} {'axis' if ndim == 1 else 'axes'}")
    return array


def aligned(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same array, or a copy if its numbers do not lie at addresses that are multiples of their size."""
    return np.require(array, requirements=["ALIGNED"])


def sigmoids(slopes: NDArray[np.float64], offsets: NDArray[np.float64], scores: NDArray[Any]) -> NDArray[np.float64]:
    """1 / (1 + exp(-(slope · score + offset))), also where the exponential is infinite."""
    with np.errstate(over="ignore"):
        result: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(slopes * scores.astype(np.float64) + offsets)))
    return result
