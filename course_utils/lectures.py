"""The lectures as files: their metadata, and the parts of the README that are made from them."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from .runtime import project_root

REPOSITORY = "image-classification-course/notebooks"  # owner/name, where the badges lead
STUDENT_BRANCH = "student"  # where `release --branch` puts the students' edition
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
README_FIGURE_TAG = "readme-figure"
FIGURE_PATH = "data/readme_figure.png"


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


def renewed_readme(readme: str, lectures: list[Lecture]) -> str:
    """Return the README's text with its course map and the description of its figure made anew."""
    _, alt = readme_figure(lectures)
    with_figure = renewed(readme, "figure", f"![{alt}]({FIGURE_PATH})")
    return renewed(with_figure, "course map", course_map(lectures))


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
