"""Gradescope's list of who handed in what: it lies beside the folders ``submission_123456``.

What it says is put into the names of these folders, as other platforms do: so it is read by
`people.platforms` like theirs, and kept with the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import yaml

from ..people.platforms import GRADESCOPE_LIST
from .file_names import readable
from .folders import File

LARGEST = 100_000_000  # bytes: it holds what the autograder printed, too
WANTED = ("  :submitters:", "  :created_at:")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)\S*\s*(Z|UTC|[+-]\d\d:?\d\d)?")


def is_list(name: str) -> bool:
    """Return whether a file can be such a list."""
    return name.rpartition("/")[2] == GRADESCOPE_LIST


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
    said = yaml.load("\n".join(_wanted(text)), yaml.BaseLoader)  # makes texts of all, no objects
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
