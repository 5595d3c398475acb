"""The one rule of what students and their kernels get of the course's code."""

from __future__ import annotations

import shutil
from pathlib import Path

import course_utils

INSTRUCTORS_ONLY = Path(__file__).parent.name


def copy_package(target: Path) -> None:
    """Copy ``course_utils`` to ``target``, a new folder: everything but the instructors' part."""
    source = Path(course_utils.__file__).parent

    def left_out(folder: str, names: list[str]) -> set[str]:
        inside = {INSTRUCTORS_ONLY} if Path(folder) == source else set()
        return inside | {n for n in names if n == "__pycache__" or n.startswith(".")}

    shutil.copytree(source, target, ignore=left_out)
