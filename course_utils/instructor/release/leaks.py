"""Whether a solution can be read somewhere else in what students get."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nbformat import NotebookNode

from ..solutions import REGION, solution
from .stubs import answers, cell_name

SHORT = 30  # characters: what is shorter is an idiom that any code may share
RUN_SHARE = 0.75  # of a solution, in one piece
LINES_SHARE = 0.8  # of the lines that its lecture does not show, scattered over one text
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def leaks(notebooks: Mapping[str, NotebookNode], texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the solutions that appear in one of the released ``texts``, with where they do.

    notebooks: the lectures with their solutions, by name. texts: by the name of their place.
    White space and comments do not count, but code that was put into comments does. Nearly all of a
    solution in one piece is a leak, and so are nearly all of its own lines in one text, whatever
    stands between them. Lines that its lecture shows elsewhere are not its own: layers and loops
    look alike everywhere.
    """
    # Once as it stands, and once with the code that was put into comments.
    plain = {name: f"{_plain(text)}\0{_plain(_uncommented(text))}" for name, text in texts.items()}
    for name, notebook in notebooks.items():
        shown = "".join(_plain(REGION.sub("", cell.source)) for cell in notebook.cells)
        for cell in answers(notebook):
            lines = [x for x in map(_plain, solution(cell.source).splitlines()) if x]
            own = [line for line in lines if line not in shown]
            for place, text in plain.items():
                if _in_one_piece(lines, text) or _scattered(own, text):
                    yield f"{name}: the solution of {cell.metadata.nbgrader.grade_id} is in {place}"


def texts_of_files(folder: Path) -> dict[str, str]:
    """Return the content of all text files in a folder but notebooks, by their path in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".ipynb":
            try:
                found[path.relative_to(folder).as_posix()] = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue  # pictures, arrays, weights
    return found


def texts_of(notebook: NotebookNode, name: str) -> dict[str, str]:
    """Return all text of a released notebook's cells and outputs, by the cell's place."""
    return {
        f"{name}, cell {number} {cell_name(cell)}": "\n".join([cell.source, *_outputs(cell)])
        for number, cell in enumerate(notebook.cells)
    }


def _outputs(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        yield output.get("text", "")
        yield ANSI.sub("", "\n".join(output.get("traceback", ())))
        for kind, text in output.get("data", {}).items():
            if kind == "text/html":
                yield html.unescape(re.sub(r"<[^>]*>", "", text))
            elif kind.startswith("text/"):
                yield text


def _in_one_piece(lines: list[str], text: str) -> bool:
    """Return whether consecutive lines that are nearly all of a solution stand in a text."""
    whole = sum(map(len, lines))
    if whole < SHORT or not _mostly_in(lines, text, RUN_SHARE):  # which takes a tenth of the time
        return False
    return _longest_run(lines, text) >= RUN_SHARE * whole


def _mostly_in(lines: list[str], text: str, share: float) -> bool:
    """Return whether lines stand in a text that are at least this share of all by their length."""
    whole = sum(map(len, lines))
    missing = 0
    for line in sorted(lines, key=len, reverse=True):  # long ones first: they settle it
        if line not in text:
            missing += len(line)
            if missing > whole - share * whole:
                return False
    return True


def _longest_run(lines: list[str], text: str) -> int:
    longest = 0
    for first in range(len(lines)):
        run = ""
        for line in lines[first:]:
            if run + line not in text:
                break
            run += line
        longest = max(longest, len(run))
    return longest


def _scattered(own: list[str], text: str) -> bool:
    """Return whether nearly all lines that are a solution's own stand in a text."""
    return sum(map(len, own)) >= SHORT and _mostly_in(own, text, LINES_SHARE)


def _uncommented(text: str) -> str:
    """Return the lines of a text that are comments as a whole, without their marks."""
    lines = text.replace("\\n", "\n").splitlines()
    return "\n".join(line.lstrip().lstrip("#") for line in lines if line.lstrip().startswith("#"))


def _plain(text: str) -> str:
    """Return code without comments and white space, also that of a string with line ends."""
    return re.sub(r"\s+", "", re.sub(r"#.*", "", text.replace("\\n", "\n")))
