"""Weights in 8 bits: a quarter of the bytes of float32. Used in lecture 15."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..withheld import asked_for

LARGEST = 127  # of int8; -128 is left out, so that the range is symmetric


@asked_for("15.5")
def quantize(x: Tensor) -> tuple[Tensor, float]:
    """Return whole numbers from -127 to 127, int8, and the step s: x is about s times the numbers.

    Symmetric quantisation, one step for the whole tensor (Jacob et al., "Quantization and training
    of neural networks for efficient integer-arithmetic-only inference", CVPR 2018). A tensor of
    zeros gets the step 1. Used in lecture 15.

    Example:
        >>> numbers, step = quantize(torch.tensor([-1.0, 0.0, 0.5, 1.27]))
        >>> numbers.tolist(), round(step, 4)
        ([-100, 0, 50, 127], 0.01)
    """
    step = x.abs().max().item() / LARGEST or 1.0
    return (x / step).round().clamp(-LARGEST, LARGEST).to(torch.int8), step


def with_weights_in_int8(model: nn.Module) -> tuple[nn.Module, int]:
    """Return a copy whose convolutions and linear layers have quantised weights, and its bytes.

    The copy computes in float32: only the weights are rounded, by one step a tensor. So its
    accuracy is that of weights in int8, and its time is that of the model. Bytes: one for each such
    weight, four for each step and for everything else. Used in lecture 15.

    Example:
        >>> layer, size = with_weights_in_int8(nn.Linear(10, 2))
        >>> size  # 20 weights, a step, two biases
        32
    """
    rounded = copy.deepcopy(model)
    size = bytes_of(rounded)
    for module in rounded.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            numbers, step = quantize(module.weight.data)
            module.weight.data = numbers.to(module.weight.dtype) * step
            size -= module.weight.numel() * (module.weight.element_size() - 1) - 4
    return rounded, size


def bytes_of(model: nn.Module) -> int:
    """Return the bytes of all parameters and buffers of a model. Used in lecture 15.

    Example:
        >>> bytes_of(nn.Linear(10, 2))
        88
    """
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
