"""Lecture 02: sizes, convolution and pooling by hand, parameters, receptive fields, a design."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .core import (
    Case,
    Exercise,
    Verdict,
    describe,
    right,
    same_number,
    same_tensor,
    tensor_problem,
    wrong,
)
from .shared import first_mistake

# --- small helpers -------------------------------------------------------------------------------


def _judge_count(key: Any, result: Any) -> Verdict:
    """Judge a whole number."""
    if same_number(result, key["want"]):
        if type(result) is int:
            return right()
        return wrong("right, but as a float: sizes and counts are whole numbers (// or int)")
    if hint := first_mistake(result, key["mistakes"], same=lambda a, b: same_number(a, b, 1e-9)):
        return wrong(hint)
    if not isinstance(result, (int, float)):
        return wrong(f"return a whole number; your code returned {describe(result)}")
    return wrong(f"expected {key['want']}, got {describe(result)}")


def _judge_tensor(key: Any, result: Any) -> Verdict:
    problem = tensor_problem(result, key["want"], 1e-4)
    if problem is None:
        return right()
    return wrong(first_mistake(result, key["mistakes"]) or problem)


class _ByName(Exercise):
    """An exercise whose answer is called with the names of the case."""

    def run(self, answer: Any, case: Case) -> Any:
        with torch.no_grad():
            return answer(**case)


def _in_all_dimensions(*names: str) -> tuple[str, ...]:
    """Return the names with 1, 2 and 3 for their #."""
    return tuple(name.replace("#", number) for name in names for number in "123")


WINDOWS = ("unfold", "Unfold", "im2col", "sliding_window_view")

# --- 02.1 ----------------------------------------------------------------------------------------


class OutputSize(_ByName):
    """The answer: `size_after(size, kernel_size, stride=1, padding=0, dilation=1)` → int."""

    id, points, title = "02.1", 4, "Output size of a convolution"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if key["want"] == 0 and not same_number(result, 0):
            return wrong("this kernel does not fit into the padded image: the answer is 0")
        return _judge_count(key, result)


# --- 02.2 ----------------------------------------------------------------------------------------


class Convolution(_ByName):
    """The answer: `convolve(image, weight, bias, stride=1, padding=0)` → (O, H', W')."""

    id, points, title = "02.2", 6, "Convolution by hand"
    ready_made_hint = "F.conv2d is what you are to write: use slices of the image and sums"
    ready_made = (
        *("convolution", "_convolution", "_convolution_mode", "convolution_overrideable"),
        *("cudnn_convolution", "miopen_convolution", "mkldnn_convolution", "thnn_conv2d"),
        *("_slow_conv2d_forward", "slow_conv3d", "slow_conv3d_forward", "_conv_depthwise2d"),
        *("conv_depthwise3d", "slow_conv_dilated2d", "slow_conv_dilated3d", "conv_tbc"),
        *("slow_conv_transpose2d", "slow_conv_transpose3d", "_nnpack_spatial_convolution"),
        *_in_all_dimensions("conv#d", "conv_transpose#d", "Conv#d", "ConvTranspose#d"),
        *_in_all_dimensions("LazyConv#d", "LazyConvTranspose#d"),
    )
    worth_a_look = (*WINDOWS, "correlate2d", "convolve2d", "fftconvolve")

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if isinstance(result, Tensor) and same_tensor(result, key["want"][None], 1e-4):
            return wrong("leave the batch dimension out: the result is (O, H', W')")
        return _judge_tensor(key, result)


# --- 02.3 ----------------------------------------------------------------------------------------


class MaxPool(_ByName):
    """The answer: `pool_max(image, kernel_size, stride, padding=0)` → (C, H', W')."""

    id, points, title = "02.3", 5, "Max pooling by hand"
    ready_made_hint = "F.max_pool2d is what you are to write: use slices of the image"
    ready_made = _in_all_dimensions(
        *("max_pool#d", "max_pool#d_with_indices", "mkldnn_max_pool#d", "quantized_max_pool#d"),
        *("adaptive_max_pool#d", "adaptive_max_pool#d_with_indices", "fractional_max_pool#d"),
        *("fractional_max_pool#d_with_indices", "MaxPool#d", "AdaptiveMaxPool#d"),
        "FractionalMaxPool#d",
    )
    worth_a_look = (*WINDOWS, "maximum_filter", "grey_dilation")

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        return _judge_tensor(key, result)


# --- 02.4 ----------------------------------------------------------------------------------------


class CountParameters(Exercise):
    """The answer: `count_parameters(input_shape, layers)` → int.

    Layers are ("conv", filters, kernel_size) with stride 1 and no padding, ("pool", kernel_size)
    with the stride of its size, and ("linear", outputs); all but pooling have biases.
    """

    id, points, title = "02.4", 5, "Parameters of a network"

    def describe(self, case: Case) -> str:
        layers = ", ".join(str(tuple(layer)) for layer in case["layers"])
        return f"input_shape={tuple(case['input_shape'])}, layers=[{layers}]"

    def run(self, answer: Any, case: Case) -> Any:
        layers = [tuple(layer) for layer in case["layers"]]
        return answer(tuple(case["input_shape"]), layers)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        return _judge_count(key, result)


# --- 02.5 ----------------------------------------------------------------------------------------


class FieldSize(Exercise):
    """The answer: `field_size(layers)` → int, for layers (kernel_size, stride), image first."""

    id, points, title = "02.5", 4, "Receptive field of a stack"

    def describe(self, case: Case) -> str:
        return f"layers={[tuple(layer) for layer in case['layers']]}"

    def run(self, answer: Any, case: Case) -> Any:
        return answer([tuple(layer) for layer in case["layers"]])

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        return _judge_count(key, result)


# --- 02.6 ----------------------------------------------------------------------------------------

MOST_LAYERS, LARGEST_KERNEL = 10, 7


class ChooseLayers(_ByName):
    """The answer: `choose_layers(size, target, field)` → a list of (kernel_size, stride, padding).

    Any stack that keeps the five rules of the task is right, so PyTorch slides its windows.
    """

    id, points, title = "02.6", 6, "Choose layers that meet given sizes"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or not all(_is_layer(layer) for layer in result):
            return wrong(
                "return a list of (kernel_size, stride, padding), three whole numbers for each "
                f"layer; your code returned {describe(result)}"
            )
        if len(result) > MOST_LAYERS:
            return wrong(f"at most {MOST_LAYERS} layers: yours are {len(result)}")
        size, target, field = case["size"], case["target"], case["field"]
        for number, (kernel, stride, padding) in enumerate(result, start=1):
            stride = min(stride, size + 2 * padding)  # a larger one makes no difference
            if problem := _problem(size, kernel, stride, padding):
                return wrong(f"layer {number}{problem}")
            size = F.avg_pool1d(torch.ones(1, 1, size), kernel, stride, padding).shape[-1]
        if size != target:
            return wrong(f"your layers lead to size {size}, the target is {target}")
        seen = torch.ones(1, 1, 1)  # one number of the last layer, then the pixels it comes from
        for kernel, stride, _ in reversed(result):
            if seen.shape[-1] < field:  # a stride of more than the field is as good as the field
                window = torch.ones(1, 1, kernel)
                seen = F.conv_transpose1d(seen, window, stride=min(stride, field))
        if seen.shape[-1] < field:
            return wrong(
                f"the receptive field is {seen.shape[-1]}, at least {field} is wanted: layers with "
                "stride 1 and padding (kernel_size − 1)/2 widen it and keep the size"
            )
        return right()


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, list) and len(layer) == 3 and all(type(n) is int for n in layer)


def _problem(size: int, kernel: int, stride: int, padding: int) -> str:
    """Return what is wrong with a layer that is given ``size`` rows; empty if nothing is."""
    if not 1 <= kernel <= LARGEST_KERNEL:
        return f": kernel_size must be 1 to {LARGEST_KERNEL}, not {kernel}"
    if not 0 <= padding <= kernel // 2:
        return (
            f": padding {padding} is not between 0 and half of the kernel size "
            f"{kernel}: some windows would read more padding than image"
        )
    if stride < 1:
        return f": stride must be at least 1, got {stride}"
    padded = size + 2 * padding
    if kernel > padded:
        where = f"{size}, {padded} with padding" if padding else f"{size}"
        return (
            f": kernel_size {kernel} does not fit into an input of size {where}: "
            "use a smaller kernel or dilation, or more padding"
        )
    each_row_alone = torch.eye(size)[:, None]
    read = F.avg_pool1d(each_row_alone, kernel, stride, padding).sum(dim=(1, 2))
    if lost := (read == 0).nonzero().flatten().tolist():
        why = "its stride jumps over them" if stride > kernel else "the floor drops them"
        return (
            f" never reads {len(lost)} of the {size} rows it is given, from row {lost[0]} on: {why}"
        )
    return ""


EXERCISES = [
    OutputSize(),
    Convolution(),
    MaxPool(),
    CountParameters(),
    FieldSize(),
    ChooseLayers(),
]
