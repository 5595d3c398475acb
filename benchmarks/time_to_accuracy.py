"""How long until a small network has learnt all of Fashion-MNIST and CIFAR-10?

    python benchmarks/time_to_accuracy.py [--jpeg]

Trains `WhitenedNet` from random weights with `fit`, on 98 % of the training images, and writes
test accuracy and minutes to benchmarks/RESULTS.md. An hour on two cores. With `--jpeg` CIFAR-10 is
learnt a second time, from images that were stored as JPEG; that takes another hour. Every epoch is
kept in the cache folder: after an interrupt the same command goes on, and on a complete run it only
writes the table. A data set that cannot be had is left out, and named.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_utils import evaluate, fit, get_device, load_data, seed_everything
from course_utils.data import DownloadError, ImageData, Split, batches, standard_augmentation
from course_utils.inspection import wilson_interval
from course_utils.lectures import store_part
from course_utils.models.whitened import FlipAveraged, WhitenedNet, whitening_filters
from course_utils.runtime import cache_dir, machine
from course_utils.training import History, choose_precision

VALIDATION = 0.02  # of the training images, to choose the best epoch on
FOR_WHITENING = 5000  # images: millions of patches, for the covariance of a dozen numbers


@dataclass(frozen=True)
class Recipe:
    """What differs between the two data sets; ``goal`` is the test accuracy to reach."""

    goal: float
    widths: tuple[int, int, int]
    padding: int
    cutout_size: int
    epochs: int
    learning_rate: float = 0.2
    batch_size: int = 256


RECIPES = {
    "fashion_mnist": Recipe(goal=0.940, widths=(32, 128, 128), padding=2, cutout_size=8, epochs=15),
    "cifar10": Recipe(goal=0.924, widths=(64, 256, 256), padding=4, cutout_size=8, epochs=32),
}
JPEG = "cifar10_jpeg"
RECIPES[JPEG] = RECIPES["cifar10"]
JPEG_QUALITY = 75
HEADER = """\
| data | goal | test accuracy (95 % interval) | one look an image | epochs | minutes |
|---|---|---|---|---|---|"""


def load(name: str) -> ImageData:
    """Load a data set of RECIPES. Raises DownloadError when it cannot be had."""
    if name != JPEG:
        return load_data(name, profile="full", validation=VALIDATION)
    data = load("cifar10")
    parts = {part: as_jpeg(data.split(part)) for part in ("train", "validation", "test")}
    return replace(data, title=f"{data.title}, stored as JPEG", **parts)


def as_jpeg(split: Split) -> Split:
    """Return the images as they are after JPEG, which stores their colours at half the size."""

    def stored(image: Tensor) -> Tensor:
        file = io.BytesIO()
        Image.fromarray(image.movedim(0, -1).numpy()).save(file, "JPEG", quality=JPEG_QUALITY)
        return torch.from_numpy(np.array(Image.open(file))).movedim(-1, 0)

    return Split(torch.stack([stored(image) for image in split.images]), split.labels)


def make_model(data: ImageData, recipe: Recipe) -> WhitenedNet:
    """Return the network, its first layer computed from some of the training images."""
    some = data.normalize(data.train.take(min(FOR_WHITENING, len(data.train))).images)
    return WhitenedNet(whitening_filters(some), len(data.class_names), widths=recipe.widths)


def train(
    model: WhitenedNet, data: ImageData, name: str, device: torch.device, folder: Path
) -> History:
    """Train, or go on with what ``folder`` holds of it, by the recipe of this name."""
    recipe = RECIPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    return fit(
        model,
        data,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        optimizer="sgd",
        learning_rate=recipe.learning_rate,
        weight_decay=5e-4,
        label_smoothing=0.2,
        augment=standard_augmentation(recipe.padding, recipe.cutout_size),
        device=device,
        checkpoint=folder / f"{name}.pt",
        description=data.title,
    )


def row(name: str, data: ImageData, device: torch.device) -> str:
    """Train one network and return its row of the table."""
    seed_everything(0)
    model = make_model(data, RECIPES[name])
    history = train(model, data, name, device, cache_dir() / "time_to_accuracy")
    print(history)
    one, both = (
        evaluate(looker, batches(data, "test", batch_size=500, device=device))
        for looker in (model, FlipAveraged(model))
    )
    low, high = wilson_interval(both.correct, both.total)
    return (
        f"| {data.title} | {RECIPES[name].goal:.1%} | {both.accuracy:.2%} ({low:.1%} to {high:.1%})"
        f" | {one.accuracy:.2%} | {len(history)} | {sum(history['seconds']) / 60:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jpeg", action="store_true", help="CIFAR-10 as JPEG too: an hour more")
    jpeg = parser.parse_args().jpeg
    names = [name for name in RECIPES if jpeg or name != JPEG]
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
        "From random weights; one seed; the epoch chosen on 2 % of the training images, kept "
        f"out. {choose_precision(device)}."
    )
    if missing:
        note += f" Left out, because it cannot be had here: {', '.join(missing)}."
    lines = [HEADER, *rows, "", note]
    command = "python benchmarks/time_to_accuracy.py" + " --jpeg" * jpeg
    lines += [f"Measured with `{command}` on {machine(device)}."]
    store_part("benchmarks/RESULTS.md", "time to accuracy", lines)


if __name__ == "__main__":
    main()
