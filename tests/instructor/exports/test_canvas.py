"""What Canvas's own importer would make of the export.

The parser here follows the source of that importer, lib/gradebook_importer.rb in
https://github.com/instructure/canvas-lms, and the tables that of its exporter,
lib/gradebook_exporter.rb there (the guide to both: "How do I import grades in the Gradebook?",
https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807).
"""

import csv
import io
import re

import pytest
from export_class import graded_into, person, result, without_points
from hypothesis import given
from hypothesis import strategies as st

from course_utils.__main__ import main
from course_utils.instructor.exports.canvas import gradebook
from course_utils.instructor.exports.graded_class import read_class
from course_utils.instructor.reports.results import INFRASTRUCTURE

LAB, QUIZ, FIVE = "Lab 1: Convolution arithmetic (98765)", "Quiz 2 (98766)", "Lecture 5 (98767)"
HEADER = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", LAB, QUIZ, FIVE, "Final Score")
TABLE = (
    HEADER,
    ("", "", "", "", "", "Manual Posting", "", "", ""),
    ("    Points Possible", "", "", "", "", "10.00", "5.00", "10.00", "(read only)"),
    ("Íñiguez, Ana", "101", "s-7", "ana", "Sec, A", "", "4.00", "", "40.00"),
    ("Lee, Bo", "102", "s-8", "bo@uni.edu", "Sec, A", "3.00", "", "", ""),
    ("Ha, Kim", "103", "s-9", "kim1", "Sec, A", "", "", "", ""),
    ("Ha, Kim", "104", "s-10", "kim2", "Sec, A", "", "", "", ""),
    ("Ng, Dora", "105", "s-11", "dora", "Sec, A", "EX", "", "N/A", ""),
    ("Oh, Flo", "106", "s-12", "flo", "Sec, A", "", "", "", ""),
    ("Student, Test", "199", "", "", "Sec, A", "", "", "", ""),
)
ANA = person("ana", "Ana", login="ana")
BO = person("bo", "Bo", email="BO@uni.edu")
KIM = person("kim", "Kim Ha")
KIM9 = person("kim9", "Kim Ha", id="s-9")
DORA = person("dora", "dora")
FLO = person("flo", "Flo Oh")


def write_gradebook(path, rows=TABLE, delimiter=","):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), "utf-8", newline="")
    return path


def imported(content):
    """Return the scores that Canvas would store: by student's id and assignment's id."""
    text = content.decode()  # with a mark of byte order, "Student" would still be included
    lines = text.splitlines()[:3]
    counts = {
        mark: {len(next(csv.reader([line], delimiter=mark))) for line in lines} for mark in ";,"
    }
    delimiter = ";" if len(counts[";"]) == 1 and max(counts[";"]) > max(counts[","]) else ","
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    rows = [row for row in rows if not re.fullmatch(r"[;, ]+", delimiter.join(row))]
    header, *rows = rows
    assert len(header) > 3
    assert "Student" in header[0]
    assert "ID" in header[1]
    width = 3
    if re.search(r"SIS\s+Login\s+ID", header[2]):
        width += 1
    elif re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3]):
        width += 2 + bool(re.search(r"Integration\s+ID", header[4]))
    assert "Section" in header[width - 1]
    stored = {}
    for row in rows:
        if "Points Possible" in row[0]:
            possible = row
        elif not all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", cell) for cell in row):
            for place in range(width, len(header)):
                if match := re.fullmatch(r".* \((\d+)\)", header[place]):
                    score = row[place].strip()
                    if re.fullmatch(r"-?[0-9.,]+%?", score):
                        *whole, last = re.split("[,.]", score)
                        score = float(f"{''.join(whole)}.{last}" if whole else last)
                        assert score <= float(possible[place].replace(",", "."))
                    stored[int(row[1]), int(match[1])] = score
    return stored


@pytest.fixture
def a_class(tmp_path):
    people = (ANA, BO, KIM, KIM9, DORA, FLO)
    results = [
        result(ANA, (4, 2.5)),
        result(ANA, (1, 1), lecture="05"),
        result(BO, (0, 0)),
        result(KIM, (4, 6)),
        result(KIM9, (3, 3)),
        result(DORA, file="class.zip/ngdora_LATE_105_4455_02_convolution-1.ipynb"),
        result(DORA, lecture="05"),
        without_points(FLO, INFRASTRUCTURE),
    ]
    return graded_into(tmp_path / "out", people, results)


def export(a_class, path, *options):
    return main(["export", "canvas", str(a_class), f"--gradebook={path}", *options])


def test_grades_land_at_their_students_and_all_else_stays(a_class, tmp_path, capsys):
    path = write_gradebook(tmp_path / "canvas.csv")
    assert export(a_class, path) == 0
    content = (a_class / "exports/canvas.csv").read_bytes()
    before = imported(path.read_bytes())
    filled = {
        (101, 98765): 6.5,
        (101, 98767): 2.0,
        (102, 98765): 0.0,  # an earned zero
        (103, 98765): 6.0,
    }
    assert imported(content) == before | filled
    assert before[105, 98765] == "EX"
    assert before[106, 98765] == ""  # not graded: never 0
    table = list(csv.reader(io.StringIO(content.decode(), newline="")))
    changed = {
        (row[1], HEADER[place])
        for row, old in zip(table, TABLE, strict=True)
        for place in range(len(HEADER))
        if row[place] != old[place]
    }
    assert changed == {("101", LAB), ("101", FIVE), ("102", LAB), ("103", LAB)}
    printed = capsys.readouterr().out
    assert "4 grades of 4 students" in printed
    assert printed.count("left out: Kim Ha") == 1
    assert "lecture 02 is EX in Canvas" in printed
    assert "lecture 05 is N/A in Canvas" in printed
    assert f"lecture 02 is {LAB!r}" in printed
    assert "Gradebook > Import" in printed


def test_semicolons_and_decimal_commas_stay(a_class, tmp_path):
    rows = [[re.sub(r"^(\d+)\.00$", r"\1,00", cell) for cell in row] for row in TABLE]
    path = write_gradebook(tmp_path / "canvas.csv", rows, ";")
    assert export(a_class, path) == 0
    stored = imported((a_class / "exports/canvas.csv").read_bytes())
    assert (stored[101, 98765], stored[101, 98766]) == (6.5, 4.0)


def test_the_roster_is_the_gradebook_if_none_is_named(a_class, tmp_path, capsys):
    assert main(["export", "canvas", str(a_class)]) == 2
    assert "export the whole gradebook from Canvas" in capsys.readouterr().err
    write_gradebook(a_class / "roster.csv")
    assert main(["export", "canvas", str(a_class), f"--to={tmp_path / 'new/to.csv'}"]) == 0
    assert imported((tmp_path / "new/to.csv").read_bytes())[101, 98765] == 6.5


def test_a_column_is_the_one_that_is_named(a_class, tmp_path):
    path = write_gradebook(tmp_path / "canvas.csv")
    assert export(a_class, path, f"--column=02={QUIZ}", "--scale") == 0
    stored = imported((a_class / "exports/canvas.csv").read_bytes())
    assert stored[101, 98766] == 3.25
    assert stored[101, 98765] == ""


@pytest.mark.parametrize(
    ("rows", "options", "problem"),
    [
        ((HEADER[:4],), (), "no gradebook of Canvas: export the whole"),
        ((HEADER[:5] + ("Essay (1)",),), (), "no column has the name of a lecture: add --column"),
        ((HEADER[:5] + (LAB, "02 (1)"),), (), "lecture 02 could be .* or .*: add --column"),
        (TABLE, (f"--column=02={FIVE}",), "is of two lectures: name both"),
        (TABLE, ("--column=02=Lab",), "has no column 'Lab'"),
        (TABLE, ("--column=Lab",), "is not like '02=Lab 1"),
        (TABLE, ("--column=07=Lab",), "lecture 07 has no points"),
        (TABLE, (f"--column=02={QUIZ}",), "has 5 points, lecture 02 has 10.*--scale"),
        (TABLE, ("--column=02=Final Score",), "Canvas reckons 'Final Score' itself"),
    ],
)
def test_what_does_not_fit_is_one_line(a_class, tmp_path, capsys, rows, options, problem):
    path = write_gradebook(tmp_path / "canvas.csv", rows)
    assert export(a_class, path, *options) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(problem, error), error
    assert not (a_class / "exports/canvas.csv").exists()


def test_a_lecture_without_a_column_is_told(a_class, tmp_path, capsys):
    path = write_gradebook(tmp_path / "canvas.csv", [row[:7] for row in TABLE])
    assert export(a_class, path) == 0
    assert "lecture 05 is not in it: add --column" in capsys.readouterr().out


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_each_score_is_the_students_own(tmp_path_factory, order, by_id, graded):
    """Any order of rows, everyone has one name, some are known by id and some by login."""
    folder = tmp_path_factory.mktemp("class")
    known = [{"id": f"s-{n}"} if n in by_id else {"login": f"u{n}"} for n in range(6)]
    people = [person(f"p{n}", "Kim Ha", **known[n]) for n in range(6)]
    results = [result(people[n], (n / 2, 6)) for n in sorted(graded - {0})]
    out = graded_into(folder / "out", people, [result(people[0], (4, 1)), *results])
    rows = [("Ha, Kim", str(900 + n), f"s-{n}", f"u{n}", "A", "1", "", "", "") for n in order]
    path = write_gradebook(folder / "canvas.csv", [*TABLE[:3], *rows])
    gradebook(read_class(out), path, {"02": LAB}, folder / "to.csv", scale=False)
    stored = imported((folder / "to.csv").read_bytes())
    want = {0: 5.0} | {n: n / 2 + 6 for n in graded - {0}}
    assert {n: stored[900 + n, 98765] for n in range(6)} == {n: want.get(n, 1.0) for n in range(6)}
