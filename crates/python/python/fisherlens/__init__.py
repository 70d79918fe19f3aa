"""Fisher-vector image classifiers that can say why.

Photographs become dense SIFT descriptors, a Gaussian mixture turns the descriptors of a photograph into one Fisher vector, a linear SVM
scores the vector, and layer-wise relevance propagation takes the score back to the pixels [1]_.

>>> import fisherlens
>>> model = fisherlens.Model.default()            # the twenty classes of PASCAL VOC 2007
>>> explanation = model.explain("horse.jpg", "horse")  # doctest: +SKIP
>>> explanation.plot()                            # doctest: +SKIP

``Model`` and ``Explanation`` need numpy. The stages ``DenseSift``, ``PerImage``, ``Pca``, ``DiagonalGaussianMixture``, ``FisherVector``,
``Vlad``, ``BagOfWords`` and ``LinearSvm`` are estimators of scikit-learn and need it. The modules ``artifacts``, ``datasets``,
``distributed``, ``quantus`` and ``virelay`` are imported by their names.

References
----------
.. [1] S. Lapuschkin, A. Binder, G. Montavon, K.-R. Müller, W. Samek. Analyzing Classifiers: Fisher Vectors and Deep Neural Networks.
   CVPR 2016.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fisherlens import artifacts as artifacts
    from fisherlens import datasets as datasets
    from fisherlens import distributed as distributed
    from fisherlens import quantus as quantus
    from fisherlens import virelay as virelay
    from fisherlens._descriptors import DenseSift as DenseSift
    from fisherlens._descriptors import Described as Described
    from fisherlens._descriptors import Pca as Pca
    from fisherlens._descriptors import PerImage as PerImage
    from fisherlens._encoders import BagOfWords as BagOfWords
    from fisherlens._encoders import FisherVector as FisherVector
    from fisherlens._encoders import Vlad as Vlad
    from fisherlens._explanation import Conservation as Conservation
    from fisherlens._explanation import Explanation as Explanation
    from fisherlens._mixture import DiagonalGaussianMixture as DiagonalGaussianMixture
    from fisherlens._model import Model as Model
    from fisherlens._native import __version__ as __version__
    from fisherlens._svm import LinearSvm as LinearSvm

# Where each name is defined. A name is imported when it is used first, so that `import fisherlens` is quick and needs nothing.
_HOMES = {
    "Model": "_model",
    "Explanation": "_explanation",
    "Conservation": "_explanation",
    "DenseSift": "_descriptors",
    "Described": "_descriptors",
    "PerImage": "_descriptors",
    "Pca": "_descriptors",
    "DiagonalGaussianMixture": "_mixture",
    "FisherVector": "_encoders",
    "Vlad": "_encoders",
    "BagOfWords": "_encoders",
    "LinearSvm": "_svm",
    "__version__": "_native",
}
_NEED_SKLEARN = {"_descriptors", "_mixture", "_encoders", "_svm"}
_MODULES = ("artifacts", "datasets", "distributed", "quantus", "virelay")

# Modules are left out, because the import of `quantus` changes Quantus. Estimators are left out where they cannot be imported.
__all__ = [name for name, home in _HOMES.items() if home not in _NEED_SKLEARN or importlib.util.find_spec("sklearn")]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"fisherlens.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fisherlens' has no attribute '{name}'")
    try:
        value = getattr(importlib.import_module(f"fisherlens.{home}"), name)
    except ModuleNotFoundError as error:
        if home in _NEED_SKLEARN and error.name is not None and error.name.partition(".")[0] == "sklearn":
            raise ImportError(f"fisherlens.{name} needs scikit-learn 1.6 or later: pip install 'fisherlens[sklearn]'") from error
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
