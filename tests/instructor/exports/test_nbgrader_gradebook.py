"""What nbgrader itself finds in the gradebook.

It is read with nbgrader's own classes: nbgrader.api.Gradebook, and its CSV exporter
("API documentation", https://nbgrader.readthedocs.io/en/stable/api/gradebook.html; "Managing the
database", https://nbgrader.readthedocs.io/en/stable/user_guide/managing_the_database.html).
"""

import contextlib
import csv
import sqlite3
import sys

import pytest
from export_class import graded_into, person, result, without_points

from course_utils.__main__ import main
from course_utils.instructor.reports.overrides import OVERRIDES
from course_utils.instructor.reports.results import INFRASTRUCTURE

api = pytest.importorskip("nbgrader.api", reason="nbgrader is not installed")
NAME = "02_convolution"
ANA = person("ana", "Ana Íñiguez", login="ana", email="ana@uni.edu")
BO = person("bo", "Lee, Bo", id="s-7")
EVE = person("eve", "=cmd|'/c calc'!A0,\n1,2", login="eve")
SLASH = person("../x", "Slash")
TWIN, TWIN2 = person("t1", "Twin", login="twin"), person("t2", "Twin", login="TWIN")
FLO = person("flo", "Flo", login="flo")
PEOPLE = (ANA, BO, EVE, SLASH, TWIN, TWIN2, FLO)


@pytest.fixture
def a_class(tmp_path):
    results = [result(who) for who in PEOPLE[:-1]]
    results += [result(ANA, (2, 0), lecture="05"), without_points(FLO, INFRASTRUCTURE)]
    return graded_into(tmp_path / "out", PEOPLE, results)


def scores(path):
    """Return the score and the maximum of each submission."""
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        return {
            (submission.student.id, assignment.name): (submission.score, submission.max_score)
            for assignment in gradebook.assignments
            for submission in gradebook.assignment_submissions(assignment.name)
        }


def test_students_lectures_and_points_are_found(a_class, capsys):
    assert main(["export", "nbgrader", str(a_class)]) == 0
    path = a_class / "exports/gradebook.db"
    assert scores(path) == {
        ("ana", NAME): (5.5, 10),
        ("s-7", NAME): (5.5, 10),
        ("eve", NAME): (5.5, 10),
        ("ana", "05_vgg"): (2, 10),
    }
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        grade = gradebook.find_grade("02-2-check", NAME, NAME, "ana")
        assert (grade.auto_score, grade.max_score) == (1.5, 6)
        assert not grade.needs_manual_grade
        assert gradebook.find_student("ana").email == "ana@uni.edu"
    printed = capsys.readouterr().out
    assert printed.count("left out: Twin") == 2
    assert "left out: Slash" in printed


def test_points_by_hand_are_written_also_without_a_notebook(a_class, capsys):
    given = ["ana,02,9", "flo,02,12", "flo,03,7", "../x,03,5"]  # flo's 02 failed, nobody has 03
    rows = [f"{line},spoken\n" for line in given]
    (a_class / OVERRIDES).write_text("student,exercise,points,reason\n" + "".join(rows))
    assert main(["export", "nbgrader", str(a_class)]) == 0
    found = scores(a_class / "exports/gradebook.db")
    assert found["ana", NAME] == (9, 10)
    assert found["flo", NAME] == (12, 10)
    assert found["flo", "03_lenet"] == (7, 24)
    assert "left out: Slash" in capsys.readouterr().out


def test_its_own_exporter_writes_a_table_that_can_be_read(a_class, tmp_path, monkeypatch):
    from nbgrader.plugins import CsvExportPlugin

    assert main(["export", "nbgrader", str(a_class)]) == 0
    plugin = CsvExportPlugin()
    plugin.to = str(tmp_path / "nbgrader.csv")
    with api.Gradebook(f"sqlite:///{a_class / 'exports/gradebook.db'}") as gradebook:
        plugin.export(gradebook)
    with open(plugin.to, encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(None not in row and None not in row.values() for row in rows)
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    found = {(row["student_id"], row["assignment"]): row["score"] for row in rows}
    assert (found["ana", NAME], found["s-7", NAME]) == ("5.5", "5.5")
    assert "flo" not in {row["student_id"] for row in rows}  # it would show 0


def test_a_second_export_renews_points_and_keeps_those_given_by_hand(a_class, tmp_path):
    path = tmp_path / "course/gradebook.db"
    command = ["export", "nbgrader", str(a_class), f"--to={path}"]
    assert main(command) == 0
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        gradebook.add_student("other")
        gradebook.find_grade("02-1-check", NAME, NAME, "ana").manual_score = 1
        gradebook.db.commit()
    more = graded_into(tmp_path / "more", PEOPLE, [result(ANA, (0, 6)), result(BO, (0, 0))])
    assert main(["export", "nbgrader", str(more), f"--to={path}"]) == 0
    found = scores(path)
    assert (found["ana", NAME], found["s-7", NAME]) == ((7, 10), (0, 10))
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        assert gradebook.find_student("other")


def test_what_is_no_gradebook_is_named_and_stays(a_class, tmp_path, capsys):
    path = tmp_path / "notes.db"
    path.write_text("my notes, in many words: " * 100)
    assert main(["export", "nbgrader", str(a_class), f"--to={path}"]) == 2
    assert f"{path} is no gradebook of nbgrader" in capsys.readouterr().err
    assert path.read_text().startswith("my notes")
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("create table student (name text)")
        connection.commit()
    before = other.read_bytes()
    assert main(["export", "nbgrader", str(a_class), f"--to={other}"]) == 2
    assert "is no gradebook of nbgrader" in capsys.readouterr().err
    assert other.read_bytes() == before
    assert sorted(x.name for x in tmp_path.iterdir()) == ["notes.db", "other.db", "out"]


def test_without_nbgrader_its_name_is_said(a_class, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    assert main(["export", "nbgrader", str(a_class)]) == 2
    assert "nbgrader" in capsys.readouterr().err
