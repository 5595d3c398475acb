"""How much memory a network holds between the forward and the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from ..runtime.evaluation import modes_kept


class _Storages(TorchDispatchMode):
    """Notes the memory of every tensor that is made, without keeping it alive."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: tuple = (), options: dict | None = None
    ) -> Any:
        result = operation(*arguments, **(options or {}))
        self._note(result)
        return result

    def _note(self, result: Any) -> None:
        if isinstance(result, Tensor):
            storage = result.untyped_storage()
            # At one address there is one storage at a time: the newest replaces the others.
            self.found[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()
        elif isinstance(result, (tuple, list)):
            for part in result:
                self._note(part)

    def alive(self) -> int:
        return sum(size for reference, size in self.found.values() if not reference.expired())


def held_bytes(model: nn.Module, images: Tensor) -> int:
    """Return the bytes that the forward pass of one training step leaves in memory.

    These are all tensors that were made on the way to the logits and still live when they are
    there: what the backward pass will need. Parameters, their gradients and the images are not
    counted. Dropout and batch norm work as in training; the mode, the weights and batch norm's
    statistics are left as they were.

    Args:
        model: the network.
        images: float (N, C, H, W), on the model's device.

    Example:
        >>> held_bytes(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid()), torch.rand(1, 1, 6, 6))
        128
    """
    buffers = [buffer.clone() for buffer in model.buffers()]
    try:
        with modes_kept(model), torch.enable_grad(), _Storages() as storages:
            logits = model.train()(images)
            size = storages.alive()
        del logits
    finally:
        with torch.no_grad():
            for buffer, value in zip(model.buffers(), buffers, strict=True):
                buffer.copy_(value)
    return size
