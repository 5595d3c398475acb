"""What the folders and files of an image folder are: parts, classes, images, and the rest."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .pictures import is_picture
from .types import shortened

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
OF_THE_SYSTEM = {"__macosx", "desktop.ini", "thumbs.db"}
HIDDEN = "hidden or the system's own; nothing is lost"
UNREADABLE = "they cannot be read as images; save those that are as JPEG or PNG"
OUTSIDE = "this is not the folder of a class; move images of a class into its folder"


class Problem(NamedTuple):
    """The file or folder at fault, and what is wrong with it: a text that follows its name."""

    place: Path
    text: str


class LeftOut(NamedTuple):
    """Files in or under one folder that are not read, and why."""

    place: Path
    reason: str
    files: list[Path]

    @property
    def kinds(self) -> list[str]:
        """For each file its suffix in small letters, "no suffix" or "hidden"."""
        return ["hidden" if self.reason == HIDDEN else suffix_of(file) for file in self.files]

    @property
    def problem(self) -> Problem:
        """It as a line of `folder_problems`."""
        names = shortened([file.name for file in self.files], 3)
        return Problem(self.place, f": {_count(self.files)} left out ({names}): {self.reason}")


@dataclass(frozen=True)
class Layout:
    """An image folder as `survey` finds it.

    Attributes:
        parts: for "train", and for "validation" and "test" where there are any, the images of
            each class folder, sorted.
        problems: what keeps it from being read.
        left_out: all its other files.
    """

    parts: dict[str, dict[Path, list[Path]]]
    problems: list[Problem]
    left_out: list[LeftOut]

    @property
    def images(self) -> list[Path]:
        """All images, part by part and class by class."""
        return [file for part in self.parts.values() for files in part.values() for file in files]


def survey(path: Path) -> Layout:
    """Find out what is what in an image folder; nothing in it is an error here.

    The parts may be called by any of the names in `PARTS`, in small or capital letters. Where a
    folder holds one folder and nothing else that counts, as archives unpack, that one is meant.
    """
    root = _descended(path)
    found = part_folders(root)
    problems = _part_problems(root, found)
    order = dict.fromkeys(PARTS.values())
    folders = {part: _descended(found[part][0]) for part in order if part in found}
    folders = folders or {"train": root}
    parts = {part: _classes(folder) for part, folder in folders.items()}
    for part, folder in folders.items():
        problems += _class_problems(folder, parts[part])
    problems += _differences(folders, parts)
    return Layout(parts, problems, _left_out(path, parts))


def part_folders(path: Path) -> dict[str, list[Path]]:
    """Return the folders in `path` that are called as parts are, by part.

    "train" among other folders is a class (of vehicles) as long as there are only images in it.
    """
    folders = _folders(path)
    parts: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        if part := PARTS.get(folder.name.lower()):
            parts[part].append(folder)
    named = [folder for places in parts.values() for folder in places]
    are_classes = len(named) < len(folders) and not any(_folders(folder) for folder in named)
    return {} if are_classes else parts


def suffix_of(file: Path) -> str:
    """Return a file's suffix in small letters, or "no suffix"."""
    return file.suffix.lower() or "no suffix"


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in OF_THE_SYSTEM


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if not _hidden(f.name) and f.is_dir())


def _images(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if not _hidden(f.name) and is_picture(f))


def _descended(path: Path) -> Path:
    """`path`, or the folder of folders that is alone in it; so pets/pets/cat is pets/cat."""
    inner = _folders(path)
    if len(inner) == 1:
        part = PARTS.get(inner[0].name.lower())
        wraps = part is None or part == PARTS.get(path.name.lower())
        if wraps and _folders(inner[0]) and not _images(inner[0]):
            return _descended(inner[0])
    return path


def _classes(folder: Path) -> dict[Path, list[Path]]:
    return {inner: _images_of_class(inner) for inner in _folders(folder)}


def _images_of_class(folder: Path) -> list[Path]:
    """The images of a class folder, or those of the one folder in it."""
    images, inner = _images(folder), _folders(folder)
    return images or (_images_of_class(inner[0]) if len(inner) == 1 else [])


def _part_problems(root: Path, found: dict[str, list[Path]]) -> list[Problem]:
    problems = []
    for places in found.values():
        if len(places) > 1:
            both = " and ".join(repr(place.name) for place in places)
            problems.append(Problem(root, f" has the folders {both} for one part: keep one"))
    names = [place.name for places in found.values() for place in places]
    if found and "train" not in found:
        text = f" has a folder {names[0]!r} but none called 'train': put the images to learn from"
        problems.append(Problem(root, f"{text} into a folder of that name"))
    if set(found) == {"train"}:
        text = f" has a folder {names[0]!r} but none called 'test': give the path of the folder"
        problems.append(Problem(root, f"{text} {names[0]!r}, and a test part is cut from it"))
    return problems


def _class_problems(folder: Path, classes: dict[Path, list[Path]]) -> list[Problem]:
    problems = [
        Problem(place, _why_empty(place)) for place, images in classes.items() if not images
    ]
    if len(classes) < 2:
        text = f" has {len(classes)} class folder(s), two are the least: put the images of each"
        loose = len(_images(folder))
        now = f" ({loose} images lie in {folder.name} itself)" if loose else ""
        problems.append(Problem(folder, f"{text} class into a folder with the class's name{now}"))
    return problems


def _why_empty(folder: Path) -> str:
    """Why a class folder has no images, and what to do; files are never told to be deleted."""
    files = [file for file in _files(folder) if not _hidden(file.name)]
    if not files:
        return ": the class has no images; add some or delete the folder"
    deeper = sorted({file.parent.name for file in files if is_picture(file)})
    if deeper:
        return (
            f": the class has no images of its own, they lie in the folders {shortened(deeper, 3)}"
            f"; move them up into {folder.name}, or give a path whose folders are the classes"
        )
    kinds = ", ".join(sorted({suffix_of(file) for file in files}))
    return (
        f": the class has no images that can be read, but {_count(files)} ({kinds}); save them as "
        "JPEG or PNG, or move the folder elsewhere if it is no class"
    )


def _differences(
    folders: dict[str, Path], parts: dict[str, dict[Path, list[Path]]]
) -> list[Problem]:
    """Classes with images in one part and no folder in another."""
    problems = []
    for part, folder in folders.items():
        own = {place.name for place in parts[part]}
        for other, classes in parts.items():
            theirs = {place.name for place, images in classes.items() if images}
            text = " has no class folder {!r}, but {} has"
            problems += [
                Problem(folder, text.format(name, folders[other].name))
                for name in sorted(theirs - own)
            ]
    return problems


def _files(path: Path) -> Iterator[Path]:
    """All files at any depth, through links too, each folder once."""
    seen = set()
    for folder, inner, names in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        yield from (Path(folder, name) for name in names)


def _left_out(path: Path, parts: dict[str, dict[Path, list[Path]]]) -> list[LeftOut]:
    """All files that are no image of a class, with the reason, folder by folder."""
    images = {file for classes in parts.values() for files in classes.values() for file in files}
    homes = {file.parent for file in images}.union(*parts.values())
    groups = defaultdict(list)
    for file in sorted(set(_files(path)) - images):
        inside = file.relative_to(path).parts
        hidden = next((depth for depth, name in enumerate(inside) if _hidden(name)), None)
        if hidden is not None:
            groups[path.joinpath(*inside[:hidden]), HIDDEN].append(file)
        else:
            reason = UNREADABLE if file.parent in homes else OUTSIDE
            groups[file.parent, reason].append(file)
    return [LeftOut(place, reason, files) for (place, reason), files in groups.items()]


def _count(files: list[Path]) -> str:
    return f"{len(files):,} file{'s' if len(files) > 1 else ''}"
