"""What lecture 10 asks: a learning rate that falls, statistics, seven layers, pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import mean, median, median_high, median_low
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import layer_state, normal

# --- 10.1 ----------------------------------------------------------------------------------------


class AskFallingRate(Examiner):
    """Epochs around the first two steps, and any others."""

    id = "10.1"

    def examples(self) -> Iterator[Case]:
        for epoch in (19, 20):
            yield dict(epoch=epoch, start=0.001, every=20, factor=3)

    def cases(self, rng: Generator) -> Iterator[Case]:
        every, factor = (int(n) for n in rng.integers((5, 2), (30, 11)))
        for epoch in (0, every - 1, every, 2 * every - 1, 2 * every):
            yield dict(epoch=epoch, start=self._start(rng), every=every, factor=factor)
        for _ in range(8):
            every, factor = (int(n) for n in rng.integers((2, 2), (30, 11)))
            epoch = int(rng.integers(1, 8 * every))  # few steps: no power that float32 cannot hold
            yield dict(epoch=epoch, start=self._start(rng), every=every, factor=factor)

    def _start(self, rng: Generator) -> float:
        return round(float(rng.choice([0.1, 0.03, 0.001]) * rng.uniform(0.5, 2)), 5)

    def key(self, case: Case) -> Any:
        epoch, start, every, factor = case.values()
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
        return {"want": start / factor ** (epoch // every), "mistakes": mistakes}


# --- 10.2 ----------------------------------------------------------------------------------------


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


class AskStreamingStatistics(Examiner):
    """Batches of different sizes; one image; images that are bright and nearly even."""

    id = "10.2"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"batches": self._batches(rng, [1], 3, 2)}
        yield {"batches": self._batches(rng, [4, 1], 3, 3)}  # the last batch is smaller
        yield {"batches": self._batches(rng, [3, 2, 1], 1, 4)}
        # Bright and nearly even: squares that are added up in float32 lose the difference.
        yield {"batches": self._batches(rng, [20] * 3, 2, 6, low=250, high=252)}
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

    def key(self, case: Case) -> Any:
        want = _statistics(case["batches"])
        made = mistaken(
            STATISTICS_MISTAKES, lambda mistake: _statistics(case["batches"], **mistake), want
        )
        return {"want": want, "mistakes": made}


# --- 10.3 ----------------------------------------------------------------------------------------


class AskSevenLayers(ModuleExaminer):
    """Networks with few channels."""

    id = "10.3"
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
        x = normal(rng, 2, 3, 32, 32, scale=2).round() / 2  # few values, which are stored small
        return {"arguments": arguments, "state": state, "x": x}

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


# --- 10.4 ----------------------------------------------------------------------------------------

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
    "the median of an even number of trials is the mean of the two in the middle, not the lower": (
        dict(middle=median_low)
    ),
    "the median of an even number of trials is the mean of the two in the middle, not the higher": (
        dict(middle=median_high)
    ),
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


class AskMedianPruning(Examiner):
    """Trials that go on here and stop there. Each mistake shows, and for itself alone."""

    id = "10.4"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for hint in [*PRUNING_MISTAKES, *[""] * 6]:
            case = self._draw(rng)
            while not self._shows(hint, **self.key(case)):
                case = self._draw(rng)
            yield case

    def _draw(self, rng: Generator) -> Case:
        count, epochs = (int(n) for n in rng.integers((3, 4), (8, 7)))
        lengths = [*rng.integers(1, epochs + 1, count), epochs]
        # Parts of 16, which floats hold exactly: a median of two is exact as well.
        *others, values = ((rng.integers(1, 16, length) / 16).tolist() for length in lengths)
        return dict(values=values, others=others)

    def _shows(self, hint: str, want: list[bool], mistakes: dict[str, list[bool]]) -> bool:
        differ = len({str(made) for made in mistakes.values()}) == len(mistakes)
        return len({*want}) == 2 and differ and (not hint or hint in mistakes)

    def key(self, case: Case) -> Any:
        want = _decisions(case)
        made = mistaken(PRUNING_MISTAKES, lambda mistake: _decisions(case, **mistake), want)
        return {"want": want, "mistakes": made}


EXAMINERS = [AskFallingRate(), AskStreamingStatistics(), AskSevenLayers(), AskMedianPruning()]
