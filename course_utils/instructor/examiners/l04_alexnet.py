"""What lecture 04 asks: sizes through AlexNet, LRN, the network of 2012."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.l04_alexnet import with_numbers
from ...exercises.shared import identity, numbered
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import normal

# --- 04.1 ----------------------------------------------------------------------------------------

PAPER = [[11, 4, 0], [3, 2, 0], [5, 1, 2], [3, 2, 0], *[[3, 1, 1]] * 3, [3, 2, 0]]
TORCHVISION = [[11, 4, 2], *PAPER[1:]]


class SizesThroughTheNet(Examiner):
    """Sizes and what is left over, up to the first layer that does not fit."""

    id = "04.1"

    def examples(self) -> Iterator[Case]:
        yield dict(size=224, layers=PAPER, round_up=False)
        yield dict(size=224, layers=PAPER, round_up=True)
        yield dict(size=224, layers=TORCHVISION, round_up=False)
        yield dict(size=32, layers=TORCHVISION, round_up=False)  # the last pooling finds one pixel
        layers = [[5, 1, 2], [3, 2, 0], [5, 1, 2], [3, 2, 0], [3, 2, 0]]
        yield dict(size=32, layers=layers, round_up=False)
        yield dict(size=32, layers=layers, round_up=True)

    def cases(self, rng: Generator) -> Iterator[Case]:
        def between(low: int, high: int) -> int:
            return int(rng.integers(low, high + 1))

        size = 4 * between(45, 75)  # conv 1 reads neither all of it, nor only what is there
        yield dict(size=size, layers=PAPER, round_up=False)
        yield dict(size=size, layers=PAPER, round_up=True)
        # the last pooling does not fit
        yield dict(size=between(31, 62), layers=TORCHVISION, round_up=False)
        kernel, stride = between(2, 9), between(4, 7)  # one short of a step: floor and round differ
        size = kernel + stride * between(1, 9) - 1
        yield dict(size=size, layers=[[kernel, stride, 0]], round_up=False)
        yield dict(size=size + 2 - stride, layers=[[kernel, stride, 0]], round_up=True)
        small, padding = between(2, 5), between(1, 2)  # the second kernel is larger than its input
        kernel = small + 2 * padding + between(1, 3)
        layers = [[3, 2, 0], [kernel, 1, padding], [3, 1, 1]]
        yield dict(size=2 * small + 1, layers=layers, round_up=bool(between(0, 1)))
        for number in range(12):
            layers = [[between(1, 6), between(1, 3), between(0, 2)] for _ in range(between(1, 5))]
            yield dict(size=between(5, 59), layers=layers, round_up=number % 2 == 1)

    def key(self, case: Case) -> Any:
        size, want, mistakes = case["size"], [], []
        for kernel_size, stride, padding in case["layers"]:
            room = size + 2 * padding - kernel_size
            if room < 0:
                break
            from_image = case["size"] + room - size
            up = case["round_up"]
            mistakes.append(_size_mistakes(room, stride, padding, from_image, up))
            size = _steps(room, stride, up) + 1
            want.append([size, room - (size - 1) * stride])
        return dict(want=want, mistakes=mistakes)


def _steps(room: int, stride: int, up: bool) -> int:
    return -(-room // stride) if up else room // stride


def _size_mistakes(
    room: int, stride: int, padding: int, from_image: int, up: bool
) -> dict[str, int]:
    otherwise = {
        False: "a window that does not fit completely is dropped: round down",
        True: "round_up=True keeps a window that reaches over the edge: round up",
    }
    return {
        otherwise[up]: _steps(room, stride, not up) + 1,
        "one window always fits at the start: add 1 at the end": _steps(room, stride, up),
        "padding is added on both sides: 2 · padding": _steps(room - padding, stride, up) + 1,
        "padding was left out": _steps(room - 2 * padding, stride, up) + 1,
        "the stride was left out": room + 1,
        "its input is the output of the layer before, not the image": (
            _steps(from_image, stride, up) + 1
        ),
    }


# --- 04.2 ----------------------------------------------------------------------------------------


def _lrn(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    *,
    term: Callable[[Tensor], Tensor] = torch.square,
    before: int | None = None,
    after: int | None = None,
    axis: int = 1,
    wrap: bool = False,
) -> Tensor:
    """The program's formula as one sum of shifted channels; the options are the likely mistakes."""
    before, after = (size // 2 if reach is None else reach for reach in (before, after))
    terms = term(x).movedim(axis, 1)
    total = torch.zeros_like(terms)
    channels = terms.shape[1]
    for shift in range(-before, after + 1):
        moved = terms.roll(-shift, dims=1)
        if not wrap:
            index = torch.arange(channels) + shift
            moved = moved * ((index >= 0) & (index < channels))[:, None, None]
        total = total + moved
    return x / (k + alpha / size * total.movedim(1, axis)) ** beta


def _lrn_mistakes(x: Tensor, **o: Any) -> dict[str, Callable[[], Tensor]]:
    size, alpha, beta, k = o["size"], o["alpha"], o["beta"], o["k"]
    return {
        "alpha is divided by the size, as in the program and in PyTorch (not in the paper)": (
            lambda: _lrn(x, **o | dict(alpha=alpha * size))
        ),
        "alpha is divided by the size, also where the window is cut off at the border": (
            lambda: _lrn_by_channels_there(x, **o)
        ),
        "add up the squares of the activations, not the activations": (
            lambda: _lrn(x, **o, term=identity)
        ),
        "add up the squares of the activations, not their absolute values": (
            lambda: _lrn(x, **o, term=torch.abs)
        ),
        "the neighbours are channels at the same pixel (dimension 1), not pixels side by side": (
            lambda: _lrn(x, **o, axis=3)
        ),
        "the neighbours are channels at one pixel (dimension 1), not pixels above each other": (
            lambda: _lrn(x, **o, axis=2)
        ),
        "the first and the last channel are no neighbours: at the border there are fewer": (
            lambda: _lrn(x, **o, wrap=True)
        ),
        "the window has size channels in all: size // 2 on each side": (
            lambda: _lrn(x, **o, before=size, after=size)
        ),
        "the window reaches size // 2 channels to both sides, not to one only": (
            lambda: _lrn(x, **o, before=0, after=size - 1)
        ),
        "the last neighbour is missing: the end of a slice or a range does not belong to it": (
            lambda: _lrn(x, **o, after=size // 2 - 1)
        ),
        "add up a window of channels, not all of them": (
            lambda: _lrn(x, **o, before=x.shape[1], after=x.shape[1])
        ),
        "raise the sum in the denominator to the power beta": (
            lambda: _lrn(x, **o | dict(beta=1.0))
        ),
        "k belongs inside the power: (k + alpha / size · sum) ** beta": (
            lambda: x / (k + (x / _lrn(x, size, alpha, 1.0, 0.0)).nan_to_num(0.0) ** beta)
        ),
        "this is only the denominator: divide x by it": (
            lambda: (x + 1e-30) / _lrn(x + 1e-30, **o)
        ),
    }


def _lrn_by_channels_there(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """The mean of the squares in the window, which has fewer channels at the border."""
    squares, there = (
        F.pad(values, (0, 0, 0, 0, size // 2, size // 2)).unfold(1, size, 1).sum(dim=-1)
        for values in (x.square(), torch.ones_like(x))
    )
    return x / (k + alpha * squares / there) ** beta


class ResponseNorm(Examiner):
    """The program's formula, with windows up to more channels than there are."""

    id = "04.2"

    def examples(self) -> Iterator[Case]:
        example = torch.tensor([1.0, 2.0, 2.0, 0.0, 3.0, 1.0]).reshape(1, 6, 1, 1)
        yield dict(x=example, size=3, alpha=1.0, beta=1.0, k=1.0)

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield dict(x=normal(rng, 2, 8, 3, 4, scale=60), size=5, alpha=1e-4, beta=0.75, k=2.0)
        yield dict(x=normal(rng, 1, 3, 2, 2, scale=30), size=7, alpha=0.01, beta=0.5, k=1.0)
        yield dict(x=normal(rng, 2, 6, 3, 3), size=1, alpha=0.5, beta=0.75, k=2.0)
        yield dict(x=normal(rng, 3, 1, 2, 3), size=3, alpha=0.5, beta=0.75, k=2.0)
        for _ in range(9):
            yield dict(
                x=normal(rng, *(int(n) for n in rng.integers([1, 4, 2, 2], [3, 10, 4, 4]))),
                size=int(rng.choice([3, 5])),
                alpha=float(rng.uniform(0.2, 1.0)),
                beta=float(rng.uniform(0.4, 0.9)),
                k=float(rng.uniform(1.0, 3.0)),
            )

    def key(self, case: Case) -> Any:
        want = _lrn(**case)
        mistakes = mistaken(_lrn_mistakes(**case), lambda make: make(), want)
        # Without the squares the power can have no value, and what has none is equal to nothing.
        return dict(want=want, mistakes={h: y for h, y in mistakes.items() if y.isfinite().all()})


# --- 04.3 ----------------------------------------------------------------------------------------


def _paper_shapes(num_classes: int, unit: int) -> dict[str, list[int]]:
    """The shapes of the parameters by their place: a bias has the first number of its weight."""
    c1, c2, c3, c4, c5 = (unit * share for share in (3, 8, 12, 12, 8))
    hidden = 128 * unit
    weights = [
        [c1, 3, 11, 11],
        [c2, c1 // 2, 5, 5],
        [c3, c2, 3, 3],
        [c4, c3 // 2, 3, 3],
        [c5, c4 // 2, 3, 3],
        [hidden, c5 * 36],
        [hidden, hidden],
        [num_classes, hidden],
    ]
    return numbered(shape for weight in weights for shape in (weight, weight[:1]))


def _normalized(x: Tensor, alpha: float = 1e-4, k: float = 2.0) -> Tensor:
    return F.local_response_norm(x, size=5, alpha=alpha, beta=0.75, k=k)


def _paper_logits(
    case: Case,
    *,
    relu: Callable = F.relu,
    hidden: Callable = F.relu,
    norm: Callable = _normalized,
    pool: Callable = lambda x: F.max_pool2d(x, 3, 2),
    order: str = "relu norm pool",
    last: Callable = identity,
    edge: tuple[int, ...] = (0, 3, 0, 3),
) -> Tensor:
    """The network of 2012, with functions only; the options are the likely mistakes."""
    w = iter(case["state"].values())
    steps = {"relu": relu, "norm": norm, "pool": pool}
    x = F.pad(case["x"], edge)
    for options in (dict(stride=4), dict(padding=2, groups=2)):
        x = F.conv2d(x, next(w), next(w), **options)
        for step in order.split():
            x = steps[step](x)
    for groups in (1, 2, 2):
        x = relu(F.conv2d(x, next(w), next(w), padding=1, groups=groups))
    x = pool(x).flatten(1)
    x = hidden(F.linear(x, next(w), next(w)))
    x = hidden(F.linear(x, next(w), next(w)))
    return last(F.linear(x, next(w), next(w)))


class BuildTheNetOfThePaper(ModuleExaminer):
    """The full network's shapes, a small one's logits, and dropout in both hidden layers."""

    id = "04.3"
    mistakes = {
        "the response normalisation is missing": dict(norm=identity),
        "alpha=5e-4 follows the formula of the paper; the program divided alpha by the size, as "
        "PyTorch does, so it is alpha=1e-4 here": dict(norm=lambda x: _normalized(x, alpha=5e-4)),
        "k of the response normalisation is 2; PyTorch's default is 1": dict(
            norm=lambda x: _normalized(x, k=1.0)
        ),
        "conv 1 reads three zeros to the right of the image and below it: padding=2 on every "
        "side is torchvision's": dict(edge=(2, 2, 2, 2)),
        "the three zeros stand to the right of the image and below it, not to the left and "
        "above": dict(edge=(3, 0, 3, 0)),
        "normalise before you pool, not after": dict(order="relu pool norm"),
        "normalise after the ReLU, not before": dict(order="norm relu pool"),
        "there is no ReLU after the two hidden layers": dict(hidden=identity),
        "there is no ReLU after the convolutions": dict(relu=identity),
        "the output is logits: no softmax at the end": dict(last=lambda x: x.softmax(dim=1)),
        "the output is logits: no ReLU at the end": dict(last=F.relu),
        "pool with the maximum, not with the average": dict(pool=lambda x: F.avg_pool2d(x, 3, 2)),
        "the windows of the pooling are 3×3 and overlap; 2×2 leads to the same sizes": dict(
            pool=lambda x: F.max_pool2d(x, 2)
        ),
    }

    def examples(self) -> Iterator[Case]:
        yield self._case("shapes", 1000, unit=32)

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case("shapes", int(rng.integers(500, 2000)), unit=32)
        for _ in range(3):  # the eight layers are nearly half of the work
            yield self._case("shapes", int(rng.integers(2, 100)), unit=2 * int(rng.integers(2, 9)))
        for _ in range(3):
            case = self._case("logits", int(rng.integers(2, 20)), unit=2)
            yield case | {"numbers": normal(rng, 4099)}  # a prime: no two rows are the same
        for _ in range(2):
            yield self._case("dropout", int(rng.integers(150, 250)), unit=2)

    def _case(self, about: str, num_classes: int, unit: int) -> Case:
        arguments = {"num_classes": num_classes, "unit": unit}
        return {"about": about, "arguments": arguments, "shapes": _paper_shapes(**arguments)}

    def key(self, case: Case) -> Any:
        return super().key(with_numbers(case)) if "numbers" in case else {}

    def reference(self, case: Case, **mistake: Any) -> Tensor:
        return _paper_logits(case, **mistake)


EXAMINERS = [SizesThroughTheNet(), ResponseNorm(), BuildTheNetOfThePaper()]
