"""Students and their kernels get everything but `instructor`: also what is new there."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import course_utils
from course_utils.instructor import package
from course_utils.instructor.release.edition import write_tree
from course_utils.instructor.sandbox.course_copy import make_course_copy

SECRET = "a module that only instructors may have"


@pytest.fixture
def grown(tmp_path, monkeypatch):
    """Let the course have a new module in `instructor`, and one beside it."""
    source = tmp_path / "source" / "course_utils"
    shutil.copytree(Path(course_utils.__file__).parent, source)
    for room in (source / "instructor", source / "instructor" / "grading"):
        (room / "new.py").write_text(f'"""{SECRET}"""')
    (source / "data" / "new.py").write_text('"""A module for all."""')
    fake = SimpleNamespace(__file__=str(source / "__init__.py"))
    monkeypatch.setattr(package, "course_utils", fake)
    return tmp_path


@pytest.mark.parametrize("made", ["edition", "kernel's copy"])
def test_a_module_of_the_instructors_is_nowhere(grown, made):
    target = grown / "target"
    target.mkdir()
    if made == "edition":
        write_tree(target, [], "ada/course", "main")
    else:
        make_course_copy(target)
    assert (target / "course_utils" / "data" / "new.py").is_file()
    assert not (target / "course_utils" / "instructor").exists()
    texts = [path for path in target.rglob("*") if path.is_file()]
    assert not [path for path in texts if SECRET.encode() in path.read_bytes()]
    got = {path.name for path in (target / "course_utils").iterdir()}
    have = {path.name for path in (grown / "source" / "course_utils").iterdir()}
    assert have - got == {"instructor"} | ({"__pycache__"} & have)
