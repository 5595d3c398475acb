"""The two networks of lecture 09: a VGG reduced to the least, and one of seven layers."""

from __future__ import annotations

from torch import Tensor, nn

from .vgg import initialize, make_layers

POOL = 4  # side of LabVGG's pooling window


class LabVGG(nn.Module):
    """Two unpadded 3x3 convolutions, one 4x4 max pool, one linear layer.

    Input: float (N, 3, image_size, image_size). Output: logits (N, num_classes). With the defaults
    a 32x32 image becomes 30x30, 28x28, and 7x7 after pooling: 32 · 7 · 7 = 1568 features.
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
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(self.features(images).flatten(1))


class SevenLayerVGG(nn.Module):
    """A block of two convolutions, a block of three, two linear layers; for 32x32 images.

    Input: float (N, 3, 32, 32). Output: logits (N, num_classes). The convolutions are 3x3 with
    padding 1; after each block a 2x2 max pool, so that 64 · 8 · 8 features reach the linear layers.
    """

    def __init__(self, num_classes: int = 100) -> None:
        super().__init__()
        self.features = make_layers([32, 32, "M", 64, 64, 64, "M"])
        self.classifier = nn.Sequential(
            nn.Linear(64 * 8 * 8, 256), nn.ReLU(inplace=True), nn.Linear(256, num_classes)
        )
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, 32, 32)."""
        return self.classifier(self.features(images).flatten(1))
