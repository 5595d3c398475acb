"""What a person should look at in a submission. It is advice: no points rest on it.

Code can always hide from who reads it without running it. What is found here are names: what a
student's cell imports, changes and reaches for, and what an answer takes that it should write.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from ...exercises import get_exercise
from ..cell_names import Code, grouped, reached, read_cell, root
from .skeleton import ADDED, ANSWER, LECTURE, Plan, Skeleton, Step

MOST_NOTES = 40
USES = "uses {}"
REACHES = "reaches for names in a way that cannot be read: {}"
CHANGES = "changes {}"
RUNS = "runs {}, which was not looked into"
# What an answer has no use for, but an attack has, and ways to a name that is not written down:
# a module ("gc."), a part of one ("os.fork"), what Python has ("open()"), or a name anywhere.
WORDS = {
    USES: """
        _thread. asyncio. builtins. concurrent. ctypes. gc. inspect. multiprocessing. signal.
        socket. subprocess. threading.
        os.abort os.close os.closerange os.dup2 os.execv os.fork os.getppid os.kill os.killpg
        os.memfd_create os.open os.popen os.setsid os.system os.write sys.meta_path sys.modules
        torch.library torch.multiprocessing
        get_ipython() open()
        __closure__ __code__ __globals__ __subclasses__ __traceback__ _disable_current_modes
        _DisableTorchDispatch _exit _getframe _pop_mode _python_dispatch ast_transformers
        currentframe DisableTorchFunction DisableTorchFunctionSubclass f_back f_globals f_locals
        get_objects get_referrers set_custom_exc setprofile settrace tb_frame TorchDispatchMode
        TorchFunctionMode
        """,
    REACHES: """
        importlib. torch.ops __import__() compile() eval() exec() getattr() globals() vars()
        __builtins__ __dict__ __getattribute__ _C _ops aten attrgetter methodcaller
        """,
}
NOTED = {word: sentence for sentence, words in WORDS.items() for word in words.split()}
PATCHED = ("IPython", "course_utils", "torch")
MAGICS = {"system": "!", "getoutput": "!", "run_line_magic": "%", "run_cell_magic": "%%"}
QUIET = re.compile(
    r"%%(html|latex|markdown|svg)"
    r"|%(autoreload|cd|config|env|load_ext|ls|matplotlib|pinfo2?|pip|precision|pwd|whos?)"
    r"|![ ]*((python3? -m |uv )?pip3?|conda|echo|ls|nvidia-smi|pwd|free|df|lscpu|date)"
    r"\b[^;&|`$(){}\\\n]*"
)


def review(plan: Plan, skeleton: Skeleton) -> list[str]:
    """Return one sentence for each thing that a person should see. It raises nothing."""
    try:
        notes = list(dict.fromkeys(_notes(plan, skeleton)))
    except Exception as problem:  # advice must not keep anybody from being graded
        return [f"the code could not be looked into ({type(problem).__name__})"]
    if len(notes) > MOST_NOTES:
        notes[MOST_NOTES:] = [f"{len(notes) - MOST_NOTES} notes more on its code"]
    return notes


def _notes(plan: Plan, skeleton: Skeleton) -> Iterator[str]:
    """Yield notes on the student's statements: those of the lecture are not, wherever they are."""
    steps = [step for step in plan.steps if step.kind in (ANSWER, ADDED)]
    cells = [read_cell(step.source) for step in steps]
    lecture = [read_cell(step.source) for step in skeleton.steps if step.kind == LECTURE]
    imports = {name: whole for cell in (*lecture, *cells) for name, whole in cell.imports.items()}
    known = {part.source for cell in lecture for part in cell.statements}
    own = [[part for part in cell.statements if part.source not in known] for cell in cells]
    theirs = _makers((part for cell in lecture for part in cell.statements), imports)
    mine = _makers((part for parts in own for part in parts), imports)
    solutions = {exercise: read_cell(s.source) for exercise, s in skeleton.answers.items()}
    usual = {use for s in solutions.values() for use in _uses(s, s.statements, imports)}
    answers = [step for step in steps if step.kind == ANSWER]
    works = {s.exercise: _work(s, solutions[s.exercise], mine, theirs) for s in answers}
    for step, cell, parts in zip(steps, cells, own, strict=True):
        users = [exercise for exercise, work in works.items() if not work.isdisjoint(parts)]
        who = step.exercise or _who(step, users)
        if not cell.tree:
            yield f"{who} could not be looked into: it does not parse"
        uses = grouped(sorted({*_uses(cell, parts, imports)} - usual))
        yield from (
            f"{who} {sentence.format(', '.join(names))}" for sentence, names in uses.items()
        )
    for exercise, work in works.items():
        written = [part for part in work if part.source not in known]
        yield from _work_notes(exercise, work, written, solutions[exercise], imports)


def _who(step: Step, exercises: list[str]) -> str:
    cell = f"the added cell «{step.source.strip().splitlines()[0][:60]}»"
    return f"{', '.join(exercises)}, in {cell}," if exercises else cell


# --- what a cell reaches for ---------------------------------------------------------------------


def _uses(cell: Code, parts: list[Code], imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield sentences on these parts of a cell, each with the name that it is about."""
    plain: set[ast.AST] = set()  # names that are harmless as what is around them is written down
    for node in (node for part in parts for node in part.nodes):
        for word in _words(node, imports):
            if word in NOTED:
                yield NOTED[word], word.strip(".")
        match node:
            case ast.Call(
                func=ast.Name(id="getattr") as name,
                args=[ast.Name(id="self"), *_] | [_, ast.Constant(value=str()), *_],
            ):
                plain.add(name)
            case ast.Call(
                func=ast.Name(id="open") as name,
                args=[ast.Constant(value=str(path)), *_],
            ) if path[:1] not in "/~" and ".." not in path:
                plain.add(name)
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Name(id="get_ipython") as name), attr=method
                ),
                args=[ast.Constant(value=str(text)), *_],
            ) if method in MAGICS:
                plain.add(name)
                if not QUIET.fullmatch(command := f"{MAGICS[method]}{text.strip()}"):
                    yield RUNS, command[:40]
            case ast.ImportFrom(module=str(module), names=[ast.alias(name="*")]):
                if module.startswith("course_utils"):
                    yield USES, f"all of the course's own {module}"
            case ast.Name(id=name) if f"{name}()" in NOTED and node not in plain:
                if name in cell.used - cell.bound:
                    yield NOTED[f"{name}()"], name
    yield from _changes(cell, parts, imports)


def _words(node: ast.AST, imports: dict[str, str]) -> Iterator[str]:
    """Yield what may stand in ``NOTED``."""
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in aliases:
                first, *others = f"{start}{alias.name}".split(".")
                yield from (f"{first}.", ".".join([first, *others[:1]]), *others)
        case ast.Attribute(attr=name, value=holder):
            yield name
            if isinstance(holder, ast.Name):
                yield f"{imports.get(holder.id)}.{name}"
            elif isinstance(holder, ast.Attribute):
                yield f"{holder.attr}.{name}"
        case ast.Name(id=text) | ast.Constant(value=str(text)):
            yield text


def _changes(cell: Code, parts: list[Code], imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what parts of a cell change of PyTorch, IPython or the course."""

    def is_patched(name: str) -> bool:
        return imports.get(name, "").partition(".")[0] in PATCHED

    names_of = grouped((other, name) for name, other in cell.links)
    aliases = reached(filter(is_patched, list(names_of)), names_of.__getitem__)
    for target in (target for part in parts for target in part.targets):
        name = root(target)
        if not isinstance(target, ast.Subscript) and (is_patched(name) or name in aliases):
            text = ast.unparse(target)[:80]
            if not text.startswith("torch.backends."):
                yield CHANGES, text


# --- what an answer is made of -------------------------------------------------------------------


def _makers(parts: Iterable[Code], imports: dict[str, str]) -> dict[str, list[Code]]:
    """Return the statements that bind each name, or change in place what it stands for."""
    return grouped(
        (name, part) for part in parts for name in part.bound | part.changed.difference(imports)
    )


def _work(
    step: Step, solution: Code, mine: dict[str, list[Code]], theirs: dict[str, list[Code]]
) -> set[Code]:
    """Return the statements that an answer is made of: its definition, and what that uses.

    They may stand in any cell; the lecture's count where the student has none of a name, but what
    the solution uses of the lecture is no work of the answer's. A test beside an answer is none:
    it may compare with what is ready-made.
    """
    parts = read_cell(step.source).statements
    start = [part for part in parts if step.answer in part.bound] or parts

    def links(thing: Code | str) -> Iterable[Code | str]:
        if isinstance(thing, Code):
            return thing.used
        return mine[thing] or (() if thing in solution.used else theirs[thing])

    return {thing for thing in reached([*start, step.answer], links) if isinstance(thing, Code)}


def _work_notes(
    step: str, work: set[Code], written: list[Code], solution: Code, imports: dict[str, str]
) -> Iterator[str]:
    """Yield notes on the work of an answer and on what of it the student has written."""
    taken = {name for part in written for name in _course_names(part, imports, solution.used)}
    if taken:
        yield f"{step} uses the course's own {', '.join(sorted(taken))}"
    made = {name for part in written for name in part.bound}
    mentioned = {name for part in work for name in _mentioned(part, made)}
    mentioned.difference_update(n for part in solution.statements for n in _mentioned(part, set()))
    exercise = get_exercise(step)
    if ready_made := ", ".join(sorted(mentioned.intersection(exercise.ready_made))):
        yield f"{step} asks to write it yourself, and its answer uses {ready_made}"
    if near := ", ".join(sorted(mentioned.intersection(exercise.worth_a_look))):
        yield f"{step} can be written without {near}, which its answer uses"


def _mentioned(part: Code, made: set[str]) -> Iterator[str]:
    """Yield names from elsewhere, attributes, imports, and texts that could name an attribute."""
    for node in part.nodes:
        match node:
            case ast.Name(id=name) if name in part.used and name not in made:
                yield name
            case ast.Attribute(attr=name) if root(node) != "self":
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case ast.Constant(value=str(text)):
                yield text


def _course_names(part: Code, imports: dict[str, str], free: set[str]) -> Iterator[str]:
    """Yield what a statement takes from the course's own module; some of its names are free."""
    whole: dict[ast.AST, str] = {}  # names of modules, with what is looked up in them
    for node in part.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=name) as module, attr=attr):
                whole[module] = f"{name}.{attr}"
            case ast.Name(id=name) if name in part.used - free:
                if imports.get(name, "").startswith("course_utils"):
                    yield whole.get(node, imports[name].rpartition(".")[2])
            case ast.ImportFrom(module=str(module)) if module.startswith("course_utils"):
                yield from (alias.name for alias in node.names)
