"""Lecture 02: other right answers, and wrong ones with the hint that each should get."""

import math

import torch
from torch import nn
from torch.nn import functional as F

# --- 02.1 ----------------------------------------------------------------------------------------


def size_by_counting(size, kernel_size, stride=1, padding=0, dilation=1):
    """No formula: count the places where the window fits."""
    padded = size + 2 * padding
    starts = range(0, padded, stride)
    return sum(start + dilation * (kernel_size - 1) < padded for start in starts)


def size_with(formula):
    """Make an answer from a formula that takes n, f, s, p, d."""

    def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
        return formula(size, kernel_size, stride, padding, dilation)

    return size_after


def size_by_torch(size, kernel_size, stride=1, padding=0, dilation=1):
    layer = nn.Conv1d(1, 1, kernel_size, stride, padding, dilation)
    try:
        return layer(torch.zeros(1, 1, size)).shape[-1]
    except RuntimeError:
        return 0


# --- 02.2 ----------------------------------------------------------------------------------------


def convolve_unfolded(image, weight, bias, stride=1, padding=0):
    """All windows as columns of a matrix (im2col), then one matrix product."""
    kernel = weight.shape[-1]
    rows = (image.shape[1] + 2 * padding - kernel) // stride + 1
    columns = F.unfold(image[None], kernel, stride=stride, padding=padding)[0]
    return (weight.flatten(1) @ columns + bias[:, None]).unflatten(1, (rows, -1))


def convolve_views(image, weight, bias, stride=1, padding=0):
    """Windows as views of the padded image."""
    padded = F.pad(image, (padding,) * 4)
    kernel = weight.shape[-1]
    windows = padded.unfold(1, kernel, stride).unfold(2, kernel, stride)
    return torch.einsum("chwij,ocij->ohw", windows, weight) + bias[:, None, None]


def convolve_with(
    *,
    image_of=lambda image: image,
    weight_of=lambda weight: weight,
    bias_of=lambda bias, image: bias,
    sides=(1, 1, 1, 1),
    value=0.0,
    step=None,
    result=lambda output: output,
):
    """Make a convolution with loops; each option is a mistake."""

    def convolve(image, weight, bias, stride=1, padding=0):
        weight, bias = weight_of(weight), bias_of(bias, image)
        image = F.pad(image_of(image), [side * padding for side in sides], value=value)
        kernel = weight.shape[-1]
        height, width = ((size - kernel) // stride + 1 for size in image.shape[1:])
        output = torch.empty(len(weight), height, width)
        for row in range(height):
            for column in range(width):
                y, x = row * (step or stride), column * (step or stride)
                window = image[:, y : y + kernel, x : x + kernel]
                output[:, row, column] = (window * weight).sum(dim=(1, 2, 3)) + bias
        return result(output)

    return convolve


def convolve_ready_made(image, weight, bias, stride=1, padding=0):
    return F.conv2d(image, weight, bias, stride, padding)


def convolve_edges(image, weight, bias, stride=1, padding=0):
    image = F.pad(image[None], (padding,) * 4, mode="replicate")[0]
    return convolve_views(image, weight, bias, stride)


def convolve_densely(image, weight, bias, stride=1, padding=0):
    return convolve_views(image, weight, bias, 1, padding)


def zeros_for(image, weight, bias, stride=1, padding=0):
    return torch.zeros_like(convolve_views(image, weight, bias, stride, padding))


# --- 02.3 ----------------------------------------------------------------------------------------


def pool_with(*, value=-math.inf, reduce=torch.amax, up=False, padded=True, step=None):
    """Make a pooling with loops; each option is a mistake."""

    def pool_max(image, kernel_size, stride, padding=0):
        stride = {"kernel": kernel_size, "one": 1}.get(step, stride)
        if padded:
            image = F.pad(image, (padding,) * 4, value=value)
        rounded = math.ceil if up else math.floor
        height, width = (rounded((n - kernel_size) / stride) + 1 for n in image.shape[1:])
        output = torch.empty(len(image), height, width)
        for row in range(height):
            for column in range(width):
                y, x = row * stride, column * stride
                window = image[:, y : y + kernel_size, x : x + kernel_size]
                output[:, row, column] = reduce(window, (1, 2))
        return output

    return pool_max


def pool_views(image, kernel_size, stride, padding=0):
    """Windows as views, then one maximum over all of them."""
    padded = F.pad(image, (padding,) * 4, value=float("-inf"))
    windows = padded.unfold(1, kernel_size, stride).unfold(2, kernel_size, stride)
    return windows.amax(dim=(3, 4))


def pool_ready_made(image, kernel_size, stride, padding=0):
    return F.max_pool2d(image, kernel_size, stride, padding)


def pool_over_channels(image, kernel_size, stride, padding=0):
    return pool_views(image, kernel_size, stride, padding).amax(dim=0)


# --- 02.4 ----------------------------------------------------------------------------------------


def count_with(*, conv_bias=1, linear_bias=1, weights=None, image_channels=False, flat=None):
    """Make a parameter count; each option is a mistake."""

    def count_parameters(input_shape, layers):
        channels, height, width = input_shape
        inputs, total = 0, 0
        for kind, number, *kernel in layers:
            if kind == "conv":
                depth = input_shape[0] if image_channels else channels
                size = weights(depth, kernel[0]) if weights else depth * kernel[0] ** 2
                total += number * (size + conv_bias)
                channels, height, width = number, height - kernel[0] + 1, width - kernel[0] + 1
            elif kind == "pool":
                height, width = height // number, width // number
            else:
                if not inputs:
                    inputs = flat(channels, height, width) if flat else channels * height * width
                total += number * (inputs + linear_bias)
                inputs = number
        return total

    return count_parameters


def count_by_torch(input_shape, layers):
    """Let PyTorch build the layers, lazily, and count their parameters."""
    network = torch.nn.Sequential()
    for kind, *numbers in layers:
        if kind == "linear" and "flatten" not in dict(network.named_children()):
            network.add_module("flatten", torch.nn.Flatten())
        kinds = {"conv": torch.nn.LazyConv2d, "pool": torch.nn.MaxPool2d}
        network.append(kinds.get(kind, torch.nn.LazyLinear)(*numbers))
    network(torch.zeros(1, *input_shape))
    return sum(parameter.numel() for parameter in network.parameters())


# --- 02.5 ----------------------------------------------------------------------------------------


def field_backwards(layers):
    """From the output back to the image: r ← r · stride + (kernel_size − stride)."""
    size = 1
    for kernel_size, stride in reversed(layers):
        size = size * stride + kernel_size - stride
    return size


def field_with(step, *, start=1, backwards=False):
    def field_size(layers):
        size, jump = start, 1
        for kernel_size, stride in layers[::-1] if backwards else layers:
            size += step(kernel_size, stride, jump)
            jump *= stride
        return size

    return field_size


# --- 02.6 ----------------------------------------------------------------------------------------


def layers_with(*, halve=None, widen=(7, 1, 3), wide=True, as_text=False):
    """Make a designer: halve while it can, shrink to the target, widen at full size last."""

    def choose_layers(size, target, field):
        layers, seen, jump = [], 1, 1

        def add(kernel_size, stride, padding):
            nonlocal seen, jump
            layers.append((kernel_size, stride, padding))
            seen, jump = seen + (kernel_size - 1) * jump, jump * stride

        while size // 2 >= target:
            add(*(halve or ((2, 2, 0) if size % 2 == 0 else (3, 2, 0))))
            size //= 2
        while size > target:
            kernel_size = min(size - target + 1, 7)
            add(kernel_size, 1, 0)
            size -= kernel_size - 1
        while wide and seen < field:
            add(*widen)
        return str(layers) if as_text else layers

    return choose_layers


def layers_widened_first(size, target, field):
    """Lists instead of tuples; widen at the size of the image, then shrink."""
    layers = [[7, 1, 3]] * -(-(field - 1) // 6)
    while size // 2 >= target:
        layers.append([4, 2, 1] if size % 2 == 0 else [3, 2, 0])
        size //= 2
    while size > target:
        step = min(size - target, 6)
        layers.append([step + 1, 1, 0])
        size -= step
    return layers


ANSWERS = {
    "02.1": dict(
        variants={"counting": size_by_counting},
        wrong={
            "one short": (size_with(lambda n, f, s, p, d: (n - f) // s), "add 1 at the end"),
            "rounded towards 0": (
                size_with(lambda n, f, s, p, d: max(0, int((n + 2 * p - d * (f - 1) - 1) / s) + 1)),
                "does not fit",
            ),
            "no stride": (
                size_with(lambda n, f, s, p, d: n + 2 * p - d * (f - 1)),
                "stride divides",
            ),
            "padding once": (
                size_with(lambda n, f, s, p, d: (n + p - d * (f - 1) - 1) // s + 1),
                "both sides",
            ),
            "no padding": (
                size_with(lambda n, f, s, p, d: (n - d * (f - 1) - 1) // s + 1),
                "padding .* was left out",
            ),
            "no dilation": (
                size_with(lambda n, f, s, p, d: (n + 2 * p - f) // s + 1),
                "dilation .* left out",
            ),
            "dilation times kernel": (
                size_with(lambda n, f, s, p, d: (n + 2 * p - (f if d == 1 else d * f)) // s + 1),
                "gap less",
            ),
            "no floor": (
                size_with(lambda n, f, s, p, d: (n + 2 * p - d * (f - 1) - 1) / s + 1),
                "as a float",
            ),
            "rounded up": (
                size_with(lambda n, f, s, p, d: -(-(n + 2 * p - d * (f - 1) - 1) // s) + 1),
                "rounded up",
            ),
            "rounded": (
                size_with(lambda n, f, s, p, d: round((n + 2 * p - d * (f - 1) - 1) / s) + 1),
                "you rounded",
            ),
            "negative size": (
                size_with(lambda n, f, s, p, d: (n + 2 * p - d * (f - 1) - 1) // s + 1),
                "does not fit .* 0",
            ),
            "the notes' formula": (size_with(lambda n, f, s, p, d: n + 2 * p - 3 + 1), "expected"),
        },
        empty={
            "the padding": size_with(lambda n, f, s, p, d: p),
            "the stride": size_with(lambda n, f, s, p, d: s),
        },
    ),
    "02.2": dict(
        variants={
            "loops": convolve_with(),
            "unfolded": convolve_unfolded,
            "views": convolve_views,
        },
        wrong={
            "no bias": (convolve_with(bias_of=lambda bias, image: 0 * bias), "bias is missing"),
            "flipped": (convolve_with(weight_of=lambda w: w.flip(2, 3)), "does not flip"),
            "transposed": (convolve_with(weight_of=lambda w: w.mT), "transposed"),
            "first channel": (
                convolve_with(image_of=lambda x: x[:1], weight_of=lambda w: w[:, :1]),
                "all input channels",
            ),
            "mean over channels": (
                convolve_with(weight_of=lambda w: w / w.shape[1]),
                "do not average",
            ),
            "bias for each channel": (
                convolve_with(bias_of=lambda bias, image: bias * len(image)),
                "bias once",
            ),
            "no stride": (convolve_densely, "stride is left out"),
            "windows too close": (convolve_with(step=1), r"row · stride"),
            "no padding": (convolve_with(sides=(0, 0, 0, 0)), "padding is left out"),
            "padded before": (convolve_with(sides=(1, 0, 1, 0)), "all four sides"),
            "padded after": (convolve_with(sides=(0, 1, 0, 1)), "padded the end only"),
            "edges repeated": (convolve_edges, "do not repeat the edge"),
            "a batch": (convolve_with(result=lambda output: output[None]), "batch dimension"),
            "channels last": (convolve_with(result=lambda x: x.permute(1, 2, 0)), "shape should"),
            "ready-made": (convolve_ready_made, "F.conv2d is what you are to write"),
            "a list": (convolve_with(result=lambda output: output.tolist()), "return a tensor"),
        },
        empty={"zeros": zeros_for, "ones": lambda **case: zeros_for(**case) + 1},
    ),
    "02.3": dict(
        variants={"loops": pool_with(), "views": pool_views},
        wrong={
            "zeros around": (pool_with(value=0.0), "beats negative numbers"),
            "a low number around": (pool_with(value=-1000.0), "values"),
            "no padding": (pool_with(padded=False), "padding is left out"),
            "mean": (pool_with(reduce=torch.mean), "mean of each window"),
            "minimum": (pool_with(reduce=torch.amin), "smallest number"),
            "over channels": (pool_over_channels, "channels stay"),
            "stride is the kernel": (pool_with(step="kernel"), "need not be the kernel size"),
            "stride is one": (pool_with(step="one"), "not one"),
            "rounded up": (pool_with(up=True), "dropped"),
            "ready-made": (pool_ready_made, "F.max_pool2d is what you are to write"),
            "a number": (lambda image, kernel_size, stride, padding=0: 3.0, "return a tensor"),
        },
        empty={
            "zeros": lambda **case: torch.zeros_like(pool_views(**case)),
            "ones": lambda **case: torch.ones_like(pool_views(**case)),
        },
    ),
    "02.4": dict(
        variants={"by hand": count_with(), "by torch": count_by_torch},
        wrong={
            "no bias": (count_with(conv_bias=0, linear_bias=0), "biases are missing"),
            "no bias in convolutions": (count_with(conv_bias=0), "biases"),
            "no bias in linear layers": (count_with(linear_bias=0), "biases"),
            "flat filters": (count_with(weights=lambda c, f: f * f), "full in depth"),
            "one side": (count_with(weights=lambda c, f: c * f), "not F"),
            "bias for each channel": (
                count_with(conv_bias=0, weights=lambda c, f: c * (f * f + 1)),
                "one bias",
            ),
            "image's channels": (count_with(image_channels=True), "layer before it"),
            "flat image": (count_with(flat=lambda c, h, w: h * w), "keeps the channels"),
            "only channels": (count_with(flat=lambda c, h, w: c), "not only the C channels"),
            "nothing": (lambda input_shape, layers: None, "return a whole number"),
        },
        empty={"the layers' number": lambda input_shape, layers: len(layers)},
    ),
    "02.5": dict(
        variants={
            "backwards": field_backwards,
            "forwards": field_with(lambda k, s, j: (k - 1) * j),
        },
        wrong={
            "sum of kernels": (field_with(lambda k, s, j: k, start=0), "windows overlap"),
            "starts at zero": (field_with(lambda k, s, j: (k - 1) * j, start=0), "start with 1"),
            "no jump": (field_with(lambda k, s, j: k - 1), "multiply .* by the jump"),
            "own stride": (field_with(lambda k, s, j: (k - 1) * j * s), "its own"),
            "wrong end": (
                field_with(lambda k, s, j: (k - 1) * j, backwards=True),
                "wrong end",
            ),
            "product": (lambda layers: math.prod(k for k, _ in layers), "do not multiply"),
            "text": (lambda layers: "5x5", "return a whole number"),
        },
        empty={"the layers' number": len},
    ),
    "02.6": dict(
        variants={"halve, shrink, widen": layers_with(), "widened first": layers_widened_first},
        wrong={
            "rows lost": (
                layers_with(halve=(2, 2, 0)),
                "never reads 1 of the 31 rows.*floor drops",
            ),
            "rows skipped": (
                layers_with(halve=(1, 2, 0)),
                "never reads 16 of the 32 rows.*jumps over",
            ),
            "field too small": (layers_with(wide=False), "receptive field is 1, at least 7"),
            "nothing": (lambda size, target, field: [], "receptive field is 1"),
            "3×3 alone": (layers_with(widen=(3, 1, 1)), "at most 10 layers"),
            "widening shrinks": (layers_with(widen=(7, 1, 0)), "lead to size 26"),
            "large kernel": (
                lambda size, target, field: [(size - target + 9, 1, 4)],
                "must be 1 to 7",
            ),
            "much padding": (lambda size, target, field: [(1, 1, 3)], "half of the kernel size"),
            "does not fit": (lambda size, target, field: [(7, 7, 0)] * 3, "floor drops"),
            "no stride": (lambda size, target, field: [(1, 0, 0)], "stride must be at least 1"),
            "a giant stride": (lambda size, target, field: [(1, 2**60, 0)], "jumps over"),
            "a giant kernel": (lambda size, target, field: [(2**60, 1, 0)], "must be 1 to 7"),
            "too many": (lambda size, target, field: [(3, 1, 1)] * 20, "at most 10 layers"),
            "text": (layers_with(as_text=True), "return a list of"),
            "dictionaries": (
                lambda size, target, field: [dict(kernel_size=7, stride=1, padding=3)],
                "three whole numbers",
            ),
        },
        empty={
            "a layer that changes nothing": lambda size, target, field: [(1, 1, 0)],
            "the widest": lambda size, target, field: [(7, 1, 3)] * 10,
        },
    ),
}
