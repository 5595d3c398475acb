"""What the code cells of the lectures do with the rooms that networks are made, fed and asked in.

Which lecture uses what is said in docstrings: they must be right, and each network has such a line.
And K-NN is called in one way.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from types import ModuleType

import pytest

from course_utils.lectures import all_lectures

SAID = re.compile(r"Used in lectures? (\d\d(?:(?:, | and )\d\d)*)\.")
ROOMS = ("models", "data", "training", "inspection", "arithmetic")
FILES = [
    f"{room}.{file.name}"
    for room in ROOMS
    for file in pkgutil.iter_modules(importlib.import_module(f"course_utils.{room}").__path__)
] + ["search"]


def code_cells() -> Iterator[tuple[str, list[dict]]]:
    """The number of each lecture, and its code cells."""
    for path in (lecture.path for lecture in all_lectures()):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        yield path.name[:2], [cell for cell in cells if cell["cell_type"] == "code"]


def parsed(cell: dict) -> ast.Module:
    return ast.parse(re.sub(r"^[%!].*$", "", "".join(cell["source"]), flags=re.MULTILINE))


def imported(module: str, name: str) -> object:
    """What ``from module import name`` gives; None where a package is missing."""
    try:
        source = importlib.import_module(module)
        if hasattr(source, name):
            return getattr(source, name)
        return importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return None


def home(value: object, module: str) -> str:
    """The file that a value comes from; a constant comes from where it was found."""
    return getattr(value, "__module__", module).removeprefix("course_utils.")


def names_used(cells: list[dict]) -> Iterator[tuple[str, str]]:
    """File and name of what is imported from the course, or read from one of its modules."""
    nodes = [node for cell in cells for node in ast.walk(parsed(cell))]
    modules = {}  # as this notebook calls them
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "course_utils":
            for alias in node.names:
                value = imported(node.module, alias.name)
                if isinstance(value, ModuleType):
                    modules[alias.asname or alias.name] = value
                else:
                    yield home(value, node.module), alias.name
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module is not None:
                yield home(getattr(module, node.attr), module.__name__), node.attr


@pytest.fixture(scope="module")
def used() -> dict[tuple[str, str], set[str]]:
    """The lectures that use each file (its name and "") and each of its names."""
    found = defaultdict(set)
    for lecture, cells in code_cells():
        for file, name in names_used(cells):
            found[file, name].add(lecture)
            found[file, ""].add(lecture)
    return found


def lectures_said(thing: object) -> set[str]:
    text = " ".join((inspect.getdoc(thing) or "").split())
    said = SAID.findall(text)
    assert len(said) == text.count("Used in lecture"), f"another form: {text}"
    return set(re.findall(r"\d\d", " ".join(said)))


@pytest.mark.parametrize("file", FILES)
def test_docstrings_say_which_lectures_use_it(file, used):
    module = pytest.importorskip(f"course_utils.{file}", reason="a package is missing")
    things = {
        name: thing
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
    }
    said = {name: lectures_said(thing) for name, thing in ({"": module} | things).items()}
    if not file.startswith("models."):
        said = {name: lectures for name, lectures in said.items() if lectures}
    assert said == {name: used[file, name] for name in said}


def test_the_code_cells_are_read(used):
    """What the test above compares with is not empty, and every way to import is followed."""
    assert used["models.knn", "KNearestNeighbors"] >= {"01", "03"}
    assert "03" in used["models.lenet", "LeNet5"]  # models.LeNet5
    assert "04" in used["models.lenet", "LeNet5"]  # from course_utils.models import LeNet5
    assert "04" in used["models.alexnet", "TwoTowerAlexNet"]  # alexnet as course_models
    assert "05" in used["models.vgg", "CONFIGURATIONS"]
    assert "03" in used["training.fit", "fit"]  # from course_utils


def test_knn_has_its_training_images_on_the_device_and_is_asked_with_images_as_they_are():
    calls = 0
    for lecture, cells in code_cells():
        for cell in cells:
            if cell["metadata"].get("nbgrader", {}).get("solution"):
                continue  # the answer of an exercise takes the images that it is given
            source = "".join(cell["source"])
            for arguments in re.findall(r"KNearestNeighbors\(.*\.fit\((.*)\)", source):
                assert re.match(r".*\.to\(device\), ", arguments), f"lecture {lecture}: {arguments}"
                calls += 1
            asked = re.findall(r"\b\w*knn\.(?:predict|neighbors)\((.*)\)", source)
            assert not [a for a in asked if ".to(" in a], f"lecture {lecture}: {asked}"
    assert calls >= 11
