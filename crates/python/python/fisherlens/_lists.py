"""Lists of descriptor arrays, one per image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fisherlens._arrays import float32

Descriptors = list[NDArray[np.float32]]


def descriptor_sets(X: Any, n_features: int | None = None) -> Descriptors:
    """The arrays (N_i, n_features) of a list as float32.

    Raises
    ------
    TypeError
        For a single array, or for an entry that is no matrix of numbers.
    ValueError
        For an empty list, an entry of another shape, or an entry with NaN.
    """
    if isinstance(X, np.ndarray) and X.ndim <= 2 and X.dtype != object:
        raise TypeError(f"found one array of shape {X.shape}, expected a list with one array (N, n_features) per image")
    if isinstance(X, (str, bytes)) or not isinstance(X, Iterable):
        raise TypeError(f"found {type(X).__name__}, expected a list with one array (N, n_features) per image")
    sets: Descriptors = []
    for index, one in enumerate(X):
        array = float32(one, 2, f"entry {index} of the list")
        expected = n_features if n_features is not None else (sets[0].shape[1] if sets else array.shape[1])
        if array.shape[1] != expected:
            raise ValueError(f"descriptors of image {index} have {array.shape[1]} features, expected {expected}")
        # A sum is much faster than a look at every value, and is finite only if all values are.
        with np.errstate(invalid="ignore"):
            total = array.sum(dtype=np.float64)
        if not np.isfinite(total):
            row, column = (int(axis[0]) for axis in np.nonzero(~np.isfinite(array)))
            raise ValueError(
                f"descriptors of image {index} hold {array[row, column]} in row {row}, column {column}, expected finite numbers"
            )
        sets.append(array)
    if not sets:
        raise ValueError("there are no descriptors: give a list with at least one array")
    return sets


def sample(sets: Sequence[NDArray[np.float32]], n: int, random: np.random.RandomState) -> NDArray[np.float32]:
    """At most about ``n`` rows, the same number from each array; all rows if there are no more than that."""
    if sum(len(one) for one in sets) <= n:
        return np.concatenate(list(sets))
    share = max(1, -(-n // len(sets)))
    chosen = [one if len(one) <= share else one[np.sort(random.choice(len(one), share, replace=False))] for one in sets]
    return np.concatenate(chosen)


def seed_of(random_state: Any) -> int:
    """The seed of the compiled half: a whole number is used as it is, anything else draws one as scikit-learn does."""
    from sklearn.utils import check_random_state

    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        check_random_state(random_state)
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
