"""Time of a run to its scores: in one process, and on workers of Dask on this machine. Compares the files, too.

    python crates/python/benchmarks/workers.py [--voc DIR] [--limit N] [--folder DIR] [--keep] [CONFIGURATION...]

A configuration is a number of workers and a number of threads each, such as 2x1; 0x2 is one process without Dask that has two threads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fisherlens
from fisherlens import artifacts

STEPS = ["mixture", "encode", "scores"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", default=["0x2", "1x2", "1x1", "2x1"])
    parser.add_argument("--voc", help="devkit of PASCAL VOC; default: the embedded photographs")
    parser.add_argument("--limit", type=int, help="use only N photographs of each half")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds")
    parser.add_argument("--folder", help="where results are stored meanwhile; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the results in the folder")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    return parser.parse_args()


def request(given: argparse.Namespace, folder: Path) -> str:
    wanted = {
        "experiment": "voc2007-val" if given.voc else "mini",
        "set": [f"evaluation.n_seeds={given.seeds}"],
        "voc": given.voc and os.path.abspath(given.voc),
        "allow_missing": True,
        "limit": given.limit,
        "artifacts": str(folder),
    }
    return json.dumps({"run": "alone", "request": {"reproduce": wanted}})


def alone(text: str) -> None:
    """One process without Dask: prints the seconds of each step."""
    wanted, n_threads = json.loads(text)
    for step in STEPS:
        begin = time.monotonic()
        fisherlens._native.finish(wanted, step, None, n_threads)
        print(time.monotonic() - begin, flush=True)


def in_one_process(given: argparse.Namespace, folder: Path, n_threads: int) -> list[float]:
    text = json.dumps([request(given, folder), n_threads])
    said = subprocess.run([sys.executable, __file__, "--alone", text], check=True, stdout=subprocess.PIPE, text=True)
    return [float(line) for line in said.stdout.split()]


def on_workers(given: argparse.Namespace, folder: Path, n_workers: int, n_threads: int) -> list[float]:
    from distributed import Client, LocalCluster

    seconds = []
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=n_threads, dashboard_address=":0", memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        for step in STEPS:
            begin = time.monotonic()
            fisherlens.distributed.reproduce(
                "voc2007-val" if given.voc else "mini",
                client,
                artifacts=folder,
                voc=given.voc,
                settings={"evaluation.n_seeds": given.seeds},
                limit=given.limit,
                allow_missing=True,
                until=step,
            )
            seconds.append(time.monotonic() - begin)
    return seconds


def digest(folder: Path) -> str:
    """Digest of the content of all files, without what only shared runs store, and without times."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*-v*/*/*.msgpack")):
        if not path.parent.parent.name.startswith(("run-", "digests-")):
            total.update(f"{path.relative_to(folder)} {repr_of(artifacts.load(path).payload)}".encode())
    return total.hexdigest()[:12]


def repr_of(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{repr_of(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_of, value)) + "]"
    return hashlib.sha256(value.tobytes()).hexdigest() if hasattr(value, "tobytes") else repr(value)


def main() -> None:
    given = arguments()
    if given.alone:
        alone(given.alone)
        return
    print(
        "| workers × threads | photographs to mixture | encode | classifier, scores | whole | files |\n|---|---|---|---|---|---|",
        flush=True,
    )
    parent = Path(tempfile.mkdtemp(prefix="fisherlens-", dir=given.folder))
    try:
        for configuration in given.configurations:
            n_workers, n_threads = map(int, configuration.split("x"))
            folder = parent / configuration
            if n_workers:
                seconds = on_workers(given, folder, n_workers, n_threads)
            else:
                seconds = in_one_process(given, folder, n_threads)
            name = configuration.replace("x", " × ") if n_workers else f"one process, {n_threads} threads"
            cells = [f"{one:.1f} s" for one in [*seconds, sum(seconds)]]
            print(f"| {name} | {' | '.join(cells)} | {digest(folder)} |", flush=True)
            if not given.keep:
                shutil.rmtree(folder)
    finally:
        if not given.keep:
            shutil.rmtree(parent, ignore_errors=True)


if __name__ == "__main__":
    main()
