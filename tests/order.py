"""How many workers there are, and in which order they take the files of tests.

The longest first, so all end together. How long each file takes stands in ``seconds.json``: as
measured by a run with ``--store-seconds`` on a quiet machine. A file that is not in it takes little
time.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

TABLE = Path(__file__).with_name("seconds.json")
SHORT = 2  # seconds: a file that takes less has no place in the table


def file_of(nodeid):
    """Return the file of a test, or of a cell of a notebook."""
    return nodeid.split("::")[0]


def known_seconds():
    """Return how long the tests of each file take, where that is known."""
    return json.loads(TABLE.read_text("utf-8"))


def pytest_addoption(parser):
    parser.addoption(
        "--store-seconds",
        action="store_true",
        help=f"write how long each file of this run took into {TABLE.name}",
    )


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers():
    """One more than xdist's own count: some tests wait, for a limit of time or for a browser.

    Whoever names a number in xdist's variable gets that number.
    """
    workers = yield
    return workers + ("PYTEST_XDIST_AUTO_NUM_WORKERS" not in os.environ)


def pytest_collection_modifyitems(config, items):
    """Give all workers the same order; without workers it is that of the files."""
    if hasattr(config, "workerinput"):
        seconds = known_seconds()
        items.sort(key=lambda item: -seconds.get(file_of(item.nodeid), 0))


def pytest_configure(config):
    if config.getoption("store_seconds", False) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(), "stopwatch")


class Stopwatch:
    """Adds up the seconds of each file."""

    def __init__(self):
        self.seconds = Counter()

    def pytest_runtest_logreport(self, report):
        self.seconds[file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self):
        seconds = Counter(known_seconds() | {name: round(s) for name, s in self.seconds.items()})
        long = {name: s for name, s in seconds.most_common() if s >= SHORT}
        TABLE.write_text(json.dumps(long, indent=2) + "\n", "utf-8")
