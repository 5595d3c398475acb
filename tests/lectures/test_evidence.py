"""Runs of a lecture with other seeds and budgets, and what is made of them."""

import csv
import math
import os
import signal
import time
from itertools import count
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.__main__ import main
from course_utils.lectures import Lecture, evidence_runs
from course_utils.lectures.code_marks import code_of, words_of
from course_utils.lectures.evidence import FRESH, _runs, evidence_of, is_stale, tried
from course_utils.lectures.evidence_runs import (
    expected_seconds,
    missing_trials,
    repeating_trials,
    run_all,
)
from course_utils.runtime import claims
from course_utils.runtime import trials as module

CELLS = [
    "from course_utils.runtime import claim, length, record, run_seed, stored",
    "epochs = length(4)\nnoise = run_seed(0) / 1e5",
    "gain = record('98 gain', 'new', 0.7 + noise) - record('98 gain', 'old', 0.6)",
    "claim('the new one gains at least 9 points', gain, at_least=0.09)",
    "claim('no more than ten epochs', epochs, at_most=10)",
    "claim('in the stored runs, it gains at least 9 points',"
    " stored('98 gain').differences('new', 'old'), at_least=0.09)",
    "claim('two and two are four', 2 + 2 == 4)",
]
COURSE = {"id": "98", "title": "A lecture", "minutes": 1, "points": 0, "requires": []}


@pytest.fixture
def lecture(tmp_path, monkeypatch):
    """A lecture of four claims, one of which three times the budget breaks."""
    monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    (tmp_path / "data").mkdir()
    return written(tmp_path, CELLS)


def written(folder: Path, cells):
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    notebook.metadata.course = COURSE
    nbformat.write(notebook, folder / "98_lecture.ipynb")
    return Lecture(folder / "98_lecture.ipynb", **COURSE)


@pytest.fixture
def run_here(monkeypatch):
    """What `run_all` does, one run after the other in this process: no kernel has to start."""

    def execute(notebook, path, variables):
        monkeypatch.setattr(claims, "_numbers", count())
        monkeypatch.setattr(module, "_measured", [])
        names = {}
        with pytest.MonkeyPatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            try:
                for cell in notebook.cells:
                    exec(cell.source, names)
            except ArithmeticError as error:
                raise RuntimeError(repr(error)) from None

    def run(trials, jobs):
        failures = []
        for trial in trials:
            try:
                evidence_runs.store(trial, evidence_runs._run(trial, jobs))
            except RuntimeError as error:
                failures.append(f"{trial}: {error}")
        return failures

    monkeypatch.setattr(evidence_runs, "execute", execute)
    return run


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_runs_have_their_seed_and_budget_and_are_made_once(lecture, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    trials = missing_trials([lecture], 2, [1, 3])
    assert [(t.seed, t.budget) for t in trials] == [(0, 1), (1, 1), (0, 3), (1, 3)]
    assert missing_trials([lecture], 2, [1, 3, 1.0]) == trials
    assert expected_seconds(trials, 1) is None
    assert run_all(trials, jobs=2) == []
    gain, epochs, again, fact = evidence_of("98")
    assert (gain.tried, gain.held, gain.seeds, gain.budgets) == (4, 4, 2, (1.0, 3.0))
    assert gain.values == pytest.approx((0.1, 0.11, 0.1, 0.11))
    assert gain.least_margin == pytest.approx(0.01)
    assert gain.deviations == pytest.approx(0.015 / (0.01 / math.sqrt(2)))
    assert (epochs.values, epochs.held, epochs.holds) == ((4, 4, 12, 12), 2, False)
    assert math.isnan(epochs.deviations)
    assert (again.values, again.holds) == (gain.values, True)
    assert (fact.bound, fact.held, math.isnan(fact.least_margin)) == ("", 4, True)
    stored = rows(tmp_path / "data" / "evidence" / "98.csv")
    assert {(r["profile"], r["device"], r["threads"]) for r in stored} == {("quick", "cpu", "1")}
    measured = rows(tmp_path / "data" / "evidence" / "98_runs.csv")
    assert [(r["arm"], r["value"], r["seed"], r["budget"]) for r in measured[:4]] == [
        ("new", "0.7", "0", "1"),
        ("old", "0.6", "0", "1"),
        ("new", "0.71", "1", "1"),
        ("old", "0.6", "1", "1"),
    ]
    assert missing_trials([lecture], 2, [1, 3]) == []
    assert len(missing_trials([lecture], 3, [1, 3])) == 2
    assert not is_stale(lecture)


def test_how_long_runs_will_take_is_known_from_those_of_another_budget_too(lecture, monkeypatch):
    stored = [
        {"budget": budget, "seed": seed, "seconds": seconds, "code": "other code"}
        for budget, seed, seconds in [("1", "0", "40"), ("1", "0", "60"), ("1", "1", "80")]
    ]
    monkeypatch.setattr(evidence_runs, "read_rows", lambda path: stored)
    assert expected_seconds(missing_trials([lecture], 2, [1]), 1) == 70 + 70
    assert expected_seconds(missing_trials([lecture], 1, [1, 3]), 2) == (70 + 210) / 2
    stored += [{"budget": "3", "seed": "0", "seconds": "100", "code": "other code"}]
    assert expected_seconds(missing_trials([lecture], 1, [1, 3]), 1) == 170
    stored.clear()
    assert expected_seconds(missing_trials([lecture], 1, [1]), 1) is None


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_program_that_is_told_to_end_ends_its_runs_and_says_how_to_go_on(
    lecture, monkeypatch, capsys
):
    def told_to_end(trials, jobs):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("the signal had no effect")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("course_utils.lectures.all_lectures", lambda: [lecture])
    monkeypatch.setattr("course_utils.lectures.store_part", lambda *part: None)
    monkeypatch.setattr(evidence_runs, "run_all", told_to_end)
    assert main(["evidence", "98"]) == 1
    assert "Interrupted. The finished runs are stored" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_code_is_run_anew_and_a_failure_leaves_the_rest(lecture, tmp_path, run_here):
    assert run_here(missing_trials([lecture], 1, [1]), jobs=1) == []
    changed = written(tmp_path, [*CELLS[:2], "if run_seed():\n    1 / 0", *CELLS[2:]])
    assert is_stale(changed)
    trials = missing_trials([changed], 2, [1])
    assert [t.seed for t in trials] == [0, 1]
    (failure,) = run_here(trials, jobs=1)
    assert "lecture 98, seed 1, budget 1: " in failure
    assert "ZeroDivisionError" in failure
    assert {row["seed"] for row in rows(tmp_path / "data" / "evidence" / "98.csv")} == {"0"}
    assert [t.seed for t in missing_trials([changed], 2, [1])] == [1]


def test_other_words_and_bounds_are_judged_by_the_stored_numbers(lecture, tmp_path, run_here):
    assert run_here(missing_trials([lecture], 2, [1]), jobs=2) == []
    assert evidence_of("98")[0].held == 2
    sharper = [
        cell.replace("9 points', gain, at_least=0.09", "10.5', gain, at_least=0.105")
        for cell in CELLS
    ]
    changed = written(tmp_path, [*sharper, "print('the end')  # no number"])
    assert is_stale(changed)
    (trial,) = missing_trials([changed], 2, [1])
    assert (trial.words_only, str(trial)) == (True, "lecture 98, for its words")
    assert run_here([trial], jobs=1) == []
    gain = evidence_of("98")[0]
    assert (gain.sentence, gain.bound, gain.tried, gain.held) == (
        "the new one gains at least 10.5",
        "≥ 0.105",
        2,
        1,
    )
    assert gain.least_margin == pytest.approx(-0.005)
    assert not is_stale(changed)


def test_a_claim_about_one_budget_gets_its_new_words_too(lecture, tmp_path, run_here):
    late = "claim('late: {0}', stored('98 gain').at(3).values('new'), at_least={0})"
    first = [*CELLS[:3], "record('98 gain', 'epochs', epochs)", CELLS[3]]
    before = written(tmp_path, [*first, late.format(0.6)])
    assert run_here(missing_trials([before], 2, [1, 3]), jobs=2) == []
    after = written(tmp_path, [*first, late.format(0.705)])
    assert run_here(missing_trials([after], 2, [1, 3]), jobs=1) == []
    claim = evidence_of("98")[1]
    assert (claim.sentence, claim.values, claim.held) == ("late: 0.705", (0.7, 0.71), 1)
    assert missing_trials([after], 2, [1, 3]) == []
    assert not is_stale(after)


def test_code_that_moves_no_number_keeps_the_stored_runs(lecture, tmp_path, run_here):
    clock = "import time\nclaim('a clock', time.perf_counter(), above=0, wide='a clock')"
    before = written(tmp_path, [*CELLS, clock])
    assert run_here(missing_trials([before], 2, [1, 3]), jobs=2) == []
    assert repeating_trials([before]) == []
    gain = CELLS[2].replace("0.7 + noise", "noise + 0.7")
    told = CELLS[3].replace("9 points", "8 points").replace("0.09", "0.08")
    same = written(tmp_path, [*CELLS[:2], gain, told, *CELLS[4:], clock])
    (trial,) = repeating_trials([same])
    assert (trial.seed, trial.budget, trial.same) == (0, 1, True)
    assert run_here([trial], jobs=1) == []
    assert missing_trials([same], 2, [1, 3]) == []
    assert not is_stale(same)
    assert (evidence_of("98")[0].sentence, evidence_of("98")[0].tried) == (
        "the new one gains at least 8 points",
        4,
    )
    assert {row["code"] for row in rows(module.runs_file("98"))} == {code_of(same.path)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("'old', 0.6", "'old', 0.61", "98 gain; claim 0; claim 2"), ("'new'", "'other'", "98 gain")],
)
def test_code_that_moves_a_number_is_refused(lecture, tmp_path, run_here, old, new, told):
    assert run_here(missing_trials([lecture], 2, [1]), jobs=2) == []
    before = rows(module.claims_file("98"))
    changed = written(tmp_path, [cell.replace(old, new, 1) for cell in CELLS[:3]] + CELLS[3:])
    (failure,) = run_here(repeating_trials([changed]), jobs=1)
    assert f"other numbers than the stored run: {told}" in failure
    assert rows(module.claims_file("98")) == before
    assert is_stale(changed)


def test_new_words_need_the_same_claims(lecture, tmp_path, run_here):
    cells = [*CELLS[:3], "from course_utils.runtime import recording", *CELLS[3:5]]
    before = written(tmp_path, [*cells, "if recording(): claim('in stored runs', 2, above=1)"])
    assert run_here(missing_trials([before], 1, [1]), jobs=1) == []
    after = written(tmp_path, [*cells, "if recording(): claim('in stored runs', 2, above=0)"])
    (failure,) = run_here(missing_trials([after], 1, [1]), jobs=1)
    assert failure.endswith("98_lecture.ipynb states less than its stored runs did")
    assert len(evidence_of("98")) == 3


@pytest.mark.parametrize(
    ("cell", "same_code", "same_words"),
    [
        ("a = 1\nclaim('b', a, above=3, wide='why')  # a comment", True, False),
        ("a = 1\nprint(a)\nclaim('a', a, above=0)\nplots.bars(a)", True, True),
        ("a = (1).to(device)\nclaim('a', a, above=0)", True, True),
        ("a = 2\nclaim('a', a, above=0)", False, True),
        ("a = 1\nclaim('a', a + 1, above=0)", False, False),
    ],
)
def test_marks_tell_numbers_from_words(tmp_path, cell, same_code, same_words):
    first = written(tmp_path, ["setup", "a = 1\nclaim('a', a, above=0)"]).path
    marks = code_of(first), words_of(first)
    second = written(tmp_path, ["another setup", cell]).path
    assert (code_of(second) == marks[0], words_of(second) == marks[1]) == (same_code, same_words)


def test_a_lecture_that_states_nothing_says_so(tmp_path, monkeypatch, run_here):
    monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    silent = written(tmp_path, ["1", "2"])
    (failure,) = run_here(missing_trials([silent], 1, [1]), jobs=1)
    assert failure == "lecture 98, seed 0, budget 1: 98_lecture.ipynb states nothing"


def test_a_share_of_the_runs_may_be_promised():
    row = dict(
        number="0",
        sentence="s",
        bound="> 0",
        value="1",
        margin="1",
        share="0.9",
        wide="",
        budget="1",
    )
    runs = [row | {"seed": str(n), "holds": str(n > 0)} for n in range(10)]
    assert tried(runs)[0].holds
    assert not tried([r | {"share": "1"} for r in runs])[0].holds


def test_unequal_numbers_of_seeds_are_told_for_each_budget():
    row = dict(number="0", sentence="s", bound="> 0", value="1", margin="1", share="1", wide="")
    tries = [("0", "1"), ("1", "1"), ("0", "3")]
    some = [row | {"seed": seed, "budget": budget, "holds": "True"} for seed, budget in tries]
    assert _runs(tried(some)) == "2 seeds × budget 1, 1 seeds × budget 3"
    assert _runs(tried(some[:2])) == "2 seeds × budgets 1"
    fresh = row | {"seed": str(FRESH), "budget": "1", "holds": "False"}
    assert _runs(tried([*some[:2], fresh])) == "2 seeds × budgets 1, 1 fresh"


def test_a_fresh_seed_judges_the_claims_and_changes_no_number_of_the_lecture(
    lecture, tmp_path, run_here
):
    assert run_here(missing_trials([lecture], 2, [1]), jobs=1) == []
    shown = rows(tmp_path / "data" / "evidence" / "98_runs.csv")
    trials = missing_trials([lecture], 2, [1], fresh=2)
    assert [(t.seed, t.budget) for t in trials] == [(FRESH, 1), (FRESH + 1, 1)]
    assert run_here(trials, jobs=1) == []
    gain = evidence_of("98")[0]
    assert (gain.tried, gain.seeds, gain.fresh) == (4, 2, 2)
    assert gain.values[2] == pytest.approx(0.1 + FRESH / 100)
    assert rows(tmp_path / "data" / "evidence" / "98_runs.csv") == shown
    assert missing_trials([lecture], 2, [1], fresh=2) == []


def test_the_command_prints_what_became_of_each_claim(lecture, monkeypatch, capsys, run_here):
    monkeypatch.setattr(evidence_runs, "run_all", run_here)
    monkeypatch.setattr("course_utils.lectures.all_lectures", lambda: [lecture])
    monkeypatch.setattr("course_utils.lectures.store_part", lambda *part: None)
    command = ["evidence", "98", "--jobs", "1", "--seeds", "1", "--budgets"]
    assert main([*command, "1", "--fresh", "0"]) == 0
    printed = capsys.readouterr().out
    assert "1 run to make, 1 at a time: how long is not known yet" in printed
    assert "| the new one gains at least 9 points | ≥ 0.09 | 1 | 1 | 0.1 | 0.01 | – |" in printed
    assert "| 98 A lecture | 4 | 1 seeds × budgets 1 | 4 | 4 | nan | as now |" in printed
    assert main([*command, "1", "--fresh", "1"]) == 0
    assert "1 seeds × budgets 1, 1 fresh" in capsys.readouterr().out
    assert main([*command, "1,3", "--fresh", "0"]) == 1
    assert main(["evidence", "--fresh", "0"]) == 1  # with what is there: a claim did not hold
    assert main(["evidence", "97"]) == 2
    for wrong in (
        ["--budgets", "1,x"],
        ["--budgets", "0"],
        ["--seeds", "0"],
        ["--jobs", "-1"],
        ["--seeds", f"{FRESH + 1}"],
        ["--fresh", "-1"],
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["evidence", "98", *wrong])
    assert "no lecture 97: choose from 98" in capsys.readouterr().err
