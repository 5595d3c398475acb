"""What a person should look at in a submission. It is advice: no points rest on it.

Code can always hide from who reads it without running it. What is found here are names: what a
student's cell imports, changes and reaches for, and what an answer takes that it should write.
"""

from __future__ import annotations

import ast
import re
from ast import Attribute, Call, Constant, Name
from collections.abc import Iterable, Iterator

from ...exercises import get_exercise
from ..cell_names import Code, grouped, reached, read_cell, root
from .skeleton import ADDED, ANSWER, LECTURE, Plan, Skeleton, Step

MOST_NOTES, LONGEST_NOTE = 40, 500
LOOPS = (ast.For, ast.While, ast.comprehension)
USES = "uses {}"
REACHES = "reaches for names in a way that cannot be read: {}"
CHANGES = "changes {}"
RUNS = "runs {}, which was not looked into"
# What an answer has no use for, but an attack has, and ways to a name that is not written down:
# a module ("gc."), a part of one ("os.fork"), what Python has ("open()"), or a name anywhere.
WORDS = {
    USES: """
        course_utils.exercises course_utils.withheld torchvision.models timm.
        builtins. concurrent. ctypes. gc. inspect. multiprocessing. socket. subprocess. threading.
        os.close os.closerange os.fork os.getppid os.kill os.memfd_create os.popen os.setsid
        os.system os.write sys.modules torch.library torch.multiprocessing get_ipython() open()
        __code__ __globals__ __subclasses__ __traceback__ _disable_current_modes _exit _getframe
        _python_dispatch ast_transformers DisableTorchFunction _DisableTorchDispatch f_back
        DisableTorchFunctionSubclass set_custom_exc settrace tb_frame
        """,
    REACHES: """
        importlib. torch.ops __import__() compile() eval() exec() getattr() globals() vars()
        __builtins__ __dict__ __getattribute__ _C _ops aten attrgetter methodcaller
        """,
}
NOTED = {word: sentence for sentence, words in WORDS.items() for word in words.split()}
PATCHED = ("IPython.", "course_utils.", "torch.")
OWN_FILE = re.compile(r"(?!.*\.\.)[^/~]")
MAGICS = {"system": "!", "getoutput": "!", "run_line_magic": "%", "run_cell_magic": "%%"}
QUIET = re.compile(
    r"%%(html|latex|markdown)|%(autoreload|cd|conda|config|env|load_ext|matplotlib|pinfo2?|pip|pwd)"
    r"|! *((python3? -m |uv )?pip3?|conda|echo|ls|nvidia-smi|free|df|date)\b[^;&|`$(){}\\\n]*"
)


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
        cell = read_cell(step.source)
        written = [part for part in cell.statements if part.source not in known]
        users = [exercise for exercise, work in works.items() if not work.isdisjoint(written)]
        who = step.exercise or _who(step, users)
        if not cell.tree:
            yield f"{who} could not be looked into: it does not parse"
        uses = grouped(sorted({*_uses(cell, written, imports)}))
        yield from (f"{who} {what.format(', '.join(names))}" for what, names in uses.items())
    for exercise, work in works.items():
        written = [part for part in work if part.source not in known]
        taken = {n for part in written for n in _course_names(part, imports, free[exercise])}
        if taken:
            yield f"{exercise} uses the course's own {', '.join(sorted(taken))}"
        nodes = (node for part in written for node in ast.walk(part.tree))
        if get_exercise(exercise).no_loops and any(isinstance(node, LOOPS) for node in nodes):
            yield f"{exercise} asks for no loop, and its answer has one"
        yield from _own_work(exercise, work, {name for part in written for name in part.bound})


def _who(step: Step, exercises: list[str]) -> str:
    cell = f"the added cell «{step.source.strip().splitlines()[0][:60]}»"
    return f"{', '.join(exercises)}, in {cell}," if exercises else cell


# --- what a cell reaches for ---------------------------------------------------------------------


def _uses(cell: Code, parts: list[Code], imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield sentences on these parts of a cell, each with the name that it is about."""
    plain: set[ast.AST] = set()  # names in calls that tell what they do
    foreign = cell.used - cell.bound
    for node in (node for part in parts for node in ast.walk(part.tree)):
        words: list[str] = []
        match node:
            case Call(Name("getattr") as name, [Name("self"), *_] | [_, Constant(str()), *_]):
                plain.add(name)
            case Call(Name("open") as name, [Constant(str(path)), *_]) if OWN_FILE.match(path):
                plain.add(name)
            case Call(Attribute(Call(Name("get_ipython") as name), how), [Constant(str(line)), *_]):
                plain.add(name)
                if not QUIET.fullmatch(command := f"{MAGICS.get(how, how)}{line.strip()}"):
                    yield RUNS, command[:40]
            case ast.Import() | ast.ImportFrom():
                start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for whole in (f"{start}{alias.name}" for alias in node.names):
                    first, *others = whole.split(".")
                    words += [f"{first}.", ".".join([first, *others[:1]]), *others]
                    if first == "course_utils" and whole.endswith("*"):
                        yield USES, f"all of the course's own {start[:-1]}"
            case Attribute(holder, name):
                module = imports.get(getattr(holder, "id", ""), getattr(holder, "attr", ""))
                words += [name, f"{module}.{name}"]
            case Constant(str() | bytes() as text):
                words.append(str(text))
                if "course_utils" in str(text):
                    yield REACHES, "a text with course_utils"
            case Name(name):
                words += [name, f"{name}()"] if name in foreign and node not in plain else [name]
        yield from ((NOTED[word], word.strip(".()")) for word in words if word in NOTED)
    yield from _changes(cell, parts, imports)


def _changes(cell: Code, parts: list[Code], imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what parts of a cell change of PyTorch, IPython or the course."""

    def is_patched(name: str) -> bool:
        return f"{imports.get(name)}.".startswith(PATCHED)

    names_of = grouped((other, name) for name, other in cell.links)
    aliases = reached(filter(is_patched, list(names_of)), names_of.__getitem__)
    for target in (target for part in parts for target in part.targets):
        name = root(target)
        is_of_module = isinstance(target, Attribute) and getattr(target.value, "id", "") in imports
        is_theirs = is_patched(name) or name in aliases or is_of_module
        if is_theirs and not isinstance(target, ast.Subscript):
            text = ast.unparse(target)[:80]
            if not text.startswith("torch.backends."):
                yield CHANGES, text


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
