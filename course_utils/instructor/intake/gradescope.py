"""Gradescope's list of who handed in what: it lies beside the folders ``submission_123456``.

What it says is put into the names of these folders, as other platforms do: so it is read by
`people.platforms` like theirs, and kept with the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from os.path import commonprefix
from typing import Any

import yaml

from ..people.names import LONGEST
from ..people.platforms import GRADESCOPE, GRADESCOPE_LIST
from .file_names import distinct, readable
from .folders import File

LARGEST = 100_000_000  # bytes: it holds what the autograder printed, too
MOST = 5_000_000  # characters that say who and when
WANTED = ("  :submitters:", "  :created_at:")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)\S*\s*(Z|UTC|[+-]\d\d:?\d\d)?")


def is_list(name: str) -> bool:
    """Return whether a file is called as such a list."""
    return name.rpartition("/")[2] == GRADESCOPE_LIST


def list_of(names: Sequence[str]) -> str:
    """Return the name that the list of a download has, if there is one.

    It lies where all the other files do, or above: one that lies deeper is a student's.
    """
    shared = commonprefix([name.split("/")[:-1] for name in names])
    return "/".join([*shared, GRADESCOPE_LIST])


def without_forged(files: list[File]) -> list[File]:
    """Return files in whose names nobody has written who handed in, as `with_submitters` does."""
    names = ["/".join(map(_not_ours, file.name.split("/"))) for file in files]
    if all(file.name == name for file, name in zip(files, names, strict=True)):
        return files
    return [replace(f, name=name) for f, name in zip(files, distinct(names), strict=True)]


def _not_ours(part: str) -> str:
    match = GRADESCOPE.fullmatch(part[:LONGEST])
    return part.replace("_", " ", 1) if match and (match[2] or match[3]) else part


def with_submitters(files: list[File], beside: File) -> list[File]:
    """Return files with the names of those who handed them in, as the list ``beside`` says.

    One that cannot be read says nothing.
    """
    try:
        with beside.open() as stream:
            names = _folder_names(stream.read(LARGEST).decode("utf-8", "replace"))
    except Exception:
        return files
    start = beside.name.removesuffix(GRADESCOPE_LIST)
    found = []
    for file in files:
        folder, slash, rest = file.name.removeprefix(start).partition("/")
        if slash and folder in names and file.name.startswith(start):
            file = replace(file, name=f"{start}{names[folder]}/{rest}")
        found.append(file)
    return found


def _folder_names(text: str) -> dict[str, str]:
    """Return how each folder is called with its people. Raises YAMLError."""
    wanted = "\n".join(_wanted(text))
    if len(wanted) > MOST:
        return {}
    said = yaml.load(wanted, yaml.BaseLoader)  # makes texts of all, no objects
    return {
        folder: f"{folder}{_time(one.get(':created_at'))} by {_people(people)}"
        for folder, one in said.items()
        if (people := one.get(":submitters"))
    }


def _wanted(text: str) -> Iterator[str]:
    """Yield the lines of a list that say who and when; most others are an autograder's."""
    is_wanted = False
    for line in text.split("\n"):
        if not line.startswith(" "):
            is_wanted = line.startswith("submission_")
        elif line.startswith("  :"):
            is_wanted = line.startswith(WANTED)
        if is_wanted:
            yield line


def _people(submitters: list[dict[str, str]]) -> str:
    """Return the people with their ids; of a group, which can be large, one for each."""
    found = []
    for one in submitters:
        name, *marks = (_plain(one.get(kind, "")) for kind in (":name", ":sid", ":email"))
        marks = [mark for mark in marks if mark][: 1 if len(submitters) > 1 else 2]
        found.append(f"{name} ({', '.join(marks)})")
    return "; ".join(found)


def _plain(text: str) -> str:
    """Return a text without what has a meaning in the name of a folder."""
    return " ".join(re.sub(r"[/\\;()]", " ", readable(text)).split())


def _time(said: Any) -> str:
    """Return when something was handed in, in UTC; "" if that is not said."""
    match = MOMENT.match(said) if isinstance(said, str) else None
    if not match:
        return ""
    zone = (match[3] or "Z").replace("UTC", "+00:00").replace("Z", "+00:00")
    moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone[:3]}:{zone[-2:]}")
    return f" at {moment.astimezone(timezone.utc):%Y-%m-%dT%H%MZ}"
