"""What lecture 02 asks: sizes, convolution and pooling by hand, parameters, receptive fields."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from numpy.random import Generator

from ...arithmetic import conv_output_size
from ...exercises.core import Case
from .core import Examiner

# --- 02.1 ----------------------------------------------------------------------------------------


class OutputSize(Examiner):
    """Sizes after a convolution; 0 where the kernel does not fit."""

    id = "02.1"

    def examples(self) -> Iterator[Case]:
        yield dict(size=5, kernel_size=3)
        yield dict(size=32, kernel_size=5, padding=2)
        yield dict(size=227, kernel_size=11, stride=4)
        yield dict(size=224, kernel_size=11, stride=4, padding=2)

    def cases(self, rng: Generator) -> Iterator[Case]:
        def between(low: int, high: int) -> int:
            return int(rng.integers(low, high + 1))

        for _ in range(2):
            stride, steps = between(3, 6), between(1, 9)  # floor and rounding differ
            kernel = between(2, 7)
            yield dict(size=kernel + stride * steps + stride - 1, kernel_size=kernel, stride=stride)
            dilation = between(2, 5)
            yield dict(size=between(20, 60), kernel_size=3, dilation=dilation)
            size = between(4, 40)
            yield dict(size=size, kernel_size=size)
            yield dict(size=size, kernel_size=size + between(2, 6))  # does not fit
            yield dict(size=2 * dilation, kernel_size=3, dilation=dilation)  # nor once it is spread
        for _ in range(14):
            yield dict(
                size=between(4, 64),
                kernel_size=between(1, 7),
                stride=between(1, 4),
                padding=between(0, 3),
                dilation=between(1, 3),
            )

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


EXAMINERS = [OutputSize()]
