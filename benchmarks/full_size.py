"""Train VGG-11 and ResNet-20 on all images of Fashion-MNIST and write the README's table.

    python benchmarks/full_size.py

Hours on a CPU, minutes on a GPU. Every epoch is kept in the cache folder: after an interrupt the
same command goes on, and on a complete run it only writes the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import nn

from course_utils import evaluate, fit, get_device, load_data, seed_everything
from course_utils.data import ImageData, batches, standard_augmentation
from course_utils.inspection import wilson_interval
from course_utils.lectures import store_part
from course_utils.models.resnet import SmallResNet
from course_utils.models.vgg import slim_vgg
from course_utils.runtime import cache_dir, machine

# name: (network, learning rate, epochs). An epoch of ResNet-20 costs three times as much.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], float, int]] = {
    "VGG-11, a quarter of the channels": (lambda: slim_vgg(in_channels=1), 0.05, 15),
    "ResNet-20": (lambda: SmallResNet(blocks=3, in_channels=1), 0.1, 6),
}
HEADER = """\
| network | parameters | epochs | test accuracy (95 % interval) | training |
|---|---|---|---|---|"""


def train(name: str, data: ImageData, device: torch.device) -> str:
    """Train one network, or go on with it, and return its row of the table."""
    make, learning_rate, epochs = NETWORKS[name]
    seed_everything(0)
    model = make()
    folder = cache_dir() / "full_size"
    folder.mkdir(parents=True, exist_ok=True)
    history = fit(
        model,
        data,
        epochs=epochs,
        optimizer="sgd",
        learning_rate=learning_rate,
        weight_decay=5e-4,
        augment=standard_augmentation(padding=2),
        device=device,
        checkpoint=folder / f"{name.split(',')[0]}.pt",
        description=name,
    )
    print(history)
    result = evaluate(model, batches(data, "test", batch_size=500, device=device))
    low, high = wilson_interval(result.correct, result.total)
    parameters = sum(p.numel() for p in model.parameters())
    return (
        f"| {name} | {parameters:,} | {epochs} | {result.accuracy:.1%} ({low:.1%} to {high:.1%}) "
        f"| {sum(history['seconds']) / 60:.0f} min |"
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    device = get_device()
    data = load_data("fashion_mnist", profile="full")
    rows = [train(name, data, device) for name in NETWORKS]
    table = "\n".join([HEADER, *rows])
    note = (
        f"Trained on {len(data.train):,} images, the best epoch chosen on the other "
        f"{len(data.validation):,}, one seed; on {machine(device)}."
    )
    print(f"{table}\n\n{note}")
    store_part("README.md", "full size", [table, "", note])


if __name__ == "__main__":
    main()
