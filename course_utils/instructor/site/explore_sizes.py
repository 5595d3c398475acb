"""The networks that the page on sizes shows: the layers of the course's own, without weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...models import VGG, AlexNet, LeNet5

NETWORKS: dict[str, tuple[str, type[nn.Module], tuple[int, int, int]]] = {
    "lenet": ("LeNet-5", LeNet5, (1, 32, 32)),
    "alexnet": ("AlexNet", AlexNet, (3, 224, 224)),
    "vgg": ("VGG-11", VGG, (3, 224, 224)),
}


def as_layers(network: nn.Module) -> list[dict[str, Any]]:
    """Return the convolutions, max poolings and linear layers of a network, in their order."""
    layers = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layers.append({"kind": "conv", "filters": layer.out_channels, **window(layer)})
        elif isinstance(layer, nn.MaxPool2d):
            layers.append({"kind": "pool", **window(layer)})
        elif isinstance(layer, nn.Linear):
            layers.append({"kind": "linear", "filters": layer.out_features})
    return layers


def window(layer: nn.Conv2d | nn.MaxPool2d) -> dict[str, Any]:
    """Return the kernel size, stride, padding and dilation of a layer with square windows."""
    names = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}
    values = {name: getattr(layer, attribute) for name, attribute in names.items()}
    values["dilation"] = layer.dilation
    return {name: v[0] if isinstance(v, tuple) else v for name, v in values.items()}


def sizes_data() -> dict[str, Any]:
    """Return the networks of the page on sizes: title, shape of the image (C, H, W), layers."""
    with torch.device("meta"):  # shapes without memory
        return {
            name: {"title": title, "input": shape, "layers": as_layers(network())}
            for name, (title, network, shape) in NETWORKS.items()
        }
