"""Weights of our networks in Keras's order. Used in lecture 13.

Keras keeps images as (N, H, W, C) and kernels as (H, W, in, out); torch as (N, C, H, W) and
(out, in, H, W). A linear layer after flattening sees the same numbers in another order. Nothing
here imports Keras: a Keras model, on its torch backend, brings its own methods.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Layer = nn.Conv2d | nn.Linear | nn.BatchNorm2d


def kernel_to_keras(weight: Tensor) -> Tensor:
    """(out, in, H, W) to (H, W, in, out)."""
    return weight.permute(2, 3, 1, 0)


def dense_to_keras(weight: Tensor, channels: int, side: int) -> Tensor:
    """(out, channels · side²) to (side² · channels, out).

    The inputs are a flattened feature map: channel by channel here, pixel by pixel in Keras. A
    plain vector of n numbers has n channels and side 1.

    Example:
        >>> dense_to_keras(torch.tensor([[1, 2, 3, 4, 10, 20, 30, 40]]), channels=2, side=2).T
        tensor([[ 1, 10,  2, 20,  3, 30,  4, 40]])
    """
    maps = weight.reshape(len(weight), channels, side, side)
    return maps.permute(2, 3, 1, 0).reshape(-1, len(weight))


def to_keras(model: nn.Module, keras_model: Any, channels: int = 1, side: int = 1) -> None:
    """Copy the weights of a chain of layers into a Keras model of the same layers.

    Convolutions, linear layers and batch norm with its statistics, in their order. Used in
    lecture 13.

    Args:
        model: its weights are copied.
        keras_model: on the torch backend; it gets them.
        channels: of the feature map that reaches the first linear layer, if there is one.
        side: height and width of that map.

    Raises:
        ValueError: the layers do not fit.

    Example:
        >>> from types import SimpleNamespace as Stub  # in the place of Keras's variables
        >>> variable = Stub(assign=lambda value: print(tuple(value.shape)))
        >>> to_keras(nn.Linear(12, 5), Stub(layers=[Stub(weights=[variable] * 2)]), 3, 2)
        (12, 5)
        (5,)
    """
    ours = [layer for layer in model.modules() if isinstance(layer, Layer)]
    theirs = [layer for layer in keras_model.layers if layer.weights]
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} layers with weights do not fit {len(theirs)} of Keras")
    first = next((layer for layer in ours if isinstance(layer, nn.Linear)), None)
    with torch.no_grad():
        for layer, keras_layer in zip(ours, theirs, strict=True):
            values = _values(layer, (channels, side) if layer is first else None)
            for variable, value in zip(keras_layer.weights, values, strict=True):
                variable.assign(value.contiguous())


def _values(layer: Layer, map_size: tuple[int, int] | None) -> list[Tensor]:
    """A layer's tensors as Keras has them; a map of this size is flattened before it."""
    first: Tensor
    if isinstance(layer, nn.BatchNorm2d):
        return [layer.weight, layer.bias, layer.running_mean, layer.running_var]  # type: ignore[list-item]
    if isinstance(layer, nn.Conv2d):
        first = kernel_to_keras(layer.weight)
    else:
        first = dense_to_keras(layer.weight, *(map_size or (layer.in_features, 1)))
    return [first] if layer.bias is None else [first, layer.bias]
