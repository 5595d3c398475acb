"""Lecture 09: a learning rate that falls, statistics in one pass, seven layers, pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import eq
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import (
    BuildModule,
    first_mistake,
    identity,
    layer_state,
    normal,
)

# --- 09.1 ----------------------------------------------------------------------------------------


class FallingRate(Exercise):
    """The answer: `learning_rate_at(epoch, start, every, factor)` → float."""

    id, points, title = "09.1", 4, "A learning rate that falls in steps"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for epoch in (0, 19, 20, 39, 40):
            yield dict(epoch=epoch, start=0.001, every=20, factor=3)
        for _ in range(8):
            yield dict(
                epoch=int(rng.integers(1, 100)),
                start=float(rng.choice([0.1, 0.03, 0.001])),
                every=int(rng.integers(2, 30)),
                factor=int(rng.integers(2, 11)),
            )

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        epoch, start, every, factor = (case[n] for n in ("epoch", "start", "every", "factor"))
        want = start / factor ** (epoch // every)

        def same(result: Any, value: float) -> bool:
            return same_number(result, value, 1e-6 * value)

        if same(result, want):
            return right()
        mistakes = {
            "the rate falls after every `every` epochs, not in every epoch": start / factor**epoch,
            "whole steps only: use // for the number of steps": start / factor ** (epoch / every),
            "epochs count from 0: the first step comes at epoch `every`, not one before": (
                start / factor ** ((epoch + 1) // every)
            ),
            "the rate falls at every step, not only once": start / factor ** min(1, epoch // every),
            "epoch `every` itself has the smaller rate already": (
                start / factor ** ((max(epoch, 1) - 1) // every)
            ),
            "each step divides what is left: the steps multiply, they do not add up": (
                start / max(1, factor * (epoch // every))
            ),
            "the rate falls: divide by the factor": start * factor ** (epoch // every),
        }
        hint = first_mistake(result, mistakes, same=same)
        return wrong(hint or f"expected {want:.6g}, got {describe(result)}")


# --- 09.2 ----------------------------------------------------------------------------------------


def _statistics(
    batches: list[Tensor],
    *,
    scale: float = 255,
    unbiased: bool = False,
    per_image: bool = False,
    per_batch: bool = False,
    together: bool = False,
    square_root: bool = True,
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel; the options are the likely mistakes."""
    images = torch.cat(batches).double() / scale
    axes = (0, 2, 3)
    center = images.mean(dim=axes)
    spread = images.var(dim=axes, correction=int(unbiased))
    if together:
        spread = images.var(correction=0).expand_as(spread)
    if per_batch:
        center = torch.stack([b.double().mean(dim=axes) / scale for b in batches]).mean(dim=0)
        variances = [(b.double() / scale).var(dim=axes, correction=0) for b in batches]
        spread = torch.stack(variances).mean(dim=0)
    spread = spread.sqrt() if square_root else spread
    if per_image:
        spread = images.std(dim=(2, 3), correction=0).mean(dim=0)
    return center, spread


STATISTICS_MISTAKES = {
    "divide the pixels by 255: the statistics are for values from 0 to 1": dict(scale=1),
    "this is the mean of the standard deviations of single images: the differences between images "
    "are lost": dict(per_image=True),
    "batches differ in size: add up sums and counts, not the means of batches": dict(
        per_batch=True
    ),
    "each channel has its own standard deviation": dict(together=True),
    "take the square root: the variance is the square of the standard deviation": dict(
        square_root=False
    ),
    "divide by the number of pixels, not by one less": dict(unbiased=True),
}


class StreamingStatistics(Exercise):
    """The answer: `channel_statistics(batches)` → (mean, std), one pass over an iterator."""

    id, points, title = "09.2", 8, "Mean and standard deviation in one pass"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"batches": self._batches(rng, [1], 3, 2)}
        yield {"batches": self._batches(rng, [4, 1], 3, 3)}  # the last batch is smaller
        yield {"batches": self._batches(rng, [3, 2, 1], 1, 4)}
        # Bright and nearly even: squares that are added up in float32 lose the difference.
        yield {"batches": self._batches(rng, [40] * 5, 2, 16, low=250, high=252)}
        for _ in range(6):
            sizes = [int(n) for n in rng.integers(1, 6, int(rng.integers(2, 5)))]
            channels, side = (int(n) for n in rng.integers((1, 2), (5, 7)))
            yield {"batches": self._batches(rng, sizes, channels, side)}

    def _batches(
        self,
        rng: Generator,
        sizes: list[int],
        channels: int,
        side: int,
        low: int = 0,
        high: int = 256,
    ) -> list[Tensor]:
        def batch(size: int) -> Tensor:
            bright = rng.integers(low, high, (size, channels, 1, 1))  # images differ in brightness
            pixels = (bright + rng.integers(low, high, (size, channels, side, side))) // 2
            return torch.from_numpy(pixels.astype(np.uint8))

        return [batch(size) for size in sizes]

    def describe(self, case: Case) -> str:
        return "batches of shapes " + ", ".join(str(tuple(b.shape)) for b in case["batches"])

    def run(self, answer: Any, case: Case) -> Any:
        result = answer(iter(case["batches"]))
        return [torch.as_tensor(value) for value in result]

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 2:
            return wrong("return two things: the means and the standard deviations")
        want = _statistics(case["batches"])
        if self._same(result, want):
            return right()
        channels = len(want[0])
        for name, value in zip(("mean", "std"), result, strict=True):
            if not isinstance(value, Tensor) or value.shape != (channels,):
                return wrong(f"{name} should have {channels} numbers, one a channel")
        if hint := first_mistake(
            result, STATISTICS_MISTAKES, lambda m: _statistics(case["batches"], **m), self._same
        ):
            return wrong(hint)
        if same_tensor(result[0], want[0], 1e-5):
            text = "the mean is right; the std should be"
            if want[1].max() < 0.01:
                text = (
                    "use float64 for the sums: float32 loses this small difference; std should be"
                )
            return wrong(f"{text} {self._text(want[1])}, yours is {self._text(result[1])}")
        return wrong(f"the mean should be {self._text(want[0])}, yours is {self._text(result[0])}")

    def _same(self, result: list, want: tuple[Tensor, Tensor]) -> bool:
        return all(
            isinstance(have, Tensor)
            and have.shape == need.shape
            and not have.is_complex()
            and bool(((have.double() - need).abs() <= 1e-6 + 1e-3 * need.abs()).all())
            for have, need in zip(result, want, strict=True)
        )

    def _text(self, values: Tensor) -> str:
        return "(" + ", ".join(f"{value:.5f}" for value in values.tolist()) + ")"


# --- 09.3 ----------------------------------------------------------------------------------------


class SevenLayers(BuildModule):
    """The answer: a class `SevenLayers(num_classes, channels, hidden)` for 32x32 images."""

    id, points, title = "09.3", 8, "Seven layers"
    mistakes = {
        "a ReLU follows each convolution": dict(conv=identity),
        "a ReLU stands between the two linear layers": dict(hidden=identity),
        "no ReLU after the last layer: logits may be negative": dict(last=F.relu),
        "no softmax in the network: the loss does that": dict(last=lambda x: x.softmax(dim=1)),
        "the pools take the maximum, not the mean": dict(pool=F.avg_pool2d),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 10, (4, 8), 12)
        for _ in range(5):
            first, second, hidden = (int(n) for n in rng.integers((2, 2, 4), (6, 8, 16)))
            yield self._case(rng, int(rng.integers(2, 20)), (first, second), hidden)

    def _case(
        self, rng: Generator, num_classes: int, channels: tuple[int, int], hidden: int
    ) -> Case:
        first, second = channels
        sizes = {0: (first, 3), 2: (first, first), 5: (second, first), 7: (second, second)}
        state: dict[str, Tensor] = {}
        for place, (out, read) in (sizes | {9: (second, second)}).items():
            state |= layer_state(rng, f"features.{place}", out, read, 3, 3)
        state |= layer_state(rng, "classifier.0", hidden, second * 64)
        state |= layer_state(rng, "classifier.2", num_classes, hidden)
        arguments = {"num_classes": num_classes, "channels": list(channels), "hidden": hidden}
        return {"arguments": arguments, "state": state, "x": normal(rng, 2, 3, 32, 32)}

    def reference(
        self,
        case: Case,
        *,
        conv: Callable[[Tensor], Tensor] = F.relu,
        hidden: Callable[[Tensor], Tensor] = F.relu,
        last: Callable[[Tensor], Tensor] = identity,
        pool: Callable[[Tensor, int], Tensor] = F.max_pool2d,
    ) -> Tensor:
        state, x = case["state"], case["x"]
        for place in (0, 2, 5, 7, 9):
            name = f"features.{place}"
            x = conv(F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1))
            x = pool(x, 2) if place in (2, 9) else x
        x = x.flatten(1)
        x = hidden(F.linear(x, state["classifier.0.weight"], state["classifier.0.bias"]))
        return last(F.linear(x, state["classifier.2.weight"], state["classifier.2.bias"]))

    def output_hint(self, output: Any, want: Tensor) -> str:
        return "names and shapes are right, the logits are not: compare forward"

    def state_hint(self, have: dict, want: dict) -> str:
        missing = [name for name in want if name not in have]
        if have and missing:
            return f"there is no tensor {missing[0]}; the model has {', '.join(have)}"
        if extra := [name for name in have if name not in want]:
            return f"the tensor {extra[0]} is not in the task: seven layers with weights"
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        return f"{name} should have shape {want}, it has {describe(have)}"


# --- 09.4 ----------------------------------------------------------------------------------------

LEAST_OTHERS = 3


def _decisions(
    case: Case,
    *,
    middle: Callable[[list[float]], float] = median,
    least: int = LEAST_OTHERS,
    take: Callable[[list[float], int], float] = lambda values, epoch: values[epoch],
    below: Callable[[float, float], bool] = lambda value, limit: value < limit,
    count_all: bool = False,
) -> list[bool]:
    """The rule after each epoch of a trial; the options are the likely mistakes."""
    decisions = []
    for epoch, value in enumerate(case["values"]):
        others = [v for v in case["others"] if len(v) > epoch or (count_all and v)]
        there = [take(v, min(epoch, len(v) - 1)) for v in others]
        decisions.append(len(there) >= least and below(value, middle(there)))
    return decisions


PRUNING_MISTAKES = {
    "a trial that equals the median goes on": dict(below=lambda value, limit: value <= limit),
    "compare with the median, not with the mean": dict(middle=mean),
    "compare with the median, not with the best": dict(middle=max),
    f"with fewer than {LEAST_OTHERS} others nothing is pruned": dict(least=1),
    "a higher accuracy is better: the trials below the median stop": dict(
        below=lambda value, limit: value > limit
    ),
    "a trial that stopped before this epoch does not count": dict(count_all=True),
    "compare at the same epoch, not with the others' last values": dict(
        take=lambda values, epoch: values[-1]
    ),
    "compare at the same epoch, not with the others' best values": dict(
        take=lambda values, epoch: max(values)
    ),
}


class MedianPruning(Exercise):
    """The answer: `should_prune(value, epoch, others)` → bool; asked after each epoch."""

    id, points, title = "09.4", 6, "When to stop a trial"

    def cases(self, rng: Generator) -> Iterator[Case]:
        level = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5], [0.5, 0.6, 0.7]]
        yield dict(values=[0.35, 0.35, 0.6], others=level)
        yield dict(values=[0.3, 0.4, 0.4], others=level)  # equal to the median
        yield dict(values=[0.2, 0.3], others=[[0.1, 0.5]] * 3 + [[0.9]])  # one stopped early
        yield dict(values=[0.35, 0.1], others=[[0.3, 0.3], [0.3, 0.3], [0.9, 0.9]])  # not the mean
        yield dict(values=[0.5, 0.7], others=[[0.4, 0.8]] * 3)  # the others' later values
        yield dict(values=[0.7, 0.5, 0.2], others=[[0.8, 0.4, 0.3]] * 3)  # and their best ones
        yield dict(values=[0.1, 0.1], others=level[:2])  # too few others
        for _ in range(10):
            count, epochs = (int(n) for n in rng.integers((3, 3), (8, 6)))
            lengths = rng.integers(1, epochs + 1, count)
            others = [[round(float(v), 2) for v in rng.random(n)] for n in lengths]
            yield dict(values=[round(float(v), 2) for v in rng.random(epochs)], others=others)

    def run(self, answer: Any, case: Case) -> Any:
        others = case["others"]
        return [answer(value, epoch, others) for epoch, value in enumerate(case["values"])]

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = _decisions(case)
        if not isinstance(result, list) or len(result) != len(want):
            return wrong("return True or False, once for each call")
        if odd := [value for value in result if type(value) is not bool]:
            return wrong(f"return True or False; your code returned {describe(odd[0])}")
        if result == want:
            return right()
        if hint := first_mistake(result, PRUNING_MISTAKES, lambda m: _decisions(case, **m), eq):
            return wrong(hint)
        epoch = next(
            e for e, (have, need) in enumerate(zip(result, want, strict=True)) if have != need
        )
        return wrong(f"in epoch {epoch} this trial should {'stop' if want[epoch] else 'go on'}")


EXERCISES = [FallingRate(), StreamingStatistics(), SevenLayers(), MedianPruning()]
