"""The roster of a class, as a learning platform or a spreadsheet gives it.

Any CSV will do that names its columns in one of its first lines, in one of several languages:
Moodle's list of participants or grading worksheet, the gradebooks of Canvas, Blackboard and
Brightspace, or a list of one's own. Columns that are not known are passed over.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..reports.class_list import Person
from .names import PARTICIPANT
from .roster_columns import ALIAS, EMAIL, FIRST, ID, LAST, LOGIN, NAME, SECOND_ID, columns_of

LARGEST = 5_000_000  # bytes
HEAD = 20_000  # characters in which the names of the columns are looked for
MOST = 50_000  # rows
TITLES = 20  # lines among which the one with the columns' names is looked for
LONGEST = 200  # characters of a name or an id
# In this order where two fit equally well. CP949 fails on most of what is not Korean.
ENCODINGS = ("cp949", "cp1252", "cp932", "gb18030", "big5", "latin-1")
EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")
NOBODY = {"points possible", "student, test", "test student"}  # rows of Canvas
Row = tuple[int, list[str]]  # with the number of its line


def read_roster(path: Path) -> tuple[Person, ...]:
    """Return the people of a roster.

    Raises:
        ValueError, OSError: it is none, or cannot be read.
    """
    rows = _rows(path)
    titles = next((n for n, (_, cells) in enumerate(rows[:TITLES]) if columns_of(cells)), None)
    if titles is None:
        raise ValueError(
            f"{path}, line 1: no column has names or ids. Name the columns in the first line, for "
            "example: name,id,email"
        )
    columns = columns_of(rows[titles][1])
    people = [
        (line, person)
        for line, cells in rows[titles + 1 :]
        if (person := _person(path, line, cells, columns))
    ]
    if not people:
        raise ValueError(f"{path}: nobody is on this roster. Put one student in each line")
    _refuse_doubles(path, people)
    return _with_keys([person for _, person in people])


def _rows(path: Path) -> list[Row]:
    """Return the rows of a table, however it is encoded and separated. Raises ValueError."""
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ValueError(f"{path} is a workbook: save it as CSV, and name that file")
    if len(content) > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST // 1_000_000} MB: this is no roster")
    ways = [(text, separator) for text in _texts(content) for separator in (",", ";", "\t")]
    text, separator = max(ways, key=lambda way: _fit(*way))  # of equal ones the first
    return _table(path, text, separator)


def _fit(text: str, separator: str) -> int:
    """Return how many columns are known if a text is read so."""
    lines = text[:HEAD].splitlines()[:TITLES]
    return max(
        (len(columns_of(cells)) for cells in csv.reader(lines, delimiter=separator)), default=0
    )


def _texts(content: bytes) -> Iterator[str]:
    """Yield the texts that the bytes of a file can be."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield content.decode("utf-16", "replace").replace("\0", "")
        return
    if b"\0" in content[:200]:  # UTF-16 without a mark
        is_little = content[1:200:2].count(0) > content[:200:2].count(0)
        encoding = "utf-16-le" if is_little else "utf-16-be"
        yield content.decode(encoding, "replace").replace("\0", "")
        return
    for encoding in ("utf-8-sig", *ENCODINGS):
        try:
            yield content.decode(encoding).replace("\0", "")
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8-sig":  # nothing else looks like it by chance
            return


def _table(path: Path, text: str, separator: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
            if len(rows) > MOST:
                raise ValueError(f"{path} has more than {MOST:,} lines: this is no roster")
    except csv.Error as problem:
        raise ValueError(
            f"{path}, line {reader.line_num}: {problem}. Save the table as CSV again"
        ) from None
    return rows


def _person(path: Path, line: int, cells: Sequence[str], columns: dict[str, int]) -> Person | None:
    """Return whom a row names; None if nobody. Raises ValueError."""
    found = {kind: _clean(cells[place]) for kind, place in columns.items() if place < len(cells)}
    if found.get(NAME, "").casefold() in NOBODY:
        return None
    for kind in (ID, ALIAS):
        if re.fullmatch(r"\d(?:[.,]\d+)?E\+?\d+", found.get(kind, "")):
            raise ValueError(
                f"{path}, line {line}: the spreadsheet has rounded the id to {found[kind]}. Format "
                "the column as text, put the ids in again, and save it as CSV"
            )
    marks = [found.get(kind, "") for kind in (ID, LOGIN, ALIAS, SECOND_ID)]
    numbers = [mark for mark in marks if PARTICIPANT.fullmatch(mark)]
    own, login, alias, _ = ("" if mark in numbers else mark for mark in marks)
    name, alias = _name(found), numbers[0] if numbers else alias
    email = found.get(EMAIL, "") or (alias if "@" in alias else "")
    if not own and alias.isdecimal():
        own = alias
    name = name or alias or login or own or email
    aliases = (alias,) if alias else ()
    if not name:
        return None
    return Person("", name, own, login, email, "roster", is_on_roster=True, aliases=aliases)


def _clean(cell: str) -> str:
    """Return what a cell says, without what systems put around it to keep it text."""
    cell = " ".join(unicodedata.normalize("NFC", cell).split())[:LONGEST]
    if match := re.fullmatch(r'="?([^"]*)"?', cell):
        cell = match[1]
    cell = cell.removeprefix("#")
    return cell.removesuffix(".0") if re.fullmatch(r"\d+\.0", cell) else cell


def _name(found: dict[str, str]) -> str:
    """Return the whole name, the given name first where that is usual."""
    whole, first, last = (found.get(kind, "") for kind in (NAME, FIRST, LAST))
    if FIRST in found and LAST not in found:  # "Name; Vorname"
        last, whole = whole, ""
    elif LAST in found and FIRST not in found:  # "Nombre; Apellidos"
        first, whole = whole, ""
    if first or last:
        if EAST_ASIAN.fullmatch(f"{last}{first}"):
            return last + first
        return f"{first} {last}".strip()
    family, comma, given = (part.strip() for part in whole.partition(","))
    if not comma or not given:
        return whole
    return family + given if EAST_ASIAN.fullmatch(family + given) else f"{given} {family}"


def _refuse_doubles(path: Path, people: Sequence[tuple[int, Person]]) -> None:
    """Raise ValueError if two rows have one id or one login."""
    seen: dict[tuple[str, str], int] = {}
    for line, person in people:
        for kind, mark in (("id", person.id), ("login", person.login)):
            same = (kind, mark.casefold().lstrip("0"))
            if mark and seen.setdefault(same, line) != line:
                raise ValueError(
                    f"{path}, line {line}: the {kind} {mark} stands in line {seen[same]}, too. "
                    "Give each student one line"
                )


def _with_keys(people: Sequence[Person]) -> tuple[Person, ...]:
    """Return people with a key each that no other has."""
    found: dict[str, Person] = {}
    for person in people:
        marks = [mark for mark in (person.id, person.login, person.email, person.name) if mark]
        key = next((mark for mark in marks if mark not in found), "")
        number = 2
        while not key or key in found:
            key, number = f"{marks[0]} ({number})", number + 1
        found[key] = replace(person, key=key)
    return tuple(found.values())
