"""The lectures as files: their metadata, and the names of the cells of their exercises."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime import project_root

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"  # in a notebook's metadata


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

    def colab_url(self, repository: str, branch: str = "main") -> str:
        """Return the address that opens the lecture in Colab."""
        return (
            f"https://colab.research.google.com/github/{repository}/blob/{branch}/"
            f"notebooks/{self.path.name}"
        )


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a stored notebook as JSON has it, with the source of each cell as one text.

    That takes a tenth of the time in which nbformat is imported, and grading needs no more.
    """
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def all_lectures() -> list[Lecture]:
    """Return every lecture, in order. A notebook without ``course`` metadata beside them is none.

    Raises:
        ValueError: two files are the same lecture, or one has no complete ``course`` metadata.
    """
    lectures: dict[str, Lecture] = {}
    for path in sorted((project_root() / "notebooks").glob("*.ipynb")):
        if course := _course(path):
            lecture = _lecture(path, course)
            first = lectures.setdefault(lecture.id, lecture)
            if first is not lecture:
                raise ValueError(
                    f"notebooks/{first.path.name} and notebooks/{path.name} are both lecture "
                    f"{lecture.id}: move the copy to another folder, or remove it"
                )
    return list(lectures.values())


def _course(path: Path) -> dict[str, Any] | None:
    """Return what a notebook's metadata says of the course; None if nothing. Raises ValueError."""
    try:
        return json.loads(path.read_text("utf-8"))["metadata"].get("course")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ValueError(f"{path.name} is no notebook: mend it, or remove it") from None


def _lecture(path: Path, course: dict[str, Any]) -> Lecture:
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
