"""What today's recipes add to a training step: a schedule, mixed images, an average of weights.

Each is an exercise of lecture 06, which goes on with these where one is not solved.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..withheld import asked_for


@asked_for("06.2")
def warm_up_and_cosine(step: int, steps: int, warm_up: int, peak: float) -> float:
    """Return the learning rate of one step: a straight warm-up, then half a cosine down to 0.

    The cosine is that of Loshchilov and Hutter ("SGDR", 2017), without restarts.

    Args:
        step: counted from 0.
        steps: of the whole run.
        warm_up: steps until the peak is reached; fewer than ``steps``.
        peak: the largest rate.

    Example:
        >>> [round(warm_up_and_cosine(step, 4, 2, 0.4), 3) for step in range(5)]
        [0.2, 0.4, 0.4, 0.2, 0.0]
    """
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak / 2 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


@asked_for("06.5")
def mix_images(
    images: Tensor, labels: Tensor, partners: Tensor, shares: Tensor, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return each image (N, C, H, W) mixed with its partner, and the labels (N, num_classes).

    Zhang et al., "mixup: Beyond empirical risk minimization", 2018.

    Args:
        images: float.
        labels: whole numbers (N,).
        partners: the place of each image's partner (N,).
        shares: of the image itself, from 0 to 1 (N,).
        num_classes: how many classes there are.

    Example:
        >>> images, labels = torch.tensor([10.0, 20.0]).view(2, 1, 1, 1), torch.tensor([0, 1])
        >>> partners, shares = torch.tensor([1, 0]), torch.tensor([0.75, 0.5])
        >>> mixed, soft = mix_images(images, labels, partners, shares, num_classes=2)
        >>> mixed.flatten().tolist(), soft.tolist()
        ([12.5, 15.0], [[0.75, 0.25], [0.5, 0.5]])
    """
    rows = F.one_hot(labels, num_classes).to(shares.dtype)
    own = shares[:, None]
    mixed = images[partners].lerp(images, own[:, :, None, None])
    return mixed, rows[partners].lerp(rows, own)


@asked_for("06.6")
@torch.no_grad()
def move_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the weights and running statistics of ``average`` towards those of ``model``, in place.

    Whole numbers are copied, such as batch norm's count of the batches.

    Args:
        average: what remembers.
        model: of the same architecture; it is not changed.
        decay: the share of the average that stays.

    Example:
        >>> average, model = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> _ = nn.init.ones_(average.weight), nn.init.constant_(model.weight, 3)
        >>> move_average(average, model, 0.9)
        >>> round(average.weight.item(), 2)
        1.2
    """
    new = model.state_dict()
    for name, tensor in average.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(new[name], 1 - decay)
        else:
            tensor.copy_(new[name])
