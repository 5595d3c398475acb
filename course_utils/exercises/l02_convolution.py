"""Lecture 02: sizes, convolution and pooling by hand, parameters, receptive fields, a design."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ..arithmetic import (
    conv_output_size,
    conv_parameters,
    linear_parameters,
    read_counts,
    receptive_field,
)
from .core import (
    Case,
    Exercise,
    Verdict,
    Watch,
    describe,
    right,
    same_number,
    same_tensor,
    tensor_problem,
    wrong,
)
from .shared import first_mistake, normal

# --- small helpers -------------------------------------------------------------------------------


def _judge_count(result: Any, want: int, mistakes: Mapping[str, float]) -> Verdict:
    """Judge a whole number; `mistakes` are hints with the number to which each mistake leads."""
    if same_number(result, want):
        if type(result) is int:
            return right()
        return wrong("right, but as a float: sizes and counts are whole numbers (// or int)")
    if hint := first_mistake(result, mistakes, same=lambda a, b: same_number(a, b, 1e-9)):
        return wrong(hint)
    if not isinstance(result, (int, float)):
        return wrong(f"return a whole number; your code returned {describe(result)}")
    return wrong(f"expected {want}, got {describe(result)}")


def _judge_tensor(result: Any, want: Tensor, mistakes: dict[str, Callable[[], Tensor]]) -> Verdict:
    """Judge a tensor; `mistakes` are hints with a function that makes the same mistake."""
    problem = tensor_problem(result, want, 1e-4)
    if problem is None:
        return right()
    return wrong(first_mistake(result, mistakes, lambda make: make()) or problem)


def _run_watched(answer: Any, case: Case, ready_made: tuple[str, ...]) -> dict:
    """The answer's result, and which of PyTorch's ready-made operations it used."""
    with torch.no_grad(), Watch() as watch:
        returned = answer(**case)
    return {"returned": returned, "used": sorted(watch.names.intersection(ready_made))}


def _parts(result: Any) -> tuple[Any, bool]:
    """What was returned, and whether a ready-made operation was used."""
    if not isinstance(result, dict):
        return None, False
    return result.get("returned"), bool(result.get("used"))


# --- 02.1 ----------------------------------------------------------------------------------------


class OutputSize(Exercise):
    """The answer: `size_after(size, kernel_size, stride=1, padding=0, dilation=1)` → int."""

    id, points, title = "02.1", 4, "Output size of a convolution"

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if key["want"] == 0 and not same_number(result, 0):
            return wrong("this kernel does not fit into the padded image: the answer is 0")
        return _judge_count(result, key["want"], key["mistakes"])


# --- 02.2 ----------------------------------------------------------------------------------------


class Convolution(Exercise):
    """The answer: `convolve(image, weight, bias, stride=1, padding=0)` → (O, H', W')."""

    id, points, title = "02.2", 6, "Convolution by hand"
    ready_made = ("conv1d", "conv2d", "conv3d", "convolution", "Conv2d")

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (1, 5, 5), 1, 3)
        yield self._case(rng, (3, 6, 6), 1, 3)
        yield self._case(rng, (1, 5, 7), 2, 3)
        yield self._case(rng, (1, 7, 7), 1, 3, stride=2)
        yield self._case(rng, (1, 8, 9), 1, 3, stride=3)  # a remainder is dropped
        yield self._case(rng, (1, 5, 5), 1, 3, padding=1)
        yield self._case(rng, (2, 5, 6), 4, 1)
        for _ in range(5):
            kernel = int(rng.integers(1, 5))
            shape = (int(rng.integers(1, 4)), int(rng.integers(4, 7)), int(rng.integers(4, 7)))
            window = dict(stride=int(rng.integers(1, 4)), padding=int(rng.integers(0, 3)))
            yield self._case(rng, shape, int(rng.integers(1, 4)), kernel, **window)

    def _case(
        self, rng: Generator, shape: tuple[int, int, int], filters: int, kernel: int, **window: int
    ) -> Case:
        weight = normal(rng, filters, shape[0], kernel, kernel)
        return {
            "image": normal(rng, *shape),
            "weight": weight,
            "bias": 1 + normal(rng, filters),
        } | (window)

    def run(self, answer: Any, case: Case) -> Any:
        return _run_watched(answer, case, ("convolution", "conv2d", "mkldnn_convolution"))

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, ready_made = _parts(result)
        if ready_made:
            return wrong("F.conv2d is what you are to write: use slices of the image and sums")
        want = F.conv2d(**_with_input(case))
        if isinstance(returned, Tensor) and same_tensor(returned, want[None], 1e-4):
            return wrong("leave the batch dimension out: the result is (O, H', W')")
        return _judge_tensor(returned, want, self._mistakes(case))

    def _mistakes(self, case: Case) -> dict[str, Callable[[], Tensor]]:
        image, weight, bias = case["image"], case["weight"], case["bias"]
        stride, padding = case.get("stride", 1), case.get("padding", 0)

        def conv(image=image, weight=weight, bias=bias, stride=stride, padding=padding) -> Tensor:
            return F.conv2d(image[None], weight, bias, stride, padding)[0]

        def first_windows() -> Tensor:
            rows, columns = conv().shape[1:]
            return conv(stride=1)[:, :rows, :columns]

        def padded_before() -> Tensor:
            return conv(F.pad(image, (padding, 0, padding, 0)), padding=0)

        def padded_after() -> Tensor:
            return conv(F.pad(image, (0, padding, 0, padding)), padding=0)

        def edge_repeated() -> Tensor:
            return conv(F.pad(image[None], (padding,) * 4, mode="replicate")[0], padding=0)

        one_side = "pad all four sides: left and right, above and below"
        many_channels = (image.shape[0] + 1) * bias - bias
        return {
            "the bias is missing: add bias[o] to every number of output channel o": lambda: conv(
                bias=None
            ),
            "the kernel is turned by 180°: deep learning's convolution does not flip it": lambda: (
                conv(weight=weight.flip(2, 3))
            ),
            "the kernel is transposed: its rows go with the image's rows": lambda: conv(
                weight=weight.transpose(2, 3)
            ),
            "sum over all input channels: only the first one was used": lambda: conv(
                image[:1], weight[:, :1]
            ),
            "sum over the input channels, do not average": lambda: conv(
                weight=weight / image.shape[0]
            ),
            "add the bias once, not once for each input channel": lambda: conv(bias=many_channels),
            "the stride is left out: the window moves by `stride` pixels": lambda: conv(stride=1),
            "the output has the right size, but the windows start one pixel apart: start them at "
            "row · stride, column · stride": first_windows,
            "the padding is left out": lambda: conv(padding=0),
            one_side: padded_before,
            one_side + " (you padded the end only)": padded_after,
            "pad with zeros, do not repeat the edge": edge_repeated,
        }


def _with_input(case: Case) -> Case:
    """The case with the names of PyTorch's functions."""
    return {"input" if name == "image" else name: value for name, value in case.items()}


# --- 02.3 ----------------------------------------------------------------------------------------


class MaxPool(Exercise):
    """The answer: `pool_max(image, kernel_size, stride, padding=0)` → (C, H', W')."""

    id, points, title = "02.3", 5, "Max pooling by hand"
    ready_made = ("max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool2d", "MaxPool2d")

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(normal(rng, 1, 4, 4), 2, 2)
        yield self._case(normal(rng, 3, 6, 4), 2, 2)
        yield self._case(normal(rng, 1, 7, 5), 2, 2)  # the last row and column are dropped
        yield self._case(normal(rng, 2, 7, 7), 3, 2)  # windows overlap
        yield self._case(-1 - normal(rng, 1, 6, 6).abs(), 3, 2, 1)  # all negative, padded
        yield self._case(normal(rng, 1, 5, 5), 1, 2)
        for _ in range(8):
            kernel = int(rng.integers(2, 4))
            shape = (int(rng.integers(1, 4)), int(rng.integers(4, 9)), int(rng.integers(4, 9)))
            image = normal(rng, *shape) - float(rng.integers(0, 4))
            yield self._case(image, kernel, int(rng.integers(1, 4)), int(rng.integers(0, 2)))

    def _case(self, image: Tensor, kernel_size: int, stride: int, padding: int = 0) -> Case:
        return dict(image=image, kernel_size=kernel_size, stride=stride, padding=padding)

    def run(self, answer: Any, case: Case) -> Any:
        ready_made = ("max_pool2d", "max_pool2d_with_indices", "mkldnn_max_pool2d")
        return _run_watched(answer, case, ready_made)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, ready_made = _parts(result)
        if ready_made:
            return wrong("F.max_pool2d is what you are to write: use slices of the image")
        want = F.max_pool2d(**_with_input(case))
        return _judge_tensor(returned, want, self._mistakes(case))

    def _mistakes(self, case: Case) -> dict[str, Callable[[], Tensor]]:
        image, kernel = case["image"], case["kernel_size"]
        stride, padding = case["stride"], case["padding"]
        deep = "channels stay: take the maximum over each window, not over the channels"

        def pool(image=image, stride=stride, padding=padding, **options) -> Tensor:
            return F.max_pool2d(image, kernel, stride, padding, **options)

        return {
            deep: lambda: pool().amax(0, keepdim=True),
            deep + " too": lambda: pool().amax(0),
            "this is the mean of each window; the maximum is wanted": lambda: F.avg_pool2d(
                image, kernel, stride, padding
            ),
            "this is the smallest number of each window; the largest is wanted": lambda: (
                -pool(-image)
            ),
            "padding with 0 beats negative numbers: pad with -inf, which never wins": lambda: pool(
                F.pad(image, (padding,) * 4), padding=0
            ),
            "the padding is left out": lambda: pool(padding=0),
            "windows start `stride` pixels apart, which need not be the kernel size": lambda: pool(
                stride=kernel
            ),
            "windows start `stride` pixels apart, not one": lambda: pool(stride=1),
            "a window that does not fit completely is dropped (floor)": lambda: pool(
                ceil_mode=True
            ),
        }


# --- 02.4 ----------------------------------------------------------------------------------------

LENET5 = [["conv", 6, 5], ["pool", 2], ["conv", 16, 5], ["pool", 2], ["linear", 120]] + [
    ["linear", 84],
    ["linear", 10],
]


def _count(
    input_shape: list[int],
    layers: list,
    *,
    conv: Callable = conv_parameters,
    linear: Callable = linear_parameters,
    flat: Callable = math.prod,
    pool: Callable = lambda channels, kernel: 0,
    keep_size: bool = False,
) -> int:
    """Parameters of a network as `CountParameters` describes it; the options are mistakes."""
    shape, total = list(input_shape), 0
    for kind, number, *kernel in layers:
        if kind == "conv":
            total += conv(shape[0], number, *kernel)
            sizes = shape[1:] if keep_size else [size - kernel[0] + 1 for size in shape[1:]]
            shape = [number, *sizes]
        elif kind == "pool":
            total += pool(shape[0], number)
            shape = [shape[0], *(size // number for size in shape[1:])]
        else:
            total += linear(flat(shape) if len(shape) == 3 else shape[0], number)
            shape = [number]
    return total


class CountParameters(Exercise):
    """The answer: `count_parameters(input_shape, layers)` → int.

    Layers are ("conv", filters, kernel_size) with stride 1 and no padding, ("pool", kernel_size)
    with the stride of its size, and ("linear", outputs); all but pooling have biases.
    """

    id, points, title = "02.4", 5, "Parameters of a network"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case((3, 32, 32), [["conv", 6, 5]])
        yield self._case((400, 1, 1), [["linear", 120]])
        yield self._case((3, 32, 32), [["conv", 6, 5], ["conv", 16, 3]])
        yield self._case((3, 8, 8), [["pool", 2], ["linear", 10]])
        yield self._case((1, 32, 32), LENET5)
        yield self._case((3, 32, 32), LENET5)
        yield self._case((2, 11, 8), [["conv", 4, 1], ["pool", 3], ["linear", 5]])
        for _ in range(10):
            yield self._random_case(rng)

    def _random_case(self, rng: Generator) -> Case:
        def filters() -> int:
            return int(rng.integers(2, 33))

        layers = [
            ["conv", filters(), int(rng.choice([1, 3, 5]))] for _ in range(rng.integers(1, 4))
        ]
        layers.insert(int(rng.integers(1, len(layers) + 1)), ["pool", int(rng.integers(2, 4))])
        layers += [["linear", filters()] for _ in range(rng.integers(0, 3))]
        shape = (int(rng.integers(1, 5)), int(rng.integers(32, 41)), int(rng.integers(32, 41)))
        return self._case(shape, layers)

    def _case(self, input_shape: tuple[int, int, int], layers: list) -> Case:
        return dict(input_shape=list(input_shape), layers=layers)

    def describe(self, case: Case) -> str:
        layers = ", ".join(str(tuple(layer)) for layer in case["layers"])
        return f"input_shape={tuple(case['input_shape'])}, layers=[{layers}]"

    def run(self, answer: Any, case: Case) -> Any:
        layers = [tuple(layer) for layer in case["layers"]]
        return answer(tuple(case["input_shape"]), layers)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        def count(**mistake: Any) -> int:
            return _count(**case, **mistake)

        mistakes = {
            "biases are missing: one for each filter and for each output of a linear layer": count(
                conv=lambda i, o, f: conv_parameters(i, o, f, bias=False),
                linear=lambda i, o: linear_parameters(i, o, bias=False),
            ),
            "the convolutions have biases too: one for each filter": count(
                conv=lambda i, o, f: conv_parameters(i, o, f, bias=False)
            ),
            "the linear layers have biases too: one for each output": count(
                linear=lambda i, o: linear_parameters(i, o, bias=False)
            ),
            "a filter has one bias, not one for each input channel": count(
                conv=lambda i, o, f: o * i * (f * f + 1)
            ),
            "a filter is full in depth: it has F·F weights for each input channel": count(
                conv=lambda i, o, f: o * (f * f + 1)
            ),
            "a kernel has F·F weights, not F": count(conv=lambda i, o, f: o * (f * i + 1)),
            "a layer's input channels are the filters of the layer before it, not those of the "
            "image": count(conv=lambda i, o, f: conv_parameters(case["input_shape"][0], o, f)),
            "flattening keeps the channels: the first linear layer gets C·H·W numbers": count(
                flat=lambda shape: shape[1] * shape[2]
            ),
            "the first linear layer gets C·H·W numbers, not only the C channels": count(
                flat=lambda shape: shape[0]
            ),
            "pooling has no parameters: it only compares": count(
                pool=lambda channels, kernel: channels * kernel * kernel
            ),
            "convolution without padding makes the image smaller by F − 1": count(keep_size=True),
        }
        return _judge_count(result, count(), mistakes)


# --- 02.5 ----------------------------------------------------------------------------------------


def _field(layers: list[list[int]], step: Callable[[int, int, int], int], start: int = 1) -> int:
    """Add up `step(kernel_size, stride, jump)` over the layers."""
    size, jump = start, 1
    for kernel, stride in layers:
        size += step(kernel, stride, jump)
        jump *= stride
    return size


class FieldSize(Exercise):
    """The answer: `field_size(layers)` → int, for layers (kernel_size, stride), image first."""

    id, points, title = "02.5", 4, "Receptive field of a stack"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield dict(layers=[[3, 1], [3, 1]])
        yield dict(layers=[[3, 1], [3, 1], [3, 1]])
        yield dict(layers=[])
        yield dict(layers=[[3, 2], [4, 3], [2, 1]])
        yield dict(layers=[[5, 1], [2, 2], [5, 1], [2, 2]])  # LeNet-5
        yield dict(layers=[[11, 4], [3, 2], [5, 1], [3, 2]])  # the first half of AlexNet
        for _ in range(10):
            count = int(rng.integers(2, 6))
            kernels, strides = rng.integers(1, 6, count), rng.integers(1, 4, count)
            yield dict(layers=[list(map(int, pair)) for pair in zip(kernels, strides, strict=True)])

    def describe(self, case: Case) -> str:
        return f"layers={[tuple(layer) for layer in case['layers']]}"

    def run(self, answer: Any, case: Case) -> Any:
        return answer([tuple(layer) for layer in case["layers"]])

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        layers = case["layers"]
        want = receptive_field(dict(kernel_size=k, stride=s) for k, s in layers).size
        without_overlap = "neighbouring windows overlap: each layer adds kernel_size − 1 steps"
        mistakes = {
            without_overlap: _field(layers, lambda k, s, j: k, 0),
            without_overlap + ", not kernel_size": _field(layers, lambda k, s, j: k * j, 0),
            "start with 1: a pixel of the image sees itself": want - 1,
            "after a stride, neighbouring outputs are more than one pixel apart: multiply "
            "kernel_size − 1 by the jump": _field(layers, lambda k, s, j: k - 1),
            "a layer's own stride spreads the windows of the next layer, not its own": _field(
                layers, lambda k, s, j: (k - 1) * j * s
            ),
            "only the stride of the layer just before was used: jumps multiply up over all layers "
            "before": 1
            + sum(
                (k - 1) * before
                for (k, _), (_, before) in zip(layers, [[1, 1], *layers], strict=False)
            ),
            "the layers are walked from the wrong end: the first in the list is next to the "
            "image": _field(layers[::-1], lambda k, s, j: (k - 1) * j),
            "fields add up, they do not multiply": math.prod(k for k, _ in layers),
        }
        return _judge_count(result, want, mistakes)


# --- 02.6 ----------------------------------------------------------------------------------------

MOST_LAYERS, LARGEST_KERNEL = 10, 7


class ChooseLayers(Exercise):
    """The answer: `choose_layers(size, target, field)` → a list of (kernel_size, stride, padding).

    Any stack that keeps the five rules of the task is right.
    """

    id, points, title = "02.6", 6, "Choose layers that meet given sizes"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield dict(size=32, target=32, field=7)
        yield dict(size=32, target=28, field=5)
        yield dict(size=32, target=16, field=2)
        yield dict(size=31, target=15, field=3)  # 31 is odd: a 2×2 window would lose the last row
        yield dict(size=9, target=9, field=9)
        yield dict(size=224, target=28, field=40)
        yield dict(size=227, target=113, field=11)
        for _ in range(12):
            target = int(rng.integers(4, 40))
            halvings = int(rng.integers(0, 4))
            size = target * 2**halvings + int(rng.integers(0, 2**halvings + 3))
            yield dict(size=size, target=target, field=int(rng.integers(2, 31)))

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or not all(_is_layer(layer) for layer in result):
            return wrong(
                "return a list of (kernel_size, stride, padding), three whole numbers for each "
                f"layer; your code returned {describe(result)}"
            )
        if len(result) > MOST_LAYERS:
            return wrong(f"at most {MOST_LAYERS} layers: yours are {len(result)}")
        size, problem = _follow(case["size"], result)
        if problem:
            return wrong(problem)
        if size != case["target"]:
            return wrong(f"your layers lead to size {size}, the target is {case['target']}")
        seen = receptive_field(dict(kernel_size=k, stride=s) for k, s, _ in result).size
        if seen < case["field"]:
            return wrong(
                f"the receptive field is {seen}, at least {case['field']} is wanted: layers with "
                "stride 1 and padding (kernel_size − 1)/2 widen it and keep the size"
            )
        return right()


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, list) and len(layer) == 3 and all(type(n) is int for n in layer)


def _follow(size: int, layers: list[list[int]]) -> tuple[int, str | None]:
    """The size after the layers, or what is wrong with one of them."""
    for number, (kernel, stride, padding) in enumerate(layers, start=1):
        if not 1 <= kernel <= LARGEST_KERNEL:
            return size, f"layer {number}: kernel_size must be 1 to {LARGEST_KERNEL}, not {kernel}"
        if not 0 <= padding <= kernel // 2:
            return size, (
                f"layer {number}: padding {padding} is not between 0 and half of the kernel size "
                f"{kernel}: some windows would read more padding than image"
            )
        try:
            after = conv_output_size(size, kernel, stride, padding)
        except ValueError as error:
            return size, f"layer {number}: {error}"
        lost = [i for i, n in enumerate(read_counts(size, kernel, stride, padding)) if n == 0]
        if lost:
            why = "its stride jumps over them" if stride > kernel else "the floor drops them"
            return size, (
                f"layer {number} never reads {len(lost)} of the {size} rows it is given, from row "
                f"{lost[0]} on: {why}"
            )
        size = after
    return size, None


EXERCISES = [
    OutputSize(),
    Convolution(),
    MaxPool(),
    CountParameters(),
    FieldSize(),
    ChooseLayers(),
]
