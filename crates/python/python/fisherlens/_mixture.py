"""Gaussian mixtures with diagonal covariances."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fisherlens import _native
from fisherlens._arrays import aligned, float32
from fisherlens._checks import number, one_of, whole
from fisherlens._jobs import n_threads
from fisherlens._lists import seed_of

# Posteriors below it have fewer digits, or are 0, in single precision.
_SMALLEST = float(np.finfo(np.float32).tiny)

Parts = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class DiagonalGaussianMixture(DensityMixin, BaseEstimator):
    """Gaussian mixture with diagonal covariances, learned by expectation maximisation (EM).

    .. math:: p(x) = \\sum_k w_k \\, N(x; \\mu_k, \\mathrm{diag}\\, \\sigma_k^2)

    The attributes are those of scikit-learn's ``GaussianMixture(covariance_type="diag")``, so that each can take the place of the other.

    Parameters
    ----------
    n_components : int
        Number of components K.
    tol : float
        EM stops when the log-likelihood changes by less than this share of itself.
    reg_covar : float
        Added to every variance in every step.
    max_iter : int
        Largest number of EM iterations.
    init_params : {"kmeans", "random"}
        The start: k-means on some samples, or random samples as means.
    n_init_samples, n_init_iter : int
        Samples and iterations of k-means.
    relative_variance_floor, absolute_variance_floor : float
        Every variance is at least max(relative · variance of the feature over all samples, absolute).
    posterior_floor : float, optional
        Posteriors below it do not enter the steps; by default 0.01 / K, as in VLFeat. 0 is plain EM.
    weights_init, means_init, precisions_init : array, shapes (K,), (K, n_features) and (K, n_features), optional
        The mixture that EM starts from; all three or none. The precisions are 1 / σ².
    random_state : int, RandomState or None
        For the start. The same number gives the same mixture to the last bit.
    n_jobs : int, optional
        Number of threads. The result does not depend on it.

    Attributes
    ----------
    weights_ : ndarray of float32, shape (K,)
    means_, covariances_ : ndarray of float32, shape (K, n_features_in_)
        The covariances are the variances :math:`\\sigma^2`.
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        The mean log-likelihood of the samples at the end.
    lower_bounds_ : ndarray of float64
        The same at the start and after each iteration.

    References
    ----------
    F. Perronnin, J. Sánchez, T. Mensink, Improving the Fisher kernel for large-scale image classification, ECCV 2010.
    """

    covariance_type = "diag"

    def __init__(
        self,
        n_components: int = 1,
        *,
        tol: float = 1e-5,
        reg_covar: float = 0.0,
        max_iter: int = 100,
        init_params: str = "kmeans",
        n_init_samples: int = 25_600,
        n_init_iter: int = 10,
        relative_variance_floor: float = 1e-4,
        absolute_variance_floor: float = 1e-6,
        posterior_floor: float | None = None,
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.init_params = init_params
        self.n_init_samples = n_init_samples
        self.n_init_iter = n_init_iter
        self.relative_variance_floor = relative_variance_floor
        self.absolute_variance_floor = absolute_variance_floor
        self.posterior_floor = posterior_floor
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> DiagonalGaussianMixture:
        """Learns the mixture from samples (N, n_features)."""
        X = aligned(validate_data(self, X, dtype=np.float32, order="C", ensure_min_samples=2))
        n_components = whole("n_components", self.n_components, 1)
        if len(X) < n_components:
            raise ValueError(f"n_samples = {len(X)} for n_components = {n_components}: give more samples or ask for fewer components")
        found = _native.mixture_fit(
            X,
            n_components,
            whole("max_iter", self.max_iter, 1),
            number("tol", self.tol, 0),
            one_of("init_params", self.init_params, ("kmeans", "random")),
            whole("n_init_samples", self.n_init_samples, 1),
            whole("n_init_iter", self.n_init_iter, 1),
            number("relative_variance_floor", self.relative_variance_floor, 0),
            number("absolute_variance_floor", self.absolute_variance_floor, 0),
            None if self.posterior_floor is None else number("posterior_floor", self.posterior_floor, 0),
            number("reg_covar", self.reg_covar, 0),
            seed_of(self.random_state),
            self._start(n_components, X.shape[1]),
            n_threads(self.n_jobs),
        )
        self.weights_: NDArray[np.float32] = found["weights"]
        self.means_: NDArray[np.float32] = found["means"]
        self.covariances_: NDArray[np.float32] = found["variances"]
        self.converged_: bool = found["converged"]
        self.n_iter_: int = found["n_iter"]
        self.lower_bounds_: NDArray[np.float64] = found["log_likelihoods"]
        self.lower_bound_ = float(self.lower_bounds_[-1])
        if not self.converged_ and self.tol > 0:
            warnings.warn(
                f"EM stopped after {self.n_iter_} iterations, before the log-likelihood changed by less than tol={self.tol}: "
                "raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _start(self, n_components: int, n_features: int) -> Parts | None:
        """The mixture that EM starts from, if the user gave one."""
        given = {name: getattr(self, name) for name in ("weights_init", "means_init", "precisions_init")}
        missing = [name for name, value in given.items() if value is None]
        if len(missing) == 3:
            return None
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing: give weights_init, means_init and precisions_init, or none of them")
        weights, means, precisions = (float32(value, name=name) for name, value in given.items())
        shapes = ((n_components,), (n_components, n_features), (n_components, n_features))
        for name, value, shape in zip(given, (weights, means, precisions), shapes):
            if value.shape != shape:
                raise ValueError(f"{name} has the shape {value.shape}, expected {shape}")
        if not (precisions > 0).all():
            raise ValueError("precisions_init holds a number that is not above 0")
        return weights, means, np.asarray(1 / precisions, dtype=np.float32)

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.intp]:
        """Learns the mixture, and gives the most probable component of each sample."""
        return self.fit(X, y).predict(X)

    def predict(self, X: Any) -> NDArray[np.intp]:
        """The most probable component of each sample, shape (N,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1))

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """The posteriors :math:`\\gamma_k(x)`, shape (N, K)."""
        return _native.mixture_posteriors(self._checked(X), self._parts(), _SMALLEST, n_threads(self.n_jobs))

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """The log-likelihood ln p(x) of each sample, shape (N,)."""
        return _native.mixture_log_likelihood(self._checked(X), self._parts(), n_threads(self.n_jobs))

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log-likelihood of the samples."""
        return float(self.score_samples(X).mean())

    def bic(self, X: Any) -> float:
        """The Bayesian information criterion; lower is better."""
        return -2 * self.score(X) * len(X) + self._n_parameters() * float(np.log(len(X)))

    def aic(self, X: Any) -> float:
        """Akaike's information criterion; lower is better."""
        return -2 * self.score(X) * len(X) + 2 * self._n_parameters()

    def sample(self, n_samples: int = 1) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Draws from the mixture.

        Returns
        -------
        X : ndarray of float32, shape (n_samples, n_features_in_)
        y : ndarray of int, shape (n_samples,)
            The component that each was drawn from, in rising order.
        """
        check_is_fitted(self)
        random = check_random_state(self.random_state)
        weights = self.weights_.astype(np.float64)
        counts = random.multinomial(whole("n_samples", n_samples, 1), weights / weights.sum())
        y = np.repeat(np.arange(len(weights)), counts)
        deviates = random.standard_normal((len(y), self.means_.shape[1]))
        return (self.means_[y] + np.sqrt(self.covariances_[y]) * deviates).astype(np.float32), y

    @property
    def precisions_(self) -> NDArray[np.float32]:
        """1 / σ², shape (K, n_features_in_)."""
        return np.asarray(1 / self.covariances_, dtype=np.float32)

    @property
    def precisions_cholesky_(self) -> NDArray[np.float32]:
        """1 / σ, shape (K, n_features_in_)."""
        return np.asarray(1 / np.sqrt(self.covariances_), dtype=np.float32)

    def _n_parameters(self) -> int:
        n_components, n_features = self.means_.shape
        return int(n_components * (2 * n_features + 1) - 1)

    def _checked(self, X: Any) -> NDArray[np.float32]:
        check_is_fitted(self)
        return aligned(validate_data(self, X, dtype=np.float32, order="C", reset=False))

    def _parts(self) -> Parts:
        return float32(self.weights_, 1, "weights_"), float32(self.means_, 2, "means_"), float32(self.covariances_, 2, "covariances_")
