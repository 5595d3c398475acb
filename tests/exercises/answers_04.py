"""Lecture 04: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F

from course_utils.arithmetic import conv_output_size
from course_utils.models import TwoTowerAlexNet

# --- 04.1 ----------------------------------------------------------------------------------------


def floor(room, stride):
    return room // stride


def ceil(room, stride):
    return -(-room // stride)


def sizes_with(
    *, grow=2, down=floor, up=ceil, one=1, left=lambda r, s, p, n: r - n * s, chain=True, stop=True
):
    """Make an answer to 04.1; each option is a mistake."""

    def sizes_through(size, layers, round_up=False):
        found, first = [], size
        for kernel_size, stride, padding in layers:
            room = (size if chain else first) + grow * padding - kernel_size
            if stop and room < 0:
                break
            steps = (up if round_up else down)(room, stride)
            size = steps + one
            found.append((size, left(room, stride, padding, steps)))
        return found

    return sizes_through


def sizes_by_counting(size, layers, round_up=False):
    """Windows put down one after the other, as long as they fit, or until the edge is reached."""
    found = []
    for kernel_size, stride, padding in layers:
        size += 2 * padding
        if size < kernel_size:
            return found
        ends = [kernel_size]
        while (ends[-1] < size) if round_up else (ends[-1] + stride <= size):
            ends.append(ends[-1] + stride)
        found += [[len(ends), size - ends[-1]]]
        size = len(ends)
    return found


def sizes_by_the_course(size, layers, round_up=False):
    found = []
    for layer in layers:
        try:
            output = conv_output_size(size, *layer)
        except ValueError:
            return found
        kernel_size, stride, padding = layer
        left = size + 2 * padding - kernel_size - (output - 1) * stride
        found.append((output, left))
        size = output
    return found


# --- 04.2 ----------------------------------------------------------------------------------------


def norm_with(*, as_printed=False, power=2, axis=1, before=0, after=0, wrap=False, how="divide"):
    """Make an answer to 04.2; each option is a mistake."""

    def response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
        squares, total = x.abs() ** power if power > 1 else x, torch.zeros_like(x)
        length = x.shape[axis]
        for i in range(length):
            reach = range(i - size // 2 - before, i + size // 2 + 1 + after)
            inside = [j % length for j in reach] if wrap else [j for j in reach if 0 <= j < length]
            total.select(axis, i).copy_(squares.index_select(axis, torch.tensor(inside)).sum(axis))
        alpha = alpha if as_printed else alpha / size
        if how == "k outside":
            return x / (k + (alpha * total) ** beta)
        if how == "no power":
            return x / (k + alpha * total)
        denominator = (k + alpha * total) ** beta
        return denominator if how == "denominator" else x / denominator

    return response_norm


def norm_by_cumsum(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    """A window's sum is the difference of two running sums."""
    half = size // 2
    padded = F.pad(x.double() ** 2, (0, 0, 0, 0, half + 1, half)).cumsum(dim=1)
    total = padded[:, size:] - padded[:, :-size]
    return (x * (k + alpha / size * total) ** -beta).float()


def norm_by_convolution(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    """A convolution over the channels, all of its weights 1."""
    squares = x.square().flatten(2).transpose(1, 2).flatten(0, 1)[:, None]
    total = F.conv1d(squares, torch.ones(1, 1, size), padding=size // 2)[:, 0]
    total = total.unflatten(0, (len(x), -1)).transpose(1, 2).reshape(x.shape)
    return x / (k + alpha / size * total) ** beta


def norm_by_mean(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    """The mean of the channels that there are: another divisor at the border."""
    there = F.avg_pool3d(x.square()[:, None], (size, 1, 1), 1, (size // 2, 0, 0), False, False)
    return x / (k + alpha * there[:, 0]) ** beta


def norm_all_channels(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    return x / (k + alpha / size * x.square().sum(dim=1, keepdim=True)) ** beta


def norm_in_place(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    return x.copy_(norm_by_convolution(x, size, alpha, beta, k))


def norm_ready_made(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    return nn.LocalResponseNorm(size, alpha, beta, k)(x)


# --- 04.3 ----------------------------------------------------------------------------------------


class Paper(nn.Module):
    """The network with functions between the layers; each attribute is where a mistake can be."""

    groups = (2, 1, 2, 2)
    pool = staticmethod(lambda x: F.max_pool2d(x, 3, 2))
    drops = (True, True)
    norm = staticmethod(lambda x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0))
    edge = (0, 3, 0, 3)
    order = ("relu", "norm", "pool")
    hidden_relu = True

    def __init__(self, num_classes=1000, unit=32):
        super().__init__()
        channels = [3, 3 * unit, 8 * unit, 12 * unit, 12 * unit, 8 * unit]
        self.convs = nn.ModuleList([nn.Conv2d(3, 3 * unit, 11, stride=4)])
        for layer, groups in enumerate(self.groups, start=1):
            kernel_size = 5 if layer == 1 else 3
            self.convs.append(
                nn.Conv2d(*channels[layer : layer + 2], kernel_size, padding="same", groups=groups)
            )
        self.fc1 = nn.Linear(8 * unit * 6 * 6, 128 * unit)
        self.fc2 = nn.Linear(128 * unit, 128 * unit)
        self.fc3 = nn.Linear(128 * unit, num_classes)

    def forward(self, x):
        x = F.pad(x, self.edge)
        for conv in self.convs[:2]:
            x = conv(x)
            for step in self.order:
                x = x.relu() if step == "relu" else getattr(self, step)(x)
        for conv in self.convs[2:]:
            x = conv(x).relu()
        x = self.pool(x).flatten(1)
        for layer, drop in zip((self.fc1, self.fc2), self.drops, strict=True):
            x = layer(x).relu() if self.hidden_relu else layer(x)
            x = F.dropout(x, 0.5, self.training and drop)
        return self.fc3(x)


def paper_with(**attributes):
    """A class with one of the mistakes."""
    return type("Paper", (Paper,), attributes)


def paper_sequential(num_classes=1000, unit=32):
    norm = dict(size=5, alpha=1e-4, beta=0.75, k=2)
    return nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),
        *(nn.Conv2d(3, 3 * unit, 11, 4), nn.ReLU(), nn.LocalResponseNorm(**norm)),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(3 * unit, 8 * unit, 5, padding=2, groups=2), nn.ReLU()),
        *(nn.LocalResponseNorm(**norm), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(8 * unit, 12 * unit, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(12 * unit, 12 * unit, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.Conv2d(12 * unit, 8 * unit, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), nn.Flatten()),
        *(nn.Linear(288 * unit, 128 * unit), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(128 * unit, 128 * unit), nn.ReLU(), nn.Dropout()),
        nn.Linear(128 * unit, num_classes),
    )


class WithSoftmax(Paper):
    def forward(self, x):
        return super().forward(x).softmax(dim=1)


class WrongFlat(Paper):
    def __init__(self, num_classes=1000, unit=32):
        super().__init__(num_classes, unit)
        self.fc1 = nn.Linear(8 * unit * 7 * 7, 128 * unit)


class OneTowerHidden(Paper):
    def __init__(self, num_classes=1000, unit=32):
        super().__init__(num_classes, unit)
        self.fc1 = nn.Linear(8 * unit * 6 * 6, 64 * unit)


class InAList(Paper):
    def __init__(self, num_classes=1000, unit=32):
        nn.Module.__init__(self)
        self.layers = [nn.Conv2d(3, 3 * unit, 11)]


class WithoutOutput(Paper):
    def __init__(self, num_classes=1000, unit=32):
        super().__init__(num_classes, unit)
        self.fc3 = None


ANSWERS = {
    "04.1": dict(
        variants={"a loop": sizes_with(), "windows counted": sizes_by_counting},
        wrong={
            "padding once": (sizes_with(grow=1), "padding is added on both sides"),
            "no padding": (sizes_with(grow=0), "padding was left out"),
            "no plus one": (sizes_with(one=0), "add 1 at the end"),
            "fractions": (sizes_with(down=lambda a, b: a / b), "use // and %"),
            "always rounded up": (sizes_with(down=ceil), "round down"),
            "never rounded up": (sizes_with(up=floor), "over the edge: round up"),
            "not chained": (sizes_with(chain=False), "the output of the layer before"),
            "negative sizes": (sizes_with(stop=False), "does not fit.*the list ends before it"),
            "left over without padding": (
                sizes_with(left=lambda r, s, p, n: (r - 2 * p) % s),
                "is right; left over is",
            ),
            "never negative": (
                sizes_with(left=lambda r, s, p, n: abs(r - n * s)),
                "counts as negative: -",
            ),
            "only sizes": (lambda *case: [n for n, _ in sizes_with()(*case)], "is a pair"),
            "only the last": (lambda *case: sizes_with()(*case)[-1][0], "a list"),
            "one layer": (lambda *case: sizes_with()(*case)[:1], "pairs, not 1"),
        },
        empty=dict(zeros=lambda size, layers, round_up: [(0, 0) for _ in layers]),
        adapters={"sizes of the course": (sizes_by_the_course, 0)},
    ),
    "04.2": dict(
        variants={
            "channel by channel": norm_with(),
            "running sums": norm_by_cumsum,
            "convolution": norm_by_convolution,
        },
        wrong={
            "as printed": (norm_with(as_printed=True), r"and in PyTorch \(not in the paper\)"),
            "mean of the channels there": (norm_by_mean, "also where the window is cut off"),
            "no square": (norm_with(power=1), "not the activations"),
            "over a row": (norm_with(axis=3), "not pixels side by side"),
            "over a column": (norm_with(axis=2), "neighbours are channels"),
            "wrapped": (norm_with(wrap=True), "no neighbours"),
            "no power": (norm_with(how="no power"), "to the power beta"),
            "k outside": (norm_with(how="k outside"), "k belongs inside"),
            "denominator": (norm_with(how="denominator"), "only the denominator"),
            "last one missing": (norm_with(after=-1), "the last neighbour is missing"),
            "all channels": (norm_all_channels, "not all of them"),
            "in place": (norm_in_place, "x itself was changed"),
            "ready made": (norm_ready_made, "without PyTorch's"),
            "nothing": (lambda *_, **__: None, "return a tensor"),
        },
        empty=dict(
            zeros=lambda x, **_: torch.zeros_like(x), ones=lambda x, **_: torch.ones_like(x)
        ),
        adapters={"PyTorch's, which a person is told": (norm_ready_made, 6)},
    ),
    "04.3": dict(
        variants={"functions": Paper, "sequential": paper_sequential},
        wrong={
            "one tower": (paper_with(groups=(1, 1, 1, 1)), "convolution 2.*groups=2"),
            "never meet": (paper_with(groups=(2, 2, 2, 2)), "where the towers meet"),
            "flat size": (WrongFlat, "6 × 6 come out"),
            "half hidden": (OneTowerHidden, r"hidden layer 1 should have shape \[4096, 9216\]"),
            "no norm": (paper_with(norm=staticmethod(lambda x: x)), "normalisation is missing"),
            "alpha as printed": (
                paper_with(norm=staticmethod(lambda x: F.local_response_norm(x, 5, 5e-4, 0.75, 2))),
                "alpha=5e-4 follows the formula",
            ),
            "default norm": (
                paper_with(norm=staticmethod(lambda x: F.local_response_norm(x, 5))),
                "PyTorch's default is 1",
            ),
            "padding of torchvision": (paper_with(edge=(2, 2, 2, 2)), "is torchvision's"),
            "zeros before": (paper_with(edge=(3, 0, 3, 0)), "not to the left"),
            "no zeros": (paper_with(edge=(0, 0, 0, 0)), "shapes|RuntimeError"),
            "pool first": (paper_with(order=("relu", "pool", "norm")), "before you pool"),
            "norm first": (paper_with(order=("norm", "relu", "pool")), "after the ReLU"),
            "no hidden ReLU": (paper_with(hidden_relu=False), "no ReLU after the two hidden"),
            "average pooling": (
                paper_with(pool=staticmethod(lambda x: F.avg_pool2d(x, 3, 2))),
                "not with the average",
            ),
            "small windows": (
                paper_with(pool=staticmethod(lambda x: F.max_pool2d(x, 2))),
                "2×2 leads to the same sizes",
            ),
            "softmax": (WithSoftmax, "no softmax at the end"),
            "no dropout": (paper_with(drops=(False, False)), "no hidden unit is dropped"),
            "dropout once": (paper_with(drops=(True, False)), "only one of the two"),
            "layers in a list": (InAList, "plain Python list stay invisible"),
            "no output layer": (WithoutOutput, "16 parameter tensors; your model has 14"),
            "not a module": (lambda **_: "AlexNet", "inherits from nn.Module"),
        },
        empty={},
        adapters={"the course's": (TwoTowerAlexNet, 0)},
    ),
}
