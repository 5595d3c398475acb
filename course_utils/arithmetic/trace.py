"""The shapes and costs of a network, layer by layer, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple

from torch import nn

from ..withheld import asked_for
from .costs import conv_flops, linear_flops
from .receptive import ReceptiveField
from .sizes import adaptive_windows, as_pair, conv_output_size, pool_output_size
from .table import Row, Trace

SAME_SHAPE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Softmax, nn.LogSoftmax, nn.Identity, nn.Dropout, nn.Dropout2d, nn.LocalResponseNorm),
)
Shape = tuple[int, ...]
Fields = tuple[ReceptiveField | None, ReceptiveField | None]  # height, width


class Window(NamedTuple):
    """What a layer with a kernel reads at a time, in the order of `conv_output_size`."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] | str
    dilation: tuple[int, int]


@asked_for("02.4", "05.3")
def trace(network: nn.Module | Iterable[nn.Module], input_shape: Shape) -> Trace:
    """Follow one image of `input_shape` (C, H, W) through layers that run one after the other.

    `network` is a list of layers, an `nn.Sequential` (nested ones too), or a network in
    torchvision's style: `features`, then perhaps `avgpool`, then a flattened `classifier`.
    Nothing is run: layers built under `torch.device("meta")` cost no memory.

    Args:
        network: its layers run one after the other, each on the output of the one before.
        input_shape: (C, H, W) of the image.

    Raises:
        ValueError: a layer, which is named, does not fit what it is given, or is of a kind with no
            rule here.

    Example:
        >>> lines = trace([nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)], (3, 32, 32))
        >>> lines.output_shape, lines.parameters, lines[2].receptive_field
        ((6, 14, 14), 456, (6, 6))
    """
    rows: list[Row] = []
    shape = input_shape = tuple(input_shape)
    fields: Fields = (ReceptiveField(), ReceptiveField())
    for name, layer in _leaves(_stages(network)):
        try:
            row, fields = _step(layer, shape, fields, input_shape)
        except ValueError as error:
            raise ValueError(f"layer {name} ({type(layer).__name__}): {error}") from None
        height, width = fields
        seen = None if height is None or width is None else (height.size, width.size)
        row = replace(row, name=name, receptive_field=seen)
        rows.append(row)
        shape = row.output_shape
    return Trace(input_shape, tuple(rows))


def _stages(network: nn.Module | Iterable[nn.Module]) -> list[tuple[str, nn.Module]]:
    if not isinstance(network, nn.Module):
        return [(str(number), layer) for number, layer in enumerate(network)]
    stages = list(network.named_children())
    if stages and not _is_sequential(network) and stages[-1][0] == "classifier":
        return [*stages[:-1], ("flatten", nn.Flatten()), stages[-1]]
    return stages if _is_sequential(network) else [("0", network)]


def _leaves(stages: Iterable[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    for name, module in stages:
        if _is_sequential(module):
            children = module.named_children()
            yield from _leaves((f"{name}.{child_name}", child) for child_name, child in children)
        else:
            yield name, module


def _is_sequential(module: nn.Module) -> bool:
    # a subclass with its own forward may do anything between its layers
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _step(layer: nn.Module, shape: Shape, fields: Fields, image: Shape) -> tuple[Row, Fields]:
    """The row (without its name) and the receptive fields after one layer."""
    if isinstance(layer, nn.Conv2d):
        return _conv(layer, shape, fields)
    if isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
        return _pool(layer, shape, fields)
    if isinstance(layer, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
        return _adaptive_pool(layer, shape, fields)
    if isinstance(layer, nn.Linear):
        return _linear(layer, shape, image)
    if isinstance(layer, nn.BatchNorm2d):
        _expect_channels(layer.num_features, shape)
        return Row("", "batch norm", shape, _parameters(layer)), fields
    if isinstance(layer, nn.Flatten) and layer.start_dim == 1 and layer.end_dim == -1:
        return Row("", "flatten", (prod(shape),)), fields
    if isinstance(layer, SAME_SHAPE):
        return Row("", type(layer).__name__, shape), fields
    raise ValueError("no rule for this kind of layer: trace its parts as a list of layers")


def _conv(layer: nn.Conv2d, shape: Shape, fields: Fields) -> tuple[Row, Fields]:
    _expect_channels(layer.in_channels, shape)
    window = _window(layer)
    size = as_pair(conv_output_size(as_pair(shape[1:]), *window))
    flops = conv_flops(shape[0], layer.out_channels, window.kernel_size, size, groups=layer.groups)
    row = Row("", _kind("conv", window), (layer.out_channels, *size), _parameters(layer), flops)
    return row, _fields_after(fields, window)


def _pool(layer: nn.MaxPool2d | nn.AvgPool2d, shape: Shape, fields: Fields) -> tuple[Row, Fields]:
    _expect_image(shape)
    window = _window(layer)
    kernel_size, stride, _, dilation = window
    padding = as_pair(layer.padding)
    size = pool_output_size(
        as_pair(shape[1:]), kernel_size, stride, padding, dilation, layer.ceil_mode
    )
    kind = _kind("max pool" if isinstance(layer, nn.MaxPool2d) else "avg pool", window)
    return Row("", kind, (shape[0], *as_pair(size))), _fields_after(fields, window)


def _adaptive_pool(
    layer: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d, shape: Shape, fields: Fields
) -> tuple[Row, Fields]:
    _expect_image(shape)
    wanted = layer.output_size
    height, width = wanted if isinstance(wanted, (tuple, list)) else (wanted, wanted)
    size = (shape[1] if height is None else height, shape[2] if width is None else width)
    after = (
        _field_after_adaptive(fields[0], shape[1], size[0]),
        _field_after_adaptive(fields[1], shape[2], size[1]),
    )
    kind = "adaptive max pool" if isinstance(layer, nn.AdaptiveMaxPool2d) else "adaptive avg pool"
    return Row("", kind, (shape[0], *size)), after


def _field_after_adaptive(
    field: ReceptiveField | None, size: int, output_size: int
) -> ReceptiveField | None:
    adaptive_windows(size, output_size)  # refuses impossible sizes
    window, rest = divmod(size, output_size)
    return None if field is None or rest else field.after(window, window)


def _linear(layer: nn.Linear, shape: Shape, image: Shape) -> tuple[Row, Fields]:
    if len(shape) != 1:
        raise ValueError(f"takes flat numbers, got shape {shape}: put nn.Flatten() before it")
    if shape[0] != layer.in_features:
        raise ValueError(f"takes {layer.in_features:,} numbers, but is given {shape[0]:,}")
    flops = linear_flops(layer.in_features, layer.out_features)
    row = Row("", "linear", (layer.out_features,), _parameters(layer), flops)
    if len(image) != 3:
        return row, (None, None)
    return row, (ReceptiveField(image[1]), ReceptiveField(image[2]))  # it sees the whole image


def _window(layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> Window:
    padding = layer.padding
    return Window(
        as_pair(layer.kernel_size),
        as_pair(layer.stride),
        padding if isinstance(padding, str) else as_pair(padding),
        as_pair(1 if isinstance(layer, nn.AvgPool2d) else layer.dilation),
    )


def _fields_after(fields: Fields, window: Window) -> Fields:
    kernel_size, stride, padding, dilation = window

    def after(axis: int) -> ReceptiveField | None:
        field, size = fields[axis], kernel_size[axis]
        if field is None:
            return None
        return field.after(size, stride[axis], as_pair(padding)[axis], dilation[axis])

    return after(0), after(1)


def _kind(name: str, window: Window) -> str:
    """For example "conv 3×3", "conv 11×11 /4 pad 2", "max pool 2×2 /2"."""
    height, width = window.kernel_size
    text = f"{name} {height}×{width}"
    usual = ((" /", window.stride, 1), (" pad ", window.padding, 0), (" dil ", window.dilation, 1))
    for label, value, default in usual:
        across, along = as_pair(value)
        if (across, along) != (default, default):
            text += f"{label}{across}" if across == along else f"{label}{across}×{along}"
    return text


def _parameters(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters())


def _expect_image(shape: Shape) -> None:
    if len(shape) != 3:
        raise ValueError(f"takes an image (channels, height, width), got shape {shape}")


def _expect_channels(channels: int, shape: Shape) -> None:
    _expect_image(shape)
    if shape[0] != channels:
        raise ValueError(f"takes {channels} channels, but is given {shape[0]}")
