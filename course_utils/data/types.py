"""The two types every notebook works with: a Split of images and the ImageData that holds three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .splits import stratified_indices


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels: uint8 (N, C, H, W) and int64 (N,), both on the CPU."""

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
        """Return the images and labels at these positions, in this order."""
        positions = torch.as_tensor(positions, dtype=torch.int64)
        return Split(self.images[positions], self.labels[positions])

    def take(self, n: int, seed: int = 0) -> Split:
        """Return n of the images in random order, every class keeping its share.

        The same n and seed give the same images on every machine. Raises ValueError when n is
        larger than the split.
        """
        return self.at(stratified_indices(self.labels.numpy(), n, seed))


@dataclass(frozen=True, eq=False)
class ImageData:
    """A named data set in three parts, with what is needed to normalise and to describe it.

    mean and std hold one float per channel, for pixel values scaled to [0, 1]; they are computed
    from the training images only. provenance says in one sentence which data this is.
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
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.train.images.shape[1:])

    def split(self, name: str) -> Split:
        """Return the part called "train", "validation" or "test"."""
        if name not in ("train", "validation", "test"):
            raise ValueError(f"no split is called {name!r}: use 'train', 'validation' or 'test'")
        return getattr(self, name)

    def only(self, class_names: Sequence[str]) -> ImageData:
        """Return the data set of these classes alone, numbered from 0 in this order.

        mean and std are those of the training images that are left. Raises ValueError for a class
        that is not there, is named twice, or fewer than two classes.
        """
        names = tuple(class_names)
        unknown = [name for name in names if name not in self.class_names]
        if unknown:
            known = ", ".join(self.class_names)
            raise ValueError(f"{self.title} has no class {unknown[0]!r}; it has {known}")
        if len(set(names)) != len(names) or len(names) < 2:
            raise ValueError(f"name at least two classes, each once, not {', '.join(names)}")
        old_labels = torch.tensor([self.class_names.index(name) for name in names])
        parts = {p: _relabelled(self.split(p), old_labels) for p in ("train", "validation", "test")}
        mean, std = channel_statistics(parts["train"].images)
        return replace(self, class_names=names, **parts, mean=mean, std=std)

    def normalize(self, images: Tensor) -> Tensor:
        """Turn uint8 images (N, C, H, W) into float32: (x / 255 - mean) / std, on their device."""
        if images.dtype != torch.uint8:
            raise ValueError(
                f"normalize takes uint8 images with values 0 to 255, not {images.dtype}"
            )
        mean, std = self._statistics(images)
        return images.float().div_(255).sub_(mean).div_(std)

    def denormalize(self, images: Tensor) -> Tensor:
        """Undo `normalize`: float images (N, C, H, W) to float32 values from 0 to 1."""
        mean, std = self._statistics(images)
        return (images.float() * std + mean).clamp_(0, 1)

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.ndim < 3 or images.shape[-3] != len(self.mean):
            raise ValueError(
                f"{self.title} has {len(self.mean)} channel(s): expected (N, {len(self.mean)}, H, "
                f"W), got {tuple(images.shape)}"
            )
        as_tensor = dict(dtype=torch.float32, device=images.device)
        mean, std = (torch.tensor(values, **as_tensor) for values in (self.mean, self.std))
        return mean[:, None, None], std[:, None, None]

    def __repr__(self) -> str:
        sizes = f"{len(self.train)}/{len(self.validation)}/{len(self.test)}"
        return f"ImageData({self.name!r}, {sizes} images)"

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.image_shape))
        rows = [
            ("data", self.provenance),
            ("image", f"{shape} (channels x height x width), uint8"),
            ("classes", f"{self.num_classes}: {_shortened(self.class_names)}"),
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


def _shortened(names: tuple[str, ...], most: int = 10) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return per-channel mean and standard deviation of uint8 images (N, C, H, W), in [0, 1].

    Exact to float64: each channel's 256 value counts are collected first, then both passes (the
    mean, then the squared distances from it) run over those counts. A channel that never varies
    gets a standard deviation of 1, so that dividing by it is harmless.
    """
    if not len(images):
        raise ValueError("there are no images to compute a mean from")
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for block in images.split(4096):  # bincount needs eight bytes a pixel: keep it small
        for channel in range(images.shape[1]):
            counts[channel] += torch.bincount(block[:, channel].flatten(), minlength=256)
    weights = counts.double() / counts.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(dim=1)
    std = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
    return tuple(mean.tolist()), tuple(std.tolist())


class Parts(NamedTuple):
    """A data set as its reader returns it: nothing is cut off for validation yet."""

    title: str
    provenance: str
    class_names: tuple[str, ...]
    training: Split
    test: Split


def make_image_data(
    name: str, parts: Parts, *, validation: float = 0.1, seed: int = 0
) -> ImageData:
    """Cut the validation part out of the training images (never out of the test images) and
    measure mean and std on the training images that are left.

    validation: its share, from 0 up to but not including 1, stratified by class.
    """
    if not 0 <= validation < 1:
        raise ValueError(f"validation must be a share from 0 up to but not 1, not {validation}")
    title, provenance, class_names, training, test = parts
    held_out = np.zeros(len(training), dtype=bool)
    count = round(validation * len(training))
    held_out[stratified_indices(training.labels.numpy(), count, seed)] = True
    train, rest = training.at(np.flatnonzero(~held_out)), training.at(np.flatnonzero(held_out))
    mean, std = channel_statistics(train.images)
    return ImageData(name, title, provenance, class_names, train, rest, test, mean, std)
