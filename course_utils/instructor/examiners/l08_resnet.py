"""What lecture 08 asks: gradient norms, shortcuts, blocks, a network without one of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.l08_resnet import network, stages
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import layer_state, norm_state, normal, normed

# --- 08.1 ----------------------------------------------------------------------------------------


class AskGradientNorms(Examiner):
    """Networks of convolutions and linear layers, with and without old gradients."""

    id = "08.1"
    mistakes: dict[str, dict[str, Any]] = {
        "old gradients were added to the new ones: model.zero_grad() comes first": dict(old=True),
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
        case = {"state": state, "images": images, "labels": labels, "old_gradients": old}
        if min(self._norms(case).values()) > 0:
            return case
        return self._case(rng, channels, hidden, old=old)  # ReLU let no gradient through

    def key(self, case: Case) -> Any:
        want = self._norms(case)
        biases = [name for name, p in network(case["state"]).named_parameters() if p.ndim == 1]
        made = mistaken(self.mistakes, lambda mistake: self._norms(case, **mistake), want)
        return {"want": want, "biases": biases, "mistakes": made}

    def _norms(
        self,
        case: Case,
        *,
        old: bool = False,
        reduction: str = "mean",
        measure: Callable[[Tensor], Tensor] = torch.linalg.vector_norm,
        of_weights: bool = False,
    ) -> dict[str, float]:
        model = network(case["state"])
        loss = F.cross_entropy(model(case["images"]), case["labels"], reduction=reduction)
        chosen = {n: p for n, p in model.named_parameters() if p.ndim > 1}
        weights = list(chosen.values())
        tensors = weights if of_weights else [g + old for g in torch.autograd.grad(loss, weights)]
        return {name: measure(t.detach()).item() for name, t in zip(chosen, tensors, strict=True)}


# --- 08.2 ----------------------------------------------------------------------------------------


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


class AskShortcutA(Examiner):
    """Shortcuts with fewer pixels, more channels, both or neither."""

    id = "08.2"
    mistakes: dict[str, Callable[[Case], Tensor]] = {
        "the new channels of zeros come after the old ones, not before": lambda case: _padded(
            case, before=1
        ),
        "put all new channels after the old ones, not half of them before": lambda case: _padded(
            case, before=0.5
        ),
        "with a stride only every stride-th row and column is taken": lambda case: _padded(
            case, stride=1
        ),
        "take rows and columns 0, stride, 2 · stride, ...: start at 0": lambda case: _padded(
            case, start=1
        ),
        "take single pixels, not the mean of a window": lambda case: _pooled(case, F.avg_pool2d),
        "take single pixels, not the maximum of a window": lambda case: _pooled(case, F.max_pool2d),
        "fill the new channels with zeros, not with copies": _repeated,
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (2, 3, 4, 4), 6, 2)
        yield self._case(rng, (2, 3, 4, 4), 3, 1)  # nothing to do
        yield self._case(rng, (1, 2, 5, 7), 4, 2)  # odd sizes
        yield self._case(rng, (2, 4, 6, 6), 4, 2)  # fewer pixels only
        yield self._case(rng, (2, 4, 6, 6), 9, 1)  # more channels only
        for _ in range(8):
            channels = int(rng.integers(1, 6))
            size = (int(rng.integers(1, 4)), channels, *map(int, rng.integers(3, 9, 2)))
            out_channels = channels + int(rng.integers(0, 7))
            yield self._case(rng, size, out_channels, int(rng.integers(1, 4)))

    def _case(self, rng: Generator, shape: tuple, out_channels: int, stride: int) -> Case:
        return {"x": normal(rng, *shape), "out_channels": out_channels, "stride": stride}

    def key(self, case: Case) -> Any:
        want = _padded(case)
        return {"want": want, "mistakes": mistaken(self.mistakes, lambda make: make(case), want)}


# --- 08.3 and 08.4 -------------------------------------------------------------------------------


class AskBlock(ModuleExaminer):
    """Residual blocks with and without a projection."""

    def case(self, rng: Generator, in_channels: int, channels: int, stride: int) -> Case:
        """Return a case with these arguments."""
        state: dict[str, Tensor] = {}
        sizes, _ = self.plan(in_channels, channels, stride)
        for number, (out, read, size) in enumerate(sizes, 1):
            state |= layer_state(rng, f"conv{number}", out, read, size, size, bias=0)
            state |= norm_state(rng, out, f"bn{number}.")
        out = sizes[-1][0]
        if stride != 1 or out != in_channels:
            scale, shape = in_channels**-0.5, (out, in_channels, 1, 1)
            state |= layer_state(rng, "downsample.0", *shape, scale=scale, bias=0)
            state |= norm_state(rng, out, "downsample.1.")
        arguments = {"in_channels": in_channels, "channels": channels, "stride": stride}
        return {"arguments": arguments, "state": state, "x": normal(rng, 2, in_channels, 6, 6)}

    @abstractmethod
    def plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        """Return (outputs, inputs, kernel size) of each convolution, and the strides."""

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
        _, planned = self.plan(**case["arguments"])
        out = x
        for number, stride in enumerate(strides(planned), 1):
            weight = state[f"conv{number}.weight"]
            out = F.conv2d(out, weight, stride=stride, padding=weight.shape[-1] // 2)
            out = normed(out, state, f"bn{number}")
            out = between(out) if number < len(planned) else out
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


class AskBasicBlock(AskBlock):
    """Two 3×3 convolutions."""

    id = "08.3"
    mistakes = COMMON_MISTAKES | {
        "the stride belongs to the first convolution": dict(strides=lambda s: s[::-1]),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self.case(rng, 4, 4, 1)
        yield self.case(rng, 4, 8, 2)
        yield self.case(rng, 4, 6, 1)  # more channels, same size
        yield self.case(rng, 5, 5, 2)  # fewer pixels, same channels
        for _ in range(6):  # with one or two channels the last ReLU may leave nothing
            in_channels, channels, stride = (int(n) for n in rng.integers((1, 3, 1), (7, 7, 3)))
            yield self.case(rng, in_channels, channels, stride)

    def plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        return [(channels, in_channels, 3), (channels, channels, 3)], [stride, 1]


class AskPreActivation(ModuleExaminer):
    """Batch norm and ReLU before each convolution; nothing after the addition."""

    id = "08.4"
    mistakes = {
        "the addition is missing: the shortcut brings x past the convolutions": dict(add=False),
        "no ReLU after the addition: the path from block to block stays free": dict(last=F.relu),
        "first batch norm, then ReLU, then the convolution": dict(order="relu first"),
        "the order is that of the basic block: batch norm and ReLU come before": dict(
            order="after"
        ),
        "a ReLU stands before each of the two convolutions": dict(order="no relu"),
        "the shortcut takes x itself, before batch norm and ReLU": dict(early=True),
        "the stride belongs to the first convolution": dict(swapped=True),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 4, 4, 1)
        yield self._case(rng, 4, 8, 2)
        yield self._case(rng, 4, 6, 1)  # more channels, same size
        yield self._case(rng, 5, 5, 2)  # fewer pixels, same channels
        for _ in range(6):
            in_channels, stride = int(rng.integers(1, 6)), int(rng.integers(1, 3))
            yield self._case(rng, in_channels, in_channels + int(rng.integers(0, 4)), stride)

    def _case(self, rng: Generator, in_channels: int, channels: int, stride: int) -> Case:
        state: dict[str, Tensor] = {}
        for number, read in enumerate((in_channels, channels), 1):
            state |= norm_state(rng, read, f"bn{number}.")
            state |= layer_state(rng, f"conv{number}", channels, read, 3, 3, bias=0)
        arguments = {"in_channels": in_channels, "channels": channels, "stride": stride}
        return {"arguments": arguments, "state": state, "x": normal(rng, 2, in_channels, 6, 6)}

    def reference(
        self,
        case: Case,
        *,
        order: str = "",
        add: bool = True,
        last: Callable = identity,
        early: bool = False,
        swapped: bool = False,
    ) -> Tensor:
        state, stride = case["state"], case["arguments"]["stride"]
        x = out = case["x"]
        strides = (1, stride) if swapped else (stride, 1)
        for number, step in enumerate(strides, 1):
            weight = state[f"conv{number}.weight"]
            if order == "after":
                out = normed(F.conv2d(out, weight, stride=step, padding=1), state, f"bn{number}")
                out = F.relu(out) if number == 1 else out
                continue
            out = F.relu(out) if order == "relu first" else out
            out = normed(out, state, f"bn{number}")
            out = out if order else F.relu(out)
            x = out if early and number == 1 else x
            out = F.conv2d(out, weight, stride=step, padding=1)
        if add:
            new = case["arguments"]["channels"] - x.shape[1]
            out = out + F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, new))
        return last(out)


# --- 08.5 ----------------------------------------------------------------------------------------


class Zero(nn.Module):
    """Hands on zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros of the shape of x."""
        return torch.zeros_like(x)


class AskWithoutBlock(Examiner):
    """Blocks that hand on their shape, and some that change it."""

    id = "08.5"

    def cases(self, rng: Generator) -> Iterator[Case]:
        kinds = (["basic"], ["bottleneck"], ["basic", "bottleneck"], ["basic", "basic"])
        for wanted, chosen in zip(("2.1", "2.2", "3.0", "3.0"), kinds, strict=True):
            yield self._case(rng, chosen, wanted)
        for _ in range(4):
            chosen = kinds[int(rng.integers(4))]
            place = f"{2 + int(rng.integers(len(chosen)))}.{int(rng.integers(3))}"
            yield self._case(rng, chosen, place)

    def _case(self, rng: Generator, kinds: list[str], name: str) -> Case:
        state = {}
        for key, value in stages(kinds).state_dict().items():
            if key.endswith("running_var"):
                state[key] = normal(rng, *value.shape).abs() + 0.5
            elif value.is_floating_point():
                scale = value[0].numel() ** -0.5 if value.ndim > 1 else 0.3
                centre = 1.0 if value.ndim == 1 and key.endswith("weight") else 0.0
                state[key] = centre + normal(rng, *value.shape, scale=scale)
        return {"kinds": kinds, "name": name, "state": state, "x": normal(rng, 2, 3, 5, 5)}

    def key(self, case: Case) -> Any:
        full = self._output(case, {})
        stage, place = case["name"].split(".")
        if self._model(case).get_submodule(case["name"]).downsample is not None:
            return {"want": None, "kept": full, "mistakes": {}}
        want = self._output(case, {case["name"]: nn.Identity()})
        other = f"{stage}.{2 if place == '1' else 1}"
        mistakes = {
            "nothing was taken out: return the changed copy": {},
            "another block was taken out: blocks are counted from 0": {other: nn.Identity()},
            "the block hands on its input, not zeros": {case["name"]: Zero()},
        }
        made = mistaken(mistakes, lambda parts: self._output(case, parts), want)
        return {"want": want, "kept": full, "mistakes": made}

    def _model(self, case: Case) -> nn.Module:
        model = stages(case["kinds"])
        model.load_state_dict(case["state"], strict=False)
        return model.eval()

    def _output(self, case: Case, parts: dict[str, nn.Module]) -> Tensor:
        model = self._model(case)
        for name, part in parts.items():
            stage, place = name.split(".")
            model.get_submodule(stage)[int(place)] = part  # type: ignore[operator]
        with torch.no_grad():
            return model(case["x"])


EXAMINERS = [
    AskGradientNorms(),
    AskShortcutA(),
    AskBasicBlock(),
    AskPreActivation(),
    AskWithoutBlock(),
]
