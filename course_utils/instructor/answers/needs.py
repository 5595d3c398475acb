"""Which statements of a submission its answers need, directly or through others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..cell_names import DEFINITIONS, Code, grouped, reached

LECTURE_CELL = -1
# A change of what these hold reaches code that does not name them.
REACHING_FAR = {"os", "sys", "torch"}
WRITES = re.compile(
    r"\bopen\(|\breload\((?!course_utils)"
    r"|\.(dump|save\w*|to_csv|write_\w+|mkdir|makedirs|urlretrieve|copy\w+)\("
)
NAME, EARLIER, ALIAS = "name", "earlier", "alias"
Node = int | tuple[str, str]  # the place of a part; or a name: as it is in the end, and so on


@dataclass(eq=False)
class Part:
    """A statement of the student's, in the order in which they run, or a cell of the lecture.

    cell: the student's cell that it stands in. always: whether it runs in any case.
    """

    code: Code
    cell: int = LECTURE_CELL
    always: bool = False

    @property
    def is_lecture(self) -> bool:
        """Return whether it is the lecture's."""
        return self.cell == LECTURE_CELL

    @property
    def defines(self) -> str:
        """Return the name of the function or class that it defines: running it does no more."""
        match self.code.tree:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                return name
            case ast.Assign([ast.Name(name)], ast.Lambda()):
                return name
        return ""


class Names:
    """Who makes, changes and uses the names of a submission.

    Args:
        parts: all statements, in the order in which they run.
        chosen: the place of the part that each answer is, by its name. Another part that binds the
            name is for those that read it earlier.
    """

    def __init__(self, parts: list[Part], chosen: dict[str, int]) -> None:
        self.parts, self.chosen = parts, chosen
        places = list(enumerate(parts))
        self.imports = {n: whole for part in self.parts for n, whole in part.code.imports.items()}
        self.own = grouped((name, at) for at, names in self._first_bound() for name in names)
        self.tried = {  # the functions that a part may define
            at: {n.name for n in ast.walk(part.code.tree) if isinstance(n, DEFINITIONS)}
            for at, part in places
            if isinstance(part.code.tree, (ast.If, ast.Try))
        }
        defined = {part.defines for part in parts if not part.is_lecture} - {""}
        self.functions = grouped(
            (name, at)
            for name in defined
            for at in self.own[name]
            if self._is_function(at, name, defined)
        )
        self.lectures = grouped((n, at) for at, p in places if p.is_lecture for n in p.code.bound)
        acting = [(at, p.code) for at, p in places if not p.is_lecture and not p.defines]
        self.changers = grouped((n, at) for at, code in acting for n in self._changed(code))
        for at, part in places:
            for name in part.code.decorated - self.imports.keys():
                self.changers[name].append(at)
        links = [link for _, code in acting for link in code.links if link[0].isidentifier()]
        self.aliases = grouped((other, name) for name, other in links)
        self.imported = {
            (part.cell, name): at
            for at, part in places
            for name in part.code.imports.keys() & part.code.bound
            if not part.is_lecture
        }

    def _first_bound(self) -> Iterable[tuple[int, set[str]]]:
        """Yield what each part of the student's binds; of equal imports only the first does.

        An import that may not run, or not as a whole, is none: it stands in a function, or others
        stand before it.
        """
        known = {
            item
            for part in self.parts
            if part.always
            for statement in part.code.statements
            for item in _sure_imports(statement)
        }
        for at, part in enumerate(self.parts):
            if not part.is_lecture:
                imports = _sure_imports(part.code)
                yield at, part.code.bound - {name for name, _ in known & imports}
                known |= imports

    def _changed(self, code: Code) -> set[str]:
        """Return what a part changes in place; a method of a module changes nothing of it."""
        roots = {name for name in code.changed if name not in self.imports}
        return roots | code.assigned

    def links(self, node: Node) -> Iterable[Node]:
        """Return what is needed where a part runs, or a name is read."""
        if isinstance(node, int):
            taken = self._taken(self.parts[node].code)
            return [link for name in taken for link in self._needed(node, name)]
        kind, name = node
        if kind == ALIAS:
            return [*self.changers[name], *((ALIAS, other) for other in self.aliases[name])]
        if kind == EARLIER:
            return [at for at in self.own[name] if at < self.chosen[name]]
        return [*self._defined(name), (ALIAS, name)]

    def makers(self, name: str) -> list[int]:
        """Return the parts of the student's that make what a name stands for in the end."""
        return self._defined(name) + self.changers[name]

    def _defined(self, name: str) -> list[int]:
        if name in self.chosen:
            return [self.chosen[name]]
        return self.functions.get(name) or self.own[name]

    def _taken(self, code: Code) -> set[str]:
        """Return what a part uses. What it may leave undefined, it takes as it was."""
        if isinstance(code.tree, (ast.If, ast.Try)):
            return code.used | (code.bound & (self.chosen.keys() | self.functions.keys()))
        return code.used

    def _is_function(self, at: int, name: str, defined: set[str]) -> bool:
        """Return whether a part makes a function, or wraps one: a variable is another thing."""
        code = self.parts[at].code
        match code.tree:
            case ast.Assign(value=ast.Name(other)) if other in defined:
                return True
            case ast.If() | ast.Try():
                return name in self.tried[at]
        return bool(self.parts[at].defines) or name in code.imports or name in code.used

    def own_links(self, node: Node) -> Iterable[Node]:
        """Return what is needed of the student's."""
        if isinstance(node, int) and self.parts[node].is_lecture:
            return ()
        return self.links(node)

    def _needed(self, at: int, name: str) -> list[Node]:
        """Return what a part reads by a name, with the lecture's cells that may make it.

        Those before it do; one that always runs needs no other that may be skipped. Only where
        there is none of them, the name may come from any: a function reads it when it is called.
        """
        node = self._read(at, name)
        if node != (NAME, name) or self._defined(name):
            return [node]
        those, part = self.lectures[name], self.parts[at]
        always = part.is_lecture and part.always
        before = [p for p in those if p <= at and (self.parts[p].always or not always)]
        return [node, *(before or those)]

    def _read(self, at: int, name: str) -> Node:
        """Return what a part reads by a name.

        A function reads its names when it is called: at the latest, at the end of the notebook.
        """
        part = self.parts[at]
        if (imported := self.imported.get((part.cell, name))) is not None:
            return imported
        is_earlier = part.defines in ("", name) and at <= self.chosen.get(name, -1)
        return (EARLIER if is_earlier else NAME, name)

    def noticed(self, needed: set[Node]) -> set[int]:
        """Return the parts of the student's that an answer may notice without needing a name.

        Beside what changes a name that is needed, a statement is noticed if

        - it changes in place something of ``torch``, ``os`` or ``sys``;
        - it works with a variable of the student's that is needed;
        - it calls, as a statement, a function that changes such things;
        - it does what its names do not show: magics, shell commands, ``exec``, an import of ``*``;
        - it may write a file;
        - it does not parse.

        All others, such as experiments with networks of their own, need not run.
        """
        own = [(at, part) for at, part in enumerate(self.parts) if not part.is_lecture]
        far = REACHING_FAR.union(n for n, whole in self.imports.items() if whole in REACHING_FAR)
        names = {node[1] for node in needed if isinstance(node, tuple)}
        used = far | (names - self.imports.keys())
        acting = {part.defines for _, part in own if part.defines and _acts(part, used)}
        setting = {part.defines for _, part in own if part.defines and _sets(part) & used}
        setting -= self.chosen.keys()
        return {
            at
            for at, part in own
            if part.code.decorators & acting
            or (
                not part.defines
                and (_acts(part, far) or part.code.called & acting or part.code.used & setting)
            )
        } | self._working(needed)

    def _working(self, needed: set[Node]) -> set[int]:
        """Return the parts that work with a variable that is needed, and with what they make."""
        own = [
            (at, p.code) for at, p in enumerate(self.parts) if not p.is_lecture and not p.defines
        ]
        named = self.imports.keys() | self.chosen.keys()
        made = {at: code.bound - named for at, code in own if _makes_object(code)}
        users = grouped((name, at) for at, code in own for name in code.used - code.bound)
        start = [at for at in needed if at in made]
        return {at for at in reached(start, (users | made).__getitem__) if isinstance(at, int)}


def _sure_imports(code: Code) -> set[tuple[str, str]]:
    """Return what a statement imports if it does nothing else, and nothing before."""
    match code.tree:
        case ast.Import([_]) | ast.ImportFrom():
            return {*code.imports.items()}
    return set()


def _sets(part: Part) -> set[str]:
    """Return the variables of the notebook that a function sets when it is called."""
    return part.code.bound - {part.defines} if part.defines else set()


def _acts(part: Part, used: set[str]) -> bool:
    """Return whether a part, when it runs or is called, may change what others see."""
    code = part.code
    is_future = any(whole.startswith("__future__.") for whole in code.imports.values())
    changed = code.changed | _sets(part)
    acts = code.is_unreadable or is_future or bool(changed & used)
    return acts or bool(WRITES.search(code.source))


def _makes_object(code: Code) -> bool:
    """Return whether it binds something that can change; another name for a thing is none."""
    value = getattr(code.tree, "value", None)
    return not isinstance(value, (ast.Constant, ast.Name, ast.Attribute))
