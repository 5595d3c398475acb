"""What lecture 11 asks: inception module, what reductions save, dense layer, transition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.shared import identity
from ...models.googlenet import MODULES
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import layer_state, norm_state, normal, normed

# --- 11.1 ----------------------------------------------------------------------------------------

CHANNELS = ("ch1x1", "ch3x3red", "ch3x3", "ch5x5red", "ch5x5", "pool_proj")


def _max_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _joined(branches: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(branches), dim=1)


class AskInception(ModuleExaminer):
    """Modules on maps of several sizes."""

    id = "11.1"
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


# --- 11.2 ----------------------------------------------------------------------------------------


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


class AskModuleWeights(Examiner):
    """Modules of GoogLeNet and any others."""

    id = "11.2"
    mistakes: dict[str, dict[str, Any]] = {
        "biases are not counted: batch norm follows each convolution": dict(biases=True),
        "the third branch has a 5×5 convolution: 25 weights a channel": dict(large=3),
    }

    def examples(self) -> Iterator[Case]:
        for in_channels, name in ((192, "3a"), (832, "5b")):
            yield {"in_channels": in_channels} | dict(zip(CHANNELS, MODULES[name], strict=True))

    def cases(self, rng: Generator) -> Iterator[Case]:
        read, width = (int(n) for n in rng.integers((2, 9), (9, 200)))
        yield {"in_channels": read} | dict.fromkeys(CHANNELS, width)  # nothing is reduced
        for _ in range(10):
            sizes = [int(n) for n in rng.integers(1, 200, 7)]
            yield dict(zip(("in_channels", *CHANNELS), sizes, strict=True))

    def key(self, case: Case) -> Any:
        want = reduced, direct, joined = _counts(**case)
        made = mistaken(self.mistakes, lambda mistake: _counts(**case, **mistake)[:2], want[:2])
        read, after_pool = case["in_channels"], case["pool_proj"]
        late = case["ch1x1"] * read + 9 * case["ch3x3red"] * case["ch3x3"]
        late += 25 * case["ch5x5red"] * case["ch5x5"]
        own_mistakes = [
            {
                "with reductions: the 1×1 behind the pool has weights too": reduced
                - read * after_pool
            },
            {
                "without reductions there is no 1×1 behind the pool either": (
                    direct + read * after_pool
                ),
                "without reductions the 3×3 and 5×5 read all channels of the input": late,
            },
            {
                "without the 1×1 behind it, the pool hands on all channels of the input": (
                    joined - read + after_pool
                ),
                "the pool's channels are joined too": joined - read,
            },
        ]
        return {"want": want, "mistakes": made, "own_mistakes": own_mistakes}


# --- 11.3 ----------------------------------------------------------------------------------------


class AskDenseLayer(ModuleExaminer):
    """Layers that add few channels or many."""

    id = "11.3"
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
        "norm1 is not used in forward: it comes first, before ReLU and conv1": dict(skip="norm1"),
        "norm2 is not used in forward: it follows conv1": dict(skip="norm2"),
        "the order is norm1, ReLU, conv1: in your forward ReLU comes before norm1": dict(
            swapped=True
        ),
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
        skip: str = "",
        swapped: bool = False,
    ) -> Tensor:
        state, x = case["state"], case["x"]

        def norm(x: Tensor, name: str) -> Tensor:
            return x if name == skip else normed(x, state, name)

        out = norm(F.relu(x), "norm1") if swapped else first(norm(x, "norm1"))
        out = F.conv2d(out, state["conv1.weight"])
        out = F.conv2d(second(norm(out, "norm2")), state["conv2.weight"], padding=1)
        return last(join(x, out))


# --- 11.4 ----------------------------------------------------------------------------------------


def _halved(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2)


class AskTransition(ModuleExaminer):
    """Transitions with even and odd numbers of channels, rows and columns."""

    id = "11.4"
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


EXAMINERS = [AskInception(), AskModuleWeights(), AskDenseLayer(), AskTransition()]
