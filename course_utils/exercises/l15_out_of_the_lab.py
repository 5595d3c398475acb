"""Lecture 15: shortcuts, a corruption, energy, learning from a teacher, weights in 8 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import close, field, first_mistake


def _judged(key: Any, result: Any, what: str) -> Verdict:
    """Compare a tensor with that of the key, then with those of its mistakes."""
    want = key["want"]
    if close(result, want):
        return right()
    if hint := first_mistake(result, key["mistakes"]):
        return wrong(hint)
    if isinstance(result, Tensor) and result.shape == want.shape:
        return wrong(f"the shape is right, the numbers are not: {what}")
    return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(result)}")


# --- 15.1 ----------------------------------------------------------------------------------------


class FindShortcut(Exercise):
    """The answer: `gaps(attributes, usual, labels, predicted)` → tensor (A,)."""

    id, points, title = "15.1", 5, "Find the shortcut"
    worth_a_look = ("gaps_by_attribute",)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if isinstance(result, Tensor) and result.is_floating_point() and result.isnan().any():
            return wrong("a part without images has no accuracy (0 / 0): its gap is 0, not nan")
        return _judged(key, result, "accuracy where the value is usual, minus accuracy elsewhere")


# --- 15.2 ----------------------------------------------------------------------------------------


class Blur(Exercise):
    """The answer: `blurred(images, sigma)` → tensor (N, C, H, W)."""

    id, points, title = "15.2", 5, "A corruption"
    worth_a_look = ("blur", "gaussian_blur", "GaussianBlur", "gaussian_filter")

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        return _judged(key, result, "each pixel is the weighted mean of its surroundings")


# --- 15.3 ----------------------------------------------------------------------------------------


class Energy(Exercise):
    """The answer: `energy_of(logits, temperature)` → tensor (N,)."""

    id, points, title = "15.3", 4, "An energy"
    worth_a_look = ("energy",)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if (
            isinstance(result, Tensor)
            and result.is_floating_point()
            and not result.isfinite().all()
        ):
            return wrong("exp of a large logit is infinite: use torch.logsumexp, which is safe")
        return _judged(key, result, "minus T times the logsumexp of logits / T, over the classes")


# --- 15.4 ----------------------------------------------------------------------------------------


class Distillation(Exercise):
    """The answer: `teacher_loss(student, teacher, labels, temperature, share)` → a number."""

    id, points, title = "15.4", 6, "Learn from a teacher"
    worth_a_look = ("distillation_loss",)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        number = result.item() if isinstance(result, Tensor) and result.numel() == 1 else result
        within = 1e-4 * max(1.0, abs(key["want"]))
        if same_number(number, key["want"], within):
            return right()
        for hint, mistake in key["mistakes"].items():
            if same_number(number, mistake, within):
                return wrong(hint)
        if isinstance(result, Tensor) and result.numel() > 1:
            return wrong(
                f"the loss is one number, the mean over the images; not {describe(result)}"
            )
        return wrong(f"expected {key['want']:.6g}, got {describe(number)}")


# --- 15.5 ----------------------------------------------------------------------------------------


class Quantize(Exercise):
    """The answer: `to_int8(x)` → (int8 tensor, step)."""

    id, points, title = "15.5", 5, "Weights in 8 bits"
    worth_a_look = ("quantize", "quantize_per_tensor")

    def run(self, answer: Any, case: Case) -> Any:
        returned = answer(case["x"])
        if isinstance(returned, (tuple, list)) and len(returned) == 2:
            return {"numbers": returned[0], "step": returned[1]}
        return {"returned": returned}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        numbers, step = field(result, "numbers"), field(result, "step")
        if numbers is None or step is None:
            returned = describe(field(result, "returned"))
            return wrong(f"return two things, the whole numbers and the step; yours is {returned}")
        step = step.item() if isinstance(step, Tensor) and step.numel() == 1 else step

        def is_step(wanted: float) -> bool:
            return same_number(step, wanted, abs(1e-5 * wanted))

        if is_step(key["step"]) and same_tensor(numbers, key["want"], 0):
            if numbers.dtype == torch.int8:
                return right()
            return wrong("the numbers are right, their type is not: .to(torch.int8)")
        if hint := first_mistake(numbers, key["mistakes"], same=same_tensor):
            return wrong(hint)
        if not is_step(key["step"]):
            hint = next((text for text, other in key["steps"].items() if is_step(other)), None)
            return wrong(hint or f"the step should be {key['step']:.6g}; it is {describe(step)}")
        return wrong("the step is right; the numbers are x / step, rounded to the nearest")


EXERCISES = [FindShortcut(), Blur(), Energy(), Distillation(), Quantize()]
