"""What lecture 12 asks: groups, squeeze and excitation, costs, scaling, activation maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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

# --- 12.1 ----------------------------------------------------------------------------------------


def _in_turn(count: int, groups: int) -> Tensor:
    """The order that deals ``count`` things out to the groups one by one, as cards."""
    return torch.arange(count).view(-1, groups).T.flatten()


def _as_they_are(x: Tensor, groups: int) -> Tensor:
    return x


def _grouped(
    case: Case,
    *,
    inputs: Callable[[Tensor, int], Tensor] = _as_they_are,
    filters: Callable[[Tensor, int], Tensor] = _as_they_are,
    outputs: Callable[[Tensor, int], Tensor] = _as_they_are,
    padding: int | None = None,
) -> Tensor:
    """Grouped convolution; the options are the likely mistakes."""
    groups = case["groups"]
    x, weight = inputs(case["x"], groups), filters(case["weight"], groups)
    padding = weight.shape[-1] // 2 if padding is None else padding
    return outputs(F.conv2d(x, weight, padding=padding, groups=groups), groups)


def _first_only(x: Tensor, groups: int) -> Tensor:
    return x[:, : x.shape[1] // groups].repeat(1, groups, 1, 1)


def _sum_of_groups(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (groups, -1)).sum(1)


class AskGroupedConvolution(Examiner):
    """One group, as many as channels, and numbers between them."""

    id = "12.1"
    mistakes: dict[str, dict[str, Any]] = {
        "put the outputs of the groups one after the other (torch.cat): they are not added": dict(
            outputs=_sum_of_groups
        ),
        "group g reads a block of neighbouring input channels, not every groups-th one": dict(
            inputs=lambda x, n: x[:, _in_turn(x.shape[1], n)]
        ),
        "group g has a block of neighbouring filters, not every groups-th one": dict(
            filters=lambda w, n: w[_in_turn(len(w), n)]
        ),
        "the output channels of a group stay together: join along axis 1, group after group": dict(
            outputs=lambda x, n: x[:, _in_turn(x.shape[1], x.shape[1] // n)]
        ),
        "every group reads its own input channels: yours all read those of the first": dict(
            inputs=_first_only
        ),
        "pad with kernel_size // 2 pixels, so that height and width stay as they are": dict(
            padding=0
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 4, 6, 3, 2)
        yield self._case(rng, 4, 6, 3, 1)  # one group: an ordinary convolution
        yield self._case(rng, 6, 6, 3, 6)  # as many as channels: depthwise
        yield self._case(rng, 4, 8, 1, 4)  # two filters for each channel
        for _ in range(8):
            groups, each, filters = (int(n) for n in rng.integers((2, 2, 2), (5, 4, 4)))
            kernel_size = int(rng.choice([1, 3, 5]))
            yield self._case(rng, groups * each, groups * filters, kernel_size, groups)

    def _case(
        self, rng: Generator, channels: int, filters: int, kernel_size: int, groups: int
    ) -> Case:
        weight = normal(rng, filters, channels // groups, kernel_size, kernel_size)
        return {"x": normal(rng, 2, channels, 6, 5), "weight": weight, "groups": groups}

    def key(self, case: Case) -> Any:
        want = _grouped(case)
        made = mistaken(self.mistakes, lambda mistake: _grouped(case, **mistake), want)
        return {"want": want, "mistakes": made}


# --- 12.2 ----------------------------------------------------------------------------------------


class AskSqueezeExcitation(ModuleExaminer):
    """Narrow and wide middles."""

    id = "12.2"
    mistakes = {
        "return the weights times x, not the weights alone": dict(merge=lambda w, x: w),
        "multiply x with the weights: do not add them": dict(merge=lambda w, x: x + w),
        "there is no shortcut in here: return weights · x, without adding x": dict(
            merge=lambda w, x: x + w * x
        ),
        "the last step is a sigmoid: each weight lies between 0 and 1": dict(last=identity),
        "take a sigmoid, not a softmax: channels do not compete with each other": dict(
            last=lambda w: w.softmax(1)
        ),
        "a ReLU follows the first layer": dict(between=identity),
        "a ReLU, not a sigmoid, follows the first layer": dict(between=torch.sigmoid),
        "squeeze with the mean over all pixels, not with the largest value": dict(
            squeeze=lambda x: x.amax((2, 3), keepdim=True)
        ),
        "squeeze with the mean over all pixels, not with the sum": dict(
            squeeze=lambda x: x.sum((2, 3), keepdim=True)
        ),
        "the mean over all pixels comes first: one number for each channel": dict(squeeze=identity),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 4, 2, (2, 2))
        yield self._case(rng, 8, 1, (3, 5))
        yield self._case(rng, 3, 6, (4, 4))  # the middle may be wider too
        for _ in range(6):
            channels, squeeze, height, width = (int(n) for n in rng.integers(2, (9, 9, 6, 6)))
            yield self._case(rng, channels, squeeze, (height, width))

    def _case(self, rng: Generator, channels: int, squeeze: int, size: tuple[int, int]) -> Case:
        state = layer_state(rng, "fc1", squeeze, channels, 1, 1, scale=1, bias=1)
        state |= layer_state(rng, "fc2", channels, squeeze, 1, 1, scale=1, bias=1)
        arguments = {"channels": channels, "squeeze_channels": squeeze}
        x = 0.5 + normal(rng, 2, channels, *size)
        return {"arguments": arguments, "state": state, "x": x}

    def reference(
        self,
        case: Case,
        *,
        squeeze: Callable[[Tensor], Tensor] = lambda x: x.mean((2, 3), keepdim=True),
        between: Callable[[Tensor], Tensor] = F.relu,
        last: Callable[[Tensor], Tensor] = torch.sigmoid,
        merge: Callable[[Tensor, Tensor], Tensor] = torch.mul,
    ) -> Tensor:
        state, x = case["state"], case["x"]
        out = between(F.conv2d(squeeze(x), state["fc1.weight"], state["fc1.bias"]))
        return merge(last(F.conv2d(out, state["fc2.weight"], state["fc2.bias"])), x)


# --- 12.3 ----------------------------------------------------------------------------------------


def _cost(
    case: Case,
    *,
    always_expand: bool = False,
    full: bool = False,
    depthwise: bool = True,
    expand_size: str = "before",
    rest_size: str = "after",  # or "before", "down"
    biases: int = 0,
    inner_of: str = "in_channels",
) -> list[int]:
    """[weights, multiply-adds] of MBConv's convolutions; the options are the likely mistakes."""
    inputs, outputs, kernel_size, expand, size, stride = case.values()
    inner = case[inner_of] * expand
    pixels = {"before": size**2, "after": ((size - 1) // stride + 1) ** 2}
    pixels["down"] = (size // stride) ** 2
    layers = [(inputs * inner, inner, expand_size)] if expand > 1 or always_expand else []
    if depthwise:
        spatial = kernel_size**2 * inner * (inner if full else 1)
        layers.append((spatial, inner, rest_size))
    layers.append((inner * outputs, outputs, rest_size))
    weights = sum(count + biases * filters for count, filters, _ in layers)
    return [weights, sum(count * pixels[where] for count, _, where in layers)]


class AskCostOfMBConv(Examiner):
    """Blocks of EfficientNet-B0, and any others."""

    id = "12.3"
    mistakes: dict[str, dict[str, Any]] = {
        "with expand = 1 there is no 1×1 convolution in front": dict(always_expand=True),
        "depthwise: each filter reads one channel only, kernel_size² weights a channel": dict(
            full=True
        ),
        "the depthwise convolution in the middle is missing": dict(depthwise=False),
        "the first 1×1 works before the stride: on size × size pixels": dict(expand_size="after"),
        "the stride makes the outputs smaller: the depthwise and the last 1×1 have fewer pixels": (
            dict(rest_size="before")
        ),
        "an odd size is rounded up: a stride of 2 makes 5 pixels 3, not 2": dict(rest_size="down"),
        "batch norm follows: there are no biases to count": dict(biases=1),
        "the middle has in_channels · expand channels": dict(inner_of="out_channels"),
    }

    def examples(self) -> Iterator[Case]:
        yield self._case(16, 24, 3, 6, 112, 2)  # the first block of B0's second stage
        yield self._case(32, 16, 3, 1, 112, 1)  # its first block: nothing to expand

    def cases(self, rng: Generator) -> Iterator[Case]:
        def drawn(*, kernel_size: int, expand: int, stride: int, odd: int) -> Case:
            read, out, half = (int(n) for n in rng.integers((4, 4, 3), (120, 120, 30)))
            return self._case(read, out, kernel_size, expand, 2 * half + odd, stride)

        for _ in range(2):
            yield drawn(kernel_size=3, expand=1, stride=1, odd=0)  # nothing to expand
            yield drawn(kernel_size=5, expand=6, stride=2, odd=1)  # an odd size
            yield drawn(kernel_size=5, expand=6, stride=1, odd=0)
        for _ in range(8):
            kernel_size, expand, stride, odd = (
                int(n) for n in rng.integers((1, 1, 1, 0), (4, 7, 3, 2))
            )
            yield drawn(kernel_size=2 * kernel_size - 1, expand=expand, stride=stride, odd=odd)

    def _case(self, *values: int) -> Case:
        names = ("in_channels", "out_channels", "kernel_size", "expand", "size", "stride")
        return dict(zip(names, values, strict=True))

    def key(self, case: Case) -> Any:
        def made(mistake: dict[str, Any]) -> list[int | None]:
            weights, products = _cost(case, **mistake)
            return [weights, None if "biases" in mistake else 2 * products]

        want = made({})
        return {"want": want, "mistakes": mistaken(self.mistakes, made, want)}


# --- 12.4 ----------------------------------------------------------------------------------------

PAPER = {"alpha": 1.2, "beta": 1.1, "gamma": 1.15}  # depth, width, resolution: section 3.3


def _scales(
    case: Case,
    *,
    width_power: int = 2,
    resolution_power: int = 2,
    phi: Callable[[float, float], float] = lambda factor, step: math.log(factor) / math.log(step),
    grow: Callable[[float, float], float] = pow,
    order: tuple[int, int, int] = (0, 1, 2),
) -> list[float]:
    """[depth, width, resolution]; the options are the likely mistakes."""
    factor, *bases = case.values()
    steps = bases[0] * bases[1] ** width_power * bases[2] ** resolution_power
    scales = [grow(base, phi(factor, steps)) for base in bases]
    return [scales[place] for place in order]


class AskCompoundScaling(Examiner):
    """The paper's numbers and any others; one knob alone; networks that become smaller."""

    id = "12.4"
    mistakes: dict[str, dict[str, Any]] = {
        "width counts twice in the FLOPs, as inputs and as outputs: β², not β": dict(width_power=1),
        "resolution counts twice in the FLOPs, in height and in width: γ², not γ": dict(
            resolution_power=1
        ),
        "width and resolution count twice in the FLOPs: α · β² · γ²": dict(
            width_power=1, resolution_power=1
        ),
        "α · β² · γ² need not be 2: solve (α · β² · γ²)^φ = factor for φ": dict(
            phi=lambda factor, step: math.log2(factor)
        ),
        "factor is that of the FLOPs, not φ: find φ first": dict(phi=lambda factor, step: factor),
        "φ is a logarithm: factor = (α · β² · γ²)^φ, not (α · β² · γ²) · φ": dict(
            phi=lambda factor, step: factor / step
        ),
        "the scales are powers: α^φ, β^φ and γ^φ, not α · φ": dict(
            grow=lambda base, phi: base * phi
        ),
        "depth comes first, then width, then resolution": dict(order=(1, 0, 2)),
        "width comes second, and resolution third": dict(order=(0, 2, 1)),
    }

    def examples(self) -> Iterator[Case]:
        yield {"factor": 4.0} | PAPER
        yield {"factor": 8.0, "alpha": 2.0, "beta": 1.0, "gamma": 1.0}  # depth alone
        yield {"factor": 0.5} | PAPER  # a smaller network

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 3, 30) | PAPER
        yield self._case(rng, 3, 30) | {"alpha": 1.0, "beta": 1.3, "gamma": 1.0}  # width alone
        for _ in range(2):
            yield self._case(rng, 0.2, 0.8)
        for _ in range(6):
            yield self._case(rng, 1.5, 100)

    def _case(self, rng: Generator, low: float, high: float) -> Case:
        alpha, beta, gamma = (round(float(value), 2) for value in rng.uniform(1.05, 1.5, 3))
        factor = round(float(rng.uniform(low, high)), 2)
        return {"factor": factor, "alpha": alpha, "beta": beta, "gamma": gamma}

    def key(self, case: Case) -> Any:
        want = _scales(case)
        made = mistaken(self.mistakes, lambda mistake: _scales(case, **mistake), want)
        return {"want": want, "mistakes": made}


# --- 12.5 ----------------------------------------------------------------------------------------


def _activation_map(
    case: Case,
    *,
    weights: Callable[[Tensor, Tensor], Tensor] = lambda w, classes: w[classes],
    reduce: str = "sum",
    after: Callable[[Tensor], Tensor] = identity,
) -> Tensor:
    """Class activation maps; the options are the likely mistakes."""
    chosen = weights(case["weight"], case["classes"])
    maps = (chosen[:, :, None, None] * case["maps"]).sum(1)
    return after(maps / case["maps"].shape[1] if reduce == "mean" else maps)


def _stretched(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-12)


class AskClassActivationMap(Examiner):
    """Maps of one place and of several."""

    id = "12.5"
    mistakes: dict[str, dict[str, Any]] = {
        "keep negative values: they speak against the class (no ReLU here)": dict(after=F.relu),
        "sum over the channels: no mean": dict(reduce="mean"),
        "weights below 0 count as they are: they speak against the class": dict(
            weights=lambda w, classes: w[classes].abs()
        ),
        "take the weights as they are: no softmax": dict(
            weights=lambda w, classes: w.softmax(1)[classes]
        ),
        "leave the map as it is: do not scale it to 0 to 1": dict(after=_stretched),
        "image i asks about class classes[i]: yours asks about the first class for all": dict(
            weights=lambda w, classes: w[classes[:1]].expand(len(classes), -1)
        ),
        "return a map of all places: the mean over them is only the logit": dict(
            after=lambda maps: maps.mean((1, 2))
        ),
        "the axis of the channels should be gone: (N, h, w), not (N, 1, h, w)": dict(
            after=lambda maps: maps[:, None]
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 2, 3, 4, (2, 2))
        yield self._case(rng, 1, 5, 3, (1, 1))  # one image, one place
        yield self._case(rng, 4, 6, 2, (3, 5))
        for _ in range(6):
            count, channels, classes, height, width = (int(n) for n in rng.integers(2, 7, 5))
            yield self._case(rng, count, channels, classes, (height, width))

    def _case(
        self, rng: Generator, count: int, channels: int, k: int, size: tuple[int, int]
    ) -> Case:
        classes = torch.from_numpy(rng.permutation(np.arange(count) % k))
        maps = normal(rng, count, channels, *size).abs()
        return {"maps": maps, "weight": normal(rng, k, channels), "classes": classes}

    def key(self, case: Case) -> Any:
        want = _activation_map(case)
        made = mistaken(self.mistakes, lambda mistake: _activation_map(case, **mistake), want)
        every = torch.einsum("kc,nchw->nkhw", case["weight"], case["maps"])
        made["these are the maps of all classes: take for image i that of classes[i]"] = every
        return {"want": want, "mistakes": made}


EXAMINERS = [
    AskGroupedConvolution(),
    AskSqueezeExcitation(),
    AskCostOfMBConv(),
    AskCompoundScaling(),
    AskClassActivationMap(),
]
