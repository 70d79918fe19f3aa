"""The compiled half of the package; see src/ in the repository."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

_Prepared = str | bytes | NDArray[np.uint8] | NDArray[np.float32]
_Pca = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
_Mixture = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
_Report = Callable[[int], Any] | None

__all__ = [
    "COLOR_MAPS",
    "DEFAULT_MAX_SIDE",
    "Model",
    "__version__",
    "close",
    "dense_sift",
    "draw_mini",
    "encode",
    "encode_png",
    "finish",
    "finish_training",
    "heatmap",
    "list_photographs",
    "look",
    "mixture_fit",
    "mixture_log_likelihood",
    "mixture_posteriors",
    "overlay",
    "pca_fit",
    "pca_transform",
    "plan",
    "read_artifact",
    "release",
    "stages",
    "svm_fit",
    "svm_scores",
    "train",
    "vector_layout",
    "work_on",
]

__version__: Final[str]
DEFAULT_MAX_SIDE: Final[int]
COLOR_MAPS: Final[list[str]]

def close() -> None: ...
def dense_sift(
    images: Sequence[_Prepared], settings: str, max_side: int, n_threads: int
) -> list[tuple[NDArray[np.float32], dict[str, Any]]]: ...
def pca_fit(x: NDArray[np.float32], n_components: int, whiten: bool) -> _Pca: ...
def pca_transform(x: NDArray[np.float32], pca: _Pca) -> NDArray[np.float32]: ...
def mixture_fit(
    x: NDArray[np.float32],
    n_components: int,
    max_iter: int,
    tol: float,
    init: str,
    n_init_samples: int,
    n_init_iter: int,
    relative_floor: float,
    absolute_floor: float,
    posterior_floor: float | None,
    reg_covar: float,
    seed: int,
    start: _Mixture | None,
    n_threads: int,
) -> dict[str, Any]: ...
def mixture_log_likelihood(x: NDArray[np.float32], parts: _Mixture, n_threads: int) -> NDArray[np.float64]: ...
def mixture_posteriors(x: NDArray[np.float32], parts: _Mixture, floor: float, n_threads: int) -> NDArray[np.float32]: ...
def encode(
    sets: Sequence[NDArray[np.float32]],
    positions: Sequence[NDArray[np.float32]] | None,
    settings: str,
    parts: _Mixture,
    n_threads: int,
) -> NDArray[np.float32]: ...
def vector_layout(settings: str, parts: _Mixture) -> tuple[int, int, list[int]]: ...
def svm_fit(
    x: NDArray[np.float32],
    targets: NDArray[np.int8],
    c_grid: Sequence[float],
    n_folds: int,
    squared_hinge: bool,
    bias_feature: float,
    tol: float,
    max_iter: int,
    seed: int,
    probability: bool,
    n_threads: int,
) -> dict[str, Any]: ...
def svm_scores(x: NDArray[np.float32], coefficients: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]: ...
def heatmap(pixels: NDArray[np.float32], color_map: str, largest: float | None) -> NDArray[np.uint8]: ...
def overlay(photograph: NDArray[np.uint8], colors: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]: ...
def encode_png(rgb: NDArray[np.uint8]) -> bytes: ...
def train(
    request: str,
    n_threads: int,
    told: Callable[[list[str], tuple[str, int, int] | None], Any] | None,
) -> tuple[Model, str]: ...
def stages() -> list[str]: ...
def list_photographs(job: str, n_threads: int) -> int: ...
def look(job: str, chunk: int, n_threads: int) -> bool: ...
def plan(job: str, until: str | None, n_threads: int) -> tuple[str, str]: ...
def work_on(job: str, seed: int, piece: str, n_threads: int) -> bool: ...
def finish(job: str, until: str | None, report: str | os.PathLike[str] | None, n_threads: int) -> tuple[str | None, float | None]: ...
def finish_training(job: str, n_threads: int) -> tuple[Model, str]: ...
def release() -> None: ...
def draw_mini(folder: str | os.PathLike[str]) -> None: ...
def read_artifact(path: str | os.PathLike[str]) -> dict[str, Any]: ...

@final
class Model:
    @staticmethod
    def shipped() -> Model: ...
    @staticmethod
    def read(path: str | os.PathLike[str]) -> Model: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> Model: ...
    @staticmethod
    def from_parts(
        descriptors: str,
        encoder: str,
        pca: _Pca,
        mixture_parts: _Mixture,
        classifier: tuple[NDArray[np.float32], NDArray[np.float32]],
        classes: Sequence[str],
        thresholds: Sequence[float] | None,
        sigmoids: Sequence[tuple[float, float]] | None,
        rule: str,
        card: Sequence[tuple[str, str]],
    ) -> Model: ...
    def write(self, path: str | os.PathLike[str], half: bool) -> int: ...
    def to_bytes(self) -> bytes: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def thresholds(self) -> list[float] | None: ...
    @property
    def sigmoids(self) -> list[tuple[float, float]] | None: ...
    @property
    def card(self) -> list[tuple[str, str]]: ...
    @property
    def settings(self) -> list[tuple[str, str]]: ...
    @property
    def rule(self) -> str: ...
    @property
    def sections(self) -> tuple[str, str]: ...
    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]: ...
    def scores(self, images: Sequence[_Prepared], max_side: int, n_threads: int, progress: _Report) -> NDArray[np.float64]: ...
    def explain(
        self,
        images: Sequence[_Prepared],
        classes: Sequence[Sequence[int | None]],
        rules: Sequence[str],
        max_side: int,
        n_threads: int,
        progress: _Report,
    ) -> list[list[dict[str, Any]]]: ...
