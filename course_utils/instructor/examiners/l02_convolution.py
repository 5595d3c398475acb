"""What lecture 02 asks: sizes, convolution and pooling by hand, parameters, receptive fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...arithmetic import conv_output_size, conv_parameters, linear_parameters, receptive_field
from ...exercises.core import Case
from .core import Examiner, mistaken
from .tensors import normal


def _between(rng: Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


# --- 02.1 ----------------------------------------------------------------------------------------


class OutputSize(Examiner):
    """Sizes after a convolution; 0 where the kernel does not fit."""

    id = "02.1"

    def examples(self) -> Iterator[Case]:
        yield dict(size=5, kernel_size=3)
        yield dict(size=32, kernel_size=5, padding=2)
        yield dict(size=224, kernel_size=11, stride=4)
        yield dict(size=224, kernel_size=11, stride=4, padding=2)

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):
            stride, steps = _between(rng, 3, 6), _between(rng, 1, 9)  # floor and rounding differ
            kernel, dilation = _between(rng, 3, 7), _between(rng, 2, 9)
            spread = dilation * (kernel - 1) + 1
            yield self._case(kernel + stride * steps + stride - 1, kernel, stride=stride)
            yield self._case(spread + _between(rng, 4, 30), kernel, dilation=dilation)
            size = _between(rng, 4, 99)
            yield self._case(size, size)
            yield self._case(size, size + _between(rng, 2, 6))  # does not fit
            # Nor does it spread out, by less than a stride: -1 / 3 must not be rounded to 0.
            size = spread - _between(rng, 1, 2)
            yield self._case(size, kernel, stride=stride, dilation=dilation)
        for _ in range(14):
            yield self._case(
                *(_between(rng, 4, 64), _between(rng, 1, 7)),
                stride=_between(rng, 1, 4),
                padding=_between(rng, 0, 3),
                dilation=_between(rng, 1, 3),
            )

    @staticmethod
    def _case(size: int, kernel_size: int, **options: int) -> Case:
        defaults = dict(stride=1, padding=0, dilation=1)
        return dict(size=size, kernel_size=kernel_size) | defaults | options

    def key(self, case: Case) -> Any:
        try:
            want = conv_output_size(**case)
        except ValueError:
            return dict(want=0, mistakes={})
        return dict(want=want, mistakes=_size_mistakes(**case))


def _size_mistakes(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> dict[str, float]:
    span = dilation * (kernel_size - 1) + 1
    room = size + 2 * padding - span
    remainder = "sizes are whole: windows that do not fit completely are dropped. Use //"
    return {
        "one window always fits at the start: add 1 at the end": room // stride,
        "the stride divides the number of steps: it was left out": room + 1,
        "padding is added on both sides: 2 · padding": (room - padding) // stride + 1,
        "padding makes the image larger: it was left out": (room - 2 * padding) // stride + 1,
        "dilation spreads the kernel over dilation · (kernel_size − 1) + 1 pixels: it was left "
        "out": (size + 2 * padding - kernel_size) // stride + 1,
        "a dilated kernel spans dilation · (kernel_size − 1) + 1 pixels, not dilation · "
        "kernel_size: there is a gap less than there are taps": (
            size + 2 * padding - dilation * kernel_size
        )
        // stride
        + 1,
        remainder: room / stride + 1,
        remainder + " (you rounded up)": math.ceil(room / stride) + 1,
        remainder + " (you rounded)": round(room / stride) + 1,
    }


# --- 02.2 ----------------------------------------------------------------------------------------


class Convolution(Examiner):
    """Images and filters of random numbers, and each way to slide a window."""

    id = "02.2"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, (1, 5, 5), 1, 3)
        yield self._case(rng, (3, 6, 6), 1, 3)
        yield self._case(rng, (1, 5, 7), 2, 3)
        yield self._case(rng, (1, 7, 7), 1, 3, stride=2)
        yield self._case(rng, (1, 8, 9), 1, 3, stride=3)  # a remainder is dropped
        yield self._case(rng, (1, 5, 5), 1, 3, padding=1)
        yield self._case(rng, (2, 5, 6), 4, 1)
        for _ in range(5):
            kernel = _between(rng, 1, 4)
            shape = (_between(rng, 1, 3), _between(rng, 4, 6), _between(rng, 4, 6))
            window = dict(stride=_between(rng, 1, 3), padding=_between(rng, 0, 2))
            yield self._case(rng, shape, _between(rng, 1, 3), kernel, **window)

    @staticmethod
    def _case(
        rng: Generator, shape: tuple[int, int, int], filters: int, kernel: int, **window: int
    ) -> Case:
        weight = normal(rng, filters, shape[0], kernel, kernel)
        image, bias = normal(rng, *shape), 1 + normal(rng, filters)
        return dict(image=image, weight=weight, bias=bias, **window)

    def key(self, case: Case) -> Any:
        made = _convolution_mistakes(**case)
        want = _conv(**case)
        return dict(want=want, mistakes=mistaken(made, lambda make: make(), want))


def _conv(
    image: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0
) -> Tensor:
    return F.conv2d(image[None], weight, bias, stride, padding)[0]


def _convolution_mistakes(
    image: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0
) -> dict[str, Callable[[], Tensor]]:
    def conv(image=image, weight=weight, bias=bias, stride=stride, padding=padding) -> Tensor:
        return _conv(image, weight, bias, stride, padding)

    def first_windows() -> Tensor:
        rows, columns = conv().shape[1:]
        return conv(stride=1)[:, :rows, :columns]

    def padded(left: int, right: int, mode: str = "constant") -> Tensor:
        sides = (left * padding, right * padding) * 2
        return conv(F.pad(image[None], sides, mode=mode)[0], padding=0)

    one_side = "pad all four sides: left and right, above and below"
    return {
        "the bias is missing: add bias[o] to every number of output channel o": lambda: conv(
            bias=None
        ),
        "the kernel is turned by 180°: deep learning's convolution does not flip it": lambda: conv(
            weight=weight.flip(2, 3)
        ),
        "the kernel is transposed: its rows go with the image's rows": lambda: conv(
            weight=weight.transpose(2, 3)
        ),
        "sum over all input channels: only the first one was used": lambda: conv(
            image[:1], weight[:, :1]
        ),
        "sum over the input channels, do not average": lambda: conv(weight=weight / len(image)),
        "add the bias once, not once for each input channel": lambda: conv(bias=len(image) * bias),
        "the stride is left out: the window moves by `stride` pixels": lambda: conv(stride=1),
        "the output has the right size, but the windows start one pixel apart: start them at "
        "row · stride, column · stride": first_windows,
        "the padding is left out": lambda: conv(padding=0),
        one_side: lambda: padded(1, 0),
        one_side + " (you padded the end only)": lambda: padded(0, 1),
        "pad with zeros, do not repeat the edge": lambda: padded(1, 1, "replicate"),
    }


# --- 02.3 ----------------------------------------------------------------------------------------


class MaxPool(Examiner):
    """Windows that overlap, leave a remainder or lie in the padding; negative numbers."""

    id = "02.3"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(normal(rng, 1, 4, 4), 2, 2)
        yield self._case(normal(rng, 3, 6, 4), 2, 2)
        yield self._case(normal(rng, 1, 7, 5), 2, 2)  # the last row and column are dropped
        yield self._case(normal(rng, 2, 7, 7), 3, 2)  # windows overlap
        # Padded, and below any number that one might think is low enough.
        yield self._case(-5000 - normal(rng, 1, 6, 6, scale=999).abs(), 3, 2, 1)
        yield self._case(normal(rng, 1, 5, 5), 1, 2)
        for _ in range(8):
            kernel = _between(rng, 2, 3)
            shape = (_between(rng, 1, 3), _between(rng, 4, 8), _between(rng, 4, 8))
            image = normal(rng, *shape) - float(rng.integers(0, 4))
            yield self._case(image, kernel, _between(rng, 1, 3), _between(rng, 0, 1))

    @staticmethod
    def _case(image: Tensor, kernel_size: int, stride: int, padding: int = 0) -> Case:
        return dict(image=image, kernel_size=kernel_size, stride=stride, padding=padding)

    def key(self, case: Case) -> Any:
        want = F.max_pool2d(*case.values())
        made = _pooling_mistakes(**case)
        return dict(want=want, mistakes=mistaken(made, lambda make: make(), want))


def _pooling_mistakes(
    image: Tensor, kernel_size: int, stride: int, padding: int
) -> dict[str, Callable[[], Tensor]]:
    def pool(image=image, stride=stride, padding=padding, **options) -> Tensor:
        return F.max_pool2d(image, kernel_size, stride, padding, **options)

    deep = "channels stay: take the maximum over each window, not over the channels"
    return {
        deep: lambda: pool().amax(0, keepdim=True),
        deep + " too": lambda: pool().amax(0),
        "this is the mean of each window; the maximum is wanted": lambda: F.avg_pool2d(
            image, kernel_size, stride, padding
        ),
        "this is the smallest number of each window; the largest is wanted": lambda: -pool(-image),
        "padding with 0 beats negative numbers: pad with -inf, which never wins": lambda: pool(
            F.pad(image, (padding,) * 4), padding=0
        ),
        "the padding is left out": lambda: pool(padding=0),
        "windows start `stride` pixels apart, which need not be the kernel size": lambda: pool(
            stride=kernel_size
        ),
        "windows start `stride` pixels apart, not one": lambda: pool(stride=1),
        "a window that does not fit completely is dropped (floor)": lambda: pool(ceil_mode=True),
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


class CountParameters(Examiner):
    """Single layers, small networks, and any network."""

    id = "02.4"

    def examples(self) -> Iterator[Case]:
        yield self._case((3, 32, 32), ["conv", 6, 5])
        yield self._case((400, 1, 1), ["linear", 120])
        yield self._case((3, 32, 32), ["conv", 6, 5], ["conv", 16, 3])
        yield self._case((3, 8, 8), ["pool", 2], ["linear", 10])
        yield self._case((1, 32, 32), *LENET5)
        yield self._case((3, 32, 32), *LENET5)
        yield self._case((2, 11, 8), ["conv", 4, 1], ["pool", 3], ["linear", 5])

    def cases(self, rng: Generator) -> Iterator[Case]:
        def some() -> int:
            return _between(rng, 2, 32)

        kernel, halves = _between(rng, 2, 6), 2 * _between(rng, 3, 8)
        yield self._case((some(), 32, 32), ["conv", some(), kernel])
        yield self._case((10 * some(), 1, 1), ["linear", some()])
        yield self._case((some(), 32, 32), ["conv", some(), kernel], ["conv", some(), 3])
        yield self._case((some(), halves, halves), ["pool", 2], ["linear", some()])
        window = _between(rng, 3, 5)  # pooling leaves a remainder below and at the right
        rows, columns = (window * _between(rng, 2, 4) + rest for rest in (1, window - 1))
        layers = ["conv", some(), 1], ["pool", window], ["linear", some()]
        yield self._case((some(), rows, columns), *layers)
        for _ in range(12):
            yield self._random_case(rng)

    def _random_case(self, rng: Generator) -> Case:
        layers: list[list] = [
            ["conv", _between(rng, 2, 32), int(rng.choice([1, 3, 5]))]
            for _ in range(rng.integers(1, 4))
        ]
        layers.insert(_between(rng, 1, len(layers)), ["pool", _between(rng, 2, 3)])
        layers += [["linear", _between(rng, 2, 32)] for _ in range(rng.integers(0, 3))]
        shape = (_between(rng, 1, 4), _between(rng, 32, 40), _between(rng, 32, 40))
        return self._case(shape, *layers)

    @staticmethod
    def _case(input_shape: tuple[int, int, int], *layers: list) -> Case:
        return dict(input_shape=list(input_shape), layers=list(layers))

    def key(self, case: Case) -> Any:
        def count(mistake: dict[str, Any]) -> int:
            return _count(**case, **mistake)

        want = count({})
        made = mistaken(_counting_mistakes(case["input_shape"][0]), count, want)
        return dict(want=want, mistakes=made)


def _counting_mistakes(channels: int) -> dict[str, dict[str, Any]]:
    """Return the options of `_count` for each mistake; the image has so many channels."""

    def conv_without_bias(i: int, o: int, f: int) -> int:
        return conv_parameters(i, o, f, bias=False)

    def linear_without_bias(i: int, o: int) -> int:
        return linear_parameters(i, o, bias=False)

    return {
        "biases are missing: one for each filter and for each output of a linear layer": dict(
            conv=conv_without_bias, linear=linear_without_bias
        ),
        "the convolutions have biases too: one for each filter": dict(conv=conv_without_bias),
        "the linear layers have biases too: one for each output": dict(linear=linear_without_bias),
        "a filter has one bias, not one for each input channel": dict(
            conv=lambda i, o, f: o * i * (f * f + 1)
        ),
        "a filter is full in depth: it has F·F weights for each input channel": dict(
            conv=lambda i, o, f: o * (f * f + 1)
        ),
        "a kernel has F·F weights, not F": dict(conv=lambda i, o, f: o * (f * i + 1)),
        "a layer's input channels are the filters of the layer before it, not those of the "
        "image": dict(conv=lambda i, o, f: conv_parameters(channels, o, f)),
        "flattening keeps the channels: the first linear layer gets C·H·W numbers": dict(
            flat=lambda shape: shape[1] * shape[2]
        ),
        "the first linear layer gets C·H·W numbers, not only the C channels": dict(
            flat=lambda shape: shape[0]
        ),
        "pooling has no parameters: it only compares": dict(
            pool=lambda channels, kernel: channels * kernel * kernel
        ),
        "convolution without padding makes the image smaller by F − 1": dict(keep_size=True),
    }


# --- 02.5 ----------------------------------------------------------------------------------------


def _field(layers: list[list[int]], step: Callable[[int, int, int], int], start: int = 1) -> int:
    """Add up `step(kernel_size, stride, jump)` over the layers."""
    size, jump = start, 1
    for kernel, stride in layers:
        size += step(kernel, stride, jump)
        jump *= stride
    return size


class FieldSize(Examiner):
    """Stacks with and without strides, and single layers."""

    id = "02.5"

    def examples(self) -> Iterator[Case]:
        yield dict(layers=[[3, 1], [3, 1]])
        yield dict(layers=[[3, 1], [3, 1], [3, 1]])
        yield dict(layers=[])
        yield dict(layers=[[3, 2], [4, 3], [2, 1]])
        yield dict(layers=[[5, 1], [2, 2], [5, 1], [2, 2]])  # LeNet-5
        yield dict(layers=[[11, 4], [3, 2], [5, 1], [3, 2]])  # the first half of AlexNet

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield dict(layers=[[_between(rng, 2, 40), _between(rng, 1, 9)]])
        yield dict(layers=[[_between(rng, 4, 20), 1]] * _between(rng, 2, 5))
        yield dict(layers=[[_between(rng, 2, 7), _between(rng, 2, 4)] for _ in range(4)])
        for _ in range(11):
            layers = range(_between(rng, 3, 6))
            yield dict(layers=[[_between(rng, 1, 5), _between(rng, 1, 3)] for _ in layers])

    def key(self, case: Case) -> Any:
        layers = case["layers"]
        want = receptive_field(dict(kernel_size=k, stride=s) for k, s in layers).size
        without_overlap = "neighbouring windows overlap: each layer adds kernel_size − 1 steps"
        strides_before = [1, *(stride for _, stride in layers)]
        return dict(
            want=want,
            mistakes={
                without_overlap: _field(layers, lambda k, s, j: k, 0),
                without_overlap + ", not kernel_size": _field(layers, lambda k, s, j: k * j, 0),
                "start with 1: a pixel of the image sees itself": want - 1,
                "after a stride, neighbouring outputs are more than one pixel apart: multiply "
                "kernel_size − 1 by the jump": _field(layers, lambda k, s, j: k - 1),
                "a layer's own stride spreads the windows of the next layer, not its own": _field(
                    layers, lambda k, s, j: (k - 1) * j * s
                ),
                "only the stride of the layer just before was used: jumps multiply up over all "
                "layers before": 1
                + sum((k - 1) * s for (k, _), s in zip(layers, strides_before, strict=False)),
                "the layers are walked from the wrong end: the first in the list is next to the "
                "image": _field(layers[::-1], lambda k, s, j: (k - 1) * j),
                "fields add up, they do not multiply": math.prod(k for k, _ in layers),
            },
        )


# --- 02.6 ----------------------------------------------------------------------------------------


class ChooseLayers(Examiner):
    """Sizes to keep, to shrink a little and to halve, also odd ones; small and wide fields.

    The task promises that ten layers are enough: `size` is halved at most 3 times, each time
    rounded down, and then at most 6 smaller; `field` is at most 40.
    """

    id = "02.6"

    def examples(self) -> Iterator[Case]:
        yield dict(size=32, target=32, field=7)
        yield dict(size=32, target=28, field=5)
        yield dict(size=32, target=16, field=2)
        yield dict(size=31, target=15, field=3)  # 31 is odd: a 2×2 window would lose the last row
        yield dict(size=9, target=9, field=9)
        yield dict(size=40, target=40, field=30)  # ten layers are too few for 3×3 windows alone
        yield dict(size=224, target=28, field=40)
        yield dict(size=225, target=112, field=11)
        yield dict(size=13, target=7, field=40)  # 6 halves 13, so only small steps lead to 7

    def cases(self, rng: Generator) -> Iterator[Case]:
        n = _between(rng, 6, 59)
        yield dict(size=n, target=n, field=_between(rng, 4, 30))
        yield dict(size=n, target=n - _between(rng, 1, 5), field=_between(rng, 6, 12))
        yield dict(size=2 * n, target=n, field=_between(rng, 2, 9))
        yield dict(size=2 * n + 1, target=n, field=_between(rng, 3, 9))
        yield dict(size=8 * n, target=n, field=_between(rng, 30, 40))
        yield dict(size=200 + 2 * n + 1, target=100 + n, field=_between(rng, 8, 14))
        for _ in range(12):
            target = _between(rng, 4, 39)
            halvings = _between(rng, 0, 3)
            size = target * 2**halvings + _between(rng, 0, 2**halvings + 2)
            yield dict(size=size, target=target, field=_between(rng, 2, 30))

    def key(self, case: Case) -> Any:
        return {}  # any stack that keeps the rules is right


EXAMINERS = [
    OutputSize(),
    Convolution(),
    MaxPool(),
    CountParameters(),
    FieldSize(),
    ChooseLayers(),
]
