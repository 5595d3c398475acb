"""Lecture 11: groups, squeeze and excitation, cost of MBConv, compound scaling, activation maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from operator import eq
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ..models.efficientnet import scaled_channels
from .core import Case, Exercise, Verdict, describe, right, tensor_problem, wrong
from .shared import (
    TOLERANCE,
    BuildModule,
    close,
    field,
    first_mistake,
    identity,
    layer_state,
    normal,
)

# --- 11.1 ----------------------------------------------------------------------------------------


class _MostGroups(TorchDispatchMode):
    """Notes the largest number of groups of a convolution inside its `with` block."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 1

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        if operation is torch.ops.aten.convolution.default:
            self.found = max(self.found, arguments[8])
        return operation(*arguments, **(options or {}))


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


class GroupedConvolution(Exercise):
    """The answer: `grouped_convolution(x, weight, groups)` → tensor."""

    id, points, title = "11.1", 5, "Split, transform, merge"
    mistakes = {
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
        return {"x": normal(rng, 2, channels, 7, 6), "weight": weight, "groups": groups}

    def run(self, answer: Any, case: Case) -> Any:
        with _MostGroups() as watch:
            result = answer(case["x"], case["weight"], case["groups"])
        return {"result": result, "groups": watch.found}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        value, want = field(result, "result"), _grouped(case)
        if close(value, want):
            if result.get("groups") == 1:
                return right()
            return wrong("this lets PyTorch do the groups: call F.conv2d without its groups")
        hint = first_mistake(value, self.mistakes, lambda m: _grouped(case, **m))
        return wrong(hint or str(tensor_problem(value, want, TOLERANCE)))


# --- 11.2 ----------------------------------------------------------------------------------------


class SqueezeExcitationExercise(BuildModule):
    """The answer: a class `SqueezeExcite(channels, squeeze_channels)`."""

    id, points, title = "11.2", 6, "Squeeze and excitation"
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
            channels, squeeze, height, width = (int(n) for n in rng.integers(2, 9, 4))
            yield self._case(rng, channels, squeeze, (height, width))

    def _case(self, rng: Generator, channels: int, squeeze: int, size: tuple[int, int]) -> Case:
        state = layer_state(rng, "fc1", squeeze, channels, 1, 1, scale=1, bias=1)
        state |= layer_state(rng, "fc2", channels, squeeze, 1, 1, scale=1, bias=1)
        arguments = {"channels": channels, "squeeze_channels": squeeze}
        x = 0.5 + normal(rng, 3, channels, *size)
        return {"arguments": arguments, "state": state, "x": x}

    def describe(self, case: Case) -> str:
        return f"{super().describe(case)}, x of shape {tuple(case['x'].shape)}"

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        before = case["x"].clone()
        result = super().outputs(module, case)
        return result | {"unchanged": torch.equal(before, case["x"])}

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        verdict = super().judge_output(case, key, result)
        if verdict.is_right and field(result, "unchanged") is not True:
            return wrong("x was changed: return a new tensor")
        return verdict

    def output_hint(self, output: Any, want: Tensor) -> str:
        return f"the layers are right, forward is not: got {describe(output)}"

    def state_hint(self, have: dict, want: dict) -> str:
        if have and set(have) == {name for name in want if name.endswith("weight")}:
            return "both layers have a bias"
        if missing := sorted(set(want) - set(have)):
            return f"the state dict has no tensor {missing[0]}; it has {sorted(have)}"
        if extra := sorted(set(have) - set(want)):
            return f"the tensor {extra[0]} is not in the task: only fc1 and fc2 have weights"
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if isinstance(have, list) and want == [*have, 1, 1]:
            return "fc1 and fc2 are 1×1 convolutions, not linear layers: shapes end with 1, 1"
        return super().shape_hint(name, have, want)

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


# --- 11.3 ----------------------------------------------------------------------------------------


def _cost(
    case: Case,
    *,
    always_expand: bool = False,
    full: bool = False,
    depthwise: bool = True,
    expand_size: str = "before",
    rest_size: str = "after",
    biases: int = 0,
    inner_of: str = "in_channels",
) -> list[int]:
    """[weights, multiply-adds] of MBConv's convolutions; the options are the likely mistakes."""
    inputs, outputs, kernel_size, expand, size, stride = case.values()
    inner = case[inner_of] * expand
    pixels = {"before": size**2, "after": ((size - 1) // stride + 1) ** 2}
    layers = [(inputs * inner, inner, expand_size)] if expand > 1 or always_expand else []
    if depthwise:
        spatial = kernel_size**2 * inner * (inner if full else 1)
        layers.append((spatial, inner, rest_size))
    layers.append((inner * outputs, outputs, rest_size))
    weights = sum(count + biases * filters for count, filters, _ in layers)
    return [weights, sum(count * pixels[where] for count, _, where in layers)]


class CostOfMBConv(Exercise):
    """The answer: `mbconv_cost(in_channels, out_channels, kernel_size, expand, size, stride)`."""

    id, points, title = "11.3", 5, "What MBConv costs"
    mistakes = {
        "with expand = 1 there is no 1×1 convolution in front": dict(always_expand=True),
        "depthwise: each filter reads one channel only, kernel_size² weights a channel": dict(
            full=True
        ),
        "the depthwise convolution in the middle is missing": dict(depthwise=False),
        "the first 1×1 works before the stride: on size × size pixels": dict(expand_size="after"),
        "the stride makes the outputs smaller: the depthwise and the last 1×1 have fewer pixels": (
            dict(rest_size="before")
        ),
        "batch norm follows: there are no biases to count": dict(biases=1),
        "the middle has in_channels · expand channels": dict(inner_of="out_channels"),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(16, 24, 3, 6, 112, 2)  # the first block of B0's second stage
        yield self._case(32, 16, 3, 1, 112, 1)  # its first block: nothing to expand
        yield self._case(24, 40, 5, 6, 7, 2)  # an odd size
        yield self._case(80, 112, 5, 6, 14, 1)
        for _ in range(8):
            low, high = (4, 5, 1, 1, 5, 1), (60, 61, 4, 7, 60, 3)
            values = [int(n) for n in rng.integers(low, high)]
            yield self._case(*values[:2], 2 * values[2] - 1, *values[3:])

    def _case(self, *values: int) -> Case:
        names = ("in_channels", "out_channels", "kernel_size", "expand", "size", "stride")
        return dict(zip(names, values, strict=True))

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        weights, products = _cost(case)
        if not isinstance(result, list) or len(result) != 2:
            return wrong(f"return two numbers, (weights, FLOPs); your code gave {describe(result)}")
        if any(type(value) is not int for value in result):
            return wrong(f"both are whole numbers (int), not {describe(result)}: divide with //")
        if result == [weights, 2 * products]:
            return right()
        if result == [weights, products]:
            return wrong("a multiply-add counts as two FLOPs")

        def leads_here(result: list, mistake: dict[str, Any]) -> bool:
            weights, products = _cost(case, **mistake)
            return result[0] == weights and ("biases" in mistake or result[1] == 2 * products)

        if hint := first_mistake(result, self.mistakes, same=leads_here):
            return wrong(hint)
        return wrong(f"expected ({weights}, {2 * products}), got ({result[0]}, {result[1]})")


# --- 11.4 ----------------------------------------------------------------------------------------

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # depth, width, resolution: section 3.3 of the paper


def _scaled(
    case: Case,
    *,
    depth: Callable[[float], float] = lambda phi: ALPHA**phi,
    width: Callable[[float], float] = lambda phi: BETA**phi,
    resolution: Callable[[float], float] = lambda phi: GAMMA**phi,
    layers: Callable[[float], int] = math.ceil,
    channels: Callable[[float], int] = scaled_channels,
) -> list:
    """[channels, layers, resolution]; the options are the likely mistakes."""
    phi = case["phi"]
    return [
        [channels(count * width(phi)) for count in case["channels"]],
        [layers(count * depth(phi)) for count in case["layers"]],
        round(case["resolution"] * resolution(phi)),
    ]


def _nearest(channels: float) -> int:
    return max(8, int(channels + 4) // 8 * 8)


def _is_clear(case: Case) -> bool:
    """Whether no number lies so near to a step of the rounding that float errors count."""
    numbers = [count * ALPHA ** case["phi"] for count in case["layers"]]
    numbers.append(case["resolution"] * GAMMA ** case["phi"] + 0.5)
    for count in case["channels"]:
        wide = count * BETA ** case["phi"]
        numbers += [wide / 8 + 0.5, 1 + _nearest(wide) - 0.9 * wide]
    return all(abs(number - round(number)) > 1e-6 for number in numbers)


class CompoundScaling(Exercise):
    """The answer: `scaled_network(channels, layers, resolution, phi)` → three parts."""

    id, points, title = "11.4", 5, "Compound scaling"
    mistakes = {
        "depth grows with α = 1.2 and width with β = 1.1, not the other way round": dict(
            depth=lambda phi: BETA**phi, width=lambda phi: ALPHA**phi
        ),
        "the factors are powers: α^φ, β^φ and γ^φ, not α · φ": dict(
            depth=lambda phi: ALPHA * phi,
            width=lambda phi: BETA * phi,
            resolution=lambda phi: GAMMA * phi,
        ),
        "β^φ is for the channels and γ^φ for the resolution, not the other way round": dict(
            width=lambda phi: GAMMA**phi, resolution=lambda phi: BETA**phi
        ),
        "the number of layers is rounded up: no stage gets shorter": dict(layers=math.floor),
        "the number of layers is rounded up, not to the nearest number": dict(layers=round),
        "more than 10 % of the channels are lost by rounding: then take the next multiple of 8": (
            dict(channels=_nearest)
        ),
        "channels are rounded to multiples of 8": dict(channels=round),
        "round channels to the nearest multiple of 8, not always up": dict(
            channels=lambda wide: math.ceil(wide / 8) * 8
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        b0 = {"channels": [32, 16, 24, 40, 80, 112, 192, 320], "layers": [1, 2, 2, 3, 3, 4, 1]}
        yield b0 | {"resolution": 224, "phi": 1.01}
        yield b0 | {"resolution": 224, "phi": 2.01}
        yield {"channels": [11, 18], "layers": [2, 4], "resolution": 64, "phi": 0.05}  # 90 % rule
        yield {"channels": [3, 5], "layers": [1], "resolution": 96, "phi": 0.5}  # at least 8
        found = 0
        while found < 6:
            case = {
                "channels": [int(n) for n in rng.integers(4, 200, int(rng.integers(2, 6)))],
                "layers": [int(n) for n in rng.integers(1, 6, int(rng.integers(1, 5)))],
                "resolution": int(rng.integers(32, 300)),
                "phi": round(float(rng.uniform(0.3, 4)), 2),
            }
            if _is_clear(case):
                found += 1
                yield case

    def run(self, answer: Any, case: Case) -> Any:
        result = answer(**case)
        return list(result) if isinstance(result, (list, tuple)) else result

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = _scaled(case)
        if not isinstance(result, list) or len(result) != 3:
            return wrong("return three things: the channels, the layers, and the resolution")
        if result == want:
            whole = all(type(n) is int for n in [*result[0], *result[1], result[2]])
            return right() if whole else wrong("all numbers should be whole: int, not float")
        if hint := first_mistake(result, self.mistakes, lambda m: _scaled(case, **m), eq):
            return wrong(hint)
        parts = zip(("channels", "layers", "resolution"), result, want, strict=True)
        name, have, expected = next(part for part in parts if part[1] != part[2])
        return wrong(f"{name}: expected {expected}, got {describe(have)}")


# --- 11.5 ----------------------------------------------------------------------------------------


def _activation_map(
    case: Case,
    *,
    weights: Callable[[Tensor], Tensor] = identity,
    reduce: str = "sum",
    after: Callable[[Tensor], Tensor] = identity,
) -> Tensor:
    """Class activation maps; the options are the likely mistakes."""
    chosen = weights(case["weight"])[case["classes"]]
    maps = (chosen[:, :, None, None] * case["maps"]).sum(1)
    return after(maps / case["maps"].shape[1] if reduce == "mean" else maps)


class ClassActivationMap(Exercise):
    """The answer: `class_activation_map(maps, weight, classes)` → tensor (N, h, w)."""

    id, points, title = "11.5", 5, "Class activation map"

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
        maps = normal(rng, count, channels, *size).relu()
        return {"maps": maps, "weight": normal(rng, k, channels), "classes": classes}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = _activation_map(case)
        if close(result, want):
            return right()
        mistakes = {
            "keep negative values: they speak against the class (no ReLU here)": dict(after=F.relu),
            "sum over the channels: no mean": dict(reduce="mean"),
            "weights below 0 count as they are: they speak against the class": dict(
                weights=torch.abs
            ),
            "take the weights as they are: no softmax": dict(weights=lambda w: w.softmax(1)),
            "leave the map as it is: do not scale it to 0 to 1": dict(after=_stretched),
            "image i asks about class classes[i]: yours asks about the first class for all": dict(
                weights=lambda w: w[case["classes"][:1]].expand_as(w)
            ),
            "return a map of all places: the mean over them is only the logit": dict(
                after=lambda maps: maps.mean((1, 2))
            ),
            "the axis of the channels should be gone: (N, h, w), not (N, 1, h, w)": dict(
                after=lambda maps: maps[:, None]
            ),
        }
        hint = first_mistake(result, mistakes, lambda m: _activation_map(case, **m))
        return wrong(hint or self._shape_hint(case, result) or str(tensor_problem(result, want)))

    def _shape_hint(self, case: Case, result: Any) -> str | None:
        every = torch.einsum("kc,nchw->nkhw", case["weight"], case["maps"])
        if close(result, every):
            return "these are the maps of all classes: take for image i that of classes[i]"
        return None


def _stretched(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-12)


EXERCISES = [
    GroupedConvolution(),
    SqueezeExcitationExercise(),
    CostOfMBConv(),
    CompoundScaling(),
    ClassActivationMap(),
]
