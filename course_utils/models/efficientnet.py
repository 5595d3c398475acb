"""EfficientNet: cheap blocks, scaled in width, depth and resolution together.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019.
The block (MBConv) is that of MobileNetV2 (Sandler et al., CVPR 2018) with squeeze and excitation.
Layer names are torchvision's, so that its weights load unchanged. Used in lecture 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from ..withheld import asked_for
from .initialization import kaiming_weights, zero_biases
from .senet import SqueezeExcitation


class Stage(NamedTuple):
    """A stage of MBConv blocks: only the first one has the stride and changes the channels."""

    expand: int
    kernel_size: int
    stride: int
    channels: int
    layers: int


STEM = 32  # channels of the first convolution
STAGES = (  # EfficientNet-B0, table 1 of the paper
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
SLIM_STEM = 8
SLIM_STAGES = (  # for images of 16 to 40 pixels
    Stage(1, 3, 1, 8, 2),
    Stage(3, 3, 2, 16, 2),
    Stage(3, 3, 2, 24, 2),
)
SCALES = {  # name: (width, depth, resolution in pixels, dropout)
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
}


class Scale(NamedTuple):
    """By how much a network grows: its layers, its channels, and its images' height and width."""

    depth: float
    width: float
    resolution: float


@asked_for("12.4")
def scales_for(factor: float, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15) -> Scale:
    """Return the three scales with which the FLOPs grow by ``factor``, section 3.3 of the paper.

    FLOPs grow with depth, with the square of the width and with the square of the resolution.
    Used in lecture 12.

    Args:
        factor: of the FLOPs, above 0.
        alpha: the depth of one step; the default is the paper's.
        beta: the width of one step, likewise.
        gamma: the resolution of one step, likewise.

    Example:
        >>> depth, width, resolution = scales_for(4)
        >>> f"{depth:.2f} {width:.2f} {resolution:.2f}, {depth * width**2 * resolution**2:.2f}"
        '1.47 1.22 1.35, 4.00'
    """
    phi = math.log(factor) / math.log(alpha * beta**2 * gamma**2)
    return Scale(alpha**phi, beta**phi, gamma**phi)


@asked_for("12.3")
def cost_of_mbconv(
    in_channels: int, out_channels: int, kernel_size: int, expand: int, size: int, stride: int
) -> tuple[int, int]:
    """Return weights and FLOPs of the convolutions of one MBConv block.

    A multiply-add counts as two FLOPs. Squeeze and excitation, batch norm and the addition are not
    counted. Used in lecture 12.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of the depthwise convolution, odd.
        expand: how many times as many channels there are inside; 1 has no first convolution.
        size: height and width of the input.
        stride: of the depthwise convolution.

    Example:
        >>> cost_of_mbconv(32, 16, 3, expand=1, size=112, stride=1)
        (800, 20070400)
    """
    inner, after = in_channels * expand, math.ceil(size / stride)
    up = in_channels * inner if expand > 1 else 0
    rest = kernel_size**2 * inner + inner * out_channels
    return up + rest, 2 * (up * size**2 + rest * after**2)


def scaled_channels(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, but never below 90 % of ``channels``."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Return a convolution that keeps the size at stride 1, batch norm, and SiLU if wanted."""
    padding = kernel_size // 2
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        layers.append(nn.SiLU(inplace=True))
    return nn.Sequential(*layers)


class MBConv(nn.Module):
    """1x1 up, a depthwise convolution, squeeze and excitation, 1x1 down without activation.

    The input is added where the shapes allow it.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of the depthwise convolution.
        stride: of the depthwise convolution.
        expand: how many times as many channels there are between the two 1x1 convolutions.
        drop: with this probability an image of the batch goes past the branch in training
            (stochastic depth: Huang et al., ECCV 2016).
        layer: makes each convolution, with what follows it.
        squeeze: whether there is squeeze and excitation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        expand: int = 6,
        drop: float = 0.0,
        layer: Callable[..., nn.Sequential] = conv_norm,
        squeeze: bool = True,
    ) -> None:
        from torchvision.ops import StochasticDepth  # takes a second: only this needs it

        super().__init__()
        inner = scaled_channels(in_channels * expand)
        layers: list[nn.Module] = []
        if inner != in_channels:
            layers.append(layer(in_channels, inner, 1))
        layers.append(layer(inner, inner, kernel_size, stride, groups=inner))
        if squeeze:
            layers.append(SqueezeExcitation(inner, max(1, in_channels // 4), nn.SiLU))
        layers.append(layer(inner, out_channels, 1, activation=False))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        out = self.block(x)
        return self.stochastic_depth(out) + x if self.adds else out


class EfficientNet(nn.Module):
    """A stem, stages of MBConv blocks, a 1x1 convolution, the mean of each map, a linear layer.

    Input: float (N, 3, H, W). Output: logits (N, num_classes). The defaults are EfficientNet-B0.

    Args:
        num_classes: how many logits.
        width: multiplies channels, rounded by `scaled_channels`.
        depth: multiplies the layers of each stage, rounded up.
        stem: channels of the first convolution.
        stages: of MBConv blocks.
        stem_stride: of the first convolution.
        divisor: of all numbers of channels.
        dropout: share of the features that are set to 0 in training.
        drop: of the last block's branch; it grows evenly from 0 at the first.
        layer: makes each convolution, with what follows it.
        squeeze: whether the blocks have squeeze and excitation.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        stem: int = STEM,
        stages: Sequence[Stage] = STAGES,
        stem_stride: int = 2,
        divisor: int = 8,
        dropout: float = 0.2,
        drop: float = 0.2,
        layer: Callable[..., nn.Sequential] = conv_norm,
        squeeze: bool = True,
    ) -> None:
        super().__init__()
        channels = scaled_channels(stem * width, divisor)
        parts = [layer(3, channels, 3, stem_stride)]
        counts = [math.ceil(stage.layers * depth) for stage in stages]
        done = 0
        for stage, count in zip(stages, counts, strict=True):
            out = scaled_channels(stage.channels * width, divisor)
            blocks = []
            for number in range(count):
                shape = (channels, out, stage.kernel_size, 1 if number else stage.stride)
                late = drop * done / sum(counts)
                blocks.append(MBConv(*shape, stage.expand, late, layer, squeeze))
                channels, done = out, done + 1
            parts.append(nn.Sequential(*blocks))
        parts.append(layer(channels, 4 * channels, 1))
        self.features = nn.Sequential(*parts)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        head = nn.Linear(4 * channels, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), head)
        # As in torchvision.
        kaiming_weights(self, nn.Conv2d, mode="fan_out")
        zero_biases(self, nn.Conv2d, nn.Linear)
        limit = 1 / math.sqrt(num_classes)
        nn.init.uniform_(head.weight, -limit, limit)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))


def efficientnet(name: str = "b0", num_classes: int = 1000) -> EfficientNet:
    """Return a member of the family.

    Torchvision's B5, B6 and B7 have another epsilon and momentum of batch norm than ours. Used in
    lecture 12.

    Args:
        name: one of ``SCALES``.
        num_classes: how many logits.

    Raises:
        ValueError: the name is unknown.

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # shapes without numbers
        ...     model = efficientnet("b0")
        >>> sum(parameter.numel() for parameter in model.parameters())
        5288548
    """
    if name not in SCALES:
        raise ValueError(f"unknown network {name!r}: choose one of {', '.join(SCALES)}")
    width, depth, _, dropout = SCALES[name]
    return EfficientNet(num_classes, width=width, depth=depth, dropout=dropout)


def slim_efficientnet(
    num_classes: int = 10, *, width: float = 1.0, depth: float = 1.0
) -> EfficientNet:
    """Return the form that the course trains on images of 16 to 40 pixels.

    Nothing is dropped, since it sees few images, and its stem has no stride. Used in lecture 12.

    Args:
        num_classes: how many logits.
        width: multiplies channels.
        depth: multiplies the layers of each stage, rounded up.

    Example:
        >>> import torch
        >>> slim_efficientnet()(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 10])
    """
    return EfficientNet(
        num_classes,
        width=width,
        depth=depth,
        stem=SLIM_STEM,
        stages=SLIM_STAGES,
        stem_stride=1,
        divisor=2,
        dropout=0.0,
        drop=0.0,
    )
