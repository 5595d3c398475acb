"""Workers take the longest files first; what stands in one file stays in order."""

from types import SimpleNamespace

import order

ITEMS = ["a.py::x", "a.py::y", "b.ipynb::Cell 0", "b.ipynb::Cell 1", "c.py::z"]


def ordered(monkeypatch, config):
    monkeypatch.setattr(order, "known_seconds", lambda: {"b.ipynb": 60, "c.py": 5})
    items = [SimpleNamespace(nodeid=name) for name in ITEMS]
    order.pytest_collection_modifyitems(config, items)
    return [item.nodeid for item in items]


def test_workers_take_the_longest_files_first(monkeypatch):
    worker = SimpleNamespace(workerinput={})
    assert ordered(monkeypatch, worker) == [*ITEMS[2:], *ITEMS[:2]]
    assert ordered(monkeypatch, SimpleNamespace()) == ITEMS


def test_the_table_names_files_that_are_there():
    seconds = order.known_seconds()
    assert all((order.TABLE.parents[1] / name).is_file() for name in seconds)
    assert min(seconds.values()) >= order.SHORT


def test_a_stopwatch_stores_the_files_that_take_long(monkeypatch, tmp_path):
    monkeypatch.setattr(order, "TABLE", tmp_path / "seconds.json")
    order.TABLE.write_text('{"b.py": 7, "elsewhere.py": 5}')
    watch = order.Stopwatch()
    for name, duration in [("a.py::x", 1.6), ("a.py::y", 1.6), ("b.py::x", 0.4), ("c.py::z", 9)]:
        watch.pytest_runtest_logreport(SimpleNamespace(nodeid=name, duration=duration))
    watch.pytest_sessionfinish()
    assert order.known_seconds() == {"c.py": 9, "elsewhere.py": 5, "a.py": 3}
