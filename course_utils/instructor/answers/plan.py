"""The instructor's notebook with the student's own statements at their places in it.

As in Python, the last definition of a name counts, wherever in the notebook it stands. The
student's statements keep their order; of them run those that an exercise needs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..cell_names import grouped, reached, read_cell
from .needs import NAME, Names, Node, Part
from .own_cells import BROKEN, SOLVED, OwnCell, Version, own_cells, versions
from .skeleton import ADDED, CHECK, LECTURE, Plan, Skeleton, Statement, Step
from .submission import Submission

# Behind which of the lecture's cells, in or behind which of the student's (-1: before them), and
# which statement of it, or 1 for behind it.
Place = tuple[int, int, int]


def make_plan(skeleton: Skeleton, submission: Submission) -> Plan:
    """Put the student's statements at their places in the instructor's notebook.

    Each cell is parsed once, and found by the names in it: the time grows with what was handed in.
    """
    own = own_cells(skeleton, submission.cells)
    answers = versions(skeleton, own)
    chosen = {exercise: those[-1] for exercise, those in answers.items() if those}
    notes = []
    if missing := [exercise for exercise in answers if exercise not in chosen]:
        notes.append(f"no cell answers {', '.join(missing)}")
    if submission.version and submission.version != skeleton.version:
        notes.append("it was made from another version of the lecture")
    found = {e: own[v.cell].sign_of(skeleton.answers[e]) or "name" for e, v in chosen.items()}
    others = {exercise: _other(own, those) for exercise, those in answers.items()}
    steps = _Order(skeleton, own, answers).steps()
    return Plan(steps, found, tuple(notes), others)


def _other(own: list[OwnCell], those: list[Version]) -> str:
    """Return the cell of the last other solved version, which is not graded, or ""."""
    solved = [(own[v.cell], v.number) for v in those if v.kind == SOLVED]
    texts = [cell.parts[number].source for cell, number in solved]
    pairs = zip(solved, texts, strict=True)
    return ["", *(cell.source for (cell, _), text in pairs if text != texts[-1])][-1]


def _checked(tree: Any) -> str:
    """Return the exercise that a statement checks; "" if it is no such call."""
    match tree:
        case ast.Expr(ast.Call(ast.Name("check"), [ast.Constant(str(exercise)), *_])):
            return exercise
    return ""


class _Order:
    """What runs of the lecture and of the student's cells, and when the exercises are asked."""

    def __init__(
        self, skeleton: Skeleton, own: list[OwnCell], answers: dict[str, list[Version]]
    ) -> None:
        self.skeleton, self.own = skeleton, own
        self.chosen = {exercise: those[-1] for exercise, those in answers.items() if those}
        placed = sorted([*self._lecture_parts(), *self._own_parts(answers)], key=lambda p: p[0])
        self.at = {place: at for at, (place, _) in enumerate(placed)}
        self.parts = [part for _, part in placed]
        self.made = {  # the place of each answer's definition
            exercise: self.at[own[v.cell].after, v.cell, v.number]
            for exercise, v in self.chosen.items()
            if v.number >= 0
        }
        named = {skeleton.answers[exercise].answer: at for exercise, at in self.made.items()}
        self.names = Names(self.parts, named)
        self.checked = {  # the last cell in which the student has asked, beside the lecture's
            _checked(part.code.tree): part.cell for part in self.parts if not part.is_lecture
        }
        self.needs = {
            exercise: reached([at, (NAME, skeleton.answers[exercise].answer)], self.names.own_links)
            for exercise, at in self.made.items()
        }

    def _lecture_parts(self) -> Iterable[tuple[Place, Part]]:
        for at, step in enumerate(self.skeleton.steps):
            if step.kind == LECTURE:
                yield (at, -1, 0), Part(read_cell(step.source), always=not step.skipped)

    def _own_parts(self, answers: dict[str, list[Version]]) -> Iterable[tuple[Place, Part]]:
        """Yield the statements of the student's but what would replace an answer that counts."""
        last = {
            self.skeleton.answers[exercise].answer: (v.cell, v.number)
            for exercise, v in self.chosen.items()
            if v.number >= 0
        }
        counts = set(last.values())
        broken = {
            (v.cell, v.number) for those in answers.values() for v in those if v.kind == BROKEN
        }
        for place, cell in enumerate(self.own):
            for number, code in enumerate(cell.parts):
                here = place, number
                replaces = any(here > last[name] for name in code.bound & last.keys())
                if here in counts or not (replaces or here in broken):
                    yield (cell.after, *here), Part(code, place)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps, in their order."""
        running = self._running()
        owner: dict[Node, str] = {}
        for exercise in self.skeleton.answers:
            owner = dict.fromkeys(self.needs.get(exercise, ()), exercise) | owner
        lines = grouped(
            (part.cell, Statement(part.code.source, owner.get(at, "")))
            for at, part in enumerate(self.parts)
            if at in running and not part.is_lecture
        )
        placed = [*self._lecture_steps(running)]
        for place, cell in enumerate(self.own):
            own = self._cell_steps(place, tuple(lines[place]))
            placed += [((cell.after, place, 0), step) for step in own]
        return tuple(step for _, step in sorted(placed, key=lambda item: item[0]))

    def _running(self) -> set[Node]:
        """Return the places of all parts that run."""
        needed = set().union(*self.needs.values())
        needed = reached(needed, self.names.links)
        needed |= reached(self.names.noticed(needed), self.names.links)
        # A tag says what the solutions do not need. An answer may need more of the lecture.
        return needed | {at for at, part in enumerate(self.parts) if part.always}

    def _lecture_steps(self, running: set[Node]) -> Iterable[tuple[Place, Step]]:
        """Yield the lecture's cells, and each check where all that it needs is there.

        It is asked twice if some of that is defined again below: either may be what was meant.
        """
        for at, step in enumerate(self.skeleton.steps):
            place = (at, -1, 0)
            if step.kind == LECTURE and self.at[place] in running:
                yield place, step
            if step.kind == CHECK:
                ready = self._ready(step.exercise) if step.exercise in self.made else set()
                places = {max(place, (self.own[cell].after, cell, 1)) for cell in ready}
                yield from ((place, step) for place in sorted(places or {place}))

    def _cell_steps(self, place: int, lines: tuple[Statement, ...]) -> list[Step]:
        """Return a cell of the student's as the answers that it is, or as an added one."""
        source = self.own[place].source
        answers = [
            replace(self.skeleton.answers[exercise], source=source)
            for exercise, version in self.chosen.items()
            if version.cell == place
        ]
        if not answers:
            return [Step(ADDED, source, statements=lines)] if lines else []
        return [replace(answers[0], statements=lines), *answers[1:]]

    def _ready(self, exercise: str) -> set[int]:
        """Return the student's cells after which an exercise has what it needs.

        That is where all has its first definition, and where a function has its last. Where a
        later answer uses the function, too, with one of its own, each takes what is there; or the
        first, if there is none yet. A variable's name is often used again: its first value counts,
        but for what the student has checked last, and for what the lecture has.
        """
        ready = max(self.parts[self.made[exercise]].cell, self.checked.get(exercise, -1))
        first = ready
        others = {e: nodes for e, nodes in self.needs.items() if e != exercise}
        for node in self.needs[exercise]:
            if isinstance(node, tuple) and node[0] == NAME:
                cells = [self.parts[at].cell for at in self.names.makers(node[1])]
                users = [self.parts[self.made[e]].cell for e in others if node in others[e]]
                if cells:
                    is_function = node[1] in self.names.functions
                    is_last = is_function and max(cells) > max(users, default=-1)
                    ready = max(ready, max(cells) if is_last else min(cells))
                    first = first if node[1] in self.names.lectures else max(first, min(cells))
        return {first, ready}
