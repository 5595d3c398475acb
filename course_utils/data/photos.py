"""Fashion-MNIST on photographs: garments, tinted and shifted, laid on patches of photographs.

It is the idea by which MNIST-M was made from MNIST (Ganin et al., 2016, "Domain-adversarial
training of neural networks"): a colour data set as hard for a pixel comparison as CIFAR-10, with
nothing to download.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from ..runtime import project_root
from .types import Split

PHOTOGRAPHS = {
    "grace_hopper": "09d3dc4bd740960002e5d2ec4188651bc0067120e39678fde8d02eb0cf0b54d9",
    "china": "98267a560091d42573ede01a528735e3e48ac624bf1dd128beefa73fbd5caa84",
    "flower": "6460fbb5d0a131df6951ced1f2629073ab3d93b32703f57161b0b648f052744e",
}
SIZE = 32
MAX_SHIFT = 2
SEEDS = {"train": 1, "test": 2}
DARKEST_TINT = 96
BLOCK = 1000  # images made at once: keeps the temporary arrays under 20 MB


def photograph(name: str = "flower") -> Tensor:
    """Return a bundled photograph, "grace_hopper", "china" or "flower": uint8 (3, H, W).

    Raises:
        ValueError: no photograph is called that.
        RuntimeError: the file is missing or damaged.

    Example:
        >>> photograph("flower").shape
        torch.Size([3, 213, 320])
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"no photograph is called {name!r}: choose from {', '.join(PHOTOGRAPHS)}")
    from PIL import Image  # only this needs it: the other data sets load without

    path = project_root() / "data" / f"photograph_{name}.png"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != PHOTOGRAPHS[name]:
        raise RuntimeError(
            f"the bundled file data/{path.name} is missing or damaged: "
            "restore the data/ folder from the course's repository"
        )
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def backgrounds(part: str) -> list[np.ndarray]:
    """Return what "train" or "test" images are laid on: uint8 (3, H, W) pieces of photographs.

    Training images see the left three quarters of each photograph and test images the right
    quarter, so that no test background was seen in training.

    Example:
        >>> [piece.shape for piece in backgrounds("test")]
        [(3, 300, 64), (3, 213, 80), (3, 213, 80)]
    """
    pieces = []
    for name in PHOTOGRAPHS:
        pixels = photograph(name).numpy()
        cut = pixels.shape[2] * 3 // 4
        pieces.append(pixels[:, :, :cut] if part == "train" else pixels[:, :, cut:])
    return pieces


def on_photographs(
    garments: np.ndarray,
    photographs: list[np.ndarray],
    seed: int,
    which: np.ndarray | None = None,
) -> np.ndarray:
    """Lay grey garments (N, 28, 28) uint8 on random patches of photographs: uint8 (N, 3, 32, 32).

    Each garment gets a random tint, and a shift of up to 2 pixels from the middle. Where it is
    black the photograph shows; from intensity 64 on it is opaque; between, both are mixed.

    The result is the same to the bit on every machine: the arithmetic is in whole numbers, and
    numpy has frozen the stream of RandomState (NEP 19), unlike that of its newer generators.
    Image i depends on the seed, i and garment i only.

    Args:
        garments: uint8 (N, 28, 28), 0 where there is none.
        photographs: uint8 (3, H, W) each, of at least 32 x 32 pixels.
        seed: of tints, shifts and patches.
        which: int64 (N,), the place in ``photographs`` of what each garment is laid on. By default
            it is drawn.

    Example:
        >>> on_photographs(np.zeros((5, 28, 28), np.uint8), backgrounds("test"), seed=0).shape
        (5, 3, 32, 32)
    """
    draws = _draws(len(garments), seed)
    if which is None:
        which = _photo(draws, len(photographs))
    images = np.empty((len(garments), 3, SIZE, SIZE), np.uint8)
    for start in range(0, len(garments), BLOCK):
        block = slice(start, start + BLOCK)
        images[block] = _composite(garments[block], photographs, draws[block], which[block])
    return images


class Recipe(NamedTuple):
    """What each of N images of `fashion_photos` was made with, all int64.

    Attributes:
        tint: (N, 3), the colour of full intensity, red, green and blue, 96 to 255.
        right: (N,), by how many pixels the garment was moved from the middle, -2 to 2.
        down: (N,), likewise.
        photograph: (N,), what it lies on, as a place in the list ``PHOTOGRAPHS``.
    """

    tint: Tensor
    right: Tensor
    down: Tensor
    photograph: Tensor


def recipe(part: str, count: int) -> Recipe:
    """Return what the first ``count`` images of "train" or "test" were made with.

    Test images stand in `fashion_photos` in this order. Of the images of "train", some are cut off
    for validation: there the order is that before the cut.

    Example:
        >>> recipe("test", 3).photograph
        tensor([1, 2, 1])
    """
    draws = _draws(count, SEEDS[part])
    down, right = (MAX_SHIFT - _window(draws)).T
    photo = _photo(draws, len(PHOTOGRAPHS))
    return Recipe(*(torch.from_numpy(x.copy()) for x in (_tint(draws), right, down, photo)))


def _draws(count: int, seed: int) -> np.ndarray:
    """Eight whole numbers for each image, int64 (count, 8). Row i depends on seed and i only."""
    random = np.random.RandomState(seed)
    return random.randint(0, 2**31 - 1, size=(count, 8), dtype=np.int64)


def _tint(draws: np.ndarray) -> np.ndarray:
    return DARKEST_TINT + draws[:, :3] % (256 - DARKEST_TINT)


def _window(draws: np.ndarray) -> np.ndarray:
    """The first row and column (N, 2) of the canvas in the padded garment: 2, 2 is the middle."""
    return draws[:, 3:5] % (2 * MAX_SHIFT + 1)


def _photo(draws: np.ndarray, count: int) -> np.ndarray:
    return draws[:, 5] % count


def _composite(
    garments: np.ndarray, photographs: list[np.ndarray], draws: np.ndarray, which: np.ndarray
) -> np.ndarray:
    tint = _tint(draws).astype(np.uint16)[:, :, None, None]
    intensity = _shifted(garments, _window(draws))[:, None].astype(np.uint16)
    patches = _patches(photographs, which, draws[:, 6], draws[:, 7]).astype(np.uint16)
    colour = intensity * tint // 255
    opacity = np.minimum(intensity * 4, 255)
    return ((255 - opacity) * patches + opacity * colour) // 255  # at most 255 * 255: fits uint16


def _shifted(garments: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Put each 28x28 garment on a 32x32 canvas, up to 2 pixels from the middle."""
    room = SIZE - garments.shape[-1]  # 4 pixels: 2 on each side of the middle
    wide = np.pad(garments, ((0, 0), (room, room), (room, room)))
    windows = sliding_window_view(wide, (SIZE, SIZE), axis=(1, 2))
    return windows[np.arange(len(garments)), window[:, 0], window[:, 1]]


def _patches(
    photographs: list[np.ndarray], which: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Cut a 3x32x32 patch for each image out of the photograph that was drawn for it."""
    patches = np.empty((len(which), 3, SIZE, SIZE), np.uint8)
    for number, photo in enumerate(photographs):
        windows = sliding_window_view(photo, (SIZE, SIZE), axis=(1, 2)).swapaxes(0, 1)
        windows = windows.swapaxes(1, 2)  # (rows, columns, 3, 32, 32)
        chosen = which == number
        rows, columns = row[chosen] % windows.shape[0], column[chosen] % windows.shape[1]
        patches[chosen] = windows[rows, columns]
    return patches


def as_split(garments: np.ndarray, labels: np.ndarray, part: str) -> Split:
    """Make the "train" or "test" Split of `fashion_photos` from grey garments (N, 28, 28).

    The data set is one and the same for everybody: its seeds are fixed.
    """
    images = on_photographs(garments, backgrounds(part), SEEDS[part])
    return Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))
