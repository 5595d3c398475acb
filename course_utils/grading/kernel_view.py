"""The course as a student's kernel sees it while grading: without cases and judges.

Of each exercise only ``run`` is left, with what it needs. Code in the kernel can therefore not ask
a judge what is right, nor learn the cases before they come.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import course_utils

LEFT_OUT = {"grading", "testing", "__main__.py"}
KEPT_OF_AN_EXERCISE = {"id", "points", "title", "run"}
SCORED = '''"""The exercises, as the grader runs them: it keeps the cases and judges to itself."""

from __future__ import annotations

import pkgutil
from importlib import import_module


def get_exercise(exercise_id):
    """Return the exercise with this id."""
    lecture = f"l{exercise_id.split('.')[0]}_"
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith(lecture):
            for exercise in import_module(f".{module.name}", __name__).EXERCISES:
                if exercise.id == exercise_id:
                    return exercise
    raise KeyError(exercise_id)


def check(exercise_id, answer):
    """Say who scores the answer."""
    print(f"{exercise_id} is scored by the grader")
'''


def make_kernel_view(folder: Path) -> None:
    """Write the stripped copy of the course into ``folder``, which exists and is empty."""
    source, target = Path(course_utils.__file__).parent, folder / "course_utils"

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {"__pycache__"} | (LEFT_OUT if Path(folder) == source else set())

    shutil.copytree(source, target, ignore=left_out)
    exercises = target / "exercises"
    for path in exercises.glob("l[0-9][0-9]_*.py"):
        path.write_text(without_keys(path.read_text("utf-8")), "utf-8")
    shared, core = exercises / "shared.py", exercises / "core.py"
    shared.write_text(only(shared.read_text("utf-8"), _imported(exercises, "shared")), "utf-8")
    needed = {"Outcome", "outcome_of"} | _imported(exercises, "core")
    core.write_text(without_keys(core.read_text("utf-8"), needed), "utf-8")
    (exercises / "__init__.py").write_text(SCORED, "utf-8")
    shutil.copyfile(Path(__file__).with_name("remote.py"), exercises / "remote.py")
    shutil.copyfile(Path(__file__).with_name("zygote.py"), folder / "zygote.py")


def without_keys(source: str, roots: frozenset[str] | set[str] = frozenset({"EXERCISES"})) -> str:
    """Return a module of exercises with only what running them needs, without comments."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and _is_exercise(node):
            node.body = list(_kept(node))
    return only(ast.unparse(tree), roots)


def _is_exercise(node: ast.ClassDef) -> bool:
    own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return bool(own & {"cases", "judge", "run"})


def _kept(node: ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield the parts of an exercise that stay: `run`, what it uses of `self`, and the data."""
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    names, waiting = set(KEPT_OF_AN_EXERCISE), [name for name in methods if name == "run"]
    while waiting:
        for part in ast.walk(methods[waiting.pop()]):
            if isinstance(part, ast.Attribute) and part.attr in methods and part.attr not in names:
                names.add(part.attr)
                waiting.append(part.attr)
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name not in names:
            continue
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            continue  # the docstring tells of the answer
        if isinstance(part, ast.FunctionDef):
            part.decorator_list = [
                d for d in part.decorator_list if "abstract" not in ast.unparse(d)
            ]
        yield part


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
    """Return the names that a statement of a module binds."""
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
