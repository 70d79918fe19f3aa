"""Dense SIFT, PCA, and transformers of one array per image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_array, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from fisherlens import _native
from fisherlens._arrays import aligned
from fisherlens._checks import flag, number, one_of, whole
from fisherlens._checks import max_side as checked_side
from fisherlens._explanation import frames_of
from fisherlens._images import Image, prepare_all
from fisherlens._jobs import n_threads
from fisherlens._lists import Descriptors, descriptor_sets, sample


@dataclass(frozen=True, eq=False)
class Described:
    """The descriptors of one image and where they lie.

    Attributes
    ----------
    descriptors : ndarray of float32, shape (N, 128)
        The descriptors.
    frames : structured ndarray, shape (N,)
        Fields ``x``, ``y`` (centre in pixels), ``bin_size`` and ``norm`` (contrast).
    size : (int, int)
        Height and width of the image, after it was shrunk to ``max_side``.
    """

    descriptors: NDArray[np.float32]
    frames: NDArray[np.void]
    size: tuple[int, int]

    @property
    def positions(self) -> NDArray[np.float32]:
        """Centres as fractions of width and height, shape (N, 2), for spatial pyramids."""
        height, width = self.size
        return np.stack([self.frames["x"] / width, self.frames["y"] / height], axis=1).astype(np.float32)


class DenseSift(TransformerMixin, BaseEstimator):
    """Dense SIFT at several sizes, as VLFeat's ``vl_phow`` computes it.

    A transformer of images into one array of descriptors per image. It learns nothing.

    Parameters
    ----------
    bin_sizes : sequence of int
        Widths of a spatial bin in pixels. A descriptor is 4 bins wide and high.
    step : int
        Pixels between neighbouring descriptors.
    window : {"flat", "gaussian"}
        ``"flat"`` is the fast form of VLFeat, ``"gaussian"`` that of Lowe.
    contrast_threshold : float
        Descriptors with less contrast are flat.
    low_contrast : {"zero", "drop", "keep"}
        What happens to flat descriptors: they become zeros, are left out, or are kept.
    root_sift : bool
        Whether each descriptor becomes the square root of itself with ℓ1 norm 1.
    max_side : int or None
        Larger images are shrunk so that their longer side has this number of pixels.
    n_jobs : int, optional
        Number of threads. The result does not depend on it.

    Notes
    -----
    An image of 500 × 375 pixels has some 74,000 descriptors with the default settings, which are 38 MB. Use a larger ``step`` for
    thousands of images in memory, or :meth:`fisherlens.Model.train`, which keeps few of them at a time.

    References
    ----------
    D. Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004; A. Vedaldi, B. Fulkerson, VLFeat, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fisherlens import DenseSift
    >>> image = np.random.default_rng(0).random((60, 80))
    >>> [descriptors] = DenseSift(bin_sizes=(4,), step=8).fit_transform([image])
    >>> descriptors.shape
    (54, 128)
    """

    def __init__(
        self,
        bin_sizes: Sequence[int] = (4, 6, 8, 10),
        *,
        step: int = 3,
        window: str = "flat",
        contrast_threshold: float = 0.005,
        low_contrast: str = "zero",
        root_sift: bool = False,
        max_side: int | None = _native.DEFAULT_MAX_SIDE,
        n_jobs: int | None = None,
    ) -> None:
        self.bin_sizes = bin_sizes
        self.step = step
        self.window = window
        self.contrast_threshold = contrast_threshold
        self.low_contrast = low_contrast
        self.root_sift = root_sift
        self.max_side = max_side
        self.n_jobs = n_jobs

    def fit(self, X: Any = None, y: Any = None) -> DenseSift:
        """Checks the parameters."""
        self._settings()
        return self

    def transform(self, X: Iterable[Image]) -> Descriptors:
        """The descriptors of each image.

        Parameters
        ----------
        X : list of images
            Paths, bytes of files, PIL images, or arrays (height, width) or (height, width, 3) of uint8 or of floats in [0, 1].

        Returns
        -------
        list of ndarray of float32, shape (N_i, 128)
            N_i is 0 for an image that is too small.
        """
        return [descriptors for descriptors, _ in self._pairs(X)]

    def describe(self, X: Iterable[Image]) -> list[Described]:
        """Like :meth:`transform`, with the places of the descriptors."""
        return [Described(descriptors, frames_of(places), places["size"]) for descriptors, places in self._pairs(X)]

    def _pairs(self, X: Iterable[Image]) -> list[tuple[NDArray[np.float32], dict[str, Any]]]:
        return _native.dense_sift(prepare_all(X), self._settings(), checked_side(self.max_side), n_threads(self.n_jobs))

    def _settings(self) -> str:
        if isinstance(self.bin_sizes, (str, bytes)) or not isinstance(self.bin_sizes, Iterable):
            raise TypeError(f"bin_sizes is {self.bin_sizes!r}, expected a sequence of whole numbers such as (4, 6, 8, 10)")
        bin_sizes = [whole("bin_sizes", size, 1) for size in self.bin_sizes]
        if any(size > 1024 for size in bin_sizes):
            raise ValueError(f"bin_sizes has {max(bin_sizes)}, expected bin sizes from 1 to 1024 pixels")
        settings = {
            "kind": "dense-sift",
            "bin_sizes": bin_sizes,
            "step": whole("step", self.step, 1),
            "window": one_of("window", self.window, ("flat", "gaussian")),
            "contrast_threshold": number("contrast_threshold", self.contrast_threshold, 0),
            "low_contrast": one_of("low_contrast", self.low_contrast, ("zero", "drop", "keep")),
            "root_sift": "on" if flag("root_sift", self.root_sift) else "off",
        }
        return json.dumps(settings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def set_output(self, *, transform: Any = None) -> DenseSift:
        """No effect: a list of arrays has no other container. Pipelines call it for all their steps."""
        return self


class Pca(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Principal component analysis with sums in double precision, for float32 data.

    .. math:: z = A (x - \\mu)

    Parameters
    ----------
    n_components : int, optional
        Number of dimensions after the projection; by default as many as before it.
    whiten : bool
        Whether each axis is divided by the standard deviation along it.

    Attributes
    ----------
    mean_ : ndarray of float32, shape (n_features_in_,)
    components_ : ndarray of float32, shape (n_components_, n_features_in_)
        The axes in the order of falling variance, each of length 1. The largest entry of each axis is positive.
    explained_variance_ : ndarray of float32, shape (n_components_,)
        Variance along each axis, with denominator N − 1.
    n_components_, n_features_in_ : int

    Notes
    -----
    scikit-learn's ``PCA`` gives the same axes up to their signs. The time grows with the third power of the number of features: this PCA is
    for descriptors, not for Fisher vectors.
    """

    def __init__(self, n_components: int | None = None, *, whiten: bool = False) -> None:
        self.n_components = n_components
        self.whiten = whiten

    def fit(self, X: Any, y: Any = None) -> Pca:
        """Learns the projection from samples (N, n_features), N ≥ 2."""
        X = aligned(validate_data(self, X, dtype=np.float32, order="C", ensure_min_samples=2))
        n_components = X.shape[1] if self.n_components is None else whole("n_components", self.n_components, 1)
        self.mean_, self._projection, self.explained_variance_ = _native.pca_fit(X, n_components, flag("whiten", self.whiten))
        self.components_ = unit_rows(self._projection)
        self.n_components_ = n_components
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The projection (N, n_components_) of samples (N, n_features)."""
        check_is_fitted(self)
        X = aligned(validate_data(self, X, dtype=np.float32, order="C", reset=False))
        return _native.pca_transform(X, (self.mean_, self._projection, self.explained_variance_))

    def inverse_transform(self, X: Any) -> NDArray[np.float32]:
        """The samples (N, n_features) whose projections are X (N, n_components_), without what the projection has lost."""
        check_is_fitted(self)
        X = check_array(X, dtype=np.float32)
        if X.shape[1] != self.n_components_:
            raise ValueError(f"X has {X.shape[1]} columns, expected the projections on {self.n_components_} axes")
        projection = self._projection.astype(np.float64)
        back = projection / (projection**2).sum(axis=1, keepdims=True)
        return np.asarray(X @ back + self.mean_, dtype=np.float32)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def unit_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows, each divided by its length."""
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(matrix / lengths, dtype=np.float32)


class PerImage(TransformerMixin, BaseEstimator):
    """Applies a transformer of matrices to the descriptors of each image.

    It learns the transformer from a sample of the rows of all images, and transforms the array of each image.

    Parameters
    ----------
    transformer : estimator
        For example :class:`Pca` or scikit-learn's ``PCA``.
    max_samples : int
        Number of rows that it learns from, the same number from each image.
    random_state : int, RandomState or None
        For the choice of the rows.
    n_jobs : int, optional
        Number of threads for :meth:`transform`.

    Attributes
    ----------
    transformer_ : estimator
        The fitted transformer.
    """

    def __init__(self, transformer: Any, *, max_samples: int = 500_000, random_state: Any = None, n_jobs: int | None = None) -> None:
        self.transformer = transformer
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> PerImage:
        """Learns the transformer from a list of arrays (N_i, n_features)."""
        sets = descriptor_sets(X)
        n = whole("max_samples", self.max_samples, 1)
        if not hasattr(self.transformer, "fit") or not hasattr(self.transformer, "transform"):
            raise TypeError(f"transformer is {self.transformer!r}, expected an estimator with fit and transform")
        rows = sample(sets, n, check_random_state(self.random_state))
        # FrozenEstimator wants a second argument.
        self.transformer_ = clone(self.transformer).fit(rows, None)
        self.n_features_in_ = sets[0].shape[1]
        return self

    def transform(self, X: Any) -> list[NDArray[Any]]:
        """The transformed array of each image."""
        check_is_fitted(self)
        sets = descriptor_sets(X, self.n_features_in_)
        jobs = Parallel(n_jobs=n_threads(self.n_jobs), prefer="threads")
        return list(jobs(delayed(self._transform)(one) for one in sets))

    def _transform(self, one: NDArray[np.float32]) -> NDArray[Any]:
        if len(one) == 0:
            # Most transformers refuse an array without rows. One made of zeros tells the number of columns.
            return np.asarray(self.transformer_.transform(np.zeros((1, one.shape[1]), dtype=np.float32)))[:0]
        return np.asarray(self.transformer_.transform(one))

    def set_output(self, *, transform: Any = None) -> PerImage:
        """No effect; see :meth:`DenseSift.set_output`."""
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags
