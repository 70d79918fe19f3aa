"""Stored results of the experiment as arrays of numpy."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from fisherlens import _native
from fisherlens._checks import path as checked_path


@dataclass(frozen=True)
class Artifact:
    """One stored result.

    Attributes
    ----------
    stage, format_version, key, part : str, int, str, str
        Where it belongs: ``<artifacts>/<stage>-v<format_version>/<first 16 digits of key>/<part>.msgpack``.
    settings : dict
        The settings that made it.
    inputs : dict
        Names and keys of the results that it was computed from.
    seconds : float
        How long it took.
    created : int
        When it was written, in seconds since 1970.
    payload : dict, list, ndarray, …
        The value. Structures are dictionaries, blocks of numbers are arrays.
    """

    stage: str
    format_version: int
    key: str
    part: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    seconds: float
    created: int
    payload: Any


def load(path: str | os.PathLike[str]) -> Artifact:
    """Reads a stored result of ``cargo xtask reproduce`` or ``fisherlens train``, and checks its checksum.

    Parameters
    ----------
    path : path
        A ``.msgpack`` file below the folder of artifacts, or a model file (``.flm``).

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or no artifact.

    Examples
    --------
    >>> from fisherlens import artifacts
    >>> scores = artifacts.load("data/artifacts/scores-v1/KEY/artifact.msgpack").payload["scores"]  # doctest: +SKIP
    """
    found = _native.read_artifact(checked_path("path", path))
    return Artifact(**{**found, "settings": json.loads(found["settings"])})
