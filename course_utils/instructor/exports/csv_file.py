"""A table that another system wrote: some of its cells are filled in, all other bytes stay.

Such a table goes back to the system it comes from. What nobody asked to change (the dialect, the
ends of lines, columns that only that system knows) must come back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 50_000_000  # a course of 10,000 students has some MB
BOM = b"\xef\xbb\xbf"
DELIMITERS = ",;\t"
QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
END_OF_LINE = re.compile(r"\r\n?|\n|\Z")


class Cell(NamedTuple):
    """One cell: where its text lies in the file, quotes included, and what it says."""

    start: int
    end: int
    value: str


@dataclass
class CsvFile:
    """A table, its first row with the names of the columns.

    rows: all others, blank lines left out; each has as many cells as there are columns.
    """

    path: Path
    text: str
    has_bom: bool
    delimiter: str
    columns: list[str]
    rows: list[list[Cell]]
    changes: dict[Cell, str] = field(default_factory=dict)

    def value(self, row: int, column: int | None) -> str:
        """Return what a cell says, without spaces around; "" where there is no such column."""
        return "" if column is None else self.rows[row][column].value.strip()

    def column(self, *names: str) -> int | None:
        """Return the place of the first column with one of these names; None if none has."""
        return next((self.columns.index(name) for name in names if name in self.columns), None)

    def fill(self, row: int, column: int, value: str) -> None:
        """Write a value into a cell."""
        self.changes[self.rows[row][column]] = value

    def content(self) -> bytes:
        """Return the table with what was filled in."""
        parts, place = [], 0
        for cell in sorted(self.changes):
            parts += [self.text[place : cell.start], self._written(cell, self.changes[cell])]
            place = cell.end
        text = "".join([*parts, self.text[place:]])
        return (BOM if self.has_bom else b"") + text.encode()

    def _written(self, cell: Cell, value: str) -> str:
        needs_quotes = any(c in value for c in f'{self.delimiter}"\r\n')
        if needs_quotes or self.text.startswith('"', cell.start, cell.end):
            return '"' + value.replace('"', '""') + '"'
        return value


def read_csv_file(path: Path) -> CsvFile:
    """Read a table.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no table; the message names the file and what to do.
    """
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES // 10**6} MB: is it the right file?")
    has_bom = content.startswith(BOM)
    try:
        text = content.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is not in UTF-8, so it was saved by another program: download it again"
        ) from None
    delimiter = max(DELIMITERS, key=lambda one: len(next(_rows(path, text, one), [])))
    columns, *rows = list(_rows(path, text, delimiter)) or [[]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(columns):
            raise ValueError(
                f"{path}: row {number} has {len(row)} cells, the first has {len(columns)}: "
                "download the file again"
            )
    names = [cell.value.strip() for cell in columns]
    return CsvFile(path, text, has_bom, delimiter, names, rows)


def _rows(path: Path, text: str, delimiter: str) -> Iterator[list[Cell]]:
    """Yield the cells of each row that is not blank. Raises ValueError."""
    plain = re.compile(rf"[^{delimiter}\r\n]*")
    row: list[Cell] = []
    place = 0
    while place < len(text) or row:
        start, value = place, ""
        if text.startswith('"', place):
            quoted = QUOTED.match(text, place)
            if not quoted:
                line = text.count("\n", 0, place) + 1
                raise ValueError(f"{path}: a quote in line {line} has no end: download it again")
            value, place = quoted[0][1:-1].replace('""', '"'), quoted.end()
        rest = plain.match(text, place)
        assert rest  # it matches nothing, too
        place = rest.end()
        row.append(Cell(start, place, value + rest[0]))
        if text.startswith(delimiter, place):
            place += 1
            continue
        end = END_OF_LINE.match(text, place)
        assert end  # else the cell would go on
        place = end.end()
        if len(row) > 1 or row[0].value:
            yield row
        row = []
