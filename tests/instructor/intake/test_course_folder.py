"""A copy of the course that is handed in is one submission: the course's own files are known."""

import json
from collections import Counter
from functools import cache

import pytest
from reader import GOOD, read, zipped

from course_utils.exercises.questions import FOLDER
from course_utils.instructor.answers.skeleton import read_skeleton
from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.intake.course_folder import (
    copies,
    is_own,
    is_untouched,
    own_files,
    without_unworked,
)
from course_utils.instructor.release import edition
from course_utils.instructor.release.stubs import student_notebook
from course_utils.lectures import all_lectures
from course_utils.runtime import project_root

OWN, UNTOUCHED = "the course's own files", "untouched lectures"
LECTURES = {lecture.id: lecture.path for lecture in all_lectures()}
SKELETONS = {number: read_skeleton(LECTURES[number]) for number in ("02", "03")}
SOLVED = LECTURES["02"].read_bytes()


@cache
def unsolved(number):
    """Return a lecture as students get it."""
    import nbformat

    notebook = student_notebook(nbformat.read(LECTURES[number], as_version=4))
    return nbformat.writes(notebook).encode()


def course(**more):
    """Return some files of the course as they lie in its folder, lectures unsolved, and more."""
    root = project_root()
    names = ["README.md", "Makefile", "course_utils/__init__.py", "course_utils/models/vgg.py"]
    names += ["data/README.md", "tests/conftest.py", "benchmarks/knn.py"]
    files = {name: (root / name).read_bytes() for name in names if (root / name).is_file()}
    files |= {f"notebooks/{LECTURES[n].name}": unsolved(n) for n in SKELETONS}
    return files | {name.replace("__", "/").replace("_DOT_", "."): c for name, c in more.items()}


def placed(files, folder):
    return {f"{folder}/{name}": content for name, content in files.items()}


def read_zip(tmp_path, files):
    """Return the submissions in a zip with their reasons, and what was passed over."""
    (tmp_path / "class.zip").write_bytes(zipped(files))
    passed_over = Counter()
    found = read([tmp_path / "class.zip"], passed_over, SKELETONS)
    assert len(found) + passed_over.total() == len(files)
    return {s.file.removeprefix("class.zip/"): s.reason for s in found}, passed_over


SOLVED_02 = {"notebooks/02_convolution.ipynb": SOLVED}


@pytest.mark.parametrize("place", ["alice", "alice/course", "class/alice/my course/x"])
def test_a_course_folder_is_one_submission(tmp_path, place):
    files = placed(course() | SOLVED_02, place)
    found, passed_over = read_zip(tmp_path, files)
    assert found == {f"{place}/notebooks/02_convolution.ipynb": ""}
    assert passed_over == {OWN: len(files) - 2, UNTOUCHED: 1}


def test_a_zip_that_is_the_course_itself_is_one_submission(tmp_path):
    found, _ = read_zip(tmp_path, course() | SOLVED_02)
    assert found == {"notebooks/02_convolution.ipynb": ""}


def test_a_folder_and_a_zip_in_a_zip_are_told_apart(tmp_path):
    for name in ("alice", "bob"):
        for file, content in (course() | SOLVED_02).items():
            path = tmp_path / "class" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    inner = zipped(placed(course() | SOLVED_02, "course"))
    (tmp_path / "class" / "all.zip").write_bytes(zipped({"carol.zip": inner}))
    passed_over = Counter()
    found = [s.file for s in read([tmp_path / "class"], passed_over, SKELETONS)]
    assert found == [
        "alice/notebooks/02_convolution.ipynb",
        "all.zip/carol.zip/course/notebooks/02_convolution.ipynb",
        "bob/notebooks/02_convolution.ipynb",
    ]
    assert passed_over[UNTOUCHED] == 3


def test_what_is_not_the_courses_stays(tmp_path):
    more = {"course_utils/helper.py": b"x", "report.pdf": b"%PDF", "notes/README.md": b"x"}
    found, _ = read_zip(tmp_path, placed(course() | SOLVED_02 | more, "alice"))
    assert set(found) == {f"alice/{name}" for name in {**more, **SOLVED_02}}


def test_an_untouched_lecture_elsewhere_is_a_submission(tmp_path):
    """Only where the course has it, it may be what the student did not work on."""
    elsewhere = {"notebooks/02_convolution_alice.ipynb": unsolved("02"), "x/02.ipynb": SOLVED}
    found, passed_over = read_zip(tmp_path, placed(course(), "alice") | placed(elsewhere, "alice"))
    assert set(found) == {f"alice/{name}" for name in elsewhere}
    assert passed_over[UNTOUCHED] == 2
    found, passed_over = read_zip(tmp_path, {"ada/02_convolution.ipynb": unsolved("02")})
    assert list(found) == ["ada/02_convolution.ipynb"]


def test_if_nothing_was_touched_all_lectures_count(tmp_path):
    found, passed_over = read_zip(tmp_path, placed(course(), "alice"))
    assert set(found) == {f"alice/notebooks/{LECTURES[n].name}" for n in SKELETONS}
    assert UNTOUCHED not in passed_over


def test_an_untouched_course_counts_where_others_worked(tmp_path):
    """Otherwise one student who did nothing makes all the course's lectures the class's."""
    files = placed(course(), "class/ann") | placed(course() | SOLVED_02, "class/bob")
    (tmp_path / "all.zip").write_bytes(zipped(files))
    passed_over = Counter()
    found = read([tmp_path / "all.zip"], passed_over, SKELETONS)
    before = len(found) + passed_over.total()
    left = without_unworked(found, passed_over)
    notebooks = f"notebooks/{LECTURES['02'].name}"
    assert [one.file for one in left] == [
        f"all.zip/class/{who}/{notebooks}" for who in ("ann", "bob")
    ]
    assert len(left) + passed_over.total() == before
    other = Submission("all.zip/class/cy/05.ipynb", lecture="05")
    (ann, *_) = [one for one in found if "/ann/" in one.file and one.lecture == "02"]
    assert without_unworked([ann, other], Counter()) == [ann, other]
    assert without_unworked([ann], Counter()) == [ann]


def test_a_damaged_lecture_is_not_untouched(tmp_path):
    damaged = {"notebooks/02_convolution.ipynb": SOLVED[:1000]}
    found, passed_over = read_zip(tmp_path, placed(course() | damaged, "alice"))
    assert list(found) == ["alice/notebooks/02_convolution.ipynb"]
    assert passed_over[UNTOUCHED] == 1


def test_a_course_without_notebooks_is_listed(tmp_path):
    code = {name: c for name, c in course().items() if not name.startswith("notebooks")}
    (tmp_path / "class.zip").write_bytes(zipped(placed(code, "alice") | {"bob/02.ipynb": GOOD}))
    passed_over = Counter()
    found = {s.file: s.reason for s in read([tmp_path / "class.zip"], passed_over, SKELETONS)}
    assert found == {
        "class.zip/alice": "it is the course without a notebook: hand in the .ipynb file",
        "class.zip/bob/02.ipynb": "",
    }
    assert passed_over == {OWN: len(code)}


def test_a_students_edition_is_known(tmp_path, monkeypatch):
    def store_questions(folder):  # making them takes long
        folder.mkdir()
        (folder / "02.json.gz").write_bytes(b"")

    monkeypatch.setattr(edition, "store_questions", store_questions)
    edition.release(tmp_path / "class" / "alice", numbers=["02", "03"])
    solved = tmp_path / "class" / "alice" / "notebooks" / "02_convolution.ipynb"
    solved.write_bytes(SOLVED)
    passed_over = Counter()
    found = [s.file for s in read([tmp_path / "class"], passed_over, SKELETONS)]
    assert found == ["alice/notebooks/02_convolution.ipynb"]
    assert set(passed_over) == {OWN, UNTOUCHED, "hidden files"}


def test_copies_are_found_by_what_they_hold():
    assert copies(["a/course_utils/x.py", "a/notebooks/y.ipynb", "b/02.ipynb"]) == {"a"}
    assert copies(["a/notebooks/02.ipynb", "b/notebooks/02.ipynb"]) == set()
    assert copies(["course_utils/__init__.py", "README.md", "02.ipynb"]) == {""}
    assert copies(["course_utils/mine.py", "a.py", "02.ipynb"]) == set()
    assert copies(["a/notebooks/x.ipynb", "a/README.md", "a/report.pdf"]) == set()
    assert copies(["a/notebooks/x.ipynb", "a/README.md", "a/Makefile"]) == {"a"}
    nested = ["a/course_utils/x", "a/notebooks/x", "a/b/course_utils/x", "a/b/notebooks/x"]
    assert copies(nested) == {"a", "a/b"}


def test_own_files_are_those_of_the_course():
    assert {"README.md", "course_utils/__init__.py", "data/README.md"} <= own_files()
    assert not [name for name in own_files() if name.endswith(".ipynb")]
    assert {path.name for path in project_root().iterdir() if path.is_file()} - own_files() <= {
        ".git",  # of a work tree
        ".gitignore",
    }
    stored = (FOLDER / "02.json.gz").relative_to(project_root()).as_posix()
    for name in (stored, "data/cache/photos/x.png", "tests/conftest.py"):
        assert is_own(f"alice/{name}", {"alice"})
        assert not is_own(f"alice/{name}", {"bob", ""})


# --- untouched -----------------------------------------------------------------------------------


def submission(content):
    from course_utils.instructor.intake.notebook_file import read_notebook

    return read_notebook(content, "a.ipynb")


@pytest.mark.parametrize("number", LECTURES)
def test_every_lecture_is_untouched_as_it_is_handed_out(number):
    skeleton = read_skeleton(LECTURES[number])
    assert is_untouched(submission(unsolved(number)), {number: skeleton})
    if skeleton.answers:
        assert not is_untouched(submission(LECTURES[number].read_bytes()), {number: skeleton})


def with_cell(source, **output):
    """Return an unsolved lecture with one more cell."""
    notebook = json.loads(unsolved("02"))
    cell = {"cell_type": "code", "source": source, "metadata": {}, "id": "added"} | output
    notebook["cells"].append(cell)
    return json.dumps(notebook).encode()


@pytest.mark.parametrize(
    "source",
    [
        "def size_after(*sizes):\n    return 3",
        "size_after = lambda *sizes: 3",
        "from answers import size_after",
        "from answers import *",
        "def size_after(:",
        "exec('def size_after(): pass')",
    ],
)
def test_work_in_a_cell_beside_the_stub_is_a_touch(source):
    assert not is_untouched(submission(with_cell(source)), SKELETONS)


def test_a_stub_with_work_above_its_raise_is_touched():
    notebook = json.loads(unsolved("02"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        cell["source"] = source.replace("    raise NotImpl", "    n = 1\n    raise NotImpl")
    assert not is_untouched(submission(json.dumps(notebook).encode()), SKELETONS)


def test_points_that_a_check_printed_are_a_touch():
    for points, touched in (("4", True), ("0", False)):
        output = {"output_type": "stream", "text": f"02.1 f: {points}/4 points"}
        found = submission(with_cell("x = 1", outputs=[output]))
        assert is_untouched(found, SKELETONS) is not touched


def test_looking_around_is_no_touch():
    cells = with_cell("print(3)\nsize_after\nother = 4")
    assert is_untouched(submission(cells), SKELETONS)
    assert StudentCell("print(3)\nsize_after\nother = 4", "", ("added",)) in submission(cells).cells
