"""Checks of `gpu_check.py`: images a second beside others on the same card, and time to 94 %."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import speedrun
import throughput
import time_to_accuracy
import torch
import torch.nn.functional as F
from gpu_rows import MISSED, OK, Finding, LeftOut
from gpu_training import amount, peak
from torch import nn

from course_utils import evaluate
from course_utils.data import BatchLoader, ImageData, batches, cifar, standard_augmentation
from course_utils.inspection import wilson_interval
from course_utils.models.whitened import WhitenedNet, whitening_filters
from course_utils.runtime import Timer, get_device
from course_utils.training import choose_precision, train_one_epoch
from course_utils.training.recipe import make_optimizer

ROUNDS = 3
GOAL = 0.94
AIRBENCH_BATCH, AIRBENCH_EPOCHS = 1024, 9.9
WORKERS = 2  # of the lab sheet's loader, as PyTorch's own tutorials have it


def against_the_lab_sheet(name: str) -> Finding:
    """Compare our training of a network with a lab sheet's, images a second.

    The lab sheet prepares image by image on the CPU; so it also gets two processes for that, and
    a third loop has its images on the device already: what is then left is the loop itself.
    """
    make, device = throughput.NETWORKS[name], get_device()
    count = amount(gpu=6400, stand_in=128)
    data = throughput.random_data(count)
    trainings = {
        "ours": throughput.ours(make(), data, 128, device=device),
        "lab sheet": throughput.lab_sheet(make(), data, 128, device=device),
        f"lab sheet, {WORKERS} workers": throughput.lab_sheet(
            make(), data, 128, device=device, workers=WORKERS
        ),
        "plain loop, images on the device": plain_loop(make(), data, device),
    }
    rates = {way: count / seconds for way, seconds in fastest(trainings, device).items()}
    others = [
        f"{way} {rate:,.0f} ({rates['ours'] / rate:.1f} times as fast)"
        for way, rate in rates.items()
        if way != "ours"
    ]
    words = f"ours {rates['ours']:,.0f} images/s ({choose_precision(device)}); {'; '.join(others)}"
    return Finding(OK, f"{words}. Batches of 128", peak())


def fastest(
    trainings: dict[str, Callable[[], object]], device: torch.device, rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the seconds of the fastest round of each; they take turns, after one to warm up."""
    seconds = dict.fromkeys(trainings, float("inf"))
    for turn in range(1 + rounds):
        for way, train in trainings.items():
            with Timer(device) as timer:
                train()
            if turn:
                seconds[way] = min(seconds[way], timer.seconds)
    return seconds


def plain_loop(model: nn.Module, data: ImageData, device: torch.device) -> Callable[[], None]:
    """Return an epoch of the five steps in float32, with images that lie on the device."""
    model = model.to(device)
    optimizer = throughput.sgd(model)
    loader = BatchLoader(data, batch_size=128, augment=standard_augmentation(), device=device)

    def train() -> None:
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()

    return train


def to_94_percent() -> Finding:
    """Learn CIFAR-10 with our recipe, and tell accuracy and seconds."""
    data, device = published_cifar10(), get_device()
    recipe = time_to_accuracy.CIFAR10.recipe
    with tempfile.TemporaryDirectory() as folder:  # what another device began is not gone on with
        model, seconds = speedrun.train(data, recipe, device, Path(folder))
    looker = speedrun.SixLooks(model)
    result = evaluate(looker, batches(data, "test", batch_size=500, device=device))
    low, high = wilson_interval(result.correct, result.total)
    words = f"{result.accuracy:.2%} ({low:.1%} to {high:.1%}) of the test images"
    words += f" after {recipe.epochs} epochs in {seconds:.0f} s"
    return Finding(OK if result.accuracy >= GOAL else MISSED, words, peak())


def published_cifar10() -> ImageData:
    """Return all of CIFAR-10 as it was published. Raises LeftOut if it is not on this machine."""
    kind = cifar.CIFAR10
    place = cifar.locate(kind)
    if place is None or (place.is_dir() and not (place / kind.names_file).is_file()):
        raise LeftOut(f"CIFAR-10 is not here: put {kind.archive} into data/cache")
    return time_to_accuracy.load("cifar10")


def against_airbench() -> Finding:
    """Compare our training with airbench's, the same layers and batches, on the same images."""
    device = get_device()
    airbench = import_airbench(device)
    try:
        data, epochs = published_cifar10(), AIRBENCH_EPOCHS
    except LeftOut:
        data, epochs = throughput.random_data(50_000), 4.0
    with tempfile.TemporaryDirectory() as folder:
        seconds, accuracy = airbench_run(airbench, data, epochs, Path(folder))
    ours, theirs = our_rate(data, device), epochs * len(data.train) / seconds
    words = f"ours {ours:,.0f} images/s, airbench {theirs:,.0f} ({ours / theirs:.2f} of it); "
    words += f"the same layers, batches of {AIRBENCH_BATCH:,}"
    if data.name == "cifar10":
        words += f". Its whole run: {accuracy:.2%} of the test images in {seconds:.1f} s"
    return Finding(OK, words, peak())


def import_airbench(device: torch.device) -> ModuleType:
    """Return airbench's package from the folder that AIRBENCH names. Raises LeftOut."""
    folder = os.environ.get("AIRBENCH", "")
    if not (folder and Path(folder, "airbench", "__init__.py").is_file()):
        address = "https://github.com/KellerJordan/cifar10-airbench"
        raise LeftOut(f"fetch {address} and give its folder: make gpu-check AIRBENCH=FOLDER")
    if device.type != "cuda":
        raise LeftOut("airbench runs on CUDA alone")
    sys.path.insert(0, folder)
    return importlib.import_module("airbench")


def airbench_run(
    airbench: ModuleType, data: ImageData, epochs: float, folder: Path
) -> tuple[float, float]:
    """Return the seconds of airbench's training, and the accuracy after it.

    It takes its images from files in ``cifar10``; with these it downloads none.
    """
    (folder / "cifar10").mkdir()
    for part in ("train", "test"):
        split = data.split(part)
        content = {"images": split.images.movedim(1, -1).contiguous(), "labels": split.labels}
        torch.save(content | {"classes": list(data.class_names)}, folder / f"cifar10/{part}.pt")
    settings = dict(train=True, batch_size=AIRBENCH_BATCH, altflip=True)
    os.chdir(folder)
    images = airbench.CifarLoader("cifar10", aug=dict(flip=True, translate=2), **settings)
    airbench.train94(images, epochs=2.0, verbose=False)  # to warm up
    with Timer("cuda") as timer:
        model = airbench.train94(images, epochs=epochs, verbose=False)
    test = airbench.CifarLoader("cifar10", train=False, batch_size=2000)
    return timer.seconds, airbench.evaluate(model, test, tta_level=2)


def our_rate(data: ImageData, device: torch.device) -> float:
    """Return our images a second with airbench's layers and batches, after one epoch to warm up."""
    amp = choose_precision(device)
    filters = whitening_filters(data.normalize(data.train.images[:1000]))
    model = amp.place(WhitenedNet(filters, len(data.class_names)))
    loader = BatchLoader(
        data, batch_size=AIRBENCH_BATCH, augment=standard_augmentation(2), device=device
    )
    optimizer = make_optimizer("sgd", model, learning_rate=0.01, weight_decay=0.0)

    def epoch() -> None:
        train_one_epoch(model, loader, optimizer, device=device, amp=amp)

    return len(data.train) / fastest({"ours": epoch}, device)["ours"]
