"""Train VGG-11 and ResNet-20 on all images of Fashion-MNIST and write the README's table.

    python benchmarks/full_size.py

Both get the same time: an epoch of ResNet-20 takes about four times as long on a CPU. Three seeds
each, on a CPU as many at once as it has cores; half an hour on two that compute in bfloat16. Every
epoch is kept in the cache folder: after an interrupt the same command goes on, and on a complete
run it only writes the table.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import torch
from torch import nn

from course_utils import evaluate, fit, get_device, load_data, seed_everything
from course_utils.data import batches, standard_augmentation
from course_utils.lectures import store_part
from course_utils.models.resnet import SmallResNet
from course_utils.models.vgg import slim_vgg
from course_utils.runtime import cache_dir, machine

SEEDS = (0, 1, 2)
# name: (network, learning rate, epochs)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], float, int]] = {
    "VGG-11, a quarter of the channels": (lambda: slim_vgg(in_channels=1), 0.05, 24),
    "ResNet-20": (lambda: SmallResNet(blocks=3, in_channels=1), 0.1, 6),
}
HEADER = """\
| network | parameters | epochs | test accuracy, mean (lowest to highest) | minutes |
|---|---|---|---|---|"""


def train(name: str, seed: int) -> tuple[float, float]:
    """Train one network, or go on with it; return its test accuracy and the minutes it took."""
    torch.set_num_threads(1)  # each process has one core
    data, device = load_data("fashion_mnist", profile="full"), get_device()
    make, learning_rate, epochs = NETWORKS[name]
    seed_everything(seed)
    model = make()
    history = fit(
        model,
        data,
        epochs=epochs,
        optimizer="sgd",
        learning_rate=learning_rate,
        weight_decay=5e-4,
        augment=standard_augmentation(padding=2),
        device=device,
        checkpoint=cache_dir() / "full_size" / f"{name.split(',')[0]}, seed {seed}.pt",
        seed=seed,
        description=f"{name}, seed {seed}",
    )
    result = evaluate(model, batches(data, "test", batch_size=500, device=device))
    return result.accuracy, sum(history["seconds"]) / 60


def row(name: str, results: list[tuple[float, float]]) -> str:
    """Return a network's row of the table; ``results`` has its accuracy and minutes by seed."""
    make, _, epochs = NETWORKS[name]
    parameters = sum(p.numel() for p in make().parameters())
    accuracies, minutes = zip(*results, strict=True)
    return (
        f"| {name} | {parameters:,} | {epochs} | {statistics.mean(accuracies):.1%} "
        f"({min(accuracies):.1%} to {max(accuracies):.1%}) | {statistics.mean(minutes):.0f} |"
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    device, spawn = get_device(), multiprocessing.get_context("spawn")
    workers = os.cpu_count() if device.type == "cpu" else 1
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        running = {(n, seed): pool.submit(train, n, seed) for seed in SEEDS for n in NETWORKS}
        results = {key: one.result() for key, one in running.items()}
    rows = [row(name, [results[name, seed] for seed in SEEDS]) for name in NETWORKS]
    data = load_data("fashion_mnist", profile="full")
    note = (
        f"Trained on {len(data.train):,} images, the best epoch chosen on the other "
        f"{len(data.validation):,}; {len(SEEDS)} seeds, {workers} at once, on "
        f"{machine(device)}."
    )
    lines = [HEADER, *rows, "", note]
    print(*lines, sep="\n")
    store_part("README.md", "full size", lines)


if __name__ == "__main__":
    main()
