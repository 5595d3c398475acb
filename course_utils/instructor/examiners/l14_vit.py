"""What lecture 14 asks: patches, attention, blocks, position embeddings, costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import layer_state, normal

# --- 14.1 ----------------------------------------------------------------------------------------


def _cut(
    case: Case, *, inside: tuple = (1, 3, 5), outside: tuple = (2, 4), last: bool = False
) -> Tensor:
    """Patches; the options are orders of the axes (N, C, rows, row, columns, column)."""
    images, size = case["images"], case["size"]
    count, channels, height, width = images.shape
    grid = images.reshape(count, channels, height // size, size, width // size, size)
    made = grid.permute(0, *outside, *inside).reshape(count, -1, channels * size * size)
    return made.mT if last else made


class AskPatches(Examiner):
    """Images of several shapes."""

    id = "14.1"
    mistakes: dict[str, Callable[[Case], Tensor]] = {
        "a reshape alone takes runs of pixels, not squares: split rows and columns first": (
            lambda case: case["images"].reshape(len(case["images"]), -1, _cut(case).shape[2])
        ),
        "in a patch the order is channel, row, column: the channel comes first": lambda case: _cut(
            case, inside=(3, 5, 1)
        ),
        "in a patch the row comes before the column": lambda case: _cut(case, inside=(1, 5, 3)),
        "the patches go row by row, not column by column": lambda case: _cut(case, outside=(4, 2)),
        "the last two axes are swapped: first the patches, then the numbers of each": (
            lambda case: _cut(case, last=True)
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 1, 1, 2, 2, 2)
        yield self._case(rng, 2, 3, 2, 3, 2)  # a wide image
        yield self._case(rng, 2, 3, 1, 1, 4)  # one patch
        yield self._case(rng, 1, 2, 3, 4, 1)  # patches of one pixel
        for _ in range(6):
            sizes = [int(n) for n in rng.integers(1, 5, 5)]
            yield self._case(rng, *sizes)

    def _case(
        self, rng: Generator, count: int, channels: int, rows: int, columns: int, size: int
    ) -> Case:
        return {"images": normal(rng, count, channels, rows * size, columns * size), "size": size}

    def key(self, case: Case) -> Any:
        want = _cut(case)
        return {"want": want, "mistakes": mistaken(self.mistakes, lambda make: make(case), want)}


# --- 14.2 ----------------------------------------------------------------------------------------


def _weights(case: Case, *, divide: Callable | None = None, dim: int = -1) -> Tensor:
    queries, keys = case["queries"], case["keys"]
    scores = queries @ keys.mT
    divisor = queries.shape[-1] ** 0.5 if divide is None else divide(queries, keys)
    return (scores / divisor).softmax(dim)


class AskAttention(Examiner):
    """Queries, keys and values of several shapes, one with large scores."""

    id = "14.2"
    mistakes: dict[str, Callable[[Case], Tensor]] = {
        "divide the scores by the square root of d": lambda case: _weights(
            case, divide=lambda *_: 1
        ),
        "divide by the square root of d, not by d": lambda case: _weights(
            case, divide=lambda queries, _: queries.shape[-1]
        ),
        "d is the number of numbers of a query, not of the tokens": lambda case: _weights(
            case, divide=lambda _, keys: keys.shape[-2] ** 0.5
        ),
        "the weights of each query sum to 1: softmax goes over the keys, the last axis": (
            lambda case: _weights(case, dim=-2)
        ),
        "the scores become shares by softmax": lambda case: (
            case["queries"] @ case["keys"].mT / case["queries"].shape[-1] ** 0.5
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (2,), 3, 3, 4, 4)
        yield self._case(rng, (2, 2), 4, 4, 3, 3)  # heads
        yield self._case(rng, (1,), 2, 5, 4, 4)  # more keys than queries
        yield self._case(rng, (1, 2), 3, 3, 4, 6)  # longer values
        yield self._case(rng, (2,), 4, 4, 5, 5, scale=30.0)  # exp of such scores is infinite
        for _ in range(5):
            before = tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(1, 3))))
            yield self._case(rng, before, *(int(n) for n in rng.integers(2, 7, 4)))

    def _case(
        self,
        rng: Generator,
        before: tuple,
        queries: int,
        keys: int,
        d: int,
        longer: int,
        scale: float = 1.0,
    ) -> Case:
        return {
            "queries": normal(rng, *before, queries, d, scale=scale),
            "keys": normal(rng, *before, keys, d, scale=scale),
            "values": normal(rng, *before, keys, longer),
        }

    def key(self, case: Case) -> Any:
        weights, values = _weights(case), case["values"]
        output = weights @ values
        outputs = {
            "weights and values are right: the output is weights @ values, not a mean": (
                lambda: values.mean(-2, keepdim=True).expand_as(output)
            ),
            "each query takes its own row of the weights: weights @ values, nothing transposed": (
                lambda: weights.mT @ values
            ),
        }
        return {
            "output": output,
            "weights": weights,
            "mistakes": mistaken(self.mistakes, lambda make: make(case), weights),
            "mistaken_outputs": mistaken(outputs, lambda make: make(), output),
        }


# --- 14.3 ----------------------------------------------------------------------------------------


def _norm(x: Tensor, state: dict[str, Tensor], name: str, eps: float) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.layer_norm(x, weight.shape, weight, bias, eps)


def _self_attention(x: Tensor, state: dict[str, Tensor], heads: int) -> Tensor:
    weight, bias = (state[f"self_attention.in_proj_{part}"] for part in ("weight", "bias"))
    split = F.linear(x, weight, bias).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    read = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
    names = ("self_attention.out_proj.weight", "self_attention.out_proj.bias")
    return F.linear(read, *(state[name] for name in names))


class AskEncoderBlock(ModuleExaminer):
    """Blocks of several widths, one with tiny inputs, where the epsilon of layer norm counts."""

    id = "14.3"
    mistakes: dict[str, dict[str, Any]] = {
        "layer norm has eps=1e-6 here": dict(eps=1e-5),
        "the first addition is missing: x + attention": dict(first=False),
        "the second addition is missing: z + mlp": dict(second=False),
        "the addition takes x itself, not the normalised x": dict(normed_shortcut=True),
        "layer norm stands before each part, not after the addition": dict(after=True),
        "the MLP reads the result of the first addition, not x": dict(parallel=True),
        "self.ln_2 stands before the MLP, not self.ln_1 once more": dict(second_norm="ln_1"),
        "there is no layer norm before the MLP yet: self.ln_2": dict(second_norm=""),
        "the activation in the MLP is GELU, not ReLU": dict(activation=F.relu),
        "the activation in the MLP, GELU, is missing": dict(activation=identity),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 8, 2, 16, 5)
        yield self._case(rng, 6, 1, 6, 3)  # one head
        yield self._case(rng, 8, 4, 16, 1)  # one token: it reads itself
        yield self._case(rng, 8, 2, 12, 4, scale=0.002)  # the variance is not far from epsilon
        for _ in range(5):
            heads = int(rng.integers(1, 4))
            dim, mlp_dim, tokens = (int(n) for n in rng.integers((1, 2, 2), (4, 20, 7)))
            yield self._case(rng, 2 * heads * dim, heads, mlp_dim, tokens)

    def _case(
        self, rng: Generator, dim: int, heads: int, mlp_dim: int, tokens: int, scale: float = 1.0
    ) -> Case:
        state: dict[str, Tensor] = {}
        for name in ("ln_1", "ln_2"):
            state[f"{name}.weight"] = 1 + normal(rng, dim, scale=0.3)
            state[f"{name}.bias"] = normal(rng, dim, scale=0.3)
        state["self_attention.in_proj_weight"] = normal(rng, 3 * dim, dim, scale=dim**-0.5)
        state["self_attention.in_proj_bias"] = normal(rng, 3 * dim, scale=0.3)
        state |= layer_state(rng, "self_attention.out_proj", dim, dim)
        state |= layer_state(rng, "mlp.0", mlp_dim, dim)
        state |= layer_state(rng, "mlp.3", dim, mlp_dim)
        arguments = {"dim": dim, "heads": heads, "mlp_dim": mlp_dim}
        return {
            "arguments": arguments,
            "state": state,
            "x": normal(rng, 2, tokens, dim, scale=scale),
        }

    def reference(
        self,
        case: Case,
        *,
        eps: float = 1e-6,
        first: bool = True,
        second: bool = True,
        normed_shortcut: bool = False,
        after: bool = False,
        parallel: bool = False,
        second_norm: str = "ln_2",
        activation: Callable = F.gelu,
    ) -> Tensor:
        state, x, heads = case["state"], case["x"], case["arguments"]["heads"]

        def mlp(x: Tensor) -> Tensor:
            inner = activation(F.linear(x, state["mlp.0.weight"], state["mlp.0.bias"]))
            return F.linear(inner, state["mlp.3.weight"], state["mlp.3.bias"])

        if after:
            between = _norm(x + _self_attention(x, state, heads), state, "ln_1", eps)
            return _norm(between + mlp(between), state, "ln_2", eps)
        normed = _norm(x, state, "ln_1", eps)
        read = _self_attention(normed, state, heads)
        between = read + (normed if normed_shortcut else x) if first else read
        source = x if parallel else between
        again = _norm(source, state, second_norm, eps) if second_norm else source
        shortcut = again if normed_shortcut else between
        return mlp(again) + shortcut if second else mlp(again)


# --- 14.4 ----------------------------------------------------------------------------------------


def _resized(
    case: Case,
    *,
    mode: str = "bicubic",
    corners: bool | None = False,
    smooth: bool = False,
    mixed: bool = False,
    transposed: bool = False,
    token_last: bool = False,
    without: bool = False,
) -> Tensor:
    positions, size = case["positions"], case["size"]
    side, dim = round((positions.shape[1] - 1) ** 0.5), positions.shape[2]
    token, patches = positions[:, :1], positions[:, 1:]
    if token_last:
        token, patches = positions[:, -1:], positions[:, :-1]
    grid = (patches if mixed else patches.mT).reshape(1, dim, side, side)
    made = F.interpolate(grid, (size, size), mode=mode, align_corners=corners, antialias=smooth)
    made = (made.mT if transposed else made).flatten(2).mT
    parts = [made, token] if token_last else [token, made]
    return made if without else torch.cat(parts, dim=1)


class AskResizePositions(Examiner):
    """Grids that grow, shrink and stay."""

    id = "14.4"
    mistakes: dict[str, dict[str, Any]] = {
        "the class token's embedding is missing: put it before the others": dict(without=True),
        "the class token's embedding is number 0, not the last one": dict(token_last=True),
        "interpolate with mode='bicubic', not bilinear": dict(mode="bilinear"),
        "interpolate with mode='bicubic', not the nearest": dict(mode="nearest", corners=None),
        "align_corners=False, which is the default": dict(corners=True),
        "without antialias: that is the default": dict(smooth=True),
        "bring D to the second axis by transposing: a reshape alone mixes the numbers": dict(
            mixed=True
        ),
        "the rows and columns of the grid are swapped": dict(transposed=True),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"positions": normal(rng, 1, 17, 3), "size": 6}
        yield {"positions": normal(rng, 1, 17, 3), "size": 4}  # nothing to do
        yield {"positions": normal(rng, 1, 26, 2), "size": 3}  # fewer
        yield {"positions": normal(rng, 1, 2, 4), "size": 3}  # one patch
        for _ in range(6):
            side, dim, size = (int(n) for n in rng.integers((2, 1, 2), (7, 6, 10)))
            yield {"positions": normal(rng, 1, 1 + side**2, dim), "size": size}

    def key(self, case: Case) -> Any:
        want = _resized(case)
        made = mistaken(self.mistakes, lambda mistake: _resized(case, **mistake), want)
        return {"want": want, "mistakes": made}


# --- 14.5 ----------------------------------------------------------------------------------------


def _parameters(
    case: Case, *, token: int = 1, positions: bool = True, biases: bool = True, norms: bool = True
) -> int:
    dim, mlp_dim, classes = case["dim"], case["mlp_dim"], case["classes"]
    tokens = (case["image_size"] // case["patch_size"]) ** 2 + token
    weights = case["channels"] * case["patch_size"] ** 2 * dim + dim * classes
    weights += case["layers"] * (4 * dim * dim + 2 * dim * mlp_dim)
    bias = dim + classes + case["layers"] * (4 * dim + mlp_dim + dim)
    norm = 2 * dim * (2 * case["layers"] + 1)
    embeddings = token * dim + positions * tokens * dim
    return weights + biases * bias + norms * norm + embeddings


def _flops(
    case: Case,
    *,
    token: int = 1,
    factor: int = 2,
    products: int = 2,
    all_tokens: bool = False,
    projection: bool = True,
) -> int:
    dim, mlp_dim = case["dim"], case["mlp_dim"]
    patches = (case["image_size"] // case["patch_size"]) ** 2
    tokens = patches + token
    made = patches * case["channels"] * case["patch_size"] ** 2 * dim
    one = tokens * ((4 if projection else 3) * dim * dim + 2 * dim * mlp_dim)
    one += products * tokens * tokens * dim
    head = (tokens if all_tokens else 1) * dim * case["classes"]
    return factor * (made + case["layers"] * one + head)


class AskCosts(Examiner):
    """Designs of several sizes, ViT-B/16 among them."""

    id = "14.5"
    names = ("image_size", "patch_size", "channels", "dim", "layers", "mlp_dim", "classes")
    parameters_mistakes: dict[str, dict[str, Any]] = {
        "parameters: the position embeddings are missing, one for each token": dict(
            positions=False
        ),
        "parameters: the class token is missing, and its position": dict(token=0),
        "parameters: each linear layer has a bias": dict(biases=False),
        "parameters: each layer norm has a weight and a bias, also the last one": dict(norms=False),
    }
    flops_mistakes: dict[str, dict[str, Any]] = {
        "FLOPs: a multiply-add counts as two": dict(factor=1),
        "FLOPs: the class token is a token in each block, too": dict(token=0),
        "FLOPs: attention itself is missing, queries by keys and weights by values": dict(
            products=0
        ),
        "FLOPs: attention has two products, queries by keys and weights by values": dict(
            products=1
        ),
        "FLOPs: the last layer reads the class token alone": dict(all_tokens=True),
        "FLOPs: the linear layer after attention is missing": dict(projection=False),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        for sizes in ((32, 4, 3, 64, 4, 128, 10), (224, 16, 3, 768, 12, 3072, 1000)):
            case = dict(zip(self.names, sizes, strict=True))
            yield case | {"classes": case["classes"] + int(rng.integers(0, 90))}
        for _ in range(8):
            grid, patch, channels = (int(n) for n in rng.integers((1, 1, 1), (9, 9, 4)))
            layers, mlp_dim, classes = (int(n) for n in rng.integers((1, 3, 2), (9, 200, 50)))
            dim = 2 * int(rng.integers(2, 60))
            sizes = (grid * patch, patch, channels, dim, layers, mlp_dim, classes)
            yield dict(zip(self.names, sizes, strict=True))

    def key(self, case: Case) -> Any:
        parameters, flops = _parameters(case), _flops(case)
        return {
            "parameters": parameters,
            "flops": flops,
            "parameters_mistakes": mistaken(
                self.parameters_mistakes, lambda mistake: _parameters(case, **mistake), parameters
            ),
            "flops_mistakes": mistaken(
                self.flops_mistakes, lambda mistake: _flops(case, **mistake), flops
            ),
        }


EXAMINERS = [
    AskPatches(),
    AskAttention(),
    AskEncoderBlock(),
    AskResizePositions(),
    AskCosts(),
]
