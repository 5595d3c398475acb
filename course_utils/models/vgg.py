"""VGG: one idea, 3x3 convolutions, repeated; every depth from one list notation.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
ICLR 2015. Batch normalisation: Ioffe and Szegedy, ICML 2015. Initialisation: He et al., ICCV 2015.
Used in lectures 05, 07, 09, 11 and 13.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..withheld import asked_for
from .initialization import kaiming_weights, zero_biases

# A number is a 3x3 convolution with so many output channels; "M" is a 2x2 max pool with stride 2.
CONFIGURATIONS: dict[str, list[int | str]] = {
    "vgg11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg16": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
    "vgg19": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


@asked_for("05.1", "10.4")
def make_layers(
    configuration: Sequence[int | str], batch_norm: bool = False, in_channels: int = 3
) -> nn.Sequential:
    """Return the layers that ``configuration`` lists: convolutions with ReLU, and max pools.

    Used in lecture 05.

    Args:
        configuration: in the notation of ``CONFIGURATIONS``.
        batch_norm: whether batch norm follows each convolution.
        in_channels: of the input.

    Raises:
        ValueError: an entry is neither a positive number of channels nor ``"M"``.

    Example:
        >>> make_layers([64, "M"])[0]
        Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    layers: list[nn.Module] = []
    for position, entry in enumerate(configuration):
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        if type(entry) is not int or entry < 1:
            raise ValueError(
                f"entry {position} of the configuration is {entry!r}: write a number of channels "
                "for a convolution, or 'M' for max pooling"
            )
        layers.append(nn.Conv2d(in_channels, entry, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(entry))
        layers.append(nn.ReLU(inplace=True))
        in_channels = entry
    return nn.Sequential(*layers)


@asked_for("05.2")
class VGG(nn.Module):
    """Convolutions, average pooling, three fully connected layers; names as in torchvision.

    Input: float (N, in_channels, H, W). Output: logits (N, num_classes). The defaults are the
    network of the paper, for 224x224 images. Used in lectures 05, 11 and 13.

    The weights start by Kaiming's rule with the inputs of a unit, biases at 0. torchvision takes
    the outputs instead for convolutions, and draws linear weights with standard deviation 0.01.
    That is the rule's value for 20,000 inputs; with the 128 of a slim VGG the signal would die on
    its way to the logits, and training would not start.

    Args:
        configuration: one of the names in ``CONFIGURATIONS``, or a list in their notation.
        num_classes: how many logits.
        batch_norm: whether batch norm follows each convolution.
        in_channels: of the images.
        width: multiplies every number of channels.
        pool_size: side of the last feature map.
        hidden: width of the classifier.
        dropout: share of the hidden numbers that are set to 0 in training.

    Raises:
        ValueError: the name is unknown, or the list has an entry that means nothing.

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # shapes without numbers
        ...     model = VGG("vgg11")
        >>> sum(parameter.numel() for parameter in model.parameters())
        132863336
    """

    def __init__(
        self,
        configuration: str | Sequence[int | str] = "vgg11",
        num_classes: int = 1000,
        *,
        batch_norm: bool = False,
        in_channels: int = 3,
        width: float = 1.0,
        pool_size: int = 7,
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if isinstance(configuration, str):
            if configuration not in CONFIGURATIONS:
                known = ", ".join(CONFIGURATIONS)
                raise ValueError(f"unknown network {configuration!r}: choose one of {known}")
            configuration = CONFIGURATIONS[configuration]
        entries = [round(e * width) if type(e) is int else e for e in configuration]
        self.features = make_layers(entries, batch_norm, in_channels)
        channels = [entry for entry in entries if isinstance(entry, int)][-1]
        self.avgpool = nn.AdaptiveAvgPool2d(pool_size)
        self.classifier = nn.Sequential(
            nn.Linear(channels * pool_size**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        kaiming_weights(self, nn.Conv2d, nn.Linear)
        zero_biases(self, nn.Conv2d, nn.Linear)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))


def slim_vgg(
    name: str = "vgg11",
    num_classes: int = 10,
    *,
    width: float = 0.25,
    batch_norm: bool = True,
    in_channels: int = 3,
) -> VGG:
    """Return the form that the course trains on 32x32 images.

    Five max pools leave a 1x1 feature map, and a narrow classifier is enough for ten classes. Used
    in lectures 05, 07, 09 and 11.

    Args:
        name: one of ``CONFIGURATIONS``.
        num_classes: how many logits.
        width: multiplies every number of channels; 0.25 leaves 16 to 128.
        batch_norm: whether batch norm follows each convolution.
        in_channels: of the images.

    Example:
        >>> import torch
        >>> slim_vgg()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    return VGG(
        name,
        num_classes,
        batch_norm=batch_norm,
        in_channels=in_channels,
        width=width,
        pool_size=1,
        hidden=round(512 * width),
        dropout=0.2,
    )
