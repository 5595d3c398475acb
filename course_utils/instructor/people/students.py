"""Whose is it? Every file gets its student, from all that is known of the class.

Two files become one student only if an id says so, or if they stand in one person's folder.
What is put together by a name alone is told; what is not, although it is called alike, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..reports.class_list import Person
from .claims import FILE_NAME, FOLDER, PATTERN, PLATFORM, Claim, claims_of
from .matching import Match, Roster
from .names import plain

SHOWN = 80  # characters of a name, or of a place, that are shown
SHOWN_PLACES = 3  # of several
SHOWN_PEOPLE = 8


@dataclass(frozen=True)
class Owner:
    """Whose a file is, and what its name says of when it was handed in.

    handed_in: as "2026-10-01T12:05", if that is known. attempt: 1 for the first, 0 if unknown.
    """

    person: Person
    handed_in: str = ""
    attempt: int = 0
    is_late: bool = False


@dataclass
class Unit:
    """Files that are one student's; all of them are known before anything is asked of it."""

    claims: dict[str, Claim] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    person: Person | None = None  # of the roster
    is_by_id: bool = False  # the roster's person was found by an id
    is_several: bool = False  # it names several people of the roster

    @cached_property
    def first(self) -> Claim:
        """Return the claim of the first file; most of it is the same for all."""
        return self.claims[min(self.claims)]

    @cached_property
    def name(self) -> str:
        """Return the name: the most frequent one, of those that are more than a number."""
        names = Counter(c.name for c in self.claims.values() if c.name)
        real = {name: n for name, n in names.items() if name not in (self.first.id, "")} or names
        return min(real, key=lambda name: (-real[name], name), default="")

    @cached_property
    def lectures(self) -> set[str]:
        """Return the lectures of its notebooks, as of a `Claim`."""
        return {claim.lecture for claim in self.claims.values()} - {""}

    @cached_property
    def scopes(self) -> set[str]:
        """Return where its names and numbers count; nothing if that is everywhere."""
        return {claim.scope for claim in self.claims.values() if claim.scope is not None}


def who_is_who(
    files: Mapping[str, str], people: Sequence[Person] = (), pattern: str = ""
) -> dict[str, Owner]:
    """Return whose each file is, from its name and the id of its lecture, "" if unknown.

    people: the roster. pattern: of the instructor's, with groups ``id``, ``name``, ``login``,
    ``email`` or ``lecture``.
    """
    marks = {mark.casefold() for person in people for mark in (person.login, person.id)}
    claims = claims_of(files, pattern, marks)
    units = _beside(_units(claims))
    if people:
        roster = Roster(people)
        units = _apart(units, roster)
        _look_up(units, roster)
    units = _elsewhere(_of_one_person(units))
    found = _people(units, people)
    return {
        file: Owner(person, claim.handed_in, claim.attempt, claim.is_late)
        for unit, person in zip(units, found, strict=True)
        for file, claim in unit.claims.items()
    }


def _units(claims: Mapping[str, Claim]) -> list[Unit]:
    found: dict[tuple[str, ...], Unit] = {}
    for file, claim in sorted(claims.items()):
        unit = found.setdefault(claim.unit, Unit())
        unit.claims[file] = claim
        if claim.doubt and claim.doubt not in unit.doubts:
            unit.doubts.append(claim.doubt)
    return list(found.values())


def _beside(units: Sequence[Unit]) -> list[Unit]:
    """Put files of one folder together whose names begin alike: ``ann_02.ipynb``, ``ann_03.ipynb``.

    Not if a lecture is handed in twice.
    """
    found = []
    for group in _groups(units, _name_beside):
        found += [_joined(group)] if len(group) > 1 and _can_be_one(group) else group
    return found


def _apart(units: Sequence[Unit], roster: Roster) -> list[Unit]:
    """Take files that name several people from those that only the number puts them with."""
    found = []
    for unit in units:
        pairs: dict[str, dict[str, Claim]] = {}
        for file, claim in unit.claims.items() if unit.first.unit[0] == "id" else ():
            is_own = claim.evidence in (FOLDER, FILE_NAME)
            if is_own and roster.by_texts({claim.text, claim.name}).is_several:
                pairs.setdefault(plain(claim.name), {})[file] = claim
        of_several = {file for claims in pairs.values() for file in claims}
        rest = {file: c for file, c in unit.claims.items() if file not in of_several}
        parts = [claims for claims in (rest, *pairs.values()) if claims]
        found += [_all([unit], claims) for claims in parts] if of_several else [unit]
    return found


def _name_beside(unit: Unit) -> tuple[str, ...] | None:
    claim = unit.first
    if len(unit.claims) > 1 or claim.scope is None or claim.evidence not in (FILE_NAME, PATTERN):
        return None
    return claim.scope, claim.name


def _elsewhere(units: Sequence[Unit]) -> list[Unit]:
    """Put hand-ins of one name together that come from the downloads of different lectures.

    Not if a lecture is handed in twice, or if one download has the name twice.
    """
    found = []
    for group in _groups(units, _name_elsewhere):
        scopes = Counter(scope for unit in group for scope in unit.scopes)
        fits = len(group) > 1 and max(scopes.values()) == 1 and _can_be_one(group)
        found += [_joined(group)] if fits else group
    return found


def _name_elsewhere(unit: Unit) -> tuple[str, ...] | None:
    if unit.person or not unit.scopes or not unit.first.evidence:
        return None
    return (plain(unit.name),)


def _groups(
    units: Sequence[Unit], alike: Callable[[Unit], tuple[str, ...] | None]
) -> list[list[Unit]]:
    """Return units in groups that ``alike`` gives the same; one that it gives None is alone."""
    found: dict[tuple[str, ...] | int, list[Unit]] = {}
    for place, unit in enumerate(units):
        found.setdefault(alike(unit) or place, []).append(unit)
    return list(found.values())


def _can_be_one(units: Sequence[Unit]) -> bool:
    """Return whether no lecture is handed in by two of them, nor do they have two ids.

    An unknown lecture may be any.
    """
    lectures = [lecture for unit in units for lecture in unit.lectures]
    unsure = "?" in lectures and sum(bool(unit.lectures) for unit in units) > 1
    ids = {claim.id for unit in units for claim in unit.claims.values()} - {""}
    return not unsure and len(set(lectures)) == len(lectures) and len(ids) <= 1


def _joined(units: Sequence[Unit]) -> Unit:
    claims = {file: claim for unit in units for file, claim in unit.claims.items()}
    places = sorted({unit.first.place for unit in units if unit.lectures})
    joined = _all(units, claims)
    if len(places) > 1:
        joined.remarks.append(
            f"put together by name alone: {_listed(places)}. Name a roster, or give --names, if "
            "they are several people's"
        )
    return joined


def _all(units: Sequence[Unit], claims: dict[str, Claim]) -> Unit:
    """Return one unit of all these claims, with what there is to say of them."""
    doubts = dict.fromkeys(doubt for unit in units for doubt in unit.doubts)
    remarks = dict.fromkeys(remark for unit in units for remark in unit.remarks)
    several = any(unit.is_several for unit in units)
    return Unit(claims, list(doubts), list(remarks), is_several=several)


def _look_up(units: Sequence[Unit], roster: Roster) -> None:
    """Find the people of the roster. Whom two hand-ins name that cannot be one, neither gets."""
    for unit in units:
        _find(unit, roster)
    named: dict[str, list[Unit]] = {}
    for unit in units:
        if unit.person:
            named.setdefault(unit.person.key, []).append(unit)
    for group in named.values():
        _settle(group)


def _find(unit: Unit, roster: Roster) -> None:
    claim, match = unit.first, _match(unit, roster)
    person = match.person
    if match.is_several:
        unit.is_several = True
        unit.doubts.append(
            f"names several people of the roster: {_names(match.people)}. If they worked "
            "together, grade a copy for each, with one id in its name"
        )
    elif person and not match.is_by_id and _is_another(person, unit, roster):
        unit.doubts.append(
            f"called {_short(person.name)}, as one of the roster is, but with another number "
            f"({claim.id or claim.number}): correct the roster, or rename the file"
        )
    elif person:
        unit.person, unit.is_by_id = person, match.is_by_id
    elif match.people:
        way_out = "put the id into the name of the file"
        if claim.participant:
            way_out = "take Moodle's grading worksheet as the roster, too: it has the number"
        unit.doubts.append(f"on the roster this may be {_names(match.people, ' or ')}: {way_out}")
    elif claim.evidence:
        unit.doubts.append(_not_on(roster, unit))


def _match(unit: Unit, roster: Roster) -> Match:
    """Return whom a unit names: by what a platform or a pattern says, else by its texts."""
    claims = unit.claims.values()
    sure = [c for c in claims if c.evidence in (PLATFORM, PATTERN)]
    ids = sorted({mark for c in sure for mark in (c.id, c.login, c.email)})
    match = roster.by_id(ids, unit.first.number, unit.first.participant)
    if match.people:
        return match
    groups = {c.text for c in sure if c.unit[0] == "gradescope" and "; " in c.text}
    if groups:
        return roster.by_people(sorted(one for group in groups for one in group.split("; ")))
    texts = {text for c in claims for text in (c.text, c.name)}  # one may be a part of the other
    return roster.by_texts(sorted(texts))


def _not_on(roster: Roster, unit: Unit) -> str:
    """Return that nobody on the roster is called so; files in a folder may be called as some."""
    inside = roster.by_texts(sorted({claim.inside for claim in unit.claims.values()}))
    if not inside.people:
        return "not on the roster"
    return f"not on the roster, but a file in it is called as {_names(inside.people)}"


def _names(people: Sequence[Person], between: str = ", ") -> str:
    return between.join(f"{_short(p.name)} ({_mark(p)})" for p in people[:SHOWN_PEOPLE])


def _is_another(person: Person, unit: Unit, roster: Roster) -> bool:
    """Return whether a number says that someone is not the one of the roster who is called so."""
    numbers = {claim.number for claim in unit.claims.values() if claim.number}
    has_number = any(alias.isdecimal() for alias in person.aliases)
    ids = {claim.id for claim in unit.claims.values() if not _is_courses(claim)} - {""}
    return bool(numbers and has_number) or any(roster.contradicts(person, id) for id in ids)


def _is_courses(claim: Claim) -> bool:
    """Return whether a number is a course's, as CS101234: it stands in names of several people."""
    return bool(claim.doubt) and claim.id[:1].isalpha()


def _mark(person: Person) -> str:
    return person.id or person.login or person.email or "no id"


def _settle(group: list[Unit]) -> None:
    """Take a person of the roster from hand-ins that name the same one, but cannot be one's."""
    by_name = [unit for unit in group if not unit.is_by_id]
    if not by_name or not _clash(group):
        return
    for unit in by_name:
        name = unit.person.name if unit.person else ""
        unit.person = None
        places = _listed(sorted(u.first.place for u in group if u is not unit))
        unit.doubts.append(
            f"on the roster there is one {_short(name)}, but another hand-in is called so, too "
            f"({places}): if it is the same student's, put the id into both names"
        )


def _clash(units: Sequence[Unit]) -> bool:
    """Return whether hand-ins that the roster has one name for can be those of several.

    They can if they have different numbers, or if one download has a lecture twice.
    """
    in_scope: dict[str, list[Unit]] = {}
    for unit in units:
        for scope in unit.scopes:
            in_scope.setdefault(scope, []).append(unit)
    numbered = [unit for unit in units if not unit.scopes]
    ids = {claim.id for unit in units for claim in unit.claims.values()} - {""}
    return (
        len(numbered) > 1
        or len(ids) > 1
        or bool(numbered and len(units) > 1 and not _can_be_one(units))
        or any(len(g) > 1 and (_numbered(g) or not _can_be_one(g)) for g in in_scope.values())
    )


def _numbered(units: Sequence[Unit]) -> bool:
    """Return whether a platform has given several of them a number."""
    return sum(unit.first.evidence == PLATFORM for unit in units) > 1


def _of_one_person(units: Sequence[Unit]) -> list[Unit]:
    """Return units in which the hand-ins of each person of the roster are one."""
    groups = _groups(units, lambda unit: (unit.person.key,) if unit.person else None)
    return [_merged(group) if len(group) > 1 else group[0] for group in groups]


def _merged(group: Sequence[Unit]) -> Unit:
    claims = {file: claim for unit in group for file, claim in unit.claims.items()}
    merged = _all(group, claims)
    merged.person, merged.is_by_id = group[0].person, all(unit.is_by_id for unit in group)
    return merged


def _people(units: Sequence[Unit], roster: Sequence[Person]) -> list[Person]:
    """Return the person of each unit: of equal names with different keys, and a doubt in both."""
    wanted = Counter(_wanted_key(unit) for unit in units if not unit.person)
    wanted.update(person.key for person in roster)
    called: dict[str, list[Unit]] = {}
    for unit in units:
        if unit.first.evidence:
            called.setdefault(plain(_name(unit)), []).append(unit)
    found = []
    for unit in units:
        key = unit.person.key if unit.person else _wanted_key(unit)
        if wanted[key] > 1 and not unit.person:
            key = f"{key}/{unit.first.place}"
        if not unit.is_by_id:
            others = [other for other in called.get(plain(_name(unit)), []) if other is not unit]
            _tell_of_namesakes(unit, others, bool(roster))
        found.append(_person(unit, key, bool(roster)))
    return found


def _tell_of_namesakes(unit: Unit, others: Sequence[Unit], has_roster: bool) -> None:
    """Say that others are called like this one: a doubt, unless it is sure that they are others."""
    unsure = [other for other in others if not _are_two(unit, other)]
    places = _listed([other.first.place for other in unsure or others])
    text = f"another student here is called {_short(_name(unit))}, too: {places}"
    if unsure and not (has_roster and unit.doubts):  # the roster has said more of it
        way_out = "put the id into both names" if has_roster else "name a roster, or give --names"
        unit.doubts.append(f"{text}. If they are one, {way_out}")
    elif others and not unsure:
        unit.remarks.append(f"{text}. The learning platform has two numbers for them")


def _are_two(one: Unit, other: Unit) -> bool:
    """Return whether a platform has given two students different numbers, in one download."""
    return all(
        mine.evidence == theirs.evidence == PLATFORM
        and mine.unit[0] == theirs.unit[0]
        and mine.scope == theirs.scope
        for mine in one.claims.values()
        for theirs in other.claims.values()
    )


def _wanted_key(unit: Unit) -> str:
    claim = unit.first
    if not claim.evidence:
        return f"?/{claim.place}"
    if unit.is_several:
        return unit.name
    return claim.id or claim.login or claim.email or claim.number or unit.name


def _person(unit: Unit, key: str, has_roster: bool) -> Person:
    claim, doubts = unit.first, list(unit.doubts)
    if unit.is_several:  # what marks one of them is not theirs
        claim = replace(claim, id="", login="", email="", number="")
    if unit.person:
        doubts = [*unit.person.doubts, *doubts]
        return replace(unit.person, doubts=tuple(doubts))  # no remark: the roster has one so called
    if not claim.evidence:
        way_out = "" if has_roster else "name a roster, "
        doubts.append(f"nothing says whose this is: {way_out}give --names, or rename the file")
    return Person(
        key,
        _short(_name(unit)),
        claim.id or claim.number,
        claim.login,
        claim.email,
        evidence=claim.evidence,
        doubts=tuple(dict.fromkeys(doubts)),
        remarks=tuple(unit.remarks),
    )


def _name(unit: Unit) -> str:
    if unit.person:
        return unit.person.name
    return unit.name or f"whose is this? ({_short(unit.first.place)})"


def _short(text: str) -> str:
    """Return a text as it is shown: of a very long one beginning and end."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}…{text[-SHOWN // 2 :]}"


def _listed(places: Sequence[str]) -> str:
    more = ", …" if len(places) > SHOWN_PLACES else ""
    return ", ".join(map(_short, places[:SHOWN_PLACES])) + more
