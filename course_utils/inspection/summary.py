"""The size of a network: torchsummary's table, on any device, and what it takes in bytes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..runtime import need
from ..runtime.evaluation import evaluation_mode


@dataclass(frozen=True)
class Footprint:
    """Numbers and bytes of a network: all in the types it uses, activations for one image.

    ``parameters`` counts each one once, also where layers share it; ``trainable`` those that an
    optimizer may change. ``buffer_bytes`` is for what is stored but not trained, such as batch
    norm's statistics; ``activation_bytes`` for the outputs of all layers.
    """

    parameters: int
    trainable: int
    parameter_bytes: int
    buffer_bytes: int
    activation_bytes: int

    def __str__(self) -> str:
        return "\n".join(
            [
                f"Parameters: {self.parameters:,} ({self.trainable:,} trainable)",
                f"Parameters in bytes: {self.parameter_bytes:,}",
                f"Buffers in bytes: {self.buffer_bytes:,}",
                f"Activations of one image in bytes: {self.activation_bytes:,}",
            ]
        )


def summary(model: nn.Module, input_size: tuple[int, int, int]) -> None:
    """Print torchsummary's table for one (C, H, W) input, and below it the sizes in bytes.

    torchsummary knows only two kinds of device and runs the network in the mode it is in. So it
    gets a copy, on the CPU and in evaluation mode: the model's device, mode and batch-norm
    statistics stay as they are, and so do the random numbers.
    """
    need("torchsummary")
    import torchsummary  # here, because a bare Colab may lack it, and all else works without it

    twin = copy.deepcopy(model).cpu().float()
    if not list(twin.children()):  # torchsummary lists the parts of a network, not the whole
        twin = nn.Sequential(twin)
    with torch.random.fork_rng([]), evaluation_mode(twin):
        torchsummary.summary(twin, tuple(input_size), device="cpu")
    print(footprint(model, input_size))


def footprint(model: nn.Module, input_size: tuple[int, int, int]) -> Footprint:
    """Return the numbers and bytes of a network for one (C, H, W) input."""
    parameters = list(model.parameters())
    return Footprint(
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        parameter_bytes=sum(p.nbytes for p in parameters),
        buffer_bytes=sum(b.nbytes for b in model.buffers()),
        activation_bytes=_activation_bytes(model, input_size),
    )


def _activation_bytes(model: nn.Module, input_size: tuple[int, int, int]) -> int:
    sizes: list[int] = []

    def note(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        sizes.append(output.nbytes)

    layers = [module for module in model.modules() if not list(module.children())]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    like = next(model.parameters(), torch.empty(0))
    try:
        with evaluation_mode(model):
            model(torch.zeros(1, *input_size, device=like.device, dtype=like.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(sizes)
