"""Stored figures in fewer bytes: notebooks are read on phones, and their history only grows."""

from __future__ import annotations

import base64
import io

import numpy as np
from nbformat import NotebookNode
from PIL import Image

PALETTES = (32, 64, 256)  # colours; 256 is the most that one byte for each pixel can name
MOST_COLORS = 10_000  # with more of them, it is a photograph: a palette would show
STEP = 3  # a photograph's channels are rounded to multiples of it; 0 and 255 are such, and stay
UNSEEN = 16  # of 255: how far a channel may be changed, in all but one of 1,000 pixels


def small_png(png: bytes) -> bytes:
    """Return a figure that looks the same as a PNG of fewer bytes, or ``png`` if there is none.

    A chart gets a palette. In a photograph each channel is changed by at most 1 of 255. A figure
    with a palette or with transparent pixels stays as it is.

    Raises:
        PIL.UnidentifiedImageError: it is no image.
    """
    figure = Image.open(io.BytesIO(png))
    opaque = np.asarray(figure.convert("RGBA"))[..., 3].min() == 255
    if figure.mode == "P" or not opaque:
        return png
    full = figure.convert("RGB")
    colors = full.getcolors(MOST_COLORS)
    fewer = (full.quantize(count, kmeans=2) for count in PALETTES if colors)  # None: more than that
    chosen = next((few for few in fewer if looks_same(few, full)), None) or rounded(full)
    found = io.BytesIO()
    chosen.save(found, "PNG", optimize=True)
    return min(png, found.getvalue(), key=len)


def rounded(full: Image.Image) -> Image.Image:
    """Return a photograph in fewer shades, which a PNG stores in fewer bytes."""
    shades = (np.asarray(full, int) + STEP // 2) // STEP * STEP
    return Image.fromarray(shades.astype(np.uint8))


def looks_same(few: Image.Image, full: Image.Image) -> bool:
    """Return whether a palette changes hardly any pixel so much that it is seen."""
    changed = np.abs(np.asarray(few.convert("RGB"), int) - np.asarray(full, int)).max(axis=2)
    return bool(np.quantile(changed, 0.999) <= UNSEEN)


def shrink_figures(notebook: NotebookNode) -> NotebookNode:
    """Store the figures of a notebook in fewer bytes, in place, and return it."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    for output in outputs:
        if png := output.get("data", {}).get("image/png"):
            output.data["image/png"] = base64.b64encode(small_png(base64.b64decode(png))).decode()
    return notebook
