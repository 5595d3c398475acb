"""The size of a network: torchsummary's table, on any device, and what it takes in bytes."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..runtime import need
from ..runtime.evaluation import evaluation_mode
from ..runtime.networks import build_lazy_layers, copy_of, lazy_parts


@dataclass(frozen=True)
class Footprint:
    """Numbers and bytes of a network: all in the types it uses, activations for one image.

    Attributes:
        parameters: each one counts once, also where layers share it.
        trainable: those that an optimizer may change.
        parameter_bytes: what all parameters take.
        buffer_bytes: what is stored but not trained, such as batch norm's statistics.
        activation_bytes: the outputs of all layers.
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


def summary(model: nn.Module, input_shape: tuple[int, int, int]) -> None:
    """Print torchsummary's table for one input, and below it the sizes in bytes.

    torchsummary knows only two kinds of device and runs the network in the mode it is in. So it
    gets a copy, on the CPU and in evaluation mode: the model's device, mode and batch-norm
    statistics stay as they are, and so do the random numbers. In the copy, lazy layers get their
    sizes. torchsummary has no table for networks with a part that returns something else than one
    tensor, as an LSTM and attention do; then one line says so.

    Args:
        model: the network.
        input_shape: (C, H, W) of one input.

    Raises:
        Missing: torchsummary is not installed.

    Example:
        >>> rows = nn.Sequential(nn.Flatten(1, 2), nn.LSTM(8, 4, batch_first=True))
        >>> summary(rows, (1, 5, 8))
        torchsummary cannot show this network: 1 (LSTM) returns a tuple.
        Parameters: 224 (224 trainable)
        Parameters in bytes: 896
        Buffers in bytes: 0
        Activations of one image in bytes: 272
    """
    need("torchsummary")
    sizes = footprint(model, input_shape)  # first: it fails where the network refuses the input
    twin = _built(model, input_shape).cpu().float()
    if not list(twin.children()):  # torchsummary lists the parts of a network, not the whole
        twin = nn.Sequential(twin)
    try:
        print(_table(twin, input_shape))
    except Exception as error:  # it was written for one kind of network, and says nothing else
        print(f"torchsummary cannot show this network: {error}.")
    print(sizes)


def _table(model: nn.Module, input_shape: tuple[int, int, int]) -> str:
    import torchsummary  # here, because a bare Colab may lack it, and all else works without it

    for call in _calls(model, input_shape):
        if call.part and call.returned != "Tensor":  # it would fail, or show a wrong size
            raise TypeError(f"{call.part} returns a {call.returned}")
    table = io.StringIO()
    with torch.random.fork_rng([]), evaluation_mode(model), redirect_stdout(table):
        torchsummary.summary(model, tuple(input_shape), device="cpu")
    return table.getvalue().rstrip("\n")


def footprint(model: nn.Module, input_shape: tuple[int, int, int]) -> Footprint:
    """Return the numbers and bytes of a network for one input.

    Args:
        model: the network; if it has lazy layers, they get their sizes in a copy.
        input_shape: (C, H, W) of one input.

    Example:
        >>> footprint(nn.LazyConv2d(6, 5), (1, 32, 32)).parameters
        156
    """
    if lazy_parts(model):
        model = _built(model, input_shape)
    parameters = list(model.parameters())
    return Footprint(
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        parameter_bytes=sum(p.nbytes for p in parameters),
        buffer_bytes=sum(b.nbytes for b in model.buffers()),
        activation_bytes=sum(call.bytes for call in _calls(model, input_shape) if call.innermost),
    )


@dataclass(frozen=True)
class _Call:
    """What a part of a network returned; innermost if it did so without another part."""

    part: str
    returned: str
    bytes: int
    innermost: bool


def _calls(model: nn.Module, input_shape: tuple[int, int, int]) -> list[_Call]:
    """Return all calls of parts of a network, in the order in which they end; the whole is last."""
    calls: list[_Call] = []
    begun: list[int] = []  # for each call that has not ended: the calls before it
    names = {module: name for name, module in model.named_modules()}

    def enter(module: nn.Module, inputs: tuple) -> None:
        begun.append(len(calls))

    def leave(module: nn.Module, inputs: tuple, output: Any) -> None:
        name, kind = names[module], type(module).__name__
        returned = "Tensor" if isinstance(output, Tensor) else type(output).__name__
        innermost = begun.pop() == len(calls)
        calls.append(_Call(name and f"{name} ({kind})", returned, _nbytes(output), innermost))

    hooks = [module.register_forward_pre_hook(enter) for module in names]
    hooks += [module.register_forward_hook(leave) for module in names]
    try:
        with evaluation_mode(model):
            model(_zeros(model, input_shape))
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _nbytes(output: Any) -> int:
    if isinstance(output, Tensor):
        return output.nbytes
    parts = output.values() if isinstance(output, dict) else output
    return sum(map(_nbytes, parts)) if isinstance(output, (dict, list, tuple)) else 0


def _built(model: nn.Module, input_shape: tuple[int, int, int]) -> nn.Module:
    """Return a copy in which lazy layers have their sizes."""
    twin = copy_of(model)
    with torch.random.fork_rng([]):
        build_lazy_layers(twin, _zeros(model, input_shape))
    return twin


def _zeros(model: nn.Module, input_shape: tuple[int, int, int]) -> Tensor:
    like = next(model.parameters(), torch.empty(0))
    return torch.zeros(1, *input_shape, device=like.device, dtype=like.dtype)
