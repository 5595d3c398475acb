"""What functions and classes are made of: compiled code, and the values that it reads."""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

PACKAGES = {"site-packages", "dist-packages"}
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


def is_installed(thing: FunctionType | type) -> bool:
    """Whether a function or class comes with Python or a package, and so does not change."""
    module = sys.modules.get(thing.__module__ or "")
    file = getattr(module, "__file__", None)
    if file is None:
        return thing.__module__ in sys.builtin_module_names
    return bool(PACKAGES & set(Path(file).parts)) or STANDARD_LIBRARY in Path(file).parents


def content(function: FunctionType) -> str:
    """Return the compiled code as text. Comments, the docstring and the line do not count."""
    return repr(_content(function.__code__, function.__doc__))


def _content(code: CodeType, docstring: str | None) -> list[Any]:
    constants: list[Any] = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_content(constant, None))
        elif isinstance(constant, frozenset):  # `x in {"a", "b"}`: a set has no order
            constants.append(sorted(map(repr, constant)))
        elif docstring is None or constant != docstring:
            constants.append(constant)
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [code.co_code.hex(), code.co_names, arguments, constants]


def global_values(function: FunctionType) -> dict[str, Any]:
    """Return the global variables that a function reads, with their values."""
    names = {
        step.argval
        for code in _codes(function.__code__)
        for step in dis.get_instructions(code)
        if step.opname == "LOAD_GLOBAL"
    }
    return {n: function.__globals__[n] for n in sorted(names) if n in function.__globals__}


def closed_over(function: FunctionType) -> dict[str, Any]:
    """Return the variables of surrounding functions that a function reads, with their values."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    values.pop("__class__", None)  # super() reads it
    return values


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the methods and attributes of a class, and those of its bases: super() may use them."""
    for base in kind.__mro__:
        for name, member in () if is_installed(base) else vars(base).items():
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            elif isinstance(member, property):
                member = member.fget
            if isinstance(member, FunctionType) or not name.startswith("__"):
                yield name if base is kind else f"{base.__name__}.{name}", member


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code and all that is defined inside it: lambdas, comprehensions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
