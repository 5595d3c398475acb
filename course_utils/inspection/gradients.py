"""How the gradient comes back through a network; the loss along a line through its weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..runtime.evaluation import modes_kept
from ..withheld import asked_for


def gradient_flow(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    layers: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear),
) -> dict[str, float]:
    """Return the norm of the gradient of the loss at the output of each layer, in their order.

    The loss is the cross-entropy of one batch. A layer is named as in ``named_modules``. Frozen
    first layers are left out: no gradient comes back to them. The model keeps its weights, its mode
    and its gradients; batch norm's running statistics move by one batch if the model is in training
    mode.

    Args:
        model: the network.
        images: normalised float (N, C, H, W), on the model's device.
        labels: int64 (N,), likewise.
        layers: the kinds of layers that are looked at.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
        >>> list(gradient_flow(net, torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])))
        ['1', '3']
    """
    norms: dict[str, float] = {}
    hooks = []

    def watch(name: str) -> None:
        def after_forward(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if output.requires_grad:
                norms[name] = 0.0  # in the order of the forward pass
                output.register_hook(lambda grad: norms.update({name: grad.norm().item()}))

        hooks.append(modules[name].register_forward_hook(after_forward))

    modules = {name: m for name, m in model.named_modules() if isinstance(m, layers)}
    try:
        for name in modules:
            watch(name)
        parameters = [p for p in model.parameters() if p.requires_grad]
        with torch.enable_grad():
            loss = F.cross_entropy(model(images), labels)
            torch.autograd.grad(loss, parameters, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    return norms


@asked_for("08.1")
def weight_gradients(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the norm of the gradient of each weight, by its name, for one batch.

    The loss is the cross-entropy. A weight is a parameter with two axes or more. The model's own
    gradients are not changed. Used in lecture 08.

    Args:
        model: the network.
        images: normalised float (N, C, H, W), on the model's device.
        labels: int64 (N,), likewise.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
        >>> list(weight_gradients(net, torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])))
        ['1.weight', '3.weight']
    """
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1}
    loss = F.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return {name: g.norm().item() for name, g in zip(weights, gradients, strict=True)}


def random_direction(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random direction in the space of the weights, by their names, on their device.

    Each filter (each row of a linear layer) gets a random direction with its own norm, so that
    networks whose weights differ in size can be compared. Biases and batch norm stay where they
    are: their direction is 0. Li et al., "Visualizing the loss landscape of neural nets", 2018.

    Args:
        model: the network.
        generator: draws the direction, on the CPU.

    Example:
        >>> direction = random_direction(nn.Linear(3, 2), torch.Generator().manual_seed(0))
        >>> {name: tuple(step.shape) for name, step in direction.items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    direction = {}
    for name, weight in model.named_parameters():
        step = torch.randn(weight.shape, generator=generator).to(weight.device)
        if weight.ndim < 2:
            direction[name] = torch.zeros_like(step)
            continue
        flat = step.flatten(1)
        sizes = weight.detach().flatten(1).norm(dim=1, keepdim=True)
        direction[name] = (flat * sizes / flat.norm(dim=1, keepdim=True)).view_as(step)
    return direction


def loss_along(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    direction: dict[str, Tensor],
    distances: Iterable[float],
) -> list[float]:
    """Return the cross-entropy at ``weights + distance * direction`` for each distance.

    Batch norm uses the statistics of these images, as in training: those that it stored belong to
    the weights at distance 0. The model is not changed.

    Args:
        model: the network.
        images: normalised float (N, C, H, W), on the model's device.
        labels: int64 (N,), likewise.
        direction: a step for each weight, as from `random_direction`.
        distances: how far to go, in such steps.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> back = {name: -weight.detach() for name, weight in net.named_parameters()}
        >>> losses = loss_along(net, torch.rand(1, 1, 2, 2), torch.tensor([0]), back, [0, 1])
        >>> round(losses[1], 4)  # all weights are 0: log(2)
        0.6931
    """
    losses = []
    with modes_kept(model), torch.no_grad():
        model.train()
        for distance in distances:
            moved = {
                name: weight + distance * direction[name]
                for name, weight in model.named_parameters()
            }
            buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            logits = functional_call(model, moved | buffers, (images,))
            losses.append(F.cross_entropy(logits, labels).item())
    return losses
