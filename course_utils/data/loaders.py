"""Batches of a split, from images that stay on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..runtime import run_seed
from .types import ImageData


class BatchLoader:
    """Batches of a split that lies on the device as a whole, in uint8.

    Each pass yields (images float32 (B, C, H, W) normalised, labels int64 (B,)), both on the
    device; the last batch may be smaller. Passes are numbered from 0: the pass number and the seed
    decide the order and the augmentation, on every device alike. `set_epoch(3)` makes the next
    pass number 3, which is how an interrupted training continues.

    Args:
        data: the data set.
        split: "train", "validation" or "test".
        batch_size: images in a batch.
        device: where the images are kept.
        shuffle: on for "train" and off for the others, unless given.
        augment: a function of uint8 images (B, C, H, W) that takes the keyword `generator`, as
            those in `augment.py` do. It runs before normalisation, so that what it fills with 0 is
            black.
        seed: of the order and of the augmentation.

    Raises:
        ValueError: the batch size is less than 1, or the split is called otherwise.

    Example:
        >>> from course_utils.data import load_data
        >>> data = load_data("fashion_mnist", profile="quick")
        >>> for images, labels in batches(data, "test", batch_size=1500):
        ...     print(tuple(images.shape), tuple(labels.shape))
        (1500, 1, 32, 32) (1500,)
        (500, 1, 32, 32) (500,)
    """

    def __init__(
        self,
        data: ImageData,
        split: str = "train",
        *,
        batch_size: int = 128,
        device: torch.device | str = "cpu",
        shuffle: bool | None = None,
        augment: Callable[..., Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        part = data.split(split)
        self.data = data
        self.images = part.images.to(device)
        self.labels = part.labels.to(device)
        self.batch_size = batch_size
        self.shuffle = split == "train" if shuffle is None else shuffle
        self.augment = augment
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass number `epoch`."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        # Random numbers are drawn on the CPU: a GPU's generator would give another order.
        mixed = np.random.SeedSequence([run_seed(self.seed), epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(mixed[0] >> np.uint64(1)))
        order = None
        if self.shuffle:
            order = torch.randperm(len(self.labels), generator=generator).to(self.labels.device)
        for start in range(0, len(self.labels), self.batch_size):
            window = slice(start, start + self.batch_size)
            batch = window if order is None else order[window]
            images = self.images[batch]
            if self.augment is not None:
                images = self.augment(images, generator=generator)
            yield self.data.normalize(images), self.labels[batch]


# How it reads in a loop: for images, labels in batches(data, "train", batch_size=64).
batches = BatchLoader
