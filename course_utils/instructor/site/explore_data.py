"""The numbers that explorable pages show, made from the bundled data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch.nn.functional as F

from ...data.photos import photograph


class Crop(NamedTuple):
    """A part of a bundled photograph: what one sees, its title, and which pixels."""

    title: str
    alt: str
    rows: slice
    columns: slice


PHOTOGRAPHS = {
    "china": Crop(
        "Roofs",
        "Curved roofs of a temple before a bright, smooth sky",
        slice(40, 180),
        slice(20, 210),  # as lecture 02 cuts it
    ),
    "flower": Crop("Flower", "A bright flower before dark leaves", slice(30, 180), slice(70, 270)),
}
WIDTH = 112  # pixels: a window of 3 is still seen on a phone


def grey_photograph(name: str) -> np.ndarray:
    """Return a part of a photograph in grey, `WIDTH` pixels wide: uint8 (H, W)."""
    part = PHOTOGRAPHS[name]
    grey = photograph(name)[:, part.rows, part.columns].float().mean(dim=0, keepdim=True)
    height = round(grey.shape[1] * WIDTH / grey.shape[2])
    return F.interpolate(grey[None], (height, WIDTH), mode="area")[0, 0].round().byte().numpy()


def kernels_data() -> dict[str, Any]:
    """Return the photographs of the page on kernels, with their titles and descriptions."""
    return {
        name: {"title": part.title, "alt": part.alt, "image": grey_photograph(name)}
        for name, part in PHOTOGRAPHS.items()
    }
