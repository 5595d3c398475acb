"""What the code of a cell reaches for and changes, that an answer has no use for but an attack."""

from __future__ import annotations

import ast
import re
from ast import Attribute, Call, Compare, Constant, In, Name, NotIn
from collections.abc import Iterator

from ..cell_names import Code, grouped, reached, root
from .quiet_commands import is_quiet

USES = "uses {}"
REACHES = "reaches for names in a way that cannot be read: {}"
CHANGES = "changes {}"
RUNS = "runs {}, which was not looked into"
# What an answer has no use for, but an attack has, and ways to a name that is not written down:
# a module ("ctypes."), a part of one ("os.fork"), what Python has ("open()"), or a name anywhere.
WORDS = {
    USES: """
        course_utils.exercises course_utils.withheld torchvision.models timm.
        builtins. concurrent. ctypes. inspect. multiprocessing. socket. subprocess. threading.
        gc.* get_objects get_referents get_referrers
        os.close os.closerange os.fork os.getppid os.kill os.memfd_create os.popen os.setsid
        os.system os.write sys.modules torch.hub torch.library torch.multiprocessing get_ipython()
        open() __code__ __globals__ __subclasses__ __traceback__ _disable_current_modes _exit
        _getframe _python_dispatch ast_transformers DisableTorchFunction _DisableTorchDispatch
        DisableTorchFunctionSubclass f_back set_custom_exc settrace tb_frame
        """,
    REACHES: """
        importlib. torch.ops __import__() compile() eval() exec() getattr() globals() vars()
        __builtins__ __dict__ __getattribute__ _C _ops aten attrgetter methodcaller
        """,
}
NOTED = {word: sentence for sentence, words in WORDS.items() for word in words.split()}
# In a cell that no answer needs, these reach nothing that is graded.
IDLE = """
    concurrent inspect multiprocessing open os.popen os.system socket subprocess threading timm
    torch.hub torch.multiprocessing torchvision.models
    """
IDLE_NAMES = {*IDLE.split(), "a text with course_utils"}
PATCHED = ("IPython.", "course_utils.", "torch.")
HARMLESS_CHANGES = re.compile(r"torch\.backends\.|\w+\.ast_node_interactivity$")
OWN_FILE = re.compile(r"(?!.*\.\.)[^/~]")
COURSE = re.compile(r"course_utils[\w.]{0,40}")
MAGICS = {"system": "!", "getoutput": "!", "run_line_magic": "%", "run_cell_magic": "%%"}


def uses(cell: Code, parts: list[Code], imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield sentences on these parts of a cell, each with the name that it is about."""
    for part in parts:
        foreign = part.used - cell.bound
        clear = {*_clear(part)}
        for node in ast.walk(part.tree):
            if node in clear:
                continue
            yield from _calls(node)
            words = [*_words(node, imports)]
            if isinstance(node, Name) and node.id in foreign:
                words.append(f"{node.id}()")
            yield from ((NOTED[word], word.strip(".()")) for word in words if word in NOTED)
    yield from _changes(cell, parts, imports)


def _clear(part: Code) -> Iterator[ast.AST]:
    """Yield the nodes of names and texts of which the code around them tells what they are for."""
    kept = {t.attr for t in part.targets if isinstance(t, Attribute) and root(t) == "self"}
    for node in ast.walk(part.tree):
        match node:
            case Call(Name("getattr") as name, [Name("self"), *_] | [_, Constant(str()), *_]):
                yield name
            case Call(Name("open") as name, [Constant(str(path)), *_]) if OWN_FILE.match(path):
                yield name
            case Call(Attribute(Call(Name("get_ipython") as name)), [Constant(str()), *_]):
                yield name
            case Call(Name("str"), [Call(Name("get_ipython") as name)]) | Attribute(
                Attribute(Call(Name("get_ipython") as name), "__class__"), "__name__"
            ):
                yield name
            case Compare(
                Constant(str()),
                [In() | NotIn()],
                [(Attribute(Name("sys"), "modules") | Call(Name("globals"))) as holder],
            ):
                yield from (holder, getattr(holder, "func", holder))
            case Attribute(Name("self"), name) if name in kept:
                yield node
            case ast.Expr(Constant(str()) as text):
                yield text


def _calls(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield magics and commands that nobody looked into, and texts that name the course."""
    match node:
        case Call(Attribute(Call(Name("get_ipython")), how), [Constant(str(line)), *_] as given):
            texts = [part.value for part in given if isinstance(part, Constant)]
            if not is_quiet(how, list(map(str, texts))):
                yield RUNS, f"{MAGICS.get(how, how)}{line.strip()}"[:40]
        case Constant(str() | bytes() as text) if found := COURSE.search(str(text)):
            yield REACHES, f"a text with {found[0]}"
        case ast.ImportFrom(str(module), [ast.alias("*")]) if module.startswith("course_utils"):
            yield USES, f"all of the course's own {module}"


def _words(node: ast.AST, imports: dict[str, str]) -> Iterator[str]:
    """Yield what a node names, in the forms that ``WORDS`` has."""
    match node:
        case ast.Import() | ast.ImportFrom():
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield from _forms(f"{start}{alias.name}")
        case Attribute(holder, name) | Call(Name("getattr"), [holder, Constant(str(name)), *_]):
            module = imports.get(getattr(holder, "id", ""), getattr(holder, "attr", ""))
            yield from (name, f"{module}.{name}")
        case Constant(str() | bytes() as text):
            yield str(text)
        case Name(name):
            yield from (name, *_forms(imports.get(name, "")))


def _forms(whole: str) -> list[str]:
    first, *others = whole.split(".")
    return [f"{first}.", ".".join([first, *others[:1]]), *others]


def _changes(cell: Code, parts: list[Code], imports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what parts of a cell change of PyTorch, IPython or the course."""

    def is_patched(name: str) -> bool:
        return f"{imports.get(name)}.".startswith(PATCHED)

    names_of = grouped((other, name) for name, other in cell.links)
    aliases = reached(filter(is_patched, list(names_of)), names_of.__getitem__)
    for target in (target for part in parts for target in part.targets):
        name = root(target)
        is_of_module = isinstance(target, Attribute) and getattr(target.value, "id", "") in imports
        is_theirs = is_patched(name) or name in aliases or is_of_module
        if is_theirs and not isinstance(target, ast.Subscript):
            text = ast.unparse(target)[:80]
            if not HARMLESS_CHANGES.match(text):
                yield CHANGES, text
