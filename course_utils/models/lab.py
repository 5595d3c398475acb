"""A VGG reduced to the least, and one of seven layers. Used in lectures 10 and 15."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .initialization import kaiming_weights, zero_biases
from .vgg import make_layers

POOL = 4  # side of LabVGG's pooling window


class LabVGG(nn.Module):
    """Two unpadded 3x3 convolutions, one 4x4 max pool, one linear layer.

    Input: float (N, 3, image_size, image_size). Output: logits (N, num_classes). With the defaults
    a 32x32 image becomes 30x30, 28x28, and 7x7 after pooling: 32 · 7 · 7 = 1568 features. Used in
    lectures 10 and 15.

    Args:
        num_classes: how many logits.
        channels: of the two convolutions.
        pool_stride: of the max pool.
        image_size: height and width of the images.

    Example:
        >>> LabVGG().classifier
        Linear(in_features=1568, out_features=10, bias=True)
    """

    def __init__(
        self,
        num_classes: int = 10,
        *,
        channels: tuple[int, int] = (16, 32),
        pool_stride: int = POOL,
        image_size: int = 32,
    ) -> None:
        super().__init__()
        first, second = channels
        self.features = nn.Sequential(
            nn.Conv2d(3, first, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(POOL, stride=pool_stride),
        )
        side = (image_size - 4 - POOL) // pool_stride + 1
        self.classifier = nn.Linear(second * side**2, num_classes)
        kaiming_weights(self, nn.Conv2d, nn.Linear)
        zero_biases(self, nn.Conv2d, nn.Linear)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(self.features(images).flatten(1))


class SevenLayerVGG(nn.Module):
    """A block of two convolutions, a block of three, two linear layers; for 32x32 images.

    Input: float (N, 3, 32, 32). Output: logits (N, num_classes). The convolutions are 3x3 with
    padding 1; after each block a 2x2 max pool, so that 8 · 8 values of each channel reach the
    linear layers. Used in lecture 10.

    Args:
        num_classes: how many logits.
        channels: of the convolutions of the first and of the second block.
        hidden: units of the first linear layer.

    Example:
        >>> SevenLayerVGG().classifier[0]
        Linear(in_features=4096, out_features=256, bias=True)
    """

    def __init__(
        self, num_classes: int = 100, channels: Sequence[int] = (32, 64), hidden: int = 256
    ) -> None:
        super().__init__()
        first, second = channels
        self.features = make_layers([first, first, "M", second, second, second, "M"])
        self.classifier = nn.Sequential(
            nn.Linear(second * 8 * 8, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )
        kaiming_weights(self, nn.Conv2d, nn.Linear)
        zero_biases(self, nn.Conv2d, nn.Linear)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, 32, 32)."""
        return self.classifier(self.features(images).flatten(1))
