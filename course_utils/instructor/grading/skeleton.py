"""The instructor's notebook as what is graded, and the student's cells at their places in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from ...lectures import exercise_and_role, graded_id
from ..cell_names import Code, grouped, reached, read_cell
from ..versions import lecture_version
from .submission import StudentCell, Submission

SKIP_TAG = "grade-skip"
LECTURE, ANSWER, CHECK, ADDED = "lecture", "answer", "check", "added"
# A change of what these hold reaches code that does not name them.
REACHING_FAR = {"os", "sys", "torch"}
WRITES = re.compile(
    r"\bopen\(|\.(dump|save\w*|to_csv|write_\w+|mkdir|makedirs|urlretrieve|copy\w+)\("
)


@dataclass(frozen=True)
class Step:
    """One cell to run. ``answer`` of a check is the expression that the exercise is given."""

    kind: str
    source: str
    exercise: str = ""
    answer: str = ""
    id: str = ""
    skipped: bool = False

    @property
    def mark(self) -> str:
        """Return the grade_id of the cell; "" if it has none."""
        return graded_id(self.exercise, self.kind) if self.exercise else ""


@dataclass(frozen=True)
class Skeleton:
    """The code cells of one lecture; each answer step holds the instructor's solution."""

    lecture: str
    version: str
    steps: tuple[Step, ...]

    @property
    def answers(self) -> dict[str, Step]:
        """Return the answer step of each exercise."""
        return {step.exercise: step for step in self.steps if step.kind == ANSWER}


@dataclass(frozen=True)
class Plan:
    """What is run for one submission.

    found: how the cell of each exercise was recognised; an exercise without one is missing.
    """

    steps: tuple[Step, ...]
    found: dict[str, str]
    notes: tuple[str, ...]


def read_skeleton(path: Path) -> Skeleton:
    """Read a lecture of the instructor's.

    Raises:
        ValueError: the notebook has no ``course`` metadata.
    """
    notebook = nbformat.read(path, as_version=4)
    if "course" not in notebook.metadata:
        raise ValueError(f"{path.name} is no lecture: it has no metadata.course")
    steps = tuple(_step(c) for c in notebook.cells if c.cell_type == "code" and c.source.strip())
    return Skeleton(notebook.metadata.course.id, lecture_version(notebook), steps)


def _step(cell: nbformat.NotebookNode) -> Step:
    graded = cell.metadata.get("nbgrader", {})
    exercise, role = exercise_and_role(graded.get("grade_id", ""))
    if role == "answer":
        name = re.search(r"^(?:def|class) (\w+)", cell.source, re.MULTILINE)
        return Step(ANSWER, cell.source, exercise, name[1] if name else "", cell.id)
    if role == "check":
        (call,) = ast.parse(cell.source).body
        return Step(CHECK, cell.source, exercise, ast.unparse(call.value.args[1]), cell.id)
    skipped = SKIP_TAG in cell.metadata.get("tags", ())
    return Step(LECTURE, cell.source, id=cell.id, skipped=skipped)


def identify(submission: Submission, skeletons: Mapping[str, Skeleton]) -> Skeleton | None:
    """Return the lecture of a submission: by its metadata, its graded cells, or its functions."""
    if submission.lecture in skeletons:
        return skeletons[submission.lecture]
    marks = {cell.grade_id for cell in submission.cells}
    names = {n for cell in submission.cells for n in read_cell(cell.source).definitions}

    def likeness(skeleton: Skeleton) -> tuple[int, int]:
        answers = skeleton.answers.values()
        return sum(a.mark in marks for a in answers), sum(a.answer in names for a in answers)

    best = max(skeletons.values(), key=likeness, default=None)
    return best if best and any(likeness(best)) else None


def make_plan(skeleton: Skeleton, submission: Submission) -> Plan:
    """Put the student's cells at their places in the instructor's notebook.

    Each cell is parsed once, and found by the names in it: the time grows with what was handed in.
    """
    chosen, found, notes = _choose_answers(skeleton, submission.cells)
    if submission.version and submission.version != skeleton.version:
        notes.append("it was made from another version of the lecture")
    steps = _in_order(skeleton, submission.cells, chosen)
    cells = [read_cell(step.source) for step in steps]
    bound = _bound_names(steps, cells)
    needed = _needed(steps, cells, bound)
    running = needed | _noticed(steps, cells, bound, needed)
    # A tag says what the solutions do not need. An answer may need more of the lecture.
    running |= {i for i, step in enumerate(steps) if step.kind == LECTURE and not step.skipped}
    return Plan(tuple(steps[i] for i in sorted(running)), found, tuple(notes))


# --- where the student's cells stand -------------------------------------------------------------


def _choose_answers(
    skeleton: Skeleton, cells: tuple[StudentCell, ...]
) -> tuple[dict[str, int], dict[str, str], list[str]]:
    """Return the place of each exercise's cell, how it was found, and what was odd about it."""
    code = [read_cell(cell.source) for cell in cells]
    places = {  # of the cells that have a sign; the most reliable one first
        "grade_id": grouped((cell.grade_id, i) for i, cell in enumerate(cells)),
        "cell id": grouped((sign, i) for i, cell in enumerate(cells) for sign in set(cell.ids)),
        "name": grouped((name, i) for i, cell in enumerate(code) for name in cell.bound),
    }
    chosen: dict[str, int] = {}
    found: dict[str, str] = {}
    notes: list[str] = []
    for must_define in (True, False):  # a cell that defines something else is the last resort
        for exercise, step in skeleton.answers.items():
            for how, sign in zip(places, (step.mark, step.id, step.answer), strict=True):
                here = [i for i in places[how][sign] if i not in chosen.values()]
                here = _defining(step.answer, here, code) if must_define else here
                if here and exercise not in chosen:
                    # The last one that is not an untouched stub, as a run of the notebook would.
                    solved = [i for i in here if "raise NotImplementedError" not in cells[i].source]
                    chosen[exercise], found[exercise] = (solved or here)[-1], how
                    if len(here) > 1:
                        notes.append(f"{exercise} is there {len(here)} times: the last counts")
    if missing := [exercise for exercise in skeleton.answers if exercise not in chosen]:
        notes.append(f"no cell answers {', '.join(missing)}")
    return chosen, found, notes


def _defining(name: str, places: list[int], code: list[Code]) -> list[int]:
    """Return those of the places whose cell defines the name, or assigns it, or may do so."""
    return (
        [i for i in places if name in code[i].definitions]
        or [i for i in places if name in code[i].bound]
        or [i for i in places if not code[i].tree]
    )


def _in_order(
    skeleton: Skeleton, cells: tuple[StudentCell, ...], chosen: dict[str, int]
) -> list[Step]:
    """Return the lecture with the student's answers and the cells that the student added.

    One stands behind the cell of the lecture that it follows in the submission, but never later
    than the answer that needs what it defines.
    """
    signs = [(step.mark, _plain(step.source), step.id) for step in skeleton.steps]
    known = {sign: at for at, those in enumerate(signs) for sign in those if sign}
    answers = skeleton.answers
    names = {step.answer for step in answers.values()}
    answered = {place: known[answers[exercise].mark] for exercise, place in chosen.items()}
    first_use: dict[str, int] = {}
    for place, at in sorted(answered.items(), key=lambda item: -item[1]):
        code = read_cell(cells[place].source)
        first_use |= dict.fromkeys(code.used.union(code.definitions), at)
    steps = [(at, -1, step) for at, step in enumerate(skeleton.steps) if step.kind != ANSWER]
    last = -1
    for place, cell in enumerate(cells):
        code = read_cell(cell.source)
        defined = set(code.definitions)
        own_signs = (cell.grade_id, _plain(cell.source), *cell.ids)
        found = next((known[sign] for sign in own_signs if sign in known), None)
        if place in answered:
            last = answered[place]
            steps.append((last, -1, replace(skeleton.steps[last], source=cell.source)))
        elif defined and defined <= names:
            continue  # another version of an answer
        elif found is not None and found not in answered.values() and not defined & names:
            last = found
        elif cell.source.strip():  # it may be a part of an answer
            uses = [first_use[name] - 1 for name in code.bound if name in first_use]
            steps.append((min([last, *uses]), place, Step(ADDED, cell.source)))
    return [step for *_, step in sorted(steps, key=lambda item: item[:2])]


def _plain(source: str) -> str:
    """Return a source without what editors change: line ends and space at the ends."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


# --- which of the cells run ----------------------------------------------------------------------


def _bound_names(steps: list[Step], cells: list[Code]) -> list[set[str]]:
    """Return the names that each cell binds; those that it imports, too, only the first time."""
    found = [cell.bound for cell in cells]
    known: set[tuple[str, str]] = set()
    # The lecture's come first, wherever they are: they run in any case.
    for i in sorted(range(len(steps)), key=lambda i: steps[i].kind != LECTURE or steps[i].skipped):
        if steps[i].kind == ADDED:
            found[i] = found[i] - {name for name, _ in known.intersection(cells[i].imports.items())}
        known.update(cells[i].imports.items())
    return found


def _needed(steps: list[Step], cells: list[Code], bound: list[set[str]]) -> set[int]:
    """Return the places of the cells that answers and checks need, directly or through others.

    Where a student's own cell defines a name, the lecture's cells of that name are not needed.
    """
    makers = grouped(((s.kind == LECTURE, n), i) for i, s in enumerate(steps) for n in bound[i])

    def links(at: int | str) -> Iterable[int | str]:
        if isinstance(at, str):
            return makers[False, at] or makers[True, at]
        # A function reads its names when it is called: at the latest, at the end of the notebook.
        return cells[at].used - (cells[at].bound & cells[at].imports.keys())

    graded = [i for i, step in enumerate(steps) if step.kind in (ANSWER, CHECK)]
    return {at for at in reached(graded, links) if isinstance(at, int)}


def _noticed(
    steps: list[Step], cells: list[Code], bound: list[set[str]], needed: set[int]
) -> set[int]:
    """Return the places of added cells that answers or checks may notice without needing a name.

    An added cell is noticed if

    - it changes in place (calls a method as a statement, assigns to an attribute or an item) what
      needed cells use, or ``torch``, ``os`` or ``sys``; other modules and seeds aside;
    - it works with a variable that an added cell makes which is needed;
    - it calls, as a statement, a function that changes such things;
    - it does what its names do not show: magics, shell commands, ``exec``, an import of ``*``;
    - it may write a file;
    - it does not parse;
    - another such cell needs it.

    All others, such as experiments with networks of their own, need not run.
    """
    imports = {name: whole for cell in cells for name, whole in cell.imports.items()}
    used = {name for i in needed for name in cells[i].used if name not in imports}
    used |= REACHING_FAR.union(name for name in imports if imports[name] in REACHING_FAR)
    added = {i for i, step in enumerate(steps) if step.kind == ADDED}
    changing = {i for i in added if cells[i].is_unreadable or cells[i].changed & used}
    changing |= {i for i in added if WRITES.search(steps[i].source)}
    acting = {name for i in changing for name in cells[i].definitions}
    calling = {i for i in added if cells[i].called & acting}
    taken = {i: cells[i].used - cells[i].bound for i in added}
    made = {i: cells[i].bound.difference(cells[i].definitions, cells[i].imports) for i in added}
    users = grouped((name, i) for i in added for name in taken[i])
    makers = grouped((name, i) for i in added for name in bound[i])
    working = added & reached(added & needed, (users | made).__getitem__)
    return added & reached(changing | calling | working, (makers | taken).__getitem__)
