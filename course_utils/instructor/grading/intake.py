"""What was handed in: files, folders and zips of any kind become submissions.

Whatever is wrong with a file becomes the ``reason`` of its submission, never an error: one bad
file must not keep the others from being graded.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .skeleton import Skeleton, identify
from .students import student_names
from .submission import StudentCell, Submission

MB = 1_000_000
MAX_FILE = 400 * MB  # a notebook with pictures has some; beside its outputs little is kept
MAX_SOURCE = 1 * MB  # all code of a notebook; the longest lecture has 0.03
MAX_ENTRIES = 20_000
SKIPPED_FOLDERS = {"__MACOSX", ".ipynb_checkpoints", "__pycache__"}
OTHER_KINDS = {".doc", ".docx", ".htm", ".html", ".ipy", ".odt", ".pdf", ".py", ".rar", ".rtf"} | {
    ".7z",
    ".gz",
    ".md",
    ".tar",
    ".tgz",
}


class Unreadable(ValueError):
    """A file is no notebook that can be graded; the message says why."""


def read_submissions(
    paths: Iterable[Path], skeletons: Mapping[str, Skeleton]
) -> Iterator[Submission]:
    """Yield what is handed in at ``paths``: notebooks, zips of them, folders of both.

    skeletons: the instructor's lectures by id.

    Raises:
        FileNotFoundError: one of the paths does not exist.
    """
    found: dict[str, Submission] = {}
    for path in sorted(set(paths)):
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}")
        for submission in _read_path(path):
            name, number = submission.file, 2
            while name in found:
                name, number = f"{submission.file} ({number})", number + 1
            found[name] = _settled(replace(submission, file=name), skeletons)
    names = student_names({file: submission.lecture for file, submission in found.items()})
    for file, submission in found.items():
        yield replace(submission, student=names[file])


def _settled(submission: Submission, skeletons: Mapping[str, Skeleton]) -> Submission:
    """Return a submission with its lecture, or with the reason why it has none."""
    if submission.reason:
        return submission
    if skeleton := identify(submission, skeletons):
        return replace(submission, lecture=skeleton.lecture)
    reason = "it is no lecture of this course: no graded cell or answer was recognised"
    return replace(submission, reason=reason)


def _read_path(path: Path) -> Iterator[Submission]:
    if path.is_file():
        yield from _read_file(path, path.name)
        return
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if _is_handed_in(inside.parts) and file.is_file():
            yield from _read_file(file, inside.as_posix())


def _is_handed_in(parts: tuple[str, ...]) -> bool:
    """Return whether a file in a folder is meant for grading, even if it cannot be read."""
    if any(part in SKIPPED_FOLDERS or part.startswith(".") for part in parts):
        return False
    return PurePosixPath(parts[-1]).suffix.lower() in {".ipynb", ".zip", *OTHER_KINDS}


def _read_file(path: Path, name: str) -> Iterator[Submission]:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            yield from _read_stream(stream, name, size)
    except OSError as problem:
        yield Submission(name, reason=f"the file cannot be read: {problem.strerror}")


def _read_stream(stream: IO[bytes], name: str, size: int, depth: int = 0) -> Iterator[Submission]:
    kind = PurePosixPath(name).suffix.lower()
    if kind == ".zip":
        yield from _read_zip(stream, name, depth)
        return
    try:
        if kind != ".ipynb":
            raise Unreadable(f"a {kind or 'file'} is not a notebook: hand in the .ipynb file")
        if size > MAX_FILE:
            raise Unreadable(f"the file has {size // MB} MB; at most {MAX_FILE // MB} are read")
        yield read_notebook(stream.read(MAX_FILE + 1), name)
    except Unreadable as problem:
        yield Submission(name, reason=str(problem))


def _read_zip(stream: IO[bytes], name: str, depth: int) -> Iterator[Submission]:
    """Read the notebooks of a zip where they are; nothing is unpacked onto the disk."""
    try:
        if depth > 1:
            raise Unreadable("a zip inside a zip inside a zip is not opened")
        with zipfile.ZipFile(stream) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_ENTRIES:
                raise Unreadable(f"the zip has more than {MAX_ENTRIES} files")
            handed_in = [e for e in entries if _is_handed_in(PurePosixPath(e.filename).parts)]
            for entry in handed_in:
                inside = f"{name}/{entry.filename}"
                try:
                    with archive.open(entry) as content:
                        yield from _read_stream(content, inside, entry.file_size, depth + 1)
                except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as problem:
                    yield Submission(inside, reason=f"it cannot be unpacked: {problem}")
            if not handed_in:
                raise Unreadable("the zip holds no notebook")
    except (zipfile.BadZipFile, Unreadable, OSError) as problem:
        yield Submission(name, reason=str(problem) or "the zip is damaged")


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
    """Return a string as it can be written and sent, anything else as an empty one."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode().replace("\0", "")
