"""Learning a model from labelled photographs."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any

import numpy as np

from fisherlens import _native
from fisherlens._checks import flag, number, whole
from fisherlens._checks import path as path_of
from fisherlens._jobs import bar, n_threads

# Options of the command ``fisherlens train``, and what they are called here.
_OPTIONS = {
    "--test-share": "test_share",
    "--keep-near": "keep_near=True",
    "--strict": "strict=True",
    "--follow-links": "follow_links=True",
    "--limit": "limit",
    "--group": "groups",
    "with --set ": "with the setting ",
    " and --set data.test": " and data.test",
    "--set ": "settings: ",
    "expected no --voc": "expected voc=None",
    "--voc DIR": "voc=DIR",
    "--allow-missing": "allow_missing=True",
}


def learn(
    data: Any, labels: Any, *, groups: Any, n_jobs: int | None, progress: bool, verbose: bool, **options: Any
) -> tuple[_native.Model, dict[str, Any]]:
    """A model and its quality; the parameters are those of ``Model.train``."""
    with _data(data, labels, groups) as (path, group, own_table):
        wanted = request(path, group, **options)
        with _telling(progress, verbose) as tell, in_python(own_table):
            native, told = _native.train(json.dumps(wanted), n_threads(n_jobs), tell)
    return native, quality_of(told, own_table)


def request(
    path: str,
    group: str | None,
    *,
    preset: str | os.PathLike[str],
    settings: Any,
    test_share: float | None,
    keep_near: bool,
    strict: bool,
    follow_links: bool,
    limit: int | None,
    images: str | os.PathLike[str] | None,
    cache: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """What the compiled half is asked for; the parameters are those of ``Model.train``."""
    return {
        "data": path,
        "images": None if images is None else path_of("images", images),
        "preset": path_of("preset", preset),
        "set": changes(settings),
        "test_share": None if test_share is None else _share("test_share", test_share),
        "group": group,
        "keep_near": flag("keep_near", keep_near),
        "strict": flag("strict", strict),
        "follow_links": flag("follow_links", follow_links),
        "limit": None if limit is None else whole("limit", limit, 1),
        "cache": None if cache is None else os.path.abspath(path_of("cache", cache)),
    }


def changes(settings: Any) -> list[str]:
    """Changes to settings as the command takes them."""
    return [f"{name}={_toml(name, value)}" for name, value in _mapping("settings", settings).items()]


def absolute(settings: Any) -> dict[str, Any]:
    """The settings with absolute paths of the files that they name, for processes that work in other folders."""
    changed = dict(_mapping("settings", settings))
    for name, value in changed.items():
        if str(name).endswith(".from") and isinstance(value, (str, os.PathLike)) and value != "":
            changed[name] = os.path.abspath(value)
    return changed


def quality_of(told: str, own_table: str) -> dict[str, Any]:
    """The quality that the compiled half tells."""
    quality: dict[str, Any] = {"accuracy": None, "confusion": None, **json.loads(told)}
    quality["warnings"] = [_in_python(warning, own_table) for warning in quality["warnings"]]
    for skipped in quality["skipped"]:
        skipped["reason"] = _in_python(skipped["reason"], own_table)
    if quality["left_out"]:
        names = ", ".join(quality["left_out"])
        quality["warnings"].append(f"classes left out: {names}; the settings name them, or all training photographs or none have them")
    return quality


@contextlib.contextmanager
def in_python(own_table: str) -> Iterator[None]:
    """Errors inside have the names of our parameters, and photographs instead of lines of our table."""
    try:
        yield
    except ValueError as error:
        error.args = tuple(_in_python(text, own_table) for text in error.args)
        raise


@contextlib.contextmanager
def _data(data: Any, labels: Any, groups: Any) -> Iterator[tuple[str, str | None, str]]:
    """The path that holds the photographs, the name of the column with their groups, and the table that was made for a list."""
    given = in_place(data, labels, groups)
    if given is not None:
        yield (*given, "")
        return
    text = table_of(data, labels, groups)
    with tempfile.TemporaryDirectory(prefix="fisherlens-") as folder:
        table = os.path.join(folder, "photographs.csv")
        with open(table, "w", newline="", encoding="utf-8") as file:
            file.write(text)
        yield table, None if groups is None else "group", table


def in_place(data: Any, labels: Any, groups: Any) -> tuple[str, str | None] | None:
    """The path and the name of the column with groups, for a folder or a table; ``None`` for a list of photographs."""
    if isinstance(data, (str, os.PathLike)):
        if labels is not None:
            raise TypeError("labels are for a list of photographs; a folder or a table has labels of its own")
        if groups is not None and not isinstance(groups, str):
            raise TypeError(f"groups is {type(groups).__name__}, expected the name of a column, because the photographs are not a list")
        return path_of("data", data), groups
    return None


def table_of(data: Any, labels: Any, groups: Any) -> str:
    """A list of photographs as the text of a table."""
    if hasattr(data, "columns"):
        raise TypeError(f"data is a table ({type(data).__name__}), expected a list of paths: give one of its columns")
    if isinstance(data, (bytes, Mapping)) or not isinstance(data, Iterable):
        raise TypeError(f"data is {type(data).__name__}, expected a folder, a table, or a list of paths")
    data = list(data)
    if not data:
        raise ValueError("there is no photograph: give a list of paths")
    if labels is None:
        raise TypeError("a list of photographs needs labels, one per photograph")
    labels = _one_each("labels", labels, len(data))
    groups = None if groups is None else _one_each("groups", groups, len(data))
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["path", "label"] + ([] if groups is None else ["group"]))
    for index, (path, label) in enumerate(zip(data, labels)):
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"photograph {index} is {type(path).__name__}, expected a path")
        row = [os.path.abspath(os.fspath(path)), _label(index, label)]
        writer.writerow(row if groups is None else [*row, _group(index, groups[index])])
    return file.getvalue()


def _one_each(name: str, values: Any, n: int) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable) or not isinstance(values, Sized):
        raise TypeError(f"{name} is {type(values).__name__}, expected a list with one entry per photograph")
    if getattr(values, "ndim", 1) != 1:
        raise TypeError(
            f"{name} is a table or matrix, expected a list with one entry per photograph; for several classes per photograph give a list of "
            'names each, such as [["cat"], ["cat", "dog"], []]'
        )
    if len(values) != n:
        raise ValueError(f"{len(values)} {name} for {n} photographs: give one per photograph")
    return list(values)


def _label(index: int, label: Any) -> str:
    labels = list(label) if isinstance(label, (list, tuple, set, frozenset, np.ndarray)) else [label]
    for one in labels:
        if isinstance(one, (bytes, bytearray)):
            raise TypeError(f"the label of photograph {index} is bytes, expected text or a number")
        if _is_missing(one) or not str(one).strip():
            raise ValueError(f"the label of photograph {index} is {one!r}, expected the name of a class, or an empty list for no class")
        if "|" in str(one):
            raise ValueError(f'label "{one}" of photograph {index}: expected a name without "|"')
    return "|".join(sorted(map(str, labels)))


def _group(index: int, group: Any) -> str:
    if _is_missing(group) or not str(group).strip():
        raise ValueError(
            f"the group of photograph {index} is {group!r}, expected a value; photographs without a group get one of their own"
        )
    return str(group)


def _is_missing(value: Any) -> bool:
    """None, NaN, and what pandas has for missing values."""
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))
    )


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f'{name} is {type(value).__name__}, expected a dictionary such as {{"mixture.n_components": 64}}')
    return value


def _share(name: str, value: Any) -> float:
    share = number(name, value, 0, is_open=True)
    if share >= 1:
        raise ValueError(f"{name} is {value}, expected a number above 0 and below 1")
    return share


def _in_python(text: Any, table: str = "") -> Any:
    """A message of the command ``fisherlens train``, with the names of our parameters, and photographs instead of lines of our table."""
    if isinstance(text, str):
        for option, parameter in _OPTIONS.items():
            text = text.replace(option, parameter)
        if table:
            # The first line has the names of the columns.
            text = re.sub(re.escape(table) + r", line (\d+)", lambda found: f"photograph {int(found.group(1)) - 2}", text)
            text = text.replace(table, "the list of photographs")
    return text


def _say(line: str) -> None:
    """Prints a line, also where the terminal has not all of its characters."""
    try:
        print(line)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        print(line.encode(encoding, "replace").decode(encoding))


def _toml(name: Any, value: Any) -> str:
    """A value as the settings write it."""
    if isinstance(value, (str, os.PathLike)):
        return os.fsdecode(value)
    given = value
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        if value is None:
            raise ValueError
        return json.dumps(list(value) if isinstance(value, tuple) else value, allow_nan=False)
    except (TypeError, ValueError):
        expected = "expected a text, a finite number, True or False, or a list of these"
        raise ValueError(f"the setting {name} is {given!r}, {expected}") from None


@contextlib.contextmanager
def _telling(progress: bool, verbose: bool) -> Iterator[Callable[..., None] | None]:
    """The function that is told lines and the state of the present step."""
    if not flag("progress", progress) and not flag("verbose", verbose):
        yield None
        return
    shown: list[Any] = []

    def tell(lines: list[str], step: tuple[str, int, int] | None) -> None:
        if verbose:
            for line in lines:
                _say(_in_python(line))
        if progress and step is not None:
            label, position, total = step
            if not shown or shown[-1].desc.rstrip(": ") != label or shown[-1].total != total:
                if shown:
                    # Another step has begun, so this one has ended.
                    ended = shown.pop()
                    ended.update(ended.total - ended.n)
                    ended.close()
                shown.append(bar(total, label))
            shown[-1].update(position - shown[-1].n)

    try:
        yield tell
    finally:
        for one in shown:
            one.close()
