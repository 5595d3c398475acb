"""Marks that tell whether the code of a lecture, or the words of its claims, are other ones."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

import nbformat

BOUNDS = {"at_least", "at_most", "above", "below", "equal_to", "tolerance", "share", "wide"}


def code_of(path: Path) -> str:
    """Return a mark of what a notebook computes.

    Left out is what changes no number: where cells end, comments, what is printed or drawn, on
    which device it is computed, and the sentence and the bound of a claim. The first code cell,
    which leads to the repository, is left out too.
    """
    tree = Computes().visit(ast.parse("\n".join(_sources(path))))
    return _mark([ast.unparse(tree)])


def words_of(path: Path) -> str:
    """Return a mark of the sentences and bounds of a notebook's claims."""
    return _mark(
        ast.unparse(node)
        for source in _sources(path)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and _called(node) == "claim"
    )


def _mark(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _sources(path: Path) -> list[str]:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [cell.source for cell in cells[1:]]


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func)


class Computes(ast.NodeTransformer):
    """Keeps what computes something."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # noqa: N802 - ast calls it so
        """Leave out what only prints or draws."""
        if isinstance(node.value, ast.Call) and _called(node.value).split(".")[0] in (
            "plots",
            "print",
        ):
            return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:  # noqa: N802 - ast calls it so
        """Leave out the words and the bound of a claim, and on which device something lies."""
        if _called(node) == "claim":
            node.args = node.args[1:]
            node.keywords = [word for word in node.keywords if word.arg not in BOUNDS]
        match node:
            case ast.Call(ast.Attribute(value, "to"), [ast.Name("device")], []):
                return self.visit(value)
        return self.generic_visit(node)
