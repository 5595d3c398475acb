"""Looking at a network without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Put every part of a model back into its mode after a ``with`` block, also after an error.

    Parts can differ: a batch norm that is frozen evaluates while the rest trains.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch dropout and batch-norm updates off, and gradients too, for a ``with`` block.

    Every part of the model is then put back into the mode it was in, also after an error.
    """
    import torch

    with modes_kept(model), torch.no_grad():
        model.eval()
        yield
