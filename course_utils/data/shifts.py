"""Images that differ from those of training: tied backgrounds, other objects, worse pictures.

All are made of what is bundled. Used in lecture 15.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..runtime import profile
from ..withheld import asked_for
from . import fashion
from .photos import PHOTOGRAPHS, SEEDS, Recipe, backgrounds, on_photographs, recipe
from .types import Split

TIE_SEEDS = {"train": 3, "test": 4}
DIGIT_SEED = 5
WIDTHS_OF_BLUR = 3  # standard deviations that a blur reaches to each side


def tied_photographs(
    part: str, share: float, classes: tuple[str, str, str]
) -> tuple[Split, Recipe]:
    """Return garments of three classes, each tied to one of the three photographs.

    Class k lies on photograph k with probability ``share``, else on one of the other two. Garments,
    tints and shifts do not depend on ``share``. It is the design of Sagawa, Koh, Hashimoto and
    Liang, "Distributionally robust neural networks for group shifts", ICLR 2020 (birds on land and
    on water). The quick profile takes the bundled sample, the full one all images.

    Args:
        part: "train" or "test". The photographs' pieces are those of `backgrounds`.
        share: from 0 to 1; 1/3 is untied.
        classes: names of Fashion-MNIST's classes; they get the labels 0, 1 and 2.

    Returns:
        The images, and what each was made with, in the same order.

    Raises:
        ValueError: ``share`` is out of range, or no class is called that.

    Example:
        >>> split, made = tied_photographs("test", 1.0, ("Bag", "Coat", "Dress"))
        >>> bool((split.labels == made.photograph).all())
        True
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, not {share}")
    if unknown := set(classes) - set(fashion.CLASS_NAMES):
        raise ValueError(f"Fashion-MNIST has no class {unknown.pop()!r}")
    arrays = fashion.sample() if profile() == "quick" else fashion.full()
    numbers = [fashion.CLASS_NAMES.index(name) for name in classes]
    chosen = np.flatnonzero(np.isin(arrays[f"{part}_labels"], numbers))
    labels = np.array([numbers.index(n) for n in arrays[f"{part}_labels"][chosen]], np.int64)
    random = np.random.RandomState(TIE_SEEDS[part])  # its stream is frozen (NEP 19)
    away = random.randint(1, len(PHOTOGRAPHS), len(labels))
    photo = (labels + np.where(random.random_sample(len(labels)) < share, 0, away)) % 3
    garments = arrays[f"{part}_images"][chosen]
    images = on_photographs(garments, backgrounds(part), SEEDS[part], photo)
    made = recipe(part, len(labels))._replace(photograph=torch.from_numpy(photo))
    return Split(torch.from_numpy(images), torch.from_numpy(labels)), made


def digits_on_photographs(count: int = 1000) -> Tensor:
    """Return handwritten digits in place of garments: uint8 (N, 3, 32, 32).

    They are tinted, moved and laid on the training photographs as garments are. They ship with
    scikit-learn (8x8 pixels) and are enlarged to 24x24.

    Args:
        count: N, at most 1,797.

    Example:
        >>> digits_on_photographs(5).shape
        torch.Size([5, 3, 32, 32])
    """
    from sklearn.datasets import load_digits  # only this needs it

    small = torch.from_numpy(load_digits().images[:count]).float()[:, None]
    large = F.interpolate(small / 16 * 255, size=24, mode="bilinear")[:, 0]
    garments = F.pad(large.round().to(torch.uint8), (2, 2, 2, 2)).numpy()
    return torch.from_numpy(on_photographs(garments, backgrounds("train"), DIGIT_SEED))


def empty_photographs(count: int = 1000) -> Tensor:
    """Return pieces of the training photographs without any garment: uint8 (N, 3, 32, 32).

    Example:
        >>> empty_photographs(5).shape
        torch.Size([5, 3, 32, 32])
    """
    nothing = np.zeros((count, 28, 28), np.uint8)
    return torch.from_numpy(on_photographs(nothing, backgrounds("train"), DIGIT_SEED))


@asked_for("15.2")
def blur(images: Tensor, sigma: float) -> Tensor:
    """Return images, each pixel the mean of its surroundings, with a Gaussian's weights.

    Beyond the border the image is mirrored, as by ``F.pad(..., mode="reflect")``.

    Args:
        images: float (N, C, H, W).
        sigma: the standard deviation, in pixels. The weights reach ceil(3 sigma) pixels far.

    Example:
        >>> blur(torch.ones(1, 3, 32, 32), 1.5).std().item() < 1e-6
        True
    """
    if sigma == 0:
        return images
    reach = math.ceil(WIDTHS_OF_BLUR * sigma)
    places = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).to(images.dtype)
    count, channels, height, width = images.shape
    x = F.pad(images.reshape(count * channels, 1, height, width), (reach,) * 4, mode="reflect")
    x = F.conv2d(F.conv2d(x, weights[None, None, :, None]), weights[None, None, None])
    return x.reshape(images.shape)
