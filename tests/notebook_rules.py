"""The rules that every stored lecture keeps, each a function from a notebook to its violations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from course_utils.exercises import all_exercises
from course_utils.lectures import Lecture, graded_id, setup_code
from course_utils.runtime import project_root
from course_utils.testing.cells import is_blank

MAX_LINES, MAX_WORDS, MAX_CELLS = 20, 3000, 70
MOST_CELLS_TO_FIGURE = 5  # of code, from a comparison to its figure
RECORDED = re.compile(r"\brecord\(")
HEADINGS = ("You will learn", "You need", "Takeaways", "Common mistakes", "Going further")
TRAINING = re.compile(r"(?<![.\w])fit\(|\btrain_one_epoch\(|\.backward\(")
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|usr|opt|content|Users)/|[A-Z]:\\\\")
DEBRIS = re.compile(r"\d+%\||it/s\]|s/it\]")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def stored_repository() -> str:
    """Return the repository that all stored addresses name, in a fork or a clone of any other.

    It is that of the README's clone command. The rest must agree with it.
    """
    readme = (project_root() / "README.md").read_text("utf-8")
    return re.search(r"git clone https://github\.com/(\S+)", readme)[1]


def tags(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def ignored(cell: NotebookNode) -> bool:
    """Return whether nbval does not compare this cell's output."""
    return "nbval-ignore-output" in tags(cell)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells that are not empty."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def name(cell: NotebookNode) -> str:
    """Return how a message names a cell: by its first line."""
    return f"cell «{cell.source.strip().splitlines()[0][:70]}»"


def outputs_text(cell: NotebookNode) -> str:
    """Return all text of a cell's outputs."""
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text", ""))
        parts += [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
    return "\n".join(parts)


def skeleton(notebook: NotebookNode, lecture: Lecture) -> Iterator[str]:
    """Title, badge, objectives, needs, minutes, points and the closing sections are there."""
    repository = stored_repository()
    if not code_cells(notebook)[0].source.startswith(setup_code(repository)):
        yield "the first code is not that which fetches the course in Colab: run make notebooks"
    first = notebook.cells[0].source
    address = lecture.colab_url(repository)
    if not first.startswith("# ") or address not in first:
        yield f"the first cell has no title, or no badge that leads to {address}"
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    places = [prose.find(heading) for heading in HEADINGS]
    if -1 in places or places != sorted(places):
        yield f"the sections {', '.join(HEADINGS)} are not all there, in this order"
    opening = "\n".join(c.source for c in notebook.cells[:4])
    for number, what in ((lecture.minutes, "minutes"), (lecture.points, "points")):
        if not re.search(rf"\b{number} {what}\b", opening):
            yield f"the opening does not say «{number} {what}», as the metadata does"


def execution(notebook: NotebookNode) -> Iterator[str]:
    """All cells were run once, from top to bottom, and left nothing that must not be stored."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield "the cells were not run once each, from top to bottom, in a new kernel"
    for cell in code_cells(notebook):
        text = outputs_text(cell)
        if any(output.output_type == "error" for output in cell.outputs):
            yield f"{name(cell)} stores an error"
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"{name(cell)} stores stderr"
        if MACHINE_PATH.search(text) or MACHINE_PATH.search(cell.source):
            yield f"{name(cell)} holds a path of one machine"
        if DEBRIS.search(text) or "Warning:" in text:
            yield f"{name(cell)} stores a warning or a progress bar"


def comparison(notebook: NotebookNode) -> Iterator[str]:
    """Outputs are compared; where not, a reason is given, and training is followed by a claim."""
    cells = code_cells(notebook)
    for cell in cells:
        if "nbval_" in cell.source.lower():
            yield f"{name(cell)} switches nbval by a comment: use a tag with a reason"
        if ignored(cell) and not cell.metadata.get("course", {}).get("volatile"):
            yield f"{name(cell)} is not compared, and metadata.course.volatile gives no reason"
        if set(tags(cell)) & {"nbval-skip", "nbval-raises-exception", "raises-exception"}:
            yield f"{name(cell)} is skipped, or may raise: show errors with try and except"
    waiting = None
    for cell in cells:
        if not ignored(cell) and "claim(" in cell.source:
            waiting = None
        elif ignored(cell) and TRAINING.search(cell.source):
            if waiting is not None:
                yield f"no compared claim follows the training in {name(waiting)}"
            waiting = cell
    if waiting is not None:
        yield f"no compared claim follows the training in {name(waiting)}"


def sitting(notebook: NotebookNode) -> Iterator[str]:
    """What comes before the takeaways is one sitting, and what is deeper stands last."""
    headings = [i for i, c in enumerate(notebook.cells) if re.search("(?m)^## Takeaways", c.source)]
    core = notebook.cells[: headings[0] + 1 if headings else None]  # it may end with core text
    prose = "\n".join(cell.source for cell in core if cell.cell_type == "markdown")
    words = len(re.split(r"(?m)^## Takeaways", prose)[0].split())
    if words > MAX_WORDS:
        yield f"there are {words} words before the takeaways; {MAX_WORDS} is the most"
    if len(core) - 1 > MAX_CELLS:
        yield f"there are {len(core) - 1} cells before the takeaways; {MAX_CELLS} is the most"
    graded = [cell for cell in notebook.cells[len(core) :] if "nbgrader" in cell.metadata]
    yield from (f"{name(cell)} stands after the takeaways" for cell in graded)


def arms(notebook: NotebookNode) -> Iterator[str]:
    """A comparison says what differs between its arms; its budget stands in a figure's title."""
    cells = code_cells(notebook)
    for place, cell in enumerate(cells):
        found = cell.metadata.get("course", {}).get("comparison")
        if found is None:
            if RECORDED.search(cell.source) and TRAINING.search(cell.source):
                yield f"{name(cell)} compares by training: metadata.course.comparison is missing"
            continue
        if not {"arms", "differs", "budget"} <= set(found) or len(found["arms"]) < 2:
            yield f"{name(cell)}: a comparison has two arms or more, what differs, and a budget"
            continue
        if found.get("figure") is False:  # only claims are made of it
            continue
        shown = [o for c in cells[place : place + MOST_CELLS_TO_FIGURE] for o in c.outputs]
        titles = [o.metadata.get("image/png", {}).get("alt", "") for o in shown if "metadata" in o]
        if not any(found["budget"] in title for title in titles):
            yield f"{name(cell)}: no figure after it says «{found['budget']}», its budget"


def names_in(source: str) -> set[str]:
    """Return the names that code uses: not attributes, keywords, methods or words in texts."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def size(notebook: NotebookNode) -> Iterator[str]:
    """Cells are short; the lines that fetch the course, the same in all lectures, do not count."""
    for cell in code_cells(notebook):
        source = cell.source.removeprefix(setup_code(stored_repository()))
        lines = [line for line in source.splitlines() if line.strip()]
        if len(lines) > MAX_LINES and not cell.metadata.get("nbgrader", {}).get("solution"):
            yield f"{name(cell)} has {len(lines)} lines; {MAX_LINES} is the most"


def figures(notebook: NotebookNode) -> Iterator[str]:
    """Every figure is there, shows something, and is described for those who cannot see it."""
    for cell in code_cells(notebook):
        shown = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        last_line = cell.source.strip().splitlines()[-1]
        if re.match(r"(plots\.\w+|\w+\.plot)\(", last_line) and not shown:
            yield f"{name(cell)} should show a figure, and does not"
        for output in shown:
            if len(output.metadata.get("image/png", {}).get("alt", "")) < 40:
                yield f"{name(cell)}: its figure has no alt text worth the name"
            if is_blank(output.data["image/png"]):
                yield f"{name(cell)}: its figure is blank"


def prose(notebook: NotebookNode) -> Iterator[str]:
    """Prose has alt texts, no exclamation marks, and no image from elsewhere but the badge."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        if re.search(r"!\[\s*\]\(", cell.source):
            yield f"{name(cell)} has an image without alt text"
        text = re.sub(r"`[^`]*`|\$[^$]*\$|!\[|<!--", "", cell.source)
        if "!" in text.replace("!=", ""):
            yield f"{name(cell)} has an exclamation mark"


def exercises(notebook: NotebookNode, lecture: Lecture) -> Iterator[str]:
    """Each exercise has an answer cell with marks, and a check cell that gives full points."""
    wanted = {i: e for i, e in all_exercises().items() if i.split(".")[0] == lecture.id}
    graded = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
    for exercise_id, exercise in wanted.items():
        answer = graded.get(graded_id(exercise_id, "answer"))
        test = graded.get(graded_id(exercise_id, "check"))
        if answer is None or test is None:
            yield f"exercise {exercise_id} has no answer cell, or no check cell"
            continue
        source = answer.source
        if not answer.metadata.nbgrader.solution or source.count(BEGIN) != source.count(END):
            yield f"the answer of {exercise_id} is not marked as a solution"
        if BEGIN not in source or not re.match(r"(def|class) \w+", source):
            yield f"the answer of {exercise_id} is not one function or class with a solution in it"
        if not test.metadata.nbgrader.grade or test.metadata.nbgrader.points != exercise.points:
            yield f"the check of {exercise_id} does not carry its {exercise.points} points"
        if f"{exercise.points}/{exercise.points} points" not in outputs_text(test):
            yield f"the solution of {exercise_id} does not earn its points"
        defined = re.match(r"(?:def|class) (\w+)", source)
        others = [c for c in code_cells(notebook) if c is not answer and c is not test]
        checked = rf'\byours\("{exercise_id}", \w+,'
        sources = [re.sub(checked, "yours(None,", c.source) for c in others]
        if defined and any(defined[1] in names_in(source) for source in sources):
            yield f"a cell beside its check uses {defined[1]}: it stops where this is unsolved"
    if len(graded) != 2 * len(wanted):
        yield f"there are {len(graded)} graded cells for {len(wanted)} exercises"
    if sum(exercise.points for exercise in wanted.values()) != lecture.points:
        yield "the points of the metadata are not the sum of the exercises' points"
