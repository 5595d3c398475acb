"""What lies in a folder or in an archive, without following a link; each file opens when asked."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..answers.submission import Unreadable
from .file_names import decoded, distinct, plain_path

MB = 1_000_000
MAX_ENTRIES = 200_000  # three hundred copies of the course have half as many
MAX_ARCHIVE = 20_000 * MB  # all that one holds, unpacked: its entries may overlap
MAX_COPY = 1_000 * MB  # of an archive in an archive, which is read from a copy
MAX_DEPTH = 50  # folders
LINK = "it is a link or no plain file: hand in the file itself"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def _never() -> IO[bytes]:
    raise OSError("it is not opened")


@dataclass(frozen=True)
class File:
    """A file that was handed in; ``problem`` says why it must not be opened."""

    name: str
    size: int = 0
    open: Callable[[], IO[bytes]] = _never
    problem: str = ""

    @property
    def is_archive(self) -> bool:
        """Return whether there are files in it."""
        return not self.problem and self.name.lower().endswith(ARCHIVES)


def on_disk(path: Path, name: str) -> File:
    """Return a file of this machine under a name."""
    try:
        status = os.lstat(path)
    except OSError as problem:
        return File(name, problem=f"the file cannot be read: {problem.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return File(name, problem=LINK)
    return File(name, status.st_size, lambda: path.open("rb"))


def in_folder(folder: Path) -> list[File]:
    """Return what lies in a folder, however deep, in order; also what cannot be entered."""
    found: list[File] = []
    waiting = [(folder, "")]
    while waiting:
        here, prefix = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    path, name = Path(entry.path), prefix + entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        found.append(on_disk(path, name))
                    elif name.count("/") < MAX_DEPTH:
                        waiting.append((path, f"{name}/"))
                    else:
                        problem = f"a folder in more than {MAX_DEPTH} others is not opened"
                        found.append(File(name, problem=problem))
        except OSError as problem:
            why = f"the folder cannot be opened: {problem.strerror}"
            found.append(File(prefix or folder.name, problem=why))
    return _named(found, [file.name for file in found])


@contextmanager
def opened_archive(file: File) -> Iterator[list[File]]:
    """Give what lies in a zip or a tar, in order. Nothing of it is unpacked under its own name.

    Raises:
        Unreadable: it holds nothing, or too much.
        Exception: whatever the library raises for one that is damaged.
    """
    with ExitStack() as stack:
        stream: Any = stack.enter_context(file.open())
        if file.name.lower().endswith("gz"):
            stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
        if isinstance(stream, (gzip.GzipFile, zipfile.ZipExtFile)):
            packed = stream  # going back in one begins it anew
            stream = stack.enter_context(tempfile.TemporaryFile())
            _copy(packed, stream)
        if file.name.lower().endswith(".zip"):
            found = _in_zip(stack.enter_context(zipfile.ZipFile(stream)))
        else:
            found = _in_tar(stack.enter_context(tarfile.open(fileobj=stream, mode="r:")))
        if not found:
            raise Unreadable("there is no file in it")
        yield found


def _copy(packed: Any, copy: IO[bytes]) -> None:
    """Unpack an archive into a file. Raises Unreadable."""
    while part := packed.read(MB):
        if copy.tell() > MAX_COPY:
            raise Unreadable(f"it holds more than {MAX_COPY // MB} MB")
        copy.write(part)
    copy.seek(0)


def _in_zip(archive: zipfile.ZipFile) -> list[File]:
    entries = archive.infolist()
    _limit(len(entries), sum(entry.file_size for entry in entries))
    silent = [entry for entry in entries if not _says_encoding(entry)]
    names = decoded([entry.orig_filename.encode("cp437") for entry in silent])
    known = dict(zip(map(id, silent), names, strict=True))
    found = []
    for entry in entries:
        name = known.get(id(entry), entry.filename)
        if name.endswith(("/", "\\")) and not entry.file_size:
            continue
        file = File(name, entry.file_size, partial(archive.open, entry))
        if stat.S_ISLNK(entry.external_attr >> 16):
            file = replace(file, problem=LINK)
        elif entry.flag_bits & 1:
            file = replace(file, problem="it is encrypted: hand it in without a password")
        found.append(file)
    return _named(found, [file.name for file in found])


def _says_encoding(entry: zipfile.ZipInfo) -> bool:
    """Return whether the name is marked as UTF-8, or given once more in UTF-8."""
    return bool(entry.flag_bits & 0x800) or not entry.orig_filename.startswith(entry.filename)


def _in_tar(archive: tarfile.TarFile) -> list[File]:
    found: list[File] = []
    size = 0
    for member in archive:
        size += member.size
        _limit(len(found), size)
        if member.isfile():
            found.append(File(member.name, member.size, partial(_of_tar, archive, member)))
        elif not member.isdir():
            found.append(File(member.name, problem=LINK))
    if _is_damaged(archive):
        why = "the archive is damaged from here on: hand it in again"
        found.append(File("the rest of it", problem=why))
    raw = [file.name.encode("utf-8", "surrogateescape") for file in found]
    return _named(found, decoded(raw))


def _is_damaged(archive: tarfile.TarFile) -> bool:
    """Return whether a tar goes on where reading ended: a damaged header looks like its end."""
    stream: Any = archive.fileobj
    stream.seek(archive.offset)
    return bool(stream.read(tarfile.BLOCKSIZE).strip(b"\0"))


def _of_tar(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member)
    assert opened is not None  # it is a plain file
    return opened


def _limit(count: int, size: int) -> None:
    if count > MAX_ENTRIES:
        raise Unreadable(f"there are more than {MAX_ENTRIES} files in it")
    if size > MAX_ARCHIVE:
        raise Unreadable(f"it holds more than {MAX_ARCHIVE // MB} MB")


def _named(files: list[File], names: list[str]) -> list[File]:
    """Return the files, in order, under harmless names that are all different."""
    pairs = zip(distinct(map(plain_path, names)), files, strict=True)
    return [replace(file, name=name) for name, file in sorted(pairs, key=lambda pair: pair[0])]
