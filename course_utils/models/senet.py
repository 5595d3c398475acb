"""Squeeze and excitation: a block weighs its channels by what the whole image shows.

Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018. Names as in
`torchvision.ops.SqueezeExcitation`. Used in lecture 12.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..withheld import asked_for
from .resnet import BasicBlock


@asked_for("12.2")
class SqueezeExcitation(nn.Module):
    """Multiply each channel by a weight between 0 and 1 that depends on all channels' means.

    Used in lecture 12.

    Args:
        channels: of the input and the output.
        squeeze_channels: outputs of the first layer.
        activation: follows the first layer, for example ``nn.ReLU`` (the paper) or ``nn.SiLU``
            (EfficientNet).

    Example:
        >>> import torch
        >>> SqueezeExcitation(16, 4).weights(torch.zeros(2, 16, 8, 8)).shape
        torch.Size([2, 16, 1, 1])
    """

    def __init__(
        self, channels: int, squeeze_channels: int, activation: type[nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze_channels, 1)
        self.activation = activation()
        self.fc2 = nn.Conv2d(squeeze_channels, channels, 1)

    def weights(self, x: Tensor) -> Tensor:
        """Return the weight of each channel, (N, channels, 1, 1), for maps (N, channels, H, W)."""
        return self.fc2(self.activation(self.fc1(self.avgpool(x)))).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return self.weights(x) * x


class SEBasicBlock(BasicBlock):
    """A basic block whose branch ends with squeeze and excitation. Used in lecture 12.

    Args:
        in_channels: of the input.
        channels: of the output.
        stride: of the first convolution and the shortcut.
        reduction: the first layer has ``channels`` / ``reduction`` outputs. The paper takes 16; the
            course's networks are narrow and take 4.
        options: those of `BasicBlock`.

    Example:
        >>> SEBasicBlock(8, 16, stride=2).se.fc1
        Conv2d(16, 4, kernel_size=(1, 1), stride=(1, 1))
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        reduction: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, channels, stride, **options)
        self.se = SqueezeExcitation(channels, max(1, channels // reduction))

    def branch(self, x: Tensor) -> Tensor:
        """What the block adds to its input: (N, channels, H / stride, W / stride)."""
        return self.se(super().branch(x))
