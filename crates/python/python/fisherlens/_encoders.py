"""Fisher vectors, VLAD and bags of words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fisherlens import _native
from fisherlens._arrays import float32
from fisherlens._checks import number, one_of, whole
from fisherlens._jobs import n_threads
from fisherlens._lists import descriptor_sets, sample
from fisherlens._mixture import DiagonalGaussianMixture, Parts

_NORMALIZATIONS = ("improved", "raw", "power", "l2", "hellinger", "intra")
_ENTRIES = ("weights", "means", "variances")
_LEVEL = re.compile(r"([1-9]|1[0-6])x([1-9]|1[0-6])")


class _Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What the three encoders share."""

    _kind: str
    _n_components = 256
    _takes_centres = False

    mixture: Any
    normalization: str
    pyramid: Sequence[str]
    max_samples: int
    random_state: Any
    n_jobs: int | None

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learns the mixture from a sample of the descriptors: a list of arrays (N_i, n_features)."""
        sets = descriptor_sets(X)
        n = whole("max_samples", self.max_samples, 1)
        random = check_random_state(self.random_state)
        mixture = self.mixture
        if mixture is None:
            mixture = DiagonalGaussianMixture(self._n_components, random_state=random.randint(2**31 - 1), n_jobs=self.n_jobs)
        if not hasattr(mixture, "fit"):
            raise TypeError(f"mixture is {mixture!r}, expected an estimator such as DiagonalGaussianMixture")
        # FrozenEstimator wants a second argument.
        self.mixture_ = clone(mixture).fit(sample(sets, n, random), None)
        self._learn_from(self.mixture_)
        self.n_features_in_ = sets[0].shape[1]
        return self

    def _learn_from(self, mixture: Any) -> None:
        self._parts = _parts_of(mixture, takes_centres=self._takes_centres)
        n_cells, n_components, widths = _native.vector_layout(self._settings(), self._parts)
        self.layout_: dict[str, Any] = {"n_cells": n_cells, "n_components": n_components, "part_widths": widths}

    def transform(self, X: Any, positions: Sequence[Any] | None = None) -> NDArray[np.float32]:
        """One vector per image.

        Parameters
        ----------
        X : list of ndarray, shape (N_i, n_features)
            The descriptors of each image. An image without descriptors gives a vector of zeros.
        positions : list of ndarray, shape (N_i, 2), optional
            Centres of the descriptors as fractions of width and height (:attr:`Described.positions`); a pyramid needs them.

        Returns
        -------
        ndarray of float32, shape (n_images, n_dimensions)
        """
        check_is_fitted(self)
        sets = descriptor_sets(X, self.n_features_in_)
        places = None
        if positions is not None:
            places = descriptor_sets(positions, 2)
            outside = [index for index, one in enumerate(places) if len(one) and not (one.min() >= 0 and one.max() <= 1)]
            if outside:
                raise ValueError(
                    f"positions of image {outside[0]} lie outside of [0, 1], expected fractions of width and height (Described.positions)"
                )
            if [len(one) for one in places] != [len(one) for one in sets]:
                raise ValueError("positions and X differ in the number of images or of descriptors: give one position per descriptor")
        elif self.layout_["n_cells"] > 1:
            raise ValueError(f"pyramid {list(self.pyramid)} needs the positions of the descriptors: transform(X, positions)")
        vectors = _native.encode(sets, places, self._settings(), self._parts, n_threads(self.n_jobs))
        is_finite = np.isfinite(vectors).all(axis=1)
        if not is_finite.all():
            raise ValueError(
                f"descriptors of image {is_finite.argmin()} are so far from the mixture that their vector is not finite: scale them"
            )
        return vectors

    def _settings(self) -> str:
        if isinstance(self.pyramid, str) or not isinstance(self.pyramid, Iterable):
            raise TypeError(f'pyramid is {self.pyramid!r}, expected a sequence of levels such as ("1x1", "3x1")')
        for level in self.pyramid:
            if not isinstance(level, str) or not _LEVEL.fullmatch(level):
                raise ValueError(f'pyramid has {level!r}, expected ROWSxCOLUMNS with numbers from 1 to 16, such as "1x1" or "3x1"')
        if not list(self.pyramid):
            raise ValueError('pyramid is empty, expected at least one level, such as "1x1"')
        settings = {
            "kind": self._kind,
            "parts": list(_ENTRIES),
            "posterior_floor": 1e-4,
            "assignment": "soft",
            "normalization": one_of("normalization", self.normalization, _NORMALIZATIONS),
            "pyramid": list(self.pyramid),
            **self._own_settings(),
        }
        return json.dumps(settings)

    def _own_settings(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def _n_features_out(self) -> int:
        layout = self.layout_
        return int(layout["n_cells"] * layout["n_components"] * sum(layout["part_widths"]))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


class FisherVector(_Encoder):
    """Fisher vectors: the gradient of the log-likelihood of the descriptors with respect to the parameters of a mixture.

    .. math::

        m_{w_k}(l) &= (\\gamma_k(l) - w_k) / \\sqrt{w_k} \\\\
        m_{\\mu_k}(l) &= \\gamma_k(l) \\, \\frac{l - \\mu_k}{\\sigma_k} / \\sqrt{w_k} \\\\
        m_{\\sigma_k}(l) &= \\gamma_k(l) \\left[ \\frac{(l - \\mu_k)^2}{\\sigma_k^2} - 1 \\right] / \\sqrt{2 w_k}

    The vector is the mean of m(l) over the descriptors of the image, all weights first, then all means, then all variances.

    Parameters
    ----------
    mixture : estimator, optional
        A diagonal mixture to learn: :class:`DiagonalGaussianMixture`, or scikit-learn's ``GaussianMixture(covariance_type="diag")``. By
        default 256 components of ours. ``sklearn.frozen.FrozenEstimator(mixture)`` keeps a mixture that is learned already.
    parts : sequence of {"weights", "means", "variances"}
        Parts of the vector. Their order in the vector is this one, in whatever order they are given.
    posterior_floor : float
        Posteriors below it count as 0.
    normalization : {"improved", "raw", "power", "l2", "hellinger", "intra"}
        ``"improved"`` is the signed square root, then length 1 (Eq. 3 of the supplement).
    pyramid : sequence of str
        Levels of a spatial pyramid, ``"ROWSxCOLUMNS"``.
    max_samples : int
        Number of descriptors that the mixture learns from, the same number from each image.
    random_state : int, RandomState or None
        For the choice of the descriptors, and for the start of the default mixture.
    n_jobs : int, optional
        Number of threads. The result does not depend on it.

    Attributes
    ----------
    mixture_ : estimator
        The fitted mixture.
    layout_ : dict
        ``n_cells``, ``n_components`` and ``part_widths``: entries per component in each part.

    Notes
    -----
    The part of the variances has the sign of the formula above, as in the papers and in VLFeat. scikit-image's ``fisher_vector`` has the
    opposite sign there; the rest of it is the same with ``posterior_floor=0`` and ``normalization="raw"`` (or ``"improved"``).

    References
    ----------
    F. Perronnin, J. Sánchez, T. Mensink, ECCV 2010; J. Sánchez et al., IJCV 2013.
    """

    _kind = "fisher-vector"

    def __init__(
        self,
        mixture: Any = None,
        *,
        parts: Sequence[str] = _ENTRIES,
        posterior_floor: float = 1e-4,
        normalization: str = "improved",
        pyramid: Sequence[str] = ("1x1",),
        max_samples: int = 500_000,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mixture = mixture
        self.parts = parts
        self.posterior_floor = posterior_floor
        self.normalization = normalization
        self.pyramid = pyramid
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _own_settings(self) -> dict[str, Any]:
        if isinstance(self.parts, str) or not isinstance(self.parts, Iterable):
            raise TypeError(f'parts is {self.parts!r}, expected a sequence such as ("means", "variances")')
        parts = [one_of("parts", part, _ENTRIES) for part in self.parts]
        if not parts or len(set(parts)) < len(parts):
            raise ValueError(f"parts is {tuple(parts)}, expected one to three different parts")
        return {"parts": parts, "posterior_floor": number("posterior_floor", self.posterior_floor, 0)}


class _Assigned(_Encoder):
    """What VLAD and bags of words share."""

    _takes_centres = True

    def __init__(
        self,
        mixture: Any = None,
        *,
        assignment: str = "hard",
        posterior_floor: float = 1e-4,
        normalization: str = "improved",
        pyramid: Sequence[str] = ("1x1",),
        max_samples: int = 500_000,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mixture = mixture
        self.assignment = assignment
        self.posterior_floor = posterior_floor
        self.normalization = normalization
        self.pyramid = pyramid
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _own_settings(self) -> dict[str, Any]:
        assignment = one_of("assignment", self.assignment, ("hard", "soft"))
        return {"assignment": assignment, "posterior_floor": number("posterior_floor", self.posterior_floor, 0)}


class Vlad(_Assigned):
    """Vectors of locally aggregated descriptors: the mean of :math:`\\gamma_k(l) (l - \\mu_k)` over the descriptors.

    Parameters
    ----------
    mixture : estimator, optional
        A diagonal mixture, or a clustering with ``cluster_centers_`` such as scikit-learn's ``KMeans``; by default 64 components of
        :class:`DiagonalGaussianMixture`.
    assignment : {"hard", "soft"}
        Whether a descriptor belongs to the most probable component (the nearest centre of a clustering), or to several.
    posterior_floor, normalization, pyramid, max_samples, random_state, n_jobs
        See :class:`FisherVector`.

    References
    ----------
    H. Jégou, M. Douze, C. Schmid, P. Pérez, Aggregating local descriptors into a compact image representation, CVPR 2010.
    """

    _kind = "vlad"
    _n_components = 64


class BagOfWords(_Assigned):
    """Bags of visual words: the share :math:`\\gamma_k` of the descriptors that belongs to each component.

    Parameters
    ----------
    mixture : estimator, optional
        See :class:`Vlad`; by default 256 components.
    assignment, posterior_floor, normalization, pyramid, max_samples, random_state, n_jobs
        See :class:`Vlad`.

    References
    ----------
    G. Csurka et al., Visual categorization with bags of keypoints, ECCV workshop 2004.
    """

    _kind = "bag-of-words"


def _parts_of(mixture: Any, *, takes_centres: bool) -> Parts:
    """Weights, means and variances of a fitted mixture of anybody."""
    if all(hasattr(mixture, name) for name in ("weights_", "means_", "covariances_")):
        means, variances = float32(mixture.means_, 2, "means_"), float32(mixture.covariances_, name="covariances_")
        if variances.shape != means.shape or getattr(mixture, "covariance_type", "diag") != "diag":
            raise ValueError(
                f"the mixture has covariances of shape {variances.shape} for means of shape {means.shape}: expected a diagonal mixture, "
                'covariance_type="diag"'
            )
        return float32(mixture.weights_, 1, "weights_"), means, variances
    if takes_centres and hasattr(mixture, "cluster_centers_"):
        # With equal weights and variances the most probable component is the nearest centre.
        means = float32(mixture.cluster_centers_, 2, "cluster_centers_")
        return np.full(len(means), 1 / len(means), dtype=np.float32), means, np.ones_like(means)
    raise TypeError(
        f"{type(mixture).__name__} has no weights_, means_ and covariances_: expected a Gaussian mixture with diagonal covariances"
    )
