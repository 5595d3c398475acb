"""Weights of our networks in Keras's order, and back. Used in lecture 13.

Keras keeps images as (N, H, W, C) and kernels as (H, W, in, out); torch as (N, C, H, W) and
(out, in, H, W). A linear layer after flattening sees the same numbers in another order. Nothing
here imports Keras: a Keras model, on its torch backend, brings its own methods.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..withheld import asked_for


@asked_for("13.1")
def kernel_to_keras(weight: Tensor) -> Tensor:
    """(out, in, H, W) to (H, W, in, out)."""
    return weight.permute(2, 3, 1, 0)


@asked_for("13.1")
def kernel_from_keras(kernel: Tensor) -> Tensor:
    """(H, W, in, out) to (out, in, H, W)."""
    return kernel.permute(3, 2, 0, 1)


@asked_for("13.2")
def dense_to_keras(weight: Tensor, channels: int, side: int) -> Tensor:
    """(out, channels · side²) to (side² · channels, out).

    The inputs are a flattened feature map: channel by channel here, pixel by pixel in Keras. A
    plain vector of n numbers has n channels and side 1. Used in lecture 13.

    Example:
        >>> dense_to_keras(torch.tensor([[1, 2, 3, 4, 10, 20, 30, 40]]), channels=2, side=2).T
        tensor([[ 1, 10,  2, 20,  3, 30,  4, 40]])
    """
    maps = weight.reshape(len(weight), channels, side, side)
    return maps.permute(2, 3, 1, 0).reshape(-1, len(weight))


@asked_for("13.2")
def dense_from_keras(kernel: Tensor, channels: int, side: int) -> Tensor:
    """Undo `dense_to_keras`: (side² · channels, out) to (out, channels · side²)."""
    maps = kernel.reshape(side, side, channels, kernel.shape[1])
    return maps.permute(3, 2, 0, 1).reshape(kernel.shape[1], -1)


def to_keras(model: nn.Module, keras_model: Any, channels: int, side: int) -> None:
    """Copy the weights of a VGG of ours into `keras.applications`' VGG of the same sizes.

    Used in lecture 13.

    Args:
        model: its weights are copied.
        keras_model: on the torch backend; it gets them.
        channels: of the feature map that reaches the first linear layer.
        side: height and width of that map.

    Raises:
        ValueError: the layers do not fit.

    Example:
        >>> from types import SimpleNamespace as Stub  # in the place of Keras's variables
        >>> variable = Stub(assign=lambda value: print(tuple(value.shape)))
        >>> layer = Stub(weights=[variable] * 2, kernel=variable, bias=variable)
        >>> to_keras(nn.Linear(12, 5), Stub(layers=[layer]), channels=3, side=2)
        (12, 5)
        (5,)
    """
    for layer, keras_layer, is_first in _pairs(model, keras_model):
        with torch.no_grad():
            weight, bias = layer.parameters()
            if isinstance(layer, nn.Conv2d):
                kernel = kernel_to_keras(weight)
            else:
                kernel = dense_to_keras(weight, *_map_size(layer, is_first, channels, side))
            keras_layer.kernel.assign(kernel.contiguous())
            keras_layer.bias.assign(bias)


def from_keras(keras_model: Any, model: nn.Module, channels: int, side: int) -> None:
    """Undo `to_keras`: copy the weights of the Keras model into ours. Used in lecture 13.

    Raises:
        ValueError: the layers do not fit.

    Example:
        >>> from types import SimpleNamespace as Stub  # in the place of Keras's variables
        >>> layer = Stub(weights=[Stub(value=torch.ones(12, 5)), Stub(value=torch.zeros(5))])
        >>> ours = nn.Linear(12, 5)
        >>> from_keras(Stub(layers=[layer]), ours, channels=3, side=2)
        >>> ours.weight.unique().item()
        1.0
    """
    for layer, keras_layer, is_first in _pairs(model, keras_model):
        weight, bias = layer.parameters()
        kernel, keras_bias = (variable.value.detach() for variable in keras_layer.weights)
        if isinstance(layer, nn.Conv2d):
            values = kernel_from_keras(kernel)
        else:
            values = dense_from_keras(kernel, *_map_size(layer, is_first, channels, side))
        with torch.no_grad():
            weight.copy_(values)
            bias.copy_(keras_bias)


def _map_size(layer: nn.Linear, is_first: bool, channels: int, side: int) -> tuple[int, int]:
    return (channels, side) if is_first else (layer.in_features, 1)


def _pairs(model: nn.Module, keras_model: Any) -> list[tuple[nn.Conv2d | nn.Linear, Any, bool]]:
    """Our layers with weights beside Keras's, and whether it is the first linear one."""
    ours = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    theirs = [layer for layer in keras_model.layers if layer.weights]
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} layers with weights do not fit {len(theirs)} of Keras")
    first = next((layer for layer in ours if isinstance(layer, nn.Linear)), None)
    return [(a, b, a is first) for a, b in zip(ours, theirs, strict=True)]
