"""A notebook is read from any editor, under any name; any other content says what it is."""

import dataclasses
import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader import GOOD, change, read

from course_utils.exercises import get_exercise
from course_utils.exercises.core import Score
from course_utils.instructor.answers.submission import NOTEBOOK, OTHER, Submission, Unreadable
from course_utils.instructor.intake import notebook_file
from course_utils.instructor.intake.notebook_file import is_named_as_notebook, read_notebook
from course_utils.instructor.intake.web_page import notebook_in_page


def test_code_cells_and_lecture_are_read():
    found = read_notebook(GOOD, "a.ipynb")
    assert [cell.source for cell in found.cells] == ["a = 1\nb = 2"]
    assert (found.lecture, found.version, found.reason) == ("02", "abc", "")


def test_format_3_is_read():
    output = {"output_type": "stream", "text": ["02.1 size_after: 4/4 points\n"]}
    cell = {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "outputs": [output]}
    old = json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [cell]}]}).encode()
    found = read_notebook(old, "a.ipynb")
    assert found.cells[0].source == "x = 1\ny = 2"
    assert found.shown == {"02.1": (4, 4)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_notebook_in_another_encoding_is_read(encoding):
    assert read_notebook(GOOD.decode().encode(encoding), "a.ipynb").lecture == "02"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\x80\x81", "not JSON at line 1, column 1: the file is cut off or damaged"),
        (b'{"cells": [\n"a\xff"', "not JSON at line 2, column 3"),
        (b'{"cells": [\n1,\n2 3]}', "not JSON at line 3, column 3"),
        (GOOD[:100], "not JSON at line 7, column 15"),
        (b"[" * 100_000, "not JSON of usual depth"),
        (b"1" * 10_000, "not JSON of usual depth"),
        (b"%PDF-1.7", "a PDF, not a notebook"),
        (b"PK\x03\x04", "a zip or an Office document, not a notebook"),
        (b"<html><body>Sign in", "a web page, not the notebook"),
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
    every = ("source", "metadata", "id", "outputs")
    parts.setdefault("cells", [{"cell_type": "code"} | dict.fromkeys(every, cell)])
    for version in (3, 4):
        try:
            found = read_notebook(json.dumps(parts | {"nbformat": version}).encode(), "a.ipynb")
        except Unreadable:
            continue
        assert all(isinstance(c.source, str) for c in found.cells)


# --- under which name ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "02.ipynb",
        "02.IPYNB",
        "02.ipynb.txt",
        "02.ipynb.json",
        "02.ipynb의 사본",
        "02.ipynb.download",
    ]
    + ["02.ipynb (1)", ".ipynb", "a.b/02.v2.ipynb"],
)
def test_names_of_notebooks(name):
    assert is_named_as_notebook(name)


@pytest.mark.parametrize(
    "name", ["02", "02.json", "02.ipynb.pdf", "02.ipynb - Colab.pdf", "a.ipynb/02.py", "ipynb"]
)
def test_names_of_others(name):
    assert not is_named_as_notebook(name)


@pytest.mark.parametrize(
    "name", ["02.ipynb", "02.ipynb.txt", "02", "02.json", "02.txt", "02.ipynb의 사본", "02.bak"]
)
@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        b"\n" + GOOD,
        change(x=1),
        json.dumps(dict(reversed(json.loads(GOOD).items()))).encode(),
    ],
    ids=["nbformat's", "space", "x", "Colab's"],
)
def test_a_notebook_is_read_under_any_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    (found,) = read([tmp_path])
    assert (found.reason, found.lecture, found.kind) == ("", "02", NOTEBOOK)


@pytest.mark.parametrize("name", ["02", "02.txt", "02.bak"])
def test_a_notebook_that_is_cut_off_was_meant_as_one_under_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(GOOD[:-100])
    (found,) = read([tmp_path])
    assert found.kind == NOTEBOOK
    assert "not JSON at line" in found.reason


def test_a_large_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook_file, "MAX_FILE", 10)
    monkeypatch.setattr(notebook_file, "MAX_PAGE", 5)
    monkeypatch.setattr(notebook_file, "MB", 1)
    (tmp_path / "a.ipynb").write_bytes(b"{" + b" " * 20)
    (tmp_path / "b.html").write_bytes(b"<" + b" " * 20)
    notebook, page = read([tmp_path])
    assert (notebook.reason, notebook.kind) == ("the file has 21 MB; at most 10 are read", NOTEBOOK)
    assert (page.reason, page.kind) == ("the file has 21 MB; at most 5 are read", OTHER)


# --- web pages -----------------------------------------------------------------------------------

LESS = json.dumps(json.loads(change(cells=[{"cell_type": "code", "source": "a < b & c"}])))
LINES = {"payload": {"blob": {"rawLines": json.dumps(json.loads(LESS), indent=1).split("\n")}}}
PAGES = {
    "text in a browser": f"<html><head></head><body><pre>{html.escape(LESS)}</pre></body></html>",
    "GitHub": f'<!DOCTYPE html>\n<script type="application/json">{json.dumps(LINES)}</script>',
    "a text in a script": f"<html><script>{json.dumps({'text': LESS})}</script>",
    "a variable": f"<html><SCRIPT>var x = {{}}; var notebook = {LESS};</SCRIPT>",
    "never closed": f"<html><pre>{html.escape(LESS)}",
    "after others": f"<p><script>[</script><pre>{{</pre><pre>{html.escape(LESS)}</pre>",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("name", ["02.html", "02.ipynb", "02", "02.ipynb.txt"])
def test_the_notebook_in_a_page_is_read(tmp_path, page, name):
    (tmp_path / name).write_text(page, "utf-8")
    (found,) = read([tmp_path])
    assert (found.reason, found.lecture, found.kind) == ("", "02", NOTEBOOK)
    assert [cell.source for cell in found.cells] == ["a < b & c"]


def test_a_page_without_a_notebook_holds_none():
    assert notebook_in_page("<html><pre>x = {1: 2}</pre><script>{}</script>") is None
    assert notebook_in_page('<script>{"cells": []}</script>') is None
    assert notebook_in_page(f"<pre>{'[' * 10**5}</pre><script>{'[' * 10**5}</script>") is None


@pytest.mark.parametrize(
    "part", ["<pre", "<pre>", "<script>", "</pre", '{"cells"', "{ ", "<script>[</script>"]
)
def test_a_page_of_nothing_but_beginnings_is_read_once(part, monkeypatch):
    """The number of characters that are looked at grows with the page, not with its square."""
    looked_at = []
    real = notebook_file.notebook_in_page.__globals__["_first_object"]

    def counting(text):
        looked_at.append(len(text))
        return real(text)

    monkeypatch.setattr("course_utils.instructor.intake.web_page._first_object", counting)
    page = part * 20_000
    assert notebook_in_page(page) is None
    assert sum(looked_at) <= len(page)


@given(st.lists(st.sampled_from([*"<>{}[]\"'&;/ a", "pre", "script", LESS, '{"cells":'])))
def test_any_page_is_read(parts):
    found = notebook_in_page("".join(parts))
    assert found is None or "nbformat" in found


# --- what the check printed ----------------------------------------------------------------------


def printing(*outputs):
    """Return a notebook whose code cells have these outputs."""
    cells = [{"cell_type": "code", "source": "", "outputs": [output]} for output in outputs]
    return read_notebook(change(cells=cells), "a.ipynb")


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_the_last_points_that_a_check_printed_are_kept():
    found = printing(
        stream("02.1 size_after: 1.5/4 points (9 of 24 cases)\n  first failing case: size=5\n"),
        stream(["some text\n", "02.2 convolve: 0/6 points (not solved yet)\n"]),
        {"output_type": "execute_result", "data": {"text/plain": "02.1 size_after: 4/4 points"}},
        {"output_type": "error", "ename": "x"},
    )
    assert found.shown == {"02.1": (4, 4), "02.2": (0, 6)}


@pytest.mark.parametrize("passed", range(0, 25, 6))
def test_it_is_what_a_score_looks_like(passed):
    score = Score(get_exercise("02.1"), "size_after", passed, 24, hint="02.1 is: 9/9 points")
    assert printing(stream(f"{score}\n")).shown == {"02.1": (score.points, 4)}


@pytest.mark.parametrize(
    "text", ["2.1 f: 4/4 points", "02.1 f: 4/4", " 02.1 f: 4/4 points", "02.1 f: x/4 points", ""]
)
def test_other_lines_are_no_points(text):
    assert printing(stream(text)).shown == {}


def test_what_is_kept_of_the_output_is_limited():
    many = "".join(f"{n // 100:02}.{n % 100} f: 1/1 points\n" for n in range(9_000))
    assert len(printing(stream(many)).shown) == notebook_file.MAX_SHOWN
    end = "02.1 f: 2/2 points"
    assert printing(stream("x" * 5_000_000 + "\n" + end)).shown == {"02.1": (2, 2)}


def test_the_version_of_python_is_read():
    found = read_notebook(change(metadata={"language_info": {"version": "3.13.1"}}), "a.ipynb")
    assert found.python == "3.13.1"
    assert read_notebook(GOOD, "a.ipynb").python == ""


def test_a_submission_survives_its_json():
    found = printing(stream("02.1 size_after: 1.5/4 points"))
    found = dataclasses.replace(
        found, python="3.12", kind=OTHER, cells=read_notebook(GOOD, "").cells
    )
    assert Submission.from_json(found.as_json()) == found
    assert isinstance(Submission.from_json(found.as_json()).shown["02.1"], tuple)
