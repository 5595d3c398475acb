"""Lecture 04: sizes through AlexNet, LRN, the network of the paper, dropout, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import eq
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from .core import (
    Case,
    Exercise,
    Verdict,
    Watch,
    describe,
    right,
    same_tensor,
    tensor_problem,
    wrong,
)
from .shared import (
    TOLERANCE,
    BuildModule,
    close,
    field,
    first_mistake,
    identity,
    layer_state,
    normal,
    numbered,
)

# --- 04.1 ----------------------------------------------------------------------------------------

Layers = list[list[int]]
PAPER = [[11, 4, 0], [3, 2, 0], [5, 1, 2], [3, 2, 0], *[[3, 1, 1]] * 3, [3, 2, 0]]
TORCHVISION = [[11, 4, 2], *PAPER[1:]]


def _walk(size: int, layers: Layers, *, stop: bool = True) -> list[list[int]]:
    """[output size, rows left over] after each layer, up to the first one that does not fit."""
    found = []
    for kernel_size, stride, padding in layers:
        room = size + 2 * padding - kernel_size
        if stop and room < 0:
            break
        size = room // stride + 1
        found.append([size, room % stride])
    return found


class SizesThroughTheNet(Exercise):
    """The answer: `sizes_through(size, layers)` → a list of (output size, rows left over)."""

    id, points, title = "04.1", 5, "Sizes through the net"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield dict(size=227, layers=PAPER)
        yield dict(size=224, layers=PAPER)
        yield dict(size=224, layers=TORCHVISION)
        yield dict(size=32, layers=TORCHVISION)  # the last pooling finds one pixel
        yield dict(size=32, layers=[[5, 1, 2], [3, 2, 0], [5, 1, 2], [3, 2, 0], [3, 2, 0]])
        yield dict(size=10, layers=[[3, 4, 0]])  # 7/4: rounded it would be 2, cut off it is 1
        yield dict(size=6, layers=[[3, 2, 0], [5, 1, 1], [3, 1, 1]])  # 2 + 2·1 is less than 5
        for _ in range(12):
            layers = [
                [int(rng.integers(1, 7)), int(rng.integers(1, 4)), int(rng.integers(0, 3))]
                for _ in range(rng.integers(1, 6))
            ]
            yield dict(size=int(rng.integers(5, 60)), layers=layers)

    def describe(self, case: Case) -> str:
        return f"size={case['size']}, layers={[tuple(layer) for layer in case['layers']]}"

    def run(self, answer: Any, case: Case) -> Any:
        return answer(case["size"], [tuple(layer) for layer in case["layers"]])

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = _walk(**case)
        if not isinstance(result, list):
            return wrong(f"return a list with one pair for each layer, not {describe(result)}")
        if result == want and all(type(n) is int for pair in result for n in pair):
            return right()
        if result and result == [size for size, _ in want]:
            return wrong("each entry is a pair: (output size, rows left over)")
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in result):
            return wrong("each entry is a pair of whole numbers: (output size, rows left over)")
        if result == want or any(type(n) is not int for pair in result for n in pair):
            return wrong("sizes are whole numbers: use // and %, which stay in whole numbers")
        return wrong(self._hint(case, result, want))

    def _hint(self, case: Case, result: Layers, want: Layers) -> str:
        if len(want) < len(case["layers"]) and len(result) > len(want):
            return (
                f"layer {len(want)} (counted from 0) does not fit into its padded input: "
                "the list ends before it"
            )
        if len(result) != len(want):
            return f"{len(want)} layers fit, so the list has {len(want)} pairs, not {len(result)}"
        index = next(i for i, pair in enumerate(want) if pair != result[i])
        before = want[index - 1][0] if index else case["size"]
        size, left = result[index]
        hints = self._mistakes(case["size"], before, *case["layers"][index])
        place = f"layer {index} (counted from 0): "
        if size == want[index][0]:
            return (
                place + f"the size {size} is right; left over are the rows of the padded input "
                f"that do not make up a whole stride, {want[index][1]}, not {left}"
            )
        hint = first_mistake(size, hints, same=eq)
        return place + (hint or f"expected the size {want[index][0]}, got {size}")

    def _mistakes(
        self, first: int, before: int, kernel_size: int, stride: int, padding: int
    ) -> dict[str, int]:
        room = before + 2 * padding - kernel_size
        return {
            "one window always fits at the start: add 1 at the end": room // stride,
            "a window that does not fit completely is dropped: round down": -(-room // stride) + 1,
            "padding is added on both sides: 2 · padding": (room - padding) // stride + 1,
            "padding was left out": (room - 2 * padding) // stride + 1,
            "the stride was left out": room + 1,
            "its input is the output of the layer before, not the image": (
                (first + 2 * padding - kernel_size) // stride + 1
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
    """The paper's formula as one sum of shifted channels; the options are the likely mistakes."""
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
    return x / (k + alpha * total.movedim(1, axis)) ** beta


def _lrn_mistakes(x: Tensor, **o: Any) -> dict[str, Callable[[], Tensor]]:
    size, alpha, beta, k = o["size"], o["alpha"], o["beta"], o["k"]
    return {
        "here alpha is not divided by the size: that is PyTorch's convention, not the paper's": (
            lambda: _lrn(x, **o | dict(alpha=alpha / size))
        ),
        "add up the squares of the activations, not the activations": (
            lambda: _lrn(x, **o, term=lambda a: a)
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
        "k belongs inside the power: (k + alpha · sum) ** beta": (
            lambda: x / (k + (x / _lrn(x, size, alpha, 1.0, 0.0)).nan_to_num(0.0) ** beta)
        ),
        "this is only the denominator: divide x by it": (
            lambda: (x + 1e-30) / _lrn(x + 1e-30, **o)
        ),
    }


class ResponseNorm(Exercise):
    """The answer: `response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0)` → a tensor like x."""

    id, points, title = "04.2", 6, "Local response normalisation"
    ready_made = ("local_response_norm", "LocalResponseNorm")

    def cases(self, rng: Generator) -> Iterator[Case]:
        example = torch.tensor([1.0, 2.0, 2.0, 0.0, 3.0, 1.0]).reshape(1, 6, 1, 1)
        yield dict(x=example, size=3, alpha=1.0, beta=1.0, k=1.0)
        yield dict(x=normal(rng, 2, 8, 3, 4, scale=60), size=5, alpha=1e-4, beta=0.75, k=2.0)
        yield dict(x=normal(rng, 1, 3, 2, 2, scale=30), size=7, alpha=0.01, beta=0.5, k=1.0)
        yield dict(x=normal(rng, 2, 6, 5, 5), size=1, alpha=0.5, beta=0.75, k=2.0)
        yield dict(x=normal(rng, 3, 1, 2, 3), size=3, alpha=0.5, beta=0.75, k=2.0)
        for _ in range(9):
            yield dict(
                x=normal(rng, *(int(n) for n in rng.integers([1, 4, 4, 4], [4, 10, 7, 7]))),
                size=int(rng.choice([3, 5])),
                alpha=float(rng.uniform(0.2, 1.0)),
                beta=float(rng.uniform(0.4, 0.9)),
                k=float(rng.uniform(1.0, 3.0)),
            )

    def run(self, answer: Any, case: Case) -> Any:
        x = case.pop("x")
        original = x.clone()
        with torch.no_grad(), Watch() as watch:
            returned = answer(x, **case)
        return {
            "returned": returned,
            "unchanged": torch.equal(x, original),
            "ready_made": "local_response_norm" in watch.names,
        }

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if field(result, "ready_made"):
            return wrong("write the sum yourself, without PyTorch's local_response_norm")
        returned, want = field(result, "returned"), _lrn(**case)
        problem = tensor_problem(returned, want, TOLERANCE)
        if problem is None and field(result, "unchanged") is not True:
            return wrong("the result is right, but x itself was changed: compute a new tensor")
        if problem is None:
            return right()
        hint = first_mistake(returned, _lrn_mistakes(**case), lambda make: make())
        return wrong(hint or problem)


# --- 04.3 ----------------------------------------------------------------------------------------

NAMES = [f"convolution {n}" for n in range(1, 6)] + ["hidden layer 1", "hidden layer 2", "output"]
CHANNELS = (3, 8, 12, 12, 8)  # in units
SIDE = 227


def _paper_shapes(num_classes: int, unit: int) -> list[list[int]]:
    """The shapes of the weights; the biases have the first number of each."""
    c1, c2, c3, c4, c5 = (unit * share for share in CHANNELS)
    hidden = 128 * unit
    return [
        [c1, 3, 11, 11],
        [c2, c1 // 2, 5, 5],
        [c3, c2, 3, 3],
        [c4, c3 // 2, 3, 3],
        [c5, c4 // 2, 3, 3],
        [hidden, c5 * 36],
        [hidden, hidden],
        [num_classes, hidden],
    ]


def _normalized(x: Tensor, alpha: float = 5e-4, k: float = 2.0, size: int = 5) -> Tensor:
    return F.local_response_norm(x, size, alpha=alpha, beta=0.75, k=k)


class BuildTheNetOfThePaper(BuildModule):
    """The answer: a class, built by name with `num_classes` and `unit`."""

    id, points, title = "04.3", 8, "The network of the paper"
    mistakes = {
        "the response normalisation is missing": dict(norm=identity),
        "alpha of the response normalisation: PyTorch divides it by the size, so the paper's "
        "0.0001 is alpha=5e-4 here": dict(norm=lambda x: _normalized(x, alpha=1e-4)),
        "k of the response normalisation is 2 in the paper; PyTorch's default is 1": dict(
            norm=lambda x: _normalized(x, k=1.0)
        ),
        "the response normalisation has PyTorch's defaults: the paper's are alpha=5e-4 (in "
        "PyTorch's convention) and k=2": dict(norm=lambda x: _normalized(x, alpha=1e-4, k=1.0)),
        "normalise before you pool, not after": dict(order="relu pool norm"),
        "normalise after the ReLU, not before": dict(order="norm relu pool"),
        "there is no ReLU after the two hidden layers": dict(hidden=identity),
        "there is no ReLU after the convolutions": dict(relu=identity),
        "the output is logits: no softmax at the end": dict(last=lambda x: x.softmax(dim=1)),
        "the output is logits: no ReLU at the end": dict(last=F.relu),
        "pool with the maximum, not with the average": dict(pool=lambda x: F.avg_pool2d(x, 3, 2)),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case("shapes", 1000, unit=32)
        yield self._case("shapes", 10, unit=8)
        for num_classes in (10, int(rng.integers(2, 20)), int(rng.integers(2, 20))):
            case = self._case("logits", num_classes, unit=2)
            shapes = _paper_shapes(num_classes, unit=2)
            layers = [layer_state(rng, "", *shape, bias=0.5) for shape in shapes]
            state = numbered(value for layer in layers for value in layer.values())
            # From about -150 to 150, as in 2012: small pixels would leave the LRN nothing to do.
            yield case | {"state": state, "x": normal(rng, 1, 3, SIDE, SIDE, scale=60)}
        for _ in range(2):
            yield self._case("dropout", int(rng.integers(50, 70)), unit=2)

    def _case(self, about: str, num_classes: int, unit: int) -> Case:
        return {"about": about, "arguments": {"num_classes": num_classes, "unit": unit}}

    def describe(self, case: Case) -> str:
        return f"{case['about']}: {super().describe(case)}"

    def build(self, answer: Any, case: Case) -> Any:
        # The full network has 61 million parameters: on "meta" they have shapes and no memory.
        with torch.device("meta" if case["about"] == "shapes" else "cpu"):
            return answer(**case["arguments"])

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        return numbered(module.parameters())

    def shapes(self, case: Case) -> dict[str, list[int]]:
        weights = _paper_shapes(**case["arguments"])
        return numbered(shape for weight in weights for shape in (weight, weight[:1]))

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        if case["about"] == "logits":
            return super().outputs(module, case)
        return {"dropped": self._dropped(module)} if case["about"] == "dropout" else {}

    def _dropped(self, model: nn.Module) -> Tensor:
        """The logits in training mode, after making every hidden unit answer 1 before dropout.

        Both hidden layers get the identity as their output's weights: a logit is 0 where one of
        two dropouts hit, and what the scaling makes of 1 where none did.
        """
        parameters = list(model.parameters())
        for parameter in parameters:
            parameter.zero_()
        parameters[11].fill_(1.0)  # bias of hidden layer 1
        for weight in (parameters[12], parameters[14]):
            weight.fill_diagonal_(1.0)
        return model.train()(torch.zeros(8, 3, SIDE, SIDE))

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        if case["about"] == "shapes":
            return right()
        if case["about"] == "dropout":
            return self._judge_dropout(case, field(result, "dropped"))
        return super().judge_output(case, key, result)

    def reference(
        self,
        case: Case,
        *,
        relu: Callable = F.relu,
        hidden: Callable = F.relu,
        norm: Callable = _normalized,
        pool: Callable = lambda x: F.max_pool2d(x, 3, 2),
        order: str = "relu norm pool",
        last: Callable = identity,
    ) -> Tensor:
        w = iter(case["state"].values())
        steps = {"relu": relu, "norm": norm, "pool": pool}
        x = case["x"]
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

    def output_hint(self, output: Any, want: Tensor) -> str:
        problem = tensor_problem(output, want, TOLERANCE)
        return (
            f"{problem}: compare forward with the table, and define the layers in the order in "
            "which you use them"
        )

    def _judge_dropout(self, case: Case, dropped: Any) -> Verdict:
        want = (8, case["arguments"]["num_classes"])
        if not isinstance(dropped, Tensor) or dropped.shape != want:
            return wrong(f"in training mode too, the output should have the shape {want}")
        kept = (dropped != 0).float().mean().item()
        if same_tensor(dropped, torch.where(dropped != 0, 4.0, 0.0)) and 0.15 < kept < 0.35:
            return right()
        if kept == 1:
            return wrong(
                "in training mode, no hidden unit is dropped: nn.Dropout(0.5) stands after the "
                "ReLU of both hidden layers"
            )
        if same_tensor(dropped, torch.where(dropped != 0, 2.0, 0.0)) and kept > 0.35:
            return wrong(
                "only one of the two hidden layers is dropped out: nn.Dropout(0.5) stands after "
                "the ReLU of both (torchvision puts it elsewhere)"
            )
        return wrong("dropout with probability 0.5 stands after the ReLU of both hidden layers")

    def state_hint(self, have: dict, want: dict) -> str:
        if have and len(have) != len(want):
            return (
                f"five convolutions and three linear layers, a weight and a bias each, make "
                f"{len(want)} parameter tensors; your model has {len(have)}"
            )
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        index = int(name)
        name = f"{'bias' if index % 2 else 'weight'} of {NAMES[index // 2]}"
        hint = f"the {name} should have shape {want}, yours has {describe(have)}"
        if index in (2, 6, 8) and have == [want[0], 2 * want[1], *want[2:]]:
            hint += ": each tower reads its own half of the channels, groups=2"
        elif index == 4 and have == [want[0], want[1] // 2, *want[2:]]:
            hint += ": this is where the towers meet, so it reads all channels (groups=1)"
        elif index == 10 and isinstance(have, list) and have[:1] == want[:1]:
            hint += ": 8 · unit channels of 6 × 6 come out of the last pooling"
        return hint


# --- 04.4 ----------------------------------------------------------------------------------------


class Dropout(Exercise):
    """The answer: `drop_out(x, probability, training)` → a tensor like x."""

    id, points, title = "04.4", 5, "Dropout"
    ready_made = ("dropout", "dropout_", "feature_dropout", "Dropout")

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [40, 50], 0.5, training=True)
        yield self._case(rng, [40, 50], 0.5, training=False)
        yield self._case(rng, [60, 50], 0.2, training=True)
        yield self._case(rng, [8, 6, 10, 10], 0.8, training=True)
        yield self._case(rng, [20, 30], 0.0, training=True)
        yield self._case(rng, [20, 30], 1.0, training=True)
        yield self._case(rng, [20, 30], 0.9, training=False)
        for _ in range(5):
            shape = [int(n) for n in rng.integers(40, 70, 2)]
            training = bool(rng.random() < 0.7)
            yield self._case(rng, shape, float(rng.uniform(0.15, 0.85)), training=training)

    def _case(
        self, rng: Generator, shape: list[int], probability: float, *, training: bool
    ) -> Case:
        x = normal(rng, *shape)
        x = x + 0.01 * x.sign()  # no zero that could be taken for a dropped one
        return dict(x=x, probability=probability, training=training)

    def run(self, answer: Any, case: Case) -> Any:
        x = case["x"].clone()
        with torch.no_grad(), Watch() as watch:
            calls = [answer(x, case["probability"], case["training"]) for _ in range(2)]
        return {
            "first": calls[0].clone() if isinstance(calls[0], Tensor) else calls[0],
            "second": calls[1],
            "unchanged": torch.equal(x, case["x"]),
            "ready_made": bool({"dropout", "dropout_", "feature_dropout"} & set(watch.names)),
        }

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if field(result, "ready_made"):
            return wrong("draw the mask yourself, without PyTorch's dropout")
        first, second = field(result, "first"), field(result, "second")
        for returned in (first, second):
            if not isinstance(returned, Tensor) or returned.shape != case["x"].shape:
                return wrong(
                    f"return a tensor of shape {tuple(case['x'].shape)}, not {describe(returned)}"
                )
        if field(result, "unchanged") is not True:
            return wrong("x itself was changed: compute a new tensor, x * mask")
        if not case["training"]:
            hint = self._evaluation(case, first)
        elif case["probability"] in (0.0, 1.0):
            hint = self._certain(case, first)
        else:
            hint = self._randomness(first != 0, second != 0) or self._chance(case, first)
        return wrong(hint) if hint else right()

    def _evaluation(self, case: Case, y: Tensor) -> str | None:
        x, p = case["x"], case["probability"]
        if close(y, x):
            return None
        if close(y, x * (1 - p)):
            return (
                "in evaluation x comes back as it is: here the scaling belongs to training (the "
                "form of 2012 scaled in evaluation)"
            )
        return "in evaluation nothing is dropped and nothing is scaled: return x"

    def _certain(self, case: Case, y: Tensor) -> str | None:
        p = case["probability"]
        if not y.isfinite().all():
            return "the result is not finite: with probability 1 everything is 0, not 0/0"
        if close(y, case["x"] * (1 - p)):
            return None
        return f"with probability {p:g}, {'nothing' if p == 0 else 'everything'} is dropped"

    def _chance(self, case: Case, y: Tensor) -> str | None:
        x, p = case["x"], case["probability"]
        kept = y != 0
        share, spread = kept.float().mean().item(), (p * (1 - p) / x.numel()) ** 0.5
        if abs(share - p) < 6 * spread < abs(share - (1 - p)):
            return f"probability is that of being dropped: {p:.0%} should be 0, {1 - share:.0%} are"
        if abs(share - (1 - p)) > 6 * spread:
            return f"a share of {p:.3g} should be dropped; yours dropped {1 - share:.3g}"
        return self._scale_hint(x[kept], y[kept], p)

    def _scale_hint(self, x: Tensor, y: Tensor, p: float) -> str | None:
        hints = {
            "what is kept must grow by 1 / (1 − probability), so that sums stay the same on "
            "average": 1.0,
            "divide by 1 − probability, the chance of being kept, instead of multiplying": 1 - p,
            "divide by 1 − probability, the chance of being kept, not by probability": 1 / p,
        }
        if close(y, x / (1 - p)):
            return None
        hint = first_mistake(y, hints, lambda factor: x * factor)
        return hint or "what is kept should be x / (1 − probability)"

    def _randomness(self, kept: Tensor, again: Tensor) -> str | None:
        if kept.all():
            return "in training nothing was dropped"
        if torch.equal(kept, again):
            return "two calls dropped the same places: draw a new mask in each call"
        for dimension in range(kept.ndim):
            if (kept == kept.narrow(dimension, 0, 1)).all():
                return "whole rows or columns were dropped: draw one number for each element of x"
        return None


# --- 04.5 ----------------------------------------------------------------------------------------


def _crops(images: Tensor, padding: int, mode: str = "constant") -> Tensor:
    """Every crop of the padded images: (N, C, 2p + 1, 2p + 1, H, W)."""
    padded = F.pad(images.float(), (padding,) * 4, mode=mode)
    return padded.unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)


def _places(
    images: Tensor, returned: Tensor, padding: int, mode: str = "constant", flip: int = -1
) -> Tensor:
    """For each image: from which (row, column) it was cut and whether mirrored, (N, 3).

    -1 where it is no crop at all. Random images are told apart by any crop.
    """
    options = []
    crops = _crops(images, padding, mode)
    for mirrored in (crops, crops.flip(flip)):
        options.append((mirrored == returned.float()[:, :, None, None]).flatten(4).all(4).all(1))
    found = torch.stack(options, dim=-1)  # (N, rows, columns, 2)
    flat = found.flatten(1)
    place = torch.stack(torch.unravel_index(flat.float().argmax(1), found.shape[1:]), dim=1)
    return torch.where(flat.any(1)[:, None], place, -1)


class Augment(Exercise):
    """The answer: `augment_batch(images, padding)` → a tensor like images."""

    id, points, title = "04.5", 6, "Augmentation of a batch"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [300, 1, 8, 8], padding=2)
        yield self._case(rng, [300, 3, 6, 9], padding=1)
        yield self._case(rng, [300, 2, 5, 4], padding=2, real=True)
        yield self._case(rng, [200, 1, 6, 6], padding=0)
        yield self._case(rng, [1, 3, 7, 7], padding=3)
        yield self._case(rng, [240, 3, 10, 10], padding=4)
        for _ in range(4):
            count, channels = int(rng.integers(250, 350)), int(rng.integers(1, 4))
            height, width = (int(n) for n in rng.integers(6, 11, 2))
            padding, real = int(rng.integers(1, 4)), bool(rng.integers(2))
            yield self._case(rng, [count, channels, height, width], padding=padding, real=real)

    def _case(self, rng: Generator, shape: list[int], *, padding: int, real: bool = False) -> Case:
        images = torch.from_numpy(rng.integers(1, 256, shape).astype(np.uint8))
        return dict(images=images.float() / 255 if real else images, padding=padding)

    def describe(self, case: Case) -> str:
        images = case["images"]
        kind = str(images.dtype).removeprefix("torch.")
        return f"{kind} images of shape {tuple(images.shape)}, padding={case['padding']}"

    def run(self, answer: Any, case: Case) -> Any:
        images = case["images"].clone()
        with torch.no_grad():
            returned = answer(images, case["padding"])
        return {
            "returned": returned,
            "dtype": str(getattr(returned, "dtype", "")),
            "unchanged": torch.equal(images, case["images"]),
        }

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        images, returned = case["images"], field(result, "returned")
        if not isinstance(returned, Tensor) or returned.shape != images.shape:
            return wrong(
                f"the result has the shape of the images, {tuple(images.shape)}: cut the padded "
                f"images back to their size; yours is {describe(returned)}"
            )
        if field(result, "dtype") != str(images.dtype):
            return wrong(f"the type of the images, {images.dtype}, should stay as it is")
        if field(result, "unchanged") is not True:
            return wrong("the images that came in were changed: make new ones")
        places = _places(images, returned, case["padding"])
        hint = self._no_crop(case, returned, places) or self._chance(case, places)
        return wrong(hint) if hint else right()

    def _no_crop(self, case: Case, returned: Tensor, places: Tensor) -> str | None:
        images, padding = case["images"], case["padding"]
        if (places >= 0).all():
            return None

        def explained(**how: Any) -> bool:
            return bool((_places(images, returned, padding, **how) >= 0).all())

        if explained(flip=-2):
            return "mirror left to right (the last dimension), not upside down"
        modes = {"circular": "from the other side", "replicate": "by repeating the border"}
        for mode, words in modes.items():
            if padding and explained(mode=mode):
                return f"what comes in from outside should be 0; yours is filled {words}"
        if bool((_places(returned, images, padding) >= 0).all()):
            return "pad before you cut"
        channels = (
            _places(images[:, [channel]], returned[:, [channel]], padding)
            for channel in range(images.shape[1])
        )
        if all((found >= 0).all() for found in channels):
            return "all channels of an image move together: one place and one mirroring per image"
        bad = int((places < 0).any(1).nonzero()[0])
        return (
            f"image {bad} is not a crop of its padded original, mirrored or not: image i of the "
            "result is made from image i, and its place is between 0 and 2 · padding"
        )

    def _chance(self, case: Case, places: Tensor) -> str | None:
        if len(places) < 100:
            return None
        rows, columns, mirrored = places.unbind(1)
        padding = case["padding"]
        share = mirrored.float().mean().item()
        if share in (0.0, 1.0):
            return (
                f"{'none' if share == 0 else 'all'} of the images are mirrored: decide for each "
                "image, with probability 0.5"
            )
        if padding and (rows == rows[0]).all() and (columns == columns[0]).all():
            return "all images were cut at the same place: draw a place for each image"
        if padding and torch.equal(rows, columns):
            return "rows and columns move by the same amount: draw them separately"
        for name, values in (("rows", rows), ("columns", columns)):
            missing = set(range(2 * padding + 1)) - set(values.tolist())
            if missing == {2 * padding}:
                return (
                    f"the last place is never drawn: {name} can start at 0 to {2 * padding}, and "
                    "the upper end of torch.randint does not belong to it"
                )
            if missing:
                return f"{name} can start at 0 to {2 * padding}; never drawn: {sorted(missing)}"
        if abs(share - 0.5) > 3 / len(places) ** 0.5:
            return f"about half of the images should be mirrored; yours mirrored {share:.0%}"
        return None


EXERCISES = [SizesThroughTheNet(), ResponseNorm(), BuildTheNetOfThePaper(), Dropout(), Augment()]
