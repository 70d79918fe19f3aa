"""The relevance for the score of one class in one image."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fisherlens import _native
from fisherlens._checks import number, one_of
from fisherlens._checks import path as checked_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Conservation:
    """The sum of relevance in every layer, in units of the score.

    .. math::

        \\text{score} = \\sum_d R_d + \\text{taylor\\_remainder}, \\qquad
        \\sum_l R_l = \\sum_d R_d - \\text{predicted\\_leak} - \\text{undistributed}, \\qquad
        \\sum_p R_p = \\sum_l R_l

    Attributes
    ----------
    score : float
        f(x), with the bias.
    dimensions, descriptors, pixels : float
        The sums over the dimensions of the vector, over the descriptors, and over the pixels.
    bias_share : float
        The part of the score that comes from no entry of the vector; all dimensions share it.
    unreached_share : float
        The relevance of dimensions that no descriptor reaches; all descriptors share it.
    predicted_leak : float
        What the epsilon rule absorbs, computed from the sums over the mapping.
    undistributed : float
        What could not be given to descriptors.
    taylor_remainder : float
        The remainder of a Taylor expansion; 0 for linear classifiers.
    """

    score: float
    dimensions: float
    descriptors: float
    pixels: float
    bias_share: float
    unreached_share: float
    predicted_leak: float
    undistributed: float
    taylor_remainder: float = 0.0

    @property
    def largest_gap(self) -> float:
        """The largest difference that the equations above do not explain, relative to max(\\|score\\|, \\|bias\\|): rounding."""
        gaps = (
            self.dimensions + self.taylor_remainder - self.score,
            self.descriptors - (self.dimensions - self.predicted_leak - self.undistributed),
            self.pixels - self.descriptors,
        )
        scale = max(abs(self.score), abs(self.bias_share))
        return max(map(abs, gaps)) / scale if scale else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The relevance for the score of one class in one image.

    Attributes
    ----------
    class_name, class_index : str, int
        The class.
    rule : str
        The rule of relevance: ``"epsilon=100"``, ``"naive"`` or ``"absolute"``.
    score : float
        f(x), with the bias and without subtracting the threshold.
    threshold : float
        The score above which the class counts as found; 0 where the model does not know one.
    probability : float or None
        The probability of the class, where the model can tell it.
    pixels : ndarray of float32, shape (height, width)
        :math:`R_p` of Eq. 10 of the paper's supplement. Positive values raise the score.
    descriptors : ndarray of float32, shape (N,)
        :math:`R_l` of Eq. 9, 11 or 12.
    dimensions : ndarray of float64, shape (D,)
        :math:`R_d` of Eq. 6.
    components : ndarray of float64, shape (K,)
        The sum of :math:`R_d` over the dimensions of each component of the mixture.
    frames : structured ndarray, shape (N,)
        Where the descriptors lie: fields ``x``, ``y`` (centre in pixels; (0, 0) is the centre of the top left pixel), ``bin_size`` (a
        descriptor is 4 bins wide and high) and ``norm`` (its contrast).
    photograph : ndarray of uint8, shape (height, width, 3)
        The image that was explained: upright, and shrunk if it was larger than ``max_side``.
    conservation : Conservation
        Where relevance was lost or added.
    """

    class_name: str
    class_index: int
    rule: str
    score: float
    threshold: float
    probability: float | None
    pixels: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    dimensions: NDArray[np.float64]
    components: NDArray[np.float64]
    frames: NDArray[np.void]
    photograph: NDArray[np.uint8]
    conservation: Conservation

    def __repr__(self) -> str:
        height, width = self.pixels.shape
        margin = self.score - self.threshold
        place = f"{abs(margin):.4f} {'above' if margin > 0 else 'below'} its threshold"
        return f"<Explanation of {self.class_name!r}: score {self.score:+.4f} ({place}), rule {self.rule}, {width} x {height} pixels>"

    def heatmap(self, color_map: str = "diverging", largest: float | None = None) -> NDArray[np.uint8]:
        """The relevance of the pixels as colours.

        Parameters
        ----------
        color_map : {"diverging", "positive", "black-fire", "gray", "blue-orange"}
            The colours of the command ``fisherlens explain``.
        largest : float, optional
            The relevance that the strongest colour stands for; by default the largest absolute value in the image.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
        """
        one_of("color_map", color_map, _native.COLOR_MAPS)
        scale = None if largest is None else number("largest", largest, 0, is_open=True)
        return _native.heatmap(self.pixels, color_map, scale)

    def overlay(self, color_map: str = "diverging", opacity: float = 0.6, largest: float | None = None) -> NDArray[np.uint8]:
        """The heatmap laid over the photograph, as an array (height, width, 3) of uint8. ``opacity`` is between 0 and 1."""
        return _native.overlay(self.photograph, self.heatmap(color_map, largest), _opacity(opacity))

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Writes the overlay (``.png``) or all arrays (``.npz``).

        Parameters
        ----------
        path : path
            The name says what is written.
        **options
            Of :meth:`overlay`, for pictures.
        """
        path = checked_path("path", path)
        kind = os.path.splitext(path)[1].lower()
        if kind == ".png":
            with open(path, "wb") as file:
                file.write(_native.encode_png(self.overlay(**options)))
        elif kind == ".npz":
            if options:
                raise TypeError(f"the option {next(iter(options))!r} is for pictures, and {path} holds arrays")
            arrays: dict[str, Any] = {"score": self.score, "threshold": self.threshold, "class": self.class_name, "rule": self.rule}
            arrays["class_index"] = self.class_index
            arrays["probability"] = np.nan if self.probability is None else self.probability
            arrays.update((f"conservation_{name}", value) for name, value in asdict(self.conservation).items())
            names = ("pixels", "descriptors", "dimensions", "components", "frames", "photograph")
            arrays.update((name, getattr(self, name)) for name in names)
            # numpy would add ".npz" to a name that ends in capital letters.
            with open(path, "wb") as file:
                np.savez_compressed(file, **arrays)
        else:
            raise ValueError(f"{path}: expected a name that ends in .png or .npz")

    def plot(self, ax: Axes | None = None, *, cmap: Any = "seismic", opacity: float = 0.6, colorbar: bool = True) -> Axes:
        """Draws the photograph with its relevance by matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.
        cmap : str or matplotlib.colors.Colormap
            A colour map of matplotlib; its middle stands for 0.
        opacity : float
            Of the relevance, 0 to 1.
        colorbar : bool
            Whether the bar of values is drawn.

        Returns
        -------
        matplotlib.axes.Axes
        """
        opacity = _opacity(opacity)
        try:
            import matplotlib.pyplot as plt
        except ModuleNotFoundError as error:
            raise ImportError("plot() needs matplotlib: pip install matplotlib; overlay() and save() do not") from error
        if ax is None:
            ax = plt.subplots()[1]
        largest = float(np.abs(self.pixels).max()) or 1.0
        ax.imshow(self.photograph.mean(axis=2), cmap="gray", vmin=0, vmax=255)
        shown = ax.imshow(self.pixels, cmap=cmap, vmin=-largest, vmax=largest, alpha=opacity)
        ax.set_title(f"{self.class_name}: score {self.score:+.3f} (threshold {self.threshold:+.3f})\nrule {self.rule}")
        ax.set_axis_off()
        if colorbar and ax.figure is not None:
            ax.figure.colorbar(shown, ax=ax, fraction=0.046, pad=0.04, label="relevance per pixel")
        return ax

    def _repr_png_(self) -> bytes:
        return _native.encode_png(self.overlay())


def _opacity(value: Any) -> float:
    found = number("opacity", value, 0)
    if found > 1:
        raise ValueError(f"opacity is {value}, expected a number from 0 to 1")
    return found


def frames_of(parts: dict[str, Any]) -> NDArray[np.void]:
    """One structured array from the arrays x, y, bin_size and norm."""
    frames = np.empty(len(parts["x"]), dtype=[("x", "f4"), ("y", "f4"), ("bin_size", "i4"), ("norm", "f4")])
    for name in ("x", "y", "bin_size", "norm"):
        frames[name] = parts[name]
    return frames
