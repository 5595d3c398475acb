"""How long until a small network has learnt all of Fashion-MNIST and CIFAR-10?

    python benchmarks/time_to_accuracy.py [--jpeg]

Trains `WhitenedNet` from random weights on all training images, by the recipe of `speedrun.py`, and
writes test accuracy and minutes to benchmarks/RESULTS.md. Half an hour on two cores. With `--jpeg`
CIFAR-10 is learnt a second time, from images that were stored as JPEG; that takes as long again.
Every epoch is kept in the cache folder: after an interrupt the same command goes on, and on a
complete run it only writes the table. A data set that cannot be had is left out, and named.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from speedrun import Recipe, SixLooks, train
from torch import Tensor

from course_utils import evaluate, get_device, load_data
from course_utils.data import DownloadError, ImageData, Split, batches
from course_utils.inspection import wilson_interval
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
| data | goal | test accuracy (95 % interval) | one look an image | epochs | minutes |
|---|---|---|---|---|---|"""


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
    """Train one network, or go on with it, and return its row of the table."""
    goal = GOALS[name]
    model, seconds = train(data, goal.recipe, device, cache_dir() / "time_to_accuracy")
    one, six = (
        evaluate(looker, batches(data, "test", batch_size=500, device=device))
        for looker in (model, SixLooks(model))
    )
    low, high = wilson_interval(six.correct, six.total)
    return (
        f"| {data.title} | {goal.accuracy:.1%} | {six.accuracy:.2%} ({low:.1%} to {high:.1%})"
        f" | {one.accuracy:.2%} | {goal.recipe.epochs} | {seconds / 60:.0f} |"
    )


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
        "From random weights, on all training images; one seed, the weights after the last step; "
        f"an image is looked at six times. {choose_precision(device)}."
    )
    if missing:
        note += f" Left out, because it cannot be had here: {', '.join(missing)}."
    lines = [HEADER, *rows, "", note]
    command = "python benchmarks/time_to_accuracy.py" + " --jpeg" * jpeg
    lines += [f"Measured with `{command}` on {machine(device)}."]
    store_part("benchmarks/RESULTS.md", "time to accuracy", lines)


if __name__ == "__main__":
    main()
