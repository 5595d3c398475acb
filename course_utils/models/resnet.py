"""ResNet: layers learn what to add to their input. ResNeXt: the same in many narrow groups.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016. Xie, Girshick,
Dollár, Tu and He, "Aggregated residual transformations for deep neural networks", CVPR 2017
(ResNeXt). Layer names and the place of the stride (in the 3x3 convolution of a bottleneck) are
torchvision's, so that its weights load unchanged. Used in lectures 08, 09, 11, 12, 13,
14 and 15.
"""

from __future__ import annotations

import copy
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..withheld import asked_for
from .initialization import kaiming_weights

DEPTHS = {  # name: (bottleneck?, blocks in each of the four stages)
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet34": (False, (3, 4, 6, 3)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
    "resnet152": (True, (3, 8, 36, 3)),
    "resnext50_32x4d": (True, (3, 4, 6, 3)),
}
GROUPS = {"resnext50_32x4d": {"groups": 32, "width_per_group": 4}}  # the others have one group


def convolution(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Return a convolution that keeps the size at stride 1. Batch norm follows it: no bias."""
    padding = kernel_size // 2
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
    )


@asked_for("08.2")
class PadShortcut(nn.Module):
    """Shortcut A of the paper: skip every other pixel, fill new channels with zeros. No weights."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new_channels = stride, out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def make_shortcut(
    in_channels: int, out_channels: int, stride: int, kind: str = "projection"
) -> nn.Module | None:
    """Return what the shortcut does. Used in lectures 08 and 12.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: every so many-th row and column is kept.
        kind: ``"pad"`` (the paper's A) or ``"projection"`` (its B: a 1x1 convolution).

    Returns:
        A module; None where the shapes allow the identity.

    Raises:
        ValueError: the kind is unknown.

    Example:
        >>> make_shortcut(16, 32, stride=2, kind="pad")
        PadShortcut()
        >>> make_shortcut(16, 16, stride=1) is None
        True
    """
    if stride == 1 and in_channels == out_channels:
        return None
    if kind == "pad":
        return PadShortcut(in_channels, out_channels, stride)
    if kind != "projection":
        raise ValueError(f"unknown shortcut {kind!r}: choose 'pad' or 'projection'")
    return nn.Sequential(
        convolution(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
    )


@asked_for("08.3")
class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them. Used in lecture 08.

    Args:
        in_channels: of the input.
        channels: of the output.
        stride: of the first convolution and the shortcut.
        shortcut: kind of shortcut, see `make_shortcut`.
        residual: False leaves the shortcut out: the plain network that the paper compares with.

    Example:
        >>> import torch
        >>> BasicBlock(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        shortcut: str = "projection",
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = convolution(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.residual = residual
        self.downsample = (
            make_shortcut(in_channels, channels, stride, shortcut) if residual else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H / stride, W / stride)."""
        out = self.branch(x)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.relu(out)

    def branch(self, x: Tensor) -> Tensor:
        """What the block adds to its input: (N, channels, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))


@asked_for("08.4")
class PreActivationBlock(nn.Module):
    """Batch norm and ReLU before each 3x3 convolution; nothing after the addition.

    He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", ECCV 2016. The shortcut
    has no weights: every stride-th pixel, zeros as new channels. Used in lecture 08.

    Args:
        in_channels: of the input.
        channels: of the output, not fewer.
        stride: of the first convolution and the shortcut.

    Example:
        >>> import torch
        >>> PreActivationBlock(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = convolution(in_channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = convolution(channels, channels, 3)
        self.downsample = make_shortcut(in_channels, channels, stride, "pad")

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H / stride, W / stride)."""
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return out + (x if self.downsample is None else self.downsample(x))


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up to four times the channels, and a shortcut around them.

    Used in lectures 08 and 13.

    Args:
        in_channels: of the input.
        channels: the output has four times as many.
        stride: of the 3x3 convolution and the shortcut.
        shortcut: kind of shortcut, see `make_shortcut`.
        groups: in so many groups works the 3x3 convolution; 32 in ResNeXt-50 32x4d.
        width_per_group: channels of a group where ``channels`` is 64; more in proportion.

    Example:
        >>> import torch
        >>> Bottleneck(64, 32, stride=2)(torch.zeros(1, 64, 8, 8)).shape
        torch.Size([1, 128, 4, 4])
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        shortcut: str = "projection",
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        inner = channels * width_per_group // 64 * groups
        self.conv1 = convolution(in_channels, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = convolution(inner, inner, 3, stride, groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = convolution(inner, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = make_shortcut(in_channels, out_channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, 4 * channels, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


Block = type[BasicBlock] | type[Bottleneck]


class ResNet(nn.Module):
    """The family for large images: ResNet-18 to ResNet-152, ResNeXt-50; names as in torchvision.

    Input: float (N, 3, H, W), usually 224x224. Output: logits (N, num_classes). Used in lectures
    11, 12 and 13.

    Args:
        name: one of ``DEPTHS``.
        num_classes: how many logits.

    Raises:
        ValueError: the name is unknown.

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # shapes without numbers
        ...     model = ResNet("resnet50")
        >>> sum(parameter.numel() for parameter in model.parameters())
        25557032
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, name: str = "resnet18", num_classes: int = 1000) -> None:
        super().__init__()
        if name not in DEPTHS:
            raise ValueError(f"unknown network {name!r}: choose one of {', '.join(DEPTHS)}")
        bottleneck, depths = DEPTHS[name]
        block: Block = Bottleneck if bottleneck else BasicBlock
        self.conv1 = convolution(3, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels = 64
        for stage, depth in enumerate(depths):
            width = 64 * 2**stage
            stride = 1 if stage == 0 else 2
            blocks = make_stage(block, channels, width, depth, stride, **GROUPS.get(name, {}))
            setattr(self, f"layer{stage + 1}", blocks)
            channels = width * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        kaiming_weights(self, nn.Conv2d, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class SmallResNet(nn.Module):
    """The family for 32x32 images, section 4.2 of the paper: 6n + 2 layers, n = ``blocks``.

    Three stages of n basic blocks with ``width``, 2 and 4 times ``width`` channels, then global
    average pooling over 8x8. Input: float (N, in_channels, H, W). Output: logits (N, num_classes).
    Used in lectures 08, 09, 11, 12, 14 and 15.

    Args:
        blocks: n, of each stage. 3 is ResNet-20, 9 is ResNet-56.
        num_classes: how many logits.
        in_channels: of the images.
        width: channels of the first stage.
        shortcut: kind of shortcut, see `make_shortcut`.
        residual: False is the plain network of the same depth.
        block: a class of basic blocks.
        stem_stride: 2 makes all maps half as high and wide, and the network about four times as
            fast.

    Example:
        >>> import torch
        >>> SmallResNet(1)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        blocks: int = 3,
        num_classes: int = 10,
        *,
        in_channels: int = 3,
        width: int = 16,
        shortcut: str = "pad",
        residual: bool = True,
        block: type[BasicBlock] = BasicBlock,
        stem_stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = convolution(in_channels, width, 3, stem_stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        options: dict[str, Any] = {"shortcut": shortcut, "residual": residual}
        self.layer1 = make_stage(block, width, width, blocks, 1, **options)
        self.layer2 = make_stage(block, width, 2 * width, blocks, 2, **options)
        self.layer3 = make_stage(block, 2 * width, 4 * width, blocks, 2, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, num_classes)
        kaiming_weights(self, nn.Conv2d, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, in_channels, H, W)."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


def make_stage(
    block: Block, in_channels: int, channels: int, depth: int, stride: int, **options: Any
) -> nn.Sequential:
    """Return ``depth`` blocks; the first one changes the size and the number of channels.

    Used in lecture 12.

    Example:
        >>> import torch
        >>> make_stage(BasicBlock, 16, 32, depth=3, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """
    blocks = [block(in_channels, channels, stride, **options)]
    for _ in range(depth - 1):
        blocks.append(block(channels * block.expansion, channels, **options))
    return nn.Sequential(*blocks)


def zero_last_batch_norm(model: nn.Module) -> None:
    """Start every residual block as the identity: the last batch norm's weight becomes 0.

    Goyal et al., "Accurate, large minibatch SGD", 2017. Used in lecture 08.

    Example:
        >>> block = BasicBlock(2, 2)
        >>> zero_last_batch_norm(block)
        >>> block.bn2.weight.tolist()
        [0.0, 0.0]
    """
    for block in model.modules():
        if type(block) is BasicBlock:
            nn.init.zeros_(block.bn2.weight)
        elif type(block) is Bottleneck:
            nn.init.zeros_(block.bn3.weight)


@asked_for("08.5")
def remove_block(model: nn.Module, name: str) -> nn.Module:
    """Return a copy of a network in which one residual block hands on its input.

    Veit, Wilber and Belongie, "Residual networks behave like ensembles of relatively shallow
    networks", 2016. Used in lecture 08.

    Args:
        model: a network with blocks. It is not changed.
        name: the block's, as in ``named_modules``: "layer1.2".

    Raises:
        ValueError: the block changes the shape of its input.

    Example:
        >>> model = SmallResNet(2)
        >>> remove_block(model, "layer1.1").layer1[1]
        Identity()
    """
    # Its convolutions tell, for a plain network's block has no shortcut.
    path = [part for part in model.get_submodule(name).children() if isinstance(part, nn.Conv2d)]
    strides = {part.stride for part in path}
    if strides != {(1, 1)} or path[0].in_channels != path[-1].out_channels:
        raise ValueError(f"{name} changes the shape of its input: nothing can take its place")
    changed = copy.deepcopy(model)
    parent, _, place = name.rpartition(".")
    setattr(changed.get_submodule(parent), place, nn.Identity())
    return changed
