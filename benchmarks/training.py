"""Measure training speed: a bare loop, `train_one_epoch` in float32, and with fast=True.

    python benchmarks/training.py [--rounds 15]

Images per second on this device, and the ratio to the bare loop. The three take turns; the fastest
round of each counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from course_utils import get_device
from course_utils.models import LeNet5
from course_utils.runtime import Timer, machine
from course_utils.training import choose_precision, train_one_epoch

BATCH, BATCHES = 128, 4


def small_conv_net() -> nn.Module:
    """A VGG-like network of 0.3 million parameters for 1 x 32 x 32 images."""
    layers, channels = [], 1
    for width in (16, 32, 64, 128, 128):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers, channels = [*layers, nn.MaxPool2d(2)], width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10))


def bare_loop(model: nn.Module, loader: list, optimizer: torch.optim.Optimizer) -> None:
    """Train with nothing but the five steps."""
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


def candidates(make: Callable[[], nn.Module], device: torch.device) -> dict[str, Callable]:
    """Return a function for each way to train, every one with a network of its own."""
    shapes = (
        torch.randn(BATCH, 1, 32, 32, device=device),
        torch.randint(10, (BATCH,), device=device),
    )
    loader = [shapes] * BATCHES
    functions = {}
    for name, fast in (("bare loop", None), ("fast=False", False), ("fast=True", True)):
        amp = choose_precision(device, bool(fast))
        model = amp.place(make())
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        arguments = (model, loader, optimizer)
        if fast is None:
            functions[name] = lambda a=arguments: bare_loop(*a)
        else:
            label = f"{name} ({amp})"
            functions[label] = lambda a=arguments, p=amp: train_one_epoch(*a, device=device, amp=p)
    return functions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds, device = parser.parse_args().rounds, get_device()
    print(f"{machine(device)}, torch {torch.__version__}, batch {BATCH}\n")
    print("| network | loop | images/s | ratio |\n|---|---|---|---|")
    for make in (LeNet5, small_conv_net):
        functions = candidates(make, device)
        seconds = dict.fromkeys(functions, float("inf"))
        for _ in range(1 + rounds):  # the fastest round counts, so that the first is a warm-up
            for name, train in functions.items():
                with Timer(device) as timer:
                    train()
                seconds[name] = min(seconds[name], timer.seconds)
        for name, best in seconds.items():
            rate, ratio = BATCH * BATCHES / best, seconds["bare loop"] / best
            print(f"| {make.__name__} | {name} | {rate:,.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
