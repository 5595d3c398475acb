"""Where a network looks: class activation maps, Grad-CAM, and occlusion.

Zhou, Khosla, Lapedriza, Oliva and Torralba, "Learning deep features for discriminative
localization", CVPR 2016 (class activation maps).
Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017. Zeiler and Fergus, "Visualizing and understanding convolutional
networks", ECCV 2014 (occlusion).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..runtime.evaluation import evaluation_mode
from ..withheld import asked_for
from .features import layer_called


@asked_for("12.5")
def activation_map(maps: Tensor, weight: Tensor, classes: Tensor) -> Tensor:
    """Return for each image the map (N, h, w) whose mean is its logit of a class, without bias.

    It is for a network that ends with the mean of each map and one linear layer.

    Args:
        maps: float (N, C, h, w), what goes into the mean.
        weight: float (K, C), that of the linear layer.
        classes: int64 (N,), the class asked about for each image.

    Example:
        >>> maps = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])
        >>> activation_map(maps, torch.tensor([[3.0, -1.0]]), torch.tensor([0]))
        tensor([[[3., 2.]]])
    """
    return (weight[classes][:, :, None, None] * maps).sum(dim=1)


@asked_for("09.5")
def grad_cam(model: nn.Module, images: Tensor, classes: Tensor, layer: str) -> Tensor:
    """Return where the maps of a layer speak for a class, float32 (N, h, w) >= 0 on the CPU.

    The weight of a map is the mean of the gradient of the class's logit over the map's pixels. The
    result is ReLU of the weighted sum of the maps, as large as they are. The model, its mode and
    its gradients are not changed.

    Args:
        model: the network.
        images: normalised float (N, C, H, W).
        classes: int64 (N,), the class asked about for each image.
        layer: a name in ``model.named_modules()`` whose output is (N, C, h, w).

    Raises:
        ValueError: there is no such layer, it was not used, or its output has another shape.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten(), nn.Linear(4 * 28 * 28, 10))
        >>> grad_cam(net, torch.rand(2, 3, 32, 32), torch.tensor([7, 1]), "0").shape
        torch.Size([2, 28, 28])
    """
    maps, logits = _maps_and_logits(model, images, layer)
    chosen = logits.gather(1, classes.to(logits.device)[:, None])
    (gradient,) = torch.autograd.grad(chosen.sum(), maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return F.relu((weights * maps.detach()).sum(1)).float().cpu()


def _maps_and_logits(model: nn.Module, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # what follows may work in place: nn.ReLU(inplace=True)

    # The images ask for gradients, so that there is a graph in a model with frozen weights too.
    images = images.detach().to(next(model.parameters()).device).requires_grad_()
    hook = layer_called(model, layer).register_forward_hook(keep)
    try:
        with evaluation_mode(model), torch.enable_grad():
            logits = model(images)
    finally:
        hook.remove()
    if not kept or kept[0].ndim != 4:
        found = f"has the shape {tuple(kept[0].shape)}" if kept else "was not asked for"
        raise ValueError(f"Grad-CAM needs maps (N, C, h, w); the output of {layer!r} {found}")
    return kept[0], logits


def occlusion(
    model: nn.Module, images: Tensor, classes: Tensor, size: int = 8, stride: int = 4
) -> Tensor:
    """Return how much each pixel is needed for a class, float32 (N, H, W) on the CPU.

    A square of ``size`` x ``size`` pixels is set to 0, which is the mean colour of the training
    images. It moves by ``stride``. A pixel's value is the mean, over the squares that cover it, of
    how much the probability of the class falls; below 0 where it rises.

    Args:
        model: the network.
        images: normalised float (N, C, H, W).
        classes: int64 (N,), the class asked about for each image.
        size: side of the square, in pixels.
        stride: step of the square, in pixels.

    Raises:
        ValueError: the squares do not end at the border of the images, or leave gaps.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
        >>> occlusion(net, torch.zeros(1, 1, 32, 32), torch.tensor([3])).abs().max().item()
        0.0
    """
    height, width = images.shape[2:]
    if not 1 <= stride <= size <= min(height, width) or any(
        (side - size) % stride for side in (height, width)
    ):
        raise ValueError(
            f"squares of {size} pixels every {stride} pixels do not cover {height}x{width} images "
            "exactly: choose stride <= size, and (side - size) a multiple of stride"
        )
    device = next(model.parameters()).device
    images, classes = images.to(device), classes.to(device)[:, None]
    fall = torch.zeros(len(images), height, width, device=device)
    squares = torch.zeros(height, width, device=device)
    with evaluation_mode(model):
        whole = model(images).softmax(1).gather(1, classes)
        for top in range(0, height - size + 1, stride):
            for left in range(0, width - size + 1, stride):
                place = (..., slice(top, top + size), slice(left, left + size))
                covered = images.clone()
                covered[place] = 0
                probability = model(covered).softmax(1).gather(1, classes)
                fall[place] += (whole - probability)[:, :, None].float()
                squares[place] += 1
    return (fall / squares).cpu()
