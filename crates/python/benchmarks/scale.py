"""What runs of different sizes need, by a simple model; prints the table of docs/scale.md.

    python crates/python/benchmarks/scale.py [--cores N]

The times were measured on the machine that is named in docs/scale.md: LOOK, SAMPLE, MIXTURE and ENCODE by ``workers.py`` on the 5,008 photographs
of VOC 2007, with one worker of one thread, PASS by the example ``svm_beyond_memory`` of the crate ``classifier`` on 200,000 vectors. The two of the
Gram matrix are estimates.
"""

from __future__ import annotations

import argparse

# Seconds of one core per photograph of 500 x 375 pixels.
LOOK = 0.0052
SAMPLE = 0.033
ENCODE = 0.167
# Seconds of one core: projection and mixture of 256 components from 500,000 descriptors.
MIXTURE = 38.0
# Seconds of one core per vector, dimension and class: one pass of the SVM without the Gram matrix.
PASS = 2.1e-10
N_PASSES = 80
# Trainings: one with a single value of C, and one for each fold of the calibration.
N_TRAININGS = 1 + 4
N_DIMENSIONS = 41_216
# Bytes per photograph.
PHOTOGRAPH = 110e3
VECTOR_F32 = 4 * N_DIMENSIONS
VECTOR_INT8 = N_DIMENSIONS + 4 * 256
LISTED = 1_200
# Images from which descriptors are drawn, at most.
N_SAMPLED = 100_000
# Largest state of the classes that the solver without the Gram matrix trains together.
STATE_BYTES = 4 * 2**30
# Prices of rented machines: dollars per core and hour, and per gigabyte and month.
CORE_HOUR = 0.04
GIGABYTE_MONTH = 0.02


def needs(n: float, n_classes: int) -> dict[str, float]:
    """Seconds of one core, and bytes."""
    is_gram = 8 * n * n + 4 * n * N_DIMENSIONS <= 8 * 2**30
    per_class = 42 * n + 48 * N_DIMENSIONS
    group = min(n_classes, max(1.0, STATE_BYTES // per_class))
    # Gram matrix: the inner products once, then a few passes over the matrix.
    training = (
        n * n * N_DIMENSIONS * 1.2e-11 + 60 * n * n * n_classes * 2e-11
        if is_gram
        else N_TRAININGS * N_PASSES * PASS * n * N_DIMENSIONS * n_classes
    )
    return {
        "look": LOOK * n,
        "learn": SAMPLE * min(n, N_SAMPLED) + MIXTURE,
        "encode": ENCODE * n,
        "train": training,
        "memory": 8 * n * n + VECTOR_F32 * n if is_gram else 512 * n + 1024 * N_DIMENSIONS + group * per_class,
        "listed": LISTED * n,
        "disk": (VECTOR_F32 if is_gram else VECTOR_INT8) * n + 256e6 + 4 * n * n_classes,
        "network": 4 * PHOTOGRAPH * n
        + (VECTOR_F32 if is_gram else VECTOR_INT8 * (1 + N_TRAININGS * N_PASSES * -(-n_classes // group))) * n,
    }


def time_of(seconds: float) -> str:
    for size, unit in [(365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min")]:
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def size_of(n_bytes: float) -> str:
    for size, unit in [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")]:
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1, help="divide times by this number of cores")
    cores = parser.parse_args().cores
    print("| photographs | classes | look | sample, mixture | encode | train | memory | listing | disk | network | dollars |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for n in (1e4, 1e6, 1e9):
        for n_classes in (20, 1000, 20_000):
            found = needs(n, n_classes)
            times = [time_of(found[name] / cores) for name in ("look", "learn", "encode", "train")]
            sizes = [size_of(found[name]) for name in ("memory", "listed", "disk", "network")]
            hours = sum(found[name] for name in ("look", "learn", "encode", "train")) / 3600
            dollars = hours * CORE_HOUR + found["disk"] / 1e9 * GIGABYTE_MONTH
            print(f"| {n:,.0f} | {n_classes:,} | {' | '.join([*times, *sizes])} | {dollars:,.0f} |")


if __name__ == "__main__":
    main()
