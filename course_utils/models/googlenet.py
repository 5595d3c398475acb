"""GoogLeNet: modules of four branches side by side, joined along the channels.

Szegedy et al., "Going deeper with convolutions", CVPR 2015. Layer names are torchvision's, so that
its weights load unchanged; and so is a slip of its authors that its weights depend on: the branch
that the paper gives a 5x5 convolution has a 3x3 one (``large=3``). ``large=5`` is the paper's.
Used in lecture 11.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..withheld import asked_for
from .initialization import kaiming_weights

# Channels of a module: 1x1; reduction, 3x3; reduction, 5x5; after the pool.
Channels = tuple[int, int, int, int, int, int]
MODULES: dict[str, Channels] = {  # table 1 of the paper
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
SLIM_MODULES: dict[str, Channels] = {  # for 32x32 images; about as many parameters as a ResNet-20
    "3a": (16, 16, 24, 4, 8, 8),
    "3b": (24, 24, 32, 6, 16, 16),
    "4a": (32, 32, 48, 8, 16, 16),
    "4b": (32, 32, 64, 8, 24, 24),
    "4c": (32, 40, 80, 10, 24, 24),
    "5a": (48, 40, 96, 12, 32, 32),
    "5b": (64, 48, 112, 12, 40, 40),
}


class GoogLeNetOutputs(NamedTuple):
    """What a network with auxiliary classifiers returns in training; each (N, num_classes)."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class BasicConv2d(nn.Module):
    """A convolution without bias, batch norm, ReLU. Used in lecture 11.

    Example:
        >>> BasicConv2d(3, 8, 7, stride=2)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        padding = kernel_size // 2  # keeps the size at stride 1
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


@asked_for("11.1")
class Inception(nn.Module):
    """Four branches that read the same input and keep its size; their channels are joined.

    Used in lecture 11.

    Args:
        in_channels: of the input.
        ch1x1: channels of the first branch.
        ch3x3red: of the 1x1 reduction in front of the second branch's convolution.
        ch3x3: of the second branch.
        ch5x5red: of the 1x1 reduction in front of the third branch's convolution.
        ch5x5: of the third branch.
        pool_proj: of the 1x1 convolution behind the pool, the fourth branch.
        large: kernel size of the third branch.

    Example:
        >>> Inception(192, *MODULES["3a"])(torch.zeros(1, 192, 8, 8)).shape
        torch.Size([1, 256, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        *,
        large: int = 3,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, ch3x3red, 1), BasicConv2d(ch3x3red, ch3x3, 3)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, ch5x5red, 1), BasicConv2d(ch5x5red, ch5x5, large)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1), BasicConv2d(in_channels, pool_proj, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W)."""
        branches = [self.branch1, self.branch2, self.branch3, self.branch4]
        return torch.cat([branch(x) for branch in branches], dim=1)


class PaperInception(Inception):
    """The module with the 5x5 convolution of the paper, as in exercise 11.1. Used in lecture 11.

    Example:
        >>> PaperInception(192, *MODULES["3a"]).branch3[1].conv.kernel_size
        (5, 5)
    """

    def __init__(self, *channels: int) -> None:
        super().__init__(*channels, large=5)


class InceptionAux(nn.Module):
    """An auxiliary classifier: a small network on the output of a module in the middle.

    Args:
        in_channels: of the module.
        num_classes: how many logits.
        size: side of the maps after pooling.
        channels: of its convolution.
        hidden: width of its first linear layer.
        dropout: share of the hidden numbers that are set to 0 in training.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        size: int = 4,
        channels: int = 128,
        hidden: int = 1024,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.size = size
        self.conv = BasicConv2d(in_channels, channels, 1)
        self.fc1 = nn.Linear(channels * size**2, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.conv(F.adaptive_avg_pool2d(x, self.size)).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """The network for large images; names as in torchvision.

    Input: float (N, 3, H, W), usually 224x224. Output: logits (N, num_classes); in training with
    ``aux_logits``, a ``GoogLeNetOutputs``.

    Args:
        num_classes: how many logits.
        aux_logits: whether there are auxiliary classifiers, on modules 4a and 4d.
        large: kernel size of the third branch.
    """

    inception3a: Inception  # added by `add_modules`, as are the others
    inception3b: Inception
    inception4a: Inception
    inception4b: Inception
    inception4c: Inception
    inception4d: Inception
    inception4e: Inception
    inception5a: Inception
    inception5b: Inception

    def __init__(
        self, num_classes: int = 1000, *, aux_logits: bool = False, large: int = 3
    ) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(3, 64, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1)
        self.conv3 = BasicConv2d(64, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        widths = add_modules(self, 192, MODULES, large)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.aux1 = InceptionAux(widths["4a"], num_classes) if aux_logits else None
        self.aux2 = InceptionAux(widths["4d"], num_classes) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(widths["5b"], num_classes)
        kaiming_weights(self, nn.Conv2d)

    def forward(self, images: Tensor) -> Tensor | GoogLeNetOutputs:
        """Return the logits of images (N, 3, H, W)."""
        x = self.conv3(self.conv2(self.maxpool1(self.conv1(images))))
        x = self.inception3b(self.inception3a(self.maxpool2(x)))
        early = self.inception4a(self.maxpool3(x))
        aux1 = auxiliary(self, self.aux1, early)  # here and not later: dropout draws in this order
        late = self.inception4d(self.inception4c(self.inception4b(early)))
        aux2 = auxiliary(self, self.aux2, late)
        x = self.inception5a(self.maxpool4(self.inception4e(late)))
        x = self.avgpool(self.inception5b(x)).flatten(1)
        return outputs(self.fc(self.dropout(x)), aux2, aux1)


class SmallGoogLeNet(nn.Module):
    """The form for 32x32 images: a 3x3 convolution and seven narrow modules in three stages.

    The maps are 32x32, 16x16 and 8x8, as in ``SmallResNet``. Input: float (N, in_channels, H, W).
    Output as for ``GoogLeNet``. Used in lecture 11.

    Args:
        num_classes: how many logits.
        in_channels: of the images.
        aux_logits: whether there are auxiliary classifiers, on modules 4a and 4c.

    Example:
        >>> SmallGoogLeNet()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    inception3a: Inception  # added by `add_modules`, as are the others
    inception3b: Inception
    inception4a: Inception
    inception4b: Inception
    inception4c: Inception
    inception5a: Inception
    inception5b: Inception

    def __init__(
        self, num_classes: int = 10, *, in_channels: int = 3, aux_logits: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(in_channels, 32, 3)
        widths = add_modules(self, 32, SLIM_MODULES)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, padding=1)
        self.maxpool4 = nn.MaxPool2d(3, stride=2, padding=1)
        options = dict(size=2, channels=32, hidden=64)
        self.aux1 = InceptionAux(widths["4a"], num_classes, **options) if aux_logits else None
        self.aux2 = InceptionAux(widths["4c"], num_classes, **options) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths["5b"], num_classes)
        kaiming_weights(self, nn.Conv2d)

    def forward(self, images: Tensor) -> Tensor | GoogLeNetOutputs:
        """Return the logits of images (N, in_channels, H, W)."""
        x = self.inception3b(self.inception3a(self.conv1(images)))
        early = self.inception4a(self.maxpool3(x))
        late = self.inception4c(self.inception4b(early))
        x = self.inception5b(self.inception5a(self.maxpool4(late)))
        logits = self.fc(self.avgpool(x).flatten(1))
        return outputs(logits, auxiliary(self, self.aux2, late), auxiliary(self, self.aux1, early))


def out_channels(module: Channels) -> int:
    """Return the channels that a module of ``MODULES`` puts out."""
    ch1x1, _, ch3x3, _, ch5x5, pool_proj = module
    return ch1x1 + ch3x3 + ch5x5 + pool_proj


@asked_for("11.2")
def weights_of_module(in_channels: int, *module: int) -> tuple[int, int, int]:
    """Return the weights of a module with reductions and without, and its channels without.

    Convolutions alone, with a 5x5 in the third branch. Used in lecture 11.

    Args:
        in_channels: of the input.
        module: six numbers, as in ``MODULES``.

    Example:
        >>> weights_of_module(192, *MODULES["3a"])
        (163328, 387072, 416)
    """
    with torch.device("meta"):  # shapes without numbers
        paper = PaperInception(in_channels, *module)
    reduced = sum(m.weight.numel() for m in paper.modules() if isinstance(m, nn.Conv2d))
    ch1x1, _, ch3x3, _, ch5x5, _ = module
    direct = in_channels * (ch1x1 + 9 * ch3x3 + 25 * ch5x5)
    return reduced, direct, in_channels + ch1x1 + ch3x3 + ch5x5


def add_modules(
    model: nn.Module, channels: int, modules: dict[str, Channels], large: int = 3
) -> dict[str, int]:
    """Add the modules to the model as ``inception3a``, ...; return the channels after each."""
    widths = {}
    for name, module in modules.items():
        setattr(model, f"inception{name}", Inception(channels, *module, large=large))
        channels = widths[name] = out_channels(module)
    return widths


def auxiliary(model: nn.Module, classifier: nn.Module | None, x: Tensor) -> Tensor | None:
    """Return an auxiliary classifier's logits: in training only, if there is one."""
    return classifier(x) if classifier is not None and model.training else None


def outputs(logits: Tensor, aux2: Tensor | None, aux1: Tensor | None) -> Tensor | GoogLeNetOutputs:
    """Return the logits alone, or together with those of the auxiliary classifiers."""
    if aux1 is None or aux2 is None:
        return logits
    return GoogLeNetOutputs(logits, aux2, aux1)
