"""Lecture 10: a learning rate that falls, statistics in one pass, seven layers, pruning."""

from __future__ import annotations

from collections.abc import Iterable
from operator import eq
from typing import Any

import torch
from torch import Tensor

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import BuildModule, first_mistake

# --- 10.1 ----------------------------------------------------------------------------------------


class FallingRate(Exercise):
    """The answer: `learning_rate_at(epoch, start, every, factor)` → float."""

    id, points, title = "10.1", 4, "A learning rate that falls in steps"
    worth_a_look = ("StepLR", "MultiStepLR", "LambdaLR")

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        def same(result: Any, value: float) -> bool:
            return same_number(result, value, 1e-6 * value)

        if same(result, key["want"]):
            return right()
        hint = first_mistake(result, key["mistakes"], same=same)
        return wrong(hint or f"expected {key['want']:.6g}, got {describe(result)}")


# --- 10.2 ----------------------------------------------------------------------------------------


class StreamingStatistics(Exercise):
    """The answer: `channel_statistics(batches)` → (mean, std), one pass over an iterator."""

    id, points, title = "10.2", 8, "Mean and standard deviation in one pass"
    worth_a_look = ("StandardScaler", "partial_fit")

    def describe(self, case: Case) -> str:
        return "batches of shapes " + ", ".join(str(tuple(b.shape)) for b in case["batches"])

    def run(self, answer: Any, case: Case) -> Any:
        result = answer(iter(case["batches"]))
        return [torch.as_tensor(v) for v in result] if isinstance(result, Iterable) else result

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 2:
            return wrong("return two things: the means and the standard deviations")
        want = key["want"]
        if self._same(result, want):
            return right()
        channels = len(want[0])
        for name, value in zip(("mean", "std"), result, strict=True):
            if not isinstance(value, Tensor) or value.shape != (channels,):
                return wrong(f"{name} should have {channels} numbers, one a channel")
        if hint := first_mistake(result, key["mistakes"], same=self._same):
            return wrong(hint)
        if same_tensor(result[0], want[0], 1e-5):
            text = "the mean is right; the std should be"
            if want[1].max() < 0.01:
                text = (
                    "use float64 for the sums: float32 loses this small difference; std should be"
                )
            return wrong(f"{text} {self._text(want[1])}, yours is {self._text(result[1])}")
        return wrong(f"the mean should be {self._text(want[0])}, yours is {self._text(result[0])}")

    def _same(self, result: list, want: list) -> bool:
        return all(
            isinstance(have, Tensor)
            and have.shape == need.shape
            and not have.is_complex()
            and bool(((have.double() - need).abs() <= 1e-6 + 1e-3 * need.abs()).all())
            for have, need in zip(result, want, strict=True)
        )

    def _text(self, values: Tensor) -> str:
        return "(" + ", ".join(f"{value:.5f}" for value in values.tolist()) + ")"


# --- 10.3 ----------------------------------------------------------------------------------------


class SevenLayers(BuildModule):
    """The answer: a class `SevenLayers(num_classes, channels, hidden)` for 32x32 images."""

    id, points, title = "10.3", 8, "Seven layers"
    worth_a_look = ("make_layers", "SevenLayerVGG")

    def output_hint(self, output: Any, want: Tensor) -> str:
        return "names and shapes are right, the logits are not: compare forward"

    def state_hint(self, have: dict, want: dict) -> str:
        missing = [name for name in want if name not in have]
        if missing:
            return f"there is no tensor {missing[0]}; the model has {', '.join(have)}"
        if extra := [name for name in have if name not in want]:
            return f"the tensor {extra[0]} is not in the task: seven layers with weights"
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        return f"{name} should have shape {want}, it has {describe(have)}"


# --- 10.4 ----------------------------------------------------------------------------------------


class MedianPruning(Exercise):
    """The answer: `should_prune(value, epoch, others)` → bool; asked after each epoch."""

    id, points, title = "10.4", 6, "When to stop a trial"
    worth_a_look = ("MedianPruner", "PercentilePruner")

    def run(self, answer: Any, case: Case) -> Any:
        others = case["others"]
        return [answer(value, epoch, others) for epoch, value in enumerate(case["values"])]

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if not isinstance(result, list) or len(result) != len(want):
            return wrong("return True or False, once for each call")
        if odd := [value for value in result if type(value) is not bool]:
            return wrong(f"return True or False; your code returned {describe(odd[0])}")
        if result == want:
            return right()
        if hint := first_mistake(result, key["mistakes"], same=eq):
            return wrong(hint)
        epoch = next(
            e for e, (have, need) in enumerate(zip(result, want, strict=True)) if have != need
        )
        return wrong(f"in epoch {epoch} this trial should {'stop' if want[epoch] else 'go on'}")


EXERCISES = [FallingRate(), StreamingStatistics(), SevenLayers(), MedianPruning()]
