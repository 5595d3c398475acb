"""What lecture 10 asks: train and test, statistics, seven layers, pruning, an objective."""

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
from ...exercises.l03_lenet import restore, state_of
from ...exercises.l10_lab import FEW
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .l03_lenet import labelled_batches, mean_and_mistakes, random_state
from .tensors import layer_state, normal

# --- 10.1 ----------------------------------------------------------------------------------------

EVERY, FACTOR = 20, 3


def _epoch(
    case: Case,
    *,
    fresh: bool = True,
    training: bool = True,
    drops: Callable[[int], float] = lambda epoch: epoch // EVERY,
    one_step: bool = False,
) -> tuple[dict[str, Tensor], list[int], list[float]]:
    """The state after the epoch, batch sizes and losses; the options are the likely mistakes."""
    model, optimizer = restore(case)
    model.train(training)
    for group in optimizer.param_groups:
        group["lr"] = case["start"] / FACTOR ** drops(case["epoch"])
    sizes: list[int] = []
    losses: list[float] = []
    for x, y in case["batches"]:
        loss = F.cross_entropy(model(x), y)
        if fresh:
            optimizer.zero_grad()
        loss.backward()
        if not one_step or len(sizes) == len(case["batches"]) - 1:
            optimizer.step()
        sizes.append(len(y))
        losses.append(loss.item())
    return state_of(model), sizes, losses


EPOCH_MISTAKES: dict[str, dict[str, Any]] = {
    "old gradients were added to the new ones: optimizer.zero_grad() before loss.backward()": (
        dict(fresh=False)
    ),
    "batch norm did not learn from these images: call model.train() first": dict(training=False),
    "the rate falls after every 20 epochs, not in every epoch": dict(drops=lambda epoch: epoch),
    "whole steps only: epoch // 20 is their number": dict(drops=lambda epoch: epoch / EVERY),
    "epochs count from 0: epoch 19 has the old rate still": (
        dict(drops=lambda epoch: (epoch + 1) // EVERY)
    ),
    "epoch 20 has the smaller rate already": (
        dict(drops=lambda epoch: (max(epoch, 1) - 1) // EVERY)
    ),
    "the rate is still `start`: divide it by 3 after every 20 epochs": dict(drops=lambda epoch: 0),
    "the rate falls again after 40 epochs: divide by 3 ** (epoch // 20)": (
        dict(drops=lambda epoch: min(1, epoch // EVERY))
    ),
    "the rate falls: divide by the power of 3": dict(drops=lambda epoch: -(epoch // EVERY)),
    "one step for each batch: optimizer.step() stands inside the loop": (
        dict(fresh=False, one_step=True)
    ),
}


class AskTrainOneEpoch(Examiner):
    """Epochs around the steps of the rate; a smaller last batch; an optimizer with another rate."""

    id = "10.1"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for epoch in (0, 1, 19, 21, 20, 41, 40, *(int(n) for n in rng.integers(42, 60, 3))):
            sizes = [int(n) for n in rng.integers((3, 3, 2), (9, 6, 5))]
            states = random_state(rng, "batch norm", sizes)
            size = int(rng.integers(5, 9))
            yield {
                "model": "batch norm",
                "sizes": sizes,
                "state": states,
                "starts_in_training_mode": False,
                "learning_rate": 0.7,
                "batches": labelled_batches(rng, [size, size, size - 3], sizes[0], sizes[-1]),
                "epoch": epoch,
                "start": round(float(rng.uniform(0.5, 1.5)) * FACTOR ** (epoch // EVERY), 3),
            }

    def key(self, case: Case) -> Any:
        state, sizes, losses = _epoch(case)
        made = mistaken(EPOCH_MISTAKES, lambda mistake: _epoch(case, **mistake)[0], state)
        return {
            "state": state,
            "mistakes": made,
            "loss": mean_and_mistakes("loss", sizes, losses),
        }


# --- 10.2 ----------------------------------------------------------------------------------------


class AskTestLoop(Examiner):
    """A model in training mode; batches of one size and with a smaller last one."""

    id = "10.2"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for sizes in ([5, 3], [6, 6, 1], [1], *([int(n)] * 2 + [2] for n in rng.integers(3, 9, 6))):
            shape = [5, int(rng.integers(3, 7)), int(rng.integers(2, 5))]
            yield {
                "model": "batch norm",
                "sizes": shape,
                "state": random_state(rng, "batch norm", shape),
                "starts_in_training_mode": True,
                "batches": labelled_batches(rng, sizes, shape[0], shape[-1]),
            }

    def key(self, case: Case) -> Any:
        model = restore(case)[0].eval()
        sizes, losses, shares, spread = [], [], [], 0
        with torch.no_grad():
            for x, y in case["batches"]:
                output = model(x)
                predicted = output.argmax(dim=1)
                sizes.append(len(y))
                losses.append(F.cross_entropy(output, y).item())
                shares.append(predicted.eq(y).sum().item() / len(y))
                spread += predicted[:, None].eq(y).sum().item()
        accuracy = mean_and_mistakes("accuracy", sizes, shares)
        broadcast = (
            "(N, 1) compared with (N,) gives N × N answers: bring both to one shape, for example "
            "with target.view_as(pred)"
        )
        table = {broadcast: spread / sum(sizes)} if len(y) < spread else {}
        accuracy["mistakes"] = table | accuracy["mistakes"]
        return {"mean loss": mean_and_mistakes("mean loss", sizes, losses), "accuracy": accuracy}


# --- 10.3 ----------------------------------------------------------------------------------------


def _statistics(
    batches: list[Tensor],
    *,
    scale: float = 255,
    unbiased: bool = False,
    per_image: bool = False,
    per_batch: bool = False,
    together: bool = False,
    square_root: bool = True,
    wrapped: bool = False,
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
    if wrapped:
        squares = torch.cat(batches).square().double() / scale**2  # of uint8, without the carry
        spread = (squares.mean(dim=axes) - center.square()).clamp(min=0)
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
    "squares of uint8 are uint8 again, and 16 · 16 = 256 becomes 0: make the batch float64 before "
    "you square it": dict(wrapped=True),
}


class AskStreamingStatistics(Examiner):
    """Batches of different sizes; one image; nearly even images; streams too long to keep."""

    id = "10.3"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"batches": self._batches(rng, [1], 3, 2)}
        yield {"batches": self._batches(rng, [4, 1], 3, 3)}  # the last batch is smaller
        yield {"batches": self._batches(rng, [3, 2, 1], 1, 4)}
        # Bright and nearly even: squares that are added up in float32 lose the difference.
        yield {"batches": self._batches(rng, [20] * 3, 2, 6, low=250, high=252)}
        for _ in range(4):  # long: here an answer may not keep all batches
            sizes = [int(n) for n in rng.integers(2, 5, int(rng.integers(12, 16)))]
            channels, side = (int(n) for n in rng.integers((1, 16), (3, 19)))
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


# --- 10.4 ----------------------------------------------------------------------------------------


class AskSevenLayers(ModuleExaminer):
    """Networks with few channels."""

    id = "10.4"
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


# --- 10.5 ----------------------------------------------------------------------------------------

LEAST_FINISHED = FEW + 1


def _decisions(
    case: Case,
    *,
    middle: Callable[[list[float]], float] = median,
    least: int = LEAST_FINISHED,
    mine: Callable[[list[float]], float] = max,
    take: Callable[[list[float], int], float] = lambda values, epoch: values[epoch],
    below: Callable[[float, float], bool] = lambda value, limit: value < limit,
) -> list[bool]:
    """The rule after each epoch of a trial; the options are the likely mistakes."""
    decisions, last = [], len(case["values"]) - 1
    asked = [(epoch, case["finished"]) for epoch in range(last + 1)]
    for epoch, finished in [*asked, (last, case["finished"][:FEW])]:
        there = [take(values, epoch) for values in finished]
        best = mine(case["values"][: epoch + 1])
        decisions.append(len(there) >= least and below(best, middle(there)))
    return decisions


PRUNING_MISTAKES = {
    "this trial counts with its best value so far, not with its last": (
        dict(mine=lambda values: values[-1])
    ),
    "a trial that equals the median goes on": dict(below=lambda value, limit: value <= limit),
    "compare with the median, not with the mean": dict(middle=mean),
    "compare with the median, not with the best": dict(middle=max),
    "the median of an even number of trials is the mean of the two in the middle, not the lower": (
        dict(middle=median_low)
    ),
    "the median of an even number of trials is the mean of the two in the middle, not the higher": (
        dict(middle=median_high)
    ),
    f"with fewer than {LEAST_FINISHED} finished trials nothing is pruned": dict(least=1),
    "a higher accuracy is better: the trials below the median stop": dict(
        below=lambda value, limit: value > limit
    ),
    "compare with the finished trials at this epoch, not with their last values": dict(
        take=lambda values, epoch: values[-1]
    ),
    "only this trial counts with its best value: the finished ones with that of this epoch": dict(
        take=lambda values, epoch: max(values[: epoch + 1])
    ),
}


class AskMedianPruning(Examiner):
    """Trials that go on here and stop there. Each mistake shows, and for itself alone."""

    id = "10.5"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for hint in [*PRUNING_MISTAKES, *[""] * 4]:
            case = self._draw(rng)
            while not self._shows(hint, **self.key(case)):
                case = self._draw(rng)
            yield case

    def _draw(self, rng: Generator) -> Case:
        count, epochs = (int(n) for n in rng.integers((LEAST_FINISHED, 6), (9, 10)))
        # Parts of 16, which floats hold exactly: a median of two is exact as well.
        numbers = (rng.integers(1, 16, (count + 1, epochs)) / 16).tolist()
        return dict(values=numbers[0], finished=numbers[1:])

    def _shows(self, hint: str, want: list[bool], mistakes: dict[str, list[bool]]) -> bool:
        differ = len({str(made) for made in mistakes.values()}) == len(mistakes)
        return len({*want}) == 2 and differ and (not hint or hint in mistakes)

    def key(self, case: Case) -> Any:
        want = _decisions(case)
        made = mistaken(PRUNING_MISTAKES, lambda mistake: _decisions(case, **mistake), want)
        return {"want": want, "mistakes": made}


# --- 10.6 ----------------------------------------------------------------------------------------

SPACE = [
    {"call": "suggest_float", "name": "learning_rate", "values": [0.0003, 0.04], "log": True},
    {"call": "suggest_categorical", "name": "width", "values": [4, 8], "log": False},
    {"call": "suggest_categorical", "name": "hidden", "values": [32, 128], "log": False},
]


class AskSearchObjective(Examiner):
    """Trials that go to the end, and trials that are pruned, also after the first epoch."""

    id = "10.6"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for epochs, stops_after in ((3, 0), (4, 2), (3, 1), (1, 0), (5, 0), (5, 4), (4, 0)):
            accuracies = rng.permutation(90)[: epochs + 1] / 100  # before training, and after each
            while epochs > 1 and accuracies[-1] == accuracies[1:].max():
                rng.shuffle(accuracies)
            yield {
                "settings": {
                    "learning_rate": round(float(10 ** rng.uniform(-3.5, -1.4)), 5),
                    "width": int(rng.choice([4, 8])),
                    "hidden": int(rng.choice([32, 128])),
                },
                "epochs": epochs,
                "stops_after": stops_after,
                "accuracies": accuracies.tolist(),
            }

    def key(self, case: Case) -> Any:
        ran = case["stops_after"] or case["epochs"]
        after = case["accuracies"][1 : ran + 1]
        calls = [["start", case["settings"]]]
        for epoch in range(ran):
            calls += [["train", epoch], ["test"]]
        mistakes = {"return the last accuracy, not the best": max(after)}
        mistakes["return the last accuracy, not the mean"] = mean(after)
        return {
            "asked": SPACE,
            "calls": calls,
            "reports": [[value, epoch] for epoch, value in enumerate(after)],
            "pruned": bool(case["stops_after"]),
            "value": after[-1],
            "mistakes": {hint: value for hint, value in mistakes.items() if value != after[-1]},
        }


EXAMINERS = [
    AskTrainOneEpoch(),
    AskTestLoop(),
    AskStreamingStatistics(),
    AskSevenLayers(),
    AskMedianPruning(),
    AskSearchObjective(),
]
