"""The numbers behind the page "Inside a network": the bundled slim VGG-11 and some pictures.

Its weights are rounded to 8 bits, so that the page stays small: w ≈ scale · q, one scale for each
filter and whole q from -127 to 127. Batch norm in evaluation multiplies and adds constants; with
the scale and the bias it becomes one factor and one shift for each filter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...data import ImageData, load_data
from ...models import slim_vgg
from ...models.pretrained import Pretrained, pretrained
from ...models.vgg import VGG
from .explore_arrays import deflated
from .explore_garments import first_of_each

EACH = 2  # pictures of each class to choose from
LARGEST = 127


class Rounded(NamedTuple):
    """Weights rounded to 8 bits: whole numbers, and one scale for each filter."""

    whole: Tensor
    scale: Tensor


def inside_data() -> dict[str, Any]:
    """Return what the page needs: pictures, the rounded network, and how often it agrees."""
    source = pretrained()
    network = source.model
    assert isinstance(network, VGG)
    data = load_data("fashion_photos", profile="quick").only(source.class_names)
    chosen = first_of_each(data.test, EACH)
    features = [packed_part(*layer) for layer in parts(network.features)]
    classifier = [packed_part(layer, None) for layer in linear_layers(network)]
    return {
        "classes": list(source.class_names),
        "pictures": deflated(data.test.images[chosen].numpy()),
        "labels": data.test.labels[chosen].tolist(),
        "mean": list(source.mean),
        "std": list(source.std),
        "features": features,
        "classifier": classifier,
        "agrees": agreement(source, data),
        "tested": len(data.test),
    }


def rounded(weight: Tensor) -> Rounded:
    """Round weights (filters, …) to whole numbers and a scale (filters,)."""
    scale = weight.flatten(1).abs().amax(dim=1) / LARGEST
    shaped = scale.view(-1, *[1] * (weight.ndim - 1))
    return Rounded((weight / shaped).round().to(torch.int8), scale)


def parts(features: nn.Sequential) -> list[tuple[nn.Module, nn.BatchNorm2d | None]]:
    """Return the convolutions, each with its batch norm, and the pools, in their order."""
    layers = list(features)
    found: list[tuple[nn.Module, nn.BatchNorm2d | None]] = []
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            found.append((layer, after if isinstance(after, nn.BatchNorm2d) else None))
    return found


def linear_layers(model: VGG) -> list[nn.Linear]:
    """Return the layers of the classifier that have weights."""
    return [layer for layer in model.classifier if isinstance(layer, nn.Linear)]


@torch.no_grad()
def packed_part(layer: nn.Module, norm: nn.BatchNorm2d | None) -> dict[str, Any]:
    """Return one layer for the page: a pool, or whole weights with their factors and shifts."""
    if isinstance(layer, nn.MaxPool2d):
        return {"kind": "pool"}
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    assert layer.bias is not None
    whole, scale = rounded(layer.weight)
    factor, shift = scale.double(), layer.bias.double()
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        factor = factor * gain
        shift = norm.bias.double() + (shift - norm.running_mean.double()) * gain
    return {
        "kind": "conv" if isinstance(layer, nn.Conv2d) else "linear",
        "weight": deflated(whole.numpy()),
        "factor": factor.numpy().astype(np.float32),
        "shift": shift.numpy().astype(np.float32),
    }


@torch.no_grad()
def rounded_network(source: Pretrained) -> nn.Module:
    """Return the network with the weights that the page has, in evaluation mode."""
    network = slim_vgg(num_classes=len(source.class_names))
    network.load_state_dict(source.model.state_dict())
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            whole, scale = rounded(layer.weight)
            layer.weight.copy_(whole * scale.view(-1, *[1] * (whole.ndim - 1)))
    return network.eval()


def normalised(images: Tensor, source: Pretrained) -> Tensor:
    """Return uint8 images (N, 3, 32, 32) as the network was trained to read them."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (source.mean, source.std))
    return (images / 255 - mean) / std


@torch.no_grad()
def agreement(source: Pretrained, data: ImageData) -> int:
    """Return for how many test images the rounded network answers what the stored one answers."""
    images = normalised(data.test.images, source)
    answers = [
        torch.cat([network(part) for part in images.split(200)]).argmax(dim=1)
        for network in (source.model, rounded_network(source))
    ]
    return int((answers[0] == answers[1]).sum())
