"""Lecture 10: inception module, what reductions save, dense layer, transition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import eq
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.googlenet import MODULES
from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
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

# --- modules: 10.1, 10.3, 10.4 -------------------------------------------------------------------


class ConvModule(BuildModule):
    """A module of convolutions and batch norms; shapes that do not fit get a hint of their own."""

    def describe(self, case: Case) -> str:
        return f"{super().describe(case)}; x of shape {tuple(case['x'].shape)}"

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        try:
            return super().outputs(module, case)
        except RuntimeError as error:
            return {"error": str(error)}

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        error = field(result, "error")
        if error is not None:
            return wrong(self.error_hint(error))
        return super().judge_output(case, key, result)

    def error_hint(self, error: Any) -> str:
        return f"forward stops with: {describe(error)}"

    def output_hint(self, output: Any, want: Tensor) -> str:
        return (
            f"names and shapes of the weights are right, but the output is not: it should have "
            f"shape {tuple(want.shape)}, it is {describe(output)}. Read forward once more"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        if biases := [n for n in have if n.endswith("bias") and n.split(".")[-2][:4] == "conv"]:
            return f"batch norm has a bias already: bias=False in nn.Conv2d (you have {biases[0]})"
        return super().state_hint(have, want)


# --- 10.1 ----------------------------------------------------------------------------------------

CHANNELS = ("ch1x1", "ch3x3red", "ch3x3", "ch5x5red", "ch5x5", "pool_proj")


def _max_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _joined(branches: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(branches), dim=1)


class InceptionExercise(ConvModule):
    """The answer: a class `InceptionModule(in_channels, ch1x1, ..., pool_proj)`."""

    id, points, title = "10.1", 8, "The inception module"
    mistakes = {
        "the pool of branch4 is a max pool": dict(pool=lambda x: F.avg_pool2d(x, 3, 1, 1)),
        "branch4 begins with the max pool: it reads x unpooled now": dict(pool=identity),
        "the branches are joined in the order 1, 2, 3, 4": dict(join=lambda b: _joined(b[::-1])),
        "branch2 comes before branch3 in the output": dict(
            join=lambda b: _joined([b[0], b[2], b[1], b[3]])
        ),
        "the outputs are joined side by side (torch.cat along dim=1), not added": dict(join=sum),
        "every convolution is followed by batch norm and ReLU: use BasicConv2d": dict(
            last=identity
        ),
        "use BasicConv2d for the convolutions: its batch norm has eps=0.001": dict(eps=1e-5),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 4, (3, 2, 3, 2, 3, 3), (4, 6))  # each branch has as many channels
        yield self._case(rng, 6, (4, 3, 5, 2, 3, 2), (5, 5))
        yield self._case(rng, 1, (1, 1, 1, 1, 1, 1), (1, 1))  # one pixel
        yield self._case(rng, 5, (2, 4, 3, 6, 4, 1), (7, 3))  # "reductions" that add channels
        for _ in range(6):
            plan = tuple(int(n) for n in rng.integers(1, 7, 6))
            size = tuple(int(n) for n in rng.integers(1, 9, 2))
            yield self._case(rng, int(rng.integers(1, 8)), plan, size)

    def _case(self, rng: Generator, in_channels: int, plan: tuple, shape: tuple) -> Case:
        ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj = plan
        layers = {
            "branch1": (ch1x1, in_channels, 1),
            "branch2.0": (ch3x3red, in_channels, 1),
            "branch2.1": (ch3x3, ch3x3red, 3),
            "branch3.0": (ch5x5red, in_channels, 1),
            "branch3.1": (ch5x5, ch5x5red, 5),
            "branch4.1": (pool_proj, in_channels, 1),
        }
        state: dict[str, Tensor] = {}
        for name, (out, read, size) in layers.items():
            state |= layer_state(rng, f"{name}.conv", out, read, size, size, bias=0)
            state |= norm_state(rng, out, f"{name}.bn.")
        arguments = {"in_channels": in_channels} | dict(zip(CHANNELS, plan, strict=True))
        x = normal(rng, 2, in_channels, *shape)
        return {"arguments": arguments, "state": state, "x": x}

    def reference(
        self,
        case: Case,
        *,
        pool: Callable = _max_pool,
        join: Callable = _joined,
        last: Callable = F.relu,
        eps: float = 1e-3,
    ) -> Tensor:
        state, x = case["state"], case["x"]

        def layer(x: Tensor, name: str) -> Tensor:
            weight = state[f"{name}.conv.weight"]
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
            return last(normed(x, state, f"{name}.bn", eps))

        second, third = (layer(layer(x, f"{b}.0"), f"{b}.1") for b in ("branch2", "branch3"))
        return join([layer(x, "branch1"), second, third, layer(pool(x), "branch4.1")])

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if name == "branch3.1.conv.weight" and isinstance(have, list) and have[2:] == [3, 3]:
            return "this exercise follows the paper: the second convolution of branch3 is 5×5"
        return super().shape_hint(name, have, want)

    def error_hint(self, error: Any) -> str:
        return (
            "the branches do not fit together: each must keep the rows and columns of x, also the "
            f"pool (stride 1, padding 1), and dim=1 is joined. PyTorch says: {describe(error)}"
        )


# --- 10.2 ----------------------------------------------------------------------------------------


def _counts(
    in_channels: int,
    ch1x1: int,
    ch3x3red: int,
    ch3x3: int,
    ch5x5red: int,
    ch5x5: int,
    pool_proj: int,
    *,
    large: int = 5,
    biases: bool = False,
) -> list[int]:
    """Weights with reductions, weights without, channels without; by PyTorch's own layers."""

    def weights(*layers: tuple[int, int, int]) -> int:
        with torch.device("meta"):
            made = [nn.Conv2d(*layer, bias=biases) for layer in layers]
        return sum(p.numel() for layer in made for p in layer.parameters())

    first = (in_channels, ch1x1, 1)
    reduced = weights(
        first,
        (in_channels, ch3x3red, 1),
        (ch3x3red, ch3x3, 3),
        (in_channels, ch5x5red, 1),
        (ch5x5red, ch5x5, large),
        (in_channels, pool_proj, 1),
    )
    direct = weights(first, (in_channels, ch3x3, 3), (in_channels, ch5x5, large))
    return [reduced, direct, ch1x1 + ch3x3 + ch5x5 + in_channels]


class ModuleWeights(Exercise):
    """The answer: `module_weights(in_channels, ch1x1, ..., pool_proj)` → three whole numbers."""

    id, points, title = "10.2", 5, "What reductions save"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for in_channels, name in ((192, "3a"), (832, "5b")):
            yield {"in_channels": in_channels} | dict(zip(CHANNELS, MODULES[name], strict=True))
        yield {"in_channels": 3} | dict.fromkeys(CHANNELS, 8)  # nothing is reduced
        for _ in range(10):
            sizes = [int(n) for n in rng.integers(1, 200, 7)]
            yield dict(zip(("in_channels", *CHANNELS), sizes, strict=True))

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = _counts(**case)
        if not isinstance(result, list) or len(result) != 3:
            return wrong(f"return three whole numbers; your code returned {describe(result)}")
        if all(same_number(*pair) for pair in zip(result, want, strict=True)):
            return right()
        mistakes = {
            "biases are not counted: batch norm follows each convolution": dict(biases=True),
            "the third branch has a 5×5 convolution: 25 weights a channel": dict(large=3),
        }
        if hint := first_mistake(result[:2], mistakes, lambda m: _counts(**case, **m)[:2], same=eq):
            return wrong(hint)
        if result[:2] == want[1::-1]:
            return wrong("first the weights with reductions, then those without")
        return wrong(self._hint(case, result, want))

    def _hint(self, case: Case, result: list, want: list[int]) -> str:
        read, projection = case["in_channels"], case["in_channels"] * case["pool_proj"]
        if not same_number(result[0], want[0]):
            if same_number(result[0], want[0] - projection):
                return "with reductions: the 1×1 behind the pool has weights too"
            return f"with reductions: expected {want[0]:,} weights, got {describe(result[0])}"
        if not same_number(result[1], want[1]):
            if same_number(result[1], want[1] + projection):
                return "without reductions there is no 1×1 behind the pool either"
            late = case["ch1x1"] * read + 9 * case["ch3x3red"] * case["ch3x3"]
            if same_number(result[1], late + 25 * case["ch5x5red"] * case["ch5x5"]):
                return "without reductions the 3×3 and 5×5 read all channels of the input"
            return f"without reductions: expected {want[1]:,} weights, got {describe(result[1])}"
        if same_number(result[2], want[2] - read + case["pool_proj"]):
            return "without the 1×1 behind it, the pool hands on all channels of the input"
        if same_number(result[2], want[2] - read):
            return "the pool's channels are joined too"
        return f"channels without reductions: expected {want[2]:,}, got {describe(result[2])}"


# --- 10.3 ----------------------------------------------------------------------------------------


class DenseLayerExercise(ConvModule):
    """The answer: a class `DenseUnit(in_channels, growth_rate)`."""

    id, points, title = "10.3", 7, "A dense layer"
    mistakes = {
        "x is missing in the output: join it with the new channels": dict(
            join=lambda x, new: new,
        ),
        "x comes first, then the new channels": dict(join=lambda x, new: _joined([new, x])),
        "join x and the new channels (torch.cat), do not add them": dict(
            join=lambda x, new: x + new
        ),
        "x should come through as it is: no ReLU on it": dict(
            join=lambda x, new: _joined([F.relu(x), new])
        ),
        "no ReLU at the end: it stands before each convolution": dict(last=F.relu),
        "a ReLU follows each of the two batch norms": dict(first=identity),
        "a ReLU follows norm2 too": dict(second=identity),
        "norm1 is followed by ReLU, then conv1": dict(first=identity, second=identity),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 3, 3, (4, 4))  # as many new channels as old ones
        yield self._case(rng, 6, 2, (5, 4))
        yield self._case(rng, 1, 1, (1, 1))
        yield self._case(rng, 9, 1, (3, 6))
        for _ in range(6):
            in_channels, growth_rate = int(rng.integers(1, 10)), int(rng.integers(1, 6))
            yield self._case(rng, in_channels, growth_rate, tuple(rng.integers(1, 8, 2).tolist()))

    def _case(self, rng: Generator, in_channels: int, growth: int, size: tuple) -> Case:
        state = norm_state(rng, in_channels, "norm1.")
        state |= layer_state(rng, "conv1", 4 * growth, in_channels, 1, 1, bias=0)
        state |= norm_state(rng, 4 * growth, "norm2.")
        state |= layer_state(rng, "conv2", growth, 4 * growth, 3, 3, bias=0)
        arguments = {"in_channels": in_channels, "growth_rate": growth}
        return {"arguments": arguments, "state": state, "x": normal(rng, 2, in_channels, *size)}

    def reference(
        self,
        case: Case,
        *,
        join: Callable = lambda x, new: _joined([x, new]),
        first: Callable = F.relu,
        second: Callable = F.relu,
        last: Callable = identity,
    ) -> Tensor:
        state, x = case["state"], case["x"]
        out = F.conv2d(first(normed(x, state, "norm1")), state["conv1.weight"])
        out = F.conv2d(second(normed(out, state, "norm2")), state["conv2.weight"], padding=1)
        return last(join(x, out))

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if name.startswith("norm1"):
            return (
                "norm1 comes before conv1: it normalises the channels of x. "
                f"{name} should have shape {want}, yours has {describe(have)}"
            )
        if name == "conv1.weight" and isinstance(have, list) and have[1:] == want[1:]:
            return f"conv1 makes 4 · growth_rate = {want[0]} channels, yours makes {have[0]}"
        return super().shape_hint(name, have, want)

    def error_hint(self, error: Any) -> str:
        return (
            "x and the new channels do not fit together: the 3×3 convolution needs padding 1, and "
            f"dim=1 is joined. PyTorch says: {describe(error)}"
        )


# --- 10.4 ----------------------------------------------------------------------------------------


def _halved(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2)


class TransitionExercise(ConvModule):
    """The answer: a class `HalfTransition(in_channels)`."""

    id, points, title = "10.4", 6, "The transition"
    mistakes = {
        "the pool takes the mean of each window, not the maximum": dict(
            pool=lambda x: F.max_pool2d(x, 2)
        ),
        "the pool is missing: rows and columns should be halved": dict(pool=identity),
        "the windows of the pool stand side by side: stride 2": dict(
            pool=lambda x: F.avg_pool2d(x, 2, stride=1)
        ),
        "single pixels are taken: the mean of 2×2 pixels is asked for": dict(
            pool=lambda x: x[:, :, ::2, ::2]
        ),
        "an odd row or column at the end is dropped (ceil_mode stays False)": dict(
            pool=lambda x: F.avg_pool2d(x, 2, ceil_mode=True)
        ),
        "a ReLU follows the batch norm": dict(activation=identity),
        "no ReLU follows the convolution: the next block begins with its own": dict(last=F.relu),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 8, (6, 4))
        yield self._case(rng, 7, (4, 4))  # an odd number of channels
        yield self._case(rng, 4, (5, 7))  # odd sizes
        yield self._case(rng, 2, (2, 2))
        for _ in range(6):
            yield self._case(rng, int(rng.integers(2, 12)), tuple(rng.integers(2, 10, 2).tolist()))

    def _case(self, rng: Generator, in_channels: int, size: tuple) -> Case:
        state = norm_state(rng, in_channels, "norm.")
        state |= layer_state(rng, "conv", in_channels // 2, in_channels, 1, 1, bias=0)
        arguments = {"in_channels": in_channels}
        return {"arguments": arguments, "state": state, "x": normal(rng, 2, in_channels, *size)}

    def reference(
        self,
        case: Case,
        *,
        activation: Callable = F.relu,
        pool: Callable = _halved,
        last: Callable = identity,
    ) -> Tensor:
        state = case["state"]
        x = activation(normed(case["x"], state, "norm"))
        return pool(last(F.conv2d(x, state["conv.weight"])))

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if name.startswith("norm"):
            return (
                "batch norm comes first: it normalises the channels of x. "
                f"{name} should have shape {want}, yours has {describe(have)}"
            )
        if name == "conv.weight" and isinstance(have, list) and have[1:] == want[1:]:
            return f"conv makes in_channels // 2 = {want[0]} channels, yours makes {have[0]}"
        return super().shape_hint(name, have, want)


EXERCISES = [InceptionExercise(), ModuleWeights(), DenseLayerExercise(), TransitionExercise()]
