"""The lectures as files: their metadata, and the names of the cells of their exercises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from ..runtime import project_root


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
