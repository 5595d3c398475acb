"""The two types every notebook works with: a Split of images and the ImageData that holds three."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..withheld import asked_for
from .splits import stratified_indices


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels: uint8 (N, C, H, W) and int64 (N,), both on the CPU.

    Raises:
        ValueError: they have other types or shapes.

    Example:
        >>> Split(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
        Split(2 images of 1x8x8)
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                "images must be uint8 with shape (N, C, H, W), "
                f"not {self.images.dtype} with shape {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels must be int64 with shape ({len(self.images)},), "
                f"not {self.labels.dtype} with shape {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images of {'x'.join(map(str, self.images.shape[1:]))})"

    def at(self, positions: Tensor | np.ndarray | list[int]) -> Split:
        """Return the images and labels at these positions, in this order.

        Example:
            >>> two = Split(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
            >>> two.at([1, 0, 1]).labels
            tensor([1, 0, 1])
        """
        positions = torch.as_tensor(positions, dtype=torch.int64)
        return Split(self.images[positions], self.labels[positions])

    def take(self, n: int, seed: int = 0) -> Split:
        """Return n of the images in random order, every class keeping its share.

        The same n and seed give the same images on every machine.

        Raises:
            ValueError: n is negative or larger than the split.

        Example:
            >>> part = Split(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.arange(6) % 2)
            >>> part.take(4).labels.bincount()
            tensor([2, 2])
        """
        return self.at(stratified_indices(self.labels.numpy(), n, seed))


@dataclass(frozen=True, eq=False)
class ImageData:
    """A named data set in three parts, with what is needed to normalise and to describe it.

    Attributes:
        name: what it is loaded by.
        title: what it is called in titles of figures.
        provenance: one sentence that says which data this is.
        class_names: the name of each label.
        train: the images to learn from.
        validation: the images to choose by.
        test: the images for the end.
        mean: one float per channel, for pixel values scaled to [0, 1], of the training images.
        std: likewise, the standard deviation.
    """

    name: str
    title: str
    provenance: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def num_classes(self) -> int:
        """How many labels there are."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def split(self, name: str) -> Split:
        """Return the part called "train", "validation" or "test".

        Raises:
            ValueError: it is called otherwise.
        """
        if name not in ("train", "validation", "test"):
            raise ValueError(f"no split is called {name!r}: use 'train', 'validation' or 'test'")
        return getattr(self, name)

    def only(self, class_names: Sequence[str]) -> ImageData:
        """Return the data set of these classes alone, numbered from 0 in this order.

        mean and std are those of the training images that are left.

        Raises:
            ValueError: a class is not there or is named twice, or there are fewer than two.

        Example:
            >>> from course_utils.data import load_data
            >>> load_data("fashion_mnist", profile="quick").only(["Bag", "Coat"])
            ImageData('fashion_mnist', 1800/200/400 images)
        """
        names = tuple(class_names)
        unknown = [name for name in names if name not in self.class_names]
        if unknown:
            known = ", ".join(self.class_names)
            raise ValueError(f"{self.title} has no class {unknown[0]!r}; it has {known}")
        if len(set(names)) != len(names) or len(names) < 2:
            raise ValueError(f"name at least two classes, each once, not {', '.join(names)}")
        old_labels = torch.tensor([self.class_names.index(name) for name in names])
        train, validation, test = (
            _relabelled(part, old_labels) for part in (self.train, self.validation, self.test)
        )
        parts = Parts(self.title, self.provenance, names, train, test, validation)
        return make_image_data(self.name, parts)

    def normalize(self, images: Tensor) -> Tensor:
        """Turn uint8 images (N, C, H, W) into float32: (x / 255 - mean) / std, on their device.

        Raises:
            ValueError: the images are not uint8, or have another number of channels.

        Example:
            >>> from course_utils.data import load_data
            >>> data = load_data("fashion_mnist", profile="quick")
            >>> abs(round(data.normalize(data.train.images).mean().item(), 2))
            0.0
        """
        if images.dtype != torch.uint8:
            raise ValueError(
                f"normalize takes uint8 images with values 0 to 255, not {images.dtype}"
            )
        mean, std = self._statistics(images)
        return images.float().div_(255).sub_(mean).div_(std)

    @asked_for("09.2")
    def denormalize(self, images: Tensor) -> Tensor:
        """Undo `normalize`: float images (N, C, H, W) to float32 values from 0 to 1.

        Raises:
            ValueError: the images have another number of channels.

        Example:
            >>> from course_utils.data import load_data
            >>> data = load_data("fashion_mnist", profile="quick")
            >>> data.denormalize(torch.full((1, 1, 32, 32), 100.0)).max()  # brighter than white
            tensor(1.)
        """
        mean, std = self._statistics(images)
        return (images.float() * std + mean).clamp_(0, 1)

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.ndim < 3 or images.shape[-3] != len(self.mean):
            raise ValueError(
                f"{self.title} has {len(self.mean)} channel(s): expected (N, {len(self.mean)}, H, "
                f"W), got {tuple(images.shape)}"
            )
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=images.device)
            for values in (self.mean, self.std)
        )
        return mean[:, None, None], std[:, None, None]

    def __repr__(self) -> str:
        sizes = f"{len(self.train)}/{len(self.validation)}/{len(self.test)}"
        return f"ImageData({self.name!r}, {sizes} images)"

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.image_shape))
        rows = [
            ("data", self.provenance),
            ("image", f"{shape} (channels x height x width), uint8"),
            ("classes", f"{self.num_classes}: {shortened(self.class_names)}"),
        ]
        for part in ("train", "validation", "test"):
            rows.append((part, f"{len(self.split(part)):,} images"))
        rows.append(("mean", ", ".join(f"{value:.3f}" for value in self.mean)))
        rows.append(("std", ", ".join(f"{value:.3f}" for value in self.std)))
        return "\n".join([self.title, *(f"  {label:<11}{text}" for label, text in rows)])


def _relabelled(part: Split, old_labels: Tensor) -> Split:
    """The images whose label is in old_labels (K,); its position there is their new label."""
    is_class = part.labels[:, None] == old_labels  # (N, K)
    chosen = is_class.any(dim=1)
    return Split(part.images[chosen], is_class[chosen].int().argmax(dim=1))


def shortened(names: Sequence[str], most: int = 10) -> str:
    """Return the names with commas between them, the first few if there are many."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


@asked_for("10.3")
def stream_statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, float64 (C,), in one pass over batches.

    Exact to float64: how often each of the 256 values occurs is counted first; then both passes
    (the mean, then the squared distances from it) run over those counts. Used in lecture 10.

    Args:
        batches: uint8 tensors (B, C, H, W); B may differ. The values count as 0 to 1.

    Raises:
        ValueError: there are no images.

    Example:
        >>> halves = (torch.full((1, 1, 2, 2), value, dtype=torch.uint8) for value in (0, 255))
        >>> [value.tolist() for value in stream_statistics(halves)]
        [[0.5], [0.5]]
    """
    counts = torch.zeros(1, 256, dtype=torch.int64)
    for images in batches:
        channels = images.transpose(0, 1).flatten(1)
        counts = counts + torch.stack([torch.bincount(c, minlength=256) for c in channels])
    if not counts.sum():
        raise ValueError("there are no images to compute a mean from")
    weights = counts.double() / counts.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = weights @ values
    return mean, (weights * (values - mean[:, None]) ** 2).sum(dim=1).sqrt()


@asked_for("10.3")
def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return per-channel mean and standard deviation of uint8 images (N, C, H, W), in [0, 1].

    A channel that never varies gets a standard deviation of 1, so that dividing by it is harmless.

    Raises:
        ValueError: there are no images.
    """
    # counting needs eight bytes a pixel: keep the blocks small
    mean, std = stream_statistics(images.split(4096) if len(images) else [])
    return tuple(mean.tolist()), tuple(torch.where(std > 0, std, 1.0).tolist())


class Parts(NamedTuple):
    """A data set as its reader returns it: nothing is cut off for validation yet."""

    title: str
    provenance: str
    class_names: tuple[str, ...]
    training: Split
    test: Split
    validation: Split | None = None  # where the data set comes with one


def make_image_data(
    name: str, parts: Parts, *, validation: float = 0.1, seed: int = 0
) -> ImageData:
    """Cut the validation part out of the training images, and measure mean and std on the rest.

    It is never cut out of the test images; a data set that comes with one keeps it, and then
    nothing is cut.

    Args:
        name: the data set's short name.
        parts: what its reader returned.
        validation: the share to cut, from 0 up to but not including 1, stratified by class.
        seed: which images are cut.

    Raises:
        ValueError: `validation` is out of range.
    """
    if not 0 <= validation < 1:
        raise ValueError(f"validation must be a share from 0 up to but not 1, not {validation}")
    train, rest = parts.training, parts.validation
    if rest is None:
        held_out = np.zeros(len(train), dtype=bool)
        count = round(validation * len(train))
        held_out[stratified_indices(train.labels.numpy(), count, seed)] = True
        rest = train.at(np.flatnonzero(held_out))
        train = train.at(np.flatnonzero(~held_out))
    mean, std = channel_statistics(train.images)
    return ImageData(
        name, parts.title, parts.provenance, parts.class_names, train, rest, parts.test, mean, std
    )
