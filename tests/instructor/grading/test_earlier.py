"""A file that is called as one of an earlier download does not take that one's place."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.grading.earlier import apart_from_earlier
from course_utils.instructor.grading.grading_run import GradingRun
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.grading.settling import settle
from course_utils.instructor.reports.class_list import read_class_list
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.results import (
    FULL,
    GRADED,
    UNREADABLE,
    ExerciseResult,
    SubmissionResult,
    read_results,
    write_result,
)


class Book:
    """A folder of results, into which downloads are graded one after the other."""

    def __init__(self, out):
        (out / "results").mkdir(parents=True)
        (out / "work").mkdir()
        (out / "work" / "code").write_text("code", "ascii")
        self.run = GradingRun(out / "work", out, Settings(seed=1))
        self.run.__dict__["skeletons"] = {}

    def grade(self, path, files):
        """Grade files, by name their lecture and content; return the names they get."""
        found = [
            Submission(
                name,
                lecture=lecture,
                cells=(StudentCell(content),),
                reason="" if lecture else "damaged",
            )
            for name, (lecture, content) in files.items()
        ]
        named = settle(self.run, apart_from_earlier(self.run, found, [path]), {}, [path])
        for one in named:
            write_result(self.run.results, self.result(one))
        return [one.file for one in named]

    def result(self, one):
        exercise = ExerciseResult(f"{one.lecture}.1", one.cells[0].source, 4, 4, FULL)
        return SubmissionResult(
            one.student,
            one.lecture,
            one.file,
            self.run.fingerprint(one),
            UNREADABLE if one.reason else GRADED,
            one.reason,
            exercises=() if one.reason else (exercise,),
            person=one.person,
        )

    @property
    def totals(self):
        """Return the total of each student."""
        students = students_of(read_results(self.run.results), read_class_list(self.run.out))
        return [(student.name, student.total) for student in students]

    @property
    def contents(self):
        """Return what was graded."""
        found = read_results(self.run.results)
        return sorted(r.exercises[0].title for r in found if r.is_graded)


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path / "book")


WEEK_1 = {"alice.ipynb": ("02", "a1"), "bob.ipynb": ("02", "b1")}
WEEK_2 = {"alice.ipynb": ("03", "a2"), "bob.ipynb": ("03", "b2")}


@pytest.mark.parametrize("second", ["/week2", "/week1"])
def test_the_next_week_is_another_column(book, second):
    assert book.grade(Path("/week1"), WEEK_1) == ["alice.ipynb", "bob.ipynb"]
    for _ in range(2):  # also when it is graded again
        assert book.grade(Path(second), WEEK_2) == ["alice (2).ipynb", "bob (2).ipynb"]
        assert book.totals == [("alice", 8), ("bob", 8)]


def test_one_that_is_handed_in_again_at_its_place_is_graded_anew(book):
    book.grade(Path("/week1"), WEEK_1)
    assert book.grade(Path("/week1"), {"alice.ipynb": ("02", "better")}) == ["alice.ipynb"]
    assert book.contents == ["b1", "better"]


def test_one_that_is_moved_is_the_same(book):
    book.grade(Path("/week1"), WEEK_1)
    assert book.grade(Path("/moved"), WEEK_1) == ["alice.ipynb", "bob.ipynb"]
    assert book.grade(Path("/moved"), {"alice.ipynb": ("02", "better")}) == ["alice.ipynb"]


def test_two_sections_with_an_alice_each_have_two(book):
    book.grade(Path("/section A"), WEEK_1)
    book.grade(Path("/section B"), {"alice.ipynb": ("02", "another")})
    assert book.contents == ["a1", "another", "b1"]
    assert [name for name, _ in book.totals] == ["alice", "alice", "bob"]


def test_a_damaged_file_takes_no_points_away(book):
    book.grade(Path("/week1"), WEEK_1)
    book.grade(Path("/week2"), WEEK_2 | {"alice.ipynb": ("", "")})
    assert book.contents == ["a1", "b1", "b2"]
    assert sorted(book.totals, key=str) == [("alice", 4), ("alice", None), ("bob", 8)]


def test_a_numbered_name_is_no_others(book):
    book.grade(Path("/week1"), {"alice.ipynb": ("02", "a1")})
    two = {"alice.ipynb": ("03", "a2"), "alice (2).ipynb": ("05", "a3")}
    assert book.grade(Path("/week2"), two) == ["alice (3).ipynb", "alice (2).ipynb"]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a.ipynb", "a (2).ipynb", "x/a.ipynb", "b.ipynb의 사본", "c"]),
            st.tuples(st.sampled_from(["02", "03"]), st.sampled_from(["p", "q", "r"])),
        ),
        max_size=4,
    )
)
def test_no_download_takes_anything_from_another(tmp_path_factory, downloads):
    book = Book(tmp_path_factory.mktemp("book") / "book")
    wanted = set()
    for number, files in enumerate(downloads):
        names = book.grade(Path(f"/{number}"), files)
        assert len(set(names)) == len(files)
        wanted |= {content for _, content in files.values()}
        assert wanted == set(book.contents)
        assert book.grade(Path(f"/{number}"), files) == names
