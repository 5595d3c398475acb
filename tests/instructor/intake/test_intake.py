"""Whatever is handed in becomes a submission: readable, or with the reason why not."""

import io
import json
import os
import stat
import zipfile
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader import GOOD, ONE_LECTURE, Here, read, tarred, zipped, zipped_raw

from course_utils.instructor.answers.submission import NOTEBOOK, OTHER, SCRATCH, Submission
from course_utils.instructor.grading import reading
from course_utils.instructor.grading.clerk import Ended, Stopped
from course_utils.instructor.intake import folders, gradescope
from course_utils.instructor.intake.intake import Intake
from course_utils.instructor.people.platforms import record_of
from course_utils.instructor.reports.writing import write_class


def test_folders_and_zips_are_walked_and_debris_is_not(tmp_path):
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "02_convolution.ipynb").write_bytes(GOOD)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "x.ipynb").write_bytes(GOOD)
    (tmp_path / "notes.txt").write_text("some of this")
    (tmp_path / "bob.pdf").write_bytes(b"%PDF")
    inner = zipped({"carol/02_convolution.ipynb": GOOD})
    files = {"dave/02_convolution.ipynb": GOOD, "more.zip": inner, "__MACOSX/x": b""}
    (tmp_path / "class.zip").write_bytes(zipped(files | {"broken.ipynb": b"no"}))
    passed_over = Counter()
    found = {s.file: bool(s.reason) for s in read([tmp_path], passed_over)}
    assert found == {
        "alice/02_convolution.ipynb": False,
        "bob.pdf": True,
        "notes.txt": True,
        "class.zip/broken.ipynb": True,
        "class.zip/dave/02_convolution.ipynb": False,
        "class.zip/more.zip/carol/02_convolution.ipynb": False,
    }
    assert passed_over == {"system files": 2}


# --- files seen = submissions + passed over ------------------------------------------------------

FILES = st.sampled_from(
    ["a.ipynb", "02_convolution.ipynb", "x.ipynb.txt", "notes.txt", "x.png", "README.md", "noext"]
    + [".DS_Store", "._a.ipynb", ".a.ipynb", ".ipynb", "class.html", "__init__.py", "a.7z"]
)
FOLDERS = st.sampled_from(
    ["alice", "김민수", "course_utils", "notebooks", "results", "data", "__MACOSX", ".git", "venv"]
)
ARCHIVES = st.sampled_from(["b.zip", "C.ZIP", "d.tar", "e.tar.gz", "f.tgz"])
CONTENTS = st.sampled_from([GOOD, b"", b"no", GOOD[:90], b"PK\x03\x04", b"<html>", b'{"cells": 3'])
TREES = st.recursive(
    st.dictionaries(FILES, CONTENTS, max_size=4),
    lambda below: st.builds(
        lambda *parts: {name: part for those in parts for name, part in those.items()},
        st.dictionaries(FILES, CONTENTS, max_size=3),
        st.dictionaries(FOLDERS, below, max_size=3),
        st.dictionaries(ARCHIVES, below, max_size=2),
    ),
    max_leaves=8,
)
ENDS = (".zip", ".tar", ".gz", ".tgz")


def packed(name, tree):
    """Return an archive of a tree, in the format of its name."""
    files = dict(flat(tree))
    if name.lower().endswith(".zip"):
        return zipped(files)
    return tarred(files, "w:gz" if name.endswith("gz") else "w")


def flat(tree, place=""):
    """Yield what a folder, or an archive, of a tree holds: names and contents."""
    for name, part in tree.items():
        if isinstance(part, bytes):
            yield place + name, part
        elif name.lower().endswith(ENDS):
            yield place + name, packed(name, part)
        else:
            yield from flat(part, f"{place}{name}/")


def leaves(tree, place="", depth=0):
    """Yield the name of each file of a tree, and True, and of each archive, and False."""
    for name, part in tree.items():
        if isinstance(part, bytes):
            yield place + name, True
        elif name.lower().endswith(ENDS):
            # What debris folders hold is not opened, nor an archive in three others.
            yield place + name, depth > 2 or is_debris(place)
            if depth <= 2 and not is_debris(place):
                yield from leaves(part, f"{place}{name}/", depth + 1)
        else:
            yield from leaves(part, f"{place}{name}/", depth)


def is_debris(place):
    return bool({"__MACOSX", ".git", "venv"} & {*place.split("/")})


def written(folder, tree):
    for name, content in flat(tree):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@given(TREES)
def test_every_file_is_a_submission_or_passed_over(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("class")
    written(folder, tree)
    (folder / "all.zip").write_bytes(zipped(dict(flat(tree))))
    files, archives = {}, {"all.zip"}
    for place, depth in (("", 0), ("all.zip/", 1)):
        for name, is_file in leaves(tree, place, depth):
            files[name] = is_file
    archives |= {name for name, is_file in files.items() if not is_file}
    expected = Counter(name for name, is_file in files.items() if is_file)
    entries = list(Intake(ONE_LECTURE).entries(folder))
    seen = Counter(entry.name for entry in entries)
    assert Counter({name: seen[name] for name in expected}) == expected
    beyond = set(seen) - set(expected)  # archives and copies of the course with nothing inside
    assert all(seen[name] == 1 for name in beyond)
    passed_over = Counter()
    found = read([folder], passed_over)
    assert len(found) + passed_over.total() == seen.total()
    assert not {s.file for s in found} - set(seen)
    for name in archives:  # and none of them is gone
        assert any(f"{s.file}/".startswith(f"{name}/") for s in found) or is_debris(name)
    assert all(name in archives or "course_utils" in str(tree) for name in beyond)


class Stall(BaseException):
    """Ends a clerk that works in this process."""


class Stalling(Here):
    """A clerk that stalls whenever it comes to one of some files."""

    def __init__(self, names):
        super().__init__(ONE_LECTURE)
        self.names = names

    def begin(self, name):
        self.phase = f"reading {name}"
        if name in self.names:
            raise Stall

    def ask(self, what, path, start, broken):
        try:
            entries = Intake(self.skeletons, self.begin, broken).entries(Path(path))
            for entry in islice(entries, start, None):
                self.begin(entry.name)
                yield entry.read().as_json()
        except Stall:
            raise Stopped("stopped") from None


@given(TREES, st.data())
def test_files_that_stall_a_clerk_cost_themselves_alone(tmp_path_factory, tree, data):
    folder = tmp_path_factory.mktemp("class")
    written(folder, tree | {"course_utils": {"x.py": b""}})
    (folder / "all.zip").write_bytes(zipped(dict(flat(tree))))
    names = [s.file for s in read([folder])]
    files = [name for name in names if not name.lower().endswith(ENDS)]
    bad = data.draw(st.sets(st.sampled_from(files), max_size=3)) if files else set()
    passed_over, before = Counter(), Counter()
    read([folder], before)
    found = list(reading.read_submissions([folder], Stalling(bad), passed_over))
    assert {s.file for s in found if s.reason == "stopped"} == bad
    # A lecture that stalls is no untouched one: then others may be passed over as untouched.
    assert {s.file for s in found} <= set(names)
    assert len(found) + passed_over.total() == len(names) + before.total()


@given(st.lists(st.text(max_size=12), max_size=6), st.sampled_from([zipped, tarred]))
def test_entries_of_any_name_are_all_there(tmp_path_factory, names, pack):
    names = [name for name in dict.fromkeys(n.replace("\0", "") for n in names) if name]
    names = [n.encode("utf-8", "ignore").decode() for n in names if not n.endswith(("/", "\\"))]
    path = tmp_path_factory.mktemp("class") / "class.zip"
    try:
        content = pack({f"{name}x": GOOD for name in names})
    except ValueError:  # a name that this kind of archive cannot hold
        return
    path = path.with_suffix(".zip" if pack is zipped else ".tar")
    path.write_bytes(content)
    passed_over = Counter()
    found = read([path], passed_over)
    left = [s for s in found if s.file != path.name]  # a row of its own says that nothing was left
    assert len(left) + passed_over.total() == len({f"{name}x" for name in names})
    for submission in found:
        parts = submission.file.split("/")
        assert parts[0] == path.name
        assert not {"", ".", ".."} & set(parts)


# --- what cannot be read costs itself alone ------------------------------------------------------


def test_a_damaged_zip_is_one_unreadable_submission(tmp_path):
    (tmp_path / "class.zip").write_bytes(b"PK nonsense")
    (found,) = read([tmp_path / "class.zip"])
    assert "zip" in found.reason
    assert found.kind == OTHER


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_damaged_entry_costs_only_itself(tmp_path, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as out:
        for name in ("a.ipynb", "b.ipynb"):
            out.writestr(name, GOOD)
    content = bytearray(buffer.getvalue())
    for place in range(100, 160):
        content[place] ^= 0xA5
    (tmp_path / "class.zip").write_bytes(content)
    first, second = read([tmp_path / "class.zip"])
    assert "cannot be unpacked" in first.reason
    assert first.kind == NOTEBOOK
    assert second.cells


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=5))
def test_bits_that_flip_in_a_zip_stop_nothing(tmp_path_factory, flips):
    inner = zipped({"c.ipynb": GOOD})
    content = bytearray(zipped({"a.ipynb": GOOD, "b.ipynb": GOOD, "more.zip": inner}))
    for place, bits in flips:
        content[place % len(content)] ^= bits
    path = tmp_path_factory.mktemp("class") / "class.zip"
    path.write_bytes(content)
    passed_over = Counter()
    assert len(read([path], passed_over)) + passed_over.total() >= 1


@pytest.mark.parametrize(
    "problem",
    [KeyError("x"), RecursionError(), MemoryError(), NotImplementedError("method 99"), EOFError()],
    ids=repr,
)
def test_whatever_reading_raises_becomes_the_reason(tmp_path, monkeypatch, problem):
    for name in ("a.ipynb", "b.ipynb"):
        (tmp_path / name).write_bytes(GOOD)
    first = []

    def fails_once(content, name):
        if not first:
            first.append(name)
            raise problem
        return Submission(name, lecture="02")

    monkeypatch.setattr("course_utils.instructor.intake.notebook_file.read_notebook", fails_once)
    broken, good = read([tmp_path])
    assert broken.reason.startswith("it cannot be unpacked, or is damaged: ")
    assert good.reason == ""


def test_an_encrypted_entry_says_what_to_do(tmp_path):
    content = bytearray(zipped({"a.ipynb": GOOD}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "class.zip").write_bytes(content)
    (found,) = read([tmp_path / "class.zip"])
    assert found.reason == "it is encrypted: hand it in without a password"


def test_a_tar_that_is_damaged_inside_says_that_not_all_was_read(tmp_path):
    content = bytearray(tarred({"a.ipynb": GOOD, "b.ipynb": GOOD, "c.ipynb": GOOD}))
    content[content.index(b"b.ipynb")] ^= 255  # its header does not fit its sum
    (tmp_path / "class.tar").write_bytes(content)
    found = {s.file: s.reason for s in read([tmp_path / "class.tar"])}
    assert found == {
        "class.tar/a.ipynb": "",
        "class.tar/the rest of it": "the archive is damaged from here on: hand it in again",
    }


def test_archives_that_hold_too_much_are_refused(tmp_path, monkeypatch):
    (tmp_path / "many.zip").write_bytes(zipped({f"{n}.ipynb": b"" for n in range(6)}))
    (tmp_path / "many.tar").write_bytes(tarred({f"{n}.ipynb": b"" for n in range(7)}))
    monkeypatch.setattr(folders, "MAX_ENTRIES", 5)
    tar, whole = read([tmp_path])
    assert tar.reason == whole.reason == "there are more than 5 files in it"
    monkeypatch.setattr(folders, "MAX_ARCHIVE", -1)
    monkeypatch.setattr(folders, "MAX_ENTRIES", 50)
    assert {s.reason for s in read([tmp_path])} == {"it holds more than -1 MB"}


def test_an_archive_in_an_archive_is_unpacked_up_to_a_limit(tmp_path, monkeypatch):
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as out:
        out.writestr("eve.tar.gz", tarred({"a.ipynb": b"0" * 3_000_000}, "w:gz"))
        out.writestr("ada.zip", zipped({"a.ipynb": GOOD}))
    (tmp_path / "class.zip").write_bytes(outer.getvalue())
    monkeypatch.setattr(folders, "MAX_COPY", folders.MB)
    ada, eve = read([tmp_path / "class.zip"])
    assert (ada.file, ada.reason) == ("class.zip/ada.zip/a.ipynb", "")
    assert (eve.file, eve.reason) == ("class.zip/eve.tar.gz", "it holds more than 1 MB")


def test_archives_are_opened_in_two_others_and_no_deeper(tmp_path):
    content = GOOD
    for name in ("a.ipynb", "1.zip", "2.zip", "3.zip"):
        content = zipped({name: content, "beside.ipynb": GOOD})
    (tmp_path / "0.zip").write_bytes(content)
    found = {s.file: s.reason for s in read([tmp_path / "0.zip"])}
    assert found == {
        "0.zip/3.zip/2.zip/1.zip": "more than 2 archives in each other are not opened",
        "0.zip/3.zip/2.zip/beside.ipynb": "",
        "0.zip/3.zip/beside.ipynb": "",
        "0.zip/beside.ipynb": "",
    }


def test_an_archive_without_a_notebook_is_listed(tmp_path):
    (tmp_path / "empty.zip").write_bytes(zipped({}))
    (tmp_path / "mac.zip").write_bytes(zipped({"__MACOSX/._a.ipynb": b"", ".DS_Store": b""}))
    passed_over = Counter()
    found = {s.file: s.reason for s in read([tmp_path], passed_over)}
    assert found == {
        "empty.zip": "there is no file in it",
        "mac.zip": "there is no notebook in it: hand in the .ipynb file",
    }
    assert passed_over == {"system files": 2}


# --- links, and what cannot be entered -----------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="not on Windows: making links needs rights there")
def test_links_are_listed_and_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "02.ipynb").write_bytes(GOOD)
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "eve.ipynb").symlink_to(secret / "02.ipynb")
    (folder / "mallory").symlink_to(secret)
    os.mkfifo(folder / "trent.ipynb")
    inner = zipfile.ZipInfo("oscar.ipynb")
    inner.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "class.zip", "w") as out:
        out.writestr(inner, str(secret / "02.ipynb"))
    found = {s.file: (s.reason, s.kind) for s in read([folder])}
    assert found == {
        "class.zip/oscar.ipynb": (folders.LINK, NOTEBOOK),
        "eve.ipynb": (folders.LINK, NOTEBOOK),
        "mallory": (folders.LINK, OTHER),
        "trent.ipynb": (folders.LINK, NOTEBOOK),
    }


def test_a_folder_that_cannot_be_entered_is_listed(tmp_path, monkeypatch):
    for name in ("ada", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "02.ipynb").write_bytes(GOOD)
    real = os.scandir

    def scandir(path):
        if path.name == "bob":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(folders.os, "scandir", scandir)
    found = {s.file: s.reason for s in read([tmp_path])}
    assert found == {
        "ada/02.ipynb": "",
        "bob": "the folder cannot be opened: Permission denied",
    }


def test_a_file_that_must_not_be_read_is_listed(tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").write_bytes(GOOD)

    def refuses(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folders.Path, "open", refuses)
    (found,) = read([tmp_path])
    assert found.reason == "the file cannot be read: Permission denied"


# --- other kinds of files, and results -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("photo.png", b"\x89PNG", "a .png is not a notebook: hand in the .ipynb file"),
        ("link.url", b"[InternetShortcut]", "a .url is not a notebook"),
        ("report.docx", b"PK\x03\x04", "a .docx is not a notebook"),
        ("answers.py", b"a = 1", "a .py is not a notebook"),
        ("answers.txt", b"I could not open it", "a .txt is not a notebook"),
        ("table.json", b'{"name": 3}', "a .json is not a notebook"),
        ("all.7z", b"7z", "a .7z is not opened: hand in the .ipynb file, or a .zip with it"),
        ("all.rar", b"Rar!", "a .rar is not opened"),
        ("02.ipynb.gz", b"\x1f\x8b", "a .gz is not opened"),
        ("handed in", b"%PDF", "a PDF is not a notebook"),
        ("handed in", b"something", "this file is not a notebook"),
        ("my work v1. final of all finals", b"x", "this file is not a notebook"),
        ("02.ipynb - Colab.pdf", b"%PDF", "a .pdf is not a notebook"),
        ("onlinetext.html", b"<p>here is my work", "a web page, not the notebook"),
        ("picture.svg", b"<svg>", "a .svg is not a notebook"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_another_kind_says_what_to_hand_in(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    (found,) = read([tmp_path])
    assert found.reason.startswith(reason)
    assert found.kind == OTHER


def test_of_a_file_of_another_kind_only_the_beginning_is_read(tmp_path, monkeypatch):
    with (tmp_path / "video.mp4").open("wb") as file:
        file.truncate(10**12)  # no disk has room for what it says it is
    (found,) = read([tmp_path])
    assert found.reason.startswith("a .mp4 is not")


def test_another_notebook_is_told_from_one_of_the_course(tmp_path):
    cell = {"cell_type": "code", "source": "1 + 1", "metadata": {}, "outputs": []}
    (tmp_path / "scratch.ipynb").write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
    (found,) = read([tmp_path])
    # Here the only lecture has no exercise, and nothing can be like it.
    assert (found.kind, found.lecture) == (SCRATCH, "")
    assert "no lecture of this course" in found.reason


def test_a_notebook_without_cells_is_called_empty(tmp_path):
    (tmp_path / "ada_02.ipynb").write_bytes(b'{"nbformat": 4, "cells": []}')
    (found,) = read([tmp_path])
    assert (found.kind, found.reason) == (SCRATCH, "it is an empty notebook: it has no cells")


def results_of_a_grading(folder):
    write_class(folder, [])
    (folder / "results").mkdir()
    (folder / "results" / "a.json").write_text("{}")
    (folder / "feedback").mkdir()
    (folder / "feedback" / "ada.html").write_text("<html>")
    for name in ("seed", "lock", "junit.xml"):
        (folder / name).write_text("1")
    return sum(path.is_file() for path in folder.rglob("*"))


def test_results_are_no_submissions_wherever_they_lie(tmp_path):
    (tmp_path / "ada.ipynb").write_bytes(GOOD)
    count = 0
    for name in ("out", "older/out"):
        (tmp_path / name).mkdir(parents=True)
        count += results_of_a_grading(tmp_path / name)
    passed_over = Counter()
    (found,) = read([tmp_path], passed_over)
    assert found.file == "ada.ipynb"
    assert passed_over == {"the grader's own results": count}


def test_a_notebook_among_results_is_none_of_them(tmp_path):
    results_of_a_grading(tmp_path / "out")
    (tmp_path / "out" / "hand-ins").mkdir()
    (tmp_path / "out" / "hand-ins" / "ada.ipynb").write_bytes(GOOD)
    assert [s.file for s in read([tmp_path])] == ["out/hand-ins/ada.ipynb"]


def test_the_folder_of_this_grading_is_known_before_it_has_results(tmp_path):
    (tmp_path / "ada.ipynb").write_bytes(GOOD)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "seed").write_text("1")
    passed_over = Counter()
    assert [s.file for s in read([tmp_path], passed_over, out=tmp_path / "out")] == ["ada.ipynb"]
    assert passed_over == {"the grader's own results": 1}
    assert len(read([tmp_path])) == 2


def test_where_results_and_submissions_lie_together_only_the_results_are_passed_over(tmp_path):
    count = results_of_a_grading(tmp_path)
    (tmp_path / "ada.ipynb").write_bytes(GOOD)
    (tmp_path / "bob.pdf").write_bytes(b"%PDF")
    for out in (tmp_path, None):
        passed_over = Counter()
        found = [s.file for s in read([tmp_path], passed_over, out=out)]
        assert found == ["ada.ipynb", "bob.pdf"]
        assert passed_over == {"the grader's own results": count}


def test_what_was_made_of_results_is_none_of_the_submissions_either(tmp_path):
    results_of_a_grading(tmp_path)
    (tmp_path / "ada.ipynb").write_bytes(GOOD)
    (tmp_path / "overrides.csv").write_text("student,exercise,points,reason")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "canvas.csv").write_text("Student,ID")
    assert [s.file for s in read([tmp_path])] == ["ada.ipynb"]


def test_the_page_that_brightspace_puts_beside_folders_is_no_submission(tmp_path):
    folder = "12345-67890 - Jane Doe - Oct 1, 2026 1205 PM"
    files = {f"{folder}/02.ipynb": GOOD, f"{folder}/index.html": b"<p>hers", "index.html": b"<p>"}
    passed_over = Counter()
    (tmp_path / "lab.zip").write_bytes(zipped(files))
    found = {s.file for s in read([tmp_path / "lab.zip"], passed_over)}
    assert found == {f"lab.zip/{folder}/02.ipynb", f"lab.zip/{folder}/index.html"}
    assert passed_over == {"the learning platform's own pages": 1}
    (tmp_path / "lab.zip").write_bytes(zipped({"index.html": b"<p>", "jane/02.ipynb": GOOD}))
    assert len(read([tmp_path / "lab.zip"])) == 2


GRADESCOPE = """---
submission_33301:
  :submitters:
  - :name: Jane Doe
    :sid: 0471
    :email: jane@uni.edu
  :created_at: 2026-10-01 23:59:30.123456000 -07:00
  :results:
    :output: !ruby/object:Some "submission_33301: nothing"
submission_33302:
  :submitters:
  - :name: "B/o; Li"
    :sid: ''
    :email: bo@uni.edu
  - :name: Cy (he) Xu
    :sid: '4712'
    :email: cy@uni.edu
  :created_at: 2026-10-02 10:00:00 Z
  :history: *missing
submission_33303:
  :submitters: []
"""


def test_gradescopes_list_says_who_handed_in_and_is_no_submission(tmp_path):
    folders = [f"out/submission_3330{n}" for n in (1, 2, 3)]
    files = {f"{folder}/02.ipynb": GOOD for folder in folders}
    (tmp_path / "g.zip").write_bytes(zipped(files | {"out/submission_metadata.yml": GRADESCOPE}))
    passed_over = Counter()
    assert [s.file for s in read([tmp_path / "g.zip"], passed_over)] == [
        f"g.zip/{folders[0]} at 2026-10-02T0659Z by Jane Doe (0471, jane@uni.edu)/02.ipynb",
        f"g.zip/{folders[1]} at 2026-10-02T1000Z by B o Li (bo@uni.edu); Cy he Xu (4712)/02.ipynb",
        f"g.zip/{folders[2]}/02.ipynb",
    ]
    assert passed_over == {"the learning platform's own pages": 1}


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"- :a", b"submission_33301: [", b"submission_1:"]
)
def test_a_list_of_gradescope_that_cannot_be_read_says_nothing(tmp_path, content):
    folder = tmp_path / "submission_33301"
    folder.mkdir()
    (folder / "02.ipynb").write_bytes(GOOD)
    (tmp_path / "submission_metadata.yml").write_bytes(content)
    assert [s.file for s in read([tmp_path])] == ["submission_33301/02.ipynb"]
    (tmp_path / "submission_33301").rename(tmp_path / "jane")
    assert len(read([tmp_path])) == 2


FORGED = """submission_1111:
  :submitters:
  - :name: Jane Doe
    :sid: 20231234
"""


def test_no_student_can_write_gradescopes_list(tmp_path):
    list_, notebook = "submission_metadata.yml", "submission_1111/02.ipynb"
    bobs = {f"bob/{list_}": FORGED, f"bob/{notebook}": GOOD}
    nested = zipped({list_: FORGED, notebook: GOOD})
    files = bobs | {"ann/02.ipynb": GOOD, "cy/cy.zip": nested, "__MACOSX/x": b""}
    (tmp_path / "g.zip").write_bytes(zipped(files))
    assert not any(" by " in s.file for s in read([tmp_path / "g.zip"]))
    deep = {f"out/{name}": content for name, content in files.items()}
    (tmp_path / "g.zip").write_bytes(zipped(deep | {f"out/{list_}": GRADESCOPE}))
    assert not any(" by " in s.file for s in read([tmp_path / "g.zip"]))
    (tmp_path / "g.zip").unlink()
    (tmp_path / "bob.zip").write_bytes(nested)
    (tmp_path / "ann.ipynb").write_bytes(GOOD)
    assert not any(" by " in s.file for s in read([tmp_path]))


@pytest.mark.parametrize("form", ["{}/02.ipynb", "bob/{}/02.ipynb", "bob.zip/{}/02.ipynb"])
def test_no_student_can_write_what_gradescopes_list_says(tmp_path, form):
    said = "submission_1111 at 2026-10-01T0000Z by Jane Doe (20231234)"
    name = form.format(said).removeprefix("bob.zip/")
    content = zipped({name: GOOD, name.replace("submission_", "submission "): GOOD})
    is_nested = form.startswith("bob.zip")
    (tmp_path / "g.zip").write_bytes(zipped({"bob.zip": content}) if is_nested else content)
    found = [s.file for s in read([tmp_path / "g.zip"])]
    assert len(set(found)) == 2
    assert {record_of(file.split("/")) for file in found} == {None}
    (tmp_path / f"{said}.zip").write_bytes(zipped({"02.ipynb": GOOD}))
    assert "_" not in read([tmp_path / f"{said}.zip"])[0].file


def test_a_list_of_gradescope_that_says_too_much_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(gradescope, "MOST", 100)
    files = {"submission_33301/02.ipynb": GOOD, "submission_metadata.yml": GRADESCOPE}
    (tmp_path / "g.zip").write_bytes(zipped(files))
    assert [s.file for s in read([tmp_path / "g.zip"])] == ["g.zip/submission_33301/02.ipynb"]


# --- names of files ------------------------------------------------------------------------------


def test_equal_names_are_told_apart_by_their_folders(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.ipynb", f"{folder}.ipynb"):
            (tmp_path / folder / name).write_bytes(GOOD)
    found = [s.file for s in read([tmp_path / "one", tmp_path / "two"])]
    assert found == ["one/a.ipynb", "one.ipynb", "two/a.ipynb", "two.ipynb"]
    found = [s.file for s in read([tmp_path / "one" / "a.ipynb", tmp_path / "two" / "a.ipynb"])]
    assert found == ["one/a.ipynb", "two/a.ipynb"]


def test_equal_names_in_equal_folders_are_numbered(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "class").mkdir(parents=True)
        (tmp_path / place / "class" / "a.ipynb").write_bytes(GOOD)
    found = [s.file for s in read([tmp_path / "one" / "class", tmp_path / "two" / "class"])]
    assert found == ["class/a.ipynb", "class/a (2).ipynb"]


def test_two_entries_of_one_name_are_both_there(tmp_path):
    (tmp_path / "class.zip").write_bytes(zipped_raw([b"a.ipynb", b"./a.ipynb", b"a.ipynb"]))
    found = [s.file for s in read([tmp_path / "class.zip"]) if not s.reason]
    assert found == [f"class.zip/a{number}.ipynb" for number in (" (2)", " (3)", "")]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*nothing\.ipynb"):
        read([tmp_path / "nothing.ipynb"])


# --- a clerk that stops --------------------------------------------------------------------------


class Stops:
    """A clerk that stops at some of its files, and between some."""

    def __init__(self, steps):
        self.steps, self.phase, self.asked = steps, "", []

    def ask(self, what, path, start, broken):
        self.asked.append((start, tuple(broken)))
        left = [step for step in self.steps if step not in broken][start:]
        for step in left:
            if step == "-":
                self.phase = "reading"
                raise Ended("the process that works on it ended while reading")
            if step.strip().startswith("bad"):
                self.phase = f"reading {step}"
                raise Stopped(f"stopped while {self.phase}: more than 60 s")
            yield Submission(step, reason="x").as_json()


def test_a_file_that_stalls_its_reader_is_left_out_the_next_time(tmp_path):
    clerk = Stops(["a", "bad.ipynb", "b", " bad.zip", "bad.zip", "c"])
    found = list(reading.read_submissions([tmp_path], clerk))
    assert [s.file for s in found] == ["a", "bad.ipynb", "b", " bad.zip", "bad.zip", "c"]
    broken = ["bad.ipynb", " bad.zip", "bad.zip"]
    assert clerk.asked == [
        (start, tuple(broken[:count])) for count, start in enumerate((0, 1, 2, 2))
    ]
    assert [s.kind for s in found if "bad" in s.file] == [NOTEBOOK, OTHER, OTHER]


def test_a_clerk_that_ends_between_two_files_goes_on_once(tmp_path):
    clerk = Stops(["a", "-", "b"])
    found = list(reading.read_submissions([tmp_path], clerk))
    assert [s.file for s in found] == ["a", tmp_path.name]
    assert clerk.asked == [(0, ()), (1, ())]
    assert found[1].reason.endswith("Nothing that follows in it was read")
