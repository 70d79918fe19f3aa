"""Images in every form that a user may have, as the compiled half takes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from fisherlens._arrays import float32

Image = Union[str, bytes, "os.PathLike[str]", NDArray[Any], Any]
Prepared = Union[str, bytes, NDArray[np.uint8], NDArray[np.float32]]


def prepare(image: Image) -> Prepared:
    """An image as a path, the bytes of a file, or an array (height, width) or (height, width, 3) of uint8 or float32.

    Raises
    ------
    TypeError
        For something that is no image, or an array with another type of elements.
    ValueError
        For an array of another shape, without pixels, or with values outside [0, 1].
    """
    if isinstance(image, (str, os.PathLike)):
        path = os.fsdecode(os.fspath(image))
        # The compiled half reads standard input for this name.
        return os.path.join(os.curdir, path) if path == "-" else path
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if hasattr(image, "mode") and hasattr(image, "convert"):
        return _of_pillow(image)
    if isinstance(image, np.ndarray) or hasattr(image, "__array__"):
        return _of_array(np.asarray(image))
    raise TypeError(
        f"found {type(image).__name__}, expected an image: a path, the bytes of a file, a PIL image, or an array (height, width) or "
        "(height, width, 3) of uint8 or of floats in [0, 1]"
    )


def prepare_all(images: Iterable[Image]) -> list[Prepared]:
    """The images of a list; the error of an image begins with its place in the list."""
    if isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike)) or hasattr(images, "convert"):
        raise TypeError(f"found one image ({type(images).__name__}), expected a list of images: write [image]")
    if hasattr(images, "read"):
        raise TypeError("found an open file, expected a list of images: write [file.read()]")
    if hasattr(images, "columns"):
        raise TypeError(f"found a table ({type(images).__name__}), expected a list of images: give one of its columns")
    if isinstance(images, np.ndarray) and images.ndim in (2, 3):
        raise TypeError(f"found an array of shape {images.shape}, expected a list of images: write [image], or list(images) for a stack")
    if not isinstance(images, Iterable):
        raise TypeError(f"found {type(images).__name__}, expected a list of images")
    prepared: list[Prepared] = []
    for index, image in enumerate(images):
        try:
            prepared.append(prepare(image))
        except (TypeError, ValueError) as error:
            raise type(error)(f"image {index}: {error}") from None
    if not prepared:
        raise ValueError("there is no image: give at least one")
    return prepared


def _of_array(array: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.float32]:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        hint = ""
        if array.ndim == 3 and array.shape[2] in (2, 4):
            hint = "; blend the last channel (opacity) with a background, or leave it out with image[..., :3]"
        elif array.ndim == 3 and array.shape[0] in (1, 3):
            hint = "; move the channels to the end with image.transpose(1, 2, 0)"
        elif array.ndim == 4:
            hint = "; an array of several images is given as a list"
        raise ValueError(f"an array of shape {array.shape}, expected (height, width) or (height, width, 3){hint}")
    if array.size == 0:
        raise ValueError(f"an array of shape {array.shape} has no pixels")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        hint = ": divide 16-bit values by 65535" if array.dtype == np.uint16 else ""
        raise TypeError(f"an array of {array.dtype}, expected uint8 or floats in [0, 1]{hint}")
    floats = float32(array)
    is_inside = (floats >= 0) & (floats <= 1)
    if not is_inside.all():
        place = tuple(int(axis[0]) for axis in np.nonzero(~is_inside))
        raise ValueError(f"pixel (x {place[1]}, y {place[0]}) is {floats[place]}, expected values in [0, 1]: divide 8-bit values by 255")
    return floats


def _of_pillow(image: Any) -> NDArray[np.uint8]:
    """The pixels of a PIL image as they are stored: an orientation in EXIF data, or a transparent colour of "L" or "RGB", is not applied."""
    if image.width == 0 or image.height == 0:
        raise ValueError(f"a PIL image of {image.width} x {image.height} pixels has no pixels")
    if image.mode in ("L", "RGB"):
        return np.ascontiguousarray(image, dtype=np.uint8)
    if image.mode == "1":
        return np.ascontiguousarray(image.convert("L"), dtype=np.uint8)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or (image.mode == "P" and "transparency" in image.info):
        # Transparent pixels are blended with white, as in files. Grey stays grey.
        is_gray = image.mode in ("LA", "La")
        channels = np.asarray(image.convert("LA" if is_gray else "RGBA"), dtype=np.uint32)
        colours, opacity = channels[..., :-1], channels[..., -1:]
        blended = ((colours * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
        return blended[..., 0] if is_gray else blended
    if image.mode.startswith("I;16"):
        wide = np.asarray(image, dtype=np.uint32)
        return ((wide * 255 + 32767) // 65535).astype(np.uint8)
    if image.mode in ("I", "F"):
        raise ValueError(f'a PIL image of mode "{image.mode}" has no known range: convert it to "L" or "RGB" first')
    return np.ascontiguousarray(image.convert("RGB"), dtype=np.uint8)
