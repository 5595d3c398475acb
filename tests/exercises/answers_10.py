"""Lecture 10: other right answers, and wrong ones with the hint that each should get."""

import statistics

import numpy as np
import torch
from torch import nn

from course_utils.data.types import channel_statistics
from course_utils.models.vgg import make_layers

# --- 10.1 ----------------------------------------------------------------------------------------


def rate_with(steps, power=lambda factor, n: factor**n):
    def learning_rate_at(epoch, start, every, factor):
        return start / power(factor, steps(epoch, every))

    return learning_rate_at


def by_repetition(epoch, start, every, factor):
    rate = start
    for number in range(1, epoch + 1):
        if number % every == 0:
            rate = rate / factor
    return rate


def by_scheduler(epoch, start, every, factor):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=start)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, every, 1 / factor)
    for _ in range(epoch):
        optimizer.step()
        schedule.step()
    return schedule.get_last_lr()[0]


# --- 10.2 ----------------------------------------------------------------------------------------


def statistics_with(dtype=torch.float64, scale=255, finish=None, root=torch.sqrt, less=0):
    """Sums of pixels and of their squares; the options are mistakes."""

    def channel_statistics(batches):
        count, total, squares = 0, 0, 0
        for images in batches:
            x = images.to(dtype) / scale
            count += x.numel() // x.shape[1]
            total = total + x.sum(dim=(0, 2, 3))
            squares = squares + (x**2).sum(dim=(0, 2, 3))
        mean = total / count
        variance = (squares - count * mean**2) / (count - less)
        std = root(variance.clamp(min=0))
        return finish(mean, std) if finish else (mean, std)

    return channel_statistics


def by_histogram(batches):
    counts = 0
    for images in batches:
        flat = images.transpose(0, 1).flatten(1)
        counts = counts + torch.stack([torch.bincount(c, minlength=256) for c in flat])
    values = np.arange(256) / 255
    shares = counts.numpy() / counts.sum(1, keepdim=True).numpy()
    mean = shares @ values
    std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))
    return mean.tolist(), std.tolist()


def of_single_images(batches):
    images = torch.cat(list(batches)).double() / 255
    return images.mean(dim=(0, 2, 3)), images.std(dim=(2, 3), correction=0).mean(dim=0)


def of_batches(batches):
    pairs = [((b.double() / 255).mean(dim=(0, 2, 3)), b.double() / 255) for b in batches]
    variances = [x.var(dim=(0, 2, 3), correction=0) for _, x in pairs]
    return torch.stack([m for m, _ in pairs]).mean(0), torch.stack(variances).mean(0).sqrt()


def one_for_all(batches):
    images = torch.cat(list(batches)).double() / 255
    return images.mean(dim=(0, 2, 3)), images.std(correction=0).expand(images.shape[1])


def of_the_course(batches):
    return channel_statistics(torch.cat(list(batches)))


def always_pair(value):
    return lambda batches: [torch.full((next(batches).shape[1],), value)] * 2


# --- 10.3 ----------------------------------------------------------------------------------------


def seven_with(
    *, padding=1, relu=nn.ReLU, between=nn.ReLU, pool=nn.MaxPool2d, after=(), blocks=(2, 3)
):
    """Make the class; the options are mistakes or other ways to write it."""

    class SevenLayers(nn.Module):
        def __init__(self, num_classes, channels, hidden):
            super().__init__()
            first, second = channels
            layers, before = [], 3
            for count, width in zip(blocks, (first, second), strict=True):
                for _ in range(count):
                    layers += [nn.Conv2d(before, width, 3, padding=padding), relu()]
                    before = width
                layers.append(pool(2))
            self.features = nn.Sequential(*layers)
            size = self.features(torch.zeros(1, 3, 32, 32)).numel()
            linear = [nn.Linear(size, hidden), between(), nn.Linear(hidden, num_classes)]
            self.classifier = nn.Sequential(*linear, *(layer() for layer in after))

        def forward(self, images):
            return self.classifier(self.features(images).flatten(1))

    return SevenLayers


class WithMakeLayers(nn.Module):
    def __init__(self, num_classes, channels, hidden):
        super().__init__()
        a, b = channels
        self.features = make_layers([a, a, "M", b, b, b, "M"])
        self.classifier = nn.Sequential(
            nn.Linear(64 * b, hidden), nn.ReLU(), nn.Linear(hidden, num_classes)
        )

    def forward(self, images):
        return self.classifier(torch.flatten(self.features(images), start_dim=1))


class BothInOneLine(nn.Module):
    def __init__(self, num_classes, channels, hidden):
        super().__init__()
        a, b = channels
        sizes = [(3, a), (a, a), (a, b), (b, b), (b, b)]
        layers = [part for pair in sizes for part in (nn.Conv2d(*pair, 3, padding=1), nn.ReLU())]
        layers.insert(4, nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, nn.MaxPool2d(2))
        self.classifier = nn.Sequential(
            nn.Linear(64 * b, hidden), nn.ReLU(), nn.Linear(hidden, num_classes)
        )

    def forward(self, images):
        return self.classifier(self.features(images).flatten(1))


class InAList(nn.Module):
    def __init__(self, num_classes, channels, hidden):
        super().__init__()
        self.layers = [nn.Conv2d(3, channels[0], 3, padding=1)]


class NoModule:
    def __init__(self, num_classes, channels, hidden):
        pass


class Zero(nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


# --- 10.4 ----------------------------------------------------------------------------------------


def pruning_with(*, middle=statistics.median, least=3, take=None, below=None, everybody=False):
    take = take or (lambda values, epoch: values[epoch])
    below = below or (lambda value, limit: value < limit)

    def should_prune(value, epoch, others):
        chosen = [values for values in others if everybody or len(values) > epoch]
        there = [take(values, epoch) for values in chosen]
        return bool(there) and len(there) >= least and bool(below(value, middle(there)))

    return should_prune


def by_sorting(value, epoch, others):
    there = sorted(values[epoch] for values in others if len(values) > epoch)
    half = len(there) // 2
    if len(there) < 3:
        return False
    middle = there[half] if len(there) % 2 else (there[half - 1] + there[half]) / 2
    return value < middle


ANSWERS = {
    "10.1": dict(
        variants={"by repetition": by_repetition},
        wrong={
            "every epoch": (rate_with(lambda e, n: e), "not in every epoch"),
            "smooth": (rate_with(lambda e, n: e / n), "use // for"),
            "one too early": (rate_with(lambda e, n: (e + 1) // n), "not one before"),
            "one too late": (
                rate_with(lambda e, n: max(0, e - 1) // n),
                "smaller rate already",
            ),
            "adds up": (
                rate_with(lambda e, n: e // n, lambda f, n: max(1, f * n)),
                "they do not add up",
            ),
            "grows": (rate_with(lambda e, n: -(e // n)), "divide by the factor"),
            "once": (rate_with(lambda e, n: min(1, e // n)), "not only once"),
        },
        empty={"the first rate": lambda epoch, start, every, factor: start},
        adapters={"StepLR": (by_scheduler, 4)},
    ),
    "10.2": dict(
        variants={"a histogram": by_histogram, "sums": statistics_with()},
        wrong={
            "0 to 255": (statistics_with(scale=1), "divide the pixels by 255"),
            "of single images": (of_single_images, "mean of the standard deviations"),
            "of batches": (of_batches, "batches differ in size"),
            "one for all channels": (one_for_all, "its own standard deviation"),
            "variance": (statistics_with(root=lambda v: v), "square root"),
            "one less": (statistics_with(less=1), "not by one less"),
            "float32": (statistics_with(dtype=torch.float32), "float64"),
            "only means": (statistics_with(finish=lambda m, s: (m,)), "return two things"),
            "a number": (lambda batches: 0.5, "return two things"),
        },
        empty={"zeros": always_pair(0.0), "halves": always_pair(0.5)},
        adapters={"the course's": (of_the_course, 0)},
    ),
    "10.3": dict(
        variants={"one Sequential of both": BothInOneLine},
        wrong={
            "no ReLU": (seven_with(relu=nn.Identity), "follows each convolution"),
            "no ReLU between": (seven_with(between=nn.Identity), "between the two linear"),
            "ReLU last": (seven_with(after=[nn.ReLU]), "logits may be negative"),
            "softmax last": (
                seven_with(after=[lambda: nn.Softmax(dim=1)]),
                "the loss does that",
            ),
            "mean pools": (seven_with(pool=nn.AvgPool2d), "not the mean"),
            "no padding": (seven_with(padding=0), "classifier.0.weight should have shape"),
            "blocks exchanged": (seven_with(blocks=(3, 2)), "features"),
            "a list": (InAList, "no parameters"),
            "not a module": (NoModule, "inherits from nn.Module"),
        },
        empty={"zeros": seven_with(after=[Zero])},
        adapters={"the course's make_layers": (WithMakeLayers, 0)},
    ),
    "10.4": dict(
        variants={"by sorting": by_sorting},
        wrong={
            "mean": (pruning_with(middle=statistics.mean), "not with the mean"),
            "best": (pruning_with(middle=max), "not with the best"),
            "lower median": (pruning_with(middle=statistics.median_low), "not the lower"),
            "higher median": (pruning_with(middle=statistics.median_high), "not the higher"),
            "at once": (pruning_with(least=1), "fewer than 3"),
            "last values": (pruning_with(take=lambda v, e: v[-1]), "last values"),
            "equal stops": (pruning_with(below=lambda a, b: a <= b), "equals the median"),
            "the good ones stop": (pruning_with(below=lambda a, b: a > b), "below the median stop"),
            "those that stopped count too": (
                pruning_with(take=lambda v, e: v[min(e, len(v) - 1)], everybody=True),
                "stopped before this epoch",
            ),
            "a tensor": (lambda value, epoch, others: torch.tensor(True), "True or False"),
        },
        empty={},
        adapters={},
    ),
}
