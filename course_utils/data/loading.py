"""One call for every data set, and the list of what is on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .. import runtime
from . import cifar, fashion, photos
from .download import DownloadError
from .folder import load_folder
from .places import DamagedError
from .types import ImageData, Parts, make_image_data

NAMES = ("fashion_mnist", "fashion_photos", *cifar.KINDS)
QUICK_SIZES = {"train": 10_000, "test": 2_000}


def load_data(
    name: str | Path = "fashion_mnist",
    *,
    profile: str | None = None,
    validation: float = 0.1,
    seed: int = 0,
    size: int = 32,
) -> ImageData:
    """Load a data set by name, or any image folder by its path.

    All but the bundled images are looked for in COURSE_DATA and in the cache, then downloaded.

    An image folder is path/{train,test}/<class>/<image> or path/<class>/<image>. A part "val" (or
    "validation", "valid", "dev") is the validation part, and nothing is cut for it. Images become
    RGB as people see them: turned as the camera was held, what is transparent on white, of an
    animation the first frame. Grey of 16 bits is divided by 257, grey in floats from 0 to 1 is
    multiplied by 255; images in whole numbers of 32 bits and other floats are refused.

    Args:
        name: "fashion_mnist" (1x32x32), "fashion_photos", "cifar10", "cifar100" (3x32x32), or the
            path of an image folder (3 x size x size).
        profile: "quick" takes 10,000 training and 2,000 test images (Fashion-MNIST's are bundled),
            "full" takes all; by default the profile of this session.
        validation: the share cut from the training images, 0 for none.
        seed: which images are cut. The images and the test part do not depend on it.
        size: for an image folder, the height and width that its images are scaled to.

    Raises:
        ValueError: a name, an option or a file is at fault.
        DownloadError: the data cannot be had.

    Example:
        >>> load_data("fashion_mnist", profile="quick")
        ImageData('fashion_mnist', 9000/1000/2000 images)
    """
    profile = profile or runtime.profile()
    if profile not in ("quick", "full"):
        raise ValueError(f"profile must be 'quick' or 'full', not {profile!r}")
    sizes = QUICK_SIZES if profile == "quick" else None
    known = str(name)
    if known not in NAMES:
        known, parts = _folder(known, size, sizes)
    elif size != 32:
        raise ValueError(f"size is for image folders: {name} has 32 x 32 pixels")
    elif known in cifar.KINDS:
        parts = cifar.load(cifar.KINDS[known], sizes)
    else:
        parts = _fashion(known, profile)
    return make_image_data(known, parts, validation=validation, seed=seed)


def _folder(name: str, size: int, sizes: dict[str, int] | None) -> tuple[str, Parts]:
    path = Path(os.path.expanduser(name))
    if not path.is_dir():
        raise ValueError(
            f"there is no data set and no folder called {name!r}: "
            f"use {', '.join(NAMES)} or the path of an image folder"
        )
    path = path.resolve()
    return path.name, load_folder(path, size=size, sizes=sizes)


def _fashion(name: str, profile: str) -> Parts:
    arrays = fashion.sample() if profile == "quick" else fashion.full()
    training, test = ((arrays[f"{p}_images"], arrays[f"{p}_labels"]) for p in ("train", "test"))
    sizes = f"{len(training[1]):,} training and {len(test[1]):,} test images"
    which = f"the bundled sample of {sizes}" if profile == "quick" else f"all its {sizes}"
    if name == "fashion_mnist":
        title, recipe = "Fashion-MNIST", ""
        splits = fashion.as_split(*training), fashion.as_split(*test)
    else:
        title, recipe = "Fashion-MNIST on photographs", ", tinted and laid on photographs"
        splits = photos.as_split(*training, "train"), photos.as_split(*test, "test")
    return Parts(title, f"Fashion-MNIST, {which}{recipe}", fashion.CLASS_NAMES, *splits)


def load_data_or_stand_in(
    name: str, *, profile: str | None = None, validation: float = 0.1, seed: int = 0
) -> ImageData:
    """Load a data set, or say in one line that it is not to be had and load a bundled one.

    CIFAR is replaced by "fashion_photos", and all of Fashion-MNIST by its bundled sample. What is
    returned names itself: title and provenance are those of the data it holds. The quick profile
    does not download: it takes what is on this machine.

    Args:
        name: as for `load_data`, like the other arguments.
        profile: "quick" or "full".
        validation: the share cut from the training images.
        seed: which images are cut.

    Raises:
        ValueError: a name or an option is at fault.

    Example:
        >>> load_data_or_stand_in("fashion_photos", profile="quick")
        ImageData('fashion_photos', 9000/1000/2000 images)
    """
    profile = profile or runtime.profile()
    kind = cifar.KINDS.get(name)
    try:
        if kind and profile == "quick" and cifar.locate(kind) is None:
            raise DownloadError("the quick profile does not download it")
        return load_data(name, profile=profile, validation=validation, seed=seed)
    except (DownloadError, DamagedError) as problem:
        reason = str(problem).splitlines()[0].rstrip(".")
        state = "is not on" if isinstance(problem, DownloadError) else "cannot be read on"
    wanted = kind.title if kind else "all of Fashion-MNIST"
    data = _bundled("fashion_photos" if kind else name, profile, validation, seed)
    print(f"{wanted} {state} this machine ({reason}). In its place: {data.title}.")
    return replace(data, provenance=f"{data.provenance} (in place of {wanted})")


def _bundled(name: str, profile: str, validation: float, seed: int) -> ImageData:
    """Fashion-MNIST in this form: all of it if it is asked for and here, else the sample."""
    if profile == "full" and fashion.locate():
        try:
            return load_data(name, profile="full", validation=validation, seed=seed)
        except DamagedError:
            pass  # the sample is whole
    return load_data(name, profile="quick", validation=validation, seed=seed)


class Found(NamedTuple):
    """One line of `found_data`.

    Attributes:
        name: which data.
        where: the place on this machine, or None.
        remedy: what to do about it, or "".
    """

    name: str
    where: str | None
    remedy: str


def found_data() -> list[Found]:
    """Return, for each data set, where it is on this machine; nothing is downloaded."""
    return [
        _bundled_files(),
        _found(
            "Fashion-MNIST, all 70,000 images",
            fashion.locate,
            "install the Debian package dataset-fashion-mnist, or put its four files into a "
            'folder and set COURSE_DATA, or let load_data("fashion_mnist", profile="full") '
            "download 31 MB",
        ),
        *(
            _found(
                kind.title,
                partial(cifar.locate, kind),
                f"put {kind.archive} into a folder and set COURSE_DATA to it, or let "
                f'load_data("{kind.name}") download 170 MB',
            )
            for kind in cifar.KINDS.values()
        ),
    ]


def _bundled_files() -> Found:
    name = "bundled sample and photographs"
    try:
        fashion.sample()
        for photograph in photos.PHOTOGRAPHS:
            photos.photograph(photograph)
    except RuntimeError as problem:
        return Found(name, None, str(problem))
    return Found(name, str(runtime.project_root() / "data"), "")


def _found(name: str, locate: Callable[[], Path | None], remedy: str) -> Found:
    try:
        place = locate()
    except ValueError as problem:  # COURSE_DATA is wrong
        return Found(name, None, str(problem))
    return Found(name, str(place), "") if place else Found(name, None, remedy)
