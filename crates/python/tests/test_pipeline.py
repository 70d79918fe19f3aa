"""The stages work together, with those of scikit-learn, and as a model."""

from __future__ import annotations

from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from conftest import Array, new_pipeline
from fisherlens import (
    BagOfWords,
    DenseSift,
    DiagonalGaussianMixture,
    FisherVector,
    LinearSvm,
    Model,
    Pca,
    PerImage,
    Vlad,
)

pytestmark = pytest.mark.filterwarnings("error")

OURS = DiagonalGaussianMixture(3, random_state=0, tol=1e-3)
THEIRS = GaussianMixture(3, covariance_type="diag", random_state=0, reg_covar=1e-4)


def test_a_pipeline_tells_discs_from_stripes(pictures: list[Array], labels: list[str]) -> None:
    fitted = new_pipeline().fit(pictures[:12], labels[:12])
    assert fitted.score(pictures[12:], labels[12:]) == 1
    assert list(fitted.classes_) == ["discs", "stripes"]


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_gives_the_same_in_workers(backend: str, pictures: list[Array], labels: list[str]) -> None:
    grid = {
        "encoder": [FisherVector(OURS, random_state=0), Vlad(OURS, random_state=0)],
        "svm__C": [0.1, 10.0],
        "sift__step": [8],
    }
    alone = GridSearchCV(new_pipeline(), grid, cv=2, scoring="roc_auc").fit(pictures, labels)
    with joblib.parallel_config(backend, n_jobs=2):
        search = GridSearchCV(new_pipeline(), grid, cv=2, scoring="roc_auc").fit(pictures, labels)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_score_ > 0.9
    np.testing.assert_array_equal(search.decision_function(pictures), alone.decision_function(pictures))


def test_names_of_columns_and_output_for_pandas(pictures: list[Array], descriptors: list[Array]) -> None:
    pandas = pytest.importorskip("pandas")
    encoder = FisherVector(OURS, random_state=0).set_output(transform="pandas").fit(descriptors)
    table = encoder.transform(descriptors)
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == [f"fishervector{index}" for index in range(3 + 2 * 3 * 8)]
    np.testing.assert_array_equal(table, encoder.set_output(transform="default").transform(descriptors))
    pca = Pca(2).set_output(transform="pandas").fit(descriptors[0])
    assert list(pca.transform(descriptors[1]).columns) == ["pca0", "pca1"]
    rows = pandas.DataFrame(descriptors[1], columns=[f"c{index}" for index in range(8)])
    named = Pca(2).set_output(transform="pandas").fit(rows)
    assert list(named.feature_names_in_) == list(rows.columns)
    np.testing.assert_array_equal(named.transform(rows).index, rows.index)
    # Lists of arrays stay lists.
    step = PerImage(Pca(2).set_output(transform="pandas"), random_state=0).fit(descriptors)
    assert all(type(one) is np.ndarray for one in step.transform(descriptors))


def test_a_global_output_of_pandas_does_not_break_the_steps(pictures: list[Array], labels: list[str]) -> None:
    pytest.importorskip("pandas")
    import sklearn

    plain = new_pipeline().fit(pictures, labels).decision_function(pictures)
    with sklearn.config_context(transform_output="pandas"):
        found = new_pipeline().fit(pictures, labels).decision_function(pictures)
    np.testing.assert_array_equal(found, plain)


def conserves(model: Model, picture: Array) -> None:
    """Relevance is neither made nor lost without being told, and the absolute sums are not all zero."""
    for name in model.classes:
        for explanation in model.explain(picture, [name], ["epsilon=1", "naive", "absolute"]):
            assert explanation.conservation.largest_gap < 1e-4
            assert abs(float(explanation.pixels.sum()) - explanation.conservation.pixels) < 1e-4
            assert np.abs(explanation.pixels).max() > 0
            assert abs(explanation.components.sum() - explanation.dimensions.sum()) < 1e-6


REPLACEMENTS: dict[str, dict[str, Any]] = {
    "GaussianMixture": {"encoder": FisherVector(THEIRS, random_state=0)},
    "PCA": {"pca__transformer": PCA(6, random_state=0)},
    "PCA with whitening": {"pca__transformer": PCA(6, whiten=True, random_state=0)},
    "Pca with whitening": {"pca__transformer": Pca(6, whiten=True)},
    "Vlad on KMeans": {"encoder": Vlad(KMeans(4, random_state=0, n_init=1), random_state=0)},
    "BagOfWords on MiniBatchKMeans": {"encoder": BagOfWords(MiniBatchKMeans(4, random_state=0, n_init=1), random_state=0)},
    "Vlad on GaussianMixture": {"encoder": Vlad(THEIRS, random_state=0, assignment="soft")},
    "BagOfWords": {"encoder": BagOfWords(OURS, random_state=0)},
    "weights only": {"encoder": FisherVector(OURS, random_state=0, parts=("weights",))},
    "no normalization": {"encoder": FisherVector(OURS, random_state=0, normalization="raw")},
    "LinearSvm": {"svm": LinearSvm(1.0, n_folds=2, probability=True, random_state=0)},
    "LinearSVC": {"svm": LinearSVC(C=1.0, random_state=0)},
    "LogisticRegression": {"svm": LogisticRegression()},
    "SGDClassifier": {"svm": SGDClassifier(random_state=0)},
    "root SIFT": {"sift__root_sift": True, "sift__low_contrast": "drop"},
    "Gaussian window": {"sift__window": "gaussian", "sift__low_contrast": "keep"},
}


CLASSIFIERS = ("LinearSvm", "LinearSVC", "LogisticRegression", "SGDClassifier")


@pytest.mark.parametrize(("name", "n_classes"), [*((name, 2) for name in REPLACEMENTS), *((name, 3) for name in CLASSIFIERS)])
def test_stages_of_scikit_learn_take_the_place_of_ours_and_become_a_model(
    name: str, n_classes: int, pictures: list[Array], labels: list[str]
) -> None:
    if n_classes == 3:
        labels = [label if index < 16 else "late" for index, label in enumerate(labels)]
    fitted = new_pipeline(**REPLACEMENTS[name]).fit(pictures, labels)
    expected = fitted.decision_function(pictures)
    if n_classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    model = Model.from_pipeline(fitted)
    assert model.classes == sorted(set(labels))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(model.scores(pictures), expected, rtol=0, atol=2e-5 * scale)
    conserves(model, pictures[0])
    # And back again.
    back = model.to_pipeline()
    scores = back.decision_function(pictures)
    np.testing.assert_allclose(scores, expected[:, 1] if n_classes == 2 else expected, rtol=0, atol=2e-5 * scale)
    np.testing.assert_array_equal(back.predict(pictures), np.asarray(model.classes)[expected.argmax(axis=1)])
    again = Model.from_pipeline(back)
    assert again.classes == model.classes
    np.testing.assert_allclose(again.scores(pictures), model.scores(pictures), rtol=0, atol=1e-5 * scale)


def test_the_shipped_model_survives_both_conversions(model: Model, crop: Array) -> None:
    fitted = model.to_pipeline()
    scores = model.scores([crop])
    np.testing.assert_allclose(fitted.decision_function([crop]), scores, rtol=0, atol=1e-5)
    again = Model.from_pipeline(fitted, rule="naive")
    np.testing.assert_allclose(again.scores([crop]), scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(again.probabilities([crop]), model.probabilities([crop]), atol=1e-5)
    assert again.rule == "naive"
    assert again.settings == model.settings
    assert clone(fitted["encoder"]).get_params()["parts"] == fitted["encoder"].parts


def test_probabilities_of_a_binary_pipeline_are_those_of_its_model(pipeline: Pipeline, pictures: list[Array]) -> None:
    model = Model.from_pipeline(pipeline)
    np.testing.assert_allclose(model.probabilities(pictures), pipeline.predict_proba(pictures), atol=1e-6)
    np.testing.assert_allclose(model.probabilities(pictures).sum(axis=1), 1)
    assert model.predict(pictures) == [[label] for label in pipeline.predict(pictures)]
    back = model.to_pipeline()
    np.testing.assert_allclose(back.decision_function(pictures), pipeline.decision_function(pictures), atol=1e-5)
    np.testing.assert_allclose(back.predict_proba(pictures), pipeline.predict_proba(pictures), atol=1e-5)


def test_a_model_takes_the_classes_that_the_user_names(pipeline: Pipeline, pictures: list[Array]) -> None:
    model = Model.from_pipeline(pipeline, classes=["round", "striped"], rule="absolute")
    assert model.classes == ["round", "striped"]
    assert model.explain(pictures[0], "round").rule == "absolute"
    numbers = clone(pipeline).fit(pictures, [index % 2 for index in range(24)])
    assert Model.from_pipeline(numbers).classes == ["0", "1"]


def test_our_stages_take_the_place_of_theirs(descriptors: list[Array], labels: list[str]) -> None:
    means = np.stack([one.mean(axis=0) for one in descriptors])
    chain = make_pipeline(StandardScaler(), Pca(3), LinearSvm(random_state=0))
    assert cross_val_score(chain, means, labels, cv=2).mean() > 0.8
    chain = make_pipeline(FunctionTransformer(np.asarray), PCA(3), OneVsRestClassifier(LinearSvm(random_state=0)))
    assert chain.fit(means, labels).score(means, labels) > 0.8
    rows = np.concatenate(descriptors)
    assert make_pipeline(PCA(3), OURS).fit(rows).score(rows) > make_pipeline(PCA(3), clone(OURS).set_params(n_components=1)).fit(
        rows
    ).score(rows)


def test_a_frozen_mixture_and_a_frozen_projection_are_kept(pictures: list[Array], descriptors: list[Array], labels: list[str]) -> None:
    for mixture in (OURS, THEIRS):
        learned = clone(mixture).fit(np.concatenate(descriptors[:4]))
        encoder = FisherVector(FrozenEstimator(learned)).fit(descriptors)
        np.testing.assert_array_equal(encoder.mixture_.means_, learned.means_)
        assert np.isfinite(encoder.transform(descriptors)).all()
    described = DenseSift((4, 6), step=6).transform(pictures)
    pca = Pca(8).fit(described[0])
    step = PerImage(FrozenEstimator(pca)).fit(described)
    np.testing.assert_array_equal(step.transform(described)[3], pca.transform(described[3]))
    fitted = new_pipeline(pca=step, encoder=encoder).fit(pictures, labels)
    conserves(Model.from_pipeline(fitted), pictures[1])


def test_matrices_of_labels_are_learned_column_by_column(descriptors: list[Array]) -> None:
    vectors = FisherVector(OURS, random_state=0).fit_transform(descriptors)
    first, second = np.arange(24) % 2, np.arange(24) // 4 % 2
    svm = LinearSvm(random_state=0, probability=True, n_folds=2).fit(vectors, np.stack([first, second], axis=1))
    alone = LinearSvm(random_state=0).fit(vectors, second)
    np.testing.assert_allclose(svm.decision_function(vectors)[:, 1], alone.decision_function(vectors), atol=1e-3)
    assert svm.predict(vectors).shape == (24, 2)
    assert svm.predict_proba(vectors).shape == (24, 2)
    # A sample that is left out for a class changes nothing in this class.
    left_out = np.stack([np.where(first, 1, -1), np.where(second, 1, -1)], axis=1)
    left_out[:3, 1] = 0
    fewer = LinearSvm(random_state=0).fit(vectors[3:], second[3:])
    svm = LinearSvm(random_state=0).fit(vectors, left_out)
    np.testing.assert_allclose(svm.decision_function(vectors)[:, 1], fewer.decision_function(vectors), atol=2e-3)


def test_the_svm_chooses_c_by_cross_validation(descriptors: list[Array], labels: list[str]) -> None:
    vectors = FisherVector(OURS, random_state=0).fit_transform(descriptors)
    svm = LinearSvm((1e-6, 10.0), n_folds=3, random_state=0).fit(vectors, labels)
    assert svm.C_ in (1e-6, 10.0)
    same = LinearSvm(svm.C_, random_state=0).fit(vectors, labels)
    np.testing.assert_array_equal(svm.coef_, same.coef_)
    np.testing.assert_allclose(svm.dual_coef_ @ vectors, svm.coef_, atol=1e-4)
