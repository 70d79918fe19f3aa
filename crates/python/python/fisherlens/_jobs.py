"""Number of threads, and reports of progress."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Union

Progress = Union[bool, Callable[[int], Any]]


def n_threads(n_jobs: Any) -> int:
    """The number of threads for ``n_jobs`` as scikit-learn understands it.

    ``None`` is 1, or what a ``joblib.parallel_config`` around the call says; -1 is all processors, -2 all but one. There are
    never more threads than processors.
    """
    if n_jobs is not None and (isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__")):
        raise TypeError(f"n_jobs is {n_jobs!r}, expected a whole number or None")
    if n_jobs is not None and n_jobs.__index__() == 0:
        raise ValueError("n_jobs is 0, expected None, a number of at least 1, or -1 for all processors")
    joblib = sys.modules.get("joblib")
    if n_jobs is None and joblib is not None:
        return max(1, min(int(joblib.effective_n_jobs(None)), _processors()))
    wanted = 1 if n_jobs is None else int(n_jobs.__index__())
    return max(1, min(wanted if wanted > 0 else _processors() + 1 + wanted, _processors()))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def reporting(progress: Progress, total: int, what: str) -> Iterator[Callable[[int], Any] | None]:
    """The function that is told how many steps are done: none, the user's own, or a bar of tqdm."""
    if progress is False or progress is None:
        yield None
    elif progress is True:
        with bar(total, what) as shown:
            yield lambda done: shown.update(done - shown.n)
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress is {progress!r}, expected True, False or a function of the number of steps done")


def bar(total: int, what: str) -> Any:
    """A bar of tqdm."""
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from error
    return tqdm(total=total, desc=what)
