"""Which names the code of a cell binds, and which it takes from other cells."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager

UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def parse_cell(source: str) -> ast.Module | None:
    """Return the syntax tree of a cell, magics included; None if it does not parse."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except UNPARSABLE:
        return None


def definitions(source: str) -> list[str]:
    """Return the functions and classes that a cell defines at its top level, in order."""
    tree = parse_cell(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in tree.body if isinstance(node, kinds)] if tree else []


def bound_names(source: str) -> set[str]:
    """Return the names that a cell binds for other cells: assigned, imported or defined."""
    return {
        symbol.get_name()
        for table, symbol in _symbols(source)
        if (symbol.is_assigned() or symbol.is_imported())
        and (table.get_type() == "module" or symbol.is_declared_global())
    }


def used_names(source: str) -> set[str]:
    """Return the names that a cell takes from outside its functions, or binds and reads itself."""
    return {
        symbol.get_name()
        for table, symbol in _symbols(source)
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global())
    }


def _symbols(source: str) -> Iterator[tuple[symtable.SymbolTable, symtable.Symbol]]:
    try:
        code = TransformerManager().transform_cell(source)
        waiting = [symtable.symtable(code, "cell", "exec")]
    except UNPARSABLE:
        return
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        for symbol in table.get_symbols():
            yield table, symbol
