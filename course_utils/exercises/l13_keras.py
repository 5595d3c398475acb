"""Lecture 13: a kernel, and the first linear layer, in Keras's order."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .core import Case, Exercise, Verdict, describe, right, same_tensor, wrong
from .shared import first_mistake


class Order(Exercise):
    """The answer moves the numbers of a tensor to other places."""

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if same_tensor(result, want):
            return right()
        if hint := first_mistake(result, key["mistakes"], same=same_tensor):
            return wrong(hint)
        if isinstance(result, Tensor) and result.shape == want.shape:
            return wrong("the shape is right, but the numbers stand in other places")
        return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(result)}")


class KernelOrder(Order):
    """The answer: `kernel_for_keras(weight)` → tensor (H, W, in, out)."""

    id, points, title = "13.1", 4, "A kernel in Keras's order"
    worth_a_look = ("kernel_to_keras", "kernel_from_keras", "to_keras")


class DenseOrder(Order):
    """The answer: `dense_for_keras(weight, channels, side)` → tensor (side² · channels, out)."""

    id, points, title = "13.2", 6, "The first linear layer in Keras's order"
    worth_a_look = ("dense_to_keras", "dense_from_keras", "to_keras")


EXERCISES = [KernelOrder(), DenseOrder()]
