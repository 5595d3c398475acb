"""The stored lectures keep the rules; and each rule is shown to notice what it forbids."""

import base64
import io
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import (
    arms,
    comparison,
    execution,
    exercises,
    figures,
    outputs_text,
    prose,
    sitting,
    size,
    skeleton,
)
from PIL import Image

from course_utils.lectures import all_lectures
from course_utils.lectures.evidence import FAR, evidence_of

LECTURES = all_lectures()
BUDGETS = {1, 3}  # at which `make evidence` tries the claims
SAYS_HOW_LONG = re.compile(
    r"\b(\d+|three|nine) (epochs|steps)\b|\bepochs \d+ to \d+\b|times as long"
)
CLAIMED = re.compile(r"(?:✓|✗ does not hold:) (.*?)(?: \(\d+ of \d+ stored runs\))?$")


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
        *arms(notebook),
        *sitting(notebook),
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


def test_lectures_are_quick_to_load():
    """Students open them on telephones, and each refresh makes the history longer."""
    sizes = {lecture.path.name: lecture.path.stat().st_size for lecture in LECTURES}
    assert {name: size for name, size in sizes.items() if size > 1_000_000} == {}
    assert sum(sizes.values()) <= 7_000_000


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.id)
def test_every_claim_was_tried_and_held(lecture):
    """With five seeds, at each budget or the one that the sentence names, and four fresh ones."""
    found = evidence_of(lecture.id)
    assert max(one.fresh for one in found) >= 4, "its bounds were not tried with further seeds"
    assert {one.sentence for one in found} >= set(claims_of(lecture.path))
    few = [one for one in found if one.seeds < 5 or not set(one.budgets) >= BUDGETS]
    few = [one.sentence for one in few if one.seeds < 5 or not SAYS_HOW_LONG.search(one.sentence)]
    assert few == [], "tried with fewer than five seeds, or at one budget and does not say so"
    assert [one for one in found if not one.holds] == []


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.id)
def test_every_claim_could_have_failed(lecture):
    """A bound far from what is measured proves little, unless the claim says why it is there."""
    far = [one for one in evidence_of(lecture.id) if one.deviations > FAR and not one.wide]
    assert [f"{one.deviations:.1f} deviations: {one.sentence}" for one in far] == []


def claims_of(path):
    """The sentences that a stored lecture prints with ✓ or ✗."""
    for cell in nbformat.read(path, as_version=4).cells:
        for line in outputs_text(cell).splitlines() if cell.cell_type == "code" else ():
            if claimed := CLAIMED.match(line):
                yield claimed[1]


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


def compared(budget="4 epochs", **other):
    made = code("record('98 a', 'b', fit(model).best)")
    how = {"arms": ["a", "b"], "differs": "batch norm", "budget": budget} | other
    made.metadata["course"] = {"comparison": how}
    return made


def test_a_comparison_says_what_differs_and_its_budget():
    drawn = code("plots.bars()", outputs=[figure("AAAA", "Slim VGG-11, 4 epochs. With: 70 %.")])
    assert not list(arms(notebook(compared(), drawn)))
    assert list(arms(notebook(compared(budget="5 epochs"), drawn)))
    assert list(arms(notebook(compared())))
    assert list(arms(notebook(compared(arms=["a"]), drawn)))
    assert not list(arms(notebook(compared(figure=False))))
    assert list(arms(notebook(code("record('98 a', 'b', fit(model).best)"), drawn)))


def test_a_lecture_is_one_sitting():
    end = new_markdown_cell("The end.\n\n## Takeaways\n\n" + "word " * 4000)
    assert not list(sitting(notebook(new_markdown_cell("word " * 2990), end)))
    assert list(sitting(notebook(new_markdown_cell("word " * 3000), end)))
    assert not list(sitting(notebook(*[code("1") for _ in range(70)], end)))
    assert list(sitting(notebook(*[code("1") for _ in range(71)], end)))
    graded = code("answer")
    graded.metadata["nbgrader"] = {}
    assert list(sitting(notebook(end, graded)))


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
