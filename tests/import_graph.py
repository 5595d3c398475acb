"""Which module of the course imports which, read from the source."""

import ast
from pathlib import Path

import course_utils

ROOT = Path(course_utils.__file__).parent


def modules():
    """Return the path of each module of the course by its name, without "course_utils."."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in found.items() if name}


MODULES = modules()


def imports(name):
    """Yield the modules of the course that a module imports, wherever in it that happens."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for where, what in imported_names(path, package):
        inner = ".".join([*where, what])
        target = inner if inner in MODULES else ".".join(where)
        if target and target != name:
            yield target


def imported_names(path, package=()):
    """Yield (the parts of a module of the course, a name) for each name that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = [*package][: len(package) - node.level + 1] if node.level else []
            where = [*base, *(node.module or "").split(".")] if node.module else base
            if not node.level and where[:1] != ["course_utils"]:
                continue
            for alias in node.names:
                yield (where if node.level else where[1:]), alias.name
