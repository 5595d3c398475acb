"""Random tensors for the cases of exercises."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Return normally distributed float32 numbers with mean 0 and standard deviation ``scale``."""
    return torch.from_numpy((scale * rng.standard_normal(shape)).astype(np.float32))


def layer_state(
    rng: Generator, name: str, *shape: int, scale: float = 0, bias: float = 0.3
) -> dict[str, Tensor]:
    """Return random weights of a layer; by default numbers keep their size on the way through it.

    Args:
        rng: where the numbers come from.
        name: what the names of the tensors begin with.
        shape: the shape of the weight, the outputs first.
        scale: standard deviation of the weight.
        bias: standard deviation of the bias; 0 for a layer without one.
    """
    scale = scale or (2 / math.prod(shape[1:])) ** 0.5
    state = {f"{name}.weight": normal(rng, *shape, scale=scale)}
    return state | ({f"{name}.bias": normal(rng, shape[0], scale=bias)} if bias else {})


def norm_state(
    rng: Generator, channels: int, prefix: str = "", mean_scale: float = 0.3
) -> dict[str, Tensor]:
    """Return weights and running statistics of a batch norm that are far from 0 and 1."""
    return {
        f"{prefix}weight": 1 + normal(rng, channels, scale=0.3),
        f"{prefix}bias": normal(rng, channels, scale=0.3),
        f"{prefix}running_mean": normal(rng, channels, scale=mean_scale),
        f"{prefix}running_var": normal(rng, channels).abs() + 0.5,
    }


def normed(x: Tensor, state: dict[str, Tensor], name: str, eps: float = 1e-5) -> Tensor:
    """Return ``x`` (N, C, H, W) after the batch norm of this name, in evaluation mode."""
    parts = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{name}.{part}"] for part in parts)
    return F.batch_norm(x, mean, variance, weight, bias, eps=eps)
