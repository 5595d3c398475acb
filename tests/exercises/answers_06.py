"""Lecture 06: other right answers, and wrong ones with the hint that each should get."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.data import augment as by_course
from course_utils.data import standard_augmentation
from course_utils.inspection.forgotten import forgotten_calls
from course_utils.training.ingredients import mix_images, move_average, warm_up_and_cosine

# --- 06.1 ----------------------------------------------------------------------------------------


class Norm(nn.Module):
    """Right, with sums written out; the class attributes are what the wrong ones change."""

    dims = (0, 2, 3)
    unbiased = False
    running_unbiased = True
    learns_in = (True,)
    batch_in = (True,)
    affine = True
    eps_inside = True
    graph = True

    def __init__(self, num_features, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = self.share(momentum), eps
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.remember(torch.zeros(num_features), torch.ones(num_features))

    def share(self, momentum):
        return momentum

    def remember(self, mean, var):
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)

    def forward(self, x):
        column = (1, -1, 1, 1)
        mean, var = self.running_mean.view(column), self.running_var.view(column)
        if self.training in self.batch_in:
            with torch.set_grad_enabled(self.graph):
                mean = x.mean(self.dims, keepdim=True)
                var = x.var(self.dims, unbiased=self.unbiased, keepdim=True)
        if self.training in self.learns_in:
            self.learn(x.detach())
        spread = (var + self.eps).sqrt() if self.eps_inside else var.sqrt() + self.eps
        x = (x - mean) / spread
        return x * self.weight.view(column) + self.bias.view(column) if self.affine else x

    def learn(self, x):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=self.running_unbiased)
        self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
        self.running_var.mul_(1 - self.momentum).add_(self.momentum * var)


class ByTorch(nn.BatchNorm2d):
    """Torch's own: right, but not what the exercise is about."""

    def __init__(self, num_features, momentum=0.1, eps=1e-5):
        super().__init__(num_features, eps=eps, momentum=momentum)


class ByEinsum(Norm):
    def forward(self, x):
        if not self.training:
            return super().forward(x)
        flat = x.transpose(0, 1).flatten(1)
        mean = flat.sum(1) / flat.shape[1]
        var = torch.einsum("cn,cn->c", flat, flat) / flat.shape[1] - mean**2
        self.learn(x.detach())
        scale = self.weight * (var + self.eps) ** -0.5
        return torch.einsum("nchw,c->nchw", x, scale) + (self.bias - mean * scale)[:, None, None]


def norm_with(**options):
    """Make a batch norm with other class attributes."""
    return type("ChangedNorm", (Norm,), options)


class StatisticsAsParameters(Norm):
    def remember(self, mean, var):
        self.running_mean = nn.Parameter(mean)
        self.running_var = nn.Parameter(var)

    def learn(self, x):
        with torch.no_grad():
            super().learn(x)


class StatisticsAsAttributes(Norm):
    def remember(self, mean, var):
        self.running_mean, self.running_var = mean, var


class VarianceFromZero(Norm):
    def remember(self, mean, var):
        super().remember(mean, torch.zeros_like(var))


class Flattened(Norm):
    def forward(self, x):
        return super().forward(x).flatten(1)


# --- 06.2 ----------------------------------------------------------------------------------------


def rate_with(
    *,
    up=lambda t, w: (t + 1) / w,
    way=lambda t, T, w: (t - w) / (T - w),
    fall=lambda way: (1 + math.cos(math.pi * way)) / 2,
    warms_up=lambda t, w: t < w,
    result=lambda factor, peak: factor * peak,
):
    """Make an answer to 06.2; each option is a mistake or another way to write it."""

    def learning_rate_at(step, steps, warm_up, peak):
        factor = up(step, warm_up) if warms_up(step, warm_up) else fall(way(step, steps, warm_up))
        return result(factor, peak)

    return learning_rate_at


def rate_by_torch(step, steps, warm_up, peak):
    """PyTorch's schedulers, one after the other; step by step."""
    schedulers = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    cosine = schedulers.CosineAnnealingLR(optimizer, steps - warm_up)
    chain = cosine
    if warm_up:
        rising = schedulers.LambdaLR(optimizer, lambda t: (t + 1) / warm_up)
        chain = schedulers.SequentialLR(optimizer, [rising, cosine], [warm_up])
    for _ in range(step):
        optimizer.step()
        chain.step()
    return optimizer.param_groups[0]["lr"]


def rate_by_cosine_squared(step, steps, warm_up, peak):
    """(1 + cos 2x) / 2 is the square of cos x; the smaller of a line and a curve."""
    way = max(0, step - warm_up) / (steps - warm_up)
    rising = (step + 1) / warm_up if warm_up else 1
    return np.float64(peak) * min(rising, np.cos(np.pi * way / 2) ** 2)


def rate_of_both(step, steps, warm_up, peak):
    rising = min(1, (step + 1) / max(1, warm_up))
    return peak * rising * (1 + math.cos(math.pi * step / steps)) / 2


# --- 06.3 ----------------------------------------------------------------------------------------


def drop_with(
    *,
    drops=lambda x, p: torch.rand(x.shape) < p,
    scale=lambda p: 1 / (1 - p) if p < 1 else 0.0,
    evaluation=lambda x, p: x,
):
    """Make an answer to 06.3; each option is a mistake or another way to write it."""

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


# --- 06.4 ----------------------------------------------------------------------------------------


def augment_with(
    *,
    top=lambda p, n: torch.randint(0, 2 * p + 1, (n,)),
    left=None,
    flips=lambda n: torch.rand(n) < 0.5,
    axis=-1,
    pad=lambda x, p: F.pad(x, (p,) * 4),
):
    """Make an answer to 06.4; each option is a mistake or another way to write it."""

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


def augment_by_mirror_alone(images, padding=4):
    return by_course.flip(images)


def augment_without_crop(images, padding=4):
    return F.pad(images, (padding + 1,) * 4)


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


# --- 06.5 ----------------------------------------------------------------------------------------


def one_hot(labels, num_classes):
    return torch.eye(num_classes)[labels]


def mix_rows(rows, partners, shares):
    own = shares.view(-1, *[1] * (rows.ndim - 1))
    return own * rows + (1 - own) * rows[partners]


def mix_with(
    *,
    mix=mix_rows,
    mix_labels=None,
    rows=one_hot,
    shares=lambda shares: shares,
    partners=lambda partners: partners,
    result=lambda images, labels: (images, labels),
):
    """Make an answer to 06.5; each option is a mistake or another way to write it."""

    def mixup(images, labels, others, own, num_classes):
        given = partners(others), shares(own)
        soft = (mix_labels or mix)(rows(labels, num_classes), *given)
        return result(mix(images, *given), soft)

    return mixup


def mix_by_matrix(images, labels, partners, shares, num_classes):
    """A matrix (N, N) that says how much of each image is in each; sums are float64."""
    places = torch.arange(len(labels))
    parts = torch.diag(shares).double()
    parts.index_put_((places, partners), 1 - shares.double(), accumulate=True)
    mixed = torch.einsum("ij,jchw->ichw", parts, images.double())
    return mixed, parts @ F.one_hot(labels, num_classes).double()


def mix_by_scatter(images, labels, partners, shares, num_classes):
    """Added where the labels stand, so a pair of one class has all of it."""
    soft = torch.zeros(len(labels), num_classes)
    soft.scatter_add_(1, labels[:, None], shares[:, None])
    soft.scatter_add_(1, labels[partners][:, None], 1 - shares[:, None])
    return images[partners].lerp(images, shares[:, None, None, None]), soft


def assign(rows, partners, shares, *, own_last=False):
    labels, places = rows.argmax(1), torch.arange(len(rows))
    soft = torch.zeros_like(rows)
    soft[places, labels] = shares
    soft[places, labels[partners]] = 1 - shares
    if own_last:
        soft[places, labels] = shares
    return soft


def mix_in_place(images, labels, partners, shares, num_classes):
    mixed, soft = mix_by_scatter(images, labels, partners, shares, num_classes)
    return images.copy_(mixed), soft


def mix_scaled(rows, partners, shares):
    own = shares.view(-1, *[1] * (rows.ndim - 1))
    mixed = rows.clone().mul_(own)
    return mixed.add_((1 - own) * mixed[partners])


def mix_in_a_loop(rows, partners, shares):
    rows = rows.clone()
    for i in range(len(rows)):
        rows[i] = shares[i] * rows[i] + (1 - shares[i]) * rows[partners[i]]
    return rows


def along_the_width(rows, partners, shares):
    """Where it fits; else as it should be."""
    if rows.shape[-1] != len(rows) or rows.ndim == 2:
        return mix_rows(rows, partners, shares)
    return shares * rows + (1 - shares) * rows[partners]


# --- 06.6 ----------------------------------------------------------------------------------------


def average_with(
    *,
    floats=lambda old, new, decay: decay * old + (1 - decay) * new,
    statistics=None,
    counts=lambda old, new, decay: new,
    write=lambda tensor, value: tensor.copy_(value),
):
    """Make an answer to 06.6; each option is a mistake or another way to write it."""

    @torch.no_grad()
    def update_average(average, model, decay):
        for (name, old), new in zip(
            average.state_dict().items(), model.state_dict().values(), strict=True
        ):
            if not old.is_floating_point():
                write(old, counts(old, new, decay))
            elif "running" in name and statistics:
                write(old, statistics(old, new, decay))
            else:
                write(old, floats(old, new, decay))

    return update_average


@torch.no_grad()
def average_by_parts(average, model, decay):
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
    for old, new in zip(average.buffers(), model.buffers(), strict=True):
        old.copy_(decay * old + (1 - decay) * new if old.is_floating_point() else new)


def average_by_data(average, model, decay):
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.data = decay * old.data + (1 - decay) * new.data
    for name, new in model.named_buffers():
        old = average.get_buffer(name)
        old.data = decay * old + (1 - decay) * new if new.is_floating_point() else new.clone()


def average_by_torch(average, model, decay):
    """PyTorch's own for what is float, and a copy of the counters."""
    pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    move = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    move([old for old, _ in floats], [new for _, new in floats], 0)
    for old, new in pairs:
        if not old.is_floating_point():
            old.copy_(new)


@torch.no_grad()
def average_parameters(average, model, decay):
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.mul_(decay).add_(new, alpha=1 - decay)


@torch.no_grad()
def average_new_names(average, model, decay):
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old = decay * old + (1 - decay) * new  # noqa: F841


def average_with_graph(average, model, decay):
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.mul_(decay).add_((1 - decay) * new)
    for old, new in zip(average.buffers(), model.buffers(), strict=True):
        old.copy_(decay * old + (1 - decay) * new if old.is_floating_point() else new)


def average_linked(average, model, decay):
    average_with()(average, model, decay)
    if decay == 0:
        average.load_state_dict(model.state_dict(), assign=True)


@torch.no_grad()
def average_the_model(average, model, decay):
    for old, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        value = decay * old + (1 - decay) * new if old.is_floating_point() else new
        old.copy_(value)
        new.copy_(value)


@torch.no_grad()
def average_everything(average, model, decay):
    for old, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        old.mul_(decay).add_(new, alpha=1 - decay)


# --- 06.7 ----------------------------------------------------------------------------------------


def diagnose_with(
    *,
    device=True,
    zeros_are_old=False,
    step_needs_gradient=True,
    before=3,
    evaluation=True,
    result=lambda found: found,
):
    """Make a diagnosis; each option is a mistake or another way to write it."""

    def diagnose(record):
        if device and record["model_device"] != record["images_device"]:
            return result(["device"])
        found = []
        gradient, means = record["gradient"], record["running_mean"]
        if len({*means[:4]}) == 1:
            found.append("train")
        is_zero = all(number == 0 for number in gradient)
        if (zeros_are_old or not is_zero) and gradient != record["true_gradient"]:
            found.append("zero_grad")
        if is_zero:
            found.append("backward")
        still = means and record["weight"][0] == record["weight"][1]
        if still and not (step_needs_gradient and is_zero):
            found.append("step")
        if means and means[before] != means[4]:
            found.append("eval")
        if evaluation and record["evaluation_graph"]:
            found.append("no_grad")
        return result(found)

    return diagnose


def by_each_batch(record):
    """Another order, tensors, and a set instead of a list."""
    if record["images_device"] != record["model_device"]:
        return {"device"}
    means, weight, gradient, true = (
        torch.tensor(record[name])
        for name in ("running_mean", "weight", "gradient", "true_gradient")
    )
    largest, moved = gradient.abs().max(), weight.diff().abs().sum() > 0
    signs = {
        "no_grad": record["evaluation_graph"],
        "eval": bool((means[4] - means[3]).abs() > 1e-6),
        "step": bool(largest > 0 and not moved),
        "backward": bool(largest == 0),
        "zero_grad": bool(largest > 0 and (gradient - true).abs().max() > 1e-6),
        "train": bool(means[:4].diff().abs().sum() == 0),
    }
    return {name for name, holds in signs.items() if holds}


ANSWERS = {
    "06.1": dict(
        variants={"by hand": Norm, "einsum": ByEinsum},
        wrong={
            "unbiased": (norm_with(unbiased=True), "needs correction=0"),
            "biased memory": (norm_with(running_unbiased=False), "takes the unbiased variance"),
            "by pixel": (norm_with(dims=(0,)), "from pixel to pixel"),
            "by image": (norm_with(dims=(2, 3)), "one for each image"),
            "layer norm": (norm_with(dims=(1, 2, 3)), "that is layer norm"),
            "all": (norm_with(dims=(0, 1, 2, 3)), "mixes all channels"),
            "momentum": (norm_with(share=lambda self, m: 1 - m), "share of the new batch"),
            "batch in evaluation": (norm_with(batch_in=(True, False)), "running statistics are us"),
            "running in training": (
                norm_with(batch_in=()),
                "statistics of the batch are used, not the run",
            ),
            "learns always": (norm_with(learns_in=(True, False)), "stay as they are"),
            "learns never": (norm_with(learns_in=()), "move a little"),
            "no affine": (norm_with(affine=False), "scale and shift are missing"),
            "eps": (norm_with(eps_inside=False), "under the root"),
            "no graph": (norm_with(graph=False), "gradient of the input"),
            "parameters": (StatisticsAsParameters, "measured, not trained"),
            "attributes": (StatisticsAsAttributes, "register_buffer"),
            "start": (VarianceFromZero, "running_var should start as"),
            "flat": (Flattened, "shape of the input"),
            "torch's": (ByTorch, "batch norm is what you are to write"),
            "no module": (lambda *_, **__: None, "inherits from nn.Module"),
        },
        empty={
            "its input": norm_with(forward=lambda self, x: x),
            "zeros": norm_with(forward=lambda self, x: 0 * x),
        },
        adapters={"PyTorch's, which a person is told": (ByTorch, 6)},
    ),
    "06.2": dict(
        variants={
            "in two parts": rate_with(),
            "PyTorch's schedulers": rate_by_torch,
            "a squared cosine": rate_by_cosine_squared,
        },
        wrong={
            "from 0": (rate_with(up=lambda t, w: t / w), "step 0 has peak / warm_up already"),
            "one step too long": (
                rate_with(up=lambda t, w: (t + 1) / (w + 1)),
                "ends with peak itself",
            ),
            "no warm-up": (
                rate_with(warms_up=lambda t, w: False, way=lambda t, T, w: t / T),
                "before the cosine comes a warm-up",
            ),
            "cosine before it": (
                rate_with(warms_up=lambda t, w: False),
                "straight line, and it is not yet",
            ),
            "counted from 0": (
                rate_with(way=lambda t, T, w: t / T),
                "count its steps from warm_up on",
            ),
            "divided by all": (
                rate_with(way=lambda t, T, w: (t - w) / T),
                "divide by that, not by steps",
            ),
            "0 too early": (
                rate_with(way=lambda t, T, w: (t - w) / max(1, T - w - 1)),
                "one step too early",
            ),
            "both at once": (rate_of_both, "one factor at a time"),
            "a line": (rate_with(fall=lambda way: 1 - way), "not in a straight line"),
            "a whole cosine": (
                rate_with(fall=lambda way: (1 + math.cos(2 * math.pi * way)) / 2),
                "back at peak",
            ),
            "a quarter": (rate_with(fall=lambda way: math.cos(math.pi / 2 * way)), "a quarter"),
            "twice": (rate_with(fall=lambda way: 1 + math.cos(math.pi * way)), "take half of it"),
            "cosine alone": (rate_with(fall=lambda way: math.cos(math.pi * way)), "be negative"),
            "rising": (
                rate_with(fall=lambda way: (1 - math.cos(math.pi * way)) / 2),
                "1 − cos rises",
            ),
            "degrees": (rate_with(fall=lambda way: (1 + math.cos(180 * way)) / 2), "radians"),
            "stays": (rate_with(fall=lambda way: 1.0), "stays at peak"),
            "no peak": (rate_with(result=lambda factor, peak: factor), "times peak"),
            "a tensor": (
                rate_with(result=lambda factor, peak: torch.tensor(factor * peak)),
                "return a number",
            ),
        },
        empty={"peak": lambda step, steps, warm_up, peak: peak},
        adapters={"the course's": (warm_up_and_cosine, 0)},
    ),
    "06.3": dict(
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
    "06.4": dict(
        variants={"a loop": augment_with(), "index tensors": augment_by_gather},
        wrong={
            "no cut": (augment_without_crop, "cut the padded images back"),
            "a mirror alone": (augment_by_mirror_alone, "no image has moved"),
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
            copies=lambda images, padding: images.clone(),
        ),
        adapters={
            "mirrors alone, 4 of 11 cases": (augment_by_mirror_alone, 2.1),
            "cuts alone, 8 of 11 cases": (augment_with(flips=torch.zeros), 4.3),
            "upside down, 8 of 11 cases": (augment_with(axis=-2), 4.3),
            "the course's": (lambda images, padding: standard_augmentation(padding)(images), 0),
            "its parts": (
                lambda images, padding: by_course.flip(by_course.pad_crop(images, padding)),
                0,
            ),
        },
    ),
    "06.5": dict(
        variants={
            "a matrix": mix_by_matrix,
            "scatter_add": mix_by_scatter,
            "rows": mix_with(),
        },
        wrong={
            "shares swapped": (mix_with(shares=lambda own: 1 - own), "is the share of image i it"),
            "one share": (mix_with(shares=lambda own: own[0].expand(len(own))), "took the first"),
            "the mean share": (
                mix_with(shares=lambda own: own.mean().expand(len(own))),
                "took their mean",
            ),
            "backwards": (mix_with(partners=lambda p: p.argsort()), "whose partner it is"),
            "no partner": (
                mix_with(mix=lambda rows, p, own: own.view(-1, *[1] * (rows.ndim - 1)) * rows),
                "the partner is missing",
            ),
            "all of the image": (
                mix_with(
                    mix=lambda rows, p, own: (
                        rows + (1 - own.view(-1, *[1] * (rows.ndim - 1))) * rows[p]
                    )
                ),
                "of the image itself is missing",
            ),
            "scaled first": (mix_with(mix=mix_scaled, mix_labels=mix_rows), "were scaled before"),
            "a loop in place": (
                mix_with(mix=mix_in_a_loop, mix_labels=mix_rows),
                "were mixed before",
            ),
            "along the width": (mix_with(mix=along_the_width), "along the last dimension"),
            "labels not mixed": (mix_with(mix_labels=lambda rows, *_: rows), "of the images alone"),
            "assigned": (mix_with(mix_labels=assign), "only that of the partner"),
            "assigned, own last": (
                mix_with(mix_labels=lambda *given: assign(*given, own_last=True)),
                "only that of the image itself",
            ),
            "rounded": (
                mix_with(result=lambda images, labels: (images, labels.long())),
                "are not rounded",
            ),
            "class numbers": (
                mix_with(rows=lambda labels, _: labels.float()),
                "mix rows of numbers",
            ),
            "classes of the batch": (
                mix_with(rows=lambda labels, _: F.one_hot(labels).float()),
                "the soft labels have shape",
            ),
            "flat images": (
                mix_with(result=lambda images, labels: (images.flatten(1), labels)),
                "have the shape of the images",
            ),
            "images alone": (mix_with(result=lambda images, labels: images), "return two tensors"),
            "in place": (mix_in_place, "an argument was changed"),
        },
        empty={
            "as they are": lambda images, labels, partners, shares, num_classes: (
                images,
                F.one_hot(labels, num_classes).float(),
            ),
        },
        adapters={
            "the course's": (mix_images, 0),
            "labels not mixed: the half": (mix_with(mix_labels=lambda rows, *_: rows), 2.5),
            "assigned: without pairs of one class": (mix_with(mix_labels=assign), 3.7),
        },
    ),
    "06.6": dict(
        variants={
            "in two parts": average_by_parts,
            "data": average_by_data,
            "PyTorch's rule": average_by_torch,
            "copy_": average_with(),
        },
        wrong={
            "decay swapped": (
                average_with(floats=lambda old, new, decay: (1 - decay) * old + decay * new),
                "has it the other way",
            ),
            "a copy": (average_with(floats=lambda old, new, decay: new), "of the model alone"),
            "all of the model": (
                average_with(floats=lambda old, new, decay: decay * old + new),
                "has all of the model in it",
            ),
            "all of the average": (
                average_with(floats=lambda old, new, decay: old + (1 - decay) * new),
                "has all of the old average in it",
            ),
            "halfway": (
                average_with(floats=lambda old, new, decay: (old + new) / 2),
                "is halfway between",
            ),
            "new names": (average_new_names, "did not move: change the tensors"),
            "parameters alone": (average_parameters, "parameters.. has no running statistics"),
            "statistics copied": (
                average_with(statistics=lambda old, new, decay: new),
                "averaged like the weights, and not copied",
            ),
            "counts left": (
                average_with(counts=lambda old, new, decay: old),
                "did not change: copy whole numbers",
            ),
            "counts averaged": (
                average_with(
                    counts=lambda old, new, decay: (decay * old + (1 - decay) * new).long()
                ),
                "an average of counters means nothing",
            ),
            "everything": (average_everything, "your code stops with RuntimeError"),
            "graph": (average_with_graph, "gradients were recorded"),
            "linked": (average_linked, "share their memory"),
            "the model too": (average_the_model, "`model` was changed"),
            "nothing": (lambda average, model, decay: None, "did not move"),
        },
        empty={
            "no change": lambda average, model, decay: average,
            "zeros": average_with(
                floats=lambda old, new, decay: 0 * old, counts=lambda old, new, decay: 0 * new
            ),
        },
        adapters={
            "the course's": (move_average, 0),
            "parameters alone, 4 of 11 cases": (average_parameters, 1.8),
            "no torch.no_grad(), 6 of 11 cases": (average_with_graph, 2.7),
            "counts left, 7 of 11 cases": (average_with(counts=lambda old, new, decay: old), 3.1),
        },
    ),
    "06.7": dict(
        variants={"list": diagnose_with(), "set": by_each_batch},
        wrong={
            "nothing ever": (lambda record: [], "the same result for every case"),
            "zeros are old": (diagnose_with(zeros_are_old=True), "'zero_grad' was not forgotten"),
            "still is no step": (diagnose_with(step_needs_gradient=False), "'step' was not forg"),
            "eval from the start": (diagnose_with(before=0), "'eval' was not forgotten"),
            "graph": (diagnose_with(evaluation=False), "costs memory for nothing"),
            "device": (diagnose_with(device=False), "compare the two devices|'backward' was not"),
            "only the first": (diagnose_with(result=lambda found: found[:1]), "overlooked"),
            "text": (diagnose_with(result=", ".join), "return a list of names"),
            "other names": (
                diagnose_with(result=lambda found: [f"{name}()" for name in found]),
                "none of the names",
            ),
        },
        empty=dict(
            all=lambda record: ["train", "zero_grad", "backward", "step", "eval", "no_grad"],
            one=lambda record: ["train"],
            none=lambda record: set(),
        ),
        adapters={"the course's": (forgotten_calls, 0)},
    ),
}
