"""Whose file is it? Learning platforms put the student's name into the file's or folder's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..reports.class_list import Person

PLATFORMS = (
    re.compile(r"(?P<name>.+?)_\d+_assignsubmission_"),  # Moodle, as a folder or in front
    re.compile(r"(?P<name>[^_]+)(?:_LATE)?_\d{3,}_\d{3,}_"),  # Canvas
    re.compile(r".+?_(?P<name>[^_]+)_attempt_\d{4}-"),  # Blackboard
)
COPY = re.compile(r"[ _-]*(?:\(\d+\)|copy\d*)$", re.IGNORECASE)


def student_names(files: Mapping[str, str]) -> dict[str, str]:
    """Return the student of each file, from its name and the id of its lecture, "" if unknown.

    In this order: what a learning platform wrote; a file name without the lecture's part, as in
    ``alice_02_convolution.ipynb``; the folder, where the file is called as the lecture is, or as
    files in other folders are; the file's own name.
    """
    paths = {file: PurePosixPath(file) for file in files}
    folders = {(path.stem, path.parent) for path in paths.values()}
    shared = {stem for stem, count in Counter(stem for stem, _ in folders).items() if count > 1}
    seen = set(files.values()) - {""}
    return {
        file: _student(path, shared, {files[file]} if files[file] else seen)
        for file, path in paths.items()
    }


def _student(path: PurePosixPath, shared: set[str], lectures: set[str]) -> str:
    for part in reversed(path.parts):
        for pattern in PLATFORMS:
            if match := pattern.match(part):
                return match["name"].strip()
    stem = COPY.sub("", path.stem) or path.stem
    name = _without_lecture(stem, lectures)
    if name and path.stem not in shared:
        return name
    for folder in reversed(path.parts[:-1]):
        if owner := _without_lecture(folder.removesuffix(".zip"), lectures):
            return owner
    return name or stem


def _without_lecture(name: str, lectures: set[str]) -> str:
    """Return a name without a lecture's number, and the lecture's title behind it, at its end."""
    numbers = "|".join(map(re.escape, sorted(lectures))) or r"\d\d"
    title = r"[_ -][^\W\d]\w*" if lectures else r"[_ -][^\W\d]{3}\w*"
    end = rf"(?:^|[_ -]+)(?:lecture|l)?[_ -]?(?:{numbers})(?:{title}(?:-\d+)?)?$"
    if not lectures:  # a bare number at the end may as well be the student's
        end = end.removesuffix("?$") + "$"
    return re.sub(end, "", name, flags=re.IGNORECASE).strip(" _-")


@dataclass(frozen=True)
class Owner:
    """Whose a file is, and what its name says of when it was handed in.

    handed_in: as "2026-10-01T12:05", if that is known. attempt: 1 for the first, 0 if unknown.
    """

    person: Person
    handed_in: str = ""
    attempt: int = 0
    is_late: bool = False


def who_is_who(
    files: Mapping[str, str], people: Sequence[Person] = (), pattern: str = ""
) -> dict[str, Owner]:
    """Return whose each file is, from its name and the id of its lecture, "" if unknown.

    people: the roster. pattern: of the instructor's, with groups ``id`` or ``name``.
    """
    names = student_names(files)
    return {file: Owner(Person(name, name, evidence="file name")) for file, name in names.items()}
