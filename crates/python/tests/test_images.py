"""The form in which an image comes does not matter, only its pixels do."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import Array
from fisherlens import DenseSift, Model

pytestmark = pytest.mark.filterwarnings("error")


def scores(model: Model, image: Any, **options: Any) -> Array:
    return model.scores([image], **options)


def file_of(picture: Array, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def path(crop: Array, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("images") / "ein Foto – ☂.png"
    found.write_bytes(file_of(crop))
    return found


@pytest.fixture(scope="module")
def expected(model: Model, crop: Array) -> Array:
    return scores(model, crop)


SAME_PIXELS: dict[str, Callable[[Path], Any]] = {
    "path as text": str,
    "path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "memoryview with a step": lambda path: memoryview(bytes(np.repeat(np.frombuffer(path.read_bytes(), "u1"), 2)))[::2],
    "PIL from a file": Image.open,
    "PIL": lambda path: Image.open(path).copy(),
    "PIL with opacity": lambda path: Image.open(path).convert("RGBA"),
    "text of numpy": lambda path: np.str_(path),
}


@pytest.mark.parametrize("name", list(SAME_PIXELS))
def test_files_and_pictures_give_the_scores_of_their_pixels(name: str, model: Model, path: Path, expected: Array) -> None:
    np.testing.assert_array_equal(scores(model, SAME_PIXELS[name](path)), expected)


def padded(array: Array) -> Array:
    """The same values as a window of a larger array."""
    large = np.full((array.shape[0] + 7, array.shape[1] + 5, *array.shape[2:]), 3, dtype=array.dtype)
    large[2:-5, 4:-1] = array
    return large[2:-5, 4:-1]


def read_only(array: Array) -> Array:
    array = array.copy()
    array.setflags(write=False)
    return array


def of_a_buffer(array: Array) -> Array:
    """An array whose memory belongs to bytes, at an odd address."""
    data = b"x" + array.tobytes()
    return np.frombuffer(data, dtype=array.dtype, offset=1).reshape(array.shape)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "rows from below": lambda array: array[::-1].copy()[::-1],
    "columns from the right": lambda array: array[:, ::-1].copy()[:, ::-1],
    "both backwards": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda array: array.swapaxes(0, 1).copy().swapaxes(0, 1),
    "Fortran order": np.asfortranarray,
    "window": padded,
    "every second": lambda array: np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": read_only,
    "unaligned": of_a_buffer,
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "subclass": lambda array: array.view(np.ma.MaskedArray),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("is_gray", [False, True], ids=["colour", "grey"])
def test_the_layout_of_an_array_does_not_matter(layout: str, is_gray: bool, model: Model, crop: Array) -> None:
    picture = crop[:, :, 1] if is_gray else crop
    for array in (picture, picture / 255, (picture / 255).astype(np.float32)):
        changed = LAYOUTS[layout](array)
        np.testing.assert_array_equal(changed, array)
        before = changed.copy()
        np.testing.assert_array_equal(scores(model, changed), scores(model, array))
        np.testing.assert_array_equal(changed, before)


def test_colours_in_another_order_of_memory_are_the_same(model: Model, crop: Array, expected: Array) -> None:
    planes = np.ascontiguousarray(crop.transpose(2, 0, 1))
    np.testing.assert_array_equal(scores(model, planes.transpose(1, 2, 0)), expected)
    backwards = np.ascontiguousarray(crop[:, :, ::-1])
    np.testing.assert_array_equal(scores(model, backwards[:, :, ::-1]), expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [("f8", 1e-12), ("f4", 1e-12), ("g", 1e-12), ("f2", 0.05)])
def test_floats_of_every_size_agree(dtype: str, tolerance: float, model: Model, crop: Array) -> None:
    floats = (crop / 255).astype(dtype)
    reference = scores(model, (crop / 255).astype(np.float32))
    np.testing.assert_allclose(scores(model, floats), reference, rtol=0, atol=tolerance)


def test_floats_are_not_rounded_to_eight_bits(model: Model, crop: Array) -> None:
    # Grey pixels of 8 bits are exact in floats; values between them count.
    gray = crop[:, :, 0]
    np.testing.assert_allclose(scores(model, gray / 255), scores(model, gray), rtol=0, atol=1e-5)
    shifted = np.clip(gray / 255 + np.linspace(0, 0.4 / 255, 96), 0, 1)
    assert np.abs(scores(model, shifted) - scores(model, gray / 255)).max() > 1e-5


def test_grey_and_equal_colours_agree(model: Model, crop: Array) -> None:
    gray = crop[:, :, 0]
    expected = scores(model, gray)
    np.testing.assert_array_equal(scores(model, gray[:, :, np.newaxis]), expected)
    np.testing.assert_array_equal(scores(model, Image.fromarray(gray)), expected)
    np.testing.assert_array_equal(scores(model, file_of(gray)), expected)
    np.testing.assert_allclose(scores(model, np.stack([gray] * 3, axis=2)), expected, rtol=0, atol=1e-4)


def pillow_images(crop: Array) -> dict[str, tuple[Image.Image, str]]:
    """Pictures of many modes, with a file format that keeps them."""
    picture = Image.fromarray(crop)
    opacity = Image.fromarray(np.linspace(0, 255, crop.shape[0] * crop.shape[1]).reshape(crop.shape[:2]).astype(np.uint8))
    rgba, la = picture.copy(), picture.convert("L")
    rgba.putalpha(opacity)
    la.putalpha(opacity)
    palette = picture.quantize(32)
    see_through = palette.copy()
    see_through.info["transparency"] = 3
    by_table = palette.copy()
    by_table.info["transparency"] = bytes(range(0, 256, 8))
    wide = (np.asarray(picture.convert("L"), dtype=np.uint16) * 257 + np.arange(96, dtype=np.uint16)).astype(np.uint16)
    return {
        "L": (picture.convert("L"), "PNG"),
        "RGB": (picture, "PNG"),
        "RGBA": (rgba, "PNG"),
        "LA": (la, "PNG"),
        "P": (palette, "PNG"),
        "P with a transparent colour": (see_through, "PNG"),
        "P with a table of opacities": (by_table, "PNG"),
        "1": (picture.convert("1"), "PNG"),
        "I;16": (Image.fromarray(wide), "PNG"),
        "CMYK": (picture.convert("CMYK"), "JPEG"),
        "JPEG": (picture, "JPEG"),
    }


@pytest.mark.parametrize("mode", list(pillow_images(np.zeros((80, 96, 3), dtype=np.uint8))))
def test_a_pillow_image_and_its_file_agree(mode: str, model: Model, crop: Array) -> None:
    image, kind = pillow_images(crop)[mode]
    file = io.BytesIO()
    options = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(file, kind, **options)
    data = file.getvalue()
    opened = Image.open(io.BytesIO(data))
    assert opened.mode == mode.split()[0] or mode in ("JPEG", "I;16")
    of_pillow, of_file = model.explain(opened), model.explain(data)
    # Decoders of JPEG may differ in the last digit of a value.
    difference = np.abs(of_pillow.photograph.astype(np.int16) - of_file.photograph.astype(np.int16)).max()
    assert difference <= (3 if kind == "JPEG" else 0)
    np.testing.assert_allclose(scores(model, opened), scores(model, data), rtol=0, atol=0.05 if kind == "JPEG" else 0)


def test_transparent_pixels_are_white(model: Model, crop: Array) -> None:
    opacity = np.zeros(crop.shape[:2], dtype=np.uint8)
    opacity[:40] = 255
    rgba = Image.fromarray(np.dstack([crop, opacity]))
    white = np.where(opacity[..., np.newaxis] > 0, crop, np.uint8(255))
    np.testing.assert_array_equal(scores(model, rgba), scores(model, white))


def test_a_transparent_colour_of_a_pillow_image_without_opacity_is_not_applied(model: Model, crop: Array) -> None:
    # convert("RGB") leaves the note of the palette's transparent colour in the picture. Its pixels are what counts.
    picture = Image.fromarray(crop).quantize(32)
    picture.info["transparency"] = 3
    opaque = picture.convert("RGB")
    assert "transparency" in opaque.info
    np.testing.assert_array_equal(scores(model, opaque), scores(model, np.asarray(opaque)))
    assert np.abs(scores(model, opaque) - scores(model, picture)).max() > 1e-3


@pytest.mark.parametrize("mode", ["HSV", "YCbCr", "RGBX"])
def test_other_modes_of_pillow_are_converted(mode: str, model: Model, crop: Array) -> None:
    image = Image.fromarray(crop).convert(mode)
    np.testing.assert_array_equal(scores(model, image), scores(model, image.convert("RGB")))


def test_a_file_is_turned_upright_and_a_pillow_image_is_not(model: Model, crop: Array, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(crop).save(path, quality=95, exif=exif)
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == crop.shape
    upright = np.rot90(pixels, -1)
    for image in (path, path.read_bytes()):
        found = model.explain(image).photograph
        assert found.shape == upright.shape
        assert np.abs(found.astype(np.int16) - upright).max() <= 3
    np.testing.assert_array_equal(model.explain(Image.open(path)).photograph, pixels)


def test_large_images_are_shrunk_to_max_side(model: Model, crop: Array, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(file_of(crop))
    for image in (path, path.read_bytes(), crop, Image.fromarray(crop), crop / 255):
        explanation = model.explain(image, "cat", max_side=48)
        assert explanation.photograph.shape == (40, 48, 3)
        assert explanation.pixels.shape == (40, 48)
        np.testing.assert_array_equal(scores(model, image, max_side=48), scores(model, crop, max_side=48))
        assert model.explain(image, "cat", max_side=None).photograph.shape == crop.shape
        np.testing.assert_array_equal(scores(model, image, max_side=96), scores(model, image, max_side=None))
    [found] = DenseSift((4,), step=8, max_side=48).describe([crop])
    assert found.size == (40, 48)
    [found] = DenseSift((4,), step=8, max_side=None).describe([crop])
    assert found.size == (80, 96)
    assert found.positions.min() > 0
    assert found.positions.max() < 1
    # 500 is the default.
    wide = np.tile(crop, (1, 6, 1))
    assert model.explain(wide, "cat").photograph.shape[1] == 500
    assert DenseSift((8,), step=30).describe([wide])[0].size[1] == 500


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_without_contrast_has_finite_scores_and_relevance(value: int, model: Model) -> None:
    picture = np.full((60, 70, 3), value, dtype=np.uint8)
    assert np.isfinite(scores(model, picture)).all()
    for rule in ("epsilon=100", "naive", "absolute"):
        explanation = model.explain(picture, "cat", rule)
        assert np.isfinite(explanation.pixels).all()
        assert np.isfinite(explanation.descriptors).all()
        assert explanation.heatmap().shape == (60, 70, 3)


def test_a_list_of_many_forms_is_scored_in_its_order(model: Model, crop: Array, path: Path, expected: Array) -> None:
    other = np.ascontiguousarray(crop[::-1])
    found = model.scores((image for image in [path, other, crop, Image.fromarray(other)]), n_jobs=2)
    np.testing.assert_array_equal(found[[0, 2]], np.concatenate([expected, expected]))
    np.testing.assert_array_equal(found[1], found[3])
    assert np.abs(found[0] - found[1]).max() > 1e-3
    stack = np.stack([crop, other])
    np.testing.assert_array_equal(model.scores(stack), found[:2])
