"""How long until a small network has learnt all of Fashion-MNIST and CIFAR-10?

    python benchmarks/time_to_accuracy.py [--jpeg]

Trains `WhitenedNet` from random weights on all training images, by the recipe of `speedrun.py` and
with three seeds, and writes test accuracy and minutes to benchmarks/RESULTS.md. 45 minutes on two
cores. With `--jpeg` CIFAR-10 is learnt again, from images that were stored as JPEG; that takes half
an hour more. Every epoch is kept in the cache folder: after an interrupt the same command goes on,
and on a complete run it only writes the table. A data set that cannot be had is left out and named.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np
import torch
from PIL import Image
from speedrun import Recipe, SixLooks, train
from torch import Tensor

from course_utils import evaluate, get_device, load_data
from course_utils.data import DownloadError, ImageData, Split, batches
from course_utils.lectures import store_part
from course_utils.runtime import cache_dir, machine
from course_utils.training import choose_precision


@dataclass(frozen=True)
class Goal:
    """The test accuracy to reach on a data set, and how."""

    accuracy: float
    recipe: Recipe


CIFAR10 = Goal(0.940, Recipe(epochs=12, large_batches=False))
JPEG = "cifar10_jpeg"
GOALS = {
    "fashion_mnist": Goal(0.940, Recipe((32, 128, 128), epochs=8, large_batches=False)),
    "cifar10": CIFAR10,
    JPEG: CIFAR10,
}
JPEG_QUALITY = 75
HEADER = """\
| data | goal | test accuracy: mean (each seed) | one look an image | epochs | minutes |
|---|---|---|---|---|---|"""
SEEDS = 3


def load(name: str) -> ImageData:
    """Load a data set of GOALS. Raises DownloadError when it cannot be had."""
    if name != JPEG:
        return load_data(name, profile="full", validation=0)
    data = load("cifar10")
    parts = {part: as_jpeg(data.split(part)) for part in ("train", "test")}
    return replace(data, title=f"{data.title}, stored as JPEG", **parts)


def as_jpeg(split: Split) -> Split:
    """Return the images as they are after JPEG, which stores their colours at half the size."""

    def stored(image: Tensor) -> Tensor:
        file = io.BytesIO()
        Image.fromarray(image.movedim(0, -1).numpy()).save(file, "JPEG", quality=JPEG_QUALITY)
        return torch.from_numpy(np.array(Image.open(file))).movedim(-1, 0)

    return Split(torch.stack([stored(image) for image in split.images]), split.labels)


def row(name: str, data: ImageData, device: torch.device) -> str:
    """Train a network with each seed, or go on with it, and return their row of the table."""
    goal, one, six, minutes = GOALS[name], [], [], []
    for seed in range(SEEDS):
        folder = cache_dir() / "time_to_accuracy"
        model, seconds = train(data, goal.recipe, device, folder, seed)
        minutes.append(seconds / 60)
        for looker, found in ((model, one), (SixLooks(model), six)):
            loader = batches(data, "test", batch_size=500, device=device)
            found.append(evaluate(looker, loader).accuracy)
    return (
        f"| {data.title} | {goal.accuracy:.1%} | {listed(six)} | {listed(one)}"
        f" | {goal.recipe.epochs} | {mean(minutes):.0f} |"
    )


def listed(accuracies: Sequence[float]) -> str:
    """Return the mean, and each in brackets."""
    each = ", ".join(f"{accuracy:.2%}" for accuracy in accuracies)
    return f"{mean(accuracies):.2%} ({each})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jpeg", action="store_true", help="CIFAR-10 as JPEG, too: as long again")
    jpeg = parser.parse_args().jpeg
    names = [name for name in GOALS if jpeg or name != JPEG]
    device, rows, missing = get_device(), [], []
    for name in names:
        try:
            data = load(name)
        except DownloadError as error:
            print(error)
            missing.append(name)
            continue
        rows.append(row(name, data, device))
        print(HEADER, rows[-1], sep="\n", flush=True)
    note = (
        "From random weights, on all training images; the weights after the last step; an image is "
        f"looked at six times. Minutes: of one seed. {choose_precision(device)}."
    )
    if missing:
        note += f" Left out, because it cannot be had here: {', '.join(missing)}."
    lines = [HEADER, *rows, "", note]
    command = "python benchmarks/time_to_accuracy.py" + " --jpeg" * jpeg
    lines += [f"Measured with `{command}` on {machine(device)}."]
    store_part("benchmarks/RESULTS.md", "time to accuracy", lines)


if __name__ == "__main__":
    main()
