"""The numbers are those of the golden files, which other programs computed; tests/golden/README.md says how."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture

from conftest import GOLDEN, Array
from fisherlens import DenseSift, Described, DiagonalGaussianMixture, FisherVector, LinearSvm, Pca

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden files are not part of the package"),
]


def golden(name: str) -> dict[str, Array]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def mixture_of(weights: Array, means: Array, variances: Array) -> DiagonalGaussianMixture:
    """A mixture with these parameters."""
    mixture = DiagonalGaussianMixture(len(weights))
    mixture.weights_, mixture.means_, mixture.covariances_ = weights, means, variances
    mixture.n_features_in_ = means.shape[1]
    return mixture


def encoder_of(mixture: DiagonalGaussianMixture, **options: Any) -> FisherVector:
    """A Fisher vector on a learned mixture."""
    rows = np.zeros((1, mixture.means_.shape[1]), dtype=np.float32)
    return FisherVector(FrozenEstimator(mixture), **options).fit([rows])


def relative_difference(found: Array, expected: Array) -> float:
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.fixture(scope="module", params=["flat", "gaussian"])
def camera(request: pytest.FixtureRequest) -> tuple[Described, dict[str, Array]]:
    """The descriptors of the photograph, and those of VLFeat."""
    name = {"flat": "dense_sift_flat_camera", "gaussian": "dense_sift_gauss_camera"}[request.param]
    [found] = DenseSift(window=request.param, low_contrast="keep").describe([GOLDEN / "camera.png"])
    return found, golden(name)


def test_dense_sift_has_the_frames_of_vlfeat(camera: tuple[Described, dict[str, Array]]) -> None:
    found, expected = camera
    frames = np.stack([found.frames["x"], found.frames["y"], found.frames["bin_size"]], axis=1)
    assert found.size == (375, 500)
    assert found.descriptors.shape == (73_866, 128)
    np.testing.assert_array_equal(frames, expected["xyb"])


def test_dense_sift_has_the_values_of_vlfeat(camera: tuple[Described, dict[str, Array]]) -> None:
    found, expected = camera
    differences = np.abs(found.descriptors[expected["idx"]] - expected["descr"])
    assert differences.max() < 0.02
    assert differences.mean() < 3e-4


def test_dense_sift_has_the_contrast_of_vlfeat(camera: tuple[Described, dict[str, Array]]) -> None:
    found, expected = camera
    # The file has all contrasts for the flat window, and some for the other.
    is_flat = len(expected["norm"]) == len(found.frames)
    norms = found.frames["norm"] if is_flat else found.frames["norm"][expected["idx"]]
    np.testing.assert_allclose(norms, expected["norm"], rtol=0.012)
    assert (norms < 0.005).sum() == (expected["norm"] < 0.005).sum()


def test_dense_sift_zeroes_the_descriptors_that_vlfeat_zeroes() -> None:
    places, expected = golden("phow_u8_camera")["xyb"], golden("fisher_vector_camera")
    [found] = DenseSift().describe([GOLDEN / "camera.png"])
    frames = found.frames
    # MATLAB goes through x first, and counts from 1.
    order = np.lexsort((frames["y"], frames["x"], frames["bin_size"]))
    in_order = np.stack([frames["x"] + 1, frames["y"] + 1, frames["bin_size"]], axis=1)[order]
    np.testing.assert_array_equal(in_order, places)
    values = found.descriptors[order]
    is_zero = expected["zero"] == 1
    np.testing.assert_array_equal(~values.any(axis=1), is_zero)
    # VLFeat's form of 8 bits.
    bytes_found = np.minimum(512 * values[~is_zero], 255).astype(np.uint8)
    differences = np.abs(bytes_found.astype(np.int16) - expected["descr"])
    assert differences.max() <= 8
    assert differences.sum() / values.size < 0.12


def test_pca_is_that_of_numpy_in_double_precision() -> None:
    expected = golden("pca_camera")
    pca = Pca(10).fit(expected["x"])
    np.testing.assert_allclose(pca.mean_, expected["mean"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(pca.components_, expected["axes"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(pca.explained_variance_, expected["variances"], rtol=1e-6)
    np.testing.assert_allclose(pca.transform(expected["x"][:40]), expected["projected"], rtol=0, atol=5e-4)


@pytest.mark.parametrize(
    ("name", "posteriors", "tolerance"),
    [("vlgmm10", "vlgmm10_post", 2e-5), ("vlgmm10", "sk_post", 5e-6), ("vlgmm50", "vlgmm50_post", 2e-5)],
)
def test_posteriors_and_log_likelihood_are_those_of_both_programs(name: str, posteriors: str, tolerance: float) -> None:
    file = golden("small_gmm")
    mixture = mixture_of(*(file[f"{name}_{part}"] for part in ("priors", "means", "covs")))
    np.testing.assert_allclose(mixture.predict_proba(file["X"]), file[posteriors], rtol=0, atol=tolerance)
    np.testing.assert_allclose(mixture.score_samples(file["X"]).sum(), file[f"{name}_ll"], rtol=1e-7)
    np.testing.assert_allclose(mixture.score(file["X"]) * 3000, file[f"{name}_ll"], rtol=1e-7)


def fitted_from_start(file: dict[str, Array], **options: Any) -> DiagonalGaussianMixture:
    start = {
        "weights_init": file["init_priors"],
        "means_init": file["init_means"],
        "precisions_init": 1 / file["init_covs"].astype(np.float64),
    }
    mixture = DiagonalGaussianMixture(8, relative_variance_floor=0, **start, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(file["X"])


def assert_mixture(found: DiagonalGaussianMixture, file: dict[str, Array], name: str, tolerance: float) -> None:
    for attribute, part in (("weights_", "priors"), ("means_", "means"), ("covariances_", "covs")):
        expected = file[f"{name}_{part}"]
        np.testing.assert_allclose(getattr(found, attribute), expected, rtol=0, atol=tolerance)


def test_ten_plain_steps_of_em_are_those_of_scikit_learn() -> None:
    file = golden("small_gmm")
    found = fitted_from_start(file, max_iter=10, tol=0, posterior_floor=0, absolute_variance_floor=0)
    assert (found.n_iter_, len(found.lower_bounds_), found.converged_) == (10, 11, False)
    assert_mixture(found, file, "skgmm10", 1e-5)


@pytest.mark.parametrize(("limit", "n_iter"), [(1, 1), (5, 5), (10, 10), (50, 15)])
def test_steps_of_em_with_a_posterior_floor_are_those_of_vlfeat(limit: int, n_iter: int) -> None:
    file = golden("small_gmm")
    found = fitted_from_start(file, max_iter=limit, absolute_variance_floor=1e-6)
    assert (found.n_iter_, found.converged_) == (n_iter, limit == 50)
    assert_mixture(found, file, f"vlgmm{limit}", 3e-5)
    np.testing.assert_allclose(found.lower_bound_ * 3000, file[f"vlgmm{limit}_ll"], rtol=1e-6)


@pytest.mark.parametrize(("normalization", "tolerance"), [("raw", 1e-5), ("improved", 5e-5)])
def test_fisher_vector_is_that_of_vlfeat(normalization: str, tolerance: float) -> None:
    file = golden("small_fisher_vector")
    mixture = mixture_of(file["weights"], file["means"], file["variances"])
    parts = ("means", "variances")
    encoder = encoder_of(mixture, parts=parts, posterior_floor=1e-6, normalization=normalization)
    assert relative_difference(encoder.transform([file["x"]])[0], file[f"vlfeat_{normalization}"]) <= tolerance


@pytest.mark.parametrize(("normalization", "tolerance"), [("raw", 1e-5), ("improved", 5e-5)])
def test_fisher_vector_is_that_of_scikit_image_with_the_other_sign(normalization: str, tolerance: float) -> None:
    file = golden("small_fisher_vector")
    mixture = mixture_of(file["weights"], file["means"], file["variances"])
    [found] = encoder_of(mixture, posterior_floor=0, normalization=normalization).transform([file["x"]])
    expected = file[f"scikit_{normalization}"]
    assert relative_difference(found[:136], expected[:136]) <= tolerance
    assert relative_difference(found[136:], -expected[136:]) <= tolerance


@pytest.mark.parametrize("is_improved", [False, True])
def test_the_function_of_scikit_image_differs_only_in_the_sign_of_the_variances(is_improved: bool) -> None:
    feature = pytest.importorskip("skimage.feature")
    file = golden("small_fisher_vector")
    ours = mixture_of(file["weights"], file["means"], file["variances"])
    theirs = GaussianMixture(8, covariance_type="diag")
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_", "n_features_in_"):
        value = getattr(ours, name)
        setattr(theirs, name, value if isinstance(value, int) else value.astype(np.float64))
    x = file["x"][:500]
    expected = feature.fisher_vector(x.astype(np.float64), theirs, improved=is_improved)
    normalization = "improved" if is_improved else "raw"
    [found] = encoder_of(ours, posterior_floor=0, normalization=normalization).transform([x])
    # Their scale is ours: the mean over the descriptors, divided by the roots of the Fisher information.
    for part, sign in ((slice(0, 8), 1), (slice(8, 136), 1), (slice(136, 264), -1)):
        assert np.abs(expected[part]).max() > 1e-3
        np.testing.assert_allclose(found[part], sign * expected[part], rtol=0, atol=2e-5 * np.abs(expected).max())


def test_fisher_vector_of_a_photograph_is_that_of_vlfeat() -> None:
    file = golden("fisher_vector_camera")
    x = np.zeros((73_866, 80), dtype=np.float32)
    x[file["zero"] == 0] = file["descr"].astype(np.float32) @ file["proj"].T
    mixture = mixture_of(file["weights"], file["means"], file["variances"])
    for normalization, tolerance in (("raw", 3e-4), ("improved", 1.5e-4)):
        options = {"parts": ("means", "variances"), "posterior_floor": 1e-6, "normalization": normalization}
        [found] = encoder_of(mixture, n_jobs=-1, **options).transform([x])
        assert relative_difference(found, file[normalization]) <= tolerance


@pytest.mark.parametrize("C", [1, 10])
@pytest.mark.parametrize(
    ("loss", "name"),
    [("hinge", "linearsvc_hinge"), ("squared_hinge", "linearsvc_sqhinge"), ("squared_hinge", "liblinear_s2_B1")],
)
def test_svm_is_that_of_liblinear_and_scikit_learn(loss: str, name: str, C: float) -> None:
    file = golden("small_svm")
    x, y, reference = file["X"].astype(np.float64), file["y"], file[f"{name}_C{C}"]
    svm = LinearSvm(C, loss=loss, tol=1e-10, max_iter=100_000, random_state=0).fit(x, y)

    def objective(w: Array, b: float) -> float:
        slack = np.maximum(1 - y * (x @ w + b), 0)
        return float(0.5 * (w @ w + b * b) + C * (slack if loss == "hinge" else slack**2).sum())

    expected = objective(reference[:50], reference[50])
    assert abs(objective(svm.coef_[0].astype(np.float64), float(svm.intercept_[0])) - expected) <= 1e-6 * expected
    np.testing.assert_allclose(svm.decision_function(x), x @ reference[:50] + reference[50], rtol=0, atol=1e-4)


@pytest.mark.parametrize("C", [1, 10])
def test_svm_with_a_large_bias_feature_is_that_of_libsvm(C: float) -> None:
    file = golden("small_svm")
    reference = file[f"libsvm_precomp_C{C}"]
    svm = LinearSvm(C, intercept_scaling=5, tol=1e-6, max_iter=100_000, random_state=0).fit(file["X"], file["y"])
    expected = file["X"] @ reference[:50] + reference[50]
    np.testing.assert_allclose(svm.decision_function(file["X"]), expected, rtol=0, atol=5e-4)
