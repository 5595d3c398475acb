"""The README's course map is that of the notebooks, which are stored clean or not at all."""

from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import stored_repository

from course_utils.__main__ import main
from course_utils.lectures import (
    FIGURE_PATH,
    Lecture,
    all_lectures,
    course_map,
    readme_figure,
    renewed,
    renewed_readme,
    store_part,
)
from course_utils.lectures.files import WIDGET_STATE
from course_utils.lectures.storing import join_streams, refresh, run_full, with_widgets_numbered
from course_utils.runtime import project_root


def write(path, *sources):
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def test_readme_shows_the_stored_figure():
    content, alt = readme_figure(all_lectures())
    assert (project_root() / FIGURE_PATH).read_bytes() == content, "run: make notebooks"
    assert alt in (project_root() / "README.md").read_text("utf-8")


def test_generated_parts_of_the_readme_are_fresh():
    readme = (project_root() / "README.md").read_text("utf-8")
    renewed = renewed_readme(readme, all_lectures(), stored_repository())
    assert renewed == readme, "run: make notebooks"


def test_course_map_shows_the_metadata():
    lecture = Lecture(Path("04_alexnet.ipynb"), "04", "AlexNet", 60, 25, ("03",))
    row = course_map([lecture], "ada/course").splitlines()[-1]
    assert row.startswith("| 04 | [AlexNet](notebooks/04_alexnet.ipynb) | 60 min | 25 | 03 |")
    assert "/github/ada/course/blob/student/notebooks/04_alexnet.ipynb)" in row


def test_a_page_without_marks_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"README\.md lacks the marks"):
        renewed("# A course", "course map", "| a table |")
    with pytest.raises(ValueError, match=r"RESULTS\.md lacks the marks"):
        renewed("# Results", "knn", "| a table |", "benchmarks/RESULTS.md")


def test_a_part_of_a_file_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr("course_utils.lectures.readme.project_root", lambda: tmp_path)
    file = tmp_path / "RESULTS.md"
    file.write_text("before\n<!-- knn: begin -->\nold\n<!-- knn: end -->\nafter\n", "utf-8")
    store_part("RESULTS.md", "knn", ["| a |", "| b |"])
    new = "before\n<!-- knn: begin -->\n| a |\n| b |\n<!-- knn: end -->\nafter\n"
    assert file.read_text("utf-8") == new


def test_refresh_stores_outputs_and_nothing_of_the_machine(tmp_path):
    path = write(tmp_path / "a.ipynb", "import os\nos.environ['COURSE_PROFILE']", "print(2 + 2)")
    refresh(path)
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].outputs[0].data["text/plain"] == "'quick'"
    assert notebook.cells[1].outputs[0].text == "4\n"
    assert [cell.execution_count for cell in notebook.cells] == [1, 2]
    assert "language_info" not in notebook.metadata
    assert "execution" not in notebook.cells[0].metadata
    assert list(tmp_path.iterdir()) == [path]


def test_a_widget_has_the_same_name_in_each_run():
    def run(first, second):
        view = new_output("display_data", {"application/vnd.jupyter.widget-view+json": first})
        state = {second: {"layout": f"IPY_MODEL_{first}"}, first: {}}
        widgets = {WIDGET_STATE: {"state": state}}
        return new_notebook(cells=[new_code_cell(outputs=[view])], metadata={"widgets": widgets})

    one, other = with_widgets_numbered(run("a8f", "01d")), with_widgets_numbered(run("3b7", "99c"))
    assert one.metadata == other.metadata
    assert one.cells[0].outputs == other.cells[0].outputs
    assert list(one.metadata.widgets[WIDGET_STATE]["state"]) == [f"{n:032x}" for n in (0, 1)]


def test_what_is_printed_without_a_figure_in_between_is_stored_as_one_output():
    out = partial(new_output, "stream", name="stdout")
    figure = new_output("display_data", {"image/png": ""})
    warning = new_output("stream", name="stderr", text="!")
    cell = new_code_cell(
        "", outputs=[out(text="a "), out(text="b\n"), figure, out(text="c"), warning]
    )
    join_streams(cell)
    assert [output.get("text") for output in cell.outputs] == ["a b\n", None, "c", "!"]
    text = new_markdown_cell("no outputs")
    join_streams(text)
    assert "outputs" not in text


@pytest.mark.parametrize("source", ["1 / 0", "import sys\nprint('careful', file=sys.stderr)"])
def test_a_notebook_that_fails_is_left_as_it_was(tmp_path, source):
    path = write(tmp_path / "bad.ipynb", source)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match=r"bad\.ipynb"):
        refresh(path)
    assert path.read_bytes() == before


def test_a_full_run_writes_the_notebook_and_what_it_printed(tmp_path):
    claims = "print('✓ this holds')\nprint('✗ does not hold: that')"
    path = write(tmp_path / "a.ipynb", "import os\nprint(os.environ['COURSE_PROFILE'])", claims)
    before = path.read_bytes()
    assert run_full(path, tmp_path / "out") == ["✗ does not hold: that"]
    text = (tmp_path / "out" / "a.txt").read_text("utf-8")
    assert text.splitlines()[2:] == ["full", "✓ this holds", "✗ does not hold: that"]
    notebook = nbformat.read(tmp_path / "out" / "a.ipynb", as_version=4)
    assert notebook.cells[0].outputs[0].text == "full\n"
    assert path.read_bytes() == before


def test_a_full_run_that_stops_keeps_what_was_done(tmp_path):
    path = write(tmp_path / "a.ipynb", "print('done')", "1 / 0", "print('never')")
    with pytest.raises(RuntimeError, match=r"(?s)a\.ipynb.*ZeroDivisionError"):
        run_full(path, tmp_path)
    assert (tmp_path / "a.txt").read_text("utf-8").splitlines()[2:] == ["done"]


def test_a_full_run_names_unknown_lectures(capsys):
    assert main(["full", "99"]) == 2
    assert "no lecture 99: choose from 01, 02" in capsys.readouterr().err
