"""`make test-quick` takes the tests that are nearest to a change, as many as there is time for."""

import subprocess

import pytest
import quick
from quick import COURSE, TESTS, fitting, nearest_first


@pytest.mark.parametrize(
    ("changed", "first", "later"),
    [
        ("course_utils/data/loaders.py", "data/test_data_loaders.py", "data/test_data_types.py"),
        (
            "course_utils/instructor/grading/clerk.py",
            "instructor/grading/test_clerk.py",
            "submissions/test_cluster.py",
        ),
        ("tests/submissions/corpus.py", "submissions/test_submissions.py", None),
        ("course_utils/instructor/site/explore/vit.js", "instructor/site/test_explore.py", None),
        ("notebooks/02_convolution.ipynb", "../notebooks/02_convolution.ipynb", None),
    ],
)
def test_the_nearest_come_first(changed, first, later):
    files = nearest_first({COURSE / changed})
    place = files.index((TESTS / first).resolve())
    assert place < 12
    assert later is None or place < files.index(TESTS / later)


def test_a_test_that_was_changed_is_among_the_first_and_one_that_was_removed_is_not():
    here, removed = TESTS / "test_quick.py", TESTS / "test_no_more.py"
    assert set(nearest_first({here, removed})) == {here, quick.RULES}


def test_files_are_taken_while_there_is_time():
    files = [COURSE / name for name in ("a", "b", "c", "d")]
    seconds = {"a": 30, "b": 40, "c": 9}
    assert fitting(files, seconds, 40) == ([files[0], files[2], files[3]], [files[1]])


def test_what_has_changed_is_what_differs_from_main(tmp_path, monkeypatch):
    def git(*arguments):
        named = ("-c", "user.name=T", "-c", "user.email=t@example.org")
        subprocess.run(["git", "-C", tmp_path, *named, *arguments], check=True)

    git("init", "--quiet", "--initial-branch=main")
    for name in ("kept", "committed", "edited"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message=One")
    git("checkout", "--quiet", "-b", "work")
    (tmp_path / "committed").write_text("2")
    git("commit", "--quiet", "--all", "--message=Two")
    (tmp_path / "edited").write_text("2")
    (tmp_path / "new").write_text("1")
    monkeypatch.setattr(quick, "COURSE", tmp_path)
    assert {path.name for path in quick.changed_files()} == {"committed", "edited", "new"}
