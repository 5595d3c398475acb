"""What the name of each file says of whose it is, and what says it.

Nothing is put together here but what one number, or one person's folder, puts together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from .names import Said, lecture_named, plain, said
from .places import Folders, Place, is_zip, place_of
from .platforms import Record, blackboard_logins, record_of

PLATFORM, PATTERN, FOLDER, FILE_NAME = "platform", "pattern", "folder", "file name"
IDENTITY = ("id", "login", "email", "name")  # the groups of a pattern that name somebody
PATTERN_LONGEST = 300  # characters of a name that the instructor's pattern is tried on


@dataclass(frozen=True)
class Claim:
    """Whose a file is by its name. Files with equal ``unit`` are one student's.

    evidence: as of a `Person`. scope: the folders among which the unit's name or number counts;
    None if it counts everywhere. number: the learning platform's; participant: one that it has for
    a single assignment. text: what the roster is searched for. place: what tells equal names apart.
    lecture: of the file as far as known, "?" for a notebook of which nothing is known, "" for what
    is none.
    """

    unit: tuple[str, ...]
    name: str = ""
    evidence: str = ""
    scope: str | None = None
    place: str = ""
    text: str = ""
    inside: str = ""
    id: str = ""
    login: str = ""
    email: str = ""
    number: str = ""
    participant: str = ""
    handed_in: str = ""
    attempt: int = 0
    is_late: bool = False
    lecture: str = ""
    doubt: str = ""


def claims_of(
    files: Mapping[str, str], pattern: str, logins: Collection[str] = ()
) -> dict[str, Claim]:
    """Return what each file's name says; files: the id of each one's lecture, "" if unknown.

    logins: those of the roster, without case.
    """
    places = {file: place_of(file, lecture) for file, lecture in files.items()}
    records = {file: record_of(place.parts) for file, place in places.items()}
    _without_names_of_zips(places, records)
    _with_logins(places, records, logins)
    found: dict[str, Claim] = {}
    for file, place in places.items():
        if record := records[file]:
            found[file] = _of_platform(place, record)
        elif pattern and (claim := _of_pattern(place, re.compile(pattern))):
            found[file] = claim
    free = {file: place for file, place in places.items() if file not in found}
    folders = Folders(free.values(), (places[file] for file in found))
    found |= {file: _of_place(place, folders) for file, place in free.items()}
    found = {file: replace(c, lecture=_lecture(places[file])) for file, c in found.items()}
    return _without_doubtful_ids(found)


def _lecture(place: Place) -> str:
    if not place.is_notebook:
        return ""
    return place.lecture or lecture_named(place.name) or "?"


def _without_names_of_zips(places: Mapping[str, Place], records: dict[str, Record | None]) -> None:
    """Take back what was read into the name of a zip, unless several zips have such names.

    Students hand in zips, too; but one that holds a class may be called ``CS_231_2026_week3.zip``.
    """
    outermost = {
        file: record
        for file, record in records.items()
        if record and record.depth == 1 and places[file].folders[:1]
    }
    zips = {file for file in outermost if is_zip(places[file].folders[:1])}
    if len({(outermost[file].platform, outermost[file].number) for file in zips}) > 1:
        return
    for file in zips:
        inner = record_of(places[file].parts[1:])
        records[file] = replace(inner, depth=inner.depth + 1) if inner else None


def _with_logins(
    places: Mapping[str, Place], records: dict[str, Record | None], logins: Collection[str]
) -> None:
    """Put in the logins of Blackboard's people, which the names of a whole download show."""
    downloads: dict[str, dict[str, Record]] = {}
    for file, record in records.items():
        if record and record.platform == "blackboard":
            scope = places[file].part_of(record.depth - 1)
            downloads.setdefault(scope, {})[file] = record
    for found in downloads.values():
        login_in = blackboard_logins({record.name for record in found.values()}, logins)
        for file, record in found.items():
            login = login_in[record.name]
            records[file] = replace(record, number=login.casefold(), name=login, login=login)


def _of_platform(place: Place, record: Record) -> Claim:
    scope = place.part_of(record.depth - 1)
    who = (record.platform, record.number)
    has_marks = record.login or record.text
    return Claim(
        unit=who if record.is_everywhere else (*who, scope, plain(record.name)),
        name=record.name,
        evidence=PLATFORM,
        scope=None if record.is_everywhere else scope,
        place=f"{scope or record.platform}/{record.number}",
        text=record.text or record.name,
        id=record.id,
        login=record.login,
        email=record.email,
        number="" if has_marks or not record.is_everywhere else record.number,
        participant="" if record.is_everywhere else record.number,
        handed_in=record.handed_in,
        attempt=record.attempt,
        is_late=record.is_late,
    )


def _of_pattern(place: Place, pattern: re.Pattern[str]) -> Claim | None:
    """Return what the instructor's pattern finds, in the innermost part that it is found in."""
    parts = place.parts
    first = int(is_zip(place.folders[:1]))
    for depth in range(len(parts), first, -1):
        match = pattern.search(parts[depth - 1][:PATTERN_LONGEST])
        if match and (claim := _of_groups(_groups(match), place, depth)):
            return claim
    match = pattern.search(place.file[:PATTERN_LONGEST])
    inside = len(parts[0]) + 1 if first else 0
    if match and all(match.start(kind) >= inside for kind in _groups(match)):
        return _of_groups(_groups(match), place, len(parts))
    return None


def _groups(match: re.Match[str]) -> dict[str, str]:
    """Return what was found of a person, by its kind."""
    found = {kind: (text or "").strip() for kind, text in match.groupdict().items()}
    return {kind: found[kind] for kind in IDENTITY if found.get(kind)}


def _of_groups(groups: Mapping[str, str], place: Place, depth: int) -> Claim | None:
    """Return what a match says; None if it is a lecture's number or title that was found."""
    found, part = groups.get("name", ""), place.parts[depth - 1]
    name = said(found, place.lecture).name
    number = groups.get("id", "").zfill(2)
    if not groups or found and not name or number in (place.lecture, lecture_named(part)):
        return None
    marks = [(kind, groups[kind]) for kind in IDENTITY if kind != "name" and kind in groups]
    where = place.part_of(depth)
    return Claim(
        unit=(marks[0][0], plain(marks[0][1])) if marks else ("place", where),
        name=name or marks[0][1],
        evidence=PATTERN,
        scope=None if marks else where.rpartition("/")[0],
        place=where,
        text=name,
        id=groups.get("id", ""),
        login=groups.get("login", ""),
        email=groups.get("email", ""),
    )


def _of_place(place: Place, folders: Folders) -> Claim:
    """Return what a folder, or else the file's own name, says."""
    own = folders.files[place]
    if folder := folders.owned_by_one(place):
        claim = _named(place, len(folder), folders.names[folder], FOLDER)
    elif own.name:
        claim = _named(place, len(place.parts), own, FILE_NAME)
    else:
        claim = Claim(("place", place.file), scope="", place=place.file, text=place.name)
    return replace(claim, attempt=own.copy)


def _named(place: Place, depth: int, name: Said, evidence: str) -> Claim:
    where = place.part_of(depth)
    return Claim(
        unit=("id", plain(name.id)) if name.id else ("place", where),
        name=name.name,
        evidence=evidence,
        scope=None if name.id else where.rpartition("/")[0],
        place=where,
        text=place.parts[depth - 1],
        inside=place.name if evidence == FOLDER else "",
        id=name.id,
    )


def _without_doubtful_ids(claims: dict[str, Claim]) -> dict[str, Claim]:
    """Return claims in which no number that students wrote puts two names together.

    Such a number may be a course's.
    """
    names: dict[tuple[str, ...], set[str]] = {}
    for claim in _own_ids(claims.values()):
        if plain(claim.name) != plain(claim.id):
            names.setdefault(claim.unit, set()).add(plain(claim.name))
    doubtful = {unit for unit, called in names.items() if len(called) > 1}
    return {
        file: replace(
            claim,
            unit=("place", claim.place),
            scope=claim.place.rpartition("/")[0],
            doubt=f"{claim.id} stands in names of different people, and was not taken for the "
            "number of one: name a roster, or give --names",
        )
        if claim.unit in doubtful and claim.evidence in (FOLDER, FILE_NAME)
        else claim
        for file, claim in claims.items()
    }


def _own_ids(claims: Iterable[Claim]) -> Iterator[Claim]:
    for claim in claims:
        if claim.id and claim.evidence in (FOLDER, FILE_NAME):
            yield claim
