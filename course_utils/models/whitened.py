"""A small network made to learn fast: its first layer is computed from the images, not trained.

Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024 (arXiv 2404.00498), after Page,
"How to train your ResNet 8: bag of tricks", 2019. Ours keeps what makes the largest difference and
leaves out the finer points of the schedule. GELU: Hendrycks and Gimpel, "Gaussian error linear
units", 2016. Used in lecture 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOGIT_SCALE = 1 / 8  # keeps the first predictions close to "any class", whatever the width
REGULARIZER = 5e-4  # of the eigenvalues: directions without variance are not blown up


def whitening_filters(images: Tensor, kernel_size: int = 2) -> Tensor:
    """Return filters whose responses to the patches of ``images`` are uncorrelated.

    Neighbouring pixels are nearly equal, so a network's inputs are strongly correlated, and
    gradient descent is slow along the directions of little variance. Each filter is an eigenvector
    of the patches' covariance matrix, divided by its standard deviation: the responses have
    variance 1 and covariance 0. Each comes with its negative, because a rectifier keeps only one
    sign. Used in lecture 10.

    Args:
        images: float (N, C, H, W), normalised; some thousand are enough.
        kernel_size: height and width of a patch.

    Returns:
        Filters, float32 (2 * C * kernel_size**2, C, kernel_size, kernel_size), on the images'
        device, the filter of the largest variance first.

    Raises:
        ValueError: there are fewer patches than a patch has numbers.

    Example:
        >>> images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> responses = F.conv2d(images, whitening_filters(images)).movedim(1, 0).flatten(1)
        >>> responses.cov()[0, :3].abs().round(decimals=2).tolist()
        [1.0, 0.0, 0.0]
    """
    channels = images.shape[1]
    patches = F.unfold(images, kernel_size).movedim(1, 0).flatten(1)  # (C * k * k, N * positions)
    if patches.shape[1] <= len(patches):
        raise ValueError(
            f"{len(patches)} numbers a patch need more than {patches.shape[1]} patches: "
            "give more images"
        )
    covariance = torch.cov(patches).cpu().double()  # eigenvalues are no work for an accelerator
    variances, directions = torch.linalg.eigh(covariance)
    filters = (directions / (variances + REGULARIZER).sqrt()).T.flip(0)
    filters = filters.reshape(-1, channels, kernel_size, kernel_size).float()
    return torch.cat([filters, -filters]).to(images.device)


class WhitenedNet(nn.Module):
    """A fixed whitening layer, three blocks of two 3x3 convolutions, and one linear layer.

    Input: float (N, C, H, W) with H and W of about 32. Output: logits (N, num_classes). Used in
    lecture 10.

    Args:
        filters: (F, C, k, k) from `whitening_filters`; they are kept as they are.
        num_classes: how many logits.
        widths: the channels of the three blocks.

    Example:
        >>> WhitenedNet(torch.zeros(24, 3, 2, 2))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, filters: Tensor, num_classes: int = 10, *, widths: Sequence[int] = (64, 256, 256)
    ) -> None:
        super().__init__()
        count, in_channels, kernel_size, _ = filters.shape
        self.whiten = nn.Conv2d(in_channels, count, kernel_size, bias=False)
        self.whiten.weight = nn.Parameter(filters.detach().clone(), requires_grad=False)
        self.blocks = nn.Sequential(*(_block(*ends) for ends in pairwise([count, *widths])))
        self.classifier = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, C, H, W)."""
        features = self.blocks(F.relu(self.whiten(images)))
        return self.classifier(features.amax((2, 3))) * LOGIT_SCALE


class FlipAveraged(nn.Module):
    """A trained classifier that looks at every image and at its mirror image.

    Its logits are the mean of both. The mirror image shows the same class, so the mean has less
    noise than either, for twice the work. Used in lecture 10.

    Example:
        >>> FlipAveraged(nn.Flatten())(torch.tensor([[[[0.0, 2.0, 6.0]]]]))
        tensor([[3., 2., 3.]])
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, C, H, W)."""
        return (self.model(images) + self.model(images.flip(-1))) / 2


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Pool right after the first convolution: the second then costs a quarter."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(out_channels),
        nn.GELU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.GELU(),
    )
