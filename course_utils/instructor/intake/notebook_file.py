"""A file that was handed in, read as a notebook: from any editor, under any name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from ..answers.submission import NOTEBOOK, OTHER, StudentCell, Submission, Unreadable
from .file_names import readable
from .folders import File
from .web_page import BEGINNING, notebook_in_page

MB = 1_000_000
MAX_FILE = 400 * MB  # a notebook with pictures has some; beside its outputs little is kept
MAX_PAGE = 50 * MB
MAX_SOURCE = 1 * MB  # all code of a notebook; the longest lecture has 0.03
MAX_PRINTED = 1_000_000  # characters of one cell's outputs, and lines; a check prints a few
MAX_SHOWN = 200  # exercises; the course has about 60
GLANCE = 2_000  # bytes that tell what a file is
# What browsers and mail programs add to the name of a notebook.
ADDED = {".txt", ".json", ".download", ".crdownload", ".part"}
SIGNATURES = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip or an Office document",
    b"\x1f\x8b": "a packed file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
PAGES = {"", ".html", ".htm", ".txt"}
PACKED = {".7z", ".bz2", ".gz", ".rar", ".xz"}
SCORE = re.compile(
    r"^(\d\d\.\d{1,3}) [^\n:]{1,200}: (\d{1,4}(?:\.\d)?)/(\d{1,4}) points",
    re.MULTILINE | re.ASCII,
)


def is_named_as_notebook(name: str) -> bool:
    """Return whether a file's name says that it is a notebook, also a copy or a saved one."""
    *_, before, last = ["", "", *PurePosixPath(f"x{PurePosixPath(name.lower()).name}").suffixes]
    return last.startswith(".ipynb") or (last in ADDED and before == ".ipynb")


def read_file(file: File, name: str) -> Submission:
    """Read one file, which is no archive; of another kind only as much as tells that.

    Raises:
        Exception: whatever unpacking and reading a damaged file can raise.
    """
    kind = NOTEBOOK if is_named_as_notebook(name) else OTHER
    try:
        if file.problem:
            raise Unreadable(file.problem)
        with file.open() as stream:
            start = stream.read(GLANCE)
            text, suffix = _beginning(start), PurePosixPath(name.lower()).suffix
            if BEGINNING.match(text):
                kind = NOTEBOOK
            is_page = text.startswith("<") and (kind == NOTEBOOK or suffix in PAGES)
            if kind == OTHER and not is_page:
                raise Unreadable(_other_kind(suffix, start))
            limit = MAX_PAGE if is_page else MAX_FILE
            if file.size > limit:
                size, most = file.size // MB, limit // MB
                raise Unreadable(f"the file has {size} MB; at most {most} are read")
            return read_notebook(start + stream.read(limit - len(start)), name)
    except Unreadable as problem:
        return Submission(name, reason=str(problem), kind=kind)


def _beginning(content: bytes) -> str:
    return content[:GLANCE].decode("utf-8-sig", "replace").lstrip()


def _other_kind(suffix: str, start: bytes) -> str:
    """Return why a file that does not look like a notebook is not graded."""
    if suffix in PACKED:
        return f"a {suffix} is not opened: hand in the .ipynb file, or a .zip with it"
    what = next((what for sign, what in SIGNATURES.items() if start.startswith(sign)), "this file")
    if re.fullmatch(r"\.\w{1,10}", suffix):
        what = f"a {suffix}"
    return f"{what} is not a notebook: hand in the .ipynb file"


def read_notebook(content: bytes, name: str) -> Submission:
    """Read the code cells of a notebook of format 3 or 4, from any editor.

    Raises:
        Unreadable: it is none, or not in Python.
    """
    data = _parse(content)
    metadata = _dict(data.get("metadata"))
    info = _dict(metadata.get("language_info"))
    language = _dict(metadata.get("kernelspec")).get("language") or info.get("name", "python")
    if str(language).lower() not in ("python", "python3", "ipython"):
        raise Unreadable(f"the notebook's language is {str(language)[:40]}, not Python")
    code = [cell for cell in map(_dict, _cells(data)) if cell.get("cell_type") == "code"]
    cells = tuple(map(_code_cell, code))
    if sum(len(cell.source) for cell in cells) > MAX_SOURCE:
        raise Unreadable(f"its code has more than {MAX_SOURCE // MB} MB")
    course = _dict(metadata.get("course"))
    return Submission(
        name,
        lecture=_text(course.get("id")),
        version=_text(course.get("version")),
        cells=cells,
        shown=_shown(code),
        python=_text(info.get("version"))[:20],
    )


def _parse(content: bytes) -> dict[str, Any]:
    """Return a notebook as JSON knows it. Raises Unreadable."""
    if not content.strip():
        raise Unreadable("the file is empty")
    for sign, what in SIGNATURES.items():
        if content.startswith(sign):
            raise Unreadable(f"{what}, not a notebook: hand in the .ipynb file")
    if _beginning(content).startswith("<"):
        return _known_format(_from_page(content))
    try:
        data = json.loads(content)
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise _not_json(line, fault.start - content.rfind(b"\n", 0, fault.start)) from None
    except json.JSONDecodeError as fault:
        raise _not_json(fault.lineno, fault.colno) from None
    except (RecursionError, ValueError):
        raise Unreadable("this is not a notebook: not JSON of usual depth and numbers") from None
    return _known_format(data)


def _not_json(line: int, column: int) -> Unreadable:
    where = f"line {line}, column {column}"
    return Unreadable(
        f"this is not a notebook: not JSON at {where}: the file is cut off or damaged"
    )


def _from_page(content: bytes) -> dict[str, Any]:
    """Return the notebook in a web page. Raises Unreadable."""
    if found := notebook_in_page(content.decode("utf-8-sig", "replace")):
        return found
    raise Unreadable("a web page, not the notebook: hand in the .ipynb file")


def _known_format(data: Any) -> dict[str, Any]:
    """Return what is a notebook of a format that is known. Raises Unreadable."""
    if not isinstance(data, dict) or "nbformat" not in data:
        raise Unreadable("this is not a notebook: it is JSON of another kind")
    if data["nbformat"] not in (3, 4):
        version = str(data["nbformat"])[:20]
        raise Unreadable(f"notebook format {version} is unknown: save it in format 4")
    return data


def _cells(data: dict[str, Any]) -> list[Any]:
    if data["nbformat"] == 4:
        return _list(data.get("cells"))
    return [c for sheet in _list(data.get("worksheets")) for c in _list(_dict(sheet).get("cells"))]


def _code_cell(cell: dict[str, Any]) -> StudentCell:
    metadata = _dict(cell.get("metadata"))
    ids = (_text(cell.get("id")), _text(metadata.get("id")))
    return StudentCell(
        _joined(cell.get("source", cell.get("input", ""))),
        _text(_dict(metadata.get("nbgrader")).get("grade_id")),
        tuple(i for i in ids if i),
    )


def _shown(code: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Return the points that the student's checks printed; of one exercise the last ones."""
    shown: dict[str, tuple[float, float]] = {}
    for cell in code:
        printed = "\n".join(_printed(cell))[-MAX_PRINTED:]
        for exercise, points, of in SCORE.findall(printed):
            if exercise in shown or len(shown) < MAX_SHOWN:
                shown[exercise] = float(points), float(of)
    return shown


def _printed(cell: dict[str, Any]) -> Iterator[str]:
    """Yield the outputs of a cell that are text; of a long one the end, without a copy of all."""
    for output in map(_dict, _list(cell.get("outputs"))):
        text = output.get("text", _dict(output.get("data")).get("text/plain"))
        lines = text[-MAX_PRINTED:] if isinstance(text, list) else [text]
        yield "".join(line[-MAX_PRINTED:] for line in lines if isinstance(line, str))


def _joined(value: Any) -> str:
    """Return a text that may be stored as its lines."""
    return "".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return readable(value) if isinstance(value, str) else ""
