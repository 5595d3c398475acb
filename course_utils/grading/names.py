"""Which names the code of a cell binds, and which it uses."""

from __future__ import annotations

import ast

from IPython.core.inputtransformer2 import TransformerManager


def parse_cell(source: str) -> ast.Module | None:
    """Return the syntax tree of a cell, magics included; None if it does not parse."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def definitions(source: str) -> list[str]:
    """Return the functions and classes that a cell defines at its top level, in order."""
    tree = parse_cell(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in tree.body if isinstance(node, kinds)] if tree else []


def bound_names(source: str) -> set[str]:
    """Return the names that a cell binds: by assignment, import, definition, loop or `with`."""
    tree = parse_cell(source)
    names: set[str] = set(definitions(source))
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def used_names(source: str) -> set[str]:
    """Return the names that a cell reads, also inside its functions."""
    tree = parse_cell(source)
    loads = (n for n in ast.walk(tree) if isinstance(n, ast.Name)) if tree else ()
    return {node.id for node in loads if isinstance(node.ctx, ast.Load)}
