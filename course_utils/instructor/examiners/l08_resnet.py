"""What lecture 08 asks: shortcuts, blocks, gradient norms, blocks that start as the identity."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.l08_resnet import network, stages
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import layer_state, norm_state, normal, normed

# --- 08.1 ----------------------------------------------------------------------------------------


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

    id = "08.1"
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


# --- 08.2 and 08.3 -------------------------------------------------------------------------------


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

    id = "08.2"
    mistakes = COMMON_MISTAKES | {
        "the stride belongs to the first convolution": dict(strides=lambda s: s[::-1]),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self.case(rng, 4, 4, 1)
        yield self.case(rng, 4, 8, 2)
        yield self.case(rng, 4, 6, 1)  # more channels, same size
        yield self.case(rng, 5, 5, 2)  # fewer pixels, same channels
        for _ in range(6):
            in_channels, channels, stride = (int(n) for n in rng.integers((1, 1, 1), (7, 7, 3)))
            yield self.case(rng, in_channels, channels, stride)

    def plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        return [(channels, in_channels, 3), (channels, channels, 3)], [stride, 1]


class AskBottleneck(AskBlock):
    """A 3×3 convolution between two of 1×1."""

    id = "08.3"
    mistakes = COMMON_MISTAKES | {
        "the stride belongs to the 3×3 convolution: in the first 1×1 it would skip pixels unread": (
            dict(strides=lambda s: [s[1], s[0], s[2]])
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self.case(rng, 8, 2, 1)
        yield self.case(rng, 4, 2, 1)  # the channels change
        yield self.case(rng, 8, 2, 2)  # the size changes
        yield self.case(rng, 8, 4, 2)
        for _ in range(6):
            channels, stride = int(rng.integers(1, 5)), int(rng.integers(1, 3))
            in_channels = 4 * channels if rng.random() < 0.5 else int(rng.integers(1, 10))
            yield self.case(rng, in_channels, channels, stride)

    def plan(self, in_channels: int, channels: int, stride: int) -> tuple[list, list[int]]:
        sizes = [(channels, in_channels, 1), (channels, channels, 3), (4 * channels, channels, 1)]
        return sizes, [1, stride, 1]


# --- 08.4 ----------------------------------------------------------------------------------------


class AskGradientNorms(Examiner):
    """Networks of convolutions and linear layers, with and without old gradients."""

    id = "08.4"
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


# --- 08.5 ----------------------------------------------------------------------------------------


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


class AskStartAsIdentity(Examiner):
    """Networks of both kinds of blocks. Only what should be 0 is said, by name."""

    id = "08.5"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for kinds in (["basic"], ["bottleneck"], ["basic", "bottleneck"], ["basic", "basic"]):
            floats = {k: v for k, v in stages(kinds).state_dict().items() if v.is_floating_point()}
            filled = {name: normal(rng, *value.shape) for name, value in floats.items()}
            yield {"kinds": kinds, "state": filled}

    def key(self, case: Case) -> Any:
        def zeroed(wanted: Callable[[str, str], bool]) -> list[str]:
            return [name for name in case["state"] if self._in_block(case["kinds"], name, wanted)]

        want = zeroed(_last_weight)
        return {"want": want, "mistakes": mistaken(ZERO_MISTAKES, zeroed, want)}

    def _in_block(self, kinds: list[str], name: str, wanted: Callable[[str, str], bool]) -> bool:
        stage = int(name.split(".")[0]) - 2
        return stage >= 0 and wanted(kinds[stage], name.split(".", 2)[2])


EXAMINERS = [
    AskShortcutA(),
    AskBasicBlock(),
    AskBottleneck(),
    AskGradientNorms(),
    AskStartAsIdentity(),
]
