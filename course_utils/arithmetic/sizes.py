"""Output sizes of convolution and pooling, and which pixels they read.

Sizes follow Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), and
agree with PyTorch, errors included. A size, kernel, stride, padding or dilation is one number, or
a pair (height, width); the answer is a pair when any of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import overload

from ..withheld import asked_for

Pair = int | tuple[int, int]


@overload
def conv_output_size(
    size: int, kernel_size: int, stride: int = 1, padding: int | str = 0, dilation: int = 1
) -> int: ...


@overload
def conv_output_size(
    size: Pair, kernel_size: Pair, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1
) -> Pair: ...


@asked_for("02.1", "04.1", "12.3")
def conv_output_size(
    size: Pair,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
) -> Pair:
    """floor((size + 2·padding − dilation·(kernel_size − 1) − 1) / stride) + 1.

    Args:
        size: of the input, in pixels.
        kernel_size: in pixels.
        stride: pixels from one window to the next.
        padding: pixels on each side; or "valid" (none), or "same" (the output has the input's size;
            stride 1 only).
        dilation: pixels from one kernel weight to the next.

    Raises:
        ValueError: the kernel does not fit into the padded input.

    Example:
        >>> conv_output_size(224, 11, stride=4, padding=2)
        55
        >>> conv_output_size((7, 9), 3)
        (5, 7)
    """
    return _per_axis(_conv_axis, size, kernel_size, stride, padding, dilation)


@asked_for("02.1", "04.1", "12.3")
def pool_output_size(
    size: Pair,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Pair:
    """Like `conv_output_size`, with a pooling layer's rules.

    The stride is the kernel size unless given, and padding is at most half of the kernel size. With
    `ceil_mode` the division is rounded up, but the last window must start inside the input or its
    left padding.

    Raises:
        ValueError: the window does not fit into the padded input, or the padding is too wide.

    Example:
        >>> pool_output_size(112, 3, stride=2), pool_output_size(112, 3, stride=2, ceil_mode=True)
        (55, 56)
    """
    stride = kernel_size if stride is None else stride

    def axis(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        return _pool_axis(size, kernel, stride, padding, dilation, ceil_mode)

    return _per_axis(axis, size, kernel_size, stride, padding, dilation)


@asked_for("04.1")
def layer_sizes(
    size: int, layers: Sequence[tuple[int, int, int]], round_up: bool = False
) -> list[tuple[int, int]]:
    """Follow one axis of an image through convolutions and poolings. Used in lecture 04.

    Args:
        size: pixels of the image.
        layers: (kernel size, stride, padding) of each layer, from the image on.
        round_up: as the program of 2012 does; PyTorch rounds down.

    Returns:
        (output size, pixels of the padded input behind the last window) for each layer, up to the
        first one that does not fit. A negative number: the last window reaches over the edge.

    Example:
        >>> layer_sizes(224, [(11, 4, 0)]), layer_sizes(224, [(11, 4, 0)], round_up=True)
        ([(54, 1)], [(55, -3)])
    """
    found: list[tuple[int, int]] = []
    for kernel_size, stride, padding in layers:
        room = size + 2 * padding - kernel_size
        if room < 0:
            break
        steps = -(-room // stride) if round_up else room // stride
        size = steps + 1
        found.append((size, room - steps * stride))
    return found


def adaptive_windows(size: int, output_size: int) -> list[tuple[int, int]]:
    """The windows (start, stop) that adaptive pooling averages: floor(i·n/k) to ceil((i+1)·n/k).

    They can overlap and differ in length by one when k does not divide n.

    Example:
        >>> adaptive_windows(8, 3)
        [(0, 3), (2, 6), (5, 8)]
    """
    size, output_size = _whole(size, "size", 1), _whole(output_size, "output_size", 1)
    return [
        (i * size // output_size, -(-(i + 1) * size // output_size)) for i in range(output_size)
    ]


def read_counts(
    size: int, kernel_size: int, stride: int = 1, padding: int | str = 0, dilation: int = 1
) -> list[int]:
    """How many windows read each of the `size` pixels along one axis. Zero: never read.

    In two dimensions pixel (y, x) is read counts[y] · counts[x] times.

    Example:
        >>> read_counts(6, 3)
        [1, 2, 3, 3, 2, 1]
    """
    windows = conv_output_size(size, kernel_size, stride, padding, dilation)
    before, _ = pad_widths(kernel_size, padding, dilation)
    counts = [0] * size
    for window in range(windows):
        for tap in range(kernel_size):
            pixel = window * stride - before + tap * dilation
            if 0 <= pixel < size:
                counts[pixel] += 1
    return counts


def unread(
    size: int, kernel_size: int, stride: int = 1, padding: int | str = 0, dilation: int = 1
) -> list[int]:
    """The pixels along one axis that no window reads: lost to the floor, or skipped over.

    Example:
        >>> unread(8, 3, stride=3)
        [6, 7]
    """
    counts = read_counts(size, kernel_size, stride, padding, dilation)
    return [pixel for pixel, count in enumerate(counts) if count == 0]


def pad_widths(kernel_size: int, padding: int | str, dilation: int = 1) -> tuple[int, int]:
    """Pixels of padding before and after, along one axis.

    "same" with an even window needs an odd number: PyTorch puts the extra one after.

    Raises:
        ValueError: the padding is another word.
    """
    if padding == "same":
        total = dilation * (kernel_size - 1)
        return total // 2, total - total // 2
    if padding == "valid":
        return 0, 0
    if isinstance(padding, str):
        raise ValueError(f'padding must be a number, "same" or "valid", got {padding!r}')
    return padding, padding


@overload
def as_pair(value: int | tuple[int, ...] | list[int]) -> tuple[int, int]: ...


@overload
def as_pair(value: str) -> tuple[str, str]: ...


@overload
def as_pair(value: Pair | str) -> tuple[int, int] | tuple[str, str]: ...


def as_pair(value: int | tuple[int, ...] | list[int] | str) -> tuple[int | str, int | str]:
    """(height, width) from one number, one word or a pair.

    Raises:
        ValueError: there are more or less than two numbers.
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"expected one number or a pair (height, width), got {value!r}")
        return value[0], value[1]
    return value, value


def _per_axis(axis: Callable[..., int], *values: Pair | str) -> Pair:
    """Apply `axis` to height and width; one number when every value is one number."""
    heights, widths = zip(*(as_pair(value) for value in values), strict=True)
    height = axis(*heights)
    if not any(isinstance(value, (tuple, list)) for value in values):
        return height
    return height, axis(*widths)


@asked_for("02.1", "04.1", "12.3")
def _conv_axis(size: int, kernel: int, stride: int, padding: int | str, dilation: int) -> int:
    size, kernel, stride, dilation = _check(size, kernel, stride, dilation)
    if padding == "same" and stride != 1:
        raise ValueError(f'padding="same" needs stride 1, got stride {stride}: give a number')
    if not isinstance(padding, str):
        padding = _whole(padding, "padding", 0)
    padded = size + sum(pad_widths(kernel, padding, dilation))
    span = dilation * (kernel - 1) + 1
    if span > padded:
        raise _does_not_fit(span, size, padded, kernel, dilation)
    return (padded - span) // stride + 1


def _pool_axis(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> int:
    size, kernel, stride, dilation = _check(size, kernel, stride, dilation)
    padding = _whole(padding, "padding", 0)
    span = dilation * (kernel - 1) + 1
    if padding > kernel // 2:
        raise ValueError(
            f"padding {padding} is more than half of the pooling window's {kernel} pixels: "
            f"use at most {kernel // 2}"
        )
    room = size + 2 * padding - span + (stride - 1 if ceil_mode else 0)
    if room < 0:
        raise _does_not_fit(span, size, size + 2 * padding, kernel, dilation)
    windows = room // stride + 1
    if ceil_mode and (windows - 1) * stride >= size + padding:
        windows -= 1  # that window would see nothing but the padding on the right
    return windows


def _check(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int, int, int]:
    return (
        _whole(size, "size", 1),
        _whole(kernel, "kernel_size", 1),
        _whole(stride, "stride", 1),
        _whole(dilation, "dilation", 1),
    )


def _whole(value: int, name: str, least: int) -> int:
    try:
        value = index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def _does_not_fit(span: int, size: int, padded: int, kernel: int, dilation: int) -> ValueError:
    window = f"kernel_size {kernel}"
    if dilation > 1:
        window += f" with dilation {dilation} spans {span} pixels and"
    where = f"size {size}" if padded == size else f"size {size}, {padded} with padding"
    return ValueError(
        f"{window} does not fit into an input of {where}: "
        "use a smaller kernel or dilation, or more padding"
    )
