"""Whom of the roster a hand-in names: by number, login or e-mail; else by the whole name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..reports.class_list import Person
from .names import OWN_ID, PARTICIPANT, YEAR, bare, plain, said

MOST_WORDS = 8  # of a name
MOST_TOKENS = 40  # of a part of a path that are looked at
WORD = re.compile(r"[^\W_]+")
TOKEN = re.compile(r"[^\s_,()\[\]]+")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


@dataclass(frozen=True)
class Match:
    """The people of the roster whom a hand-in names: one, those who are called alike, or several.

    is_several: it names more than one of them, as pair work does.
    """

    people: tuple[Person, ...] = ()
    is_by_id: bool = False
    is_several: bool = False

    @property
    def person(self) -> Person | None:
        """Return whom it names; None if nobody, or several."""
        return self.people[0] if len(self.people) == 1 else None


class Roster:
    """The people of a class, to be found by what names of files say."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = people
        self.ids: dict[str, set[int]] = {}
        self.numbers: dict[str, set[int]] = {}
        self.names: dict[str, set[int]] = {}
        self.words: set[str] = set()  # of all names
        for place, person in enumerate(people):
            for mark in (person.id, person.login, person.email, *person.aliases):
                if mark:
                    self.ids.setdefault(same_id(mark), set()).add(place)
            for alias in person.aliases:
                self.numbers.setdefault(same_id(alias), set()).add(place)
                if number := PARTICIPANT.fullmatch(alias):
                    self.numbers.setdefault(f"participant {number[1]}", set()).add(place)
            for name in (person.name, *person.aliases):
                for form in _forms(name):
                    self.names.setdefault(form, set()).add(place)
                    self.words.update(form.split())
        self.starts = {name[:n] for name in self.names for n in range(1, len(name) + 1)}

    def by_id(self, ids: Iterable[str], number: str, participant: str) -> Match:
        """Return whom ids name, that are known as such; the numbers are a platform's own."""
        found = [self.ids.get(same_id(mark), set()) for mark in filter(None, ids)]
        for mark in filter(None, (number, participant and f"Participant {participant}")):
            found.append(self.numbers.get(same_id(mark), set()))
        return self._match(found, True)

    def by_texts(self, texts: Iterable[str]) -> Match:
        """Return whom parts of paths name, by ids that stand in them; else by name."""
        return self._match(*self._named(texts))

    def by_people(self, texts: Iterable[str]) -> Match:
        """Return whom texts name of which each is one person's."""
        named = [self._named([text]) for text in texts]
        people = [one for found, _ in named for one in found]
        return self._match(people, any(is_by_id for _, is_by_id in named))

    def _named(self, texts: Iterable[str]) -> tuple[list[set[int]], bool]:
        """Return who is meant by each id in parts of paths, else by each name; and if by ids."""
        ids: dict[str, set[int]] = {}
        names: list[set[int]] = []
        for text in texts:
            whole = said(text).name
            for token in (*_tokens(text), *_tokens(whole)):
                if _is_surely_id(token) or token == whole:
                    ids[bare(token)] = self.ids.get(same_id(token), set())
            names += self._by_name(text)
        ids = {token: people for token, people in ids.items() if people}
        found = [people for token, people in ids.items() if not _is_chance(token, ids)]
        return found or names, bool(found)

    def _by_name(self, text: str) -> list[set[int]]:
        """Return who is called as each name in a text, in any order of its words.

        Of names that share a word the longest counts.
        """
        words = WORD.findall(bare(text))[:MOST_TOKENS]
        named: list[tuple[int, int, int, set[int]]] = []  # length, first word, behind the last one
        for start in range(len(words)):
            for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1):
                window = words[start:end]
                if "".join(window) not in self.starts and not self.words.issuperset(window):
                    break  # nor will a longer one be a name
                if people := self._called(window):
                    named.append((sum(map(len, window)), start, end, people))
        longest: list[tuple[int, int, int, set[int]]] = []
        for length, start, end, people in sorted(named, key=lambda one: -one[0]):
            beside = [one for one in longest if one[1] < end and start < one[2]]
            if not beside:
                longest.append((length, start, end, people))
            elif length == beside[0][0]:  # either could be meant
                beside[0][3].update(people)
        return [people for *_, people in longest]

    def _called(self, words: Sequence[str]) -> set[int]:
        """Return who is called exactly so: in any order, or in one word as Canvas writes it."""
        return self.names.get("".join(words), set()) | self.names.get(_in_order(words), set())

    def contradicts(self, person: Person, id: str) -> bool:
        """Return whether a student number cannot be that person's."""
        are_numbers = OWN_ID.fullmatch(id) and OWN_ID.fullmatch(person.id)
        return bool(are_numbers) and same_id(id) != same_id(person.id)

    def _match(self, named: Iterable[set[int]], is_by_id: bool) -> Match:
        """Return whom all of what was found names; where that is nobody, it names several."""
        named = [people for people in named if people]
        found = set.intersection(*named) if named else set[int]()
        people = found or set[int]().union(*named)
        several = bool(named) and not found
        return Match(tuple(self.people[place] for place in sorted(people)), is_by_id, several)


def same_id(mark: str) -> str:
    """Return an id as equal ones are written: spreadsheets drop the zeros in front."""
    mark = " ".join(bare(mark).replace("_", " ").split())
    return mark.lstrip("0") or "0" if mark.isdecimal() else mark


def _is_surely_id(token: str) -> bool:
    """Return whether a word can hardly be a name or a label, if it is on the roster as an id."""
    if token.isdecimal():
        return len(token) >= 4 and not YEAR.fullmatch(token)
    return len(token) >= 4 and any(c.isdecimal() or c in "@.-" for c in token)


def _is_chance(token: str, ids: Collection[str]) -> bool:
    """Return whether an id that was found can be a part of another one, or a time beside it."""
    others = [other for other in ids if other != token]
    is_part = any(token in other for other in others)
    is_less = token.isdecimal() and any(_digits(other) > len(token) for other in others)
    return is_part or is_less


def _digits(text: str) -> int:
    return sum(char.isdecimal() for char in text)


def _tokens(text: str) -> Iterator[str]:
    yield from OWN_ID.findall(text)[:MOST_TOKENS]
    for token in TOKEN.findall(text)[:MOST_TOKENS]:
        yield token
        for split in ("-", "."):
            if split in token:
                parts = token.split(split)[:MOST_TOKENS]
                yield from parts
                yield token.rsplit(split, 1)[0]
                if split == "-":  # "octo-ada" in "lab-2-octo-ada"
                    yield from ("-".join(parts[place:]) for place in range(1, len(parts) - 1))


def _forms(name: str) -> set[str]:
    """Return the ways in which a name may be written, as they are looked up."""
    forms = set()
    for written in {bare(name), bare(plain(name).translate(UMLAUTS))}:
        words = WORD.findall(written)[:MOST_WORDS]
        if not words or len("".join(words)) < 2:
            continue
        forms.add(_in_order(words))
        forms |= {"".join(words[n:] + words[:n]) for n in range(len(words))}
    return forms


def _in_order(words: Sequence[str]) -> str:
    return " ".join(sorted(words))
