"""Heatmaps and their clusters as a project of ViRelAy, the viewer of spectral relevance analysis (SpRAy).

>>> explanations = model.explain_batch(paths, "horse")  # doctest: +SKIP
>>> fisherlens.virelay.write("horses", explanations, class_names=model.classes)  # doctest: +SKIP

Then ``pip install virelay`` and ``virelay horses/project.yaml`` show it in a browser. The files follow ViRelAy 0.6.
Writing needs h5py; without given embeddings and clusterings it also needs scikit-learn. It does not need ViRelAy.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fisherlens import Explanation

__all__ = ["write"]

# Settings of the computed embedding and clusterings. CoRelAy has 10 neighbours too.
GRID = 20
N_NEIGHBORS = 10
N_COLUMNS = 8
N_EIGENVALUES = 16
N_CLUSTERS = (2, 3, 4, 5)

Array = npt.NDArray[Any]


def write(
    folder: str | os.PathLike[str],
    explanations: Sequence[Explanation],
    *,
    name: str = "fisherlens",
    class_names: Sequence[str] | None = None,
    labels: Sequence[Any] | Array | None = None,
    scores: npt.ArrayLike | None = None,
    embeddings: Mapping[str, npt.ArrayLike] | None = None,
    eigenvalues: Mapping[str, npt.ArrayLike] | None = None,
    clusterings: Mapping[str, npt.ArrayLike] | None = None,
) -> Path:
    """Writes a project of ViRelAy.

    The folder gets ``project.yaml``, ``label-map.json``, ``dataset.h5``, ``attribution.h5`` and ``analysis.h5``. Files
    of these names are replaced. Photographs may have different sizes. In ViRelAy, each explained class is one
    category; its embeddings and clusterings have the explanations of that class only.

    Parameters
    ----------
    folder : path
        Where to write. It is created if it does not exist.
    explanations : list of n Explanation
        The heatmaps with their photographs, in the order in which ViRelAy numbers them.
    name : str
        The name of the project.
    class_names : list of str, optional
        The names of all classes, ``model.classes``. Without it, the project knows only the explained classes.
    labels : list of n, optional
        What each photograph shows: a class index, a class name, or a list of them. An array of bool of shape
        (n, n_classes) is allowed. Without it, the label of a photograph is the explained class.
    scores : array of float, shape (n, n_classes), optional
        The scores of all classes, ``model.scores``. Without it, only the score of the explained class is written.
    embeddings : dict of name to array of float, shape (n, d), optional
        Coordinates of the explanations, with d of at least 2. Without it, the embedding ``spectral`` is computed for
        each class, as in SpRAy: a heatmap is shrunk to the sums in 20 x 20 cells, divided by the sum of their absolute
        values, and connected to its 10 nearest neighbours (at most half of the class). The columns are eigenvectors of
        the normalised graph Laplacian: those of the second to the ninth smallest eigenvalue.
    eigenvalues : dict of name to array of float, shape (m,), optional
        Eigenvalues of the given embeddings of these names. ViRelAy draws them.
    clusterings : dict of name to array of int, shape (n,), optional
        The cluster of each explanation. Without it, clusterings by k-means with 2, 3, 4 and 5 clusters are computed
        for each class, on the first embedding.

    Returns
    -------
    Path
        The path of ``project.yaml``.

    Raises
    ------
    ImportError
        If h5py is missing, or scikit-learn where it is needed.
    ValueError, TypeError
        If there is no explanation, or if types, lengths, shapes or names do not fit.
    """
    h5py = _imported("h5py", "h5py")
    items = _checked(explanations)
    names = _names(items, class_names)
    explained = np.array([item.class_index for item in items], dtype=np.uint16)
    truth = _labels(explained.tolist() if labels is None else labels, names, len(items))
    agrees = truth == explained if truth.ndim == 1 else truth[np.arange(len(items)), explained]
    own_scores = [[item.score] for item in items]
    prediction = _numbers("scores", own_scores if scores is None else scores, len(items), 2)
    # The analyses are computed before the first file is written, because they can fail.
    analyses = _analyses(items, explained, embeddings or {}, eigenvalues or {}, clusterings or {})

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with h5py.File(target / "dataset.h5", "w") as file:
        _store(file, "data", [np.moveaxis(item.photograph, 2, 0) for item in items])
        file["label"] = truth
    with h5py.File(target / "attribution.h5", "w") as file:
        _store(file, "attribution", [np.asarray(item.pixels, dtype=np.float32)[np.newaxis] for item in items])
        file["label"] = explained
        file["prediction"] = prediction
    with h5py.File(target / "analysis.h5", "w") as file:
        for index, (arrays, spectra) in analyses.items():
            for key, values in arrays.items():
                file[f"{_identifier(index)}/{key}"] = values
            for key, values in spectra.items():
                # ViRelAy draws the last eigenvalue at 0.
                file[f"{_identifier(index)}/embedding/{key}"].attrs["eigenvalue"] = np.sort(values)[::-1]
    label_map = [{"index": index, "word_net_id": _identifier(index), "name": names[index]} for index in sorted(names)]
    project = {
        "name": name,
        "model": "Fisher vector",
        "label_map": "label-map.json",
        "dataset": {"name": name, "type": "hdf5", "path": "dataset.h5"},
        "attributions": {
            "attribution_method": "LRP " + ", ".join(sorted({item.rule for item in items})),
            "attribution_strategy": "true_label" if np.all(agrees) else "predicted_label",
            "sources": ["attribution.h5"],
        },
        "analyses": [{"analysis_method": "relevance_analysis", "sources": ["analysis.h5"]}],
    }
    # A JSON file is a YAML file too.
    for file_name, content in {"label-map.json": label_map, "project.yaml": {"project": project}}.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (target / file_name).write_text(text + "\n", encoding="utf-8")
    return target / "project.yaml"


def _checked(explanations: Sequence[Explanation]) -> list[Explanation]:
    if not isinstance(explanations, Iterable):
        raise TypeError(f"explanations is one {type(explanations).__name__}, expected a list of explanations")
    items = list(explanations)
    if not items:
        raise ValueError("explanations is empty, expected at least one explanation")
    for position, item in enumerate(items):
        if not hasattr(item, "pixels") or not hasattr(item, "photograph"):
            raise TypeError(f"explanations has a {type(item).__name__} at position {position}, expected an Explanation")
        if item.photograph.shape != (*item.pixels.shape, 3):
            raise ValueError(
                f"explanation {position} has a heatmap of shape {item.pixels.shape} and a photograph of shape"
                f" {item.photograph.shape}, expected the same height and width"
            )
        if not np.all(np.isfinite(item.pixels)):
            raise ValueError(f"explanation {position} has relevance that is not finite")
    return items


def _names(items: list[Explanation], class_names: Sequence[str] | None) -> dict[int, str]:
    """The name of each known class index."""
    names = {item.class_index: item.class_name for item in items}
    if class_names is not None:
        names = dict(enumerate(class_names))
    for position, item in enumerate(items):
        if names.get(item.class_index) != item.class_name:
            raise ValueError(
                f"explanation {position} explains class {item.class_index} with the name {item.class_name!r},"
                f" expected {names.get(item.class_index)!r}"
            )
    return names


def _labels(labels: Sequence[Any] | Array, names: dict[int, str], n: int) -> Array:
    """Class indices, shape (n,); or truth values, shape (n, n_classes), if a photograph has not exactly one label."""
    if len(labels) != n:
        raise ValueError(f"labels has {len(labels)} entries, expected {n}: one per explanation")
    indices = {name: index for index, name in names.items()}
    array = np.zeros((n, max(names) + 1), dtype=np.bool_)
    for position, label in enumerate(labels):
        entries = [label] if isinstance(label, (str, int, np.integer)) else label
        if isinstance(entries, np.ndarray) and entries.dtype == np.bool_:
            entries = np.flatnonzero(entries)
        row = [indices.get(entry, -1) if isinstance(entry, str) else int(entry) for entry in entries]
        if not all(index in names for index in row):
            raise ValueError(f"label {position} is {label!r}, expected a known class: class_names has the names of all")
        array[position, row] = True
    return array.argmax(axis=1).astype(np.uint16) if np.all(array.sum(axis=1) == 1) else array


def _numbers(what: str, values: npt.ArrayLike, n: int, n_axes: int) -> Array:
    array = np.asarray(values)
    if array.ndim != n_axes or len(array) != n:
        raise ValueError(f"{what} has the shape {array.shape}, expected {n_axes} axes and {n} rows")
    if not np.issubdtype(array.dtype, np.number) or not np.all(np.isfinite(array)):
        raise ValueError(f"{what} has values that are not finite numbers")
    return array


def _analyses(
    items: list[Explanation],
    explained: Array,
    embeddings: Mapping[str, npt.ArrayLike],
    eigenvalues: Mapping[str, npt.ArrayLike],
    clusterings: Mapping[str, npt.ArrayLike],
) -> dict[int, tuple[dict[str, Array], dict[str, Array]]]:
    """For each explained class: the arrays of the analysis file by their paths, and the eigenvalues of embeddings."""
    n = len(items)
    coordinates = {key: _numbers(f"embedding {key!r}", values, n, 2) for key, values in embeddings.items()}
    spectra = {key: np.asarray(values, dtype=np.float64).ravel() for key, values in eigenvalues.items()}
    clusters = {key: _numbers(f"clustering {key!r}", values, n, 1) for key, values in clusterings.items()}
    for key, values in coordinates.items():
        if values.shape[1] < 2:
            raise ValueError(f"embedding {key!r} has {values.shape[1]} columns, expected at least 2: ViRelAy draws two")
    for key, values in clusters.items():
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"clustering {key!r} has values of {values.dtype}, expected integers")
    for key, values in spectra.items():
        if key not in coordinates or not np.all(np.isfinite(values)):
            raise ValueError(f"eigenvalues {key!r} is {values}, expected finite values for a given embedding")
    for key in [*coordinates, *clusters]:
        if not key or "/" in key or key == ".":
            raise ValueError(f"{key!r} is the name of an embedding or a clustering, expected a name without a slash")
    result = {}
    for index in np.unique(explained):
        rows = np.flatnonzero(explained == index)
        own, spectrum = {key: values[rows] for key, values in coordinates.items()}, spectra
        if not own:
            own["spectral"], values = _spectral([items[row].pixels for row in rows])
            spectrum = {"spectral": values}
        groups = {key: values[rows] for key, values in clusters.items()} or _kmeans(next(iter(own.values())))
        arrays: dict[str, Array] = {"index": rows.astype(np.uint32)}
        arrays.update((f"embedding/{key}", values.astype(np.float32)) for key, values in own.items())
        arrays.update((f"cluster/{key}", values.astype(np.int64)) for key, values in groups.items())
        result[int(index)] = arrays, spectrum
    return result


def _spectral(heatmaps: list[Array]) -> tuple[Array, Array]:
    """Coordinates, shape (n, at least 2), and the smallest eigenvalues of the normalised graph Laplacian."""
    features = np.stack([_shrunk(np.asarray(heatmap, dtype=np.float64)).ravel() for heatmap in heatmaps])
    features /= np.maximum(np.abs(features).sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    n, affinity = len(features), np.zeros((len(features), len(features)))
    if n > 1:
        neighbors = _imported("sklearn.neighbors", "scikit-learn")
        graph = neighbors.kneighbors_graph(features, min(N_NEIGHBORS, n // 2)).toarray()
        affinity = np.maximum(graph, graph.T)
    root = np.sqrt(np.maximum(affinity.sum(axis=1), 1))
    values, vectors = np.linalg.eigh(np.eye(n) - affinity / np.outer(root, root))
    columns = vectors[:, 1 : N_COLUMNS + 1] / root[:, np.newaxis]
    # The sign of an eigenvector is arbitrary: its largest entry is made positive.
    columns *= np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(columns.shape[1])])
    coordinates = np.zeros((n, max(2, columns.shape[1])))
    coordinates[:, : columns.shape[1]] = columns
    return coordinates, values[:N_EIGENVALUES]


def _shrunk(heatmap: Array) -> Array:
    """The sums of relevance in GRID x GRID cells of equal size."""
    for _ in range(2):
        edges, pixels = np.linspace(0, len(heatmap), GRID + 1), np.arange(len(heatmap))
        overlap = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(edges[:-1, np.newaxis], pixels)
        heatmap = (np.maximum(overlap, 0) @ heatmap).T
    return heatmap


def _kmeans(coordinates: Array) -> dict[str, Array]:
    cluster, n_distinct = _imported("sklearn.cluster", "scikit-learn"), len(np.unique(coordinates, axis=0))
    means = {k: cluster.KMeans(min(k, n_distinct), n_init=10, random_state=0) for k in N_CLUSTERS}
    return {f"kmeans-{k:02d}": mean.fit_predict(coordinates) for k, mean in means.items()}


def _store(file: Any, name: str, arrays: list[Array]) -> None:
    """Writes (channel, height, width) arrays: one HDF5 dataset if the sizes are equal, else a group of datasets.

    ViRelAy 0.6 cannot draw heatmaps of one channel. It draws the sum of three: the first has the relevance, and the
    others have no values in the file, which means 0.
    """
    shapes = [(3, *array.shape[1:]) for array in arrays]
    if len(set(shapes)) == 1:
        whole = file.create_dataset(name, (len(arrays), *shapes[0]), arrays[0].dtype, chunks=(1, 1, *shapes[0][1:]))
        for position, array in enumerate(arrays):
            whole[position, : len(array)] = array
    else:
        for position, (array, shape) in enumerate(zip(arrays, shapes)):
            # ViRelAy sorts the keys.
            one = file.create_dataset(f"{name}/{position:08d}", shape, array.dtype, chunks=(1, *shape[1:]))
            one[: len(array)] = array


def _identifier(index: int) -> str:
    return f"{index:08d}"


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"writing this project of ViRelAy needs {package}: pip install {package}") from error
