"""Times other Python packages on arrays that `cargo xtask bench` wrote.

Usage: python3 peers.py FOLDER NAME REPEATS SECONDS

Reads FOLDER/*.npy and prints one line of JSON: {"name", "best", "median", "repeats", "built_with", "note"}, or {"name", "missing"} if a
package is not installed. The note says in what the work differs from ours. Uses one thread.
"""
import json
import os
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version

folder, name, repeats, allowed = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


def answer(**values):
    print(json.dumps({"name": name, **values}), flush=True)
    sys.exit(0)


try:
    import numpy as np
except ImportError:
    answer(missing="numpy")
try:
    import threadpoolctl
except ImportError:
    threadpoolctl = None  # the environment variables already set one thread
warnings.filterwarnings("ignore")


def load(what):
    return np.load(os.path.join(folder, what + ".npy"))


def mixture():
    return load("weights"), load("means"), load("variances")


def log_density_matrix(weights, means, variances):
    """ln w N(x; m, v) = [x, x^2] . A + b, as one matrix product."""
    inverse = 1 / variances.astype("f8")
    matrix = np.concatenate([(means * inverse).T, (-0.5 * inverse).T], 0).astype("f4")
    constants = np.log(weights) - 0.5 * (np.log(2 * np.pi * variances).sum(1) + (means * means * inverse).sum(1))
    return matrix, constants.astype("f4")


def fisher_vector(x, weights, means, variances, matrix, constants):
    """Fisher vector without normalisation by two matrix products; also returns the posteriors and [x, x^2]."""
    n, d = x.shape
    both = np.concatenate([x, x * x], 1)
    posteriors = both @ matrix
    posteriors += constants
    posteriors -= posteriors.max(1, keepdims=True)
    np.exp(posteriors, out=posteriors)
    posteriors /= posteriors.sum(1, keepdims=True)
    mass = posteriors.sum(0)
    sums = posteriors.T @ both
    first, second = sums[:, :d], sums[:, d:]
    deviations, roots, mass_ = np.sqrt(variances), np.sqrt(weights)[:, None], mass[:, None]
    by_weight = (mass - n * weights) / np.sqrt(weights) / n
    by_mean = (first - means * mass_) / (deviations * roots * n)
    by_variance = (second - 2 * means * first + means * means * mass_ - variances * mass_) / (
        variances * roots * np.sqrt(2) * n
    )
    return by_weight, by_mean, by_variance, posteriors, both


def relevance(x, weights, means, variances, of_dimensions, matrix, constants, epsilon):
    """Epsilon rule in matrix form: the bracket of each component is linear in [x, x^2]."""
    n, d = x.shape
    k = len(means)
    by_weight, by_mean, by_variance, posteriors, both = fisher_vector(x, weights, means, variances, matrix, constants)

    def share(relevance, value):
        return relevance / (value + epsilon * np.where(value >= 0, 1, -1))

    of_weight = share(of_dimensions[:k], by_weight)
    of_mean = share(of_dimensions[k : k + k * d].reshape(k, d), by_mean)
    of_variance = share(of_dimensions[k + k * d :].reshape(k, d), by_variance)
    deviations, roots = np.sqrt(variances), np.sqrt(weights)[:, None]
    square = of_variance / (np.sqrt(2) * roots * variances)
    linear = of_mean / (deviations * roots) - 2 * means * square
    constant = (-of_mean * means / (deviations * roots)).sum(1) + ((means * means - variances) * square).sum(1)
    constant = (constant + of_weight / np.sqrt(weights)) / n
    brackets = both @ (np.concatenate([linear.T, square.T], 0).astype("f4") / n)
    brackets += constant.astype("f4")
    return np.einsum("lk,lk->l", posteriors, brackets) - (of_weight * np.sqrt(weights)).sum() / n


def sklearn_mixture():
    """The mixture in single precision."""
    from sklearn.mixture import GaussianMixture

    made = GaussianMixture(len(load("weights")), covariance_type="diag")
    made.weights_, made.means_, made.covariances_ = mixture()
    made.precisions_cholesky_ = 1 / np.sqrt(made.covariances_)
    return made


def frames():
    """x, y and bin size of our descriptors."""
    return load("frames").tolist()


def dense_sift(package):
    gray = load("gray")
    if package == "opencv":
        import cv2

        cv2.setNumThreads(1)
        # A spatial bin of OpenCV is 1.5 times as wide as the size of the keypoint.
        points = [cv2.KeyPoint(x, y, bin_size / 1.5, 0.0) for x, y, bin_size in frames()]
        image = (255 * gray).round().astype("u1")
        sift = cv2.SIFT_create()
        note = "Gaussian window, another smoothing, 8 bits; the making of the keypoints is not counted"
        return lambda: sift.compute(image, points), note
    if package == "kornia":
        import torch
        from kornia.feature import DenseSIFTDescriptor

        torch.set_num_threads(1)
        image = torch.tensor(gray)[None, None]
        step, sizes = int(load("step")), load("bin_sizes").tolist()
        sifts = [DenseSIFTDescriptor(spatial_bin_size=size, stride=step, padding=0) for size in sizes]

        def run():
            with torch.no_grad():
                return [sift(image) for sift in sifts]

        return run, "without smoothing for each bin size"
    import cyvlfeat.sift

    note = "VLFeat behind Python; smoothing by scipy, a window of 2 bins in place of 1.5"
    return lambda: cyvlfeat.sift.phow(gray, step=int(load("step")), float_descriptors=True), note


def other_vector(package):
    x, (weights, means, variances) = load("projected"), mixture()
    if package == "scikit-image":
        from skimage.feature import fisher_vector

        theirs = sklearn_mixture()
        return lambda: fisher_vector(x, theirs, improved=True), "every posterior counts"
    import cyvlfeat.fisher

    return lambda: cyvlfeat.fisher.fisher(x, means, variances, weights, improved=True), "VLFeat behind Python; without the part of the weights"


# These programs take minutes per class, so that only some classes are timed, once, and their time is multiplied.
CLASSES_OF_OTHERS = 1


def other_svm(package):
    x, targets = load("vectors"), load("targets")
    if package == "liblinear":
        from sklearn.svm import LinearSVC

        def train(column):
            LinearSVC(C=10, loss="hinge", dual=True, tol=1e-3, max_iter=10_000).fit(x, column)

        note = "its tolerance of 1e-3 is not the duality gap; the bias is regularised"
    elif package == "liblinear-multicore":
        from liblinear.liblinearutil import train as learn

        # The loss without a square needs -s 3; the number of threads is one.
        def train(column):
            learn(column.astype("f8"), x.astype("f8"), "-s 3 -c 10 -e 0.001 -B 1 -m 1 -q")

        note = "double precision and its own copy of the vectors; its tolerance is not the duality gap; the bias is regularised"
    else:
        from snapml import SupportVectorMachine

        def train(column):
            SupportVectorMachine(regularizer=0.1, tol=1e-3, n_jobs=1, max_iter=1000).fit(x, column)

        note = "its tolerance is not the duality gap"

    def run():
        for column in targets.T[:CLASSES_OF_OTHERS]:
            train(column)

    return run, f"the time of one class times {targets.shape[1]}; {note}"


def k_means(package):
    x, start, steps = load("sample"), load("start_means"), int(load("steps"))
    if package == "faiss":
        import faiss

        faiss.omp_set_num_threads(1)

        def run():
            clustering = faiss.Clustering(x.shape[1], len(start))
            clustering.niter, clustering.max_points_per_centroid = steps, 1 << 30
            index = faiss.IndexFlatL2(x.shape[1])
            faiss.copy_array_to_vector(np.ascontiguousarray(start).ravel(), clustering.centroids)
            clustering.train(x, index)

        return run, "the distances as a product, in single precision"
    from sklearn.cluster import KMeans

    return lambda: KMeans(len(start), init=start, n_init=1, max_iter=steps, tol=0, algorithm="lloyd").fit(x), ""


def prepare():
    """The work that is timed, the package that does it, and in what the work differs from ours."""
    work, _, package = name.partition(":")
    of_package = {"sift": dense_sift, "fisher": other_vector, "svm": other_svm, "k-means": k_means}
    if package:
        run, note = of_package[work](package)
        return run, package, note
    return (*timed(), "")


def timed():
    """The work that is timed, and the package that does it."""
    if name == "projection":
        x, components = load("descriptors"), load("components")
        out = np.empty((len(x), len(components)), "f4")
        return lambda: np.matmul(x, components.T, out=out), "numpy"
    if name == "fisher-vector":
        x, parts = load("projected"), mixture()
        product = log_density_matrix(*parts)
        return lambda: fisher_vector(x, *parts, *product), "numpy"
    if name == "relevance":
        x, parts, of_dimensions = load("projected"), mixture(), load("of_dimensions")
        product = log_density_matrix(*parts)
        # Our rule adds epsilon to sums over descriptors; here it is added to means, so it is divided by their number.
        epsilon = 100 / len(x)
        return lambda: relevance(x, *parts, of_dimensions, *product, epsilon), "numpy"
    if name == "em":
        from sklearn.mixture import GaussianMixture

        x, means, variances = load("sample"), load("start_means"), load("start_variances")
        steps = 10

        def fit():
            GaussianMixture(
                len(means),
                covariance_type="diag",
                max_iter=steps,
                tol=0,
                means_init=means,
                weights_init=np.full(len(means), 1 / len(means), "f4"),
                precisions_init=1 / variances,
                init_params="random_from_data",
            ).fit(x)

        return fit, "scikit-learn"
    if name == "svm":
        from sklearn.svm import SVC

        x, targets = load("vectors"), load("targets")

        def train():
            gram = (x @ x.T).astype("f8")
            for column in targets.T:
                SVC(kernel="precomputed", C=10, tol=1e-3, cache_size=500).fit(gram, column)

        return train, "scikit-learn"
    raise SystemExit(f"unknown work: {name}")


DISTRIBUTIONS = {"opencv": "opencv-python-headless", "faiss": "faiss-cpu", "liblinear": "scikit-learn"}


def built_with(package):
    versions = ["numpy " + np.__version__]
    if package != "numpy":
        distribution = DISTRIBUTIONS.get(package, package)
        try:
            versions.insert(0, f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            versions.insert(0, f"{package}, installed under another name")
    if package in ("numpy", "scikit-learn") and threadpoolctl is not None:
        for pool in threadpoolctl.threadpool_info():
            if pool.get("user_api") == "blas" and "numpy" in (pool.get("filepath") or ""):
                versions.append("{internal_api} {version} {architecture}".format(**{"architecture": "", **pool}))
    return "; ".join(versions)


try:
    work, package, note = prepare()
except ImportError as error:
    answer(missing=error.name or "scikit-learn")


def run():
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def measure():
    first = run()
    runs = [first] if first > allowed / 4 else []
    spent = first
    while len(runs) < repeats or (not runs) or (repeats == 0 and spent + first < allowed and len(runs) < 100):
        seconds = run()
        spent += seconds
        runs.append(seconds)
    return sorted(runs)


if threadpoolctl is not None:
    with threadpoolctl.threadpool_limits(1):
        runs = measure()
else:
    runs = measure()
if name.startswith("svm:"):
    runs = [seconds * load("targets").shape[1] / CLASSES_OF_OTHERS for seconds in runs]
answer(best=runs[0], median=runs[len(runs) // 2], repeats=len(runs), built_with=built_with(package), note=note)
