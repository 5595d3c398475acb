"""Squeeze and excitation: a block weighs its channels by what the whole image shows.

Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018. Names as in
`torchvision.ops.SqueezeExcitation`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .resnet import BasicBlock


class SqueezeExcitation(nn.Module):
    """Multiply each channel by a weight between 0 and 1 that depends on all channels' means.

    activation: follows the first layer, for example ``nn.ReLU`` (the paper) or ``nn.SiLU``
    (EfficientNet).
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
    """A basic block whose branch ends with squeeze and excitation.

    reduction: the first layer has ``channels`` / ``reduction`` outputs. The paper takes 16; the
    course's networks are narrow and take 4. Options: those of `BasicBlock`.
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
