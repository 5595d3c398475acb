"""What a person should look at in a submission. It never changes points."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from ..cell_names import bound_names, parse_cell, used_names
from .skeleton import ADDED, ANSWER, LECTURE, Plan, Skeleton

# Names that an answer has no use for, but an attack has.
REACHING = {
    "__code__",
    "__globals__",
    "__import__",
    "__subclasses__",
    "_disable_current_modes",
    "_DisableTorchDispatch",
    "_exit",
    "_getframe",
    "_python_dispatch",
    "ast_transformers",
    "ctypes",
    "currentframe",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "display_pub",
    "exec",
    "fork",
    "gc",
    "get_objects",
    "getppid",
    "importlib",
    "kill",
    "modules",
    "multiprocessing",
    "open",
    "popen",
    "set_custom_exc",
    "settrace",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "TorchDispatchMode",
}

# Names that switch off what watches PyTorch's operations.
UNWATCHING = {
    "_disable_current_modes",
    "_DisableTorchDispatch",
    "_python_dispatch",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
}


def review(plan: Plan, skeleton: Skeleton) -> list[str]:
    """Return one sentence for each thing that a person should see."""
    own = [step for step in plan.steps if step.kind in (ANSWER, ADDED)]
    allowed = {name for step in skeleton.answers.values() for name in _all_names(step.source)}
    reaching = sorted({n for step in own for n in _all_names(step.source)} & REACHING - allowed)
    notes = [f"its code uses {', '.join(reaching)}"] if reaching else []
    course = _course_names(step.source for step in skeleton.steps if step.kind == LECTURE)
    for step in own:
        if step.kind == ANSWER:
            needed = used_names(skeleton.answers[step.exercise].source)
            course_here = course | _course_names([step.source])
            if taken := sorted(used_names(step.source) & course_here - needed):
                notes.append(f"{step.exercise} uses the course's own {', '.join(taken)}")
    return notes


def evasion(source: str, answer: str, ready_made: tuple[str, ...]) -> str | None:
    """Return what an answer uses that it must write itself, or to hide that it does; or None.

    Only the answer's own definition counts: a test beside it may compare with what is ready-made.
    """
    tree = parse_cell(source)
    for node in tree.body if tree else ():
        if getattr(node, "name", None) == answer:
            used = set(_all_names(ast.unparse(node)))
            return min(used & {*ready_made, *UNWATCHING}, default=None)
    return None


def _all_names(source: str) -> Iterator[str]:
    """Yield names, attributes, parts of imports, and texts that could name an attribute."""
    tree = parse_cell(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from node.module.split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _course_names(sources: Iterable[str]) -> set[str]:
    """Return the names that cells import from the course's own module."""
    names: set[str] = set()
    for source in sources:
        tree = parse_cell(source)
        for node in ast.walk(tree) if tree else ():
            lines = ast.unparse(node) if isinstance(node, (ast.Import, ast.ImportFrom)) else ""
            if "course_utils" in lines:
                names |= bound_names(lines)
    return names
