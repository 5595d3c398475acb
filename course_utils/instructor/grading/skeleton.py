"""The instructor's notebook as what is graded, and the student's cells at their places in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

from ...lectures import exercise_and_role, graded_id
from ..cell_names import bound_names, definitions, parse_cell, used_names
from ..versions import lecture_version
from .submission import StudentCell, Submission

SKIP_TAG = "grade-skip"
LECTURE, ANSWER, CHECK, ADDED = "lecture", "answer", "check", "added"


@dataclass(frozen=True)
class Step:
    """One cell to run. ``answer`` of a check is the expression that the exercise is given."""

    kind: str
    source: str
    exercise: str = ""
    answer: str = ""
    id: str = ""
    skipped: bool = False


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
    names = {name for cell in submission.cells for name in definitions(cell.source)}

    def likeness(skeleton: Skeleton) -> tuple[int, int]:
        answers = skeleton.answers
        known = sum(graded_id(exercise, ANSWER) in marks for exercise in answers)
        return known, sum(step.answer in names for step in answers.values())

    best = max(skeletons.values(), key=likeness, default=None)
    return best if best and any(likeness(best)) else None


def make_plan(skeleton: Skeleton, submission: Submission) -> Plan:
    """Put the student's cells at their places in the instructor's notebook."""
    chosen, found, notes = _choose_answers(skeleton, submission.cells)
    anchors = _added_cells(skeleton, submission.cells, chosen)
    if submission.version and submission.version != skeleton.version:
        notes.append("it was made from another version of the lecture")
    steps = tuple(_merge(skeleton, submission.cells, chosen, anchors))
    # A tag says what the solutions do not need. An answer may need more of the lecture.
    kept = needed(steps)
    steps = tuple(s for i, s in enumerate(steps) if i in kept or not s.skipped)
    return Plan(steps, found, tuple(notes))


def needed(steps: tuple[Step, ...]) -> set[int]:
    """Return the places of the cells that answers and checks need, directly or through others.

    Where a student's own cell defines a name, the lecture's cells of that name are not needed.
    """
    bound = [bound_names(step.source) for step in steps]
    found = {i for i, step in enumerate(steps) if step.kind in (ANSWER, CHECK)}
    waiting = list(found)
    while waiting:
        # A function reads its names when it is called: at the latest, at the end of the notebook.
        for name in used_names(steps[waiting.pop()].source):
            places = [i for i in range(len(steps)) if name in bound[i]]
            own = [i for i in places if steps[i].kind != LECTURE]
            new = set(own or places) - found
            found |= new
            waiting += new
    return found


def _choose_answers(
    skeleton: Skeleton, cells: tuple[StudentCell, ...]
) -> tuple[dict[str, int], dict[str, str], list[str]]:
    """Return the place of each exercise's cell, how it was found, and what was odd about it."""
    chosen: dict[str, int] = {}
    found: dict[str, str] = {}
    notes: list[str] = []
    for must_define in (True, False):  # a cell that defines something else is the last resort
        for exercise, step in skeleton.answers.items():
            for how, is_it in _signs(exercise, step) if exercise not in chosen else ():
                free = [i for i in range(len(cells)) if i not in chosen.values()]
                places = [i for i in free if is_it(cells[i])]
                if candidates := _defining(step, places, cells) if must_define else places:
                    chosen[exercise], found[exercise] = _latest(candidates, cells), how
                    if len(candidates) > 1:
                        notes.append(
                            f"{exercise} is there {len(candidates)} times: the last counts"
                        )
                    break
    missing = [exercise for exercise in skeleton.answers if exercise not in chosen]
    if missing:
        notes.append(f"no cell answers {', '.join(missing)}")
    return chosen, found, notes


def _defining(step: Step, places: list[int], cells: tuple[StudentCell, ...]) -> list[int]:
    """Return those of the places whose cell defines the answer, or assigns it, or may do so."""
    return (
        [i for i in places if step.answer in definitions(cells[i].source)]
        or [i for i in places if step.answer in bound_names(cells[i].source)]
        or [i for i in places if parse_cell(cells[i].source) is None]
    )


def _signs(exercise: str, step: Step) -> Iterator[tuple[str, Callable[[StudentCell], bool]]]:
    """Yield what a cell may be recognised by, the most reliable first."""
    yield "grade_id", lambda cell: cell.grade_id == graded_id(exercise, ANSWER)
    yield "cell id", lambda cell: step.id in cell.ids
    yield "name", lambda cell: step.answer in bound_names(cell.source)


def _latest(candidates: list[int], cells: tuple[StudentCell, ...]) -> int:
    """Return the last candidate that is not an untouched stub, as a run of the notebook would."""
    solved = [i for i in candidates if "raise NotImplementedError" not in cells[i].source]
    return (solved or candidates)[-1]


def _added_cells(
    skeleton: Skeleton, cells: tuple[StudentCell, ...], chosen: dict[str, int]
) -> list[tuple[int, int]]:
    """Return (place in the skeleton, place in the submission) of cells that the student added.

    One stands behind the cell of the lecture that it follows in the submission, but never later
    than the answer that needs what it defines.
    """
    by_id = {step.id: i for i, step in enumerate(skeleton.steps)}
    by_source = {_plain(step.source): i for i, step in enumerate(skeleton.steps)}
    graded = [(i, step) for i, step in enumerate(skeleton.steps) if step.exercise]
    by_mark = {graded_id(step.exercise, step.kind): i for i, step in graded}
    answered = {place: by_mark[graded_id(exercise, ANSWER)] for exercise, place in chosen.items()}
    others = {step.answer for step in skeleton.answers.values()}
    anchors: list[tuple[int, int]] = []
    last = -1
    for place, cell in enumerate(cells):
        at = answered.get(place)
        if at is None:
            at = by_mark.get(cell.grade_id, by_source.get(_plain(cell.source)))
        if at is None:
            at = next((by_id[i] for i in cell.ids if i in by_id), None)
        defined = set(definitions(cell.source))
        if place not in answered and (defined & others or at in answered.values()):
            if defined and defined <= others:
                continue  # another version of an answer
            at = None  # a part of an answer that stands in a cell of its own
        if at is not None:
            last = at
        elif cell.source.strip():
            anchors.append((_needed_at(cell, cells, answered, last), place))
    return sorted(anchors)


def _needed_at(
    cell: StudentCell, cells: tuple[StudentCell, ...], answered: dict[int, int], anchor: int
) -> int:
    """Return behind which cell an added one must stand: early enough for answers that use it."""
    names = bound_names(cell.source)
    users = [
        at - 1
        for place, at in answered.items()
        if names & (used_names(cells[place].source) | set(definitions(cells[place].source)))
    ]
    return min([anchor, *users])


def _plain(source: str) -> str:
    """Return a source without what editors change: line ends and space at the ends."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def _merge(
    skeleton: Skeleton,
    cells: tuple[StudentCell, ...],
    chosen: dict[str, int],
    anchors: list[tuple[int, int]],
) -> Iterator[Step]:
    added = {at: [place for a, place in anchors if a == at] for at, _ in anchors}
    for at in range(-1, len(skeleton.steps)):
        if at >= 0:
            step = skeleton.steps[at]
            if step.kind == ANSWER:
                if step.exercise in chosen:
                    source = cells[chosen[step.exercise]].source
                    yield Step(ANSWER, source, step.exercise, step.answer, step.id)
            else:
                yield step
        for place in added.get(at, ()):
            yield Step(ADDED, cells[place].source)
