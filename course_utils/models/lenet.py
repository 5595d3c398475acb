"""LeNet-5 in the form used today: ReLU and max pooling.

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998. The network of 1998 had trainable sub-sampling layers, tanh,
a sparse connection table in its second convolution, and an RBF output. Used in lectures 03, 04, 05,
09, 11 and 15.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..withheld import asked_for


@asked_for("03.1")
class LeNet5(nn.Module):
    """Two convolutions with pooling, then three fully connected layers.

    Input: float (N, in_channels, 32, 32). Output: logits (N, num_classes), float.
    61,706 parameters for one channel and ten classes; 62,006 for three channels.
    Used in lectures 03, 04, 05, 09, 11 and 15.

    Example:
        >>> import torch
        >>> LeNet5()(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5),  # 32 -> 28
            nn.ReLU(),
            nn.MaxPool2d(2),  # 28 -> 14
            nn.Conv2d(6, 16, kernel_size=5),  # 14 -> 10
            nn.ReLU(),
            nn.MaxPool2d(2),  # 10 -> 5
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, in_channels, 32, 32)."""
        return self.classifier(self.features(images).flatten(1))
