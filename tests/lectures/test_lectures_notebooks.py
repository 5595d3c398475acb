"""The stored lectures keep the rules; and each rule is shown to notice what it forbids."""

import base64
import io

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import (
    comparison,
    execution,
    exercises,
    figures,
    prose,
    size,
    skeleton,
)
from PIL import Image

from course_utils.lectures import all_lectures

LECTURES = all_lectures()


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.path.stem)
def test_lecture_keeps_the_rules(lecture):
    notebook = nbformat.read(lecture.path, as_version=4)
    found = [
        *skeleton(notebook, lecture),
        *execution(notebook),
        *comparison(notebook),
        *size(notebook),
        *figures(notebook),
        *prose(notebook),
        *exercises(notebook, lecture),
    ]
    assert not found, "\n".join(["", *found])


def test_lectures_are_valid_and_numbered():
    assert LECTURES, "there are no lectures"
    ids = [lecture.id for lecture in LECTURES]
    assert ids == sorted(set(ids))
    for lecture in LECTURES:
        nbformat.validate(nbformat.read(lecture.path, as_version=4))
        assert lecture.path.name.startswith(f"{lecture.id}_")
        assert set(lecture.requires) <= set(ids)
        assert all(needed < lecture.id for needed in lecture.requires)


def code(source, *, count=1, tags=(), volatile="", outputs=()):
    metadata = {"tags": list(tags)}
    if volatile:
        metadata["course"] = {"volatile": volatile}
    return new_code_cell(source, execution_count=count, metadata=metadata, outputs=list(outputs))


def notebook(*cells):
    return new_notebook(cells=list(cells))


def png(color, *, dot=False):
    picture = Image.new("RGB", (20, 20), color)
    if dot:
        for place, grey in enumerate(range(0, 250, 10)):
            picture.putpixel((place % 20, place // 20), (grey, grey, grey))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def figure(content, alt):
    return new_output(
        "execute_result",
        {"image/png": content, "text/plain": "<Figure size 800x300 with 1 Axes>"},
        metadata={"image/png": {"alt": alt}},
        execution_count=1,
    )


IGNORED = {"tags": ["nbval-ignore-output"], "volatile": "a result of training"}
CLAIM = code('claim("better than chance", accuracy > 0.1)')


def test_an_ignored_output_needs_a_reason():
    without = code("print(seconds)", tags=["nbval-ignore-output"])
    assert len(list(comparison(notebook(without)))) == 1
    assert not list(comparison(notebook(code("print(seconds)", **IGNORED))))


@pytest.mark.parametrize("training", ["history = fit(model, data)", "loss.backward()"])
def test_training_needs_a_compared_claim_after_it(training):
    train = code(training, **IGNORED)
    ignored_claim = code('claim("better than chance", True)', **IGNORED)
    assert not list(comparison(notebook(train, CLAIM)))
    assert len(list(comparison(notebook(train)))) == 1
    assert len(list(comparison(notebook(train, ignored_claim)))) == 1
    twice = notebook(train, code("train_one_epoch(model)", **IGNORED), CLAIM)
    assert len(list(comparison(twice))) == 1, "one claim for two trainings"
    assert len(list(comparison(notebook(CLAIM, train)))) == 1, "the claim comes before"


def test_nbval_is_not_switched_off_otherwise():
    assert list(comparison(notebook(code("# NBVAL_IGNORE_OUTPUT\nprint(1)"))))
    assert list(comparison(notebook(code("1 / 0", tags=["raises-exception"]))))


@pytest.mark.parametrize(
    "output",
    [
        new_output("stream", name="stderr", text="careful"),
        new_output("stream", name="stdout", text="/home/student/course/data"),
        new_output("stream", name="stdout", text="  40%|####      | 4/10"),
        new_output("stream", name="stdout", text="UserWarning: old"),
        new_output("error", ename="ValueError", evalue="", traceback=[]),
    ],
)
def test_bad_outputs_are_noticed(output):
    assert list(execution(notebook(code("run()", outputs=[output]))))


def test_cells_run_out_of_order_are_noticed():
    assert list(execution(notebook(code("a = 1", count=2), code("b = 1", count=1))))
    assert not list(execution(notebook(code("a = 1", count=1), code("b = 1", count=2))))


def test_missing_blank_and_undescribed_figures_are_noticed():
    words = "Accuracy against shift: it falls from 80 % to 23 % at four pixels."
    draw = "plots.accuracy_against_shift(curves)"
    good = figure(png("white", dot=True), words)
    assert not list(figures(notebook(code(draw, outputs=[good]))))
    assert list(figures(notebook(code(draw))))
    assert list(figures(notebook(code(draw, outputs=[figure(png("white"), words)]))))
    assert list(figures(notebook(code(draw, outputs=[figure(png("white", dot=True), "")]))))


def test_prose_rules():
    assert list(prose(notebook(new_markdown_cell("![](picture.png)"))))
    assert list(prose(notebook(new_markdown_cell("Well done!"))))
    assert not list(prose(notebook(new_markdown_cell("![a cat](cat.png) is `a != b`, $n!$"))))


def test_long_cells_are_noticed():
    assert list(size(notebook(code("\n".join(f"a{i} = {i}" for i in range(21))))))
