"""AlexNet: torchvision's one-tower form, the two towers of 2012, and a slim form.

Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
networks", NeurIPS 2012. Their program was released in 2025: github.com/computerhistory/
AlexNet-Source-Code; where it and the paper differ, the two towers are those of the program. The
one-tower form: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
Used in lectures 04, 09 and 11.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ..withheld import asked_for
from .initialization import kaiming_weights, zero_biases


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers; parameter names as in torchvision.

    Input: float (N, 3, H, W) with H and W at least 63, usually 224. Output: logits
    (N, num_classes). 61,100,840 parameters for 1000 classes. Used in lecture 11.

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # shapes without numbers
        ...     model = AlexNet()
        >>> sum(parameter.numel() for parameter in model.parameters())
        61100840
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))


@asked_for("04.3")
class TwoTowerAlexNet(nn.Module):
    """The network of 2012: two towers, one for each GPU, that meet in the third convolution.

    ``groups=2`` is what the towers are: a kernel reads only the half of the channels that lies on
    its own GPU. The program of 2012 rounds sizes up, so that the last window of the first
    convolution reaches 3 pixels over the edge and reads zeros there: `forward` adds them. Input:
    float (N, 3, 224, 224). Output: logits (N, num_classes). 60,965,224 parameters for 1000 classes.
    Used in lecture 04.

    Args:
        num_classes: how many logits.
        unit: an even number. The convolutions have 3, 8, 12, 12 and 8 units of channels, the hidden
            layers 128. The paper's is 32, which gives 96, 256, 384, 384, 256 and 4096.

    Raises:
        ValueError: ``unit`` is odd or less than 2.

    Example:
        >>> TwoTowerAlexNet(unit=2).features[4]  # each kernel reads half of the 6 channels
        Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2), groups=2)
    """

    def __init__(self, num_classes: int = 1000, *, unit: int = 32) -> None:
        super().__init__()
        if unit < 2 or unit % 2:
            raise ValueError(f"unit must be an even number, for the two towers; got {unit}")
        hidden = 128 * unit
        self.features = nn.Sequential(
            nn.Conv2d(3, 3 * unit, kernel_size=11, stride=4),
            nn.ReLU(inplace=True),
            response_normalization(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(3 * unit, 8 * unit, kernel_size=5, padding=2, groups=2),
            nn.ReLU(inplace=True),
            response_normalization(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(8 * unit, 12 * unit, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(12 * unit, 12 * unit, kernel_size=3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(12 * unit, 8 * unit, kernel_size=3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(8 * unit * 6 * 6, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, 224, 224)."""
        padded = F.pad(images, (0, 3, 0, 3))  # right and below
        return self.classifier(self.features(padded).flatten(1))


def response_normalization() -> nn.LocalResponseNorm:
    """Return the normalisation of 2012: k = 2, n = 5, alpha = 0.0001, beta = 0.75.

    The program divides alpha by n, as PyTorch does. The formula in the paper does not.
    """
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)


@asked_for("04.2")
def cross_channel_norm(
    x: Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> Tensor:
    """Return x (N, C, H, W), each number divided by what grows with its neighbouring channels.

    The same as `nn.LocalResponseNorm`, written out. Used in lecture 04.

    Args:
        x: activations.
        size: an odd number of channels in a window. It is cut off at the first and last channels.
        alpha: of the sum of squares; it is divided by ``size``, also where the window is cut off.
        beta: the power of the divisor.
        k: what the divisor is without any activation.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
        >>> cross_channel_norm(x, size=3, alpha=3, beta=1, k=1).flatten()  # 1/6, 2/15, 3/14
        tensor([0.1667, 0.1333, 0.2143])
    """
    squares = F.pad(x.square(), (0, 0, 0, 0, size // 2, size // 2))
    return x / (k + alpha / size * squares.unfold(1, size, 1).sum(dim=-1)) ** beta


class SlimAlexNet(nn.Module):
    """The form that the course trains on 32x32 images; layers and names as in `AlexNet`.

    The first convolution is 5x5 with stride 1, and the last feature map 3x3. Input: float
    (N, in_channels, 32, 32). Output: logits (N, num_classes). Used in lectures 04 and 09.

    The weights start by Kaiming's rule, so that every layer keeps the size of its signal, but small
    in the last layer: the network starts without an opinion, and all classes get nearly the same
    logit. Biases start at 0. Dropout is low, because the course trains it for a few epochs.

    Args:
        num_classes: how many logits.
        in_channels: of the images.
        width: channels of the first convolution; the others have 3, 6, 4 and 4 times as many, as in
            `AlexNet`. The default is a quarter of it.

    Example:
        >>> import torch
        >>> SlimAlexNet()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, *, in_channels: int = 3, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 32 -> 15
            nn.Conv2d(width, 3 * width, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 15 -> 7
            nn.Conv2d(3 * width, 6 * width, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(6 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 7 -> 3
        )
        last = nn.Linear(128, num_classes)
        self.classifier = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(4 * width * 3 * 3, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(128, 128),
            nn.ReLU(inplace=True),
            last,
        )
        kaiming_weights(self, nn.Conv2d, nn.Linear)
        zero_biases(self, nn.Conv2d, nn.Linear)
        nn.init.normal_(last.weight, std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, in_channels, 32, 32)."""
        return self.classifier(self.features(images).flatten(1))
