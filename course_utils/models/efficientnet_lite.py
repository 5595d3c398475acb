"""EfficientNet-Lite0: EfficientNet-B0 without what small devices compute slowly.

No squeeze and excitation, ReLU6 for SiLU, and a stem and a head that do not grow with the network.
Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020; the blocks
are those of MobileNetV2 (Sandler et al., CVPR 2018).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .efficientnet import EfficientNet


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


def lite_layer(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
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


def efficientnet_lite0(num_classes: int = 1000) -> EfficientNet:
    """Return EfficientNet-Lite0. Images of 224 x 224 are what its weights were trained with.

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # shapes without numbers
        ...     model = efficientnet_lite0()
        >>> sum(parameter.numel() for parameter in model.parameters())
        4652008
    """
    return EfficientNet(num_classes, drop=0.0, layer=lite_layer, squeeze=False)
