"""Whatever is handed in becomes a submission: readable, or with the reason why not."""

import io
import json
import zipfile
from itertools import islice
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.instructor.grading import reading
from course_utils.instructor.grading.intake import (
    Intake,
    Unreadable,
    read_notebook,
    settled,
)
from course_utils.instructor.grading.skeleton import Skeleton
from course_utils.instructor.grading.students import student_names
from course_utils.instructor.grading.submission import Submission

GOOD = nbformat.writes(
    new_notebook(
        cells=[new_markdown_cell("# Title"), new_code_cell("a = 1\nb = 2")],
        metadata={"course": {"id": "02", "version": "abc"}},
    )
).encode()


class Here:
    """A clerk that works in this process."""

    phase = "reading"

    def __init__(self, skeletons):
        self.skeletons = skeletons

    def ask(self, what, path, start, broken):
        entries = Intake(lambda name: None, broken).entries(Path(path))
        for entry in islice(entries, start, None):
            yield settled(entry.read(), self.skeletons).as_json()


def read_submissions(paths, skeletons):
    return reading.read_submissions(paths, Here(skeletons))


def change(**parts):
    return json.dumps(json.loads(GOOD) | parts).encode()


def test_code_cells_and_lecture_are_read():
    found = read_notebook(GOOD, "a.ipynb")
    assert [cell.source for cell in found.cells] == ["a = 1\nb = 2"]
    assert (found.lecture, found.version, found.reason) == ("02", "abc", "")


def test_a_submission_survives_its_json():
    import dataclasses

    found = read_notebook(GOOD, "a.ipynb")
    assert Submission.from_json(json.dumps(dataclasses.asdict(found))) == found


def test_format_3_is_read():
    cells = [{"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python"}]
    old = json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}).encode()
    assert read_notebook(old, "a.ipynb").cells[0].source == "x = 1\ny = 2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\x80\x81", "not JSON"),
        (GOOD[:100], "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "JSON of another kind"),
        (b'{"cells": []}', "JSON of another kind"),
        (change(nbformat=5), "format 5 is unknown"),
        (change(nbformat="4"), "format 4 is unknown"),
        (change(metadata={"kernelspec": {"language": "R"}}), "language is R"),
        (change(metadata={"language_info": {"name": "julia"}}), "language is julia"),
        (change(cells=[{"cell_type": "code", "source": "x" * 2_000_000}]), "more than 1 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_what_cannot_be_read_says_why(content, reason):
    with pytest.raises(Unreadable, match=reason):
        read_notebook(content, "a.ipynb")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["metadata", "cells", "worksheets"]), junk), junk)
def test_any_notebook_is_read_or_refused(parts, cell):
    parts.setdefault("cells", [{"cell_type": "code", "source": cell, "metadata": cell, "id": cell}])
    for version in (3, 4):
        try:
            found = read_notebook(json.dumps(parts | {"nbformat": version}).encode(), "a.ipynb")
        except Unreadable:
            continue
        assert all(isinstance(c.source, str) for c in found.cells)


def read(paths):
    """Return what is handed in at ``paths``, where 02 is the only lecture."""
    return list(read_submissions(paths, {"02": Skeleton("02", "v", ())}))


def archive(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in files.items():
            out.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def test_folders_and_zips_are_walked_and_debris_is_not(tmp_path):
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "02_convolution.ipynb").write_bytes(GOOD)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "x.ipynb").write_bytes(GOOD)
    (tmp_path / "notes.txt").write_text("none of this")
    (tmp_path / "bob.pdf").write_bytes(b"%PDF")
    inner = archive(**{"carol__02_convolution.ipynb": GOOD})
    zipped = archive(
        **{"dave__02_convolution.ipynb": GOOD, "more.zip": inner, "MACOSX__x": b""},
        **{"broken.ipynb": b"no"},
    )
    (tmp_path / "class.zip").write_bytes(zipped)
    found = {s.file: bool(s.reason) for s in read([tmp_path])}
    assert found == {
        "alice/02_convolution.ipynb": False,
        "bob.pdf": True,
        "class.zip/broken.ipynb": True,
        "class.zip/dave/02_convolution.ipynb": False,
        "class.zip/more.zip/carol/02_convolution.ipynb": False,
    }


def test_a_damaged_zip_is_one_unreadable_submission(tmp_path):
    (tmp_path / "class.zip").write_bytes(b"PK nonsense")
    (found,) = read([tmp_path / "class.zip"])
    assert "zip" in found.reason


def test_a_damaged_entry_costs_only_itself(tmp_path):
    content = bytearray(archive(**{"a.ipynb": GOOD, "b.ipynb": GOOD}))
    place = content.index(b"a = 1")
    content[place] ^= 255
    (tmp_path / "class.zip").write_bytes(content)
    first, second = read([tmp_path / "class.zip"])
    assert "cannot be unpacked" in first.reason
    assert second.cells


def test_equal_names_stay_apart(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.ipynb").write_bytes(GOOD)
    found = [s.file for s in read([tmp_path / "one", tmp_path / "two"])]
    assert found == ["a.ipynb", "a.ipynb (2)"]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*nothing\.ipynb"):
        read([tmp_path / "nothing.ipynb"])


@pytest.mark.parametrize(
    ("file", "student"),
    [
        ("Jane Doe_4711_assignsubmission_file_/02_convolution.ipynb", "Jane Doe"),
        ("Jane Doe_4711_assignsubmission_file_02_convolution.ipynb", "Jane Doe"),
        ("doejane_12345_678901_02_convolution.ipynb", "doejane"),
        ("doejane_LATE_12345_678901_02_convolution-1.ipynb", "doejane"),
        ("Lab 2_jdoe7_attempt_2026-10-01-12-00-00_02_convolution.ipynb", "jdoe7"),
        ("submitted/alice/02_convolution/02_convolution.ipynb", "alice"),
        ("class.zip/alice/02_convolution (1).ipynb", "alice"),
        ("alice_02_convolution.ipynb", "alice"),
        ("van der Berg 02.ipynb", "van der Berg"),
        ("alice.ipynb", "alice"),
        ("alice (2).ipynb", "alice"),
        ("group_12_02_convolution.ipynb", "group_12"),
        ("group-12.ipynb", "group-12"),
        ("student_13_02.ipynb", "student_13"),
        ("02_convolution.ipynb", "02_convolution"),
    ],
)
def test_the_student_is_found_in_the_name(file, student):
    assert student_names({file: "02"}) == {file: student}


@pytest.mark.parametrize(
    ("file", "student"),
    [("bob_02_convolution.ipynb", "bob"), ("student_12.ipynb", "student_12")],
)
def test_without_a_known_lecture_only_a_title_is_cut_off(file, student):
    assert student_names({file: ""}) == {file: student}


def test_files_that_are_called_alike_belong_to_their_folders():
    files = ["alice/homework.ipynb", "bob/homework.ipynb", "carol/mine.ipynb"]
    assert list(student_names(dict.fromkeys(files, "")).values()) == ["alice", "bob", "mine"]
