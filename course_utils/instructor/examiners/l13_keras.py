"""What lecture 13 asks: a VGG block, a bottleneck, a callback, a new head, all in Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from ...exercises.core import Case
from ...exercises.l13_keras import shape_name
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import normal

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def kernel(rng: Generator, size: int, read: int, out: int) -> dict[str, Tensor]:
    """Return a kernel in Keras's order, by its name."""
    shape = (size, size, read, out)
    return {shape_name("kernel", shape): normal(rng, *shape, scale=(2 / (size**2 * read)) ** 0.5)}


def norm_values(rng: Generator, channels: int) -> list[Tensor]:
    """Return gamma, beta, moving mean and variance. Epsilon counts beside such variances."""
    mean = normal(rng, channels, scale=0.3)
    gamma, beta = 1 + normal(rng, channels, scale=0.3), normal(rng, channels, scale=0.3)
    return [gamma, beta, mean, normal(rng, channels).abs() * 0.2 + 0.05]


def convolved(x: Tensor, state: dict[str, Tensor], size: int, out: int, stride: int = 1) -> Tensor:
    """Return x (N, C, H, W), padded already, after the convolution of this shape."""
    weight = state[shape_name("kernel", (size, size, x.shape[1], out))]
    return F.conv2d(x, weight.permute(3, 2, 0, 1), stride=stride)


def pixels_last(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H, W, C)."""
    return x.permute(0, 2, 3, 1).contiguous()


# --- 13.1 ----------------------------------------------------------------------------------------


class AskVggBlock(ModuleExaminer):
    """One to three convolutions, even and odd sizes."""

    id = "13.1"
    mistakes = {
        'a ReLU follows each convolution: activation="relu"': dict(relu=identity),
        "a ReLU follows each convolution, not only the last": dict(between=identity),
        "the pool comes once, behind the last convolution": dict(pool_each=True),
        "the pool is missing": dict(pool=identity),
        "max pooling, not average": dict(pool=lambda x: F.avg_pool2d(x, 2)),
        "the pool has stride 2, which is the default": dict(pool=lambda x: F.max_pool2d(x, 2, 1)),
        "the pool drops the last row of an odd size: no padding there": dict(
            pool=lambda x: F.max_pool2d(x, 2, ceil_mode=True)
        ),
        'the convolutions keep the size: padding="same"': dict(padding=0),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (12, 12, 3), 4, 2)
        yield self._case(rng, (12, 12, 2), 5, 1)
        yield self._case(rng, (13, 11, 3), 2, 3)  # odd sizes
        yield self._case(rng, (8, 12, 4), 4, 2)  # as many filters as channels
        for _ in range(5):
            size = (*(int(n) for n in rng.integers(8, 14, 2)), int(rng.integers(1, 5)))
            yield self._case(rng, size, int(rng.integers(2, 6)), int(rng.integers(1, 4)))

    def _case(self, rng: Generator, size: tuple, filters: int, convolutions: int) -> Case:
        state = kernel(rng, 3, size[2], filters) | kernel(rng, 3, filters, filters)
        state |= {shape_name("bias", (filters,)): normal(rng, filters, scale=0.3)}
        first, more, bias = (
            next(iter(state)),
            shape_name("kernel", (3, 3, filters, filters)),
            [*state][-1],
        )
        weights = [first, *[more] * (convolutions - 1), *[bias] * convolutions]
        arguments = {"filters": filters, "convolutions": convolutions}
        x = normal(rng, 2, *size)
        return {"arguments": arguments, "weights": sorted(weights), "state": state, "x": x}

    def reference(
        self,
        case: Case,
        *,
        relu: Callable = F.relu,
        between: Callable | None = None,
        pool: Callable = lambda x: F.max_pool2d(x, 2),
        pool_each: bool = False,
        padding: int = 1,
    ) -> Tensor:
        filters, convolutions = case["arguments"].values()
        x = case["x"].permute(0, 3, 1, 2)
        bias = case["state"][shape_name("bias", (filters,))].view(-1, 1, 1)
        for place in range(convolutions):
            x = convolved(F.pad(x, (padding,) * 4), case["state"], 3, filters) + bias
            is_last = place == convolutions - 1
            x = (relu if is_last else between or relu)(x)
            x = pool(x) if pool_each or is_last else x
        return pixels_last(x)


# --- 13.2 ----------------------------------------------------------------------------------------


def padded_same(x: Tensor, stride: int) -> Tensor:
    """Return x padded as Keras's "same" does for a 3×3 window: what is odd goes to the end."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class AskBottleneck(ModuleExaminer):
    """Blocks with and without a projection, even and odd sizes."""

    id = "13.2"
    mistakes = {
        'padding="same" pads an even size at stride 2 on one side only: ZeroPadding2D(1) first': (
            dict(pad=padded_same)
        ),
        "the stride belongs to the 3×3 convolution: in the first 1×1 it would skip pixels": dict(
            strides=lambda s: s[::-1]
        ),
        "the addition comes before the last ReLU: no ReLU on the branch": dict(branch=F.relu),
        "one more ReLU follows the addition": dict(last=identity),
        "add first, then the last ReLU": dict(branch=F.relu, last=identity),
        "a ReLU follows each batch norm but the last one": dict(between=identity),
        "epsilon is 1e-5 in torchvision; Keras's default is 1e-3": dict(eps=1e-3),
        "the addition is missing": dict(add=False),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (6, 6, 8), 2, 1)
        yield self._case(rng, (6, 6, 4), 2, 1)  # the channels change
        yield self._case(rng, (8, 8, 8), 2, 2)  # the size changes
        yield self._case(rng, (7, 9, 3), 2, 2)  # both, odd
        for _ in range(5):
            channels, stride = int(rng.integers(1, 4)), int(rng.integers(1, 3))
            read = 4 * channels if rng.random() < 0.5 else int(rng.integers(2, 10))
            yield self._case(
                rng, (*(int(n) for n in rng.integers(6, 10, 2)), read), channels, stride
            )

    def _case(self, rng: Generator, size: tuple, channels: int, stride: int) -> Case:
        read, out = size[2], 4 * channels
        plan = [(1, read, channels), (3, channels, channels), (1, channels, out)]
        if stride != 1 or read != out:
            plan.append((1, read, out))
        state: dict[str, Tensor] = {}
        weights: list[str] = []
        for kernel_size, before, after in plan:
            weights += kernel(rng, kernel_size, before, after)
            weights += [shape_name(kind, (after,)) for kind in NORM]
            state |= kernel(rng, kernel_size, before, after)
        for count in (channels, out):
            names = [shape_name(kind, (count,)) for kind in NORM]
            state |= dict(zip(names, norm_values(rng, count), strict=True))
        arguments = {"channels": channels, "stride": stride}
        x = normal(rng, 2, *size)
        return {"arguments": arguments, "weights": sorted(weights), "state": state, "x": x}

    def reference(
        self,
        case: Case,
        *,
        pad: Callable = lambda x, stride: F.pad(x, (1, 1, 1, 1)),
        strides: Callable = identity,
        between: Callable = F.relu,
        branch: Callable = identity,
        last: Callable = F.relu,
        eps: float = 1e-5,
        add: bool = True,
    ) -> Tensor:
        state = case["state"]
        channels, stride = case["arguments"].values()

        def normed(x: Tensor) -> Tensor:
            gamma, beta, mean, variance = (state[shape_name(k, (x.shape[1],))] for k in NORM)
            return F.batch_norm(x, mean, variance, gamma, beta, eps=eps)

        first, second = strides([1, stride])
        x = case["x"].permute(0, 3, 1, 2)
        out = between(normed(convolved(x, state, 1, channels, first)))
        out = between(normed(convolved(pad(out, second), state, 3, channels, second)))
        out = branch(normed(convolved(out, state, 1, 4 * channels)))
        if stride != 1 or x.shape[1] != 4 * channels:
            x = normed(convolved(x, state, 1, 4 * channels, stride))
        return pixels_last(last(out + x if add else out))


# --- 13.3 ----------------------------------------------------------------------------------------

Chosen = list[list[float]]  # for each training, where each of the six weights comes from


def _epochs(case: Case, choose: Callable[[dict], int]) -> Chosen:
    """Return the weights that the model has if `choose` picks an epoch of each training's logs."""
    chosen = enumerate(choose(logs) for logs in case["trainings"])
    return [[100.0 * number + epoch + case["shift"]] * 6 for number, epoch in chosen]


def _best(logs: dict, name: str = "val_accuracy", sign: int = 1, last: bool = False) -> int:
    values = [sign * value for value in logs[name]]
    places = [place for place, value in enumerate(values) if value == max(values)]
    return places[-1 if last else 0]


def _end(logs: dict) -> int:
    return len(logs["val_accuracy"]) - 1


def _trainable_only(case: Case) -> Chosen:
    pairs = zip(_epochs(case, _best), _epochs(case, _end), strict=True)
    return [[*best[:4], *end[4:]] for best, end in pairs]


def _never_anew(case: Case) -> Chosen:
    found, best = [], (-1.0, 0, 0)
    for number, logs in enumerate(case["trainings"]):
        epoch = _best(logs)
        if logs["val_accuracy"][epoch] > best[0]:
            best = (logs["val_accuracy"][epoch], number, epoch)
        found.append([100.0 * best[1] + best[2] + case["shift"]] * 6)
    return found


class AskKeepBest(Examiner):
    """Trainings with their best epoch anywhere, with equal accuracies, with 0; a second one."""

    id = "13.3"
    mistakes: dict[str, Callable[[Case], Chosen]] = {
        "the weights are those of the last epoch: keep a copy of the best, model.get_weights(), "
        "and put it back in on_train_end": lambda case: _epochs(case, _end),
        "of several best epochs the first counts": lambda c: _epochs(
            c, lambda g: _best(g, last=True)
        ),
        "the largest val_accuracy is best, not the smallest": lambda case: _epochs(
            case, lambda logs: _best(logs, sign=-1)
        ),
        "accuracy is that of the training images: val_accuracy counts": lambda case: _epochs(
            case, lambda logs: _best(logs, "accuracy")
        ),
        "val_accuracy counts, not val_loss": lambda case: _epochs(
            case, lambda logs: _best(logs, "val_loss", -1)
        ),
        "batch norm's statistics are not put back: they are no trainable weights": _trainable_only,
        "a second call of fit begins anew: on_train_begin": _never_anew,
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [0.5, 0.75, 0.625, 0.7])
        yield self._case(rng, [0.5, 0.75, 0.75, 0.6])  # equal ones
        yield self._case(rng, [0.5, 0.25], [0.25, 0.5, 0.75])  # the last is best
        yield self._case(rng, [0.0, 0.0, 0.0])
        yield self._case(rng, [0.5, 0.9, 0.8], [0.4, 0.6, 0.3])  # the second is worse
        for _ in range(5):
            lengths = rng.integers(3, 8, int(rng.integers(1, 3)))
            first, *second = (((rng.integers(0, 9, n) + 1) / 10).tolist() for n in lengths)
            yield self._case(rng, [*first, 0.05], *second)

    def _case(self, rng: Generator, *trainings: list[float]) -> Case:
        found = []
        for values in trainings:
            accuracy = sorted(rng.random(len(values)).tolist())
            loss = rng.random(len(values)).tolist()
            found.append({"accuracy": accuracy, "val_loss": loss, "val_accuracy": values})
        return {"trainings": found, "shift": round(float(rng.random()) / 2 + 0.1, 3)}

    def key(self, case: Case) -> Any:
        want, made = _epochs(case, _best), {}
        if not any(case["trainings"][0]["val_accuracy"]):
            hint = "an accuracy can be 0, and its first epoch is then the best: begin with -inf"
            made[hint] = _epochs(case, _end)
        made |= mistaken(self.mistakes, lambda make: make(case), want)
        return {"want": want, "mistakes": made}


# --- 13.4 ----------------------------------------------------------------------------------------


class AskNewHead(ModuleExaminer):
    """Backbones that were frozen or not, to be frozen or not."""

    id = "13.4"
    mistakes = {
        "return logits: no softmax behind the last layer": dict(last=lambda x: x.softmax(1)),
        "return logits: no ReLU behind the last layer": dict(last=F.relu),
        "average over rows and columns, not the maximum": dict(pool=lambda x: x.amax((2, 3))),
        "call the backbone on the new input": dict(through=False),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        for tune in (False, True):
            for frozen in (False, True):
                yield self._case(rng, tune, frozen)
                yield self._case(rng, tune, frozen)

    def _case(self, rng: Generator, tune: bool, frozen: bool) -> Case:
        read, first, second = (int(n) for n in rng.integers((1, 2, 2), (4, 5, 6)))
        state: list[Tensor] = []
        for before, after in ((read, first), (first, second)):
            state += [*kernel(rng, 3, before, after).values(), normal(rng, after, scale=0.3)]
            state += norm_values(rng, after)
        count = int(rng.integers(2, 6))
        head = {shape_name("bias", (count,)): normal(rng, count)}
        head[shape_name("kernel", (second, count))] = normal(rng, second, count)
        case = {"num_classes": count, "tune": tune, "frozen": frozen, "state": state}
        return case | {"head": head, "x": normal(rng, 3, 8, 8, read)}

    def reference(
        self,
        case: Case,
        *,
        pool: Callable = lambda x: x.mean((2, 3)),
        last: Callable = identity,
        through: bool = True,
    ) -> Tensor:
        x = case["x"].permute(0, 3, 1, 2)
        for place in (0, 6) if through else ():
            weight, bias, gamma, beta, mean, variance = case["state"][place : place + 6]
            x = F.conv2d(x, weight.permute(3, 2, 0, 1), bias)
            x = F.relu(F.batch_norm(x, mean, variance, gamma, beta, eps=1e-5))
        bias, weight = case["head"].values()
        return last(pool(x) @ weight + bias)

    def key(self, case: Case) -> Any:
        trainable = [*case["head"]]
        if case["tune"]:
            for weight in (case["state"][0], case["state"][6]):
                trainable += [
                    shape_name("kernel", weight.shape),
                    shape_name("bias", weight.shape[-1:]),
                ]
        return super().key(case) | {"trainable": sorted(trainable)}


EXAMINERS = [AskVggBlock(), AskBottleneck(), AskKeepBest(), AskNewHead()]
