"""The house: which room may import which, no circle among modules, one wall around `instructor`."""

from graphlib import CycleError, TopologicalSorter

import pytest
from import_graph import MODULES, imports

# From the ground up. A room may import those named, and nothing else of the course.
ROOMS = {
    "withheld": set(),  # a room that all may enter
    "install": set(),
    "needed": set(),
    "runtime": {"needed"},
    "arithmetic": set(),
    "data": {"runtime"},
    "models": set(),
    "training": {"runtime", "data"},
    "inspection": {"runtime", "data"},
    "plots": {"runtime", "data", "arithmetic", "inspection"},
    "exercises": {"arithmetic", "models"},
    "search": {"runtime", "data", "models", "training"},
    "app": {"data", "models", "inspection"},
    "testing": {"runtime"},
    "lectures": {"runtime", "testing"},
}
# Those of the instructors may import all above, and:
INSTRUCTOR = {
    "examiners": set(),
    "package": set(),
    "cell_names": set(),
    "versions": set(),
    "solutions": set(),
    "sandbox": {"package"},
    "reports": {"sandbox"},
    "release": {"package", "cell_names", "versions", "solutions", "examiners"},
    "site": {"release"},
    "exports": {"reports", "package"},
    "people": {"reports"},
    "answers": {"cell_names", "versions", "sandbox", "reports"},
    "intake": {"answers", "people", "cell_names", "solutions", "reports"},
    "grading": {
        "answers",
        "intake",
        "people",
        "solutions",
        "sandbox",
        "reports",
        "examiners",
    },
}
# The questions of ``check`` are made by the instructors' part where it is there.
UPWARDS = "exercises.questions"
# What starts the course may import everything.
ENTRIES = {"__main__", "pytest_plugin"}


GRAPH = {name: set(imports(name)) for name in MODULES}


def room(name):
    """Return the room of a module, for an instructors' one its room there."""
    parts = name.split(".")
    return f"instructor.{parts[1]}" if parts[0] == "instructor" and parts[1:] else parts[0]


def allowed():
    rooms = {name: {*below, "withheld"} - {name} for name, below in ROOMS.items()}
    everything = set(ROOMS)
    inner = {
        f"instructor.{name}": everything | {f"instructor.{other}" for other in others}
        for name, others in INSTRUCTOR.items()
    }
    return rooms | inner | {"instructor": set()}


def test_every_import_is_seen():
    """Without this a mistake in reading imports would let everything pass."""
    assert "instructor.sandbox.kernel" in GRAPH["instructor.grading.submission_run"]
    assert "runtime" in {room(other) for other in GRAPH["data.loading"]}
    assert sum(map(len, GRAPH.values())) > 150


def test_rooms_import_only_what_lies_below():
    rules = allowed()
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        if room(name) not in ENTRIES and name != UPWARDS
        for other in others
        if room(other) != room(name) and room(other) not in rules[room(name)]
    ]
    assert wrong == []


def test_the_rules_themselves_have_no_circle():
    assert list(TopologicalSorter(allowed()).static_order())


def test_every_room_is_in_the_table():
    assert {room(name) for name in MODULES} - ENTRIES - {"instructor"} == set(allowed()) - {
        "instructor"
    }


def test_modules_import_each_other_in_no_circle():
    try:
        list(TopologicalSorter(GRAPH).static_order())
    except CycleError as circle:
        pytest.fail(" → ".join(circle.args[1]))


def test_nothing_but_the_entries_knows_the_instructors():
    """Students do not have that folder: what they have must work without it."""
    outside = [name for name in MODULES if not name.startswith("instructor")]
    knows = {name for name in outside for other in GRAPH[name] if other.startswith("instructor")}
    assert knows == {"__main__", UPWARDS}
