"""Copies of networks, and layers that learn their sizes from the first images that they see."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from .evaluation import evaluation_mode

if TYPE_CHECKING:
    from torch import Tensor, nn


def copy_of(model: nn.Module) -> nn.Module:
    """Return a copy of a network.

    torch itself copies neither a buffer without a size, nor a tensor in the middle of a graph, such
    as maps that a network has kept. Here, the copy of such maps has no graph.
    """
    from torch.nn.parameter import UninitializedBuffer

    new_buffer: Callable[..., Tensor] = UninitializedBuffer
    copies: dict[int, Any] = {}
    for buffer in lazy_parts(model).values():
        if isinstance(buffer, UninitializedBuffer):
            copies[id(buffer)] = new_buffer(device=buffer.device, dtype=buffer.dtype)
    for part in model.modules():
        for tensor in _tensors(vars(part), depth=4):
            if tensor.grad_fn is not None:
                copies[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(model, copies)


def _tensors(thing: Any, depth: int) -> Iterator[Tensor]:
    from torch import Tensor
    from torch.nn.parameter import is_lazy

    if isinstance(thing, Tensor) and not is_lazy(thing):
        yield thing
    elif isinstance(thing, (dict, list, tuple)) and depth:
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from _tensors(part, depth - 1)


def lazy_parts(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers that have no size yet, by their names."""
    from torch.nn.parameter import is_lazy

    named = chain(model.named_parameters(), model.named_buffers())
    return {name: part for name, part in named if is_lazy(part)}


def build_lazy_layers(model: nn.Module, images: Tensor) -> None:
    """Give lazy layers their sizes by one look at images; a network without them is not run.

    Their weights are drawn as those of any layer that is made now, on the device that the model is
    on. The mode of the model stays as it is.

    Args:
        model: the network.
        images: float (N, C, H, W), as the network will see them.

    Raises:
        ValueError: a layer is still without a size, as evaluation does not use it.
    """
    lazy = lazy_parts(model)
    if not lazy:
        return
    device = next(iter(lazy.values())).device
    with evaluation_mode(model):
        model(images.to(device))
    if left := lazy_parts(model):
        raise ValueError(
            f"{', '.join(left)}: still without a size after a look at an image in evaluation mode. "
            "Run the network once by hand in training mode, or give these layers their sizes."
        )
