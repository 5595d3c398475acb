"""Checks of `gpu_check.py`: does `fit` repeat exactly, and what does it do when memory is short."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from dataclasses import replace

import torch
from gpu_rows import FAILED, OK, Finding, LeftOut
from torch import nn

from course_utils.data import ImageData, load_data, standard_augmentation
from course_utils.models.resnet import SmallResNet
from course_utils.models.vgg import slim_vgg
from course_utils.runtime import get_device, release_memory
from course_utils.training import History, OutOfMemory, choose_precision, fit

ENOUGH, TOO_LARGE = 128, 1024  # batches: one that shall fit into memory, and one that shall not

Network = Callable[[], nn.Module]
NETWORKS: dict[str, Network] = {"slim VGG-11": slim_vgg, "ResNet-20": SmallResNet}


def peak() -> int | None:
    """Return how many bytes the device has held at most; None where it does not tell."""
    device = torch.get_device_module(get_device())
    count = getattr(device, "max_memory_allocated", None)
    return count() if count else None


def amount(gpu: int, stand_in: int) -> int:
    """Return a number of images: fewer on the tests' stand-in, which only shows that it runs."""
    return stand_in if get_device().type == "strict" else gpu


def images(count: int) -> ImageData:
    """Return some of the bundled images."""
    data = load_data("fashion_photos", profile="quick")
    return replace(data, train=data.train.take(count), validation=data.validation.take(200))


def trained(make: Network, data: ImageData, **settings: object) -> tuple[nn.Module, History]:
    """Return a network after two epochs, and their history. The start is always the same."""
    torch.manual_seed(0)
    model = make()
    rest = dict(epochs=2, optimizer="sgd", learning_rate=0.02, augment=standard_augmentation())
    return model, fit(model, data, **rest | settings)


def largest_difference(one: nn.Module, other: nn.Module) -> float:
    """Return the largest difference of two weights; 0.0 if all are equal bit by bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(0.0 if torch.equal(a, b) else float((a - b).abs().max()) for a, b in pairs)


def repeats() -> Finding:
    """Train each network twice in the same way and compare all weights."""
    count = amount(gpu=2000, stand_in=100)
    words, data, is_good = [], images(count), True
    for name, make in NETWORKS.items():
        (one, first), (other, second) = (trained(make, data) for _ in range(2))
        off = largest_difference(one, other)
        weights = f"weights off by {off:.1e}" if off else "all weights equal bit by bit"
        words.append(f"{name}: {'the same' if first == second else 'OTHER'} losses, {weights}")
        is_good = is_good and first == second and not off
    told = f"2 epochs of {count:,} images, twice, {choose_precision(get_device())}"
    return Finding(OK if is_good else FAILED, f"{'; '.join(words)}. {told}", peak())


def halves() -> Finding:
    """Train where memory is short for the batch: `fit` must say so, then go on with less.

    The memory that this process may use is cut to the mean of what a small and a large batch take.
    The result must be, bit by bit, that of a run which was asked for the smaller batch at once.

    Raises:
        LeftOut: the memory of this device cannot be cut.
    """
    device = torch.get_device_module(get_device())
    if not hasattr(device, "mem_get_info"):
        raise LeftOut(f"the memory of {get_device()} cannot be cut")
    data, whole = images(amount(gpu=2 * TOO_LARGE, stand_in=TOO_LARGE)), device.mem_get_info()[1]
    allowed = (_needed(data, ENOUGH) + _needed(data, TOO_LARGE)) / 2
    release_memory()
    device.set_per_process_memory_fraction(allowed / whole)
    try:
        refused = _refused(data)
        release_memory()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            model, history = trained(slim_vgg, data, batch_size=TOO_LARGE, halve_batch=True)
        size = int((re.findall(r"batch_size=(\d+)", said.getvalue()) or [TOO_LARGE])[-1])
        other, again = trained(slim_vgg, data, batch_size=size)
    finally:
        device.set_per_process_memory_fraction(1.0)
    is_same = history == again and largest_difference(model, other) == 0
    words = f"{allowed / 1e9:.2f} GB were allowed; batches of {TOO_LARGE:,} were "
    words += "refused with the size to try" if refused else "NOT refused"
    words += f"; with halve_batch it trained on batches of {size}, "
    words += "equal to a run that begins with them" if is_same else "NOT as one begun with them"
    return Finding(OK if refused and size < TOO_LARGE and is_same else FAILED, words)


def _needed(data: ImageData, batch_size: int) -> int:
    """Return the bytes that training with such batches takes at most."""
    device = torch.get_device_module(get_device())
    choose_precision(get_device())  # it measures once, which takes memory, too
    release_memory()
    device.reset_peak_memory_stats()
    trained(slim_vgg, data, batch_size=batch_size, epochs=1)
    return device.max_memory_allocated()


def _refused(data: ImageData) -> bool:
    try:
        trained(slim_vgg, data, batch_size=TOO_LARGE)
    except OutOfMemory as error:
        return f"batch_size={TOO_LARGE // 2}" in str(error)
    return False
