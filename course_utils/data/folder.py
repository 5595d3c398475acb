"""Any folder of images: path/{train,test}/<class>/<image>, or path/<class>/<image>."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..runtime import progress
from .splits import stratified_indices
from .types import Parts, Split

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
TEST_SHARE = 0.2  # of the images, where the folder has no test part
Listing = tuple[list[Path], np.ndarray]


def is_image_folder(path: Path) -> bool:
    """Whether path has the folders "train" and "test"."""
    return (path / "train").is_dir() and (path / "test").is_dir()


def load_folder(
    path: Path, *, size: int = 32, sizes: dict[str, int] | None = None, title: str | None = None
) -> Parts:
    """Read an image folder; images become RGB, size x size (the middle square, scaled).

    A folder without "train" and "test" gets a test part cut from each class (a fifth, stratified).
    sizes: {"train": n, "test": n} to read at most so many of each, stratified, or None for all.
    Raises ValueError that names the file or class at fault: a class without images, a file that
    is no image, fewer than two classes, other classes in "test" than in "train".
    """
    path = Path(path)
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    class_names, train, test = _listings(path)
    whole = len(train[0]) + len(test[0])
    most = sizes or {"train": len(train[0]), "test": len(test[0])}
    train, test = _chosen(train, most["train"]), _chosen(test, most["test"])
    read = len(train[0]) + len(test[0])
    which = f"all {whole:,} images" if read == whole else f"a sample of {read:,} images"
    title = title or path.name
    suffixes = ", ".join(sorted({file.suffix.lower() for file in train[0]}))
    provenance = f"{title}, {which} of the image folder {path.name!r} ({suffixes})"
    return Parts(title, provenance, class_names, _read(train, size), _read(test, size))


def folder_problems(path: Path | str) -> list[str]:
    """Return what is wrong with an image folder, one line for each problem, each with its remedy.

    Found are a class without images, a single class, files that are no images, and images that are
    not in RGB: `load_folder` turns those into RGB. Every file is read. An empty list means that all
    is well.
    """
    path = Path(path)
    if is_image_folder(path):
        parts = {part: folder_problems(path / part) for part in ("train", "test")}
        return [f"{part}/{problem}" for part, found in parts.items() for problem in found]
    folders = _class_folders(path)
    problems = [] if len(folders) > 1 else [f"{path.name} {_too_few(folders)}"]
    for folder in folders:
        images = _images(folder)
        if not images:
            problems.append(
                f"{folder.name}: the class has no images; add some or delete the folder"
            )
        problems += [f"{folder.name}/{i.name}: {p}" for i in images if (p := _image_problem(i))]
    return problems


MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "of 256 colours (a palette)",
    "RGBA": "with transparency",
    "CMYK": "in CMYK, the colours of printing",
}


def _image_problem(file: Path) -> str:
    """What is wrong with this file; empty if it is an image in RGB."""
    from PIL import Image

    try:
        _pixels(file, 8)
    except ValueError as problem:
        reason = problem.__cause__ or problem.__context__
        return f"cannot be read as an image ({type(reason).__name__}); remove it"
    with Image.open(file) as image:
        if image.mode == "RGB":
            return ""
        return f"is {MODES.get(image.mode, image.mode)}; it is read as RGB: see how it looks"


def _listings(path: Path) -> tuple[tuple[str, ...], Listing, Listing]:
    """Return the class names and the files and labels (N,) of the training and the test part."""
    parts = [part for part in ("train", "test") if (path / part).is_dir()]
    if len(parts) == 1:
        other = "test" if parts == ["train"] else "train"
        raise ValueError(f"{path} has a folder {parts[0]!r} but none called {other!r}")
    if not parts:
        names, files, labels = _classes(path)
        chosen = np.zeros(len(files), dtype=bool)
        chosen[stratified_indices(labels, round(TEST_SHARE * len(files)))] = True
        return names, _at(files, labels, ~chosen), _at(files, labels, chosen)
    (names, *train), (test_names, *test) = (_classes(path / part) for part in parts)
    if names != test_names:
        odd = sorted(set(names) ^ set(test_names))[0]
        raise ValueError(f"{path}: the class {odd!r} is in only one of the folders train and test")
    return names, tuple(train), tuple(test)


def _classes(path: Path) -> tuple[tuple[str, ...], list[Path], np.ndarray]:
    folders = _class_folders(path)
    if len(folders) < 2:
        raise ValueError(f"{path} {_too_few(folders)}")
    files, labels = [], []
    for label, folder in enumerate(folders):
        images = _images(folder)
        if not images:
            raise ValueError(f"the class {folder.name!r} has no images: {folder}")
        files += images
        labels += [label] * len(images)
    return tuple(folder.name for folder in folders), files, np.array(labels)


def _class_folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    files = (f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
    return sorted(file for file in files if not file.name.startswith("."))


def _too_few(folders: list[Path]) -> str:
    return (
        f"has {len(folders)} class folder(s), two are the least: "
        "put the images of each class into a folder with the class's name"
    )


def _at(files: list[Path], labels: np.ndarray, chosen: np.ndarray) -> Listing:
    """The files and labels at these positions (integers, or one truth value for each)."""
    return np.array(files, dtype=object)[chosen].tolist(), labels[chosen]


def _chosen(listing: Listing, most: int) -> Listing:
    """At most so many, stratified, in random order: files are listed class by class."""
    files, labels = listing
    return _at(files, labels, stratified_indices(labels, min(most, len(files))))


def _read(listing: Listing, size: int) -> Split:
    files, labels = listing
    images = np.empty((len(files), 3, size, size), np.uint8)
    for position, file in enumerate(progress(files, description="reading images", unit="image")):
        images[position] = _pixels(file, size)
    return Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


def _pixels(file: Path, size: int) -> np.ndarray:
    """Return one image's middle square as uint8 (3, size, size), turned as its camera says."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            # A large JPEG may be decoded at a fraction of its size: several times faster.
            image.draft("RGB", (2 * size, 2 * size))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise ValueError(f"{file} cannot be read as an image ({problem}): remove it") from None
    if upright.size != (size, size):
        upright = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(upright).transpose(2, 0, 1)
