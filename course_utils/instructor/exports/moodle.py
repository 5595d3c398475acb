"""What Moodle imports: its grading worksheet, grades for its gradebook, a zip of feedback files."""

from __future__ import annotations

import csv
import html
import io
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ...runtime import write_whole
from ..reports.gradebook import Student, lecture_name
from ..reports.safe_text import feedback_path, one_line
from ..reports.tables import harmless
from .csv_file import CsvFile, read_csv_file
from .graded_class import GradedClass, left_out, number
from .matching import match
from .zips import write_zip

# As Moodle names what a student handed in, since 2.x as a file, since 3.1 also as a folder. Its
# participant numbers hold for one assignment only.
HANDED_IN = re.compile(r"([^/\\_]{0,100})_([0-9]{1,18})_assignsubmission_")
NONE = "-"  # how Moodle writes that there is no grade; an empty cell is taken for one by some
IDENTIFIED_BY = {"email": "Email address", "id": "ID number", "login": "Username"}
IN_ENGLISH = "download it, and upload what comes of it, while Moodle's language is English"


def worksheet(graded: GradedClass, path: Path, lecture: str, to: Path, scale: bool) -> list[str]:
    """Fill in the grading worksheet of an assignment. Return what to print.

    scale: turn points into Moodle's where its maximum is another one.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: it is no grading worksheet, or its maximum is another one.
    """
    table = read_csv_file(path)
    identifier, grade = table.column("Identifier"), table.column("Grade")
    if identifier is None or grade is None or table.column("Last modified (grade)") is None:
        raise ValueError(f"{path} is no grading worksheet of Moodle: {IN_ENGLISH}")
    students = [student for student in graded.students if lecture in student.points]
    found = match(
        students,
        [_known(student, lecture) for student in students],
        [_of_row(table, row) for row in range(len(table.rows))],
    )
    for student in students:
        if (row := found.rows.get(student.key)) is not None:
            factor = _factor(table, row, lecture, graded.most(lecture), scale)
            table.fill(row, grade, number(student.points[lecture] * factor))
            _comment(table, row, student, lecture)
    write_whole(to, table.content())
    return [
        f"wrote {to}: {len(found.rows)} grades of {lecture_name(lecture)}, "
        f"{len(table.rows) - len(found.rows)} rows as they were",
        "  upload it: the assignment > Submissions > Actions > Upload grading worksheet",
        *found.left_out,
    ]


def _known(student: Student, lecture: str) -> dict[str, set[str]]:
    person = student.person
    return {
        "participant": set(participants(student, lecture)),
        "id": {person.id},
        "email": {person.email},
        "login": {person.login},
        "name": {person.name},
    }


def participants(student: Student, lecture: str) -> dict[str, str]:
    """Return the participant numbers in the names of what was handed in, and the names there.

    A file of no lecture counts: it may be the one that could not be read.
    """
    found = {}
    for result in student.results:
        # The first: what a student put into a zip comes after what Moodle wrote.
        if result.lecture in (lecture, "") and (at := HANDED_IN.search(result.file)):
            found[str(int(at[2]))] = at[1]
    return found


def _of_row(table: CsvFile, row: int) -> dict[str, set[str]]:
    identifier = re.search(r"[0-9]{1,18}$", table.value(row, table.column("Identifier")))
    return {
        "participant": {str(int(identifier[0])) if identifier else ""},
        "id": {table.value(row, table.column("ID number"))},
        "email": {table.value(row, table.column("Email address"))},
        "login": {table.value(row, table.column("Username"))},
        "name": {table.value(row, table.column("Full name"))},
    }


def _factor(table: CsvFile, row: int, lecture: str, points: int, scale: bool) -> float:
    """Return what one of the lecture's points is worth in Moodle. Raises ValueError."""
    text = table.value(row, table.column("Maximum Grade", "Maximum grade"))
    if not text:
        return 1
    try:
        most = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(
            f"{table.path}: the maximum grade {text!r} is no number: let the assignment be graded "
            "by points"
        ) from None
    if most == points or not points:
        return 1
    if not scale:
        raise ValueError(
            f"{table.path}: Moodle's maximum is {most:g}, that of "
            f"{lecture_name(lecture)} is {points}: set it in Moodle and download "
            "the worksheet again, or add --scale"
        )
    return most / points


def _comment(table: CsvFile, row: int, student: Student, lecture: str) -> None:
    """Write where the points come from, unless a person has written there."""
    column = table.column("Feedback comments")
    start = f"{lecture_name(lecture).capitalize()}: "
    if column is None or not (html.unescape(table.value(row, column)) or start).startswith(start):
        return
    if whole := student.overrides.get(lecture):
        points = f"{whole.points:g} of {whole.most}: {whole.reason}"
    else:
        exercises = student.counted[lecture].exercises
        points = ", ".join(f"{e.id} {e.title} {e.points:g}/{e.max_points}" for e in exercises)
    # Moodle shows it as HTML, and takes a backslash before a quote for the end of the cell.
    text = html.escape(one_line(start + points, 5000), quote=False)
    table.fill(row, column, text.replace("\\", "&#92;"))


def grades(graded: GradedClass, to: Path) -> list[str]:
    """Write a table for the import of Moodle's gradebook. Return what to print.

    Each row has what identifies its student: where that is empty, Moodle would give the grades to
    the student of the row before.
    """
    field = max(IDENTIFIED_BY, key=lambda name: sum(_usable(s, name) for s in graded.students))
    rows = [s for s in graded.students if s.points and _usable(s, field)]
    missing = [s for s in graded.students if s.points and not _usable(s, field)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    columns = [lecture_name(lecture).capitalize() for lecture in graded.lectures]
    writer.writerow([IDENTIFIED_BY[field], "Full name", *columns])
    for student in rows:
        points = (student.points.get(lecture) for lecture in graded.lectures)
        cells = [NONE if one is None else number(one) for one in points]
        name = harmless(student.name).replace("\\", "/")
        writer.writerow([getattr(student.person, field).strip(), name, *cells])
    what = IDENTIFIED_BY[field]
    lost = [left_out(student, f"no {what} is known that Moodle can read") for student in missing]
    if not rows:
        return [
            f"no grades for Moodle's gradebook: no student's {what} is known: add --roster to "
            "the grading"
        ]
    write_whole(to, text.getvalue().encode())
    return [
        f"wrote {to}: {len(rows)} students, {len(graded.lectures)} lectures",
        f'  upload it: Grades > Import > CSV file; map from "{what}" to "{what}"',
        *lost,
    ]


def _usable(student: Student, field: str) -> bool:
    """Return whether Moodle reads it as it is: to PHP, "0" is empty too."""
    value = getattr(student.person, field).strip()
    return value not in ("", "0") and harmless(value) == value and "\\" not in value


def feedback(graded: GradedClass, lecture: str, to: Path) -> list[str]:
    """Write a zip with the page of each student, as Moodle names folders. Return what to print.

    Raises:
        OSError: a page is not there, or the zip cannot be written.
    """
    holders: defaultdict[str, list[tuple[Student, str]]] = defaultdict(list)
    for student in graded.students:
        for participant, name in participants(student, lecture).items():
            holders[participant].append((student, name))
    found = {participant: pairs[0] for participant, pairs in holders.items() if len(pairs) == 1}
    lost = [
        left_out(student, f"participant number {participant} is another student's, too")
        for participant, pairs in holders.items()
        if len(pairs) > 1
        for student, _ in pairs
    ]
    if not found:
        what = f"no file of {lecture_name(lecture)} is named as Moodle names it"
        return [f"no zip of feedback: {what}", *lost]
    write_zip(to, _files(graded.out, found.items()))
    return [
        f"wrote {to}: the pages of {len(found)} students",
        "  upload it: the assignment > Submissions > Actions > Upload multiple feedback files in a "
        "zip (needs the feedback type File)",
        *lost,
    ]


def _files(
    out: Path, found: Iterable[tuple[str, tuple[Student, str]]]
) -> Iterable[tuple[str, bytes]]:
    for participant, (student, name) in sorted(found, key=lambda pair: int(pair[0])):
        readable = one_line(name, 60).replace("\\", "") or "Participant"
        page = out / feedback_path(student.key, student.name)
        yield f"{readable}_{participant}_assignsubmission_file_/feedback.html", page.read_bytes()
