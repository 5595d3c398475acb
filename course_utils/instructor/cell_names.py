"""What the code of a cell is made of: its statements, and the names that they bind and use."""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# Magics that run the code behind them, with their options.
RUNS_CODE = re.compile(
    r"(?m)^((?:[^=\n]*=)?[ \t]*)%%?(?:capture\b.*|(?:prun|time|timeit)\b(?: +-\S+(?: +\d+\b)?)* *)"
)
# What may be a magic, a command or a question, with the lines that continue it.
MAGIC = re.compile(r"(?m)^(?:[^=\n]*=)?[ \t]*[%!?](?:\\\n|.)*|^.*\?[ \t]*$")
# With one of these, a cell can change anything.
UNREADABLE = {"__import__", "eval", "exec", "get_ipython", "globals", "locals", "setattr", "vars"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SEEDING = ("manual_seed", "seed")


@dataclass(eq=False)
class Code:
    """The code of a cell, or of one statement at its top level.

    tree: None if the cell does not parse; the rest is empty then. bound: names that it binds for
    other cells: assigned, imported or defined. used: names that it takes from outside its
    functions, or binds and reads itself. own: all names that it binds, in functions, too. imports:
    what its imports bind, and where that is from. targets: the attributes and items that it
    assigns to or deletes. changed: names of what it changes in place, by these or by a call of a
    method as a statement; its own are left out. called: functions that it calls as a statement.
    decorators: names of the functions that decorate it. decorated: of what these are methods of, or
    are given.
    links: (name, what it stands for: another name, or one that a loop goes through as it is).
    source: as Python; that of a statement is runnable alone.
    """

    source: str
    tree: Any = None
    bound: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    targets: list[ast.expr] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    decorators: set[str] = field(default_factory=set)
    decorated: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)
    statements: list[Code] = field(default_factory=list)

    @property
    def definitions(self) -> list[str]:
        """Return the functions and classes at its top level, in order."""
        return [s.tree.name for s in self.statements if isinstance(s.tree, DEFINITIONS)]

    @property
    def assigned(self) -> set[str]:
        """Return the names of others that it assigns attributes or items of."""
        return {name for name in map(root, self.targets) if name} - self.own

    @property
    def is_unreadable(self) -> bool:
        """Return whether it can change anything, as what it does is not in its syntax."""
        return not self.tree or bool(UNREADABLE & self.used) or "*" in self.imports


@lru_cache(maxsize=2**14)  # more than the cells of a submission: each is parsed once
def read_cell(source: str) -> Code:
    """Return what the code of a cell is made of, magics seen through."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes like "\\d"
            return _read(source)
    except Exception:  # whatever Python or IPython say of it
        return Code(source)


def _read(source: str) -> Code:
    try:
        tree = ast.parse(source)
    except Exception:
        source = _as_python(source)
        tree = ast.parse(source)
    cell, lines = _look_through(source, tree), source.encode().split(b"\n")
    is_only_calls = cell.own <= cell.imports.keys()
    for node in tree.body:
        part = _look_through(_text_of(node, lines), node, seeds_count=is_only_calls)
        part.bound, part.used = _global_names(part.source)
        part.used |= part.bound & _added_to(node)
        if isinstance(node, DEFINITIONS):
            _look_at_definition(part, node)
        cell.statements.append(part)
        cell.bound |= part.bound
        cell.used |= part.used
    return cell


def _added_to(tree: ast.AST) -> set[str]:
    """Return the names that ``+=`` and the like change: they are read, too."""
    return {root(node.target) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}


def _look_at_definition(part: Code, node: Any) -> None:
    """Note what a definition does where it stands. That it calls itself later is no need."""
    arguments = getattr(node, "args", None)
    defaults = [*arguments.defaults, *arguments.kw_defaults] if arguments else node.bases
    now = [*node.decorator_list, *filter(None, defaults)]
    if node.name not in set().union(*map(_names, now)):
        part.used.discard(node.name)
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            given = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
            part.decorated |= set().union(*map(_names, given))
            decorator = decorator.func
        (part.decorators if isinstance(decorator, ast.Name) else part.decorated).add(
            root(decorator)
        )


def _text_of(node: ast.stmt, lines: list[bytes]) -> str:
    """Return the source of a statement alone, its decorators included."""
    first = min(part.lineno for part in (node, *getattr(node, "decorator_list", ())))
    start = node.col_offset if first == node.lineno else 0
    end = node.end_lineno or node.lineno
    text = [*lines[first - 1 : end - 1], lines[end - 1][: node.end_col_offset]]
    return b"\n".join([text[0][start:], *text[1:]]).decode()


def _global_names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a statement binds outside its functions, and those that it reads."""
    # The public way to a symbol goes through all inner scopes, each time.
    outer: Any = symtable.symtable(source, "cell", "exec")._table  # type: ignore[attr-defined]
    scopes = reached([outer], lambda scope: scope.children)
    symbols = [
        symbol
        for scope in scopes
        for item in scope.symbols.items()
        if (symbol := symtable.Symbol(*item, module_scope=scope is outer)).is_global()
    ]
    bound = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    return bound, {s.get_name() for s in symbols if s.is_referenced()}


def _as_python(source: str) -> str:
    """Return a cell with its magics as the calls that they stand for, or as the code they run.

    IPython gets one at a time: of many, it reads the whole cell again for each.
    """
    # Few cells come here, and most processes of a grading can do without IPython.
    from IPython.core.inputtransformer2 import TransformerManager, cell_magic

    source = re.sub(r"(?m)^(?=pip install )", "%", source)
    lines = RUNS_CODE.sub(r"\1", source).splitlines(keepends=True)
    ipython: Any = TransformerManager()
    for clean in ipython.cleanup_transforms:
        lines = clean(lines)
    code = "".join(cell_magic(lines))
    as_call = ipython.do_token_transforms
    return MAGIC.sub(lambda found: "".join(as_call(found[0].splitlines(keepends=True))), code)


def _look_through(source: str, tree: ast.AST, seeds_count: bool = True) -> Code:
    """Return what the nodes of a tree tell one by one.

    A seed is for what stands beside it: it counts as a change only where nothing else is.
    """
    code = Code(source, tree)
    seeded: set[str] = set()
    made: list[tuple[str, str]] = []  # like links, but a call is between the two
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(name, ast.Store() | ast.Del())
                | ast.arg(name)
                | ast.FunctionDef(name)
                | ast.ClassDef(name)
            ):
                code.own.add(name)
            case ast.Import() | ast.ImportFrom():
                start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    name = alias.asname or (alias.name if start else alias.name.split(".")[0])
                    code.imports[name] = f"{start}{alias.name}" if start or alias.asname else name
            case ast.Attribute() | ast.Subscript() if not isinstance(node.ctx, ast.Load):
                code.targets.append(node)
            case ast.Call(ast.Name("setattr" | "delattr"), [target, *_]):
                code.targets.append(target)
            case ast.Expr(ast.Call(ast.Name(name))):
                code.called.add(name)
            case ast.Expr(ast.Call(ast.Attribute(_, method) as function)):
                (seeded if method.startswith(SEEDING) else code.changed).add(root(function))
            case ast.Assign():
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                code.links += [(name, root(node.value)) for name in names]
            case ast.For() | ast.AsyncFor():
                is_made = any(isinstance(inner, ast.Call) for inner in ast.walk(node.iter))
                links = made if is_made else code.links
                loop = f"for {node.lineno}"  # between the two: with each pair it would be too many
                links += [(name, loop) for name in _names(node.target)]
                links += [(loop, name) for name in _names(node.iter)]
    changed = code.changed.union(map(root, code.targets))
    if seeds_count and not code.own:
        changed |= seeded
    changed = reached(changed, grouped(code.links + made).__getitem__) - code.own
    code.changed = {name for name in changed if name.isidentifier()}
    code.called -= code.own
    code.own |= code.imports.keys()
    return code


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def root(node: ast.AST) -> str:
    """Return the name that an attribute or an item is looked up from; "" if it is no name."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def grouped(pairs: Iterable[tuple[Any, Any]]) -> defaultdict[Any, list[Any]]:
    """Return the second members of pairs by their first."""
    found = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def reached(start: Iterable[Any], links: Callable[[Any], Iterable[Any]]) -> set[Any]:
    """Return what links lead to, the start included; each is followed once."""
    found = set(start)
    waiting = list(found)
    while waiting:
        new = set(links(waiting.pop())) - found
        found |= new
        waiting += new
    return found
