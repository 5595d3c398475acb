"""Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): the bundled sample and the four official files."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..runtime import cache_dir, project_root
from .download import Source, download
from .places import DamagedError, file_content, search_folders
from .types import Split

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SAMPLE_FILE = "fashion_mnist_sample.npz"
SAMPLE_SHA256 = "2db75dec833668b3d1096178ce367e3a869fc3f1fa9c56bc63baad84ea4525eb"
# The first two are the authors' own; Keras's copy has the same checksums.
MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class OfficialFile:
    """Checksums of one official file.

    Debian and others compress the same content anew, so only the content identifies a local file.

    Attributes:
        md5: of the .gz, as published.
        sha256: of its content.
    """

    md5: str
    sha256: str


FILES = {
    "train-images-idx3-ubyte": OfficialFile(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": OfficialFile(
        "25c81989df183df01b3e8a0aad5dffbe",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": OfficialFile(
        "bef4ecab320f06d8554ea6380940ec79",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": OfficialFile(
        "bb300cfdad3c16e7a12a480ee83cd310",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def read_idx(content: bytes) -> np.ndarray:
    """Read an IDX file's bytes: a header that gives the shape, then uint8 values.

    Raises:
        ValueError: the bytes are no IDX file, or have another size than it promises.
    """
    if content[:3] != b"\0\0\x08" or len(content) < 4:
        raise ValueError("this is not an IDX file of unsigned bytes")
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4).astype(int)
    offset = 4 + 4 * content[3]
    if len(content) - offset != math.prod(shape):
        raise ValueError(f"this IDX file promises shape {tuple(shape)} but has another size")
    return np.frombuffer(content, np.uint8, offset=offset).reshape(shape)


def sample() -> dict[str, np.ndarray]:
    """Return the bundled sample: {train,test}_{images,labels}, uint8 (N, 28, 28) and (N,).

    Raises:
        RuntimeError: the file is missing, or not the one this version was made with.
    """
    path = project_root() / "data" / SAMPLE_FILE
    remedy = "restore the data/ folder from the course's repository"
    if not path.is_file():
        raise RuntimeError(f"the bundled file data/{SAMPLE_FILE} is missing: {remedy}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SAMPLE_SHA256:
        raise RuntimeError(f"the bundled file data/{SAMPLE_FILE} is damaged: {remedy}")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def padded(images: np.ndarray, size: int = 32) -> Tensor:
    """Put grey images (N, 28, 28) in the middle of black ones: uint8 (N, 1, size, size)."""
    margin = (size - images.shape[-1]) // 2
    canvas = np.zeros((len(images), 1, size, size), np.uint8)
    canvas[:, 0, margin : size - margin, margin : size - margin] = images
    return torch.from_numpy(canvas)


def as_split(images: np.ndarray, labels: np.ndarray) -> Split:
    """Make a Split of grey images (N, 28, 28), padded to 32x32."""
    return Split(padded(images), torch.from_numpy(labels.astype(np.int64)))


def locate() -> Path | None:
    """Return the folder on this machine that has all four official files, or None."""
    folders = search_folders("fashion_mnist", "fashion-mnist", "FashionMNIST/raw")
    return next((folder for folder in [*folders, DEBIAN_FOLDER] if _files(folder)), None)


def full() -> dict[str, np.ndarray]:
    """Return all 70,000 images, in the form of `sample`, from this machine or by download.

    Raises:
        DownloadError: they are neither here nor to be had.
        DamagedError: a file here is damaged.
        ValueError: a file here is not Fashion-MNIST's.
    """
    folder = locate() or _downloaded()
    content = {name: _verified(path, name) for name, path in _files(folder).items()}
    return {
        f"{part}_{kind}": read_idx(content[f"{prefix}-{kind}-idx{dimensions}-ubyte"])
        for part, prefix in (("train", "train"), ("test", "t10k"))
        for kind, dimensions in (("images", 3), ("labels", 1))
    }


def _files(folder: Path) -> dict[str, Path]:
    """The four files, packed or not, if the folder has them all; else none."""
    found = {}
    for name in FILES:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                found[name] = path
    return found if len(found) == len(FILES) else {}


def _verified(path: Path, name: str) -> bytes:
    """The content of one of the four files, if it is that."""
    content = file_content(path)
    if hashlib.sha256(content).hexdigest() == FILES[name].sha256:
        return content
    other = "another data set's (MNIST's files have the same names): move it elsewhere"
    if path.suffix == ".gz":  # gzip's own checksum holds: this is what somebody packed
        raise ValueError(f"{path} is {other}")
    raise DamagedError(f"{path} is damaged: delete it and load again; or it is {other}")


def _downloaded() -> Path:
    folder = cache_dir() / "fashion_mnist"
    remedy = (
        "Put the four files of Fashion-MNIST into a folder and set COURSE_DATA to that folder's "
        'path; or use the bundled sample: load_data(..., profile="quick").'
    )
    for name, file in FILES.items():
        sources = [Source(f"{mirror}/{name}.gz", f"md5:{file.md5}") for mirror in MIRRORS]
        download(sources, folder / f"{name}.gz", remedy=remedy)
    return folder
