"""What the tests share: paths, little drawn pictures, and a small learned model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fisherlens

Array = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
PHOTOGRAPH = ROOT / "crates" / "bench" / "src" / "astronaut.jpg"
LABELS = ("discs", "stripes")


def drawn(index: int, height: int = 48, width: int = 64) -> Array:
    """A little picture of uint8, (height, width, 3): discs for an even number, slanted stripes for an odd one."""
    random = np.random.default_rng(index)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    if index % 2 == 0:
        gray = np.zeros((height, width))
        for _ in range(4):
            centre_y, centre_x, radius = random.uniform(0, height), random.uniform(0, width), random.uniform(5, 11)
            gray += (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2
        gray = np.minimum(gray, 1)
    else:
        angle, period = random.uniform(0.2, 1.3), random.uniform(6, 10)
        gray = 0.5 + 0.5 * np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / period)
    colour = random.uniform(0.6, 1, 3)
    picture = 40 + 180 * gray[..., np.newaxis] * colour + random.normal(0, 6, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8)


def write_folders(folder: Path, n: int, **size: int) -> tuple[list[Path], list[str]]:
    """Writes ``n`` drawn pictures into one folder per class. Gives their paths and labels."""
    from PIL import Image

    paths, labels = [], []
    for index in range(n):
        label = LABELS[index % 2]
        (folder / label).mkdir(parents=True, exist_ok=True)
        paths.append(folder / label / f"{index:03}.png")
        labels.append(label)
        Image.fromarray(drawn(index, **size)).save(paths[-1])
    return paths, labels


@pytest.fixture(scope="session")
def pictures() -> list[Array]:
    """24 drawn pictures."""
    return [drawn(index) for index in range(24)]


@pytest.fixture(scope="session")
def labels() -> list[str]:
    """The labels of the drawn pictures."""
    return [LABELS[index % 2] for index in range(24)]


def new_pipeline(**options: Any) -> Any:
    """An unfitted pipeline that learns in a moment. ``options`` are parameters of its steps."""
    from sklearn.pipeline import Pipeline

    from fisherlens import DenseSift, DiagonalGaussianMixture, FisherVector, LinearSvm, Pca, PerImage

    mixture = DiagonalGaussianMixture(4, random_state=0, tol=1e-3)
    steps = [
        ("sift", DenseSift((4, 6), step=6)),
        ("pca", PerImage(Pca(8), random_state=0)),
        ("encoder", FisherVector(mixture, random_state=0)),
        ("svm", LinearSvm(1.0, random_state=0)),
    ]
    return Pipeline(steps).set_params(**options)


@pytest.fixture(scope="session")
def pipeline(pictures: list[Array], labels: list[str]) -> Any:
    """A fitted pipeline. Tests must not change it."""
    return new_pipeline(svm__probability=True).fit(pictures, labels)


@pytest.fixture(scope="session")
def descriptors(pictures: list[Array]) -> list[Array]:
    """The projected descriptors of the drawn pictures."""
    found: list[Array] = new_pipeline()[:2].fit_transform(pictures)
    return found


@pytest.fixture(scope="session")
def small_model(pipeline: Any) -> fisherlens.Model:
    """A model of two classes and four components."""
    return fisherlens.Model.from_pipeline(pipeline)


@pytest.fixture(scope="session")
def model() -> fisherlens.Model:
    """The model that comes with the package."""
    return fisherlens.Model.default()


@pytest.fixture(scope="session")
def crop() -> Array:
    """A part of the photograph, uint8, (80, 96, 3)."""
    from PIL import Image

    return np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))[20:100, 180:276].copy()
