"""What was handed in: files, folders and zips of any kind become submissions.

Whatever is wrong with a file becomes the ``reason`` of its submission, never an error: one bad
file must not keep the others from being graded.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .skeleton import Skeleton, identify
from .submission import SCRATCH, StudentCell, Submission

MB = 1_000_000
MAX_FILE = 400 * MB  # a notebook with pictures has some; beside its outputs little is kept
MAX_SOURCE = 1 * MB  # all code of a notebook; the longest lecture has 0.03
MAX_ENTRIES = 20_000
MAX_ZIP = 20_000 * MB  # all that a zip holds, unpacked: its entries may overlap
BAD_ENTRY = (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, EOFError)
SKIPPED_FOLDERS = {"__MACOSX", ".ipynb_checkpoints", "__pycache__"}
OTHER_KINDS = {".doc", ".docx", ".htm", ".html", ".ipy", ".odt", ".pdf", ".py", ".rar", ".rtf"} | {
    ".7z",
    ".gz",
    ".md",
    ".tar",
    ".tgz",
}


@dataclass(frozen=True)
class Entry:
    """Something that was handed in; ``read`` reads it."""

    name: str
    read: Callable[[], Submission]


class Unreadable(ValueError):
    """A file is no notebook that can be graded; the message says why."""


class Intake:
    """What is handed in at a path: a notebook, a zip of them, or a folder of both.

    phase: is told the name of what is opened. broken: names of zips that are passed over.
    """

    def __init__(self, phase: Callable[[str], None], broken: Container[str] = ()) -> None:
        self.phase, self.broken = phase, broken

    def entries(self, path: Path) -> Iterator[Entry]:
        """Yield each thing that is handed in; nothing but the lists of zips is read."""
        if not path.is_dir():
            yield from self._of_file(path.resolve(), path.name)  # the instructor may name a link
            return
        for file, inside in sorted(_files(path), key=lambda pair: pair[1]):
            if _is_handed_in(PurePosixPath(inside).parts):
                yield from self._of_file(file, inside)

    def _of_file(self, path: Path, name: str) -> Iterator[Entry]:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            yield _unreadable(name, "it is a link or no plain file: hand in the file itself")
        elif path.suffix.lower() == ".zip":
            yield from self._of_zip(lambda: path.open("rb"), name, 0)
        else:
            yield Entry(name, lambda: _read(lambda: path.open("rb"), name, path.stat().st_size))

    def _of_zip(self, open_it: Callable[[], IO[bytes]], name: str, depth: int) -> Iterator[Entry]:
        """Yield the notebooks of a zip where they are; nothing is unpacked onto the disk."""
        if readable(name) in self.broken:
            return
        self.phase(readable(name))
        try:
            if depth > 1:
                raise Unreadable("a zip inside a zip inside a zip is not opened")
            with open_it() as stream, zipfile.ZipFile(stream) as archive:
                for entry in _handed_in(archive):
                    inside = f"{name}/{entry.filename}"
                    opened = partial(archive.open, entry)
                    if inside.lower().endswith(".zip"):
                        yield from self._of_zip(opened, inside, depth + 1)
                    else:
                        yield Entry(inside, partial(_read, opened, inside, entry.file_size))
        except (*BAD_ENTRY, Unreadable, OSError) as problem:
            yield _unreadable(name, str(problem) or "the zip is damaged")


def _handed_in(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return what is meant for grading in a zip. Raises Unreadable."""
    found = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(found) > MAX_ENTRIES:
        raise Unreadable(f"the zip has more than {MAX_ENTRIES} files")
    if sum(entry.file_size for entry in found) > MAX_ZIP:
        raise Unreadable(f"the zip holds more than {MAX_ZIP // MB} MB")
    meant = [e for e in found if _is_handed_in(PurePosixPath(e.filename).parts)]
    if not meant:
        raise Unreadable("the zip holds no notebook")
    return meant


def settled(submission: Submission, skeletons: Mapping[str, Skeleton]) -> Submission:
    """Return a submission with its lecture, or with the reason why it has none."""
    if submission.reason:
        return submission
    if skeleton := identify(submission, skeletons):
        return replace(submission, lecture=skeleton.lecture)
    reason = "it is no lecture of this course: no graded cell or answer was recognised"
    return replace(submission, reason=reason, kind=SCRATCH)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield what lies in a folder, however deep, with its path inside. No link is followed."""
    waiting = [(folder, "")]
    while waiting:
        here, prefix = waiting.pop()
        try:
            with os.scandir(here) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
                    else:
                        yield Path(entry.path), prefix + entry.name
        except OSError:  # too deep, or not ours to read
            continue


def _is_handed_in(parts: tuple[str, ...]) -> bool:
    """Return whether a file in a folder is meant for grading, even if it cannot be read."""
    if any(p in SKIPPED_FOLDERS or p.startswith(".") and p != ".." for p in parts):
        return False
    return PurePosixPath(parts[-1]).suffix.lower() in {".ipynb", ".zip", *OTHER_KINDS}


def _read(open_it: Callable[[], IO[bytes]], name: str, size: int) -> Submission:
    """Read one file, which is no zip."""
    name = readable(name)
    kind = PurePosixPath(name).suffix.lower()
    try:
        if kind != ".ipynb":
            raise Unreadable(f"a {kind or 'file'} is not a notebook: hand in the .ipynb file")
        if size > MAX_FILE:
            raise Unreadable(f"the file has {size // MB} MB; at most {MAX_FILE // MB} are read")
        with open_it() as stream:
            return read_notebook(stream.read(MAX_FILE + 1), name)
    except Unreadable as problem:
        return Submission(name, reason=str(problem))
    except BAD_ENTRY as problem:
        return Submission(name, reason=f"it cannot be unpacked: {problem}")
    except OSError as problem:
        return Submission(name, reason=f"the file cannot be read: {problem.strerror or problem}")


def _unreadable(name: str, reason: str) -> Entry:
    return Entry(name, lambda: Submission(readable(name), reason=reason))


def read_notebook(content: bytes, name: str) -> Submission:
    """Read the code cells of a notebook of format 3 or 4, from any editor.

    Raises:
        Unreadable: it is none, or not in Python.
    """
    data = _parse(content)
    metadata = _dict(data.get("metadata"))
    language = _dict(metadata.get("kernelspec")).get("language") or _dict(
        metadata.get("language_info")
    ).get("name", "python")
    if str(language).lower() not in ("python", "python3", "ipython"):
        raise Unreadable(f"the notebook's language is {str(language)[:40]}, not Python")
    cells = tuple(_code_cells(data))
    if sum(len(cell.source) for cell in cells) > MAX_SOURCE:
        raise Unreadable(f"its code has more than {MAX_SOURCE // MB} MB")
    course = _dict(metadata.get("course"))
    return Submission(
        name, lecture=_text(course.get("id")), version=_text(course.get("version")), cells=cells
    )


def _parse(content: bytes) -> dict[str, Any]:
    if not content.strip():
        raise Unreadable("the file is empty")
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("this is not a notebook: its content is not JSON") from None
    if not isinstance(data, dict) or "nbformat" not in data:
        raise Unreadable("this is not a notebook: it is JSON of another kind")
    if data["nbformat"] not in (3, 4):
        version = str(data["nbformat"])[:20]
        raise Unreadable(f"notebook format {version} is unknown: save it in format 4")
    return data


def _code_cells(data: dict[str, Any]) -> Iterator[StudentCell]:
    if data["nbformat"] == 3:
        cells = [
            c for sheet in _list(data.get("worksheets")) for c in _list(_dict(sheet).get("cells"))
        ]
    else:
        cells = _list(data.get("cells"))
    for cell in map(_dict, cells):
        if cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(map(_text, source))
        metadata = _dict(cell.get("metadata"))
        ids = (_text(cell.get("id")), _text(metadata.get("id")))
        yield StudentCell(
            _text(source),
            _text(_dict(metadata.get("nbgrader")).get("grade_id")),
            tuple(i for i in ids if i),
        )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return readable(value) if isinstance(value, str) else ""


def readable(text: str) -> str:
    """Return a text as it can be written and sent: a file's name need not be text at all."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
