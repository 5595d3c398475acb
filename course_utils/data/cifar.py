"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) in the binary format: no pickle is ever opened."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..runtime import cache_dir
from .download import Source, download
from .folder import is_image_folder, load_folder
from .places import DamagedError, file_content, first_with, search_folders
from .types import Parts, Split

TORONTO = "https://www.cs.toronto.edu/~kriz"
MXNET = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/dataset"
SWIFT = "https://storage.googleapis.com/s4tf-hosted-binaries/datasets"
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Cifar:
    """What distinguishes one of the two.

    Attributes:
        name: what it is loaded by.
        title: what it is called.
        folder: the folder in the archive.
        train_files: the files of training images in it.
        test_files: the files of test images.
        names_file: the file with one class name a line.
        label_bytes: how many bytes precede the pixels of an image; the last one is its label.
        num_classes: how many classes there are.
        sources: where the archive can be had, the official address last.
    """

    name: str
    title: str
    folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    names_file: str
    label_bytes: int
    num_classes: int
    sources: tuple[Source, ...]

    @property
    def archive(self) -> str:
        """The name of the packed file."""
        return self.sources[0].url.rsplit("/", 1)[-1]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files in the folder."""
        return (*self.train_files, *self.test_files, self.names_file)


# The original host is the last to be asked: in 2026 it needed most of an hour. The mirrors by
# MXNet hold archives of their own making, with checksums that MXNet publishes.
CIFAR10 = Cifar(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test_files=("test_batch.bin",),
    names_file="batches.meta.txt",
    label_bytes=1,
    num_classes=10,
    sources=(
        Source(
            f"{SWIFT}/CIFAR10/cifar-10-binary.tar.gz",
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
            170_052_171,
        ),
        Source(
            f"{MXNET}/cifar10/cifar-10-binary.tar.gz",
            "sha1:fab780a1e191a7eda0f345501ccd62d20f7ed891",
            169_570_669,
        ),
        Source(
            f"{TORONTO}/cifar-10-binary.tar.gz",
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
            170_052_171,
        ),
    ),
)
CIFAR100 = Cifar(
    name="cifar100",
    title="CIFAR-100",
    folder="cifar-100-binary",
    train_files=("train.bin",),
    test_files=("test.bin",),
    names_file="fine_label_names.txt",
    label_bytes=2,  # the coarse label comes first, the fine one is next to the pixels
    num_classes=100,
    sources=(
        Source(
            f"{MXNET}/cifar100/cifar-100-binary.tar.gz",
            "sha1:a0bb982c76b83111308126cc779a992fa506b90b",
        ),
        Source(
            f"{TORONTO}/cifar-100-binary.tar.gz",
            "md5:03b5dce01913d631647c71ecec9e9cb8",
            168_513_733,
        ),
    ),
)
KINDS = {kind.name: kind for kind in (CIFAR10, CIFAR100)}


def locate(kind: Cifar) -> Path | None:
    """Return the extracted folder, the archive or the image folder on this machine, or None."""
    folders = search_folders(kind.name, kind.folder)
    found = first_with(folders, kind.files)
    if found is None:
        holder = first_with(folders, [kind.archive])
        found = holder / kind.archive if holder else None
    if found is None:
        # COURSE_DATA may hold several data sets, so only a folder of this name is taken for it.
        found = next((f for f in folders if f.name == kind.name and is_image_folder(f)), None)
    return found


def load(kind: Cifar, sizes: dict[str, int] | None) -> Parts:
    """Load what `locate` finds, or download the archive into the cache.

    Args:
        kind: which of the two.
        sizes: {"train": n, "test": n} to keep a stratified part of each, or None for all images.

    Raises:
        DownloadError: the data is neither here nor to be had.
        DamagedError: a file here is damaged.
        ValueError: what is here is not this data set.
    """
    place = locate(kind) or _downloaded(kind)
    if place.is_dir() and not (place / kind.names_file).is_file():
        parts = load_folder(place, sizes=sizes, title=kind.title)
        _check_count(kind, parts.class_names, place)
        return parts
    contents = _from_folder(kind, place) if place.is_dir() else _from_archive(kind, place)
    names = _names(kind, contents[kind.names_file], place)
    _check_count(kind, names, place)
    train = _split(kind, {file: contents[file] for file in kind.train_files}, place)
    test = _split(kind, {file: contents[file] for file in kind.test_files}, place)
    which = f"all {len(train) + len(test):,} images"
    if sizes:
        train, test = (
            part.take(min(sizes[key], len(part)))
            for key, part in (("train", train), ("test", test))
        )
        which = f"a sample of {len(train):,} training and {len(test):,} test images"
    return Parts(kind.title, f"{kind.title}, {which}", names, train, test)


def _check_count(kind: Cifar, class_names: tuple[str, ...], place: Path) -> None:
    if len(class_names) != kind.num_classes:
        raise ValueError(
            f"{place} has {len(class_names)} classes, but {kind.title} has {kind.num_classes}"
        )


def _names(kind: Cifar, content: bytes, place: Path) -> tuple[str, ...]:
    try:
        return tuple(content.decode().split())
    except UnicodeDecodeError:
        text = f"{kind.names_file} in {place} is damaged: get {kind.title} again"
        raise DamagedError(text) from None


def _downloaded(kind: Cifar) -> Path:
    remedy = (
        f"Put {kind.archive}, or its extracted folder {kind.folder}, into a folder and set "
        "COURSE_DATA to that folder's path; or use the bundled data that is most like it: "
        'load_data("fashion_photos").'
    )
    return download(kind.sources, cache_dir() / kind.archive, remedy=remedy)


def _from_folder(kind: Cifar, folder: Path) -> dict[str, bytes]:
    return {file: file_content(folder / file) for file in kind.files}


def _from_archive(kind: Cifar, archive: Path) -> dict[str, bytes]:
    """Read the members we know by name, in memory: nothing in the archive can reach the disk.

    All of it is unpacked first, which takes 0.2 s longer for CIFAR-10 (1.05 s for 0.85 s). So what
    does not fit later was packed like that: it is no damage but another archive.
    """
    unpacked = io.BytesIO(file_content(archive))
    wanted = {f"{kind.folder}/{file}": file for file in kind.files}
    contents = {}
    try:
        with tarfile.open(fileobj=unpacked, mode="r:") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = tar.extractfile(member) if member.isfile() else None
                if content and name in wanted:
                    contents[wanted[name]] = content.read()
    except Exception:  # what is no tar archive may look like one for a while
        contents = {}
    missing = [file for file in kind.files if file not in contents]
    if missing:
        raise ValueError(f"{archive} has no {missing[0]}: it is not {kind.title}'s binary version")
    return contents


def _split(kind: Cifar, contents: dict[str, bytes], place: Path) -> Split:
    """Cut the records (label bytes, then 3072 pixels, channel by channel) into a Split."""
    record, whole = kind.label_bytes + PIXELS, max(map(len, contents.values()))
    for file, content in contents.items():
        if len(content) != whole or not whole or whole % record:
            raise DamagedError(f"{file} in {place} is cut off: get {kind.title} again")
    joined = np.frombuffer(b"".join(contents.values()), np.uint8).reshape(-1, record)
    labels = joined[:, kind.label_bytes - 1].astype(np.int64)
    if labels.max() >= kind.num_classes:
        raise DamagedError(f"{place} has label {labels.max()}: get {kind.title} again")
    images = np.ascontiguousarray(joined[:, kind.label_bytes :]).reshape(-1, 3, 32, 32)
    return Split(torch.from_numpy(images), torch.from_numpy(labels))
