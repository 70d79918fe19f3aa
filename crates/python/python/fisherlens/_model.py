"""A learned pipeline from photographs to scores, and back to pixels."""

from __future__ import annotations

import difflib
import importlib
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np
from numpy.typing import NDArray

from fisherlens import _native
from fisherlens._arrays import float32, sigmoids
from fisherlens._checks import flag
from fisherlens._checks import max_side as checked_side
from fisherlens._checks import path as checked_path
from fisherlens._explanation import Conservation, Explanation, frames_of
from fisherlens._images import Image, prepare, prepare_all
from fisherlens._jobs import Progress, n_threads, reporting
from fisherlens._training import learn

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Class = Union[str, int]
Classes = Union[list[Any], tuple[Any, ...]]

# Photographs are shrunk to this before they are scored, as they were for training.
MAX_SIDE: int = _native.DEFAULT_MAX_SIDE


class Model:
    """A learned pipeline: dense SIFT, PCA, Gaussian mixture, Fisher vector, one linear SVM per class.

    Make one with :meth:`default`, :meth:`load`, :meth:`train` or :meth:`from_pipeline`.

    Attributes
    ----------
    quality : dict or None
        What :meth:`train` measured on the photographs that the model did not learn from; ``None`` for models from files.

    Examples
    --------
    >>> import fisherlens
    >>> model = fisherlens.Model.default()
    >>> len(model.classes), model.classes[12]
    (20, 'horse')
    """

    def __init__(self) -> None:
        raise TypeError("a model is made by Model.default(), Model.load(), Model.train() or Model.from_pipeline()")

    @classmethod
    def _of(cls, native: _native.Model, quality: dict[str, Any] | None = None) -> Model:
        model = cls.__new__(cls)
        model.__setstate__((native, quality))
        return model

    def __setstate__(self, state: tuple[_native.Model | bytes, dict[str, Any] | None]) -> None:
        native, self.quality = state
        self._native = _native.Model.from_bytes(native) if isinstance(native, bytes) else native

    def __getstate__(self) -> tuple[bytes, dict[str, Any] | None]:
        return self._native.to_bytes(), self.quality

    def __repr__(self) -> str:
        names = ", ".join(self.classes[:4]) + (", ..." if len(self.classes) > 4 else "")
        return f"<Model of {len(self.classes)} classes: {names}>"

    @classmethod
    def default(cls) -> Model:
        """The model that comes with the package: the twenty classes of PASCAL VOC 2007, learned from its trainval half."""
        return cls._of(_native.Model.shipped())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Reads a model file (``.flm``) of :meth:`save` or of the command ``fisherlens train``.

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            When it is no model, is damaged, or is of another version.
        """
        return cls._of(_native.Model.read(checked_path("path", path)))

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> None:
        """Writes the model file. With ``half`` the coefficients take two bytes each, and the scores change by some 1e-4."""
        self._native.write(checked_path("path", path), flag("half", half))

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self._native.classes

    @property
    def thresholds(self) -> NDArray[np.float64] | None:
        """The score of each class above which it counts as found, shape (n_classes,); ``None`` where they are not known."""
        thresholds = self._native.thresholds
        return None if thresholds is None else np.asarray(thresholds)

    @property
    def rule(self) -> str:
        """The rule of relevance that :meth:`explain` uses unless it is told another."""
        return self._native.rule

    @property
    def card(self) -> dict[str, str]:
        """Where the model comes from, and which quality it reaches."""
        return dict(self._native.card)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of descriptors and encoder, as text."""
        return dict(self._native.settings)

    @property
    def coefficients(self) -> NDArray[np.float32]:
        """The coefficients of the SVMs, shape (n_classes, D)."""
        return self.arrays["coefficients"]

    @property
    def intercept(self) -> NDArray[np.float32]:
        """The bias of each SVM, shape (n_classes,)."""
        return self.arrays["bias"]

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Copies of all learned arrays.

        ``pca_mean`` (128), ``pca_components`` (d, 128), ``pca_variances`` (d), ``weights`` (K), ``means`` and ``variances`` (K, d) of the
        mixture, ``coefficients`` (n_classes, D), ``bias`` (n_classes).
        """
        return self._native.arrays

    def with_classifier(self, coefficients: NDArray[Any], intercept: NDArray[Any]) -> Model:
        """The same model with other coefficients (n_classes, D) and biases (n_classes,). It knows no thresholds and no probabilities."""
        return self._with(classifier=(coefficients, intercept))

    def _with(self, classifier: tuple[NDArray[Any], NDArray[Any]]) -> Model:
        arrays, (descriptors, encoder) = self.arrays, self._native.sections
        return Model._of(
            _native.Model.from_parts(
                descriptors,
                encoder,
                (arrays["pca_mean"], arrays["pca_components"], arrays["pca_variances"]),
                (arrays["weights"], arrays["means"], arrays["variances"]),
                (float32(classifier[0], 2, "coefficients"), float32(classifier[1], 1, "intercept")),
                self.classes,
                None,
                None,
                self.rule,
                list(self.card.items()),
            )
        )

    def scores(
        self, images: Iterable[Image], *, max_side: int | None = MAX_SIDE, n_jobs: int | None = None, progress: Progress = False
    ) -> NDArray[np.float64]:
        """The score of every class in every image.

        Parameters
        ----------
        images : list
            Paths, bytes of files, PIL images, or arrays (height, width) or (height, width, 3) of uint8 or of floats in [0, 1].
        max_side : int or None
            Larger images are shrunk so that their longer side has this number of pixels. ``None`` leaves their size.
        n_jobs : int, optional
            Number of threads, as in scikit-learn: ``None`` is one, -1 is all processors. The result does not depend on it.
        progress : bool or function
            ``True`` shows a bar of tqdm; a function is called with the number of images done.

        Returns
        -------
        ndarray of float64, shape (n_images, n_classes)
            :math:`f_c(x) = w_c \\cdot \\phi(x) + b_c`, with :math:`\\phi(x)` the normalised vector (Eq. 4 of the supplement).

        Raises
        ------
        OSError
            When a file cannot be read.
        ValueError
            For a damaged file, an image without pixels or too small for a descriptor, values outside [0, 1], or an empty list.
        TypeError
            For something that is no image.
        """
        prepared, side = prepare_all(images), checked_side(max_side)
        with reporting(progress, len(prepared), "scores") as report:
            return self._native.scores(prepared, side, n_threads(n_jobs), report)

    def probabilities(
        self, images: Iterable[Image], *, max_side: int | None = MAX_SIDE, n_jobs: int | None = None, progress: Progress = False
    ) -> NDArray[np.float64]:
        """The probability of every class in every image, shape (n_images, n_classes); see :meth:`scores`.

        Each class is judged on its own, so the probabilities of an image need not add up to 1.
        """
        self._sigmoids()
        return self.to_probabilities(self.scores(images, max_side=max_side, n_jobs=n_jobs, progress=progress))

    def to_probabilities(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities from scores (…, n_classes): :math:`1 / (1 + e^{-(a_c s + b_c)})`, one sigmoid per class."""
        slopes, offsets = np.asarray(self._sigmoids()).T
        values = np.asarray(scores)
        if values.dtype.kind not in "biuf":
            raise TypeError(f"scores is {type(scores).__name__}, expected an array of numbers")
        if values.shape[-1:] != slopes.shape:
            raise ValueError(f"scores has the shape {values.shape}, expected (…, {len(slopes)}): one column per class")
        return sigmoids(slopes, offsets, values)

    def _sigmoids(self) -> list[tuple[float, float]]:
        sigmoids = self._native.sigmoids
        if sigmoids is None:
            raise ValueError("this model cannot tell probabilities: it was made without sigmoids")
        return sigmoids

    def predict(
        self, images: Iterable[Image], *, max_side: int | None = MAX_SIDE, n_jobs: int | None = None, progress: Progress = False
    ) -> list[list[str]]:
        """The names of the classes that are found in each image: those with a score above their threshold, the highest margin first."""
        scores = self.scores(images, max_side=max_side, n_jobs=n_jobs, progress=progress)
        margins = scores - (0.0 if self.thresholds is None else self.thresholds)
        return [[self.classes[index] for index in np.argsort(-row, kind="stable") if row[index] > 0] for row in margins]

    @overload
    def explain(
        self, image: Image, class_name: Class | None = ..., rule: str | None = ..., *, max_side: int | None = ..., n_jobs: int | None = ...
    ) -> Explanation: ...

    @overload
    def explain(
        self, image: Image, class_name: Classes, rule: str | list[str] | None = ..., *, max_side: int | None = ..., n_jobs: int | None = ...
    ) -> list[Explanation]: ...

    @overload
    def explain(
        self, image: Image, class_name: Class | None, rule: list[str], *, max_side: int | None = ..., n_jobs: int | None = ...
    ) -> list[Explanation]: ...

    def explain(
        self,
        image: Image,
        class_name: Class | Classes | None = None,
        rule: str | list[str] | None = None,
        *,
        max_side: int | None = MAX_SIDE,
        n_jobs: int | None = None,
    ) -> Explanation | list[Explanation]:
        """Which pixels led to the score of a class.

        Parameters
        ----------
        image : path, bytes, PIL image or array
            See :meth:`scores`.
        class_name : str, int, or list of them, optional
            The class by name or index. By default the class whose score is farthest above its threshold. Several classes of one image
            cost little more than one.
        rule : str or list of str, optional
            ``"epsilon=100"``, ``"naive"`` or ``"absolute"``; by default the model's rule.
        max_side : int or None
            See :meth:`scores`.
        n_jobs : int, optional
            Number of threads that share the image: ``None`` is one, -1 all processors.

        Returns
        -------
        Explanation, or list of Explanation
            A list if several classes or rules were asked for: all rules of the first class, then those of the second.

        Notes
        -----
        .. math::

            R_d &= w_d \\phi_d(x) + b / D  && \\text{(Eq. 6)} \\\\
            R_l &= \\sum_d R_d \\, \\frac{m_d(l)}{\\sum_{l'} m_d(l') + \\epsilon \\, \\mathrm{sgn}} && \\text{(Eq. 11)} \\\\
            R_p &= \\sum_{l : p \\in l} R_l / |l| && \\text{(Eq. 10)}
        """
        many = _is_list(class_name)
        names: list[Class | None] = list(class_name) if many else [class_name]  # type: ignore[arg-type,list-item]
        rules, is_one_rule = self._rules(rule)
        if not names:
            raise ValueError("there is no class to explain: give at least one")
        indices = [None if name is None else self._index(name) for name in names]
        found = self._native.explain([prepare(image)], [indices], rules, checked_side(max_side), n_threads(n_jobs), None)[0]
        explanations = _explanations(found)
        return explanations if many or not is_one_rule else explanations[0]

    def explain_batch(
        self,
        images: Iterable[Image],
        classes: Class | Sequence[Class | None] | None = None,
        rule: str | None = None,
        *,
        max_side: int | None = MAX_SIDE,
        n_jobs: int | None = None,
        progress: Progress = False,
    ) -> list[Explanation]:
        """One explanation per image.

        Parameters
        ----------
        images : list
            See :meth:`scores`.
        classes : str, int, or list, optional
            One class for all images, or a list of one class per image. ``None`` is the class farthest above its threshold.
        rule : str, optional
            The rule of relevance.
        max_side, n_jobs, progress
            See :meth:`scores`.
        """
        prepared = prepare_all(images)
        per_image: list[Class | None] = list(classes) if _is_list(classes) else [classes] * len(prepared)  # type: ignore[arg-type,list-item]
        if len(per_image) != len(prepared):
            raise ValueError(f"{len(per_image)} classes for {len(prepared)} images: give one class, or one per image")
        rules, is_one_rule = self._rules(rule)
        if not is_one_rule:
            raise TypeError("explain_batch takes one rule")
        indices = [[None if name is None else self._index(name)] for name in per_image]
        with reporting(progress, len(prepared), "explain") as report:
            found = self._native.explain(prepared, indices, rules, checked_side(max_side), n_threads(n_jobs), report)
        return [_explanations(image)[0] for image in found]

    def _rules(self, rule: str | list[str] | None) -> tuple[list[str], bool]:
        rules: list[Any] = list(rule) if _is_list(rule) else [self.rule if rule is None else rule]  # type: ignore[arg-type]
        for one in rules:
            if not isinstance(one, str):
                raise TypeError(f'rule is {one!r}, expected "epsilon=100", "naive" or "absolute"')
        if not rules:
            raise ValueError("there is no rule: give at least one")
        return rules, rule is None or isinstance(rule, str)

    def _index(self, name: Class) -> int:
        if isinstance(name, str):
            if name in self.classes:
                return self.classes.index(name)
            near = difflib.get_close_matches(name, self.classes, 1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; the classes are {', '.join(self.classes)}"
            raise ValueError(f'no class is called "{name}"{hint}')
        if isinstance(name, bool) or not hasattr(name, "__index__"):
            raise TypeError(f"class {name!r}: expected the name of a class or its index")
        index = name.__index__()
        if not 0 <= index < len(self.classes):
            raise ValueError(f"class {index}: expected an index from 0 to {len(self.classes) - 1}")
        return index

    @classmethod
    def train(
        cls,
        data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        labels: Sequence[Any] | None = None,
        *,
        preset: str | os.PathLike[str] = "fast",
        settings: Mapping[str, Any] | None = None,
        groups: Sequence[Any] | str | None = None,
        test_share: float | None = None,
        keep_near: bool = False,
        strict: bool = False,
        follow_links: bool = False,
        limit: int | None = None,
        images: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = -1,
        progress: bool = False,
        verbose: bool = False,
    ) -> Model:
        """Learns a model from labelled photographs, as the command ``fisherlens train`` does.

        Parameters
        ----------
        data : path, or list of paths
            A folder with one folder per class, a table (``.csv``, ``.tsv``), COCO's ``.json``, or a folder with XML annotations; or a
            list of photographs.
        labels : list, optional
            For a list of photographs: the label of each, or a list of labels for photographs with several classes.
        preset : str
            ``"fast"``, ``"paper"``, or a settings file.
        settings : dict, optional
            Changes to the preset, such as ``{"mixture.n_components": 64}``.
        groups : list or str, optional
            For a list of photographs one value each (a photographer, a patient), otherwise the name of the column. Photographs of one
            group are never divided between training and test.
        test_share : float, optional
            Share of the photographs that the model is judged on, 0.25 unless the data give a split.
        keep_near : bool
            Whether nearly equal photographs are kept together, in training or in test.
        strict : bool
            Whether photographs that cannot be used are refused instead of skipped.
        follow_links : bool
            Whether symbolic links that lead out of the folder are followed.
        limit : int, optional
            Use only this number of photographs of each half.
        images : path, optional
            The folder that paths in a table or in COCO's JSON are relative to.
        cache : path, optional
            Folder in which finished steps are stored; by default that of the command, in the user's cache folder.
        n_jobs : int, optional
            Number of threads, by default all processors. The model does not depend on it.
        progress : bool
            Whether a bar of tqdm is shown.
        verbose : bool
            Whether one line per finished step is printed.

        Returns
        -------
        Model
            Its ``quality`` says how good it is on the photographs that it did not learn from: ``mean_average_precision``, ``accuracy``
            and ``confusion`` for photographs of one class each, ``classes`` with one row per class, ``skipped``, ``nearly_equal``.

        Warns
        -----
        UserWarning
            What the user should know about the data, such as classes with few photographs.
        """
        native, quality = learn(
            data,
            labels,
            preset=preset,
            settings=settings,
            groups=groups,
            test_share=test_share,
            keep_near=keep_near,
            strict=strict,
            follow_links=follow_links,
            limit=limit,
            images=images,
            cache=cache,
            n_jobs=n_jobs,
            progress=progress,
            verbose=verbose,
        )
        for warning in quality["warnings"]:
            warnings.warn(warning, UserWarning, stacklevel=2)
        return cls._of(native, quality)

    @classmethod
    def from_pipeline(cls, pipeline: Pipeline, *, classes: Sequence[str] | None = None, rule: str = "epsilon=100") -> Model:
        """A model from a fitted pipeline of scikit-learn, so that its decisions can be explained.

        Parameters
        ----------
        pipeline : sklearn.pipeline.Pipeline
            The steps :class:`DenseSift`, :class:`PerImage` with a PCA (ours or scikit-learn's), an encoder (:class:`FisherVector`,
            :class:`Vlad` or :class:`BagOfWords`) with any diagonal mixture, and a linear classifier with ``coef_``, ``intercept_`` and
            ``classes_`` (ours, ``LinearSVC``, ``SGDClassifier``, ``LogisticRegression``, …).
        classes : list of str, optional
            Names of the classes; by default the labels as text.
        rule : str
            The rule that :meth:`explain` uses by default.

        Notes
        -----
        A binary classifier gives a model of two classes whose scores are opposite numbers. The model knows the sigmoids of
        ``LinearSvm(probability=True)``; it does not divide probabilities by their sum, as ``predict_proba`` does for three classes or more.

        Warns
        -----
        UserWarning
            If ``DenseSift`` has another ``max_side`` than the methods of the model have by default: give it to them.
        """
        model_of = _pipeline_module().model_of
        return cls._of(model_of(pipeline, classes, rule))

    def to_pipeline(self) -> Pipeline:
        """The model as a fitted pipeline of scikit-learn: ``DenseSift``, ``PerImage(Pca)``, an encoder, ``LinearSvm``.

        Its ``decision_function`` gives the scores of the model; for two classes half of their difference. A pipeline has no thresholds: its
        ``predict`` gives the class with the highest score.
        """
        pipeline: Pipeline = _pipeline_module().pipeline_of(self._native)
        return pipeline


def _pipeline_module() -> Any:
    try:
        return importlib.import_module("fisherlens._pipeline")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "sklearn":
            raise ImportError("pipelines need scikit-learn 1.6 or later: pip install 'fisherlens[sklearn]'") from error
        raise


def _explanations(found: list[dict[str, Any]]) -> list[Explanation]:
    made: list[Explanation] = []
    frames = frames_of(found[0]["frames"])
    for one in found:
        conservation = Conservation(**json.loads(one.pop("conservation")))
        made.append(Explanation(**{**one, "frames": frames, "conservation": conservation}))
    return made


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (hasattr(value, "__array__") and getattr(value, "ndim", 0) == 1)
