"""What lecture 13 asks: a kernel, and the first linear layer, in Keras's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numpy.random import Generator
from torch import Tensor

from ...exercises.core import Case
from ...models.keras_weights import dense_to_keras, kernel_to_keras
from .core import Examiner, mistaken
from .tensors import normal


class AskKernelOrder(Examiner):
    """Kernels of which each side differs, all are equal, or only one is larger than 1."""

    id = "13.1"
    mistakes: dict[str, Callable[[Tensor], Tensor]] = {
        "reshape only cuts the row of numbers anew: the axes must be exchanged, with permute": (
            lambda weight: weight.reshape(*weight.shape[2:], weight.shape[1], weight.shape[0])
        ),
        "the last two axes are in and out, in this order": lambda weight: weight.permute(
            2, 3, 0, 1
        ),
        "height comes first, then width": lambda weight: weight.permute(3, 2, 1, 0),
        "this is the order from Keras to torch: here it goes the other way": lambda weight: (
            weight.permute(3, 2, 0, 1)
        ),
        "this is the order of images, (N, H, W, C); kernels have (H, W, in, out)": lambda weight: (
            weight.permute(0, 2, 3, 1)
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"weight": normal(rng, *(int(n) for n in 2 + rng.permutation(4)))}
        yield {"weight": normal(rng, *[int(rng.integers(2, 5))] * 4)}  # every order has this shape
        yield {"weight": normal(rng, int(rng.integers(2, 9)), 1, 1, 1)}
        for _ in range(6):
            yield {"weight": normal(rng, *(int(n) for n in rng.integers(2, 6, 4)))}

    def key(self, case: Case) -> Any:
        weight = case["weight"]
        want = kernel_to_keras(weight)
        return {"want": want, "mistakes": mistaken(self.mistakes, lambda make: make(weight), want)}


class AskDenseOrder(Examiner):
    """Maps of several channels and pixels, of one pixel, of one channel, or for one output."""

    id = "13.2"
    mistakes: dict[str, Callable[[Tensor, int, int], Tensor]] = {
        "the transpose alone leaves the inputs channel by channel: Keras goes pixel by pixel": (
            lambda weight, channels, side: weight.T
        ),
        "the last step is missing: Keras's kernel is (in, out)": lambda weight, channels, side: (
            weight.reshape(-1, channels, side, side).permute(0, 2, 3, 1).flatten(1)
        ),
        "torch's inputs are (channels, side, side): take them apart in that order": (
            lambda weight, channels, side: (
                weight.reshape(-1, side, side, channels)
                .permute(3, 1, 2, 0)
                .reshape(-1, len(weight))
            )
        ),
        "rows come before columns": lambda weight, channels, side: (
            weight.reshape(-1, channels, side, side).permute(3, 2, 1, 0).reshape(-1, len(weight))
        ),
        "reshape only cuts the row of numbers anew: the axes must be exchanged, with permute": (
            lambda weight, channels, side: weight.reshape(-1, len(weight))
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        several = [tuple(int(n) for n in rng.integers((2, 2, 2), (6, 6, 5))) for _ in range(7)]
        out, channels, side = several.pop()
        # (out, channels, side)
        edges = [(out, channels, 1), (out, 1, side), (1, channels, side)]
        for out, channels, side in [*edges, *several]:
            weight = normal(rng, out, channels * side**2)
            yield {"weight": weight, "channels": channels, "side": side}

    def key(self, case: Case) -> Any:
        want = dense_to_keras(**case)
        made = mistaken(self.mistakes, lambda make: make(*case.values()), want)
        return {"want": want, "mistakes": made}


EXAMINERS = [AskKernelOrder(), AskDenseOrder()]
