"""What does each ingredient of a fast recipe give? Jordan's, for CIFAR-10, on a small budget.

    python benchmarks/speedrun.py

The recipe is that of Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024 (arXiv
2404.00498), on `WhitenedNet`. It is run whole, and without one ingredient at a time: half the
channels, a few epochs, three seeds each; accuracies are those of validation images, since the test
images may not choose a recipe. About forty minutes on two cores. Every run is kept in the cache
folder: after an interrupt the same command goes on. `time_to_accuracy.py` trains by what
helped, for longer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import evaluate, load_data, seed_everything
from course_utils.data import ImageData, Split, batches, flip, pad_crop, standard_augmentation
from course_utils.lectures import store_part
from course_utils.models.whitened import FlipAveraged, WhitenedNet, whitening_filters
from course_utils.runtime import cache_dir, machine, progress
from course_utils.training import choose_precision, train_one_epoch
from course_utils.training.checkpoint import Checkpoint
from course_utils.training.ingredients import move_average

FOR_WHITENING = 5000  # images: millions of patches, for the covariance of a dozen numbers
SEEDS = (0, 1, 2)
MOMENTUM = 0.85
LOOK_EVERY = 5  # steps
PADDING = 2  # pixels that an image moves by at most


@dataclass(frozen=True)
class Recipe:
    """How to train. Each switch is an ingredient that can be left out.

    Attributes:
        identity_start: a convolution first passes its input on: its first filters are the identity.
        fast_biases: the scales of batch norm stay 1, its biases learn at 64 times the rate.
        lookahead: every fifth step moves the weights back towards their average, at last as far as
            the average itself (Zhang et al., "Lookahead optimizer", 2019).
        alternating_flip: an image is mirrored in every second epoch, not by chance.
        large_batches: 1,024 images a step, not 256, the rate in proportion.
    """

    widths: tuple[int, int, int] = (64, 256, 256)
    epochs: int = 10
    identity_start: bool = True
    fast_biases: bool = True
    lookahead: bool = True
    alternating_flip: bool = True
    large_batches: bool = True

    @property
    def batch_size(self) -> int:
        """Images in a step."""
        return 1024 if self.large_batches else 256

    def __str__(self) -> str:
        sizes = "x".join(str(width) for width in self.widths)
        left_out = [f", no {words(name)}" for name in INGREDIENTS if not getattr(self, name)]
        return f"{sizes} channels, {self.epochs} epochs" + "".join(left_out)


def words(name: str) -> str:
    """Return an ingredient's name as it is read."""
    return name.replace("_", " ")


SMALL = Recipe(widths=(32, 128, 128), epochs=4)
INGREDIENTS = [field.name for field in fields(Recipe) if field.type == "bool"]


class SixLooks(nn.Module):
    """A classifier that looks at an image, at two copies moved by a pixel, and at their mirrors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = FlipAveraged(model)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes): half from the place itself, half from the moved."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (1,) * 4, mode="reflect")
        moved = self.model(padded[..., :height, :width]) + self.model(padded[..., 2:, 2:])
        return self.model(images) / 2 + moved / 4


class Lookahead:
    """Called after each step of an optimizer: see `Recipe`."""

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.model, self.average, self.steps, self.taken = model, deepcopy(model), steps, 0

    @torch.no_grad()
    def __call__(self, *_: Any) -> None:
        self.taken += 1
        if self.taken % LOOK_EVERY == 0 or self.taken == self.steps:
            decay = 0.95**LOOK_EVERY * (self.taken / self.steps) ** 3
            move_average(self.average, self.model, 1.0 if self.taken == self.steps else decay)
            self.model.load_state_dict(self.average.state_dict())


def make_model(data: ImageData, recipe: Recipe) -> WhitenedNet:
    """Return the network, its first layer computed from some of the training images."""
    some = data.normalize(data.train.take(min(FOR_WHITENING, len(data.train))).images)
    model = WhitenedNet(whitening_filters(some), len(data.class_names), widths=recipe.widths)
    for layer in model.blocks.modules():
        if isinstance(layer, nn.Conv2d) and recipe.identity_start:
            nn.init.dirac_(layer.weight.data[: layer.in_channels])
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.4  # there are few steps: their statistics must be recent
            layer.weight.requires_grad = not recipe.fast_biases
    return model


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Return SGD with Jordan's rates, which he gives for 1,024 images and without momentum."""
    scale = 1 + 1 / (1 - MOMENTUM)
    rate, decay = (value / scale * recipe.batch_size / 1024 for value in (11.5, 0.0153))
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    biases = [layer.bias for layer in norms]
    known = {id(bias) for bias in biases}
    others = [w for w in model.parameters() if w.requires_grad and id(w) not in known]
    fast = 64 * rate if recipe.fast_biases else rate
    groups = [
        {"params": biases, "lr": fast, "weight_decay": decay / fast},
        {"params": others, "lr": rate, "weight_decay": decay / rate},
    ]
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


def share_of_rate(step: int, steps: int) -> float:
    """Return the share of the largest rate: 0.2, up to 1 after 23 % of the steps, down to 0.07."""
    top = max(1, int(0.23 * steps))
    if step < top:
        return 0.2 + 0.8 * step / top
    return 1 - 0.93 * (step - top) / max(1, steps - top)


def mirrored(data: ImageData, epoch: int, seed: int) -> ImageData:
    """Return the data of an epoch: half of the images mirrored in even ones, the others in odd."""
    images = flip(data.train.images, generator=torch.Generator().manual_seed(seed))
    return replace(data, train=Split(images.flip(-1) if epoch % 2 else images, data.train.labels))


def train(
    data: ImageData, recipe: Recipe, device: torch.device, folder: Path, seed: int = 0
) -> tuple[WhitenedNet, float]:
    """Train, or go on with what ``folder`` holds; return the network and the seconds it took."""
    seed_everything(seed)
    amp = choose_precision(device)
    model = amp.place(make_model(data, recipe))
    steps_of_epoch = -(-len(data.train) // recipe.batch_size)
    steps = recipe.epochs * steps_of_epoch
    optimizer = make_optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(share_of_rate, steps=steps))
    ahead = Lookahead(model, steps)
    if recipe.lookahead:
        optimizer.register_step_post_hook(ahead)
    parts = {"model": model, "average": ahead.average, "optimizer": optimizer, "rates": schedule}
    name = f"{data.title}, {recipe}, seed {seed}"
    file = Checkpoint(folder / f"{name}.pt", {"run": name, "images": str(len(data.train))})
    state = file.load() or {"epoch": 0, "seconds": 0.0}
    for part in parts if state["epoch"] else ():
        parts[part].load_state_dict(state[part])
    ahead.taken = state["epoch"] * steps_of_epoch
    with progress(total=steps, description=name) as bar:
        bar.update(ahead.taken)
        for epoch in range(state["epoch"], recipe.epochs):
            start = time.perf_counter()
            loader = loader_of(data, recipe, epoch, device, seed)
            train_one_epoch(
                model, loader, optimizer, scheduler=schedule, amp=amp, label_smoothing=0.2, bar=bar
            )
            seconds = state["seconds"] + time.perf_counter() - start
            state = {"epoch": epoch + 1, "seconds": seconds}
            file.save(state | {part: thing.state_dict() for part, thing in parts.items()})
    return model, state["seconds"]


def loader_of(
    data: ImageData, recipe: Recipe, epoch: int, device: torch.device, seed: int
) -> batches:
    """Return the batches of an epoch."""
    if recipe.alternating_flip:
        data, augment = mirrored(data, epoch, seed), partial(pad_crop, padding=PADDING)
    else:
        augment = standard_augmentation(PADDING)
    loader = batches(data, batch_size=recipe.batch_size, device=device, augment=augment, seed=seed)
    loader.set_epoch(epoch)
    return loader


def accuracies(model: nn.Module, data: ImageData, device: torch.device) -> list[float]:
    """Return the validation accuracy with one look at an image, with two and with six."""
    loader = batches(data, "validation", batch_size=500, device=device)
    lookers = (model, FlipAveraged(model), SixLooks(model))
    return [evaluate(looker, loader).accuracy for looker in lookers]


def measured(arm: str, seed: int) -> tuple[str, int, list[float]]:
    """Train one arm with one seed on a core of its own and return its accuracies."""
    torch.set_num_threads(1)
    data, device = load_data("cifar10", profile="full", validation=0.1), torch.device("cpu")
    recipe = replace(SMALL, **{arm: False}) if arm else SMALL
    model, _ = train(data, recipe, device, cache_dir() / "speedrun", seed)
    return arm, seed, accuracies(model, data, device)


def row(name: str, values: list[float], whole: list[float]) -> str:
    """Return an arm's row: its accuracies, and its differences to the whole recipe, paired."""
    gains = [100 * (other - value) for value, other in zip(values, whole, strict=True)]
    each = ", ".join(f"{gain:+.1f}" for gain in gains)
    return (
        f"| {name} | {statistics.mean(values):.1%} ({min(values):.1%} to {max(values):.1%}) "
        f"| {statistics.mean(gains):+.1f} ({each}) |"
    )


def table(runs: dict[tuple[str, int], list[float]]) -> list[str]:
    """Return the rows: the whole recipe, without each ingredient, and with fewer looks."""
    whole = [runs["", seed][2] for seed in SEEDS]
    rows = [
        "| recipe | validation accuracy (lowest to highest) | points that it costs (each seed) |",
        "|---|---|---|",
        row("whole, six looks at an image", whole, whole),
    ]
    for looks, name in ((0, "whole, one look"), (1, "whole, two looks: the image and its mirror")):
        rows.append(row(name, [runs["", seed][looks] for seed in SEEDS], whole))
    for arm in INGREDIENTS:
        values = [runs[arm, seed][2] for seed in SEEDS]
        rows.append(row(f"without {words(arm)}", values, whole))
    return rows


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    work = [(arm, seed) for seed in SEEDS for arm in ("", *INGREDIENTS)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        found = [pool.submit(measured, *one) for one in work]
        runs = {(arm, seed): values for arm, seed, values in (one.result() for one in found)}
    note = (
        f"CIFAR-10, {SMALL.epochs} epochs, {SMALL.widths[0]}, {SMALL.widths[1]} and "
        f"{SMALL.widths[2]} channels, {len(SEEDS)} seeds; 5,000 images for validation. "
    )
    note += f"Measured with `python benchmarks/speedrun.py` on {machine(torch.device('cpu'))}."
    lines = [*table(runs), "", note]
    print(*lines, sep="\n")
    store_part("benchmarks/RESULTS.md", "speed run", lines)


if __name__ == "__main__":
    main()
