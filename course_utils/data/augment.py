"""Changes of whole batches, each image by its own random amount, on the batch's device.

All functions take images (N, C, H, W), uint8 or float, and return the same shape, type and device.
What comes in from outside the image is 0. That is black for uint8 and for floats from 0 to 1, and
not for normalised ones: so augment first and normalise afterwards, as BatchLoader does.

The random numbers are drawn on the generator's device, the CPU unless you say otherwise: the same
seed then gives the same pictures on every device.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..withheld import asked_for


@asked_for("06.4")
def pad_crop(images: Tensor, padding: int = 4, generator: torch.Generator | None = None) -> Tensor:
    """Pad every image by `padding` on all sides and cut it back to its size at a random place.

    Each image moves by up to `padding` pixels both ways (He et al., 2015, for CIFAR-10).

    Raises:
        ValueError: the images are no batch, or `padding` is negative.

    Example:
        >>> pad_crop(torch.ones(5, 3, 32, 32)).shape
        torch.Size([5, 3, 32, 32])
    """
    _check(images)
    if padding < 0:
        raise ValueError(f"padding must be 0 or more, not {padding}")
    count, _, height, width = images.shape
    offsets = _random(
        torch.randint, 2 * padding + 1, (2, count), generator=generator, device=images.device
    )
    padded = F.pad(images, (padding,) * 4)
    # All crops as one view (N, C, 2p+1, 2p+1, H, W); indexing it copies one crop for each image.
    crops = padded.unfold(2, height, 1).unfold(3, width, 1)
    return crops[torch.arange(count, device=images.device), :, offsets[0], offsets[1]]


def flip(
    images: Tensor, probability: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    """Mirror each image left to right with this probability.

    Raises:
        ValueError: the images are no batch, or the probability is not from 0 to 1.

    Example:
        >>> flip(torch.tensor([[[[1, 2, 3]]]]), probability=1)
        tensor([[[[3, 2, 1]]]])
    """
    _check(images)
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be from 0 to 1, not {probability}")
    drawn = _random(torch.rand, (len(images),), generator=generator, device=images.device)
    return torch.where((drawn < probability)[:, None, None, None], images.flip(-1), images)


@asked_for("06.4")
def standard_augmentation(padding: int = 4) -> Callable[..., Tensor]:
    """Return the usual augmentation for small images: `pad_crop`, then `flip` by chance.

    The function returned takes (images, generator=None), which is what BatchLoader calls.

    Example:
        >>> augment = standard_augmentation(padding=2)
        >>> augment(torch.ones(5, 3, 32, 32, dtype=torch.uint8)).dtype
        torch.uint8
    """

    def augment(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return flip(pad_crop(images, padding, generator), generator=generator)

    return augment


def shift(images: Tensor, dx: int, dy: int) -> Tensor:
    """Move every image dx pixels to the right and dy pixels down (negative: left, up).

    Raises:
        ValueError: the images are no batch.

    Example:
        >>> shift(torch.tensor([[[[1, 2, 3]]]]), dx=1, dy=0)
        tensor([[[[0, 1, 2]]]])
    """
    _check(images)
    height, width = images.shape[-2:]
    dx, dy = max(-width, min(dx, width)), max(-height, min(dy, height))
    # A negative padding cuts off: what is added on one side leaves on the other.
    return F.pad(images, (dx, -dx, dy, -dy))


def zoom(images: Tensor, factor: float) -> Tensor:
    """Enlarge (factor > 1) or shrink (factor < 1) every image about its middle.

    Bilinear. The images keep their size: enlarging cuts off their edges, shrinking leaves a black
    frame.

    Raises:
        ValueError: the images are no batch, or `factor` is not greater than 0.

    Example:
        >>> zoom(torch.ones(1, 1, 4, 4), 0.5).sum()  # 2 x 2 of 16 pixels are left
        tensor(4.)
    """
    _check(images)
    if factor <= 0:
        raise ValueError(f"factor must be greater than 0, not {factor}")
    height, width = images.shape[-2:]
    size = (max(round(height * factor), 1), max(round(width * factor), 1))
    scaled = F.interpolate(images.float(), size=size, mode="bilinear", align_corners=False)
    if not images.is_floating_point():
        scaled = scaled.round_().clamp_(0, 255)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    frame = (left, width - size[1] - left, top, height - size[0] - top)
    return F.pad(scaled.to(images.dtype), frame)


def crop(images: Tensor, size: int) -> Tensor:
    """Keep the middle size x size pixels of every image and make the rest black.

    Raises:
        ValueError: the images are no batch, or smaller than `size`.

    Example:
        >>> crop(torch.ones(1, 1, 4, 4), 2).sum()
        tensor(4.)
    """
    _check(images)
    height, width = images.shape[-2:]
    if not 0 <= size <= min(height, width):
        raise ValueError(f"size must be from 0 to {min(height, width)}, not {size}")
    top, left = (height - size) // 2, (width - size) // 2
    kept = torch.zeros_like(images)
    window = (..., slice(top, top + size), slice(left, left + size))
    kept[window] = images[window]
    return kept


def _check(images: Tensor) -> None:
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, C, H, W), not {tuple(images.shape)}")


def _random(
    draw: Callable[..., Tensor],
    *arguments: object,
    generator: torch.Generator | None,
    device: torch.device,
) -> Tensor:
    source = generator.device if generator is not None else "cpu"
    return draw(*arguments, generator=generator, device=source).to(device)
