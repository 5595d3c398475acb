"""What the code of a cell is made of: its statements, and the names that they bind and use."""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from IPython.core.inputtransformer2 import (
    classic_prompt,
    ipython_prompt,
    leading_empty_lines,
    leading_indent,
)

UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
CELL_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*(.*)\n?")
RUNS_ITS_CELL = ("capture", "prun", "time", "timeit")
RUNS_ITS_LINE = ("prun", "time", "timeit")
OPTIONS = re.compile(r"(?:-\S*\s+(?:\d+\s+)?)*")
HELP = re.compile(r"\?.*|%?[\w.*]+\?\??")
# With one of these, a cell can change anything.
UNREADABLE = {
    "__import__",
    "delattr",
    "eval",
    "exec",
    "get_ipython",
    "globals",
    "locals",
    "setattr",
    "vars",
}
SEEDING = ("manual_seed", "seed")


@dataclass(frozen=True, eq=False)
class Part:
    """Statements of a cell that share lines: most often one. ``nodes`` are all of their trees."""

    nodes: tuple[ast.AST, ...]
    bound: frozenset[str]
    used: frozenset[str]
    changed: frozenset[str]


@dataclass(frozen=True)
class Cell:
    """The code of one cell. ``tree`` is None if it does not parse; the rest is empty then.

    definitions: functions and classes at the top level, in order. bound: names that it binds for
    other cells: assigned, imported or defined. used: names that it takes from outside its
    functions, or binds and reads itself. imports: what its imports bind, and where that is from.
    changed: names of what it changes in place: it calls their methods as a statement, or assigns
    to their attributes or items. called: functions that it calls as a statement. unreadable: it
    can change anything, as what it does is not in its syntax.
    """

    tree: ast.Module | None = None
    parts: tuple[Part, ...] = ()
    definitions: tuple[str, ...] = ()
    bound: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    imports: dict[str, str] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    unreadable: bool = True

    @property
    def nodes(self) -> Iterator[ast.AST]:
        """Yield every node of its tree."""
        return chain.from_iterable(part.nodes for part in self.parts)

    @property
    def assigned(self) -> frozenset[str]:
        """Return the variables that it binds."""
        return self.bound.difference(self.definitions, self.imports)

    @property
    def needed(self) -> frozenset[str]:
        """Return the names that other cells must bind: it does not import them itself."""
        return self.used - (self.bound & self.imports.keys())


@lru_cache(maxsize=2**14)  # more than the cells of a submission: each is parsed once
def read_cell(source: str) -> Cell:
    """Return what a cell is made of, magics included."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes like "\\d"
            return _read(source)
    except UNPARSABLE:
        return Cell()


def parse_cell(source: str) -> ast.Module | None:
    """Return the syntax tree of a cell, magics included; None if it does not parse."""
    return read_cell(source).tree


def definitions(source: str) -> list[str]:
    """Return the functions and classes that a cell defines at its top level, in order."""
    return list(read_cell(source).definitions)


def _read(source: str) -> Cell:
    try:
        tree, code = ast.parse(source), source
    except UNPARSABLE:
        code = _as_python(source)
        tree = ast.parse(code)
    parts = tuple(_parts(tree, code))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = [node for part in parts for node in part.nodes]
    imports = _imported_names(nodes)
    used = frozenset().union(*(part.used for part in parts))
    changed, called = _changed_and_called(nodes)
    return Cell(
        tree,
        parts,
        tuple(node.name for node in tree.body if isinstance(node, kinds)),
        frozenset().union(*(part.bound for part in parts)),
        used,
        imports,
        changed,
        called,
        unreadable=not UNREADABLE.isdisjoint(used) or "*" in imports,
    )


# --- magics --------------------------------------------------------------------------------------


def _as_python(source: str) -> str:
    """Return a cell with its magics as the calls that they stand for, or as the code they run.

    IPython's own way reads the whole cell again for each magic, and gives up after 500.
    """
    lines = source.splitlines(keepends=True)
    for clean in (leading_empty_lines, leading_indent, classic_prompt, ipython_prompt):
        lines = clean(lines)
    code, start, first = "".join(lines), 0, []
    while found := CELL_MAGIC.match(code, start):
        name, rest = found.groups()
        start = found.end()
        if name not in RUNS_ITS_CELL:
            first.append(f"get_ipython().run_cell_magic({name!r}, {rest!r}, {code[start:]!r})")
            return "\n".join(first)
        if name in RUNS_ITS_LINE:
            first.append(_without_options(rest))
    return "\n".join([*first, *_plain_lines(code[start:].split("\n"))])


def _plain_lines(lines: Iterable[str]) -> Iterator[str]:
    waiting = iter(lines)
    for line in waiting:
        if _plain_line(line) == line:
            yield line
            continue
        whole = [line]
        while whole[-1].endswith("\\"):
            whole[-1] = whole[-1][:-1]
            whole.append(next(waiting, ""))
        yield _plain_line("".join(whole))


def _plain_line(line: str) -> str:
    code = line.lstrip()
    start = line[: len(line) - len(code)]
    target, equals, value = code.partition("=")
    if equals and value.lstrip()[:1] in ("%", "!"):
        start, code = f"{start}{target}= ", value.lstrip()
    if code.startswith("!"):
        function = "system" if start.isspace() or not start else "getoutput"
        return f"{start}get_ipython().{function}({code.lstrip('!')!r})"
    if HELP.fullmatch(code.rstrip()):
        return f"{start}pass"
    name, _, rest = code.removeprefix("%").partition(" ")
    if not (name.isidentifier() and code.startswith(("%", "pip install "))):
        return line
    if name in RUNS_ITS_LINE:
        return start + (_without_options(rest) or "None")
    return f"{start}get_ipython().run_line_magic({name!r}, {rest!r})"


def _without_options(line: str) -> str:
    line = line.lstrip()
    return line[OPTIONS.match(line).end() :]  # type: ignore[union-attr]  # it matches nothing, too


# --- names ---------------------------------------------------------------------------------------


def _parts(tree: ast.Module, code: str) -> Iterator[Part]:
    lines = code.split("\n")
    nodes: list[ast.stmt] = []
    start = end = 0
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if nodes and first > end:
            yield _part(nodes, lines[start - 1 : end])
            nodes = []
        start = start if nodes else first
        nodes.append(node)
        end = node.end_lineno or node.lineno
    if nodes:
        yield _part(nodes, lines[start - 1 : end])


def _part(statements: list[ast.stmt], lines: list[str]) -> Part:
    bound, used = set(), set()
    waiting = [symtable.symtable("\n".join(lines), "cell", "exec")]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        is_outermost = table.get_type() == "module"
        for symbol in table.get_symbols():
            is_bound = symbol.is_assigned() or symbol.is_imported()
            if is_bound and (is_outermost or symbol.is_declared_global()):
                bound.add(symbol.get_name())
            if symbol.is_referenced() and (is_outermost or symbol.is_global()):
                used.add(symbol.get_name())
    inner = [node for statement in statements for node in ast.walk(statement)]
    changed, _ = _changed_and_called(inner)
    return Part(tuple(inner), frozenset(bound), frozenset(used), changed)


def _imported_names(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Return what imports bind, and the dotted name that it has where it is from."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.split(".")[0]
                names[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    return names


def root(node: ast.AST) -> str:
    """Return the name that an attribute or an item is looked up from; "" if it is no name."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _changed_and_called(nodes: list[ast.AST]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of what code changes in place, and of what it calls as a statement.

    What the code itself makes is not among them.
    """
    changed: set[str] = set()
    called: set[str] = set()
    seeded: set[str] = set()
    own: set[str] = set()
    for node in nodes:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            if not isinstance(node.ctx, ast.Load):
                changed.add(root(node))
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                own.add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value.func
            if isinstance(call, ast.Name):
                called.add(call.id)
            elif isinstance(call, ast.Attribute):
                (seeded if call.attr.startswith(SEEDING) else changed).add(root(call))
    if not own:  # a seed in an experiment is not for others
        changed |= seeded
    stands_for = defaultdict(set)
    for name, other in stand_ins(nodes):
        stands_for[name].add(other)
    return frozenset(reached(changed, stands_for) - own - {""}), frozenset(called - own)


def stand_ins(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield (name, what it stands for): another name, or one that a loop goes through."""
    for node in nodes:
        if isinstance(node, (ast.For, ast.AsyncFor)):
            sources = set(_sources(node.iter))
            targets = [inner.id for inner in ast.walk(node.target) if isinstance(inner, ast.Name)]
            yield from ((name, source) for name in targets for source in sources)
        elif isinstance(node, ast.Assign) and root(node.value):
            names = (target.id for target in node.targets if isinstance(target, ast.Name))
            yield from ((name, root(node.value)) for name in names)


def _sources(node: ast.expr) -> Iterator[str]:
    """Yield the names whose parts a loop sees: ``a`` and ``b`` in ``zip(a.parts(), [b.c])``."""
    waiting: list[ast.expr] = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            waiting += node.elts
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            waiting += [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            waiting.append(node.func.value)
        elif isinstance(node, ast.Call):
            waiting += node.args
        else:
            yield root(node)


def reached(names: Iterable[str], links: Mapping[str, set[str]]) -> set[str]:
    """Return the names, and those that links lead to from them."""
    found = set(names)
    waiting = list(found)
    while waiting:
        new = links.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found
