"""Times numpy, scikit-learn and libsvm on arrays that `cargo xtask bench` wrote.

Usage: python3 peers.py FOLDER NAME REPEATS SECONDS

Reads FOLDER/*.npy and prints one line of JSON: {"name", "best", "median", "repeats", "built_with"}, or {"name", "missing"} if a
package is not installed. Uses one thread.
"""
import json
import os
import sys
import time
import warnings

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


def prepare():
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


def built_with(package):
    versions = ["numpy " + np.__version__]
    if package == "scikit-learn":
        import sklearn

        versions.insert(0, "scikit-learn " + sklearn.__version__)
    if threadpoolctl is not None:
        for pool in threadpoolctl.threadpool_info():
            if pool.get("user_api") == "blas" and "numpy" in (pool.get("filepath") or ""):
                versions.append("{internal_api} {version} {architecture}".format(**{"architecture": "", **pool}))
    return "; ".join(versions)


try:
    work, package = prepare()
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
answer(best=runs[0], median=runs[len(runs) // 2], repeats=len(runs), built_with=built_with(package))
