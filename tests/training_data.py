"""For the tests of training: a small data set that a network learns in a second; an interrupt."""

import itertools
from contextlib import contextmanager

import pytest
import torch

from course_utils.data import ImageData, Split
from course_utils.training import Precision


def bright_quarters(train=96, validation=32, test=32, size=32, seed=0) -> ImageData:
    """Grey images in which one quarter is brighter: its number is the class, 0 to 3."""
    generator = torch.Generator().manual_seed(seed)

    def split(count):
        labels = torch.arange(count) % 4
        images = torch.randint(0, 100, (count, 1, size, size), generator=generator)
        half = size // 2
        for image, label in zip(images, labels.tolist(), strict=True):
            top, left = half * (label // 2), half * (label % 2)
            image[:, top : top + half, left : left + half] += 80
        return Split(images.to(torch.uint8), labels)

    names = ("top left", "top right", "bottom left", "bottom right")
    parts = split(train), split(validation), split(test)
    return ImageData("quarters", "Bright quarters", "made by a test", names, *parts, (0.3,), (0.2,))


@contextmanager
def interrupt(step):
    """Press the stop button before this step of training."""
    steps, plain = itertools.count(1), Precision.step

    def stop(self, optimizer):
        if next(steps) == step:
            raise KeyboardInterrupt
        plain(self, optimizer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Precision, "step", stop)
        yield
