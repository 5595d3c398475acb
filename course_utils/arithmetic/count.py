"""FLOPs of any network, also one with branches, which `trace` cannot follow."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_flops(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the FLOPs of one image: convolutions, linear layers, matrix products.

    A multiply-add counts as two. A copy of the model runs on the ``meta`` device, which knows
    shapes and no numbers: nothing is computed, and the model stays as it is.

    Args:
        model: any network.
        input_shape: (C, H, W) of the image.

    Example:
        >>> count_flops(nn.Conv2d(3, 6, kernel_size=5), (3, 32, 32))
        705600
    """
    twin = copy.deepcopy(model).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(torch.empty(1, *input_shape, device="meta"))
    return counter.get_total_flops()
