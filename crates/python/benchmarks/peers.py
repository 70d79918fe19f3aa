"""Times fisherlens beside other Python packages that do the same work: one run, one table.

    pip install fisherlens -r requirements.txt
    python peers.py                                            # one thread, some minutes
    python peers.py sift fisher --threads 2 --json peers.json  # some rows, two threads

Every time is that of a whole call from Python, from numpy arrays to numpy arrays, so checks and copies are included. It is the best of
several runs. A peer that is not installed gets a row that says how to install it.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib
import itertools
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import PIL.Image
    import sklearn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC, LinearSVC
    from threadpoolctl import threadpool_limits

    import fisherlens
    from fisherlens import DiagonalGaussianMixture, LinearSvm, Model
except ImportError as error:
    sys.exit(f"peers.py: {error}\npeers.py needs fisherlens, numpy, pillow and scikit-learn: pip install fisherlens -r requirements.txt")

PHOTOGRAPH = Path(__file__).resolve().parents[2] / "bench" / "src" / "astronaut.jpg"
INSTALL = {
    "cv2": "pip install opencv-python-headless",
    "skimage": "pip install scikit-image",
    "cyvlfeat": "apt-get install libvlfeat-dev; pip install numpy scipy cython setuptools; pip install --no-build-isolation cyvlfeat",
}
NAMES = {"cv2": "OpenCV", "skimage": "scikit-image", "cyvlfeat": "cyvlfeat"}
SUBNORMAL = "Posteriors below 1e-38 enter the products of scikit-learn and scikit-image; some processors multiply such numbers slowly."
ROWS = ("sift", "fisher", "em", "posteriors", "svm", "whole")


@dataclasses.dataclass
class Row:
    """One line of the table. Times are in seconds."""

    work: str
    ours: float
    peer: str
    theirs: float | None = None
    difference: str = "–"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.theirs is None else self.theirs / self.ours


class Bench:
    """The inputs, which all rows share, and the clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.repeats, self.seconds, self.n_jobs, self.is_quick = options.repeats, options.seconds, options.threads, options.quick
        self.peers = {name: _module(name) for name in INSTALL}
        threadpool_limits(self.n_jobs)
        if self.peers["cv2"]:
            self.peers["cv2"].setNumThreads(self.n_jobs)

        self.gray = np.asarray(PIL.Image.open(options.image).convert("L"))
        self.path, self.model = str(options.image), Model.default()
        pipeline = self.model.to_pipeline().set_params(sift__max_side=None)
        self.sift: Any = pipeline["sift"].set_params(n_jobs=self.n_jobs)
        self.encoder: Any = pipeline["encoder"].set_params(n_jobs=self.n_jobs)
        self.pca: Any = pipeline["pca"].transformer_
        [self.described] = self.sift.describe([self.gray])
        self.x = self.pca.transform(self.described.descriptors)
        self.mixture: Any = self.encoder.mixture_.set_params(n_jobs=self.n_jobs)
        # scikit-learn computes in single precision, too, if it gets such numbers, and is faster then.
        self.theirs, self.theirs_in_double = (sklearn_mixture(self.mixture, dtype) for dtype in (np.float32, np.float64))

    def best(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """The best time of several runs, and the result of the last one."""
        times: list[float] = []
        while len(times) < self.repeats and (len(times) < 2 or sum(times) < self.seconds):
            start = time.perf_counter()
            result = call()
            times.append(time.perf_counter() - start)
        return min(times), result

    def row(self, work: str, ours: float, peer: str, call: Callable[[], Any], judge: Callable[[Any], tuple[str, str]]) -> Row:
        """Times a peer. ``peer`` begins with the name of its package; ``judge`` tells the difference and a note from its result."""
        for name, package in NAMES.items():
            if peer.startswith(package) and not self.peers[name]:
                return Row(work, ours, peer, note=f"{package} is not installed: {INSTALL[name]}")
        theirs, result = self.best(call)
        return Row(work, ours, peer, theirs, *judge(result))

    def sift_rows(self) -> Iterator[Row]:
        """Dense SIFT of one photograph."""
        frames, cv2, vlfeat = self.described.frames, self.peers["cv2"], self.peers["cyvlfeat"]
        height, width = self.gray.shape
        work = f"dense SIFT, {width} x {height} pixels, {len(frames):,} descriptors"
        ours, [found] = self.best(lambda: self.sift.transform([self.gray]))

        def judge_opencv(result: Any) -> tuple[str, str]:
            # Its orientations turn the other way round.
            other = result[1].reshape(-1, 4, 4, 8)[..., (-np.arange(8)) % 8].reshape(-1, 128)
            return "not comparable", (
                "OpenCV smooths differently, weighs with a Gaussian window and rounds to 8 bits. The median cosine of descriptors at the same "
                f"place, with the bins in the same order, is {_cosine(found, other):.3f}. The making of the keypoints is not counted."
            )

        # A spatial bin of OpenCV is 1.5 times as wide as the size of the keypoint.
        points = [cv2.KeyPoint(x, y, bin_size / 1.5, 0.0) for x, y, bin_size, _ in frames.tolist()] if cv2 else []
        yield self.row(work, ours, "OpenCV SIFT.compute", lambda: cv2.SIFT_create().compute(self.gray, points), judge_opencv)

        def judge_vlfeat(result: Any) -> tuple[str, str]:
            row_of = {place: row for row, place in enumerate(frames[["x", "y", "bin_size"]].tolist())}
            pairs = [(row_of.get((x - 1, y - 1, int(size))), row) for row, (y, x, _, size) in enumerate(result[0].tolist())]
            mine, its = np.array([pair for pair in pairs if pair[0] is not None]).T
            return "not comparable", (
                f"{len(mine):,} of its {len(result[0]):,} descriptors are at places of ours. It smooths by scipy, and its window is 2 bins wide, "
                "while that of vl_phow in VLFeat and ours are 1.5 bins wide. The median cosine of descriptors at the same place is "
                f"{_cosine(found[mine], result[1][its]):.3f}."
            )

        # Its grid begins one pixel farther right and down than that of vl_phow, so it gets a picture with one more row and column.
        gray = np.pad(self.gray.astype(np.float32) / 255, ((1, 0), (1, 0)), mode="edge")
        call = lambda: vlfeat.sift.phow(gray, step=self.sift.step, float_descriptors=True)
        yield self.row(work, ours, "cyvlfeat phow", call, judge_vlfeat)

    def fisher_rows(self) -> Iterator[Row]:
        """The Fisher vector of the descriptors of one photograph, without and with normalisation."""
        return itertools.chain(*map(self._fisher_rows, (False, True)))

    def _fisher_rows(self, improved: bool) -> Iterator[Row]:
        normalization = "improved" if improved else "raw"
        x, (k, n_features) = self.x, self.mixture.means_.shape
        work = f"Fisher vector ({normalization}), {len(x):,} x {n_features}, K {k}"
        encoder = self.encoder.set_params(normalization=normalization)
        ours, [found] = self.best(lambda: encoder.transform([x]))
        turned = np.concatenate([found[: k * (1 + n_features)], -found[k * (1 + n_features) :]])
        without_weights = _unit(found[np.newaxis, k:])[0] if improved else found[k:]
        difference = lambda a, b: f"{np.abs(a - b).max() / np.abs(b).max():.1e}"
        floored = "Ours leaves out posteriors below 1e-4. The difference is relative to the largest entry."

        def judge_skimage(other: Any) -> tuple[str, str]:
            exact = fisher_vector(x.astype(np.float64), self.theirs_in_double, improved=improved)
            note = (
                f"The sign of the variances is turned. {floored} It is {difference(turned, exact)} if scikit-image gets double precision."
            )
            return difference(turned, other), note

        fisher_vector = self.peers["skimage"] and self.peers["skimage"].feature.fisher_vector
        call = lambda: fisher_vector(x, self.theirs, improved=improved)
        yield self.row(work, ours, f"scikit-image fisher_vector(improved={improved})", call, judge_skimage)
        call = lambda: numpy_fisher_vector(x, self.mixture, improved)
        yield self.row(work, ours, "numpy, two matrix products", call, lambda other: (difference(found, other), floored))
        parts = (self.mixture.means_, self.mixture.covariances_, self.mixture.weights_)
        call = lambda: self.peers["cyvlfeat"].fisher.fisher(x, *parts, improved=improved)
        note = f"It has no part of the weights, so this part is left out. {floored}"
        yield self.row(work, ours, "cyvlfeat fisher", call, lambda other: (difference(without_weights, other.ravel()), note))

    def em_rows(self) -> Iterator[Row]:
        """EM from a given start."""
        mirrored = self.pca.transform(self.sift.transform([self.gray[:, ::-1]])[0])
        random = np.random.default_rng(0)
        x = random.permutation(np.concatenate([self.x, mirrored]))[: 20_000 if self.is_quick else 100_000]
        k, n_iter = len(self.mixture.weights_), 3 if self.is_quick else 10
        # Many descriptors are equal, and components that start equal stay equal.
        means = random.permutation(np.unique(x[:20_000], axis=0))[:k]
        weights, precisions = np.full(k, 1 / k, np.float32), np.ones_like(means) / x.var(axis=0)
        given = {"weights_init": weights, "means_init": means, "precisions_init": precisions, "max_iter": n_iter, "tol": 0.0}
        plain = {**given, "reg_covar": 1e-6}
        work = f"EM, {n_iter} steps, {len(x):,} x {x.shape[1]}, K {k}"

        def judge(other: Any) -> tuple[str, str]:
            their_means, score = (other[0], other[3] / len(x)) if isinstance(other, tuple) else (other.means_, other.score(x))
            difference = np.abs(found.means_ - their_means).max() / np.sqrt(x.var(axis=0).max())
            note = f"The same start. ln p(x) per sample at the end: ours {found.lower_bound_:.5f}, peer {score:.5f}. "
            return f"{difference:.1e}", note + "The difference is that of the means, in units of the largest standard deviation."

        no_floors = {"relative_variance_floor": 0, "absolute_variance_floor": 0, "posterior_floor": 0}
        mixture = DiagonalGaussianMixture(k, n_jobs=self.n_jobs, **plain, **no_floors)
        ours, found = self.best(lambda: mixture.fit(x))
        theirs = GaussianMixture(k, covariance_type="diag", **plain)
        yield self.row(f"{work}, no posterior floor", ours, "scikit-learn GaussianMixture.fit", lambda: theirs.fit(x), judge)
        options = {"covariance_type": "diag", **plain}
        call = lambda: self.peers["skimage"].feature.learn_gmm(x, n_modes=k, gm_args=options)
        yield self.row(f"{work}, no posterior floor", ours, "scikit-image learn_gmm", call, judge)
        # cyvlfeat's own floor of variances is 1e-4.
        mixture = DiagonalGaussianMixture(k, relative_variance_floor=0, absolute_variance_floor=1e-4, n_jobs=self.n_jobs, **given)
        ours, found = self.best(lambda: mixture.fit(x))
        # The function gmm around it refuses every given start: it asks for the truth value of arrays.
        start = {"init_priors": weights, "init_means": means, "init_covars": 1 / precisions}
        call = lambda: self.peers["cyvlfeat"].gmm.cygmm.cy_gmm(x, k, n_iter, b"custom", 1, 0, **start)
        yield self.row(f"{work}, posterior floor 0.01 / K", ours, "cyvlfeat cy_gmm", call, judge)

    def posteriors_rows(self) -> Iterator[Row]:
        """Posteriors and log-likelihoods."""
        return map(self._row_of, ("predict_proba", "score_samples"))

    def _row_of(self, method: str) -> Row:
        work = f"{method}, {len(self.x):,} x {self.x.shape[1]}, K {len(self.mixture.weights_)}"
        ours, found = self.best(lambda: getattr(self.mixture, method)(self.x))
        judge = lambda other: (f"{np.abs(found - other).max():.1e}", "Both in single precision.")
        return self.row(work, ours, f"scikit-learn {method}", lambda: getattr(self.theirs, method)(self.x), judge)

    def svm_rows(self) -> Iterator[Row]:
        """One-vs-rest linear SVMs with the hinge loss."""
        n, n_classes, c = (400, 5, 10.0) if self.is_quick else (2000, 20, 10.0)
        random = np.random.default_rng(0)
        y = np.arange(n) % n_classes
        # Made-up vectors of length 1, as long as those of K = 64 and D = 80.
        x = random.standard_normal((n, 64 * 161)) + 0.15 * random.standard_normal((n_classes, 64 * 161))[y]
        x = _unit(np.sign(x) * np.sqrt(np.abs(x))).astype(np.float32)
        work = f"linear SVM, {n:,} x {x.shape[1]:,}, {n_classes} classes, C {c:g}, hinge loss"
        svm = LinearSvm(c, random_state=0, n_jobs=self.n_jobs)
        ours, found = self.best(lambda: svm.fit(x, y))

        def objectives(coef: Any, intercept: Any) -> str:
            each = [_objective(x, y, *each, c) for each in ((found.coef_, found.intercept_), (coef, intercept))]
            return "objective with half the square of the bias, summed over the classes: ours {:.3f}, peer {:.3f}.".format(*each)

        def judge_liblinear(other: Any) -> tuple[str, str]:
            difference = np.abs(found.decision_function(x) - other.decision_function(x)).max()
            return f"{difference:.1e}", f"The difference is that of the scores. The {objectives(other.coef_, other.intercept_)}"

        def judge_libsvm(other: Any) -> tuple[str, str]:
            coef = np.stack([one.dual_coef_[0] @ x[one.support_] for one in other.estimators_])
            intercept = np.array([one.intercept_[0] for one in other.estimators_])
            return "not comparable", f"libsvm does not regularise the bias. The {objectives(coef, intercept)} Its time includes x @ x.T."

        liblinear = LinearSVC(C=c, loss="hinge", dual=True, random_state=0, max_iter=10_000)
        yield self.row(work, ours, "scikit-learn LinearSVC.fit (liblinear)", lambda: liblinear.fit(x, y), judge_liblinear)
        libsvm = OneVsRestClassifier(SVC(kernel="precomputed", C=c, cache_size=500))
        yield self.row(work, ours, "scikit-learn OneVsRestClassifier(SVC).fit (libsvm)", lambda: libsvm.fit(x @ x.T, y), judge_libsvm)

    def whole_rows(self) -> Iterator[Row]:
        """From a file to scores, and to the relevance of its pixels."""
        ours, _ = self.best(lambda: self.model.scores([self.path], n_jobs=self.n_jobs))
        yield Row(f"Model.scores([file]), {len(self.model.classes)} classes", ours, "none")
        ours, _ = self.best(lambda: self.model.explain(self.path, n_jobs=self.n_jobs))
        yield Row("Model.explain(file), one class", ours, "none")


def sklearn_mixture(mixture: Any, dtype: Any) -> Any:
    """Our mixture as one of scikit-learn."""
    made = GaussianMixture(len(mixture.weights_), covariance_type="diag")
    made.weights_, made.means_, made.covariances_ = (a.astype(dtype) for a in (mixture.weights_, mixture.means_, mixture.covariances_))
    made.precisions_cholesky_ = 1 / np.sqrt(made.covariances_)
    return made


def numpy_fisher_vector(x: Any, mixture: Any, is_improved: bool) -> Any:
    """What one writes in numpy: two matrix products in single precision."""
    weights, means, variances = mixture.weights_, mixture.means_, mixture.covariances_
    n, n_features = x.shape
    both = np.concatenate([x, x * x], axis=1)
    matrix = np.concatenate([(means / variances).T, (-0.5 / variances).T])
    constants = np.log(weights) - 0.5 * (np.log(2 * np.pi * variances) + means**2 / variances).sum(axis=1)
    posteriors = both @ matrix
    posteriors += constants
    posteriors -= posteriors.max(axis=1, keepdims=True)
    # Numbers that are too small for single precision would slow the second product down.
    np.exp(np.maximum(posteriors, -80, out=posteriors), out=posteriors)
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    mass = posteriors.mean(axis=0)
    sums = posteriors.T @ both / n
    first, second, share = sums[:, :n_features], sums[:, n_features:], mass[:, np.newaxis]
    roots = np.sqrt(weights)[:, np.newaxis]
    of_means = (first - share * means) / (np.sqrt(variances) * roots)
    of_variances = (second - 2 * means * first + share * (means**2 - variances)) / (variances * roots * np.sqrt(2))
    vector = np.concatenate([(mass - weights) / roots[:, 0], of_means.ravel(), of_variances.ravel()])
    if is_improved:
        vector = np.sign(vector) * np.sqrt(np.abs(vector))
        vector /= np.linalg.norm(vector)
    return vector


def _module(name: str) -> Any:
    """A peer, or ``None`` if it is not installed."""
    try:
        # Its parts are imported too, so that their libraries are loaded before their threads are limited.
        for part in {"cyvlfeat": ("sift", "fisher", "gmm"), "skimage": ("feature",)}.get(name, ()):
            importlib.import_module(f"{name}.{part}")
        return importlib.import_module(name)
    except ImportError:
        return None


def _unit(rows: Any) -> Any:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


def _cosine(a: Any, b: Any) -> float:
    """The median over the rows."""
    return float(np.median((_unit(a) * _unit(b)).sum(axis=1)))


def _objective(x: Any, y: Any, coef: Any, intercept: Any, c: float) -> float:
    """The sum over the classes of |w|² / 2 + b² / 2 + C Σ max(0, 1 − y s)."""
    signs = np.where(y[:, np.newaxis] == np.arange(len(coef)), 1, -1)
    x, coef, intercept = (np.asarray(array, dtype=np.float64) for array in (x, coef, intercept))
    losses = np.maximum(0, 1 - signs * (x @ coef.T + intercept))
    return float((coef**2).sum() / 2 + (intercept**2).sum() / 2 + c * losses.sum())


def duration(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def circumstances(bench: Bench) -> dict[str, Any]:
    """Where and how the times were measured."""
    processor = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists() and "model name" in (text := cpuinfo.read_text(encoding="utf-8")):
        processor = text.split("model name", 1)[1].splitlines()[0].lstrip("\t :")
    versions = {"fisherlens": fisherlens.__version__, "numpy": np.__version__, "scikit-learn": sklearn.__version__}
    versions |= {NAMES[name]: module.__version__ for name, module in bench.peers.items() if module}
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    facts = {"date": datetime.date.today().isoformat(), "processor": f"{processor}, {os.cpu_count()} cores", "threads": bench.n_jobs}
    return {**facts, "load": load, "python": platform.python_version(), "versions": versions}


def table(rows: list[Row], is_markdown: bool) -> str:
    """The rows as text or as Markdown, with their notes below."""
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    cells = [["work", "fisherlens", "peer", "its time", "ratio", "largest difference", "note"]]
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f} x"
        note = str(notes.index(row.note) + 1) if row.note else ""
        cells.append([row.work, duration(row.ours), row.peer, duration(row.theirs), ratio, row.difference, note])
    if is_markdown:
        cells.insert(1, ["---"] * len(cells[0]))
        lines = ["| " + " | ".join(line) + " |" for line in cells]
    else:
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return "\n".join([*lines, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))])


def arguments() -> argparse.Namespace:
    note = "Times mean little on a machine that does other work. The load is printed with the table."
    parser = argparse.ArgumentParser(description="Times fisherlens beside other Python packages.", epilog=note)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows, by default all: {', '.join(ROWS)}")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for every package (default 1)")
    parser.add_argument("--repeats", type=int, default=10, metavar="N", help="most runs of a call; the best counts (default 10)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="a call is repeated for about this time (default 5)")
    parser.add_argument("--image", type=Path, default=PHOTOGRAPH, metavar="FILE", help="the photograph (default: the astronaut, 500 x 375)")
    parser.add_argument("--quick", action="store_true", help="less work in the rows em and svm, to try the script")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to this file")
    options = parser.parse_args()
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"no row is called {name!r}; the rows are {', '.join(ROWS)}")
    for name in ("threads", "repeats", "seconds"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} is {getattr(options, name)}, expected a number above 0")
    if not options.image.is_file():
        parser.error(f"--image: there is no file {options.image}")
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.resolve().parent}")
    return options


def main() -> None:
    options = arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    bench = Bench(options)
    facts = circumstances(bench)
    rows: list[Row] = []
    for name in options.rows or ROWS:
        for row in getattr(bench, f"{name}_rows")():
            rows.append(row)
            print(f"{row.work}: {duration(row.ours)}, {row.peer}: {duration(row.theirs)}", file=sys.stderr, flush=True)
    print(table(rows, options.markdown))
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    threads = "one thread each" if bench.n_jobs == 1 else f"{bench.n_jobs} threads each"
    print("", f"{facts['date']}, {facts['processor']}, {threads}, load {facts['load']} before the start.", sep="\n")
    print(f"Python {facts['python']}, {versions}.", SUBNORMAL, sep="\n")
    if options.json:
        facts["rows"] = [{**dataclasses.asdict(row), "ratio": row.ratio} for row in rows]
        options.json.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
