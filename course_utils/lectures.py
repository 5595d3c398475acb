"""The lectures as files: their metadata, and the parts of the README that are made from them."""

from __future__ import annotations

import base64
import copy
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .runtime import project_root

# owner/name: badges, set-up cells and the README lead there. After a change: make notebooks
REPOSITORY = "image-classification-course/notebooks"
STUDENT_BRANCH = "student"  # where `release --branch` puts the students' edition
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
README_FIGURE_TAG = "readme-figure"
FIGURE_PATH = "data/readme_figure.png"
# git writes its index last: a folder without one is what an interrupted clone has left.
SETUP = """\
import pathlib
import shutil
import subprocess
import sys

if "google.colab" in sys.modules and not pathlib.Path("course/.git/index").exists():
    url, branch = "https://github.com/{repository}", "{branch}"
    shutil.rmtree("course", ignore_errors=True)
    clone = ["git", "clone", "--quiet", "--depth=1", f"--branch={{branch}}", url, "course"]
    if subprocess.run(clone, stderr=subprocess.DEVNULL).returncode:
        stop = ConnectionError(f"{{url}} cannot be fetched. Wait a minute and run this cell again.")
        stop._render_traceback_ = lambda: [str(stop)]  # one line in place of a traceback
        raise stop
sys.path += ["..", str(pathlib.Path("course").resolve())]
"""
SETUP_LINES = re.compile(r"\A.*^sys\.path \+= [^\n]*\n", re.DOTALL | re.MULTILINE)
FETCHED_FROM = re.compile(r"^ +url, branch = .*$", re.MULTILINE)


def graded_id(exercise: str, role: str) -> str:
    """Return the ``grade_id`` of an exercise's ``answer`` or ``check``: for 02.1, "02-1-answer".

    nbgrader allows no dots in it.
    """
    return f"{exercise.replace('.', '-')}-{role}"


def exercise_and_role(grade_id: str) -> tuple[str, str]:
    """Return the exercise and the role that a ``grade_id`` names; empty texts if it names none."""
    match = re.fullmatch(r"(\d\d)-(\d+)-(answer|check)", grade_id)
    return (f"{match[1]}.{match[2]}", match[3]) if match else ("", "")


@dataclass(frozen=True)
class Lecture:
    """One notebook and what its metadata says of it. ``minutes`` are those of study.

    ``packages`` are those that it needs beside the course's own; without them its tests skip.
    """

    path: Path
    id: str
    title: str
    minutes: int
    points: int
    requires: tuple[str, ...]
    packages: tuple[str, ...] = ()

    def colab_url(self, repository: str = REPOSITORY, branch: str = "main") -> str:
        """Return the address that opens the lecture in Colab."""
        return (
            f"https://colab.research.google.com/github/{repository}/blob/{branch}/"
            f"notebooks/{self.path.name}"
        )


def read_lecture(path: Path) -> Lecture:
    """Read the metadata of one notebook.

    Raises:
        ValueError: the notebook has no complete ``course`` metadata.
    """
    course = nbformat.read(path, as_version=4).metadata.get("course", {})
    missing = {"id", "title", "minutes", "points", "requires"} - set(course)
    if missing:
        raise ValueError(f"{path.name}: metadata.course lacks {', '.join(sorted(missing))}")
    return Lecture(
        path,
        course["id"],
        course["title"],
        course["minutes"],
        course["points"],
        tuple(course["requires"]),
        tuple(course.get("packages", ())),
    )


def all_lectures() -> list[Lecture]:
    """Return every lecture, in order."""
    return [read_lecture(path) for path in sorted((project_root() / "notebooks").glob("*.ipynb"))]


def setup_code(repository: str = REPOSITORY, branch: str = "main") -> str:
    """Return the first lines of every notebook's code: in a bare Colab they fetch the course."""
    return SETUP.format(repository=repository, branch=branch)


def lead_to(
    notebook: NotebookNode, repository: str = REPOSITORY, branch: str = "main"
) -> NotebookNode:
    """Return a lecture whose badge and set-up cell lead to a branch of a repository."""
    led = copy.deepcopy(notebook)
    badge = re.compile(r"(?<=colab\.research\.google\.com/github/)\S+?/blob/\S+?(?=/notebooks/)")
    setup = setup_code(repository, branch)
    for cell in led.cells[:1]:
        cell.source = badge.sub(f"{repository}/blob/{branch}", cell.source)
    for cell in [cell for cell in led.cells if cell.cell_type == "code"][:1]:
        cell.source = SETUP_LINES.sub(lambda _: setup, cell.source)
    return led


def course_map(
    lectures: list[Lecture], repository: str = REPOSITORY, branch: str = STUDENT_BRANCH
) -> str:
    """Return the table of lectures as Markdown; its badges lead to the students' edition."""
    rows = ["| | Lecture | Study | Points | Needs | |", "|---|---|---|---|---|---|"]
    for lecture in lectures:
        rows.append(
            f"| {lecture.id} | [{lecture.title}](notebooks/{lecture.path.name}) "
            f"| {lecture.minutes} min | {lecture.points} | {', '.join(lecture.requires) or '–'} "
            f"| [![Open in Colab]({BADGE})]({lecture.colab_url(repository, branch)}) |"
        )
    return "\n".join(rows)


def readme_figure(lectures: list[Lecture]) -> tuple[bytes, str]:
    """Return the figure that the README shows, as PNG bytes and its description.

    It is the stored output of the one cell that carries the tag ``readme-figure``.

    Raises:
        ValueError: no cell with this tag stores a figure.
    """
    for lecture in lectures:
        for cell in nbformat.read(lecture.path, as_version=4).cells:
            if README_FIGURE_TAG in cell.metadata.get("tags", ()):
                for output in cell.outputs:
                    if "image/png" in output.get("data", {}):
                        alt = output.metadata["image/png"]["alt"]
                        return base64.b64decode(output.data["image/png"]), alt
    raise ValueError(f"no notebook stores a figure in a cell tagged {README_FIGURE_TAG!r}")


def renewed(readme: str, part: str, text: str) -> str:
    """Return the README's text with ``text`` in its ``part``, between that part's two marks.

    Raises:
        ValueError: the README has lost these marks.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    marks = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not marks.search(readme):
        raise ValueError(f"README.md lacks the marks {begin} and {end}")
    return marks.sub(lambda _: f"{begin}\n{text}\n{end}", readme)


def store_part(file: str, part: str, lines: list[str]) -> None:
    """Put lines into a part of one of the course's Markdown files. Raises ValueError."""
    path = project_root() / file
    write_whole(path, renewed(path.read_text("utf-8"), part, "\n".join(lines)).encode())


def renewed_readme(readme: str, lectures: list[Lecture], repository: str = REPOSITORY) -> str:
    """Return the README's text with what is made from the lectures, and its address, made anew."""
    _, alt = readme_figure(lectures)
    address = re.compile(r"(?<=git clone https://github\.com/)\S+")
    readme = address.sub(repository, readme)
    with_figure = renewed(readme, "figure", f"![{alt}]({FIGURE_PATH})")
    return renewed(with_figure, "course map", course_map(lectures, repository))


def refresh_readme() -> None:
    """Write the README's generated parts and its figure, each in place of the old one at once."""
    root, lectures = project_root(), all_lectures()
    readme = root / "README.md"
    write_whole(readme, renewed_readme(readme.read_text("utf-8"), lectures).encode())
    write_whole(root / FIGURE_PATH, readme_figure(lectures)[0])


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it: an interrupt leaves the old one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
