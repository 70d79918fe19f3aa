"""The pieces of work of a run on Dask, as the workers do them."""

from __future__ import annotations

import os
import platform
import uuid
from typing import Any

from fisherlens import _native
from fisherlens._model import Model


def noted(topic: str, phase: str, piece: str, is_whole: bool, version: str, function: Any, job: str, *arguments: Any) -> Any:
    """Does a piece of work on a worker, and tells when it begins and ends."""
    worker = dask().get_worker()
    if _native.__version__ != version:
        raise RuntimeError(
            f"worker {worker.address} on {platform.node()} has fisherlens {_native.__version__}, but the client has {version}: "
            "install the same version everywhere"
        )
    told = {"phase": phase, "piece": piece, "worker": worker.address}
    worker.log_event(topic, {"what": "begin", **told})
    result = None
    try:
        result = function(job, *arguments, n_threads=worker.state.nthreads if is_whole else 1)
        return result
    finally:
        # Pieces of a phase return whether they had to be done.
        worker.log_event(topic, {"what": "end", "is_new": result is True, **told})


def list_photographs(job: str, *, n_threads: int) -> int:
    return _native.list_photographs(job, n_threads)


def look(job: str, chunk: int, *, n_threads: int) -> bool:
    return _native.look(job, chunk, n_threads)


def plan(job: str, until: str | None, *, n_threads: int) -> tuple[str, str]:
    return _native.plan(job, until, n_threads)


def work(job: str, seed: int, piece: str, before: list[Any], *, n_threads: int) -> bool:
    return _native.work_on(job, seed, piece, n_threads)


def all_done(job: str, pieces: list[Any], *, n_threads: int) -> None:
    """Stands for the pieces of a phase."""


def finish(job: str, until: str | None, report: str | None, *, n_threads: int) -> tuple[str | None, float | None]:
    return _native.finish(job, until, report, n_threads)


def finish_training(job: str, *, n_threads: int) -> tuple[Model, str]:
    native, told = _native.finish_training(job, n_threads)
    return Model._of(native), told


def write_table(job: str, table: str, text: str, *, n_threads: int) -> None:
    os.makedirs(os.path.dirname(table), exist_ok=True)
    unfinished = f"{table}.{uuid.uuid4().hex}"
    with open(unfinished, "w", newline="", encoding="utf-8") as file:
        file.write(text)
    os.replace(unfinished, table)


async def drop(dask_scheduler: Any, address: str) -> None:
    await dask_scheduler.remove_worker(address, stimulus_id="fisherlens-hanging")


def dask() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ImportError("fisherlens.distributed needs Dask: pip install 'fisherlens[distributed]'") from error
    return distributed
