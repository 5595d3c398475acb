"""DenseNet: every layer reads what all layers before it have made.

Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", CVPR 2017:
the form with bottlenecks and compression (DenseNet-BC). Layer names are torchvision's, so that its
weights load unchanged. Used in lecture 11.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..withheld import asked_for
from .initialization import kaiming_weights, zero_biases

LAYERS = {  # in each of the four blocks
    "densenet121": (6, 12, 24, 16),
    "densenet169": (6, 12, 32, 32),
    "densenet201": (6, 12, 48, 32),
}


@asked_for("11.3")
class DenseLayer(nn.Module):
    """Batch norm, ReLU, 1x1 convolution; batch norm, ReLU, 3x3 convolution to ``growth_rate``.

    Args:
        in_channels: of all features so far together.
        growth_rate: channels that the layer adds.
        bottleneck: the 1x1 convolution makes ``bottleneck * growth_rate`` channels.
        memory_efficient: compute the first half again on the way back, instead of keeping it
            (Pleiss et al., 2017); as in torchvision, the running statistics of ``norm1`` then move
            twice a step.

    Example:
        >>> DenseLayer(24, 12)([torch.zeros(1, 16, 8, 8), torch.zeros(1, 8, 8, 8)]).shape
        torch.Size([1, 12, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        growth_rate: int,
        *,
        bottleneck: int = 4,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        width = bottleneck * growth_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        self.memory_efficient = memory_efficient

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """All features so far, each (N, channels, H, W), to new ones (N, growth_rate, H, W)."""
        if self.memory_efficient and torch.is_grad_enabled():
            narrow = checkpoint(self.narrow, *features, use_reentrant=False)
        else:
            narrow = self.narrow(*features)
        return self.conv2(self.relu2(self.norm2(narrow)))

    def narrow(self, *features: Tensor) -> Tensor:
        """Join the features and reduce them to (N, bottleneck * growth_rate, H, W)."""
        return self.conv1(self.relu1(self.norm1(torch.cat(features, dim=1))))


class JoinedDenseLayer(DenseLayer):
    """A dense layer that returns its input and, behind it, the new channels, as in exercise 11.3.

    Used in lecture 11.

    Example:
        >>> JoinedDenseLayer(24, 12)(torch.zeros(1, 24, 8, 8)).shape
        torch.Size([1, 36, 8, 8])
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(N, in_channels, H, W) to (N, in_channels + growth_rate, H, W)."""
        return torch.cat([x, super().forward([x])], dim=1)


class DenseBlock(nn.ModuleDict):
    """``layers`` dense layers; ``growth_rate`` channels are added by each of them."""

    def __init__(self, layers: int, in_channels: int, growth_rate: int, **options) -> None:
        super().__init__()
        for number in range(layers):
            layer = DenseLayer(in_channels + number * growth_rate, growth_rate, **options)
            self[f"denselayer{number + 1}"] = layer

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, in_channels + layers * growth_rate, H, W)."""
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, dim=1)


@asked_for("11.4")
class Transition(nn.Sequential):
    """Between two blocks: a 1x1 convolution to fewer channels, and half the rows and columns.

    Example:
        >>> Transition(60, 30)(torch.zeros(1, 60, 8, 8)).shape
        torch.Size([1, 30, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


def half_transition(in_channels: int) -> Transition:
    """Return the transition to half as many channels, as in exercise 11.4. Used in lecture 11.

    Example:
        >>> half_transition(60)(torch.zeros(1, 60, 8, 8)).shape
        torch.Size([1, 30, 4, 4])
    """
    return Transition(in_channels, in_channels // 2)


class DenseNet(nn.Module):
    """The family for large images: DenseNet-121, 169 and 201; names as in torchvision.

    Input: float (N, 3, H, W), usually 224x224. Output: logits (N, num_classes).

    Args:
        name: one of ``LAYERS``.
        num_classes: how many logits.
        growth_rate: channels that each dense layer adds.
        memory_efficient: see `DenseLayer`.

    Raises:
        ValueError: the name is unknown.
    """

    def __init__(
        self,
        name: str = "densenet121",
        num_classes: int = 1000,
        *,
        growth_rate: int = 32,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        if name not in LAYERS:
            raise ValueError(f"unknown network {name!r}: choose one of {', '.join(LAYERS)}")
        channels = 2 * growth_rate
        self.features = nn.Sequential()
        self.features.conv0 = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        self.features.norm0 = nn.BatchNorm2d(channels)
        self.features.relu0 = nn.ReLU(inplace=True)
        self.features.pool0 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        options = {"memory_efficient": memory_efficient}
        channels = add_blocks(self.features, channels, LAYERS[name], growth_rate, **options)
        self.features.norm5 = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, num_classes)
        kaiming_weights(self, nn.Conv2d)
        zero_biases(self, nn.Linear)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(pooled(self.features(images)))


class SmallDenseNet(nn.Module):
    """The family for 32x32 images, section 4.2 of the paper: three blocks of ``layers`` layers.

    It has 6 * layers + 4 layers with weights. The first convolution keeps the size; the maps of
    the blocks are 32x32, 16x16 and 8x8, as in ``SmallResNet``. With 6 layers and a growth rate of
    15 it has about as many parameters as a ResNet-20. Used in lecture 11.

    Input: float (N, in_channels, H, W). Output: logits (N, num_classes).

    Args:
        layers: of each block.
        num_classes: how many logits.
        in_channels: of the images.
        growth_rate: channels that each dense layer adds.
        memory_efficient: see `DenseLayer`.

    Example:
        >>> SmallDenseNet(layers=2)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """

    def __init__(
        self,
        layers: int = 6,
        num_classes: int = 10,
        *,
        in_channels: int = 3,
        growth_rate: int = 15,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        channels = 2 * growth_rate
        self.features = nn.Sequential()
        self.features.conv0 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        options = {"memory_efficient": memory_efficient}
        channels = add_blocks(self.features, channels, [layers] * 3, growth_rate, **options)
        self.features.norm5 = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, num_classes)
        kaiming_weights(self, nn.Conv2d)
        zero_biases(self, nn.Linear)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, in_channels, H, W)."""
        return self.classifier(pooled(self.features(images)))


def add_blocks(
    features: nn.Sequential, channels: int, layers: Sequence[int], growth_rate: int, **options
) -> int:
    """Append ``denseblock1``, ``transition1``, ...; return the channels after the last block."""
    for number, count in enumerate(layers, 1):
        block = DenseBlock(count, channels, growth_rate, **options)
        features.add_module(f"denseblock{number}", block)
        channels += count * growth_rate
        if number < len(layers):
            features.add_module(f"transition{number}", Transition(channels, channels // 2))
            channels //= 2
    return channels


def pooled(features: Tensor) -> Tensor:
    """The end of the network: ReLU, then the mean of each channel; (N, C, H, W) to (N, C)."""
    return F.adaptive_avg_pool2d(F.relu(features), 1).flatten(1)
