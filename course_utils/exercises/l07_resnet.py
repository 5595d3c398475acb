"""Lecture 07: shortcut, basic block, bottleneck, gradient norms, blocks that start as identity."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.resnet import BasicBlock, Bottleneck, make_stage
from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import (
    BuildModule,
    field,
    first_mistake,
    identity,
    layer_state,
    norm_state,
    normal,
    normed,
)

# --- 07.1 ----------------------------------------------------------------------------------------


def _padded(case: Case, *, stride: int | None = None, before: float = 0, start: int = 0) -> Tensor:
    """Shortcut A; the options are the likely mistakes. ``before``: share of zeros in front."""
    x, step = case["x"], stride or case["stride"]
    x = x[:, :, start::step, start::step]
    new = case["out_channels"] - x.shape[1]
    front = int(new * before)
    return F.pad(x, (0, 0, 0, 0, front, new - front))


def _pooled(case: Case, pool: Callable) -> Tensor:
    x = pool(case["x"], case["stride"], ceil_mode=True)
    return F.pad(x, (0, 0, 0, 0, 0, case["out_channels"] - x.shape[1]))


def _repeated(case: Case) -> Tensor:
    x = case["x"][:, :, :: case["stride"], :: case["stride"]]
    copies = -(-case["out_channels"] // x.shape[1])
    return x.repeat(1, copies, 1, 1)[:, : case["out_channels"]]


class ShortcutA(Exercise):
    """The answer: `pad_shortcut(x, out_channels, stride=1)` → tensor."""

    id, points, title = "07.1", 4, "A shortcut without weights"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (2, 3, 4, 4), 6, 2)
        yield self._case(rng, (2, 3, 4, 4), 3, 1)  # nothing to do
        yield self._case(rng, (1, 2, 5, 7), 4, 2)  # odd sizes
        yield self._case(rng, (2, 4, 6, 6), 4, 2)  # fewer pixels only
        yield self._case(rng, (2, 4, 6, 6), 9, 1)  # more channels only
        for _ in range(8):
            channels = int(rng.integers(1, 6))
            size = (int(rng.integers(1, 4)), channels, *map(int, rng.integers(3, 12, 2)))
            out_channels = channels + int(rng.integers(0, 7))
            yield self._case(rng, size, out_channels, int(rng.integers(1, 4)))

    def _case(self, rng: Generator, shape: tuple, out_channels: int, stride: int) -> Case:
        return {"x": normal(rng, *shape), "out_channels": out_channels, "stride": stride}

    def run(self, answer: Any, case: Case) -> Any:
        before = case["x"].clone()
        result = answer(case["x"], case["out_channels"], case["stride"])
        return {"result": result, "unchanged": torch.equal(before, case["x"])}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        value = field(result, "result")
        want = _padded(case)
        if same_tensor(value, want):
            if result.get("unchanged") is True:
                return right()
            return wrong("x was changed: the block still needs it, so build a new tensor")
        mistakes = {
            "the new channels of zeros come after the old ones, not before": _padded(
                case, before=1
            ),
            "put all new channels after the old ones, not half of them before": _padded(
                case, before=0.5
            ),
            "with a stride only every stride-th row and column is taken": _padded(case, stride=1),
            "take rows and columns 0, stride, 2 · stride, ...: start at 0": _padded(case, start=1),
            "take single pixels, not the mean of a window": _pooled(case, F.avg_pool2d),
            "take single pixels, not the maximum of a window": _pooled(case, F.max_pool2d),
            "fill the new channels with zeros, not with copies": _repeated(case),
        }
        if hint := first_mistake(value, mistakes, same=same_tensor):
            return wrong(hint)
        return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(value)}")


# --- 07.2 and 07.3 -------------------------------------------------------------------------------


class Block(BuildModule):
    """The answer is a class of residual blocks, whose state dict has torchvision's names."""

    def _case(self, rng: Generator, in_channels: int, channels: int, stride: int) -> Case:
        sizes, strides = self._plan(in_channels, channels, stride)
        state: dict[str, Tensor] = {}
        for number, (out, read, size) in enumerate(sizes, 1):
            state |= layer_state(rng, f"conv{number}", out, read, size, size, bias=0)
            state |= norm_state(rng, out, f"bn{number}.")
        out = sizes[-1][0]
        if stride != 1 or out != in_channels:
            scale, shape = in_channels**-0.5, (out, in_channels, 1, 1)
            state |= layer_state(rng, "downsample.0", *shape, scale=scale, bias=0)
            state |= norm_state(rng, out, "downsample.1.")
        arguments = {"in_channels": in_channels, "channels": channels, "stride": stride}
        x = normal(rng, 2, in_channels, 8, 6)
        return {"arguments": arguments, "strides": strides, "state": state, "x": x}

    @abstractmethod
    def _plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        """The (outputs, inputs, kernel size) of each convolution, and the strides."""

    def output_hint(self, output: Any, want: Tensor) -> str:
        return (
            f"names and shapes are right, but the output is not: it should have shape "
            f"{tuple(want.shape)}, it is {describe(output)}. Compare forward with the drawing"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        extra, missing = sorted(set(have) - set(want)), sorted(set(want) - set(have))
        if any(name.startswith("conv") and name.endswith("bias") for name in extra):
            return "batch norm follows each convolution and has a bias: bias=False in nn.Conv2d"
        if absent := [name for name in missing if not name.startswith("downsample")]:
            return f"the state dict has no tensor {absent[0]}; it has {', '.join(sorted(have))}"
        if any(name.startswith("downsample") for name in extra):
            return "here x fits as it is: self.downsample = None, so that there are no weights"
        if missing:
            return (
                "here x does not fit: self.downsample should be nn.Sequential of a 1×1 convolution "
                "without bias and a batch norm; it has no tensor " + missing[0]
            )
        return super().state_hint(have, want)

    def reference(
        self,
        case: Case,
        *,
        strides: Callable = identity,
        between: Callable = F.relu,
        branch: Callable = identity,
        add: bool = True,
        last: Callable = F.relu,
    ) -> Tensor:
        state, x = case["state"], case["x"]
        out, count = x, len(case["strides"])
        for number, stride in enumerate(strides(case["strides"]), 1):
            weight = state[f"conv{number}.weight"]
            out = F.conv2d(out, weight, stride=stride, padding=weight.shape[-1] // 2)
            out = normed(out, state, f"bn{number}")
            out = between(out) if number < count else out
        out = branch(out)
        if add and "downsample.0.weight" in state:
            x = F.conv2d(x, state["downsample.0.weight"], stride=case["arguments"]["stride"])
            x = normed(x, state, "downsample.1")
        return last(out + x if add else out)


COMMON_MISTAKES: dict[str, dict] = {
    "the addition is missing: the shortcut brings x past the convolutions": dict(add=False),
    "add first, then the last ReLU: relu(F(x) + x), not relu(F(x)) + x": dict(
        branch=F.relu, last=identity
    ),
    "no ReLU on the branch before the addition: it could only add, never take away": dict(
        branch=F.relu
    ),
    "one more ReLU follows the addition": dict(last=identity),
    "a ReLU follows each batch norm but the last one": dict(between=identity),
}


class BasicBlockExercise(Block):
    """The answer: a class `ResidualBlock(in_channels, channels, stride=1)`."""

    id, points, title = "07.2", 7, "The basic block"
    mistakes = COMMON_MISTAKES | {
        "the stride belongs to the first convolution": dict(strides=lambda s: s[::-1]),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 4, 4, 1)
        yield self._case(rng, 4, 8, 2)
        yield self._case(rng, 4, 6, 1)  # more channels, same size
        yield self._case(rng, 5, 5, 2)  # fewer pixels, same channels
        for _ in range(6):
            in_channels, channels, stride = (int(n) for n in rng.integers((1, 1, 1), (7, 7, 3)))
            yield self._case(rng, in_channels, channels, stride)

    def _plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        return [(channels, in_channels, 3), (channels, channels, 3)], [stride, 1]


class BottleneckExercise(Block):
    """The answer: a class `BottleneckBlock(in_channels, channels, stride=1)`."""

    id, points, title = "07.3", 6, "The bottleneck"
    mistakes = COMMON_MISTAKES | {
        "the stride belongs to the 3×3 convolution: in the first 1×1 it would skip pixels unread": (
            dict(strides=lambda s: [s[1], s[0], s[2]])
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 8, 2, 1)
        yield self._case(rng, 4, 2, 1)  # the channels change
        yield self._case(rng, 8, 2, 2)  # the size changes
        yield self._case(rng, 8, 4, 2)
        for _ in range(6):
            channels, stride = int(rng.integers(1, 5)), int(rng.integers(1, 3))
            in_channels = 4 * channels if rng.random() < 0.5 else int(rng.integers(1, 10))
            yield self._case(rng, in_channels, channels, stride)

    def _plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        sizes = [(channels, in_channels, 1), (channels, channels, 3), (4 * channels, channels, 1)]
        return sizes, [1, stride, 1]


# --- 07.4 ----------------------------------------------------------------------------------------


def _network(state: dict[str, Tensor]) -> nn.Sequential:
    """The network of a case: convolutions and linear layers with ReLU between, by their shapes."""
    layers: list[nn.Module] = []
    weights = [value for name, value in state.items() if name.endswith("weight")]
    for place, weight in enumerate(weights):
        out, read = weight.shape[:2]
        if weight.ndim == 4:
            layers += [nn.Conv2d(read, out, weight.shape[-1]), nn.ReLU()]
        else:
            flat = [] if place and weights[place - 1].ndim == 2 else [nn.Flatten()]
            layers += [*flat, nn.Linear(read, out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    return model


class GradientNorms(Exercise):
    """The answer: `gradient_norms(model, images, labels)` → dict of floats."""

    id, points, title = "07.4", 5, "Gradient norms"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [], [5, 4], old=False)
        yield self._case(rng, [], [5, 4], old=True)  # gradients of another batch are still there
        yield self._case(rng, [3], [6], old=False)
        for _ in range(6):
            channels = [int(n) for n in rng.integers(1, 4, int(rng.integers(0, 3)))]
            hidden = [int(n) for n in rng.integers(2, 7, int(rng.integers(1, 3)))]
            yield self._case(rng, channels, hidden, old=bool(rng.integers(2)))

    def _case(self, rng: Generator, channels: list[int], hidden: list[int], *, old: bool) -> Case:
        size, before = 6, 2
        state: dict[str, Tensor] = {}
        for place, out in enumerate(channels):
            state |= layer_state(rng, f"conv{place}", out, before, 3, 3, scale=0.4)
            size, before = size - 2, out
        read = before * size**2
        for place, out in enumerate([*hidden, 3]):
            state |= layer_state(rng, f"linear{place}", out, read, scale=read**-0.5)
            read = out
        images = normal(rng, 4, 2, 6, 6)
        labels = torch.from_numpy(rng.integers(0, 3, 4))
        return {"state": state, "images": images, "labels": labels, "old_gradients": old}

    def describe(self, case: Case) -> str:
        shapes = [tuple(v.shape) for k, v in case["state"].items() if k.endswith("weight")]
        old = ", gradients of an earlier batch are still there" if case["old_gradients"] else ""
        return f"a network with weights of shapes {shapes}{old}"

    def run(self, answer: Any, case: Case) -> Any:
        model = _network(case["state"])
        if case["old_gradients"]:
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
        norms = answer(model, case["images"], case["labels"])
        return {"norms": norms, "order": list(norms) if isinstance(norms, dict) else None}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        norms = field(result, "norms")
        if not isinstance(norms, dict):
            return wrong(f"return a dict from name to norm; your code returned {describe(norms)}")
        want = self._norms(case)
        biases = self._norms(case, biases=True)
        if norms.keys() == biases.keys() != want.keys():
            return wrong("leave the biases out: only tensors with two or more axes are asked for")
        if norms.keys() != want.keys():
            return wrong(f"the names should be {list(want)}, yours are {list(norms)}")
        if any(isinstance(norm, Tensor) for norm in norms.values()):
            return wrong("the norms should be plain numbers: end with .item()")
        if self._same(norms, want):
            if result.get("order") == list(want):
                return right()
            return wrong("keep the order of model.named_parameters(): it is that of the layers")
        return wrong(self._hint(case, norms))

    def _same(self, norms: dict, want: dict[str, float]) -> bool:
        return all(same_number(norms[k], v, 1e-4 * max(1.0, abs(v))) for k, v in want.items())

    def _norms(
        self,
        case: Case,
        *,
        biases: bool = False,
        old: bool = False,
        reduction: str = "mean",
        measure: Callable[[Tensor], Tensor] = torch.linalg.vector_norm,
        of_weights: bool = False,
    ) -> dict[str, float]:
        model = _network(case["state"])
        loss = F.cross_entropy(model(case["images"]), case["labels"], reduction=reduction)
        chosen = {n: p for n, p in model.named_parameters() if biases or p.ndim > 1}
        weights = list(chosen.values())
        tensors = weights if of_weights else [g + old for g in torch.autograd.grad(loss, weights)]
        return {name: measure(t.detach()).item() for name, t in zip(chosen, tensors, strict=True)}

    def _hint(self, case: Case, norms: dict) -> str:
        old = case["old_gradients"]
        mistakes = {
            "old gradients were added to the new ones: model.zero_grad() comes first": dict(
                old=old
            ),
            "take the square root: the norm is the root of the sum of the squares": dict(
                measure=lambda g: (g**2).sum()
            ),
            "the norm is the root of the sum of squares, not the mean of the absolute values": dict(
                measure=lambda g: g.abs().mean()
            ),
            "the norm is the root of the sum of squares, not the largest absolute value": dict(
                measure=lambda g: g.abs().max()
            ),
            "this is the norm of the weights; the norm of parameter.grad is asked for": dict(
                of_weights=True
            ),
            "the loss is the mean over the batch, not the sum": dict(reduction="sum"),
        }
        if hint := first_mistake(norms, mistakes, lambda m: self._norms(case, **m), self._same):
            return hint
        want = self._norms(case)
        name = next(k for k, v in want.items() if not self._same({k: norms[k]}, {k: v}))
        return f"{name}: expected {want[name]:.5f}, got {describe(norms[name])}"


# --- 07.5 ----------------------------------------------------------------------------------------

BLOCKS: dict[str, type[BasicBlock | Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


def _stages(kinds: list[str]) -> nn.Sequential:
    """Two blocks of each kind after a convolution; the first one changes the channels."""
    stages, channels = [], 3
    for kind in kinds:
        block = BLOCKS[kind]
        stages.append(make_stage(block, channels, 2, 2, 1))
        channels = 2 * block.expansion
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), *stages)


def _zeroed(case: Case, wanted: Callable[[str, str], bool]) -> dict[str, Tensor]:
    """The state with zeros where ``wanted(kind of the block, name of the tensor)``."""
    state = dict(case["state"])
    for name, value in case["state"].items():
        stage = int(name.split(".")[0]) - 2
        if stage >= 0 and wanted(case["kinds"][stage], name.split(".", 2)[2]):
            state[name] = torch.zeros_like(value)
    return state


def _last_weight(kind: str, name: str) -> bool:
    return name == ("bn3.weight" if kind == "bottleneck" else "bn2.weight")


ZERO_MISTAKES: dict[str, Callable[[str, str], bool]] = {
    "a bottleneck ends with bn3: its last batch norm is not bn2": lambda kind, name: (
        name == "bn2.weight"
    ),
    "the last batch norm of the branch is asked for, not the first": lambda kind, name: (
        name == "bn1.weight"
    ),
    "only the last batch norm of each branch: with all of them at 0 no gradient comes through": (
        lambda kind, name: name.startswith("bn") and name.endswith(".weight")
    ),
    "the batch norm of the shortcut (downsample) keeps its weight: x must come through": (
        lambda kind, name: _last_weight(kind, name) or name == "downsample.1.weight"
    ),
    "set the weight to 0 and leave the bias as it is": lambda kind, name: (
        _last_weight(kind, name) or name == ("bn3.bias" if kind == "bottleneck" else "bn2.bias")
    ),
    "the weight (scale) is asked for, not the bias": lambda kind, name: (
        name == ("bn3.bias" if kind == "bottleneck" else "bn2.bias")
    ),
    "nothing has changed: change the tensor itself, for example with nn.init.zeros_": (
        lambda kind, name: False
    ),
}


class StartAsIdentity(Exercise):
    """The answer: `start_as_identity(model)`, which changes the model."""

    id, points, title = "07.5", 5, "Blocks that start as the identity"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for kinds in (["basic"], ["bottleneck"], ["basic", "bottleneck"], ["basic", "basic"]):
            state = _stages(kinds).state_dict()
            floats = {k: v for k, v in state.items() if v.is_floating_point()}
            filled = {name: normal(rng, *value.shape) for name, value in floats.items()}
            yield {"kinds": kinds, "state": filled}

    def describe(self, case: Case) -> str:
        return "a network of two blocks of each kind: " + ", ".join(case["kinds"])

    def run(self, answer: Any, case: Case) -> Any:
        model = _stages(case["kinds"])
        model.load_state_dict(case["state"], strict=False)
        answer(model)
        trained = all(parameter.requires_grad for parameter in model.parameters())
        return {"state": dict(model.state_dict()), "trained": trained}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        state = field(result, "state")
        if not isinstance(state, dict) or not state.keys() >= case["state"].keys():
            return wrong("the model should keep all its tensors: change values only")
        want = _zeroed(case, _last_weight)
        if self._same(state, want):
            if result.get("trained") is True:
                return right()
            return wrong("these weights must still be trained: leave requires_grad as it is")
        if hint := first_mistake(state, ZERO_MISTAKES, lambda m: _zeroed(case, m), self._same):
            return wrong(hint)
        name = next(name for name in want if not same_tensor(state[name], want[name]))
        return wrong(f"the tensor {name} should be {self._say(case, want, name)}")

    def _same(self, state: dict, want: dict[str, Tensor]) -> bool:
        return all(same_tensor(state[name], value) for name, value in want.items())

    def _say(self, case: Case, want: dict[str, Tensor], name: str) -> str:
        return "as it was" if torch.equal(want[name], case["state"][name]) else "all zeros"


EXERCISES = [
    ShortcutA(),
    BasicBlockExercise(),
    BottleneckExercise(),
    GradientNorms(),
    StartAsIdentity(),
]
