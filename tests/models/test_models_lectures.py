"""What the code cells of the lectures do with `models`.

Which lecture uses which network is said in the docstrings: they must be right. And K-NN is called
in one way.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from course_utils import models
from course_utils.lectures import all_lectures

SAID = re.compile(r"Used in lectures? (\d\d(?:(?:, | and )\d\d)*)\.")
FILES = [module.name for module in pkgutil.iter_modules(models.__path__)]


def code_cells() -> Iterator[tuple[str, list[dict]]]:
    """The number of each lecture, and its code cells."""
    for path in (lecture.path for lecture in all_lectures()):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        yield path.name[:2], [cell for cell in cells if cell["cell_type"] == "code"]


def parsed(cell: dict) -> ast.Module:
    return ast.parse(re.sub(r"^[%!].*$", "", "".join(cell["source"]), flags=re.MULTILINE))


def home(name: str) -> str:
    """The file that an exported name comes from; a file's name is its own."""
    value = getattr(models, name)
    return name if inspect.ismodule(value) else value.__module__.rpartition(".")[2]


def names_used(cells: list[dict]) -> Iterator[tuple[str, str]]:
    """File and name of what is imported from `models`, or read from one of its files."""
    nodes = [node for cell in cells for node in ast.walk(parsed(cell))]
    files = {}  # as this notebook calls them; "" is the package
    for node in nodes:
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            called = alias.asname or alias.name
            if (node.module, alias.name) == ("course_utils", "models"):
                files[called] = ""
            elif node.module == "course_utils.models" and alias.name in FILES:
                files[called] = alias.name
            elif node.module == "course_utils.models":
                yield home(alias.name), alias.name
            elif (node.module or "").startswith("course_utils.models."):
                yield node.module.rpartition(".")[2], alias.name
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            file = files.get(node.value.id)
            if file is not None:
                yield file or home(node.attr), node.attr


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
def test_docstrings_say_which_lectures_use_a_network(file, used):
    module = importlib.import_module(f"course_utils.models.{file}")
    things = {
        name: thing
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
    }
    said = {name: lectures_said(thing) for name, thing in ({"": module} | things).items()}
    assert said == {name: used[file, name] for name in said}


def test_the_code_cells_are_read(used):
    """What the test above compares with is not empty, and every way to import is followed."""
    assert used["knn", "KNearestNeighbors"] >= {"01", "03"}
    assert "03" in used["lenet", "LeNet5"]  # models.LeNet5
    assert "04" in used["lenet", "LeNet5"]  # from course_utils.models import LeNet5
    assert "04" in used["alexnet", "TwoTowerAlexNet"]  # alexnet as course_models
    assert "05" in used["vgg", "CONFIGURATIONS"]


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
