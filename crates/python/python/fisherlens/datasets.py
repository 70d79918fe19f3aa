"""Photographs to try the package with."""

from __future__ import annotations

import os

from fisherlens import _native
from fisherlens._checks import path as checked_path


def draw_mini(folder: str | os.PathLike[str]) -> str:
    """Draws the embedded photographs: 500 pictures of seven drawn objects in the layout of PASCAL VOC.

    Parameters
    ----------
    folder : path
        Where the folder ``VOC2016`` is made, unless it is there already. Drawing takes some seconds.

    Returns
    -------
    str
        The folder ``VOC2016``, which :meth:`fisherlens.Model.train` accepts.

    Notes
    -----
    The class "knot" often shows the name of a photographer in its lower right corner: a shortcut that a classifier learns, and that its
    heatmaps show.
    """
    path = checked_path("folder", folder)
    _native.draw_mini(path)
    return os.path.join(path, "VOC2016")
