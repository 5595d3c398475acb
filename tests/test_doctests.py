"""What students call from a notebook shows itself in an example, and every example is true."""

import ast
import doctest
import inspect
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

import course_utils
from course_utils.lectures import all_lectures

MODULES = [
    module.name
    for module in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
    if not module.name.endswith("__main__")
]


def imported(name):
    """Import a module; those of packages that are not installed are skipped."""
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name.partition(".")[0] == "course_utils":
            raise
        pytest.skip(f"{missing.name} is not installed")


def has_examples(name):
    return ">>> " in Path(find_spec(name).origin).read_text("utf-8")


WITH_EXAMPLES = [name for name in MODULES if has_examples(name)]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(imported(name))
    assert tried > 0
    assert failed == 0


def part_of(room, name):
    """Return what ``from room import name`` gives: something in it, or a module below it."""
    return getattr(room, name) if hasattr(room, name) else import_module(f"{room.__name__}.{name}")


def names_used():
    """Yield (where, the object) of what the code of notebooks takes from the course."""
    for path in (lecture.path for lecture in all_lectures()):
        cells = nbformat.read(path, as_version=4).cells
        source = "\n".join(c.source for c in cells if c.cell_type == "code")
        tree = ast.parse(source)
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils"):
                room = import_module(node.module)
                for alias in node.names:
                    value = part_of(room, alias.name)
                    if inspect.ismodule(value):
                        modules[alias.asname or alias.name] = value
                    else:
                        yield f"{path.stem}: {alias.name}", value
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                room = modules.get(node.value.id)
                if room is not None:
                    yield f"{path.stem}: {node.value.id}.{node.attr}", part_of(room, node.attr)


def test_what_notebooks_use_has_an_example():
    used = {where: value for where, value in names_used() if callable(value)}
    assert len(used) > 100
    lack = [where for where, value in used.items() if ">>> " not in (value.__doc__ or "")]
    assert lack == []
