"""Checks of parameters, with errors that name the parameter, the value found and what was expected."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from typing import Any


def whole(name: str, value: Any, smallest: int) -> int:
    """A whole number of at least ``smallest``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {value!r}, expected a whole number")
    found = int(value)
    if found < smallest:
        raise ValueError(f"{name} is {found}, expected a whole number of at least {smallest}")
    if found >= 2**63:
        raise ValueError(f"{name} is {found}, expected a number below 2**63")
    return found


def number(name: str, value: Any, smallest: float, *, is_open: bool = False) -> float:
    """A finite number of at least ``smallest``, or above it if ``is_open``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}, expected a number")
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if not smallest <= found < float("inf") or (is_open and found == smallest):
        raise ValueError(f"{name} is {value}, expected a finite number {'above' if is_open else 'of at least'} {smallest:g}")
    return found


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of some words."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, expected one of {_listed(choices)}")
    if value not in choices:
        raise ValueError(f'{name} is "{value}", expected one of {_listed(choices)}')
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if value is True or value is False or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise TypeError(f"{name} is {value!r}, expected True or False")


def max_side(value: Any) -> int:
    """The longest side that images are shrunk to, as the compiled half takes it: 0 for ``None``."""
    return 0 if value is None else whole("max_side", value, 1)


def _listed(choices: Sequence[str]) -> str:
    return ", ".join(f'"{choice}"' for choice in choices)


def path(name: str, value: Any) -> str:
    """A path as text."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} is {value!r}, expected a path")
    found = os.fsdecode(os.fspath(value))
    if not found:
        raise ValueError(f"{name} is an empty text, expected a path")
    return found
