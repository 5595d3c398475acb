"""A last batch of one image, which batch norm cannot train on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..data import BatchLoader


class LastImageJoined:
    """The batches of a loader; the last one, of a single image, is joined to the one before."""

    def __init__(self, loader: BatchLoader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader) - 1

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass number `epoch`."""
        self.loader.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        passing = iter(self.loader)
        images, labels = next(passing)
        for more_images, more_labels in passing:
            if len(more_labels) == 1:
                images = torch.cat([images, more_images])
                labels = torch.cat([labels, more_labels])
            else:
                yield images, labels
                images, labels = more_images, more_labels
        yield images, labels


def without_single_image(loader: BatchLoader) -> BatchLoader | LastImageJoined:
    """Return the loader, or one with the same images in which no batch has a single one.

    Raises:
        ValueError: every batch has a single image.
    """
    count = len(loader.labels)
    if count == 1 or loader.batch_size == 1:
        raise ValueError(
            "this network cannot train on a batch of one image, as batch norm needs at least two "
            f"(there are {count} images in batches of {loader.batch_size}): "
            "give it more images, or batch_size=2 or more"
        )
    return LastImageJoined(loader) if count % loader.batch_size == 1 else loader
