"""Lecture 10: other right answers, and wrong ones with the hint that each should get."""

import statistics

import numpy as np
import optuna
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.data.types import channel_statistics, stream_statistics
from course_utils.models.vgg import make_layers
from course_utils.search import below_median, search_objective
from course_utils.training import evaluate
from course_utils.training.lab import test_model as course_test
from course_utils.training.lab import train_with_steps

# --- 10.1 ----------------------------------------------------------------------------------------


def train_with(
    drops=lambda epoch: epoch // 20,
    *,
    mode=True,
    fresh=True,
    inside=True,
    mean="images",
    step=True,
    groups=None,
):
    """One epoch; the options are mistakes."""

    def train(epoch, model, images, optimizer, start):
        model.train(mode)
        for group in optimizer.param_groups[:groups]:
            group["lr"] = start / 3 ** drops(epoch)
        losses, sizes = [], []
        for x, y in images:
            if fresh:
                optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            if step and inside:
                optimizer.step()
            losses.append(loss.item())
            sizes.append(len(y))
        if step and not inside:
            optimizer.step()
        total = sum(size * value for size, value in zip(sizes, losses, strict=True))
        return {"images": total / sum(sizes), "batches": statistics.mean(losses), "sum": total}[
            mean
        ]

    return train


def by_scheduler(epoch, model, images, optimizer, start):
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 3.0 ** -(e // 20))
    for group in optimizer.param_groups:
        group["lr"] = start * schedule.lr_lambdas[0](epoch)
    total, count = 0, 0
    model.train()
    for x, y in images:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.CrossEntropyLoss(reduction="sum")(model(x), y)
        (loss / len(y)).backward()
        optimizer.step()
        total, count = total + loss.detach(), count + len(y)
    return total / count


# --- 10.2 ----------------------------------------------------------------------------------------


def evaluation_with(count=None, *, mode=False, gradients=False, over="images", finish=None):
    """Loss and accuracy; the options are mistakes."""
    count = count or (lambda output, y: output.argmax(dim=1).eq(y).sum().item())

    def test(model, images):
        model.train(mode)
        losses, right, sizes = [], [], []
        with torch.set_grad_enabled(gradients):
            for x, y in images:
                output = model(x)
                losses.append(F.cross_entropy(output, y).item())
                right.append(count(output, y))
                sizes.append(len(y))
        total = sum(size * value for size, value in zip(sizes, losses, strict=True))
        loss, share = total / sum(sizes), sum(right) / sum(sizes)
        if over == "batches":
            loss = statistics.mean(losses)
        return finish(loss, share) if finish else (loss, share)

    return test


def by_rows_and_columns(output, y):
    return output.max(1, keepdim=True)[1].eq(y).sum().item()


def as_in_the_notes(model, images):
    model.eval()
    loss, correct, count = 0, 0, 0
    with torch.no_grad():
        for data, target in images:
            output = model(data)
            loss += F.nll_loss(F.log_softmax(output, dim=1), target, reduction="sum").item()
            pred = output.max(1, keepdim=True)[1]
            correct += pred.eq(target.view_as(pred)).sum().item()
            count += len(target)
    return loss / count, correct / count


def by_the_course(model, images):
    found = evaluate(model, images)
    return found.loss, found.accuracy


# --- 10.3 ----------------------------------------------------------------------------------------


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


def batch_by_batch_in_a_list(batches):
    return statistics_with()(list(batches))


def all_together(batches):
    images = torch.cat(list(batches)).float() / 255
    return images.mean(dim=(0, 2, 3)), images.std(dim=(0, 2, 3), correction=0)


def converted_and_kept(batches):
    return all_together([batch.double() for batch in batches])


def of_uint8_squares(finish):
    def channel_statistics(batches):
        count, total, squares = 0, 0, 0
        for images in batches:
            count += images[:, 0].numel()
            total = total + images.sum(dim=(0, 2, 3)) / 255
            squares = squares + (images * images).sum(dim=(0, 2, 3)) / 255**2
        mean = total / count
        return mean, finish(squares / count - mean**2).sqrt()

    return channel_statistics


# --- 10.4 ----------------------------------------------------------------------------------------


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


# --- 10.5 ----------------------------------------------------------------------------------------


def pruning_with(*, middle=statistics.median, least=5, mine=max, take=None, below=None):
    take = take or (lambda values, epoch: values[epoch])
    below = below or (lambda value, limit: value < limit)

    def should_prune(values, finished):
        there = [take(other, len(values) - 1) for other in finished]
        return bool(there) and len(there) >= least and bool(below(mine(values), middle(there)))

    return should_prune


def by_sorting(values, finished):
    there = sorted(other[len(values) - 1] for other in finished)
    half = len(there) // 2
    if len(there) < 5:
        return False
    middle = there[half] if len(there) % 2 else (there[half - 1] + there[half]) / 2
    return all(value < middle for value in values)


# --- 10.6 ----------------------------------------------------------------------------------------


def objective_with(
    *,
    log=True,
    widths=(4, 8),
    first=0,
    stop="raise",
    report=lambda a, e: (a, e),
    best=None,
    test=1,
    again=False,
):
    """An objective; the options are mistakes."""

    def objective(trial, start, epochs):
        rate = trial.suggest_float("learning_rate", 0.0003, 0.04, log=log)
        width = trial.suggest_categorical("width", list(widths))
        hidden = trial.suggest_categorical("hidden", [32, 128])
        network, found = start(learning_rate=rate, width=width, hidden=hidden), []
        for epoch in range(first, epochs + first):
            network.train(epoch)
            found += [network.test() for _ in range(test)]
            if report:
                trial.report(*report(found[-1], epoch))
            if stop and trial.should_prune():
                if stop == "raise":
                    raise optuna.TrialPruned
                return found[-1]
        if again:
            return network.test()
        return best(found) if best else found[-1]

    return objective


def in_one_dict(trial, start, epochs):
    widths, hidden = (4, 8), (32, 128)
    network = start(
        width=trial.suggest_categorical("width", widths),
        hidden=trial.suggest_categorical("hidden", hidden),
        learning_rate=trial.suggest_float("learning_rate", low=3e-4, high=4e-2, log=True),
    )
    for epoch in range(epochs):
        network.train(epoch)
        trial.report(value := network.test(), step=epoch)
        if trial.should_prune():
            raise optuna.exceptions.TrialPruned(f"after {epoch}")
    return value


def without_hidden(trial, start, epochs):
    rate = trial.suggest_float("learning_rate", 0.0003, 0.04, log=True)
    start(learning_rate=rate, width=trial.suggest_categorical("width", [4, 8]))
    return 0.5


ANSWERS = {
    "10.1": dict(
        variants={"gradients first": train_with(), "a scheduler": by_scheduler},
        wrong={
            "every epoch": (train_with(lambda e: e), "not in every epoch"),
            "smooth": (train_with(lambda e: e / 20), "whole steps only"),
            "one too early": (train_with(lambda e: (e + 1) // 20), "epoch 19 has the old rate"),
            "one too late": (train_with(lambda e: max(0, e - 1) // 20), "smaller rate already"),
            "once": (train_with(lambda e: min(1, e // 20)), "again after 40"),
            "grows": (train_with(lambda e: -(e // 20)), "divide by the power"),
            "never": (train_with(lambda e: 0), "the rate is still"),
            "the first group only": (train_with(groups=1), "set the rate"),
            "evaluation mode": (train_with(mode=False), r"model.train\(\)"),
            "old gradients": (train_with(fresh=False), "old gradients"),
            "one step": (train_with(fresh=False, inside=False), "inside the loop"),
            "no step": (train_with(step=False), "have not changed"),
            "mean of batches": (train_with(mean="batches"), "not over batches"),
            "a sum": (train_with(mean="sum"), "total here"),
        },
        empty={"one": lambda *case: 1.0},
        adapters={"the course's": (train_with_steps, 0)},
    ),
    "10.2": dict(
        variants={"argmax": evaluation_with(), "the notes": as_in_the_notes},
        wrong={
            "training mode": (evaluation_with(mode=True), "training mode"),
            "gradients": (evaluation_with(gradients=True), "no_grad"),
            "a table": (evaluation_with(by_rows_and_columns), "N × N"),
            "mean of batches": (evaluation_with(over="batches"), "not over batches"),
            "percent": (evaluation_with(finish=lambda loss, share: (loss, 100 * share)), "percent"),
            "only accuracy": (evaluation_with(finish=lambda loss, share: share), "two numbers"),
            "no model": (lambda model, images: (1.0, 0.5), "never called"),
        },
        empty={"one half": lambda model, images: (0.5, 0.5)},
        adapters={"the course's": (course_test, 0), "evaluate": (by_the_course, 0)},
    ),
    "10.3": dict(
        variants={"a histogram": by_histogram, "sums": statistics_with()},
        wrong={
            "0 to 255": (statistics_with(scale=1), "divide the pixels by 255"),
            "of single images": (of_single_images, "mean of the standard deviations"),
            "of batches": (of_batches, "batches differ in size"),
            "one for all channels": (one_for_all, "its own standard deviation"),
            "variance": (statistics_with(root=lambda v: v), "square root"),
            "one less": (statistics_with(less=1), "not by one less"),
            "float32": (statistics_with(dtype=torch.float32), "float64"),
            "all together": (all_together, "all batches are in memory"),
            "a list of batches": (batch_by_batch_in_a_list, "all batches are in memory"),
            "kept as float64": (converted_and_kept, "all batches are in memory"),
            "uint8 squares": (of_uint8_squares(lambda v: v), "16 · 16 = 256"),
            "uint8 squares, not below 0": (of_uint8_squares(torch.relu), "16 · 16 = 256"),
            "only means": (statistics_with(finish=lambda m, s: (m,)), "return two things"),
            "a number": (lambda batches: 0.5, "return two things"),
        },
        empty={"zeros": always_pair(0.0), "halves": always_pair(0.5)},
        adapters={"the course's": (of_the_course, 0), "for streams": (stream_statistics, 0)},
    ),
    "10.4": dict(
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
            "blocks exchanged": (seven_with(blocks=(3, 2)), "Yours are features.0, features.2"),
            "a list": (InAList, "no parameters"),
            "not a module": (NoModule, "inherits from nn.Module"),
        },
        empty={"zeros": seven_with(after=[Zero])},
        adapters={"the course's make_layers": (WithMakeLayers, 0)},
    ),
    "10.5": dict(
        variants={"by sorting": by_sorting},
        wrong={
            "last value": (pruning_with(mine=lambda v: v[-1]), "best value so far"),
            "mean": (pruning_with(middle=statistics.mean), "not with the mean"),
            "best": (pruning_with(middle=max), "not with the best"),
            "lower median": (pruning_with(middle=statistics.median_low), "not the lower"),
            "higher median": (pruning_with(middle=statistics.median_high), "not the higher"),
            "at once": (pruning_with(least=1), "fewer than 5"),
            "last values": (pruning_with(take=lambda v, e: v[-1]), "last values"),
            "best of the others": (
                pruning_with(take=lambda v, e: max(v[: e + 1])),
                "only this trial counts with its best",
            ),
            "equal stops": (pruning_with(below=lambda a, b: a <= b), "equals the median"),
            "the good ones stop": (pruning_with(below=lambda a, b: a > b), "below the median stop"),
            "a tensor": (lambda values, finished: torch.tensor(True), "True or False"),
        },
        empty={},
        adapters={"the course's": (below_median, 0)},
    ),
    "10.6": dict(
        variants={"all at once": in_one_dict, "one by one": objective_with()},
        wrong={
            "an even rate": (objective_with(log=False), "log=True"),
            "other widths": (objective_with(widths=(4, 16)), "width: the task says"),
            "no hidden units": (without_hidden, "was not asked for hidden"),
            "from 1": (objective_with(first=1), "in each epoch, 0, 1"),
            "tested twice": (objective_with(test=2), "once each"),
            "tested again": (objective_with(again=True), "test once in each epoch"),
            "never pruned": (objective_with(stop=""), "the training goes on"),
            "pruned without a word": (objective_with(stop="return"), "raise optuna.TrialPruned"),
            "no report": (objective_with(report=None), "report once after each epoch"),
            "steps from 1": (
                objective_with(report=lambda a, e: (a, e + 1)),
                "the step is the number of the epoch",
            ),
            "loss reported": (
                objective_with(report=lambda a, e: (1 - a, e)),
                "report the accuracy",
            ),
            "the best": (objective_with(best=max), "not the best"),
        },
        empty={},
        adapters={"the course's": (search_objective, 0)},
    ),
}
