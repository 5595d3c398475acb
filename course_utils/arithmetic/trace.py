"""The shapes and costs of a network, layer by layer, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod

from torch import nn

from .costs import conv_flops, linear_flops
from .receptive import ReceptiveField
from .sizes import adaptive_windows, as_pair, conv_output_size, pool_output_size
from .table import Row, Trace

SAME_SHAPE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Softmax, nn.LogSoftmax, nn.Identity, nn.Dropout, nn.Dropout2d, nn.LocalResponseNorm),
)
Shape = tuple[int, ...]
Fields = tuple[ReceptiveField | None, ...]  # height, width


def trace(network: nn.Module | Iterable[nn.Module], input_shape: Shape) -> Trace:
    """Follow one image of `input_shape` (C, H, W) through layers that run one after the other.

    `network` is a list of layers, an `nn.Sequential` (nested ones too), or a network in
    torchvision's style: `features`, then perhaps `avgpool`, then a flattened `classifier`.
    Nothing is run: layers built under `torch.device("meta")` cost no memory. Raises ValueError,
    naming the layer, when one does not fit what it is given or is of a kind with no rule here.
    """
    rows: list[Row] = []
    shape = input_shape = tuple(input_shape)
    fields: Fields = (ReceptiveField(), ReceptiveField())
    for name, layer in _leaves(_stages(network)):
        try:
            row, fields = _step(layer, shape, fields, input_shape)
        except ValueError as error:
            raise ValueError(f"layer {name} ({type(layer).__name__}): {error}") from None
        sizes = [field.size for field in fields if field is not None]
        row = replace(row, name=name, receptive_field=tuple(sizes) if len(sizes) == 2 else None)
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
    window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    size = conv_output_size(shape[1:], *window)
    flops = conv_flops(shape[0], layer.out_channels, layer.kernel_size, size, groups=layer.groups)
    row = Row("", _kind("conv", *window), (layer.out_channels, *size), _parameters(layer), flops)
    return row, _fields_after(fields, *window)


def _pool(layer: nn.MaxPool2d | nn.AvgPool2d, shape: Shape, fields: Fields) -> tuple[Row, Fields]:
    _expect_image(shape)
    window = (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    size = pool_output_size(shape[1:], *window, layer.ceil_mode)
    kind = _kind("max pool" if isinstance(layer, nn.MaxPool2d) else "avg pool", *window)
    return Row("", kind, (shape[0], *as_pair(size))), _fields_after(fields, *window)


def _adaptive_pool(
    layer: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d, shape: Shape, fields: Fields
) -> tuple[Row, Fields]:
    _expect_image(shape)
    wanted = as_pair(layer.output_size)
    size = tuple(
        have if want is None else want for want, have in zip(wanted, shape[1:], strict=True)
    )
    after = []
    for have, want, field in zip(shape[1:], size, fields, strict=True):
        adaptive_windows(have, want)  # refuses impossible sizes
        regular = field is not None and have % want == 0
        after.append(field.after(have // want, have // want) if regular else None)
    kind = "adaptive max pool" if isinstance(layer, nn.AdaptiveMaxPool2d) else "adaptive avg pool"
    return Row("", kind, (shape[0], *size)), tuple(after)


def _linear(layer: nn.Linear, shape: Shape, image: Shape) -> tuple[Row, Fields]:
    if len(shape) != 1:
        raise ValueError(f"takes flat numbers, got shape {shape}: put nn.Flatten() before it")
    if shape[0] != layer.in_features:
        raise ValueError(f"takes {layer.in_features:,} numbers, but is given {shape[0]:,}")
    flops = linear_flops(layer.in_features, layer.out_features)
    row = Row("", "linear", (layer.out_features,), _parameters(layer), flops)
    return row, tuple(ReceptiveField(size) for size in image[1:])  # it sees the whole image


def _fields_after(fields: Fields, *window) -> Fields:
    per_axis = zip(*(as_pair(value) for value in window), strict=True)
    return tuple(
        None if field is None else field.after(*axis)
        for field, axis in zip(fields, per_axis, strict=True)
    )


def _kind(name: str, kernel_size, stride, padding, dilation) -> str:
    """For example "conv 3×3", "conv 11×11 /4 pad 2", "max pool 2×2 /2"."""
    height, width = as_pair(kernel_size)
    text = f"{name} {height}×{width}"
    for label, value, usual in ((" /", stride, 1), (" pad ", padding, 0), (" dil ", dilation, 1)):
        across, along = as_pair(value)
        if (across, along) != (usual, usual):
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
