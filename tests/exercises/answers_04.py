"""Lecture 04: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F

from course_utils.arithmetic import conv_output_size
from course_utils.data import augment as by_course
from course_utils.data import standard_augmentation
from course_utils.models import TwoTowerAlexNet

# --- 04.1 ----------------------------------------------------------------------------------------


def sizes_with(*, grow=2, divide=lambda a, b: a // b, one=1, left=None, chain=True, stop=True):
    """Make an answer to 04.1; each option is a mistake."""

    def sizes_through(size, layers):
        found, first = [], size
        for kernel_size, stride, padding in layers:
            room = (size if chain else first) + grow * padding - kernel_size
            if stop and room < 0:
                break
            size = divide(room, stride) + one
            found.append((size, (left or (lambda r, s, p: r % s))(room, stride, padding)))
        return found

    return sizes_through


def sizes_by_counting(size, layers):
    """Windows put down one after the other, as long as they fit."""
    found = []
    for kernel_size, stride, padding in layers:
        size += 2 * padding
        starts = list(range(0, size - kernel_size + 1, stride))
        if not starts:
            return found
        found += [[len(starts), size - kernel_size - starts[-1]]]
        size = len(starts)
    return found


def sizes_by_the_course(size, layers):
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


def norm_with(*, per_size=False, power=2, axis=1, before=0, after=0, wrap=False, how="divide"):
    """Make an answer to 04.2; each option is a mistake."""

    def response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
        squares, total = x.abs() ** power if power > 1 else x, torch.zeros_like(x)
        length = x.shape[axis]
        for i in range(length):
            reach = range(i - size // 2 - before, i + size // 2 + 1 + after)
            inside = [j % length for j in reach] if wrap else [j for j in reach if 0 <= j < length]
            total.select(axis, i).copy_(squares.index_select(axis, torch.tensor(inside)).sum(axis))
        alpha = alpha / size if per_size else alpha
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
    return (x * (k + alpha * total) ** -beta).float()


def norm_by_convolution(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    """A convolution over the channels, all of its weights 1."""
    squares = x.square().flatten(2).transpose(1, 2).flatten(0, 1)[:, None]
    total = F.conv1d(squares, torch.ones(1, 1, size), padding=size // 2)[:, 0]
    total = total.unflatten(0, (len(x), -1)).transpose(1, 2).reshape(x.shape)
    return x / (k + alpha * total) ** beta


def norm_all_channels(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    return x / (k + alpha * x.square().sum(dim=1, keepdim=True)) ** beta


def norm_in_place(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    return x.copy_(norm_by_convolution(x, size, alpha, beta, k))


def norm_ready_made(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    return nn.LocalResponseNorm(size, alpha * size, beta, k)(x)


# --- 04.3 ----------------------------------------------------------------------------------------


class Paper(nn.Module):
    """The network with functions between the layers; each attribute is where a mistake can be."""

    groups = (2, 1, 2, 2)
    pool = staticmethod(lambda x: F.max_pool2d(x, 3, 2))
    drops = (True, True)
    norm = staticmethod(lambda x: F.local_response_norm(x, 5, 5e-4, 0.75, 2.0))
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
    norm = dict(size=5, alpha=5e-4, beta=0.75, k=2)
    return nn.Sequential(
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


# --- 04.4 ----------------------------------------------------------------------------------------


def drop_with(
    *,
    drops=lambda x, p: torch.rand(x.shape) < p,
    scale=lambda p: 1 / (1 - p) if p < 1 else 0.0,
    evaluation=lambda x, p: x,
):
    """Make an answer to 04.4; each option is a mistake or another way to write it."""

    def drop_out(x, probability, training):
        if not training:
            return evaluation(x, probability)
        return x * ~drops(x, probability) * scale(probability)

    return drop_out


def drop_by_bernoulli(x, probability, training):
    if not training or probability == 0:
        return x.clone()
    mask = torch.full_like(x, 1 - probability).bernoulli()
    return torch.zeros_like(x) if probability == 1 else x * mask / (1 - probability)


def drop_not_finite(x, probability, training):
    mask = torch.rand_like(x) >= probability
    return x * mask / torch.tensor(1 - probability) if training else x


def drop_in_place(x, probability, training):
    return x.copy_(drop_with()(x, probability, training))


def same_mask(x, p):
    return torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < p


# --- 04.5 ----------------------------------------------------------------------------------------


def augment_with(
    *,
    top=lambda p, n: torch.randint(0, 2 * p + 1, (n,)),
    left=None,
    flips=lambda n: torch.rand(n) < 0.5,
    axis=-1,
    pad=lambda x, p: F.pad(x, (p,) * 4),
):
    """Make an answer to 04.5; each option is a mistake or another way to write it."""

    def augment_batch(images, padding=4):
        count, _, height, width = images.shape
        tops = top(padding, count)
        lefts = tops if left == "same" else (left or top)(padding, count)
        result = torch.empty_like(images)
        rows = zip(pad(images, padding), tops, lefts, flips(count), strict=True)
        for i, (padded, y, x, flip) in enumerate(rows):
            crop = padded[:, y : y + height, x : x + width]
            result[i] = crop.flip(axis) if flip else crop
        return result

    return augment_batch


def augment_by_gather(images, padding=4):
    """Mirrored first, then all the crops with two index tensors."""
    count, _, height, width = images.shape
    mirrored = torch.randint(2, (count, 1, 1, 1)).bool()
    padded = F.pad(torch.where(mirrored, images.flip(3), images), (padding,) * 4)
    rows = torch.randint(2 * padding + 1, (count, 1)) + torch.arange(height)
    columns = torch.randint(2 * padding + 1, (count, 1)) + torch.arange(width)
    index = torch.arange(count)[:, None, None]
    return padded.movedim(1, 3)[index, rows[:, :, None], columns[:, None]].movedim(3, 1)


def augment_per_channel(images, padding=4):
    channels = images.flatten(0, 1)[:, None]
    return augment_by_gather(channels, padding).reshape(images.shape)


def augment_as_float(images, padding=4):
    return augment_by_gather(images.float() * 1.0, padding).double()


def augment_in_place(images, padding=4):
    return images.copy_(augment_by_gather(images, padding))


def augment_without_crop(images, padding=4):
    return F.pad(images, (padding + 1,) * 4)


def augment_without_pad(images, padding=4):
    count, _, height, width = images.shape
    y, x = torch.randint(padding + 1, (2,)).tolist()
    return F.pad(images[:, :, y:, x:], (0, x, 0, y))


def augment_shuffled(images, padding=4):
    return augment_by_gather(images[torch.randperm(len(images))], padding)


def circular(x, p):
    return F.pad(x.float(), (p,) * 4, mode="circular").to(x.dtype) if p else x


def replicate(x, p):
    return F.pad(x.float(), (p,) * 4, mode="replicate").to(x.dtype) if p else x


def one_place(p, n):
    return torch.randint(0, 2 * p + 1, ()).expand(n)


def short_range(p, n):
    return torch.randint(0, max(2 * p, 1), (n,))


def small_range(p, n):
    return torch.randint(0, p + 1, (n,))


ANSWERS = {
    "04.1": dict(
        variants={"a loop": sizes_with(), "windows counted": sizes_by_counting},
        wrong={
            "padding once": (sizes_with(grow=1), "padding is added on both sides"),
            "no padding": (sizes_with(grow=0), "padding was left out"),
            "no plus one": (sizes_with(one=0), "add 1 at the end"),
            "fractions": (sizes_with(divide=lambda a, b: a / b), "use // and %"),
            "rounded up": (sizes_with(divide=lambda a, b: -(-a // b)), "round down"),
            "not chained": (sizes_with(chain=False), "the output of the layer before"),
            "negative sizes": (sizes_with(stop=False), "does not fit.*the list ends before it"),
            "left over without padding": (
                sizes_with(left=lambda r, s, p: (r - 2 * p) % s),
                "is right; left over are",
            ),
            "only sizes": (
                lambda size, layers: [n for n, _ in sizes_with()(size, layers)],
                "each entry is a pair",
            ),
            "only the last": (lambda size, layers: sizes_with()(size, layers)[-1][0], "a list"),
            "one layer": (lambda size, layers: sizes_with()(size, layers)[:1], "pairs, not 1"),
        },
        empty=dict(zeros=lambda size, layers: [(0, 0) for _ in layers]),
        adapters={"sizes of the course": (sizes_by_the_course, 0)},
    ),
    "04.2": dict(
        variants={
            "channel by channel": norm_with(),
            "running sums": norm_by_cumsum,
            "convolution": norm_by_convolution,
        },
        wrong={
            "alpha / size": (norm_with(per_size=True), "PyTorch's convention"),
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
            "alpha of the paper": (
                paper_with(norm=staticmethod(lambda x: F.local_response_norm(x, 5, 1e-4, 0.75, 2))),
                "PyTorch divides it by the size",
            ),
            "default norm": (
                paper_with(norm=staticmethod(lambda x: F.local_response_norm(x, 5))),
                "has PyTorch's defaults",
            ),
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
    "04.4": dict(
        variants={"a mask": drop_with(), "bernoulli": drop_by_bernoulli},
        wrong={
            "no scaling": (drop_with(scale=lambda p: 1.0), r"must grow by 1 / \(1 − prob"),
            "multiplied": (drop_with(scale=lambda p: 1 - p), "instead of multiplying"),
            "divided by p": (drop_with(scale=lambda p: 1 / p if p else 1), "not by probability"),
            "form of 2012": (
                drop_with(scale=lambda p: 1.0, evaluation=lambda x, p: x * (1 - p)),
                "must grow by 1",
            ),
            "scaled in evaluation": (
                drop_with(evaluation=lambda x, p: x * (1 - p)),
                "the form of 2012",
            ),
            "dropped in evaluation": (
                lambda x, probability, training: drop_with()(x, probability, True),
                "in evaluation nothing is dropped",
            ),
            "kept with p": (
                drop_with(drops=lambda x, p: torch.rand(x.shape) >= p),
                "probability is that of being dropped",
            ),
            "always half": (
                drop_with(drops=lambda x, p: torch.rand(x.shape) < 0.5),
                "should be dropped; yours dropped",
            ),
            "same mask": (drop_with(drops=same_mask), "the same places"),
            "whole columns": (
                drop_with(drops=lambda x, p: torch.rand(x.shape[-1]) < p),
                "one number for each element",
            ),
            "nothing dropped": (lambda x, probability, training: x * 1, "nothing was dropped"),
            "0 / 0": (drop_not_finite, "not finite"),
            "in place": (drop_in_place, "x itself was changed"),
            "ready made": (
                lambda x, probability, training: F.dropout(x, probability, training),
                "without PyTorch's dropout",
            ),
            "the mask": (lambda x, probability, training: None, "return a tensor"),
        },
        empty=dict(
            zeros=lambda x, *_: torch.zeros_like(x),
            ones=lambda x, *_: torch.ones_like(x),
            float64=lambda x, *_: x.double(),
        ),
        adapters={"PyTorch's, which a person is told": (F.dropout, 5)},
    ),
    "04.5": dict(
        variants={"a loop": augment_with(), "index tensors": augment_by_gather},
        wrong={
            "no cut": (augment_without_crop, "cut the padded images back"),
            "one place": (augment_with(top=one_place), "at the same place"),
            "same both ways": (augment_with(left="same"), "draw them separately"),
            "short range": (augment_with(top=short_range), "does not belong to it"),
            "small range": (augment_with(top=small_range), "never drawn: "),
            "never mirrored": (augment_with(flips=torch.zeros), "none of the images"),
            "always mirrored": (augment_with(flips=torch.ones), "all of the images"),
            "one coin": (
                augment_with(flips=lambda n: (torch.rand(()) < 0.5).expand(n)),
                "decide for each image",
            ),
            "rarely mirrored": (
                augment_with(flips=lambda n: torch.rand(n) < 0.1),
                "about half of the images",
            ),
            "upside down": (augment_with(axis=-2), "not upside down"),
            "wrapped": (augment_with(pad=circular), "from the other side"),
            "repeated": (augment_with(pad=replicate), "by repeating the border"),
            "each channel": (augment_per_channel, "all channels of an image move together"),
            "other type": (augment_as_float, "should stay as it is"),
            "in place": (augment_in_place, "were changed"),
            "shuffled": (augment_shuffled, "image i of the result is made from image i"),
        },
        empty=dict(
            zeros=lambda images, padding: torch.zeros_like(images),
            ones=lambda images, padding: torch.ones_like(images),
        ),
        adapters={
            "the course's": (lambda images, padding: standard_augmentation(padding)(images), 0),
            "its parts": (
                lambda images, padding: by_course.flip(by_course.pad_crop(images, padding)),
                0,
            ),
        },
    ),
}
