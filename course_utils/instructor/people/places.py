"""Which folders are a person's: below it lie only that person's files.

Where a folder could as well be a class's, it is taken for one: two students in one row cannot be
told apart any more, one student in two rows is seen and put together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .names import DATE, KINDS, TOKEN, Said, bare, plain, said

DEEPEST = 12  # folders that are looked at; what lies deeper is taken to lie in the last of them
MANY = 3  # names that begin alike may do so by chance, if they are fewer

Path = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a file lies: its folders, the first of them a zip or a folder, and its own name."""

    file: str  # all of it
    folders: Path
    name: str
    lecture: str  # "" unknown
    is_notebook: bool

    @property
    def parts(self) -> Path:
        """Return the folders and the name."""
        return (*self.folders, self.name)

    def part_of(self, depth: int) -> str:
        """Return its first parts; all of them are the file, however deep that lies."""
        return "/".join(self.parts[:depth]) if depth <= len(self.folders) else self.file


def place_of(file: str, lecture: str) -> Place:
    """Return where a file lies, from its name in reports."""
    *folders, name = [part for part in file.split("/") if part] or [file]
    is_notebook = bool(lecture) or ".ipynb" in name.casefold()
    return Place(file, tuple(folders[:DEEPEST]), name, lecture, is_notebook)


def is_zip(above: Path) -> bool:
    """Return whether the last of some folders is a zip."""
    return bool(above) and above[-1].casefold().endswith(".zip")


Names = dict[str, tuple[Said, list[str]]]  # with the lectures of the files that are called so


@dataclass
class Inside:
    """What the names in a folder say, however deep, and of which lectures those files are.

    known: of notebooks of a lecture. other: of other notebooks. extra: of what is no notebook.
    nameless: the lectures of notebooks without a name. is_shared: a platform, or the instructor's
    pattern, names people in it.
    """

    known: Names = field(default_factory=dict)
    other: Names = field(default_factory=dict)
    extra: Names = field(default_factory=dict)
    nameless: set[str] = field(default_factory=set)
    is_shared: bool = False

    def add(self, place: Place, name: Said) -> None:
        """Add a file."""
        lectures = [place.lecture or "?"] if place.is_notebook else []
        if not name.name:
            self.nameless.update(lectures)
        elif not place.is_notebook:
            _add(self.extra, name, lectures)
        else:
            _add(self.known if place.lecture else self.other, name, lectures)

    def add_folder(self, folder: Inside, name: Said) -> None:
        """Add a folder in this one; what it holds counts under its own name, if it has one."""
        self.is_shared |= folder.is_shared
        if name.name:
            lectures = folder.nameless.union(*(found for _, found in folder.known.values()))
            own = self.other if lectures or folder.other else self.extra
            _add(self.known if lectures - {"?"} else own, name, lectures)
            return
        self.nameless |= folder.nameless
        for own, theirs in (
            (self.known, folder.known),
            (self.other, folder.other),
            (self.extra, folder.extra),
        ):
            for one, found in theirs.values():
                _add(own, one, found)

    def is_of(self, owner: Said) -> bool:
        """Return whether all of it can be one person's, whom the folder is named after."""
        if self.is_shared:
            return False
        foreign = _foreign(self.known, owner)
        if owner.id and not any(one.id for one, _ in foreign.values()):
            return len(foreign) <= 2  # more than two would rather be a class with a number
        if not self.nameless and (foreign or not self.known):
            foreign = _foreign(self.known | self.other | self.extra, owner)
        lectures = [lecture for _, found in foreign.values() for lecture in found]
        is_twice = len(set(lectures)) < len(lectures) or not self.nameless.isdisjoint(lectures)
        return not foreign or len(foreign) == 1 and not is_twice

    def is_surely_of(self, owner: Said) -> bool:
        """Return whether no notebook in it says anybody else's name."""
        return not self.is_shared and not _foreign(self.known | self.other, owner)


def _add(group: Names, name: Said, lectures: Iterable[str]) -> None:
    group.setdefault(plain(name.id or name.name), (name, []))[1].extend(lectures)


def _foreign(group: Names, owner: Said) -> Names:
    return {key: value for key, value in group.items() if not _fits(value[0], owner)}


def _fits(one: Said, other: Said) -> bool:
    """Return whether two names can be one person's: "alice" and "alice smith", or one number."""
    if one.id and other.id:
        return one.id == other.id
    words = [set(bare(name.name).replace("_", " ").split()) for name in (one, other)]
    return words[0] <= words[1] or words[1] <= words[0]


class Folders:
    """The folders of a class.

    Two people never get one folder; a file more can only take a folder from a person.
    """

    def __init__(self, places: Iterable[Place], named: Iterable[Place]) -> None:
        """Look at all files: ``named`` are those whose person is known from elsewhere."""
        places, named = list(places), list(named)
        self.files = self._file_names(places)
        folders = {p.folders[:n] for p in (*places, *named) for n in range(len(p.folders) + 1)}
        self.names = self._folder_names(folders)
        inside = {folder: Inside() for folder in folders}
        for place in named:
            inside[place.folders].is_shared = True
        for place in places:
            inside[place.folders].add(place, self.files[place])
        for folder in sorted(folders - {()}, key=len, reverse=True):
            inside[folder[:-1]].add_folder(inside[folder], self.names[folder])
        self.names |= _students_zips(places, inside)
        self.owned = {
            folder
            for folder in folders - {()}
            if self.names[folder].name and inside[folder].is_of(said(folder[-1]))
        }

    def owned_by_one(self, place: Place) -> Path | None:
        """Return the outermost folder of a file that is one person's."""
        prefixes = (place.folders[:n] for n in range(1, len(place.folders) + 1))
        return next((folder for folder in prefixes if folder in self.owned), None)

    def _file_names(self, places: list[Place]) -> dict[Place, Said]:
        beside: dict[Path, list[Place]] = {}
        for place in places:
            beside.setdefault(place.folders, []).append(place)
        found: dict[Place, Said] = {}
        for there in beside.values():
            start = shared_start({p.name: p.lecture for p in there if p.is_notebook})
            for place in there:
                cut = start if place.is_notebook else 0
                found[place] = said(place.name[cut:], place.lecture)
        return found

    def _folder_names(self, folders: set[Path]) -> dict[Path, Said]:
        """Return what each folder says. A zip that the instructor named says nothing."""
        beside: dict[Path, list[str]] = {}
        for folder in folders - {()}:
            beside.setdefault(folder[:-1], []).append(folder[-1])
        found: dict[Path, Said] = {(): Said()}
        for above, names in beside.items():
            start = shared_start(dict.fromkeys(names, ""))
            zips = {plain(part[:-4]) for part in above if is_zip((part,))}
            for name in names:
                is_label = plain(name) in zips or not above and is_zip((name,))
                found[(*above, name)] = Said() if is_label else said(name[start:])
        return found


def _students_zips(places: Iterable[Place], inside: Mapping[Path, Inside]) -> dict[Path, Said]:
    """Return what the outermost zips say, if students have handed them in.

    So it is if several are called differently, and each holds no lecture twice and nobody else.
    """
    lectures: dict[str, list[str]] = {}
    for place in places:
        if place.is_notebook and is_zip(place.folders[:1]):
            lectures.setdefault(place.folders[0], []).append(place.lecture or "?")
    found: dict[Path, Said] = {
        (name,): owner
        for name, held in lectures.items()
        if (owner := said(name)).name
        and len(set(held)) == len(held)
        and inside[name,].is_surely_of(owner)
    }
    return found if len({plain(owner.id or owner.name) for owner in found.values()}) > 1 else {}


def shared_start(names: Mapping[str, str]) -> int:
    """Return how long the beginning is that many names share, as in ``hw2-alice``, ``hw2-bob``.

    It is nobody's name, if every name says somebody without it, too.
    """
    if len(names) < MANY:
        return 0
    start = os.path.commonprefix(list(names))
    length = max(start.rfind(mark) for mark in "_- ") + 1
    if not KINDS.isdisjoint(TOKEN.findall(start[:length].casefold())):
        return 0
    rest = {plain(said(name[length:], lecture).name) for name, lecture in names.items()}
    is_nobody = "" in rest or all(map(DATE.fullmatch, rest))
    return 0 if is_nobody or len(rest) < len(names) else length
