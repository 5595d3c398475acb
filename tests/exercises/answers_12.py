"""Lecture 12: other right answers, and wrong ones with the hint that each should get."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import ops

from course_utils.arithmetic import conv_flops, conv_output_size, conv_parameters
from course_utils.inspection import activation_map
from course_utils.models.efficientnet import cost_of_mbconv, scales_for
from course_utils.models.senet import SqueezeExcitation

# --- 12.1 ----------------------------------------------------------------------------------------


def groups_with(
    *,
    inputs=lambda x, n: x.chunk(n, dim=1),
    filters=lambda w, n: w.chunk(n),
    merge=lambda outs: torch.cat(outs, dim=1),
    padding=None,
):
    """Make an answer; the options are mistakes."""

    def grouped_convolution(x, weight, groups):
        around = weight.shape[-1] // 2 if padding is None else padding
        parts = zip(inputs(x, groups), filters(weight, groups), strict=True)
        return merge([F.conv2d(part, own, padding=around) for part, own in parts])

    return grouped_convolution


def groups_by_zeros(x, weight, groups):
    """One full convolution whose weights are 0 between different groups."""
    filters, each = weight.shape[:2]
    full = weight.new_zeros(filters, x.shape[1], *weight.shape[2:])
    for row in range(filters):
        start = row // (filters // groups) * each
        full[row, start : start + each] = weight[row]
    return F.conv2d(x, full, padding=weight.shape[-1] // 2)


def groups_by_pytorch(x, weight, groups):
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)


def dealt(tensor, n, axis):
    return [tensor[(slice(None),) * axis + (slice(g, None, n),)] for g in range(n)]


def interleaved(outs):
    return torch.stack(outs, dim=2).flatten(1, 2)


# --- 12.2 ----------------------------------------------------------------------------------------


def squeeze_with(
    *,
    squeeze=lambda x: x.mean(dim=(2, 3), keepdim=True),
    between=F.relu,
    last=torch.sigmoid,
    merge=torch.mul,
    bias=True,
    module=nn.Module,
    swapped=False,
    norm=False,
):
    """Make a class; the options are mistakes."""

    class Made(module):
        def __init__(self, channels, squeeze_channels):
            super().__init__()
            sizes = (squeeze_channels, channels) if swapped else (channels, squeeze_channels)
            self.fc1 = nn.Conv2d(*sizes, 1, bias=bias)
            self.fc2 = nn.Conv2d(*sizes[::-1], 1, bias=bias)
            if norm:
                self.bn = nn.BatchNorm2d(channels)

        def forward(self, x):
            return merge(last(self.fc2(between(self.fc1(squeeze(x))))), x)

    return Made


class SqueezeLinear(nn.Module):
    def __init__(self, channels, squeeze_channels):
        super().__init__()
        self.fc1 = nn.Linear(channels, squeeze_channels)
        self.fc2 = nn.Linear(squeeze_channels, channels)


class SqueezeByMatrices(nn.Module):
    """The same layers, used as matrices."""

    def __init__(self, channels, squeeze_channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, channels, 1)

    def forward(self, x):
        out = F.linear(x.mean((2, 3)), self.fc1.weight.flatten(1), self.fc1.bias).relu()
        out = F.linear(out, self.fc2.weight.flatten(1), self.fc2.bias).sigmoid()
        return x * out[:, :, None, None]


class OtherNames(nn.Module):
    def __init__(self, channels, squeeze_channels):
        super().__init__()
        self.down = nn.Conv2d(channels, squeeze_channels, 1)
        self.up = nn.Conv2d(squeeze_channels, channels, 1)


def in_place(weights, x):
    return x.mul_(weights)


# --- 12.3 ----------------------------------------------------------------------------------------


def cost_with(
    *,
    always=False,
    full=False,
    middle=True,
    first="size",
    rest="after",
    bias=0,
    per=2,
    wide=lambda i, o, e: i * e,
    give=lambda weights, flops: (weights, flops),
):
    """Make an answer; the options are mistakes."""

    def mbconv_cost(in_channels, out_channels, kernel_size, expand, size, stride):
        inner = wide(in_channels, out_channels, expand)
        area = {"size": size**2, "after": math.ceil(size / stride) ** 2}
        area["down"] = (size // stride) ** 2
        layers = [(in_channels, inner, area[first])] if expand != 1 or always else []
        if middle:
            layers.append((kernel_size**2 * (inner if full else 1), inner, area[rest]))
        layers.append((inner, out_channels, area[rest]))
        weights = sum(each * filters + bias * filters for each, filters, _ in layers)
        flops = sum(per * each * filters * pixels for each, filters, pixels in layers)
        return give(weights, flops)

    return mbconv_cost


def cost_by_layers(in_channels, out_channels, kernel_size, expand, size, stride):
    """Build the layers and count."""
    inner = in_channels * expand
    with torch.device("meta"):
        layers = [nn.Conv2d(in_channels, inner, 1, bias=False)] if expand > 1 else []
        around = kernel_size // 2
        options = dict(groups=inner, bias=False)
        layers.append(nn.Conv2d(inner, inner, kernel_size, stride, around, **options))
        layers.append(nn.Conv2d(inner, out_channels, 1, bias=False))
        x, flops = torch.empty(1, in_channels, size, size), 0
        for layer in layers:
            x = layer(x)
            flops += 2 * x[0].numel() * layer.weight[0].numel()
    return sum(layer.weight.numel() for layer in layers), flops


def cost_by_the_course(in_channels, out_channels, kernel_size, expand, size, stride):
    inner = in_channels * expand
    after = conv_output_size(size, kernel_size, stride, kernel_size // 2)
    layers = [(in_channels, inner, 1, 1, size)] if expand > 1 else []
    layers += [(inner, inner, kernel_size, inner, after), (inner, out_channels, 1, 1, after)]
    weights = sum(conv_parameters(*sizes, bias=False, groups=n) for *sizes, n, _ in layers)
    return weights, sum(conv_flops(*sizes, pixels, groups=n) for *sizes, n, pixels in layers)


# --- 12.4 ----------------------------------------------------------------------------------------


def scaling_with(
    *,
    steps=lambda a, b, c: a * b**2 * c**2,
    phi=lambda factor, step: math.log(factor) / math.log(step),
    grow=pow,
    give=lambda depth, width, resolution: (depth, width, resolution),
):
    """Make an answer; the options are mistakes."""

    def compound_scaling(factor, alpha, beta, gamma):
        power = phi(factor, steps(alpha, beta, gamma))
        return give(*(grow(base, power) for base in (alpha, beta, gamma)))

    return compound_scaling


def scaling_by_halving(factor, alpha, beta, gamma):
    """Look for φ between two ends."""
    low, high = -100.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        flops = alpha**middle * beta ** (2 * middle) * gamma ** (2 * middle)
        low, high = (middle, high) if flops < factor else (low, middle)
    return [alpha**low, beta**low, gamma**low]


# --- 12.5 ----------------------------------------------------------------------------------------


def map_with(*, weights=lambda w, classes: w[classes], after=lambda maps: maps, reduce="sum"):
    """Make an answer; the options are mistakes."""

    def class_activation_map(maps, weight, classes):
        products = weights(weight, classes)[:, :, None, None] * maps
        return after(getattr(products, reduce)(dim=1))

    return class_activation_map


def map_by_convolution(maps, weight, classes):
    """The linear layer as a 1×1 convolution, at every place; then the class asked about."""
    every = F.conv2d(maps, weight[:, :, None, None])
    return every[torch.arange(len(maps)), classes]


def map_of_all(maps, weight, classes):
    return torch.einsum("kc,nchw->nkhw", weight, maps)


def stretched(maps):
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-12)


ANSWERS = {
    "12.1": {
        "variants": {"chunks": groups_with(), "zeros between groups": groups_by_zeros},
        "wrong": {
            "PyTorch's groups": (groups_by_pytorch, "without its groups"),
            "added": (groups_with(merge=sum), "not added"),
            "inputs in turn": (
                groups_with(inputs=lambda x, n: dealt(x, n, 1)),
                "neighbouring input channels",
            ),
            "filters in turn": (
                groups_with(filters=lambda w, n: dealt(w, n, 0)),
                "neighbouring filters",
            ),
            "outputs in turn": (groups_with(merge=interleaved), "group after group"),
            "the first group's inputs": (
                groups_with(inputs=lambda x, n: [x.chunk(n, dim=1)[0]] * n),
                "its own input channels",
            ),
            "no padding": (groups_with(padding=0), "kernel_size // 2"),
            "along the batch": (groups_with(merge=torch.cat), "shape should be"),
        },
        "empty": {"zeros": lambda x, w, n: x.new_zeros(len(x), len(w), *x.shape[2:])},
        "adapters": {"PyTorch's groups, which a person is told": (groups_by_pytorch, 5)},
    },
    "12.2": {
        "variants": {
            "functions": squeeze_with(),
            "matrices": SqueezeByMatrices,
        },
        "wrong": {
            "weights alone": (squeeze_with(merge=lambda w, x: w), "weights times x"),
            "added": (squeeze_with(merge=torch.add), "do not add"),
            "a shortcut": (squeeze_with(merge=lambda w, x: x + w * x), "no shortcut"),
            "no sigmoid": (squeeze_with(last=lambda w: w), "between 0 and 1"),
            "softmax": (squeeze_with(last=lambda w: w.softmax(1)), "do not compete"),
            "no ReLU": (squeeze_with(between=lambda w: w), "ReLU follows"),
            "two sigmoids": (squeeze_with(between=torch.sigmoid), "not a sigmoid"),
            "maximum": (squeeze_with(squeeze=lambda x: x.amax((2, 3), True)), "largest value"),
            "sum": (squeeze_with(squeeze=lambda x: x.sum((2, 3), True)), "not with the sum"),
            "no squeeze": (squeeze_with(squeeze=lambda x: x), "comes first"),
            "in place": (squeeze_with(merge=in_place), "x was changed"),
            "no biases": (squeeze_with(bias=False), "have a bias"),
            "linear layers": (SqueezeLinear, "not linear layers"),
            "swapped": (squeeze_with(swapped=True), r"fc1\.weight should have shape"),
            "other names": (OtherNames, "no tensor fc1"),
            "batch norm": (squeeze_with(norm=True), "only fc1 and fc2"),
            "not a module": (squeeze_with(module=object), "inherits from nn.Module"),
            "no weights": (lambda *sizes: nn.Identity(), "has no parameters"),
        },
        "empty": {
            "only x": squeeze_with(merge=lambda w, x: x),
            "zeros": squeeze_with(merge=lambda w, x: 0 * x),
        },
        "adapters": {
            "the course's": (SqueezeExcitation, 0),
            "torchvision's": (ops.SqueezeExcitation, 6),
        },
    },
    "12.3": {
        "variants": {"formulas": cost_with(), "layers": cost_by_layers},
        "wrong": {
            "one FLOP": (cost_with(per=1), "counts as two"),
            "always expands": (cost_with(always=True), "expand = 1"),
            "full convolution": (cost_with(full=True), "one channel only"),
            "no depthwise": (cost_with(middle=False), "is missing"),
            "expands after the stride": (cost_with(first="after"), "before the stride"),
            "no stride": (cost_with(rest="size"), "fewer pixels"),
            "rounded down": (cost_with(rest="down"), "rounded up"),
            "biases": (cost_with(bias=1), "no biases"),
            "wide by outputs": (cost_with(wide=lambda i, o, e: o * e), "in_channels"),
            "floats": (cost_with(give=lambda w, f: (float(w), f)), "whole numbers"),
            "one number": (cost_with(give=lambda w, f: f), "two numbers"),
            "swapped": (cost_with(give=lambda w, f: (f, w)), "expected"),
        },
        "empty": {
            "zeros": lambda **case: (0, 0),
            "two arguments": lambda in_channels, out_channels, **case: (in_channels, out_channels),
        },
        "adapters": {
            "the course's formulas": (cost_by_the_course, 0),
            "the course's": (lambda **case: cost_of_mbconv(**case), 0),
        },
    },
    "12.4": {
        "variants": {"logarithms": scaling_with(), "halving": scaling_by_halving},
        "wrong": {
            "width once": (scaling_with(steps=lambda a, b, c: a * b * c**2), "β², not β"),
            "resolution once": (scaling_with(steps=lambda a, b, c: a * b**2 * c), "γ², not γ"),
            "both once": (scaling_with(steps=lambda a, b, c: a * b * c), "width and resolution"),
            "always 2": (scaling_with(phi=lambda factor, step: math.log2(factor)), "need not be 2"),
            "φ is the factor": (scaling_with(phi=lambda factor, step: factor), "find φ first"),
            "no logarithm": (
                scaling_with(phi=lambda factor, step: factor / step),
                "φ is a logarithm",
            ),
            "products": (scaling_with(grow=lambda base, phi: base * phi), "are powers"),
            "width first": (scaling_with(give=lambda d, w, r: (w, d, r)), "depth comes first"),
            "resolution second": (
                scaling_with(give=lambda d, w, r: (d, r, w)),
                "resolution third",
            ),
            "rounded": (
                scaling_with(give=lambda *scales: [round(scale, 2) for scale in scales]),
                "do not round",
            ),
            "text": (scaling_with(give=lambda *scales: [str(s) for s in scales]), "plain numbers"),
            "nothing": (lambda **case: None, "three numbers"),
        },
        "empty": {"unscaled": lambda **case: (1.0, 1.0, 1.0)},
        "adapters": {
            "the course's": (
                lambda factor, alpha, beta, gamma: scales_for(factor, alpha, beta, gamma),
                0,
            ),
        },
    },
    "12.5": {
        "variants": {"products": map_with(), "1×1 convolution": map_by_convolution},
        "wrong": {
            "ReLU": (map_with(after=F.relu), "no ReLU here"),
            "mean": (map_with(reduce="mean"), "no mean"),
            "absolute weights": (map_with(weights=lambda w, c: w[c].abs()), "below 0"),
            "softmax": (map_with(weights=lambda w, c: w.softmax(1)[c]), "no softmax"),
            "stretched": (map_with(after=stretched), "do not scale"),
            "the first class": (map_with(weights=lambda w, c: w[c[:1]]), "first class for all"),
            "logits": (map_with(after=lambda maps: maps.mean((1, 2))), "only the logit"),
            "one axis more": (map_with(after=lambda maps: maps[:, None]), "should be gone"),
            "all classes": (map_of_all, "maps of all classes"),
            "negative": (map_with(after=lambda maps: -maps), "values are not"),
        },
        "empty": {
            "zeros": map_with(after=lambda maps: 0 * maps),
            "the first map": lambda maps, weight, classes: maps[:, 0],
        },
        "adapters": {"the course's": (lambda **case: activation_map(**case), 0)},
    },
}
