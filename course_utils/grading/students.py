"""Whose file is it? Learning platforms put the student's name into the file's or folder's name."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

PLATFORMS = (
    re.compile(r"(?P<name>.+?)_\d+_assignsubmission_"),  # Moodle, as a folder or in front
    re.compile(r"(?P<name>[^_]+)(?:_LATE)?_\d+_\d+_"),  # Canvas
    re.compile(r".+?_(?P<name>[^_]+)_attempt_\d{4}-"),  # Blackboard
)
LECTURE = re.compile(r"(?:^|[_ -])(?:lecture|l)?[ _-]?\d\d(?:[_ -]|$)", re.IGNORECASE)
COPY = re.compile(r"[ _-]*(?:\(\d+\)|copy\d*|-\d+)$", re.IGNORECASE)


def student_names(files: list[str]) -> dict[str, str]:
    """Return the student of each file.

    In this order: what a learning platform wrote; a file name without the lecture's part, as in
    ``alice_02_convolution.ipynb``; the folder, where the file is called as the lecture is, or as
    files in other folders are; the file's own name.
    """
    paths = {file: PurePosixPath(file) for file in files}
    folders = {(path.stem, path.parent) for path in paths.values()}
    shared = {stem for stem, count in Counter(stem for stem, _ in folders).items() if count > 1}
    return {file: _student(path, shared) for file, path in paths.items()}


def _student(path: PurePosixPath, shared: set[str]) -> str:
    for part in reversed(path.parts):
        for pattern in PLATFORMS:
            if match := pattern.match(part):
                return match["name"].strip()
    stem = COPY.sub("", path.stem) or path.stem
    lecture = LECTURE.search(stem)
    if lecture and lecture.start() > 0:
        return stem[: lecture.start()].strip(" _-")
    if lecture or path.stem in shared:
        for folder in reversed(path.parts[:-1]):
            name = folder.removesuffix(".zip")
            if not LECTURE.match(name):
                return name
    return stem
