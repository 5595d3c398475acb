"""The check on a GPU: its rows and table, going on, limits, and what it does where things lack.

What its parts measure is tried on the CPU with tiny stand-ins.
"""

import json
import os
import re
import signal
import sys
import types
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import requires

import nbformat
import psutil
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils.models import LeNet5
from course_utils.runtime import project_root

sys.path.append(str(project_root() / "benchmarks"))

import gpu_check  # noqa: E402
import gpu_grader  # noqa: E402
import gpu_lectures  # noqa: E402
import gpu_rows  # noqa: E402
import gpu_runner  # noqa: E402
import gpu_speed  # noqa: E402
import gpu_training  # noqa: E402
from gpu_rows import FAILED, LEFT_OUT, MISSED, OK, STOPPED, Finding, LeftOut, Row, RowsFile  # noqa: E402
from gpu_runner import Check  # noqa: E402

BROUGHT = project_root() / "benchmarks" / "gpu_wheels.txt"
# What the machine without a network has.
THERE = ["torch", "torchvision", "numpy", "matplotlib"]
THERE += ["scikit-learn", "tqdm", "pytest", "safetensors"]


def check(name, seconds=60.0, beside=False):
    return Check(name, seconds, "", "", (), beside)


# Rows and their table.


def test_rows_are_read_again_and_a_newer_one_counts(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    rows = RowsFile(path, "a card")
    rows.add(Row("b", FAILED, "no", 1.0, log="Traceback"))
    rows.add(Row("a", OK, "5 of 5 | equal", 2.4, peak=1_500_000_000))
    rows.add(Row("b", MISSED, "93 %", 3.0))
    path.write_text(path.read_text("utf-8") + '{"name": "c", "outc', "utf-8")  # cut off
    again = RowsFile(path, "a card")
    assert again.rows == rows.rows
    assert again.table(["a", "b", "c"])[2:] == [
        "| a | ok | 5 of 5 / equal | 1.50 | 2 |",
        "| b | missed | 93 % |  | 3 |",
    ]
    assert RowsFile(path, None).machine == "a card"


def test_a_row_after_one_that_was_cut_off_is_kept(tmp_path):
    rows = RowsFile(tmp_path / "rows.jsonl", "a card")
    with rows.path.open("a") as file:
        file.write('{"name": "c", "outc')
    RowsFile(rows.path, "a card").add(Row("d", OK, "", 1.0))
    assert list(RowsFile(rows.path, "a card").rows) == ["d"]


def test_rows_of_two_machines_are_never_mixed(tmp_path):
    RowsFile(tmp_path / "rows.jsonl", "a card")
    with pytest.raises(ValueError, match="a card, and this is another card: .*--out"):
        RowsFile(tmp_path / "rows.jsonl", "another card")
    with pytest.raises(ValueError, match="holds no rows"):
        RowsFile(tmp_path / "none.jsonl", None)


def test_a_rerun_makes_what_is_missing_first_and_nothing_twice(tmp_path):
    rows = RowsFile(tmp_path / "rows.jsonl", "a card")
    for name, outcome in dict(a=OK, b=FAILED, c=MISSED, d=STOPPED, e=LEFT_OUT).items():
        rows.add(Row(name, outcome, "", 1.0))
    known = [check(name) for name in "abcdefg"]
    assert [c.name for c in gpu_check.to_do(known, rows, [])] == [*"fgbde"]
    assert [c.name for c in gpu_check.to_do(known, rows, ["b", "g"])] == ["g", "b"]


# Checks as processes.


def program(finding=None, then=""):
    """Return the code of a check that writes a finding and then does something."""
    write = f"open(sys.argv[1], 'w').write({json.dumps(finding)!r})" if finding else "pass"
    return f"import os, subprocess, sys, time; {write}\n{then}"


def made(programs, *, seconds=60.0, width=1, **limits):
    """Make checks that are these programs; return their rows by name, and what was not begun."""
    rows = {}
    left = gpu_runner.run_all(
        [check(name, limits.get(name, 60.0)) for name in programs],
        lambda check, into: [sys.executable, "-c", programs[check.name], str(into)],
        lambda row: rows.setdefault(row.name, row),
        seconds=seconds,
        width=width,
    )
    return rows, [check.name for check in left]


def test_one_that_fails_or_hangs_costs_its_own_row():
    good = dict(outcome=OK, found="all equal", peak=7)
    rows, left = made(
        {
            "raises": program(then="print('so far'); raise ValueError('no such layer')"),
            "is killed": program(then=f"os.kill(os.getpid(), {int(signal.SIGKILL)})"),
            "hangs": program(then="time.sleep(600)"),
            "says it failed": program(dict(outcome=FAILED, found="off"), "print('why')"),
            "good": program(good, "print('much')"),
        },
        hangs=0.5,
    )
    assert left == []
    assert {name: row.outcome for name, row in rows.items()} == {
        "raises": FAILED,
        "is killed": FAILED,
        "hangs": STOPPED,
        "says it failed": FAILED,
        "good": OK,
    }
    assert rows["raises"].found == "ValueError: no such layer"
    assert rows["raises"].log.startswith("so far")
    assert rows["is killed"].found == "it ended with code -9"
    assert rows["says it failed"].log == "why\n"
    assert rows["good"] == Row("good", OK, "all equal", rows["good"].seconds, peak=7)


def test_what_a_stopped_check_has_started_is_ended_too(tmp_path):
    note = tmp_path / "pid"
    start = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
    start += f"start_new_session=True); open({str(note)!r}, 'w').write(str(child.pid))"
    rows, _ = made({"hangs": program(then=f"child = {start}\ntime.sleep(600)")}, hangs=2.0)
    assert rows["hangs"].outcome == STOPPED
    with suppress(psutil.NoSuchProcess):  # an ended one whose end nobody has asked for yet is left
        assert psutil.Process(int(note.read_text())).status() == psutil.STATUS_ZOMBIE


def test_what_there_is_no_time_for_is_not_begun():
    rows, left = made({name: program(then="time.sleep(600)") for name in "abc"}, seconds=1.0)
    assert {name: row.outcome for name, row in rows.items()} == {"a": STOPPED}
    assert left == ["b", "c"]


def test_what_is_timed_runs_alone():
    running = types.SimpleNamespace
    alone, beside = check("timed"), check("lecture", beside=True)
    may_start = gpu_runner.may_start
    assert may_start(alone, [], 3)
    assert not may_start(alone, [running(check=beside)], 3)
    assert not may_start(beside, [running(check=alone)], 3)
    assert may_start(beside, [running(check=beside)] * 2, 3)
    assert not may_start(beside, [running(check=beside)] * 3, 3)


def test_every_check_is_there_to_be_called():
    known = gpu_check.checks()
    assert len({c.name for c in known}) == len(known)
    for one in known:
        assert callable(getattr(__import__(one.module), one.function))
    assert sum(c.name.endswith(" in quick") for c in known) == len(
        list((project_root() / "notebooks").glob("*.ipynb"))
    )


def test_what_a_check_raises_is_its_finding(monkeypatch, capsys):
    def call():
        raise error

    monkeypatch.setattr(gpu_rows, "call", call, raising=False)
    one = replace(check("x"), module="gpu_rows", function="call")
    error = LeftOut("put it into data/cache")
    assert gpu_check.make(one) == Finding(LEFT_OUT, "put it into data/cache")
    error = KeyError("weight")
    assert gpu_check.make(one) == Finding(FAILED, "KeyError: 'weight'")
    assert "Traceback" in capsys.readouterr().err
    assert gpu_check.make(replace(one, module="gpu_none")).outcome == FAILED


def test_the_table_is_written_and_stored(tmp_path, monkeypatch, capsys):
    stored = []
    monkeypatch.setattr(gpu_check, "store_part", lambda *given: stored.append(given))
    monkeypatch.setattr(gpu_check, "checks", lambda: [check("b"), check("a"), check("c")])
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--store", f"--out={tmp_path}"])
    rows = RowsFile(tmp_path / "rows.jsonl", "a card, torch 2")
    rows.add(Row("a", OK, "equal", 1.0))
    rows.add(Row("b", LEFT_OUT, "no data", 0.0))
    assert gpu_check.main() == 0
    ((file, part, lines),) = stored
    assert (file, part) == ("benchmarks/RESULTS.md", "gpu")
    text = "\n".join(lines)
    assert text.index("| b | left out") < text.index("| a | ok")
    assert "Not begun: c." in text
    assert text.endswith("on a card, torch 2.")
    assert (tmp_path / "table.md").read_text("utf-8") == text + "\n"
    assert text in capsys.readouterr().out


def test_another_machine_is_a_matter_of_usage(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--store", f"--out={tmp_path}"])
    assert gpu_check.main() == 2
    assert "holds no rows: run the check first" in capsys.readouterr().err


def test_without_a_gpu_it_says_how_to_rehearse(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    assert gpu_check.main() == 2
    assert "no GPU here" in capsys.readouterr().out


# What the checks measure.


def test_a_lecture_is_compared_cell_by_cell(tmp_path, monkeypatch):
    def cell(source, text):
        outputs = [new_output("stream", name="stdout", text=text)]
        return new_code_cell(source, execution_count=1, outputs=outputs)

    claims = "from course_utils import claim\nclaim('2 is more', 2, above=1)\n"
    claims += "claim('often more', [1, 2, 3], above=1, share=0.6)"
    cells = [
        cell(claims, "✓ 2 is more\n✓ in at least 6 of 10 runs, often more (2 of 3 stored runs)\n"),
        cell("print(1 + 1)", "3\n"),
        cell("print(profile()); 1 / 0", ""),
        cell("import os; print(os.environ['COURSE_PROFILE'])", "full\n"),
    ]
    path = tmp_path / "01_small.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    monkeypatch.setattr(gpu_lectures, "_need_all_images", lambda: None)
    found = gpu_lectures.lecture(str(path), "full")
    assert found == Finding(
        FAILED,
        "2 of 4 compared outputs equal the CPU's; 2 of 2 claims hold; "
        "different: cells 1; failed: cells 2",
        None,
    )


def test_in_full_other_outputs_are_counted_but_no_error_is_forgiven(tmp_path, monkeypatch):
    path = tmp_path / "01_small.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1", outputs=[])]), path)
    monkeypatch.setattr(gpu_lectures, "_need_all_images", lambda: None)
    monkeypatch.setattr(gpu_lectures, "_run_nbval", lambda *_: None)
    found = {}
    for what in (gpu_lectures.DIFFERS, gpu_lectures.BROKE, gpu_lectures.NOT_RUN):
        cells = {0: gpu_lectures.EQUAL, 1: what}
        monkeypatch.setattr(gpu_lectures, "outcomes", lambda _, cells=cells: cells)
        found[what] = gpu_lectures.lecture(str(path), "full").outcome
    assert found == {"different": OK, "failed": FAILED, "not run": FAILED}


def test_what_came_of_the_cells_is_read_from_the_report(tmp_path):
    report = tmp_path / "cells.xml"
    skipped = '<skipped message="13_keras.ipynb needs keras"/>'

    def found(*inside):
        cells = [f'<testcase name="a::Cell {n}">{text}</testcase>' for n, text in enumerate(inside)]
        report.write_text(f"<testsuites><testsuite>{''.join(cells)}</testsuite></testsuites>")
        return list(gpu_lectures.outcomes(report).values())

    differs = "<failure>Cell 1: Cell outputs differ</failure>"
    cells = found("", differs, '<failure message="died"/>', skipped, "<error>x</error>")
    assert cells == ["equal", "different", "failed", "not run", "failed"]
    with pytest.raises(LeftOut, match="needs keras"):
        found(skipped, skipped)
    with pytest.raises(RuntimeError, match="before it had run a cell"):
        gpu_lectures.outcomes(tmp_path / "none.xml")


def test_training_that_does_not_repeat_is_seen(monkeypatch):
    monkeypatch.setattr(gpu_training, "NETWORKS", {"LeNet-5": lambda: LeNet5(in_channels=3)})
    monkeypatch.setattr(gpu_training, "amount", lambda **_: 150)
    found = gpu_training.repeats()
    assert found.outcome == OK
    assert "LeNet-5: the same losses, all weights equal bit by bit" in found.found
    trained, runs = gpu_training.trained, []

    def other(make, data):
        runs.append(trained(make, data))
        with torch.no_grad():
            next(runs[-1][0].parameters()).view(-1)[0] += 0.25 * len(runs)
        return runs[-1]

    monkeypatch.setattr(gpu_training, "trained", other)
    found = gpu_training.repeats()
    assert found.outcome == FAILED
    assert "the same losses, weights off by 2.5e-01" in found.found


def test_each_way_to_train_gets_a_rate(monkeypatch):
    lenet = {"LeNet-5": lambda: LeNet5(in_channels=3)}
    monkeypatch.setattr(gpu_speed.throughput, "NETWORKS", lenet)
    monkeypatch.setattr(gpu_speed, "amount", lambda **_: 130)
    monkeypatch.setattr(gpu_speed, "WORKERS", 0)
    found = gpu_speed.against_the_lab_sheet("LeNet-5").found
    assert re.match(r"ours [\d,]+ images/s \(", found)
    assert len(re.findall(r"[\d,]+ \([\d.]+ times as fast\)", found)) == 3


def test_cifar_that_is_not_here_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    with pytest.raises(LeftOut, match=r"put cifar-10-binary\.tar\.gz into data/cache"):
        gpu_speed.to_94_percent()


def test_airbench_is_asked_for_where_it_lacks(tmp_path, monkeypatch):
    monkeypatch.delenv("AIRBENCH", raising=False)
    for folder in ("", str(tmp_path)):
        monkeypatch.setenv("AIRBENCH", folder)
        with pytest.raises(LeftOut, match="make gpu-check AIRBENCH=FOLDER"):
            gpu_speed.against_airbench()


def test_airbench_gets_the_images_in_its_own_files(tmp_path, monkeypatch):
    data, seen = gpu_speed.throughput.random_data(20), []

    class CifarLoader:
        def __init__(self, path, train, batch_size, aug=None, altflip=False):
            self.data = torch.load(os.path.join(path, "train.pt" if train else "test.pt"))

    def train94(loader, epochs, verbose):
        seen.append(epochs)
        assert loader.data["images"].shape == (20, 32, 32, 3)
        assert loader.data["images"].dtype == torch.uint8
        assert torch.equal(loader.data["labels"], data.train.labels)
        return "a network"

    def evaluate(model, loader, tta_level):
        assert (model, len(loader.data["images"])) == ("a network", len(data.test))
        return 0.94

    airbench = types.SimpleNamespace(CifarLoader=CifarLoader, train94=train94, evaluate=evaluate)
    monkeypatch.chdir(tmp_path)
    seconds, accuracy = gpu_speed.airbench_run(airbench, data, 4.0, tmp_path)
    assert seconds > 0
    assert accuracy == 0.94
    assert seen == [2.0, 4.0]


def test_every_solution_that_is_graded_asks_for_the_gpu(tmp_path):
    path = gpu_grader.submission(tmp_path, gpu_grader.ASKS_FOR_GPU)
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    solutions = [source for source in code if gpu_grader.BEGIN in source]
    assert len(solutions) == 4
    for source in solutions:
        lines = source.splitlines()
        for number, line in enumerate(lines):
            if line.strip() == gpu_grader.BEGIN.strip():
                assert lines[number + 1] == line.replace(
                    "### BEGIN SOLUTION", gpu_grader.ASKS_FOR_GPU
                )
        compile(source, "answer", "exec")


# What is brought along.


def needed_by(names):
    """Return these packages and all that they need on a machine with Python 3.12 and Linux."""
    there, waiting = set(), list(names)
    machine = {"extra": "", "python_version": "3.12", "python_full_version": "3.12.3"}
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in there:
            there.add(name)
            needs = map(Requirement, requires(name) or ())
            waiting += [n.name for n in needs if not n.marker or n.marker.evaluate(machine)]
    return there


def test_the_wheels_need_nothing_that_is_not_there():
    brought = [line for line in BROUGHT.read_text("utf-8").split("\n") if re.match(r"\w", line)]
    assert needed_by(brought) - set(brought) - needed_by(THERE) == set()
    assert set(brought) & needed_by(THERE) == set()
