"""The course as a student's kernel sees it while grading: without cases, judges and `instructor`.

Of each exercise only ``run`` is left, with what it needs. Code in the kernel can therefore not ask
a judge what is right, nor learn the cases before they come.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..package import copy_package

KEPT_OF_AN_EXERCISE = {"id", "points", "title", "run"}
KEPT_OF_THE_PACKAGE = {"__all__", "all_exercises", "check", "get_exercise"}
CHECK = 'print(f"{exercise_id} is scored by the grader")'


def make_course_copy(folder: Path) -> None:
    """Write the stripped copy of the course into ``folder``, which exists and is empty."""
    exercises = folder / "course_utils" / "exercises"
    copy_package(exercises.parent)
    shared, core = exercises / "shared.py", exercises / "core.py"
    bases = shared.read_text("utf-8")
    for path in exercises.glob("l[0-9][0-9]_*.py"):
        path.write_text(without_keys(path.read_text("utf-8"), bases=bases), "utf-8")
    shared.write_text(without_keys(bases, _imported(exercises, "shared")), "utf-8")
    needed = {"Outcome", "outcome_of"} | _imported(exercises, "core")
    core.write_text(without_keys(core.read_text("utf-8"), needed), "utf-8")
    package = exercises / "__init__.py"
    package.write_text(without_scoring(package.read_text("utf-8")), "utf-8")
    kernel = Path(__file__).with_name("student_kernel.py")
    shutil.copyfile(kernel, exercises / kernel.name)
    shutil.copyfile(Path(__file__).with_name("zygote.py"), folder / "zygote.py")


def without_keys(
    source: str, roots: frozenset[str] | set[str] = frozenset({"EXERCISES"}), bases: str = ""
) -> str:
    """Return a module of exercises with only what running them needs, and no word of prose.

    Args:
        source: the module's text.
        roots: names that must stay.
        bases: text of a module that its exercises may inherit from; what a `run` there calls stays.
    """
    tree = ast.parse(source)
    inherited = list(_exercises(ast.parse(bases)))
    exercises = list(_exercises(tree, {exercise.name for exercise in inherited}))
    names = _reachable(part for exercise in [*inherited, *exercises] for part in exercise.body)
    for exercise in exercises:
        exercise.body = [part for part in exercise.body if _bound(part) & names]
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if ast.get_docstring(node) is not None:
                del node.body[0]  # it can tell of the answer
            node.body = node.body or [ast.Pass()]
            node.decorator_list = [d for d in node.decorator_list if "abstract" not in ast.dump(d)]
    return only(ast.unparse(tree), roots)


def without_scoring(source: str) -> str:
    """Return the exercises' package with a ``check`` that only says who scores."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "check":
            node.body = ast.parse(CHECK).body
    return only(ast.unparse(tree), KEPT_OF_THE_PACKAGE)


def _exercises(tree: ast.Module, known: Iterable[str] = ()) -> Iterator[ast.ClassDef]:
    """Yield the classes of a module that are exercises: `Exercise` and what inherits from it."""
    names = {"Exercise", *known}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if node.name in names or bases & names:
                names.add(node.name)
                yield node


def _reachable(parts: Iterable[ast.stmt]) -> set[str]:
    """Return the names of what stays of exercises: `run`, and what it uses of them."""
    parts = list(parts)
    names, before = set(KEPT_OF_AN_EXERCISE), -1
    while len(names) != before:
        before = len(names)
        for part in parts:
            if _bound(part) & names:
                names |= {n.attr for n in ast.walk(part) if isinstance(n, ast.Attribute)}
    return names


def only(source: str, roots: frozenset[str] | set[str]) -> str:
    """Return a module with only the statements that ``roots`` need, directly or through others."""
    tree = ast.parse(source)
    needed, before = set(roots), -1
    while len(needed) != before:
        before = len(needed)
        for node in tree.body:
            if _bound(node) & needed:
                needed |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    body = [node for node in tree.body if _is_future(node) or _bound(node) & needed]
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not _is_future(node):
            node.names = [n for n in node.names if (n.asname or n.name.split(".")[0]) in needed]
    return ast.unparse(ast.Module(body, [])) + "\n"


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module or a class binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.If):  # `if TYPE_CHECKING:`
        return {name for part in node.body for name in _bound(part)}
    stores = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {n.id for n in stores if isinstance(n.ctx, ast.Store)}


def _imported(folder: Path, module: str) -> set[str]:
    """Return the names that the other modules of ``folder`` import from ``module``."""
    names: set[str] = set()
    for path in folder.glob("*.py"):
        if path.name == "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.level, node.module) == (1, module):
                names |= {alias.name for alias in node.names}
    return names
