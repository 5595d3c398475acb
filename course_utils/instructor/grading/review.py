"""What a person should look at in a submission. It is advice: no points rest on it.

Code can always hide from who reads it without running it. What is found here are names: what a
student's cell imports, changes and reaches for, and what an answer takes that it should write.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...exercises import get_exercise
from ...exercises.core import Exercise
from ..cell_names import Cell, Part, reached, read_cell, root, stand_ins
from .skeleton import ADDED, ANSWER, LECTURE, Plan, Skeleton, Step

MOST_NOTES = 40


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules that an answer has no use for, but an attack has.
MODULES = _words(
    """
    _posixsubprocess _thread asyncio atexit builtins code codeop concurrent ctypes dis faulthandler
    fcntl gc inspect marshal mmap multiprocessing posix pty resource runpy select selectors signal
    socket subprocess threading
    """
)
# The same of functions of a module, and of names that mean one thing wherever they are found.
PARTS_OF = {
    "os": _words(
        """
        abort chroot close closerange dup dup2 execv execve execvp fork forkpty getppid kill killpg
        memfd_create mkfifo open pipe popen posix_spawn setns setsid splice spawnv system unshare
        write
        """
    ),
    "sys": {"meta_path", "modules", "path_hooks", "setprofile", "settrace"},
    "traceback": {"walk_stack", "walk_tb"},
    "torch": {"library", "multiprocessing"},
}
HIDDEN = _words(
    """
    __bases__ __closure__ __code__ __globals__ __mro__ __subclasses__ __traceback__ _current_frames
    _disable_current_modes _DisableTorchDispatch _exit _getframe _pop_mode _python_dispatch
    ag_frame ast_transformers cr_frame currentframe DisableTorchFunction
    DisableTorchFunctionSubclass display_pub f_back f_builtins f_globals f_locals get_objects
    get_referents get_referrers gi_frame input_transformers_cleanup input_transformers_post
    set_custom_exc settrace setprofile tb_frame tb_next TorchDispatchMode TorchFunctionMode
    """
)
# Ways to a name that is not written down.
VEILED = _words("__builtins__ __dict__ __getattribute__ _C _ops aten attrgetter methodcaller")
VEILED_MODULES = {"importlib", "pkgutil"}
VEILED_BUILTINS = {"__import__", "compile", "eval", "exec", "getattr", "globals", "vars"}
PATCHED = ("IPython", "course_utils", "torch")
MAGICS = {"getoutput", "run_cell_magic", "run_line_magic", "system"}
QUIET_MAGICS = _words(
    """
    %%html %%latex %%markdown %%svg %autoreload %cd %conda %config %env %load_ext %ls %matplotlib
    %pip %precision %pwd %who %whos
    """
)
QUIET_COMMAND = re.compile(
    r"\s*(?:(?:(?:python3? -m |uv )?pip3?|conda) [^;&|`$(){}\\\n]*"
    r"|(?:echo|ls|nvidia-smi|pwd|free|df|lscpu|date|python3? --version)\b[^;&|`$(){}\\\n<>]*)"
)
LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)


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
    own = [step for step in plan.steps if step.kind in (ANSWER, ADDED)]
    lecture = [step for step in skeleton.steps if step.kind == LECTURE]
    imports: dict[str, str] = {}
    for step in (*lecture, *own):
        imports |= read_cell(step.source).imports
    mine, theirs = _statements(own, imports), _statements(lecture, imports)
    works = [
        _work(step, read_cell(skeleton.answers[step.exercise].source), mine, theirs)
        for step in own
        if step.kind == ANSWER
    ]
    users = defaultdict(list)
    for work in works:
        for source in work.sources:
            users[source].append(work.exercise)
    solutions = [read_cell(step.source) for step in skeleton.answers.values()]
    usual = {use for solution in solutions for use in _uses(solution, imports)}
    for step in own:
        who = step.exercise or _who(step, users[step.source])
        yield from _cell_notes(who, read_cell(step.source), imports, usual)
    for work in works:
        yield from _work_notes(work, imports)


def _cell_notes(
    who: str, cell: Cell, imports: dict[str, str], usual: set[tuple[str, str]]
) -> Iterator[str]:
    if cell.tree is None:
        yield f"{who} could not be looked into: it does not parse"
    found = defaultdict(list)
    for sentence, name in sorted({*_uses(cell, imports), *_patches(cell, imports)} - usual):
        found[sentence].append(name)
    for sentence, names in found.items():
        yield f"{who} {sentence.format(', '.join(names))}"


def _who(step: Step, exercises: list[str]) -> str:
    cell = f"the added cell «{step.source.strip().splitlines()[0][:60]}»"
    return f"{', '.join(exercises)}, in {cell}," if exercises else cell


# --- what a cell reaches for ---------------------------------------------------------------------

USES = "uses {}"
REACHES = "reaches for names in a way that cannot be read: {}"
CHANGES = "changes {}"
RUNS = "runs {}, which was not looked into"


def _uses(cell: Cell, imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield sentences, each with the name that it is about."""
    explained: set[ast.AST] = set()  # names that were judged together with what is around them
    builtins = cell.used - cell.bound
    for node in cell.nodes:
        if isinstance(node, ast.Call):
            yield from _called(node, explained)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imported(node)
        elif isinstance(node, ast.Attribute):
            yield from _looked_up(node, imports)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _named(node.value)
        elif isinstance(node, ast.Name):
            yield from _named(node.id)
            if node.id in builtins and node not in explained:
                if node.id in VEILED_BUILTINS:
                    yield REACHES, node.id
                elif node.id in ("get_ipython", "open"):
                    yield USES, node.id


def _named(name: str) -> Iterator[tuple[str, str]]:
    if name in HIDDEN:
        yield USES, name
    elif name in VEILED:
        yield REACHES, name


def _called(call: ast.Call, explained: set[ast.AST]) -> Iterator[tuple[str, str]]:
    function = call.func
    given = [a.value if isinstance(a, ast.Constant) else None for a in call.args]
    texts = [value for value in given if isinstance(value, str)]
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call):
        shell = function.value.func
        is_magic = isinstance(shell, ast.Name) and shell.id == "get_ipython"
        if is_magic and function.attr in MAGICS and texts and texts == given:
            explained.add(shell)
            yield from _magic(function.attr, texts[0])
    elif isinstance(function, ast.Name):
        names_it = function.id == "getattr" and isinstance((*given, None, None)[1], str)
        opens = function.id == "open" and texts == given and not call.keywords
        if names_it or (opens and _only_reads_here(*texts)):
            explained.add(function)


def _only_reads_here(path: str = "/", mode: str = "r", *more: str) -> bool:
    """Return whether a file in the notebook's own folder is opened for reading."""
    return path[:1] not in ("/", "~") and ".." not in path and mode in ("r", "rb") and not more


def _magic(function: str, name: str) -> Iterator[tuple[str, str]]:
    if function in ("system", "getoutput"):
        if not QUIET_COMMAND.fullmatch(name):
            yield RUNS, f"!{name.strip()[:40]}"
    else:
        sign = "%%" if function == "run_cell_magic" else "%"
        if f"{sign}{name}" not in QUIET_MAGICS:
            yield RUNS, f"{sign}{name}"


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    start = f"{node.module or ''}." if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        first, *others = f"{start}{alias.name}".split(".")
        if first in MODULES:
            yield USES, first
        elif first in VEILED_MODULES:
            yield REACHES, first
        elif others and others[0] in PARTS_OF.get(first, ()):
            yield USES, f"{first}.{others[0]}"
        for other in others:
            yield from _named(other)
        if first == "course_utils" and alias.name == "*":
            yield USES, f"all of the course's own {start[:-1]}"


def _looked_up(node: ast.Attribute, imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield from _named(node.attr)
    holder = node.value
    module = ""
    if isinstance(holder, ast.Name):
        module = imports.get(holder.id, "")
    elif isinstance(holder, ast.Attribute):
        module = holder.attr
    if node.attr in PARTS_OF.get(module, ()):
        yield USES, f"{module}.{node.attr}"
    elif (module, node.attr) == ("torch", "ops"):
        yield REACHES, "torch.ops"


def _patches(cell: Cell, imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what a cell changes of PyTorch, IPython or the course."""
    nodes = list(cell.nodes)
    names_of = defaultdict(set)
    for name, other in stand_ins(nodes):
        names_of[other].add(name)

    def is_patched(name: str) -> bool:
        return imports.get(name, "").partition(".")[0] in PATCHED

    aliases = reached(filter(is_patched, list(names_of)), names_of)
    for node in nodes:
        target: ast.AST | None = None
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            target = node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            target = node.args[0] if node.func.id in ("setattr", "delattr") else None
        if target is None or not (is_patched(root(target)) or root(target) in aliases):
            continue
        if not (name := _dotted(target)).startswith("torch.backends."):
            yield CHANGES, name


def _dotted(node: ast.AST) -> str:
    names = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        names.append(node.attr if isinstance(node, ast.Attribute) else "[…]")
        node = node.value
    return ".".join([root(node) or "…", *reversed(names)])[:80]


# --- what an answer is made of -------------------------------------------------------------------

Statements = dict[str, list[tuple[str, Part]]]  # by name: the source of the cell, and its part


@dataclass
class _Work:
    """The statements that an answer is made of: its definition, and what that uses, in any cell.

    A test beside an answer is none of them: it may compare with what is ready-made.
    ``sources`` are the student's cells that they stand in.
    """

    exercise: str
    solution: Cell
    defining: list[Part]
    own: list[Part] = field(default_factory=list)
    lecture: list[Part] = field(default_factory=list)
    sources: dict[str, None] = field(default_factory=dict)


def _statements(steps: Iterable[Step], imports: dict[str, str]) -> Statements:
    """Return the statements that bind each name, or change in place what it stands for."""
    found = defaultdict(list)
    for step in steps:
        for part in read_cell(step.source).parts:
            for name in part.bound.union(n for n in part.changed if n not in imports):
                found[name].append((step.source, part))
    return found


def _work(step: Step, solution: Cell, mine: Statements, theirs: Statements) -> _Work:
    """Collect the statements, each once; the lecture's where the student has none of a name.

    What the solution uses of the lecture is no work of the answer's.
    """
    cell = read_cell(step.source)
    defining = [part for part in cell.parts if step.answer in part.bound] or list(cell.parts)
    work = _Work(step.exercise, solution, defining)
    seen, parts = {step.answer}, set()
    waiting = [(step.source, part, True) for part in defining]
    waiting += [(source, part, True) for source, part in mine.get(step.answer, ())]
    while waiting:
        source, part, is_own = waiting.pop()
        if part in parts:
            continue
        parts.add(part)
        (work.own if is_own else work.lecture).append(part)
        if is_own:
            work.sources[source] = None
        for name in part.used - seen:
            seen.add(name)
            if name in mine:
                waiting += [(*found, True) for found in mine[name]]
            elif name not in solution.used:
                waiting += [(*found, False) for found in theirs.get(name, ())]
    return work


def _work_notes(work: _Work, imports: dict[str, str]) -> Iterator[str]:
    exercise = _exercise(work.exercise)
    if taken := sorted({name for part in work.own for name in _course_names(part, work, imports)}):
        yield f"{work.exercise} uses the course's own {', '.join(taken)}"
    if exercise is None:
        return
    made = {name for part in work.own for name in part.bound}
    mentioned = {n for part in (*work.own, *work.lecture) for n in _mentioned(part, made)}
    mentioned -= {n for part in work.solution.parts for n in _mentioned(part, set())}
    if ready_made := ", ".join(sorted(mentioned.intersection(exercise.ready_made))):
        yield f"{work.exercise} asks to write it yourself, and its answer uses {ready_made}"
    if near := ", ".join(sorted(mentioned.intersection(exercise.worth_a_look))):
        yield f"{work.exercise} can be written without {near}, which its answer uses"
    has_loops = any(isinstance(node, LOOPS) for part in work.defining for node in part.nodes)
    if has_loops and getattr(exercise, "most_calls", None) is not None:
        yield f"{work.exercise} asks for an answer without loops, and it has one"


def _exercise(exercise_id: str) -> Exercise | None:
    try:
        return get_exercise(exercise_id)
    except KeyError:
        return None


def _mentioned(part: Part, made: set[str]) -> Iterator[str]:
    """Yield names from elsewhere, attributes, imports, and texts that could name an attribute."""
    foreign = part.used - made
    for node in part.nodes:
        if isinstance(node, ast.Name) and node.id in foreign:
            yield node.id
        elif isinstance(node, ast.Attribute) and root(node) != "self":
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _course_names(part: Part, work: _Work, imports: dict[str, str]) -> Iterator[str]:
    """Yield what a statement takes from the course's own module, and the solution does not."""
    course = {
        name
        for name in part.used | part.bound
        if imports.get(name, "").startswith("course_utils") and name not in work.solution.used
    }
    whole: set[ast.AST] = set()  # modules with the name that is looked up in them
    for node in part.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in course:
                whole.add(node.value)
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils"):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and node.id in course and node not in whole:
            yield imports[node.id].rpartition(".")[2]
