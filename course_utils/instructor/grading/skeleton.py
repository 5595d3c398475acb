"""The instructor's notebook as what is graded, and the student's cells at their places in it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

from ...lectures import exercise_and_role, graded_id
from ..cell_names import definitions, read_cell
from ..versions import lecture_version
from .submission import StudentCell, Submission

SKIP_TAG = "grade-skip"
LECTURE, ANSWER, CHECK, ADDED = "lecture", "answer", "check", "added"
# A change of what these hold reaches code that does not name them.
REACHING_FAR = {"os", "sys", "torch"}


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
    """Put the student's cells at their places in the instructor's notebook.

    Each cell is parsed once, and found by the names in it: the time grows with what was handed in.
    """
    chosen, found, notes = _choose_answers(skeleton, submission.cells)
    anchors = _added_cells(skeleton, submission.cells, chosen)
    if submission.version and submission.version != skeleton.version:
        notes.append("it was made from another version of the lecture")
    steps = tuple(_merge(skeleton, submission.cells, chosen, anchors))
    wanted = needed(steps)
    noticed = wanted | _noticed(steps, wanted)
    # A tag says what the solutions do not need. An answer may need more of the lecture.
    runs = {LECTURE: wanted, ADDED: noticed}
    steps = tuple(
        step
        for i, step in enumerate(steps)
        if i in runs.get(step.kind, (i,)) or (step.kind == LECTURE and not step.skipped)
    )
    return Plan(steps, found, tuple(notes))


def needed(steps: tuple[Step, ...]) -> set[int]:
    """Return the places of the cells that answers and checks need, directly or through others.

    Where a student's own cell defines a name, the lecture's cells of that name are not needed.
    """
    bound = dict(enumerate(_bound_names(steps)))
    own = _places({i: names for i, names in bound.items() if steps[i].kind != LECTURE})
    lecture = _places({i: names for i, names in bound.items() if steps[i].kind == LECTURE})
    found = {i for i, step in enumerate(steps) if step.kind in (ANSWER, CHECK)}
    # A function reads its names when it is called: at the latest, at the end of the notebook.
    return _follow(
        found, lambda i: read_cell(steps[i].source).needed, lambda name: own[name] or lecture[name]
    )


def _noticed(steps: tuple[Step, ...], wanted: set[int]) -> set[int]:
    """Return the places of added cells that answers or checks may notice without needing a name.

    wanted: the places of the cells that they need. An added cell is noticed if

    - it changes in place (calls a method as a statement, assigns to an attribute or an item) what
      those use, or ``torch``, ``os`` or ``sys``; other modules and seeds aside;
    - it works with a variable that an added cell makes which they need;
    - it calls, as a statement, a function that changes such things;
    - it does what its names do not show: magics, shell commands, ``exec``, an import of ``*``;
    - it does not parse;
    - another such cell needs it.

    All others, such as experiments with networks of their own, need not run.
    """
    cells = [read_cell(step.source) for step in steps]
    imports = {name: whole for cell in cells for name, whole in cell.imports.items()}
    used = {name for i in wanted for name in cells[i].used if name not in imports}
    used |= REACHING_FAR.union(name for name in imports if imports[name] in REACHING_FAR)
    added = [i for i, step in enumerate(steps) if step.kind == ADDED]
    changing = {i for i in added if cells[i].unreadable or cells[i].changed & used}
    acting = {name for i in changing for name in cells[i].definitions}
    calling = {i for i in added if cells[i].called & acting}
    others = {i: cells[i].used - cells[i].bound for i in added}
    users, bound = _places(others), _bound_names(steps)
    working = _follow(
        {i for i in added if i in wanted}, lambda i: cells[i].assigned, users.__getitem__
    )
    makers = _places({i: bound[i] for i in added})
    return _follow(changing | calling | working, others.__getitem__, makers.__getitem__)


def _places(names: Mapping[int, Iterable[str]]) -> dict[str, list[int]]:
    """Return the places of each name."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, those in names.items():
        for name in those:
            found[name].append(place)
    return found


def _follow(
    start: set[int], links: Callable[[int], Iterable[str]], at: Callable[[str], list[int]]
) -> set[int]:
    """Return the places that are reached from some; each name is followed once."""
    found, waiting = set(start), list(start)
    seen: set[str] = set()
    while waiting:
        for name in links(waiting.pop()):
            if name not in seen:
                seen.add(name)
                new = [i for i in at(name) if i not in found]
                found.update(new)
                waiting += new
    return found


def _bound_names(steps: tuple[Step, ...]) -> list[frozenset[str]]:
    """Return the names that each cell binds; those that it imports, too, only the first time."""
    lecture = [step for step in steps if step.kind == LECTURE and not step.skipped]
    known = {item for step in lecture for item in read_cell(step.source).imports.items()}
    found = []
    for step in steps:
        cell = read_cell(step.source)
        again = (name for name, whole in cell.imports.items() if (name, whole) in known)
        found.append(cell.bound.difference(again if step.kind == ADDED else ()))
        known.update(cell.imports.items())
    return found


class _Found:
    """Where the student's cells are, by what they may be recognised by."""

    def __init__(self, cells: tuple[StudentCell, ...]) -> None:
        self.cells = [read_cell(cell.source) for cell in cells]
        self.solved = ["raise NotImplementedError" not in cell.source for cell in cells]
        self.marks = _places({i: [cell.grade_id] for i, cell in enumerate(cells)})
        self.ids = _places({i: set(cell.ids) for i, cell in enumerate(cells)})
        self.names = _places({i: cell.bound for i, cell in enumerate(self.cells)})

    def signs(self, exercise: str, step: Step) -> Iterator[tuple[str, list[int]]]:
        """Yield how a cell may be recognised, the most reliable first, and which cells are."""
        yield "grade_id", self.marks[graded_id(exercise, ANSWER)]
        yield "cell id", self.ids[step.id]
        yield "name", self.names[step.answer]

    def defining(self, name: str, places: list[int]) -> list[int]:
        """Return those of the places whose cell defines the name, or assigns it, or may do so."""
        return (
            [i for i in places if name in self.cells[i].definitions]
            or [i for i in places if name in self.cells[i].bound]
            or [i for i in places if self.cells[i].tree is None]
        )

    def latest(self, candidates: list[int]) -> int:
        """Return the last one that is not an untouched stub, as a run of the notebook would."""
        return ([i for i in candidates if self.solved[i]] or candidates)[-1]


def _choose_answers(
    skeleton: Skeleton, cells: tuple[StudentCell, ...]
) -> tuple[dict[str, int], dict[str, str], list[str]]:
    """Return the place of each exercise's cell, how it was found, and what was odd about it."""
    chosen: dict[str, int] = {}
    found: dict[str, str] = {}
    notes: list[str] = []
    places = _Found(cells)
    for must_define in (True, False):  # a cell that defines something else is the last resort
        for exercise, step in skeleton.answers.items():
            for how, signed in places.signs(exercise, step) if exercise not in chosen else ():
                free = [i for i in signed if i not in chosen.values()]
                if candidates := places.defining(step.answer, free) if must_define else free:
                    chosen[exercise], found[exercise] = places.latest(candidates), how
                    if len(candidates) > 1:
                        notes.append(
                            f"{exercise} is there {len(candidates)} times: the last counts"
                        )
                    break
    missing = [exercise for exercise in skeleton.answers if exercise not in chosen]
    if missing:
        notes.append(f"no cell answers {', '.join(missing)}")
    return chosen, found, notes


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
    first_use = _first_uses(cells, answered)
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
            users = [first_use[n] - 1 for n in read_cell(cell.source).bound if n in first_use]
            anchors.append((min([last, *users]), place))
    return sorted(anchors)


def _first_uses(cells: tuple[StudentCell, ...], answered: dict[int, int]) -> dict[str, int]:
    """Return for each name the place in the skeleton of the first answer that has it."""
    first: dict[str, int] = {}
    for place, at in answered.items():
        cell = read_cell(cells[place].source)
        for name in cell.used.union(cell.definitions):
            first[name] = min(at, first.get(name, at))
    return first


def _plain(source: str) -> str:
    """Return a source without what editors change: line ends and space at the ends."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def _merge(
    skeleton: Skeleton,
    cells: tuple[StudentCell, ...],
    chosen: dict[str, int],
    anchors: list[tuple[int, int]],
) -> Iterator[Step]:
    added: dict[int, list[int]] = defaultdict(list)
    for at, place in anchors:
        added[at].append(place)
    for at in range(-1, len(skeleton.steps)):
        if at >= 0:
            step = skeleton.steps[at]
            if step.kind == ANSWER:
                if step.exercise in chosen:
                    source = cells[chosen[step.exercise]].source
                    yield Step(ANSWER, source, step.exercise, step.answer, step.id)
            else:
                yield step
        for place in added[at]:
            yield Step(ADDED, cells[place].source)
