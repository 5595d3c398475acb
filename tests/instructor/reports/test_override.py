"""An instructor's points count, with their reason; a mistake in their file costs one line."""

from dataclasses import replace

import pytest
from filelock import FileLock
from graded_class import NAMES, ordinary_class, rows_of, submission, without_points
from hypothesis import given
from hypothesis import strategies as st

from course_utils.__main__ import main
from course_utils.instructor.reports.attention import groups
from course_utils.instructor.reports.class_list import ClassList, Person
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.overrides import (
    COLUMNS,
    OVERRIDES,
    Override,
    Sheet,
    read_overrides,
)
from course_utils.instructor.reports.overriding import find, overridden, read_gradebook
from course_utils.instructor.reports.pages import feedback_page
from course_utils.instructor.reports.results import UNREADABLE, read_results, write_result
from course_utils.instructor.reports.tables import gradebook, grades, harmless
from course_utils.instructor.reports.writing import write_class, write_feedback

ADA = Person("s1", "Ada Lovelace", "00123", "ada", "ada@example.org", "roster", (), True)
BEA = Person("s2", "Bea Kim", "00124", "bea", "bea@example.org", "roster", (), True)
TWIN = Person("x/bea", "Bea Kim", evidence="file name")
NOBODY = Person("s3", "Cid Only Listed", "00125", evidence="roster", is_on_roster=True)
CLASS = ClassList((ADA, BEA, TWIN, NOBODY))


def of(person, lecture="02", **how):
    file = f"{person.key}/{lecture}.ipynb"
    return submission(person.name, lecture, **{"level": 0, "file": file} | how, person=person.key)


def class_with(*overrides):
    """Return the students by key, with overrides, and what is wrong with these."""
    results = [of(ADA), of(ADA, "03"), of(BEA), without_points(of(BEA, "03"), UNREADABLE, "cut")]
    results.append(of(TWIN))
    students = students_of(results, CLASS)
    students, problems = overridden(students, overrides, CLASS.people)
    return {student.key: student for student in students}, problems


def given_points(exercise, points=3.0, who="s1"):
    return Override(who, exercise, points, "because", line=2)


# --- what counts ---------------------------------------------------------------------------------


def test_points_of_an_exercise_are_the_instructors():
    before, _ = class_with()
    after, problems = class_with(given_points("02.1"))
    assert not problems
    was = before["s1"].counted["02"].exercises[0].points
    assert after["s1"].points["02"] == round(before["s1"].points["02"] - was + 3, 1)
    assert after["s1"].total == round(before["s1"].total - was + 3, 1)
    assert after["s1"].overrides["02.1"].was == was
    assert after["s2"] == before["s2"]


def test_of_two_overrides_the_later_counts_and_knows_what_was_graded():
    graded = class_with()[0]["s1"].counted["02"].exercises[0].points
    students, _ = class_with(given_points("02.1", 4), given_points("02.1", 2))
    assert students["s1"].counted["02"].exercises[0].points == 2
    assert students["s1"].overrides["02.1"].was == graded


@pytest.mark.parametrize("who", ["s1", "s2", "s3"])  # graded, unreadable, not handed in
def test_points_of_a_whole_lecture_count_whatever_was_handed_in(who):
    students, problems = class_with(given_points("03", 12, who), given_points("03.1", 0, "s1"))
    student = students[who]
    assert not problems
    assert student.points["03"] == 12
    assert student.total == round(sum(student.points.values()), 1)
    (row,) = (r for r in rows_of(gradebook([student])) if r["student"] == student.name)
    assert row["lecture 03"] == "12"
    assert "03: changed to 12" in row["note"]
    assert "because" in row["note"]


def test_only_what_counts_is_changed():
    worse, better = of(ADA), of(ADA, level=1, file="better.ipynb")
    students = students_of([worse, better], CLASS)
    students, _ = overridden(students, [given_points("02.1", 0.5)], CLASS.people)
    (ada,) = (student for student in students if student.key == "s1")
    assert worse in ada.results
    assert ada.counted["02"].points == round(better.points - 3.5, 1)


def test_both_tables_agree_with_overrides():
    students, _ = class_with(
        given_points("02.1"), given_points("03", 12), given_points("02", 7, "s3")
    )
    students = list(students.values())
    sums = {}
    for row in rows_of(grades(students)):
        assert bool(row["override"]) == ("because" in row["override"])
        if row["counts"] == "yes":
            key = row["student"], row["id"], f"lecture {row['lecture']}"
            sums[key] = sums.get(key, 0) + float(row["points"])
    book = {
        (row["student"], row["id"], column): float(row[column])
        for row in rows_of(gradebook(students))
        for column in ("lecture 02", "lecture 03")
        if row[column]
    }
    assert sums == pytest.approx(book)
    changed = [r["exercise"] for r in rows_of(grades(students)) if r["override"]]
    assert sorted(changed) == ["", "", "02.1"]


def test_what_the_instructor_settled_asks_for_nothing():
    whole = [given_points("03", 12, who) for who in ("s2", "s3")]  # unreadable, not handed in
    for overrides, unreadable, missing in (([], ["s2"], ["x/bea", "s3"]), (whole, [], ["x/bea"])):
        students, _ = class_with(*overrides, given_points("02", 7, "s3"))
        found = {group.title: group.rows for group in groups([*students.values()])}
        assert [row.student.key for row in found.get(UNREADABLE, [])] == unreadable
        assert [row.student.key for row in found["not handed in"]] == missing


def test_a_student_reads_points_and_reason():
    students, _ = class_with(given_points("02.1"), given_points("03", 12, "s3"))
    was = students["s1"].overrides["02.1"].was
    page = " ".join(feedback_page(students["s1"]).decode().split())
    assert f"Your instructor gave 3 of 4 points instead of {was:g}: because" in page
    page = " ".join(feedback_page(students["s3"]).decode().split())
    assert "Your instructor gave 12 of 24 points: because" in page
    assert "Not handed in." in page


@pytest.mark.parametrize("who", ["s1", "s2"])  # graded, unreadable
def test_the_points_of_a_whole_lecture_stand_in_its_heading(who):
    students, _ = class_with(given_points("03", 12, who))
    page = " ".join(feedback_page(students[who]).decode().split())
    assert 'Lecture 03: <span class="points">12 of 24 points</span></h2>' in page


# --- who is meant --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["s1", "00123", "123", "ADA", "ada@example.org", "ada lovelace", " Ada  Lovelace "]
)
def test_a_student_is_found_by_all_that_only_one_has(text):
    assert find(CLASS.people, text) is ADA


@pytest.mark.parametrize(
    ("text", "says"), [("Bea Kim", "'s2' or 'x/bea'"), ("Dan", "nobody"), ("", "nobody")]
)
def test_who_is_not_one_student_is_said(text, says):
    with pytest.raises(ValueError, match=says):
        find(CLASS.people, text)


@given(st.text(st.characters(codec=None), max_size=40).filter(lambda t: any(map(str.isalnum, t))))
def test_a_key_that_went_through_the_file_finds_its_student(key):
    people = [Person(key, "same name"), ADA, Person("other", "same name")]
    assert find(people, harmless(key)) is people[0]


# --- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "student,exercise,points,reason,when\r\ns1,02.1,3,because,\r\n",
        "\ufeffStudent;Exercise;Points;Reason;When\r\ns1;2,1;3,0;because;\r\n",  # a German Excel
        "reason\tstudent\texercise\tpoints\nbecause\ts1\t02.1\t3",
        'student,exercise,points,reason,mine\n\n"s1","2.1",3.0,because,x\n,,,,\n',
    ],
)
def test_what_spreadsheets_make_of_the_file_is_read(tmp_path, text):
    (tmp_path / OVERRIDES).write_text(text, "utf-8", newline="")
    (found,), problems = read_overrides(tmp_path)
    assert not problems
    assert (found.student, found.exercise, found.points) == ("s1", "02.1", 3.0)
    assert found.reason == "because"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("s1,02. Jan,3,x,", "'02. Jan' is no exercise: write 02.1"),
        ("s1,02.1,three,x,", "'three' is no number of points"),
        ("s1,02.1,-1,x,", "'-1' is no number"),
        ("s1,02.1,nan,x,", "'nan' is no number"),
        ("s1,02.1,1.25,x,", "'1.25' is no number"),
        ("s1,02.1,9,x,", "02.1 has at most 4"),
        ("s1,02,99,x,", "02 has at most 30"),
        ("s1,02.9,3,x,", "there is no exercise 02.9: lecture 02 has 02.1, 02.2"),
        ("s1,77,3,x,", "there is no lecture 77"),
        ("s2,03.1,3,x,", "lecture 03 is not graded: give points for all of it, as 03"),
        ("s1,02.1,3,,", "the reason is missing"),
        (",02.1,3,x,", "the student is missing"),
        ("zoe,02.1,3,x,", "nobody here is 'zoe'"),
        ("s1,02.1,3,late, but excused, twice", "put a reason with a comma in quotes"),
        ('s1,02.1,3,"open,', "write the line again"),
    ],
)
def test_a_mistake_is_one_line_with_its_number_and_the_rest_counts(tmp_path, line, says):
    head = "student,exercise,points,reason,when\ns1,02.2,1,good,\n"
    (tmp_path / OVERRIDES).write_text(f"{head}{line}\n", "utf-8")
    CLASS.write(tmp_path)
    results = [of(ADA), without_points(of(BEA, "03"), UNREADABLE, "cut")]
    book = read_gradebook(tmp_path, results)
    (problem,) = book.problems
    assert problem.startswith("overrides.csv line 3: ")
    assert says in problem
    (ada,) = (student for student in book.students if student.key == "s1")
    assert list(ada.overrides) == ["02.2"]
    write_class(tmp_path, results)
    assert "overrides.csv line 3" in (tmp_path / "class.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"student,points,reason\n", "has no column exercise"),
        (b"\xff\xfes\x00", "not UTF-8"),
        (b"\n\n", "has no column student"),
    ],
)
def test_a_file_that_is_none_is_said_and_stops_nothing(tmp_path, content, says):
    (tmp_path / OVERRIDES).write_bytes(content)
    found, (problem,) = read_overrides(tmp_path)
    assert not found
    assert says in problem


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1)


@given(st.lists(cells.filter(str.strip), min_size=1, max_size=5), st.integers(0, 4))
def test_what_is_added_is_read_and_what_is_removed_leaves_the_rest(tmp_path_factory, names, at):
    out = tmp_path_factory.mktemp("out")
    sheet = Sheet(out)
    for name in names:
        sheet.add({"student": name, "exercise": "02.1", "points": "3", "reason": name, "when": ""})
    sheet.write()
    found, problems = read_overrides(out)
    assert not problems
    assert [one.reason for one in found] == [name.strip() for name in names]
    gone = names[min(at, len(names) - 1)].strip()
    sheet = Sheet(out)
    assert sheet.remove(lambda row: row["student"] == gone) >= 1
    sheet.write()
    left = [name.strip() for name in names if name.strip() != gone]
    assert [one.student for one in read_overrides(out)[0]] == left


@pytest.mark.parametrize("end", ["\r\n", ""])
def test_a_file_without_marks_gets_a_column_for_them(tmp_path, end):
    """Rows of before have none, and one with too many cells is no row now either."""
    rows = ["s1;02.1;3;because;then", "s1;02.2;3;late; but excused;then", 's2;02.1;3;"a\n;b"']
    head = "student;exercise;points;reason;when"
    (tmp_path / OVERRIDES).write_text("\r\n".join([head, *rows]) + end, "utf-8", newline="")
    before, problems = read_overrides(tmp_path)
    sheet = Sheet(tmp_path)
    for mark in ("mark", "other"):
        sheet.add(dict(zip(COLUMNS, ("s3", "03", "4", "x;y", "now", mark), strict=True)))
    sheet.write()
    found, still = read_overrides(tmp_path)
    assert found[:-2] == before
    assert [(one.reason, one.when, one.work) for one in found] == [
        ("because", "then", ""),
        ("a\n;b", "", ""),
        ("x;y", "now", "mark"),
        ("x;y", "now", "other"),
    ]
    assert len(problems) == 1
    assert still == problems


def test_a_file_of_headings_alone_gets_a_column_for_marks(tmp_path):
    (tmp_path / OVERRIDES).write_text("student,exercise,points,reason", "utf-8")
    sheet = Sheet(tmp_path)
    sheet.add({"student": "s1", "exercise": "02", "points": "4", "reason": "x", "work": "mark"})
    sheet.write()
    assert [one.work for one in read_overrides(tmp_path)[0]] == ["mark"]


def test_adding_keeps_what_an_instructor_wrote_beside(tmp_path):
    text = "\ufeffmine;student;exercise;points;reason\r\nseen;s1;02.1;3;bad, very\r\nx;?;?;?;?"
    (tmp_path / OVERRIDES).write_text(text, "utf-8", newline="")
    sheet = Sheet(tmp_path)
    sheet.add({"student": "s2", "exercise": "02", "points": "1.5", "reason": "a;b", "when": "now"})
    sheet.write()
    written = (tmp_path / OVERRIDES).read_bytes().decode("utf-8")
    assert written == f'{text}\r\n;s2;02;1.5;"a;b"\r\n'


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def graded(tmp_path):
    """Return a folder of results with its reports."""
    results, class_list = ordinary_class()
    class_list.write(tmp_path)
    (tmp_path / "results").mkdir()
    for result in results:
        write_result(tmp_path / "results", result)
    return tmp_path


def test_the_command_writes_the_reports_and_takes_back(graded, capfd):
    who, missing = NAMES[7], NAMES[0]
    assert main(["override", str(graded), who, "2.1", "4", "her helper, seen"]) == 0
    assert f"{who}: 02.1 is now 4 instead of 0.4: her helper, seen" in capfd.readouterr().out
    page = graded / "feedback" / "s2026007.html"
    assert "her helper, seen" in page.read_text("utf-8")
    assert "her helper, seen" in (graded / "class.html").read_text("utf-8")
    assert "her helper, seen" in (graded / "grades.csv").read_text("utf-8")

    assert main(["override", str(graded), missing, "03", "12", "oral"]) == 0
    new = graded / "feedback" / "s2026000.html"
    assert "oral" in new.read_text("utf-8")
    assert main(["override", str(graded), "2026000", "3", "--remove"]) == 0
    assert not new.exists(), "a page that tells nothing any more"
    assert [override.exercise for override in read_overrides(graded)[0]] == ["02.1"]


def test_an_exercise_of_a_lecture_with_points_as_a_whole_changes_no_total(graded, capfd):
    who = NAMES[7]
    assert main(["override", str(graded), who, "02", "15", "spoken"]) == 0
    assert "stays" not in capfd.readouterr().out
    assert main(["override", str(graded), who, "02.1", "2", "seen"]) == 0
    assert "lecture 02 stays 15, as you gave points for all of it" in capfd.readouterr().out


def test_what_was_handed_in_since_a_decision_needs_a_look(graded):
    who, key, missing = NAMES[7], "s2026007", NAMES[0]
    assert main(["override", str(graded), who, "02.1", "2", "seen"]) == 0
    assert main(["override", str(graded), who, "05", "9", "seen"]) == 0
    assert main(["override", str(graded), missing, "03", "12", "oral"]) == 0

    def asked():
        students = read_gradebook(graded, read_results(graded / "results")).students
        found = {group.title: group.rows for group in groups(students)}["needs a look"]
        return {row.student.name: list(row.why) for row in found if "decide again" in row.why[0]}

    assert asked() == {}
    old = next(r for r in read_results(graded / "results") if (r.owner, r.lecture) == (key, "02"))
    first, *others = old.exercises
    write_result(graded / "results", replace(old, exercises=(first, *others[1:]), fingerprint="x"))
    assert asked() == {}, "another exercise, or the course, has changed"
    better = replace(first, source="def size_after(): ...", points=4.0)
    write_result(graded / "results", replace(old, exercises=(better, *others)))
    write_result(graded / "results", submission(missing, "03", person="s2026000"))
    found = asked()
    assert sorted(found) == sorted([who, missing])
    (why,) = found[who]
    assert why == "02.1 was changed to 2 instead of 4: seen. Other work counts now: decide again"
    assert main(["override", str(graded), who, "02.1", "4", "right now"]) == 0
    assert list(asked()) == [missing]


def test_overrides_are_kept_when_a_result_is_made_again(graded):
    result = of(ADA)
    CLASS.write(graded)
    sheet = Sheet(graded)
    sheet.add({"student": "s1", "exercise": "02.1", "points": "3", "reason": "because"})
    sheet.write()
    write_feedback(graded, [replace(result, fingerprint="new")])
    assert "because" in (graded / "feedback" / "s1.html").read_text("utf-8")


def test_the_page_of_one_student_asks_the_whole_class_who_is_meant(tmp_path):
    """Else a name that two have would count for each of them on a page of its own."""
    CLASS.write(tmp_path)
    sheet = Sheet(tmp_path)
    sheet.add({"student": "Bea Kim", "exercise": "02.1", "points": "3", "reason": "because"})
    sheet.write()
    write_feedback(tmp_path, [of(BEA)])
    assert "because" not in (tmp_path / "feedback" / "s2.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["s2026007", "02.1"], "name student, exercise, points and reason"),
        (["s2026007", "02.1", "4", "x", "--remove"], "to remove"),
        (["s2026007", "02.1", "9", "x"], "9 points: 02.1 has at most 4"),
        (["s2026007", "02.1", "4", " "], "the reason is missing"),
        (["s2026007", "02.3", "--remove"], "has no override of 02.3"),
        (["김민수", "02.3", "1", "x"], "more than one student"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(graded, capsys, given, says):
    assert main(["override", str(graded), *given]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (graded / OVERRIDES).exists()


def test_a_folder_without_results_is_named(tmp_path, capsys):
    assert main(["override", str(tmp_path)]) == 2
    assert f"{tmp_path} holds no results" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_while_a_grading_works_the_override_is_kept_and_the_reports_are_not(graded, capsys):
    with FileLock(graded / "lock"):
        assert main(["override", str(graded), "s2026007", "02.1", "4", "x"]) == 1
    assert "write the reports anew" in capsys.readouterr().err
    assert len(read_overrides(graded)[0]) == 1
    assert not (graded / "class.html").exists()
