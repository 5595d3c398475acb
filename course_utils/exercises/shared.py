"""What exercises of several lectures share: random tensors, parts of results, common mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .core import same_tensor

TOLERANCE = 1e-4  # networks add up thousands of products: more than single numbers need
NO_MODULE = "the answer should be a class that inherits from nn.Module"
NO_PARAMETERS = (
    "the model has no parameters: layers in a plain Python list stay invisible. "
    "Assign each to self, or put them in nn.Sequential"
)


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Return normally distributed float32 numbers with mean 0 and standard deviation ``scale``."""
    return torch.from_numpy((scale * rng.standard_normal(shape)).astype(np.float32))


def identity(x: Tensor) -> Tensor:
    """Return x: stands where a mistake would change something."""
    return x


def field(result: Any, name: str) -> Any:
    """Return the named part of a result that should be a dict, or None."""
    return result.get(name) if isinstance(result, dict) else None


def fields(result: Any, *names: str) -> list[Any]:
    """Return several parts of a result; None for each that is missing."""
    return [field(result, name) for name in names]


def shapes_of(state: dict[str, Tensor]) -> dict[str, list[int]]:
    """Return the shapes of a state dict, without batch norm's counters."""
    return {k: list(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}


def first_mistake(
    result: Any, mistakes: dict[str, dict], make: Callable[..., Tensor]
) -> str | None:
    """Return the hint of the first mistake that leads to this result: hint -> options of make."""
    for hint, mistake in mistakes.items():
        try:
            value = make(**mistake)
        except RuntimeError:  # with this mistake the shapes of the case do not fit
            continue
        if same_tensor(result, value, TOLERANCE):
            return hint
    return None


class Watch(TorchDispatchMode):
    """Notes the names of the PyTorch operations that run inside its `with` block."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        self.names.add(operation.overloadpacket.__name__)
        return operation(*arguments, **(options or {}))
