"""Any folder of images: path/{train,val,test}/<class>/<image>, or path/<class>/<image>."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from ..runtime import progress
from .layout import Layout, LeftOut, Problem, part_folders, suffix_of, survey
from .pictures import picture_problem, pixels
from .splits import stratified_indices
from .types import Parts, Split

TEST_SHARE = 0.2  # of the images, where the folder has no test part
Listing = tuple[list[Path], np.ndarray]  # files, and their labels (N,)


def is_image_folder(path: Path) -> bool:
    """Return whether path has a folder of training images and one of test images."""
    return path.is_dir() and {"train", "test"} <= set(part_folders(path))


def load_folder(
    path: Path, *, size: int = 32, sizes: dict[str, int] | None = None, title: str | None = None
) -> Parts:
    """Read an image folder; images become RGB, size x size (the middle square, scaled).

    A folder without a test part gets one cut from each class of its training images (a fifth,
    stratified). A validation part ("val") is kept. The provenance counts what is left out.

    Args:
        path: the folder.
        size: the height and width of the images.
        sizes: {"train": n, "test": n} to read at most so many of each, stratified, or None for
            all; the limit for test images holds for validation images too.
        title: what the data set is called, if not like the folder.

    Raises:
        ValueError: names the file or folder at fault: a class without images, a file that cannot
            be read, fewer than two classes, parts with different classes.
    """
    path = Path(path)
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    layout = survey(path)
    if layout.problems:
        first = layout.problems[0]
        raise ValueError(f"{first.place}{first.text}")
    listings = _listings(layout, sizes)
    whole, read = len(layout.images), sum(len(files) for files, _ in listings.values())
    which = f"all {whole:,} images" if read == whole else f"a sample of {read:,} images"
    title = title or path.name
    suffixes = ", ".join(sorted({suffix_of(file) for file in listings["train"][0]}))
    source = f"of the image folder {path.name!r} ({suffixes})"
    return Parts(
        title,
        f"{title}, {which} {source}{_without(layout.left_out)}",
        tuple(place.name for place in layout.parts["train"]),
        _read(listings["train"], size),
        _read(listings["test"], size),
        _read(listings["validation"], size) if "validation" in listings else None,
    )


def folder_problems(path: Path | str) -> list[str]:
    """Return what is wrong with an image folder, one line for each problem, each with its remedy.

    Found are what `load_data` refuses (a class without images, a single class, parts with
    different classes, files that cannot be read), the files that it leaves out, and images that
    are not in RGB, which it turns into RGB. Every file is read. An empty list means that all is
    well.

    Args:
        path: the folder, with or without parts for training, validation and test.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as pets:
        ...     (Path(pets) / "cat").mkdir()
        ...     folder_problems(pets)[1]
        'cat: the class has no images; add some or delete the folder'
    """
    path = Path(path)
    layout = survey(path)
    remarks = ((file, picture_problem(file)) for file in layout.images)
    found = [
        *layout.problems,
        *(group.problem for group in layout.left_out),
        *(Problem(file, f": {remark}") for file, remark in remarks if remark),
    ]
    return [_name(place, path) + text for place, text in sorted(found)]


def _name(place: Path, path: Path) -> str:
    return path.resolve().name if place == path else place.relative_to(path).as_posix()


def _listings(layout: Layout, sizes: dict[str, int] | None) -> dict[str, Listing]:
    """The files and labels to read of each part, each class with its share, in random order."""
    listings = {part: _listing(list(c.values())) for part, c in layout.parts.items()}
    if "test" not in listings:
        files, labels = listings["train"]
        chosen = np.zeros(len(files), dtype=bool)
        chosen[stratified_indices(labels, round(TEST_SHARE * len(files)))] = True
        listings["train"] = _at(files, labels, ~chosen)
        listings["test"] = _at(files, labels, chosen)
    for part, (files, labels) in listings.items():
        most = sizes["train" if part == "train" else "test"] if sizes else len(files)
        chosen = stratified_indices(labels, min(most, len(files)))
        listings[part] = _at(files, labels, chosen)
    return listings


def _listing(classes: list[list[Path]]) -> Listing:
    files = [file for images in classes for file in images]
    return files, np.repeat(np.arange(len(classes)), [len(images) for images in classes])


def _at(files: list[Path], labels: np.ndarray, chosen: np.ndarray) -> Listing:
    """The files and labels at these positions (integers, or one truth value for each)."""
    return np.array(files, dtype=object)[chosen].tolist(), labels[chosen]


def _without(left_out: list[LeftOut]) -> str:
    """The end of the provenance: how many files are not read, and of which kinds."""
    kinds = Counter(kind for group in left_out for kind in group.kinds)
    if not kinds:
        return ""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    return f"; other files, left out: {counts}"


def _read(listing: Listing, size: int) -> Split:
    files, labels = listing
    images = np.empty((len(files), 3, size, size), np.uint8)
    for position, file in enumerate(progress(files, description="reading images", unit="image")):
        images[position] = pixels(file, size)
    return Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))
