"""What Moodle's own importers would make of the exports.

The parsers here follow the sources of these importers, in the repository
https://github.com/moodle/moodle: mod/assign/feedback/offline/importgradeslib.php and locallib.php
("Upload grading worksheet"), mod/assign/feedback/file/importziplib.php ("Upload multiple feedback
files in a zip"), grade/import/csv/classes/load_data.php, and its documentation "Grade import",
https://docs.moodle.org/311/en/Grade_import.
"""

import csv
import dataclasses
import html
import io
import posixpath
import re
import zipfile

import pytest
from export_class import graded_into, moodle_file, person, result, without_points
from hypothesis import given
from hypothesis import strategies as st

from course_utils.__main__ import main
from course_utils.instructor.exports import moodle
from course_utils.instructor.exports.graded_class import read_class
from course_utils.instructor.reports.overrides import OVERRIDES
from course_utils.instructor.reports.results import INFRASTRUCTURE, UNREADABLE

COLUMNS = (
    "Identifier",
    "Full name",
    "Email address",
    "Status",
    "Grade",
    "Maximum Grade",
    "Grade can be changed",
    "Last modified (submission)",
    "Last modified (grade)",
    "Feedback comments",
)
WHEN = "Thursday, 1 October 2026, 11:59 PM"
ANA = person("ana", "Ana Íñiguez", email="ana@uni.edu")
BO = person("bo", "Bo Lee", email="bo@uni.edu")
KIM, KIM2 = person("kim", "Kim Ha"), person("kim2", "Kim Ha")
CARL = person("carl", 'Carl, von "X"', email="carl@uni.edu")
LOST = person("lost", "Lost", doubts=("two rows of the roster are called so",))
NOBODY = person("nobody", "02_convolution", evidence="")


def row(participant, name, email="", grade="", most="10.00", comment=""):
    who = f"Participant {participant}"
    return [who, name, email, "Submitted", grade, most, "Yes", WHEN, "-", comment]


ROWS = (
    row(4711, "Ana Íñiguez", "ana@uni.edu"),
    row(4712, "Bo Lee", "bo@uni.edu", "3.00"),
    row(4713, "Kim Ha", "k1@uni.edu", comment="please come to see me"),
    row(4714, "Kim Ha", "k2@uni.edu"),
    row(4715, 'Carl, von "X"', "Carl@uni.edu", comment="Lecture 02: 02.1 size_after 1/4"),
    row(4716, "Dora\nNo", "dora@uni.edu"),
)


def write_worksheet(path, rows=ROWS, columns=COLUMNS, end="\n", delimiter=","):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([columns, *rows])
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    return path


def php_rows(content, delimiter=","):
    """Read a CSV as PHP's ``fgetcsv`` does, where no backslash is in it."""
    assert b"\\" not in content
    text = content.decode().removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def import_worksheet(content, maximum=10.0):
    """Return the grade and the comment that Moodle stores, by participant."""
    columns, *rows = php_rows(content)
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(columns)
    stored = {}
    for cells in rows:
        found = dict(zip(columns, cells, strict=True))
        participant = int(found["Identifier"][len("Participant") :])
        grade = found["Grade"].replace(" ", "")
        grade = None if grade == "" else float(grade)
        if grade is not None and not 0 <= grade <= maximum:
            grade = None  # out of range: Moodle skips it
        stored[participant] = (grade, found.get("Feedback comments", ""))
    return stored


@pytest.fixture
def a_class(tmp_path):
    people = (ANA, BO, KIM, KIM2, CARL, LOST, NOBODY)
    results = [
        result(ANA, (4, 3.5), file=moodle_file("Ana Íñiguez", 4711)),
        without_points(BO, INFRASTRUCTURE, file=moodle_file("Bo Lee", 4712)),
        result(KIM, (2, 0), file=moodle_file("Kim Ha", 4713)),
        result(KIM2, (0, 0), file=moodle_file("Kim Ha", 4714)),
        result(CARL, (1, 2)),
        result(LOST),
        result(NOBODY),
        result(ANA, lecture="05", file=moodle_file("Ana Íñiguez", 4714, "05")),
    ]
    return graded_into(tmp_path / "out", people, results)


def test_the_worksheet_holds_each_grade_and_is_else_the_same(a_class, tmp_path, capsys):
    path = write_worksheet(tmp_path / "worksheet.csv")
    assert main(["export", "moodle", str(a_class), "--lecture=02", f"--worksheet={path}"]) == 0
    content = (a_class / "exports/moodle_worksheet_02.csv").read_bytes()
    stored = import_worksheet(content)
    assert {who: grade for who, (grade, _) in stored.items()} == {
        4711: 7.5,
        4712: 3.0,  # as it was: there is no grade of ours
        4713: 2.0,
        4714: 0.0,  # an earned zero; the 4714 of another assignment is somebody else
        4715: 3.0,
        4716: None,
    }
    assert stored[4711][1] == "Lecture 02: 02.1 size_after 4/4, 02.2 convolve 3.5/6"
    assert stored[4713][1] == "please come to see me"
    assert stored[4715][1].startswith("Lecture 02: 02.1 size_after 1/4, 02.2")  # ours is renewed
    before, after = php_rows(path.read_bytes()), php_rows(content)
    mine = [COLUMNS.index("Grade"), COLUMNS.index("Feedback comments")]
    for old, new in zip(before, after, strict=True):
        assert [c for i, c in enumerate(old) if i not in mine] == [
            c for i, c in enumerate(new) if i not in mine
        ]
    assert content.count(b"\r") == 0
    printed = capsys.readouterr().out
    assert "5 grades" not in printed
    assert "4 grades of lecture 02, 2 rows as they were" in printed
    assert "left out: Lost (class.zip/lost/02.ipynb): two rows of the roster" in printed
    assert "nobody knows whose it is" in printed
    assert "Upload grading worksheet" in printed
    assert "no points yet: Bo Lee" in printed


def test_the_comment_says_what_the_instructor_gave_and_why(a_class, tmp_path):
    rows = ["ana,02,5,<late>", "bo,02,8,spoken", "carl,02.1,2,seen"]  # Bo's notebook has no points
    (a_class / OVERRIDES).write_text("student,exercise,points,reason\n" + "\n".join(rows))
    path = write_worksheet(tmp_path / "w.csv")
    moodle.worksheet(read_class(a_class), path, "02", tmp_path / "to.csv", scale=False)
    stored = import_worksheet((tmp_path / "to.csv").read_bytes())
    assert stored[4711] == (5, "Lecture 02: 5 of 10: &lt;late&gt;")
    assert stored[4712] == (8, "Lecture 02: 8 of 30: spoken")  # 30 are the lecture's in the course
    assert stored[4715] == (4, "Lecture 02: 02.1 size_after 2/4, 02.2 convolve 2/6")


def test_all_bytes_but_the_cells_filled_in_stay(a_class, tmp_path):
    path = write_worksheet(tmp_path / "w.csv", columns=COLUMNS[:-1], rows=[r[:-1] for r in ROWS])
    graded = read_class(a_class)
    moodle.worksheet(graded, path, "02", tmp_path / "filled.csv", scale=False)
    before = path.read_bytes().decode()
    for who, grade in (("4711", "7.5"), ("4713", "2"), ("4714", "0"), ("4715", "3")):
        at = before.index(f"Participant {who}")
        place = before.index(",Submitted,", at) + len(",Submitted,")
        before = before[:place] + grade + before[place:]
    assert (tmp_path / "filled.csv").read_bytes().decode() == before


@pytest.mark.parametrize(
    ("rows", "columns", "options", "problem"),
    [
        (ROWS, ("ID", *COLUMNS[1:]), (), "no grading worksheet of Moodle: .*English"),
        ([row(4711, "Ana", most="100.00")], COLUMNS, (), r"maximum is 100, .* is 10.*--scale"),
        ([row(4711, "Ana", most="Pass")], COLUMNS, (), "'Pass' is no number"),
        (ROWS, COLUMNS, ("--lecture=07",), "lecture 07 has no points: add --lecture 02 or 05"),
    ],
)
def test_what_does_not_fit_is_one_line(a_class, tmp_path, capsys, rows, columns, options, problem):
    path = write_worksheet(tmp_path / "w.csv", rows, columns)
    command = ["export", "moodle", str(a_class), "--lecture=02", f"--worksheet={path}", *options]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(problem, error), error


def test_grades_are_scaled_when_asked(a_class, tmp_path):
    path = write_worksheet(tmp_path / "w.csv", [row(4711, "Ana", most="100,00")])
    moodle.worksheet(read_class(a_class), path, "02", tmp_path / "to.csv", scale=True)
    stored = import_worksheet((tmp_path / "to.csv").read_bytes(), maximum=100)
    assert stored[4711][0] == 75


def test_a_title_is_shown_as_it_is(tmp_path):
    odd = result(ANA)
    exercise = dataclasses.replace(odd.exercises[0], title='<b>"a\\"b</b>', hint="=1")
    odd = dataclasses.replace(odd, exercises=(exercise,))
    out = graded_into(tmp_path / "out", [ANA], [odd])
    path = write_worksheet(tmp_path / "w.csv", [row(4711, "Ana Íñiguez", most="4")])
    moodle.worksheet(read_class(out), path, "02", out / "to.csv", scale=False)
    _, comment = import_worksheet((out / "to.csv").read_bytes())[4711]
    assert html.unescape(comment) == 'Lecture 02: 02.1 <b>"a\\"b</b> 4/4'
    assert "<" not in comment


def import_grades(content, users, mapped_by):
    """Return the grades that Moodle stores, by user and column: new grade items.

    As load_data.php does it: the user of the row before is kept where the cell is empty, and an
    unknown one ends the whole import. "-" is no grade.
    """
    header, *rows = php_rows(content)
    stored, user = {}, None
    for cells in rows:
        for column, cell in zip(header, map(str.strip, cells), strict=True):
            if column == mapped_by and cell not in ("", "0"):
                user = users[cell]
        for column, cell in zip(header, map(str.strip, cells), strict=True):
            if column.startswith("Lecture") and cell != "-":
                assert (user, column) not in stored, "two rows are one user's"
                stored[user, column] = float(cell)
    return stored


def test_the_gradebook_gets_what_is_graded_and_no_zero(a_class, capsys):
    assert main(["export", "moodle", str(a_class), "--lecture=02"]) == 0
    content = (a_class / "exports/moodle_grades.csv").read_bytes()
    users = {who.email: who.key for who in (ANA, BO, CARL)}
    assert import_grades(content, users, "Email address") == {
        ("ana", "Lecture 02"): 7.5,
        ("ana", "Lecture 05"): 5.5,
        ("carl", "Lecture 02"): 3,
    }
    printed = capsys.readouterr().out
    assert printed.count("left out: Kim Ha") == 2
    assert 'map from "Email address" to "Email address"' in printed


known = st.sampled_from(["", " ", "0", "=1+1", "a@b.c", "d@e.f", "x\\", "7", "Ünal"])


@given(st.lists(st.tuples(known, known, known), min_size=1, max_size=6))
def test_no_row_of_the_gradebook_is_without_its_student(tmp_path_factory, everyone):
    people = [
        person(f"p{place}", f"name {place}", email=f"{e}{place}" * bool(e.strip()), id=i, login=x)
        for place, (e, i, x) in enumerate(everyone)
    ]
    out = graded_into(tmp_path_factory.mktemp("class") / "out", people, map(result, people))
    to = out / "grades.csv"
    printed = moodle.grades(read_class(out), to)
    lost = sum(line.startswith("left out") for line in printed)
    if not to.exists():
        assert printed[0].startswith("no grades for Moodle's gradebook")
        return
    header, *rows = php_rows(to.read_bytes())
    assert len(rows) + lost == len(people)
    assert all(cells[0].strip() not in ("", "0") for cells in rows)
    assert not any(cells[0].startswith(("=", "+", "@")) or "\\" in cells[0] for cells in rows)
    assert header[0] in moodle.IDENTIFIED_BY.values()


def import_zip(path, participants):
    """Return the feedback files that Moodle stores: (participant, file name) and content."""
    stored = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert not posixpath.isabs(name)
            assert ".." not in name.split("/")
            parts = ("import/" + name).split("/")
            if parts[-1].startswith((".", "~")):
                continue
            while parts:
                info = parts.pop(0).split("_", 4)
                if len(info) < 4 or not info[1].isdecimal() or int(info[1]) not in participants:
                    continue
                assert (info[2], info[3]) == ("assignsubmission", "file"), "no such plugin"
                stored[int(info[1]), "/".join([*info[4:], *parts]).strip("/")] = archive.read(name)
                break
    return stored


def test_the_zip_gives_each_student_the_own_page_only(a_class):
    assert main(["export", "moodle", str(a_class), "--lecture=02"]) == 0
    path = a_class / "exports/moodle_feedback_02.zip"
    stored = import_zip(path, range(4700, 4800))
    pages = {4711: "ana", 4712: "bo", 4713: "kim", 4714: "kim2"}
    assert stored == {
        (participant, "feedback.html"): (a_class / f"feedback/{key}.html").read_bytes()
        for participant, key in pages.items()
    }
    with zipfile.ZipFile(path) as archive:
        assert "Ana Íñiguez_4711_assignsubmission_file_/feedback.html" in archive.namelist()
    first = path.read_bytes()
    main(["export", "moodle", str(a_class), "--lecture=02"])
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "file",
    [
        "02_convolution_Eve_12_assignsubmission_file_.ipynb",
        "class.zip/../../x_12_assignsubmission_file_/02.ipynb",
        "class.zip/Eve_12_assignsubmission_file_/Ana_4711_assignsubmission_file_02.ipynb",
        "Participant 12_12_assignsubmission_file_02.ipynb",
        "class.zip/\u202eeve\x07_12_assignsubmission_file/02.ipynb",
        "class.zip/" + "e" * 300 + "_0012_assignsubmission_onlinetext_/02.ipynb",
    ],
)
def test_hostile_names_lead_nowhere_else(tmp_path, file):
    eve = person("eve", "Eve")
    out = graded_into(tmp_path / "out", [eve], [result(eve, file=file)])
    moodle.feedback(read_class(out), "02", out / "f.zip")
    assert import_zip(out / "f.zip", {12, 4711}).keys() == {(12, "feedback.html")}
    with zipfile.ZipFile(out / "f.zip") as archive:
        assert all(name.isprintable() and len(name) < 150 for name in archive.namelist())


def test_a_number_of_two_students_goes_to_neither(tmp_path):
    people = [person("a", "A"), person("b", "B"), person("c", "C")]
    results = [
        result(p, file=moodle_file(p.name, n)) for p, n in zip(people, (1, 1, 2), strict=True)
    ]
    out = graded_into(tmp_path / "out", people, results)
    printed = moodle.feedback(read_class(out), "02", out / "f.zip")
    assert import_zip(out / "f.zip", {1, 2}).keys() == {(2, "feedback.html")}
    assert sum("participant number" in line for line in printed) == 2


def test_without_names_of_moodle_there_is_no_zip(tmp_path, capsys):
    out = graded_into(tmp_path / "out", [ANA], [result(ANA)])
    assert main(["export", "moodle", str(out)]) == 0
    assert "no zip of feedback" in capsys.readouterr().out
    assert not list(out.glob("exports/*.zip"))


def test_an_unreadable_submission_alone_is_no_grade(tmp_path, capsys):
    out = graded_into(tmp_path / "out", [ANA], [without_points(ANA, UNREADABLE)])
    assert main(["export", "moodle", str(out)]) == 2
    assert "no student that is known has points: see" in capsys.readouterr().err
