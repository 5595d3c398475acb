"""EfficientNet-Lite0: EfficientNet-B0 without what small devices compute slowly.

No squeeze and excitation, ReLU6 for SiLU, and a stem and a head that do not grow with the network.
Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020; the blocks
are those of MobileNetV2 (Sandler et al., CVPR 2018).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import STAGES, STEM

HEAD = 1280  # features of the image, which the last layer sees


class SameConv2d(nn.Conv2d):
    """A convolution whose output has H / stride rows, rounded up: TensorFlow's padding "same".

    Where an odd number of zeros is needed, the extra one comes after the image, not before it. At
    stride 2 that differs from PyTorch's `padding`, which is the same on both sides.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride), rounded up."""
        padding: list[int] = []
        for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            padding = [missing // 2, missing - missing // 2, *padding]  # F.pad: last axis first
        return super().forward(F.pad(x, padding))


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Return a convolution, batch norm with TensorFlow's epsilon and momentum, and ReLU6."""
    convolution = SameConv2d(
        in_channels, out_channels, kernel_size, stride, groups=groups, bias=False
    )
    norm = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)
    return nn.Sequential(convolution, norm, *([nn.ReLU6(inplace=True)] if activation else []))


class LiteBlock(nn.Module):
    """1x1 up, a depthwise convolution, 1x1 down without activation; the input is added if it fits.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of the depthwise convolution.
        stride: of the depthwise convolution.
        expand: how many times as many channels there are between the two 1x1 convolutions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expand: int
    ) -> None:
        super().__init__()
        inner = in_channels * expand
        self.block = nn.Sequential(
            *([conv_norm(in_channels, inner)] if expand > 1 else []),
            conv_norm(inner, inner, kernel_size, stride, groups=inner),
            conv_norm(inner, out_channels, activation=False),
        )
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.block(x) + x if self.adds else self.block(x)


class EfficientNetLite0(nn.Module):
    """A stem, seven stages of blocks, a 1x1 convolution, the mean of each map, a linear layer.

    Input: float (N, 3, H, W); 224 x 224 is what its weights were trained with. Output: logits
    (N, num_classes).

    Args:
        num_classes: how many logits.
        dropout: share of the features that are set to 0 in training.

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # shapes without numbers
        ...     model = EfficientNetLite0()
        >>> sum(parameter.numel() for parameter in model.parameters())
        4652008
    """

    def __init__(self, num_classes: int = 1000, *, dropout: float = 0.2) -> None:
        super().__init__()
        parts, channels = [conv_norm(3, STEM, 3, 2)], STEM
        for stage in STAGES:
            blocks = []
            for number in range(stage.layers):
                stride = 1 if number else stage.stride
                blocks.append(
                    LiteBlock(channels, stage.channels, stage.kernel_size, stride, stage.expand)
                )
                channels = stage.channels
            parts.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*parts, conv_norm(channels, HEAD))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(HEAD, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
