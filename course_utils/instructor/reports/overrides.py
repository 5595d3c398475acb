"""Points that an instructor gives instead of those that were graded, each with a reason.

They are the rows of ``overrides.csv`` beside the results, which a spreadsheet can edit. Results
stay as they were graded: whenever reports are made the overrides are applied anew.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...runtime import write_whole

OVERRIDES = "overrides.csv"
COLUMNS = ("student", "exercise", "points", "reason", "when", "work")


@dataclass(frozen=True)
class Override:
    """What an instructor decided for one exercise, "02.1", or one whole lecture, "02".

    student: as the instructor wrote it: a key, an id, a login, an e-mail address or a name. line:
    where it stands in the file. was: the points that were graded; None if there were none. most:
    what a perfect answer earns. work: the mark of what was handed in when it was decided, if that
    was noted; is_outdated: something else counts now.
    """

    student: str
    exercise: str
    points: float
    reason: str
    when: str = ""
    line: int = 0
    was: float | None = None
    most: int = 0
    work: str = ""
    is_outdated: bool = False

    @property
    def lecture(self) -> str:
        """Return the lecture, "02"."""
        return self.exercise[:2]

    @property
    def is_whole(self) -> bool:
        """Return whether the points are those of a whole lecture."""
        return "." not in self.exercise

    def __str__(self) -> str:
        """Return the points and the reason, in words."""
        instead = "" if self.was is None else f" instead of {self.was:g}"
        return f"{self.points:g}{instead}: {self.reason}"


class Sheet:
    """The file of overrides of one folder of results, line by line as it was written.

    Raises:
        ValueError: it is no table of overrides; the message says what to do.
        OSError: it cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / OVERRIDES
        try:
            text = self.path.read_bytes().decode("utf-8-sig") if self.path.exists() else ""
        except UnicodeDecodeError:
            raise ValueError(f'{OVERRIDES} is not UTF-8: save it as "CSV UTF-8"') from None
        text = text or ",".join(COLUMNS) + "\r\n"
        self.lines = io.StringIO(text, newline="").readlines()
        self.delimiter = max(",;\t", key=self.lines[0].count)  # spreadsheets choose by country
        (first,) = csv.reader(self.lines[:1], delimiter=self.delimiter)
        self.columns = [name.strip().lower() for name in first]
        if missing := [name for name in COLUMNS[:4] if name not in self.columns]:
            raise ValueError(
                f"{OVERRIDES} has no column {missing[0]}: its first line is {','.join(COLUMNS)}"
            )

    def rows(self) -> Iterator[tuple[range, dict[str, str]]]:
        """Yield each row that is not empty, with the places of its lines.

        Raises:
            ValueError: a line is no row of a table.
        """
        reader = csv.reader(self.lines, delimiter=self.delimiter, strict=True)
        while True:
            start = reader.line_num
            try:
                cells = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as problem:
                where = f"{OVERRIDES} line {reader.line_num}"
                raise ValueError(f"{where}: {problem}; write the line again") from None
            if start and any(cells):
                cells += [""] * (len(self.columns) - len(cells))
                row = dict(zip(self.columns, cells, strict=False))
                row[""] = "".join(cells[len(self.columns) :])  # behind the last column
                yield range(start, reader.line_num), row

    def add(self, row: dict[str, str]) -> None:
        """Put a row behind the last one; a file that has no column of marks gets one for its mark.

        Raises:
            ValueError: a line is no row of a table.
        """
        if row.get("work") and "work" not in self.columns:
            self._add_column("work")
        if not self.lines[-1].endswith(("\r", "\n")):
            self.lines[-1] += "\r\n"
        self.lines.append(self._line([row.get(name, "") for name in self.columns]))

    def _add_column(self, name: str) -> None:
        """Put an empty column behind the last one; rows that are too long stay a mistake."""
        for place, row in reversed([*self.rows()]):
            if row[""]:
                lines = self.lines[place.start : place.stop]
                (cells,) = csv.reader(lines, delimiter=self.delimiter)
                cells.insert(len(self.columns), "")
                self.lines[place.start : place.stop] = [self._line(cells)]
        head = self.lines[0].rstrip("\r\n")
        self.lines[0] = f"{head}{self.delimiter}{name}{self.lines[0][len(head) :]}"
        self.columns.append(name)

    def _line(self, cells: list[str]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter).writerow(cells)
        return text.getvalue()

    def remove(self, is_meant: Callable[[dict[str, str]], bool]) -> int:
        """Take rows out, and return how many."""
        places = [place for place, row in self.rows() if is_meant(row)]
        gone = {number for place in places for number in place}
        self.lines = [line for number, line in enumerate(self.lines) if number not in gone]
        return len(places)

    def write(self) -> None:
        """Write the file, as spreadsheets read it with all its letters."""
        write_whole(self.path, "".join(self.lines).encode("utf-8-sig"))


def read_overrides(out: Path) -> tuple[list[Override], list[str]]:
    """Return the overrides of a folder of results, and what is wrong in their file."""
    found, problems = [], []
    try:
        for place, row in Sheet(out).rows():
            try:
                found.append(_override(row, place.start + 1))
            except ValueError as problem:
                problems.append(f"{OVERRIDES} line {place.start + 1}: {problem}")
    except (ValueError, OSError) as problem:
        problems.append(str(problem))
    return found, problems


def _override(row: dict[str, str], line: int) -> Override:
    if row[""]:
        raise ValueError("it has more cells than columns: put a reason with a comma in quotes")
    if not row["student"]:
        raise ValueError("the student is missing: write an id, an e-mail address or a name")
    return Override(
        row["student"],
        exercise_id(row["exercise"]),
        points_of(row["points"]),
        reason_of(row["reason"]),
        row.get("when", ""),
        line,
        work=row.get("work", ""),
    )


def exercise_id(text: str) -> str:
    """Return "02.1" or "02", also for the 2.1 and 2 that spreadsheets make of them.

    Raises:
        ValueError: it is neither.
    """
    match = re.fullmatch(r"0?(\d{1,2})(?:[.,](\d{1,2}))?", text.strip(), re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no exercise: write 02.1, or 02 for a whole lecture")
    return f"{int(match[1]):02}" + (f".{int(match[2])}" if match[2] else "")


def points_of(text: str) -> float:
    """Return points; a comma may stand for the point.

    Raises:
        ValueError: they are no points.
    """
    try:
        points = float(text.replace(",", "."))
    except ValueError:
        points = math.nan
    if not (0 <= points < 1000 and round(points, 1) == points):
        raise ValueError(f"{text!r} is no number of points: write one like 3 or 2.5")
    return points


def reason_of(text: str) -> str:
    """Return the reason.

    Raises:
        ValueError: it is empty.
    """
    if not text.strip():
        raise ValueError("the reason is missing: students and later graders will ask for it")
    return text.strip()
