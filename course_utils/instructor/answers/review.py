"""What a person should look at in a submission. It is advice: no points rest on it.

Code can always hide from who reads it without running it. What is found here are names: what a
student's cell imports, changes and reaches for, and what an answer takes that it should write.
"""

from __future__ import annotations

import ast
from ast import Attribute, Constant, Name
from collections.abc import Iterable, Iterator

from IPython.core.inputtransformer2 import TransformerManager

from ...exercises import get_exercise
from ..cell_names import Code, grouped, reached, read_cell, root
from .skeleton import ADDED, ANSWER, LECTURE, Plan, Skeleton, Step
from .uses import IDLE_NAMES, uses

MOST_NOTES, LONGEST_NOTE = 40, 500
LOOPS = (ast.For, ast.While, ast.comprehension)
# Of the course's own, these hold no answer.
FREE = "by_profile check claim get_device progress runtime seed_everything setup"
BRIEF = 10_000  # characters of a cell that IPython is asked about


def review(plan: Plan, skeleton: Skeleton) -> list[str]:
    """Return one sentence for each thing that a person should see. It raises nothing."""
    try:
        notes = list(dict.fromkeys(note[:LONGEST_NOTE] for note in _notes(plan, skeleton)))
    except Exception as problem:  # advice must not keep anybody from being graded
        return [f"the code could not be looked into ({type(problem).__name__})"]
    if len(notes) > MOST_NOTES:
        notes[MOST_NOTES:] = [f"{len(notes) - MOST_NOTES} notes more on its code"]
    return notes


def _notes(plan: Plan, skeleton: Skeleton) -> Iterator[str]:
    """Yield notes on what the student wrote: a statement of the lecture is not, in any cell."""
    lecture = [read_cell(step.source) for step in skeleton.steps if step.kind == LECTURE]
    free = {name: read_cell(step.source).used for name, step in skeleton.answers.items()}
    own = [step for step in plan.steps if step.kind in (ANSWER, ADDED)]
    cells = [*lecture, *(read_cell(step.source) for step in own)]
    imports = {name: whole for cell in cells for name, whole in cell.imports.items()}
    known = {part.source for cell in lecture for part in cell.statements}
    makers = grouped(
        ((part.source in known, name), part)
        for cell in cells
        for part in cell.statements
        for name in part.bound | part.changed.difference(imports)
    )
    works = {s.exercise: _work(s, free[s.exercise], makers) for s in own if s.kind == ANSWER}
    for step in own:
        written = [p for p in read_cell(step.source).statements if p.source not in known]
        users = [exercise for exercise, work in works.items() if not work.isdisjoint(written)]
        yield from _on_cell(step, written, users, imports)
    for exercise, work in works.items():
        written = [part for part in work if part.source not in known]
        if any("torchvision.models" in part.source for part in work.difference(written)):
            yield f"{exercise} uses torchvision.models, in a cell of the lecture"
        taken = {name for part in written for name in _course_names(part, imports, free[exercise])}
        if taken := {name for name in taken if name.rpartition(".")[2] not in FREE.split()}:
            yield f"{exercise} uses the course's own {', '.join(sorted(taken))}"
        nodes = (node for part in written for node in ast.walk(part.tree))
        if get_exercise(exercise).no_loops and any(isinstance(node, LOOPS) for node in nodes):
            yield f"{exercise} asks for no loop, and its answer has one"
        yield from _own_work(exercise, work, {name for part in written for name in part.bound})


def _on_cell(
    step: Step, written: list[Code], users: list[str], imports: dict[str, str]
) -> Iterator[str]:
    """Yield notes on what the student wrote in a cell that these exercises use."""
    cell, who = read_cell(step.source), step.exercise or _who(step, users)
    if not cell.tree and (step.kind == ANSWER or _may_run(step.source)):
        yield f"{who} could not be looked into: it does not parse"
    found = {*uses(cell, written, imports)}
    if step.kind == ADDED and not users:
        found = {(what, name) for what, name in found if name not in IDLE_NAMES}
    for what, names in grouped(sorted(found)).items():
        yield f"{who} {what.format(', '.join(names))}"


def _who(step: Step, exercises: list[str]) -> str:
    cell = f"the added cell «{step.source.strip().splitlines()[0][:60]}»"
    return f"{', '.join(exercises)}, in {cell}," if exercises else cell


def _may_run(source: str) -> bool:
    """Return whether IPython may read a cell that no parser did. What it cannot read runs nothing.

    Of a long one that is not asked: with many magics it takes long.
    """
    if len(source) > BRIEF:
        return True
    try:
        ast.parse(TransformerManager().transform_cell(source))
    except Exception:
        return False
    return True


# --- what an answer is made of -------------------------------------------------------------------


def _work(step: Step, free: set[str], makers: dict[tuple[bool, str], list[Code]]) -> set[Code]:
    """Return the statements that an answer is made of: its definition, and what that uses.

    They may stand in any cell; the lecture's count where the student has none of a name, but what
    the solution uses of the lecture is no work of the answer's. A test beside an answer is none:
    it may compare with what is ready-made.
    """
    parts = read_cell(step.source).statements
    start = [part for part in parts if step.answer in part.bound] or parts

    def links(at: Code | str) -> Iterable[Code | str]:
        if isinstance(at, Code):
            return at.used
        return makers[False, at] or (() if at in free else makers[True, at])

    return {at for at in reached([*start, step.answer], links) if isinstance(at, Code)}


def _own_work(exercise_id: str, work: set[Code], made: set[str]) -> Iterator[str]:
    """Yield what an answer takes that it should write; what the student made is no such name."""
    exercise = get_exercise(exercise_id)
    mentioned = {name for part in work for name in _mentioned(part, made)}
    if ready_made := ", ".join(sorted(mentioned.intersection(exercise.ready_made))):
        yield f"{exercise_id} asks to write it yourself, and its answer uses {ready_made}"
    if near := ", ".join(sorted(mentioned.intersection(exercise.worth_a_look))):
        yield f"{exercise_id} can be written without {near}, which its answer uses"


def _mentioned(part: Code, made: set[str]) -> Iterator[str]:
    """Yield names from elsewhere, attributes, imports, and texts that could name an attribute."""
    for node in ast.walk(part.tree):
        match node:
            case Name(name) if name in part.used and name not in made:
                yield name
            case Attribute(_, name) if root(node) != "self":
                yield name
            case ast.alias(name):
                yield from name.split(".")
            case Constant(str(text)):
                yield text


def _course_names(part: Code, imports: dict[str, str], free: set[str]) -> Iterator[str]:
    """Yield what a statement takes from the course's own module; some of its names are free."""
    whole: dict[ast.AST, str] = {}  # names of modules, with what is looked up in them
    for node in ast.walk(part.tree):
        match node:
            case Attribute(Name(name) as module, attr):
                whole[module] = f"{name}.{attr}"
            case Name(name) if name in part.used and name not in free:
                if imports.get(name, "").startswith("course_utils"):
                    yield whole.get(node, imports[name].rpartition(".")[2])
            case ast.ImportFrom(str(module)) if module.startswith("course_utils"):
                yield from (alias.name for alias in node.names)
