"""Lecture 12: a kernel, and the first linear layer, in Keras's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numpy.random import Generator
from torch import Tensor

from ..models.keras_weights import dense_to_keras, kernel_to_keras
from .core import Case, Exercise, Verdict, describe, right, same_tensor, wrong
from .shared import first_mistake, normal


def _judge(result: Any, want: Tensor, mistakes: dict[str, Callable[[], Tensor]]) -> Verdict:
    if same_tensor(result, want):
        return right()
    if hint := first_mistake(result, mistakes, lambda make: make(), same_tensor):
        return wrong(hint)
    if isinstance(result, Tensor) and result.shape == want.shape:
        return wrong("the shape is right, but the numbers stand in other places")
    return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(result)}")


class KernelOrder(Exercise):
    """The answer: `kernel_for_keras(weight)` → tensor (H, W, in, out)."""

    id, points, title = "12.1", 4, "A kernel in Keras's order"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"weight": normal(rng, 4, 3, 2, 5)}
        yield {"weight": normal(rng, 3, 3, 3, 3)}  # every order has this shape
        yield {"weight": normal(rng, 6, 1, 1, 1)}
        for _ in range(6):
            yield {"weight": normal(rng, *(int(n) for n in rng.integers(1, 6, 4)))}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        weight = case["weight"]
        out, read, height, width = weight.shape
        mistakes = {
            "reshape only cuts the row of numbers anew: the axes must be exchanged, with permute": (
                lambda: weight.reshape(height, width, read, out)
            ),
            "the last two axes are in and out, in this order": lambda: weight.permute(2, 3, 0, 1),
            "height comes first, then width": lambda: weight.permute(3, 2, 1, 0),
            "this is the order from Keras to torch: here it goes the other way": (
                lambda: weight.permute(3, 2, 0, 1)
            ),
            "this is the order of images, (N, H, W, C); kernels have (H, W, in, out)": (
                lambda: weight.permute(0, 2, 3, 1)
            ),
        }
        return _judge(result, kernel_to_keras(weight), mistakes)


class DenseOrder(Exercise):
    """The answer: `dense_for_keras(weight, channels, side)` → tensor (side² · channels, out)."""

    id, points, title = "12.2", 6, "The first linear layer in Keras's order"

    def cases(self, rng: Generator) -> Iterator[Case]:
        # (out, channels, side)
        sizes: list[tuple[int, ...]] = [(2, 3, 2), (5, 1, 1), (3, 1, 4), (4, 6, 1)]
        sizes += [tuple(int(n) for n in rng.integers((1, 2, 2), (6, 6, 5))) for _ in range(6)]
        for out, channels, side in sizes:
            weight = normal(rng, out, channels * side**2)
            yield {"weight": weight, "channels": channels, "side": side}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        weight, channels, side = case["weight"], case["channels"], case["side"]
        maps = weight.reshape(-1, channels, side, side)
        pixels = weight.reshape(-1, side, side, channels)
        mistakes = {
            "the transpose alone leaves the inputs channel by channel: Keras goes pixel by pixel": (
                lambda: weight.T
            ),
            "the last step is missing: Keras's kernel is (in, out)": (
                lambda: maps.permute(0, 2, 3, 1).flatten(1)
            ),
            "torch's inputs are (channels, side, side): take them apart in that order": (
                lambda: pixels.permute(3, 1, 2, 0).reshape(-1, len(weight))
            ),
            "rows come before columns": lambda: maps.permute(3, 2, 1, 0).reshape(-1, len(weight)),
            "reshape only cuts the row of numbers anew: the axes must be exchanged, with permute": (
                lambda: weight.reshape(-1, len(weight))
            ),
        }
        return _judge(result, dense_to_keras(weight, channels, side), mistakes)


EXERCISES = [KernelOrder(), DenseOrder()]
