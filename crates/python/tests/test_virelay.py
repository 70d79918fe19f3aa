"""Projects of ViRelAy: its own code reads what was written."""

from __future__ import annotations

import dataclasses
import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

h5py = pytest.importorskip("h5py")
virelay_model = pytest.importorskip("virelay.model")
virelay_server = pytest.importorskip("virelay.server")
pytest.importorskip("sklearn")

from PIL import Image

import fisherlens
from fisherlens.virelay import write

Array = npt.NDArray[Any]

PHOTOGRAPH = Path(__file__).parents[2] / "bench" / "src" / "astronaut.jpg"
N = 14
METHOD = "relevance_analysis"


@pytest.fixture(scope="module")
def model() -> fisherlens.Model:
    return fisherlens.Model.default()


@pytest.fixture(scope="module")
def explained(model: fisherlens.Model) -> Array:
    """Two classes, by index."""
    return np.where(np.arange(N) % 3 == 0, 12, 14)


@pytest.fixture(scope="module", params=["different sizes", "one size"])
def explanations(request: pytest.FixtureRequest, model: fisherlens.Model, explained: Array) -> Any:
    pixels = np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))
    grow = 3 if request.param == "different sizes" else 0
    crops = [np.ascontiguousarray(pixels[12 * i : 12 * i + 72 + grow * i, 9 * i : 9 * i + 96]) for i in range(N)]
    return model.explain_batch(crops, [int(index) for index in explained])


@pytest.fixture
def project(tmp_path: Path, model: fisherlens.Model, explanations: Any) -> Any:
    path = write(tmp_path / "new" / "folder", explanations, name="Horses & <people>: ü", class_names=model.classes)
    project = virelay_model.Project(str(path))
    yield project
    project.close()


def test_virelay_reads_photographs_and_heatmaps(project: Any, model: fisherlens.Model, explanations: Any, explained: Array) -> None:
    assert project.name == "Horses & <people>: ü"
    assert len(project.dataset) == N
    assert [label.name for label in project.label_map.labels] == list(model.classes)
    for index, explanation in enumerate(explanations):
        sample, attribution = project.get_sample(index), project.get_attribution(index)
        np.testing.assert_array_equal(sample.data, explanation.photograph)
        np.testing.assert_array_equal(attribution.data.sum(axis=2), explanation.pixels)
        np.testing.assert_array_equal(attribution.prediction, [explanation.score])
        for labels in (sample.labels, attribution.labels):
            assert [(label.index, label.name) for label in labels] == [(explained[index], explanation.class_name)]
    with pytest.raises(LookupError):
        project.get_attribution(N)
    with pytest.raises(LookupError):
        project.get_sample(N)


def test_each_class_has_a_spectral_embedding_and_clusters(project: Any, model: fisherlens.Model, explained: Array) -> None:
    categories = project.get_analysis_categories(METHOD)
    assert [category.human_readable_name for category in categories] == [model.classes[12], model.classes[14]]
    assert project.get_analysis_embedding_names(METHOD) == ["spectral"]
    assert project.get_analysis_clustering_names(METHOD) == ["kmeans-02", "kmeans-03", "kmeans-04", "kmeans-05"]
    for category, index in zip(categories, [12, 14]):
        analysis = project.get_analysis(METHOD, category.name, "kmeans-02", "spectral")
        rows = np.flatnonzero(explained == index)
        np.testing.assert_array_equal(analysis.attribution_indices, rows)
        assert analysis.embedding.shape == (len(rows), min(8, len(rows) - 1))
        assert np.all(np.isfinite(analysis.embedding))
        assert set(analysis.clustering.tolist()) == {0, 1}
        assert analysis.eigenvalues[-1] == pytest.approx(0, abs=1e-6)
        assert np.all(np.diff(analysis.eigenvalues) <= 0)


def test_the_server_of_virelay_answers(project: Any, explanations: Any) -> None:
    workspace = virelay_model.Workspace()
    workspace.projects.append(project)
    server = virelay_server.Server(workspace)
    client = server.app.test_client()

    def ask(address: str) -> Any:
        response = client.get(f"/api/projects/0{address}")
        assert response.status_code == 200, (address, response.data)
        return response.json if response.is_json else np.asarray(Image.open(io.BytesIO(response.data)))

    method = ask("")["analysisMethods"][0]
    for index in (0, N - 1):
        height, width = explanations[index].pixels.shape
        assert ask(f"/dataset/{index}")["labels"][0]["name"] == explanations[index].class_name
        # The pictures are JPEG.
        difference = np.abs(ask(f"/dataset/{index}/image") - explanations[index].photograph.astype(float))
        assert difference.mean() < 10
        attribution = ask(f"/attributions/{index}?imageMode=overlay")
        assert (attribution["width"], attribution["height"]) == (height, width)
        assert attribution["prediction"] == [pytest.approx(explanations[index].score)]
        for color_map in server.color_maps:
            for superimpose in ("true", "false"):
                heatmap = ask(f"/attributions/{index}/heatmap?colorMap={color_map}&superimpose={superimpose}")
                assert heatmap.shape == (height, width, 3)
    address = f"/analyses/{method['name']}?category={method['categories'][0]['name']}"
    analysis = ask(f"{address}&clustering={method['clusterings'][0]}&embedding={method['embeddings'][0]}")
    assert [point["attributionIndex"] for point in analysis["embedding"]] == list(range(0, N, 3))


def test_given_labels_scores_embeddings_and_clusterings(
    tmp_path: Path, model: fisherlens.Model, explanations: Any, explained: Array
) -> None:
    random = np.random.default_rng(0)
    labels = [[int(index)] if i % 2 else [int(index), model.classes[1]] for i, index in enumerate(explained)]
    scores, given = random.normal(size=(N, 20)), random.normal(size=(N, 3)).astype(np.float32)
    clusters = random.integers(-1, 4, size=N)
    path = write(
        tmp_path,
        explanations,
        class_names=model.classes,
        labels=labels,
        scores=scores,
        embeddings={"umap": given},
        eigenvalues={"umap": [0.25, 1.0, 0.5]},
        clusterings={"dbscan": clusters},
    )
    project = virelay_model.Project(str(path))
    assert project.attribution_strategy == "true_label"
    assert [[label.index for label in project.get_sample(i).labels] for i in (0, 1)] == [[1, 12], [14]]
    np.testing.assert_array_equal(project.get_attribution(3).prediction, scores[3])
    for index in (12, 14):
        analysis = project.get_analysis(METHOD, f"{index:08d}", "dbscan", "umap")
        np.testing.assert_array_equal(analysis.embedding, given[explained == index])
        np.testing.assert_array_equal(analysis.clustering, clusters[explained == index])
        np.testing.assert_array_equal(analysis.eigenvalues, [1.0, 0.5, 0.25])
    project.close()


def test_labels_are_indices_names_or_truth_values(tmp_path: Path, model: fisherlens.Model, explanations: Any, explained: Array) -> None:
    other = (explained + 1) % 20
    truth = np.eye(20, dtype=bool)[other]
    for labels in (other, [model.classes[index] for index in other], truth):
        project = virelay_model.Project(str(write(tmp_path, explanations, class_names=model.classes, labels=labels)))
        assert [project.get_sample(i).labels[0].index for i in range(N)] == other.tolist()
        assert project.attribution_strategy == "predicted_label"
        project.close()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_explanations(tmp_path: Path, explanations: Any, n: int) -> None:
    of_one_class = [e for e in explanations if e.class_index == 14][:n]
    project = virelay_model.Project(str(write(tmp_path, of_one_class)))
    analysis = project.get_analysis(METHOD, "00000014", "kmeans-05", "spectral")
    assert analysis.embedding.shape == (n, max(2, n - 1))
    assert len(analysis.clustering) == n
    project.close()


def test_the_embedding_is_that_of_scikit_learn(tmp_path: Path, explanations: Any) -> None:
    manifold, neighbors = pytest.importorskip("sklearn.manifold"), pytest.importorskip("sklearn.neighbors")
    heatmaps = np.random.default_rng(0).normal(size=(40, 50, 30))
    photograph = np.zeros((50, 30, 3), np.uint8)
    items = [dataclasses.replace(explanations[0], pixels=pixels, photograph=photograph) for pixels in heatmaps]
    with h5py.File(write(tmp_path, items).parent / "analysis.h5") as file:
        found = file["00000012/embedding/spectral"][:]
    # 20 x 20 cells of 50 x 30 pixels: each pixel becomes 20 x 20 equal parts.
    parts = np.repeat(np.repeat(heatmaps, 20, axis=1), 20, axis=2) / 400
    features = parts.reshape(40, 20, 50, 20, 30).sum(axis=(2, 4)).reshape(40, 400)
    features /= np.abs(features).sum(axis=1, keepdims=True)
    graph = neighbors.kneighbors_graph(features, 10).toarray()
    embedding = manifold.SpectralEmbedding(8, affinity="precomputed", random_state=0)
    expected = embedding.fit_transform(np.maximum(graph, graph.T))
    np.testing.assert_allclose(found, expected * np.sign((found * expected).sum(axis=0)), atol=1e-6)


def test_wrong_arguments_are_refused(tmp_path: Path, model: fisherlens.Model, explanations: Any) -> None:
    def refuses(error: type[Exception], match: str, items: Any = explanations, **arguments: Any) -> None:
        with pytest.raises(error, match=match):
            write(tmp_path / "refused", items, **arguments)

    refuses(ValueError, "explanations is empty", [])
    refuses(TypeError, "explanations is one .*, expected a list", explanations[0])
    refuses(TypeError, "has a str at position 1", [explanations[0], "horse"])
    small = dataclasses.replace(explanations[0], pixels=explanations[0].pixels[1:])
    refuses(ValueError, "explanation 0 has a heatmap of shape", [small])
    bad = dataclasses.replace(explanations[0], pixels=np.full_like(explanations[0].pixels, np.nan))
    refuses(ValueError, "not finite", [bad])
    refuses(ValueError, "expected None", class_names=["one"])
    refuses(ValueError, "labels has 2 entries, expected 14", labels=[0, 1])
    refuses(ValueError, "label 0 is 'no class'", labels=["no class"] * N)
    refuses(ValueError, r"scores has the shape \(14,\)", scores=np.zeros(N))
    refuses(ValueError, "embedding 'e' has the shape", embeddings={"e": np.zeros((N - 1, 2))})
    refuses(ValueError, "embedding 'e' has 1 columns", embeddings={"e": np.zeros((N, 1))})
    refuses(ValueError, "not finite numbers", embeddings={"e": np.full((N, 2), np.inf)})
    refuses(ValueError, "without a slash", embeddings={"a/b": np.zeros((N, 2))})
    refuses(ValueError, "expected integers", clusterings={"c": np.zeros(N)})
    refuses(ValueError, "clustering 'c' has the shape", clusterings={"c": np.zeros(3, int)})
    refuses(ValueError, "for a given embedding", eigenvalues={"spectral": [1.0]})
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize("package", ["h5py", "sklearn"])
def test_a_missing_package_is_named(tmp_path: Path, explanations: Any, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    original = importlib.import_module

    def import_module(name: str, *arguments: Any) -> Any:
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}")
        return original(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(ImportError, match=f"pip install {'h5py' if package == 'h5py' else 'scikit-learn'}"):
        write(tmp_path, explanations)
