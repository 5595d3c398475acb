"""What Canvas imports: its own exported gradebook, with the points of some columns filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...lectures import all_lectures
from ...runtime import write_whole
from ..reports.gradebook import Student, lecture_name
from .csv_file import CsvFile, read_csv_file
from .graded_class import GradedClass, folded, left_out, number
from .matching import match

ASSIGNMENT = re.compile(r"(.*) \([0-9]+\)", re.DOTALL)  # its title, and its id in Canvas
# As Canvas names what a student handed in: the student's id, then that of the file.
HANDED_IN = re.compile(r"(?:^|/)[^/_]{0,100}(?:_LATE)?_([0-9]{3,18})_[0-9]{3,18}_")
EXPORT_IT = "export the whole gradebook from Canvas (Gradebook > Export), and add --gradebook FILE"


def gradebook(
    graded: GradedClass, path: Path, named: Mapping[str, str], to: Path, scale: bool
) -> list[str]:
    """Fill in Canvas's gradebook. Return what to print.

    named: headers of columns that the instructor gave, by lecture. scale: turn points into Canvas's
    where the points possible are others. A student without a grade keeps what Canvas has.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: it is no gradebook of Canvas, or does not fit to what was graded.
    """
    table = read_csv_file(path)
    if table.column("ID") is None or table.column("Section") is None:
        raise ValueError(f"{path} is no gradebook of Canvas: {EXPORT_IT}")
    columns = _columns(graded, table, named)
    factors = {x: _factor(graded, table, x, column, scale) for x, column in columns.items()}
    students = [s for s in graded.students if s.points.keys() & columns.keys()]
    found = match(
        students,
        [_known(student) for student in students],
        [_of_row(table, row) for row in range(len(table.rows))],
    )
    matched = [(s, found.rows[s.key]) for s in students if s.key in found.rows]
    kept = [line for pair in matched for line in _fill(table, *pair, columns, factors)]
    write_whole(to, table.content())
    return [
        f"wrote {to}: {len(table.changes)} grades of {len(matched)} students",
        *(f"  {lecture_name(x)} is {table.columns[column]!r}" for x, column in columns.items()),
        "  upload it: Gradebook > Import",
        *(
            f"{lecture_name(x)} is not in it: add --column '{x}=HEADER OF ITS COLUMN'"
            for x in graded.lectures
            if x not in columns
        ),
        *found.left_out,
        *kept,
    ]


def _fill(
    table: CsvFile,
    student: Student,
    row: int,
    columns: Mapping[str, int],
    factors: Mapping[str, float],
) -> Iterator[str]:
    """Write a student's points, and yield a line for each that Canvas has no place for."""
    for lecture in sorted(student.points.keys() & columns.keys()):
        before = table.value(row, columns[lecture])
        if before in ("N/A", "EX"):  # not assigned to this student, or excused
            yield left_out(student, f"{lecture_name(lecture)} is {before} in Canvas")
        else:
            points = student.points[lecture] * factors[lecture]
            table.fill(row, columns[lecture], number(points))


def _known(student: Student) -> dict[str, set[str]]:
    person = student.person
    files = (HANDED_IN.search(result.file) for result in student.results)
    return {
        "canvas": {at[1] for at in files if at},
        "id": {person.id},
        "login": {person.login, person.email},
        "name": {person.name},
    }


def _of_row(table: CsvFile, row: int) -> dict[str, set[str]]:
    def value(name: str) -> str:
        return table.value(row, table.column(name))

    if not value("ID"):  # points possible, or how grades are posted
        return {}
    last, _, first = value("Student").partition(",")
    return {
        "canvas": {value("ID")},
        "id": {value("ID"), value("SIS User ID"), value("Integration ID")},
        "login": {value("SIS Login ID")},
        "name": {
            value("Student"),
            f"{first} {last}",
            f"{value('FirstName')} {value('LastName')}",
        },
    }


def _columns(graded: GradedClass, table: CsvFile, named: Mapping[str, str]) -> dict[str, int]:
    """Return the column of each lecture that has one. Raises ValueError."""
    is_clear = named.keys() >= set(graded.lectures)
    titles = {} if is_clear else {lecture.id: lecture.title for lecture in all_lectures()}
    found: dict[str, int] = {}
    for lecture in graded.lectures:
        wanted = named.get(lecture)
        places = [
            place
            for place, header in enumerate(table.columns)
            if (header == wanted if wanted else _is_of(header, lecture, titles.get(lecture, "")))
        ]
        if wanted and not places:
            raise ValueError(
                f"{table.path} has no column {wanted!r}: copy its header from the file"
            )
        if len(places) > 1:
            several = " or ".join(repr(table.columns[place]) for place in places)
            raise ValueError(
                f"{table.path}: {lecture_name(lecture)} could be {several}: add --column "
                f"'{lecture}={table.columns[places[0]]}', or the other"
            )
        if places and places[0] in found.values():
            header = table.columns[places[0]]
            raise ValueError(f"{table.path}: {header!r} is of two lectures: name both by --column")
        if places:
            found[lecture] = places[0]
    if unknown := sorted(named.keys() - set(graded.lectures)):
        raise ValueError(f"--column: lecture {unknown[0]} has no points in {graded.out}")
    if not found:
        lecture = graded.lectures[0] if graded.lectures else "02"
        raise ValueError(
            f"{table.path}: no column has the name of a lecture: add --column "
            f"'{lecture}=HEADER OF ITS COLUMN'"
        )
    return found


def _is_of(header: str, lecture: str, title: str) -> bool:
    """Return whether an assignment's title has the lecture's title, or its number."""
    assignment = ASSIGNMENT.fullmatch(header)
    if not assignment:
        return False
    words = folded(assignment[1])
    by_number = rf"{lecture}(?!\d)|.*\blecture 0*{lecture.lstrip('0')}(?!\d)"
    return bool(title) and folded(title) in words or bool(re.match(by_number, words))


def _factor(graded: GradedClass, table: CsvFile, lecture: str, column: int, scale: bool) -> float:
    """Return what a point is worth in Canvas. Raises ValueError."""
    texts = [
        table.value(row, column)
        for row in range(len(table.rows))
        if "Points Possible" in table.rows[row][0].value
    ]
    text = texts[0] if texts else ""
    header, mine = table.columns[column], graded.most(lecture)
    if "read only" in text:
        raise ValueError(f"{table.path}: Canvas reckons {header!r} itself: choose another column")
    try:
        possible = float(text.replace(",", ".")) if text else mine
    except ValueError:
        raise ValueError(f"{table.path}: {header!r} has no points possible: {EXPORT_IT}") from None
    if possible != mine and not scale:
        raise ValueError(
            f"{table.path}: {header!r} has {possible:g} points, {lecture_name(lecture)} has {mine}"
            ": change it in Canvas and export again, or add --scale"
        )
    return possible / mine if mine else 1
