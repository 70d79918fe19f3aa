"""Runs on many machines, by Dask: the same results, to the last bit, as on one.

>>> from dask.distributed import Client, LocalCluster
>>> client = Client(LocalCluster(n_workers=4, threads_per_worker=1))  # doctest: +SKIP
>>> fisherlens.distributed.reproduce("voc2007-val", client, voc="VOCdevkit", artifacts="artifacts")  # doctest: +SKIP
>>> model = fisherlens.distributed.train("photographs", client, cache="artifacts")  # doctest: +SKIP

A run is cut into pieces of work. A piece reads photographs and the results of earlier pieces, and leaves its own result in a folder that all
workers share. Workers may come and go: a piece whose worker is lost is done again by another one, and a run that was stopped goes on where
it stopped. The results are those of ``cargo xtask reproduce`` and :meth:`fisherlens.Model.train`, in the same folder, under the same names.

The photographs and the folder must have the same paths on all workers, and all workers the same version of this package. The client's machine
needs neither. It needs ``distributed``: ``pip install 'fisherlens[distributed]'``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import statistics
import threading
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fisherlens import _native, _pieces
from fisherlens._checks import flag, number, one_of, whole
from fisherlens._checks import path as path_of
from fisherlens._jobs import bar
from fisherlens._model import Model
from fisherlens._training import absolute, changes, in_place, in_python, quality_of, request, table_of

__all__ = ["Reproduced", "reproduce", "train"]

logger = logging.getLogger(__name__)

# A piece that takes so many times as long as the median of the finished pieces of its phase counts as hanging, but not before this time.
SLOWER = 20.0
SOONEST = 300.0
# Pieces of the phase that must be finished before.
N_FINISHED = 3
# How often a piece is given to another worker after its worker died. A piece that needs more memory than there is kills every worker.
N_DEATHS = 10
# Seconds that a hanging worker gets to end by itself.
RESTART = 10.0
# Seconds between two looks at the run.
LOOK_EVERY = 0.5
# Seconds between two counts of the workers.
COUNT_EVERY = 30.0
CLOSED = "the client or the scheduler was closed"
# What comes before the first stage.
LOOK = "photographs"


@dataclass(frozen=True)
class Reproduced:
    """What :func:`reproduce` did.

    Attributes
    ----------
    artifacts : str
        The folder of results; :func:`fisherlens.artifacts.load` reads its files.
    page : str or None
        The page of the report, if a folder for it was given.
    mean_average_precision : float or None
        On the test half, in [0, 1]; ``None`` if the run ended before the scores, or if no class could be judged.
    n_pieces : int
        Number of pieces of work that were given to workers: those that were not done before, and the looks into the list of photographs,
        which every call makes.
    seconds : float
        How long it took.
    """

    artifacts: str
    page: str | None
    mean_average_precision: float | None
    n_pieces: int
    seconds: float


def reproduce(
    experiment: str | os.PathLike[str],
    client: Any = None,
    *,
    artifacts: str | os.PathLike[str],
    voc: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    until: str | None = None,
    report: str | os.PathLike[str] | None = None,
    allow_missing: bool = False,
    limit: int | None = None,
    piece_timeout: float | None = None,
    progress: bool = False,
) -> Reproduced:
    """Runs an experiment on the workers of Dask, as ``cargo xtask reproduce`` does on one machine.

    Parameters
    ----------
    experiment : str
        ``"mini"``, ``"voc2007"``, ``"voc2007-val"``, or the path of a settings file.
    client : dask.distributed.Client, optional
        The client of the cluster; by default the present one.
    artifacts : path
        Folder of the results, which all workers share. Results that are there are not computed again.
    voc : path, optional
        The devkit of PASCAL VOC; not for ``"mini"``.
    settings : dict, optional
        Changes to the settings, such as ``{"mixture.n_components": 64}``.
    until : str, optional
        The last stage, such as ``"scores"``; by default all stages are computed. ``"photographs"`` only looks into the photographs.
    report : path, optional
        Folder for the HTML page.
    allow_missing : bool
        Whether missing images are skipped.
    limit : int, optional
        Use only this number of photographs of each half.
    piece_timeout : float, optional
        Seconds after which a piece of work counts as hanging: its worker is replaced, and another one gets the piece. By default a piece
        over some photographs may take 20 times as long as the median of the finished ones of its kind, and at least 300 s; other pieces may
        take as long as they want. A worker that does not answer at all is replaced by Dask
        (``distributed.scheduler.worker-ttl``).
    progress : bool
        Whether a bar of tqdm is shown. Dask's dashboard shows the same, and more.

    Returns
    -------
    Reproduced

    Raises
    ------
    ValueError, OSError
        The errors of the stages, from the worker on which they happened.
    """
    folder = os.path.abspath(path_of("artifacts", artifacts))
    wanted = {
        "reproduce": {
            "experiment": os.fspath(_settings_path(path_of("experiment", experiment))),
            "set": changes(absolute(settings)),
            "voc": None if voc is None else os.path.abspath(path_of("voc", voc)),
            "allow_missing": flag("allow_missing", allow_missing),
            "limit": None if limit is None else whole("limit", limit, 1),
            "artifacts": folder,
        }
    }
    page_folder = None if report is None else os.path.abspath(path_of("report", report))
    last = None if until is None else one_of("until", until, [LOOK, *_native.stages()])
    begin = time.monotonic()
    run = _Run(client, wanted, piece_timeout, progress)
    with run, in_python(""):
        run.look()
        if last == LOOK:
            return Reproduced(folder, None, None, run.n_pieces, time.monotonic() - begin)
        run.compute(until)
        page, mean = run.alone(_pieces.finish, until, page_folder, name="report" if page_folder else "finish")
    return Reproduced(folder, page, mean, run.n_pieces, time.monotonic() - begin)


def train(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    client: Any = None,
    labels: Sequence[Any] | None = None,
    *,
    cache: str | os.PathLike[str],
    preset: str | os.PathLike[str] = "fast",
    settings: Mapping[str, Any] | None = None,
    groups: Sequence[Any] | str | None = None,
    test_share: float | None = None,
    keep_near: bool = False,
    strict: bool = False,
    follow_links: bool = False,
    limit: int | None = None,
    images: str | os.PathLike[str] | None = None,
    piece_timeout: float | None = None,
    progress: bool = False,
) -> Model:
    """Learns a model from labelled photographs on the workers of Dask, as :meth:`fisherlens.Model.train` does on one machine.

    Parameters
    ----------
    data, labels, preset, settings, groups, test_share, keep_near, strict, follow_links, limit, images
        As for :meth:`fisherlens.Model.train`. For a list of photographs a table is written into ``cache``.
    client : dask.distributed.Client, optional
        The client of the cluster; by default the present one.
    cache : path
        Folder of the results, which all workers share. Results that are there are not computed again.
    piece_timeout, progress
        As for :func:`reproduce`.

    Returns
    -------
    Model
        With its ``quality``.

    Warns
    -----
    UserWarning
        What the user should know about the data, such as classes with few photographs.
    """
    folder = os.path.abspath(path_of("cache", cache))
    given, table = in_place(data, labels, groups), ""
    if given is None:
        text = table_of(data, labels, groups)
        table = os.path.join(folder, f"photographs-{hashlib.sha256(text.encode()).hexdigest()[:16]}.csv")
        given = (table, None if groups is None else "group")
    path, group = given
    wanted = request(
        os.path.abspath(path),
        group,
        preset=_settings_path(path_of("preset", preset)),
        settings=absolute(settings),
        test_share=test_share,
        keep_near=keep_near,
        strict=strict,
        follow_links=follow_links,
        limit=limit,
        images=None if images is None else os.path.abspath(path_of("images", images)),
        cache=folder,
    )
    run = _Run(client, {"train": wanted}, piece_timeout, progress)
    with run, in_python(table):
        if table:
            # On a worker, because the client may not see the folder.
            run.alone(_pieces.write_table, table, text, name="table")
        run.look()
        run.compute(None)
        model: Model
        model, told = run.alone(_pieces.finish_training, name="model")
    model.quality = quality_of(told, table)
    for warning in model.quality["warnings"]:
        warnings.warn(warning, UserWarning, stacklevel=2)
    return model


class _Run:
    """The pieces of work of one run, as futures of Dask."""

    def __init__(self, client: Any, wanted: Mapping[str, Any], piece_timeout: float | None, progress: bool) -> None:
        distributed = _pieces.dask()
        self.timeout = None if piece_timeout is None else number("piece_timeout", piece_timeout, 0, is_open=True)
        self.progress = flag("progress", progress)
        if client is None:
            try:
                client = distributed.get_client()
            except ValueError as error:
                raise ValueError(
                    "client is None, and no Client of dask.distributed is there: give one, such as Client(LocalCluster())"
                ) from error
        self.client = client
        if not isinstance(self.client, distributed.Client):
            raise TypeError(f"client is {type(client).__name__}, expected a Client of dask.distributed")
        if self.client.asynchronous:
            raise TypeError("client is asynchronous, expected a Client that waits: Client(..., asynchronous=False)")
        if self.client.status != "running":
            raise ValueError(f"client is {self.client.status}, expected one that is connected to its scheduler: make a new Client")
        self.name = uuid.uuid4().hex[:8]
        self.job = json.dumps({"run": self.name, "request": wanted})
        self.topic = f"fisherlens-{self.name}"
        self.n_pieces = 0
        self.futures: list[Any] = []
        self.lock = threading.Lock()
        # Of each piece that is at work: worker and beginning. Of each phase: the seconds of finished pieces.
        self.running: dict[str, tuple[str, float]] = {}
        self.took: dict[str, list[float]] = {}
        # Of each piece: address and identity of the workers that died while they worked on it, as far as Dask gave it up because of them.
        self.deaths: dict[str, set[tuple[str, str]]] = {}
        self.retried: set[str] = set()

    def __enter__(self) -> _Run:
        self.client.subscribe_topic(self.topic, self._hear)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        # The run has its result, or its own error. The client may be closed by now.
        try:
            if error is not None:
                self.client.cancel(self.futures, force=True)
            self.client.unsubscribe_topic(self.topic)
            self.client.run(_native.release, on_error="ignore")
        except Exception as problem:
            logger.debug("the workers were not told that the run has ended: %s", problem)
        self.futures.clear()

    def look(self) -> None:
        """Looks into the photographs."""
        n_chunks = self.alone(_pieces.list_photographs, name="listing")
        futures = [self._submit(_pieces.look, chunk, phase="photographs", piece=f"chunk/{chunk:04}") for chunk in range(n_chunks)]
        self._wait(futures, "photographs")

    def compute(self, until: str | None) -> None:
        """Does all pieces of work that are not done."""
        told, line = self.alone(_pieces.plan, until, name="plan")
        logger.info("%s", line)
        futures: list[Any] = []
        for of_seed in json.loads(told):
            seed = of_seed["seed"]
            # The futures after which a phase is complete.
            ends: dict[str, list[Any]] = {}
            for phase in of_seed["phases"]:
                before = [end for name in phase["needs"] for end in ends[name]]
                done = set(phase["done"])
                pieces = [piece for piece in phase["pieces"] if piece not in done]
                kind = f"{phase['name']}-{seed}"
                # A phase of one piece has its worker for itself.
                is_whole = len(phase["pieces"]) == 1
                submitted = [
                    self._submit(_pieces.work, seed, piece, before, phase=kind, piece=piece, is_whole=is_whole) for piece in pieces
                ]
                futures.extend(submitted)
                if len(submitted) > 1:
                    # One future that stands for all of them, so that the graph has few arrows.
                    submitted = [self._submit(_pieces.all_done, submitted, phase=f"{kind}-done", piece="0000", is_counted=False)]
                    futures.extend(submitted)
                ends[phase["name"]] = submitted or before
        self._wait(futures, "work")

    def alone(self, function: Any, *arguments: Any, name: str) -> Any:
        """The result of one piece of work that has the run for itself."""
        future = self._submit(function, *arguments, phase=name, piece="0000", is_whole=True, is_counted=False)
        self._wait([future], name)
        return future.result()

    def _submit(self, function: Any, *arguments: Any, phase: str, piece: str, is_whole: bool = False, is_counted: bool = True) -> Any:
        # Dask's dashboard gives all pieces of a phase one colour, by the first part of the key.
        key = (f"{phase}-{self.name}", piece)
        future = self.client.submit(
            _pieces.noted, self.topic, phase, piece, is_whole, _native.__version__, function, self.job, *arguments, key=key, pure=False
        )
        self.futures.append(future)
        self.n_pieces += is_counted
        return future

    def _hear(self, event: tuple[float, Any]) -> None:
        message = event[1]
        name, now = f"{message['phase']}/{message['piece']}", time.monotonic()
        with self.lock:
            if message["what"] == "begin":
                self.running[name] = (message["worker"], now)
            elif name in self.running:
                begin = self.running.pop(name)[1]
                # What was stored before took no time.
                if message["is_new"]:
                    self.took.setdefault(message["phase"], []).append(now - begin)

    def _wait(self, futures: list[Any], what: str) -> None:
        """Waits for all futures. Lost and hanging workers are replaced; the first error of a piece ends the run."""
        shown = bar(len(futures), what) if self.progress and len(futures) > 1 else None
        pause, counted = 0.01, time.monotonic()
        try:
            while True:
                # Dask changes the status of the futures by itself. Its `wait` with a time limit would leave a task for each future behind.
                time.sleep(pause)
                pause = min(2 * pause, LOOK_EVERY)
                states = [future.status for future in futures]
                if self.client.status in ("closing", "closed"):
                    raise RuntimeError(f"the run was cancelled: {CLOSED}")
                if shown is not None:
                    shown.update(states.count("finished") - shown.n)
                if "error" in states:
                    self._recover([future for future in futures if future.status == "error"])
                elif "cancelled" in states:
                    # A future that is "lost" is computed again, because its worker died after it was finished.
                    raise RuntimeError(f"the run was cancelled: {CLOSED}, or its futures were cancelled")
                elif states.count("finished") == len(states):
                    return
                self._replace_hanging()
                if time.monotonic() - counted > COUNT_EVERY:
                    counted = time.monotonic()
                    if not self.client.scheduler_info(n_workers=-1)["workers"]:
                        logger.warning("no worker is there: the run goes on as soon as there is one")
        finally:
            if shown is not None:
                shown.close()

    def _recover(self, failed: list[Any]) -> None:
        """Gives pieces whose workers died to others; raises every other error."""
        distributed = _pieces.dask()
        for future in failed:
            error = future.exception()
            if not isinstance(error, distributed.KilledWorker):
                # With the trace of the worker.
                future.result()
        retried = []
        for future in failed:
            error = future.exception()
            # Another worker may have got the same address.
            piece, last = str(error.task), (error.last_worker.address, str(error.last_worker.server_id))
            deaths = self.deaths.setdefault(piece, set())
            if last in deaths and str(future.key) in self.retried:
                # The client has not heard yet that it is done again.
                continue
            if last not in deaths:
                deaths.add(last)
                logger.warning("several workers died while they worked on %s, the last one was %s; it is done again", piece, last[0])
            if len(deaths) > N_DEATHS:
                raise RuntimeError(
                    f"{piece}: all workers that got this piece of work died, or were replaced because it took too long: expected workers "
                    "with enough memory for it, and a piece_timeout that is long enough"
                )
            retried.append(future)
        if retried:
            self.retried.update(str(future.key) for future in retried)
            self.client.retry(retried)

    def _replace_hanging(self) -> None:
        now = time.monotonic()
        with self.lock:
            hanging = []
            for name, (worker, begin) in self.running.items():
                took = self.took.get(name.partition("/")[0], [])
                limit = self.timeout
                if limit is None and len(took) >= N_FINISHED:
                    limit = max(SOONEST, SLOWER * statistics.median(took))
                if limit is not None and now - begin > limit:
                    hanging.append((name, worker, now - begin))
            for name, _, _ in hanging:
                del self.running[name]
        alive = self.client.scheduler_info(n_workers=-1)["workers"] if hanging else {}
        for name, worker, seconds in hanging:
            if worker not in alive:
                continue
            logger.warning("worker %s has worked on %s for %.0f s; it is replaced", worker, name, seconds)
            try:
                self.client.restart_workers([worker], timeout=RESTART, raise_for_error=False)
            except Exception as problem:
                # It has nobody who could restart it, so it is only dropped.
                logger.warning("worker %s cannot be restarted (%s); it is left out", worker, problem)
                self.client.run_on_scheduler(_pieces.drop, address=worker)


def _settings_path(name: str) -> str:
    """The path of a settings file does not depend on the working folder of a worker."""
    return os.path.abspath(name) if name.endswith(".toml") else name
