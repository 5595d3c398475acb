"""Runs with other seeds and budgets: what a run draws and notes, and what is read back."""

import json
import math

import pytest
import torch

from course_utils.runtime import Runs, length, record, recording, run_seed, seed_everything, stored
from course_utils.runtime import trials as module
from course_utils.runtime.device import shift_seeds
from course_utils.runtime.trials import Measured

CSV = """experiment,arm,x,value,seed,budget,code
98 gain,new,,0.7,0,1,c
98 gain,old,,0.6,0,1,c
98 gain,new,,0.8,1,1,c
98 gain,new,,0.9,0,3,c
98 gain,old,,0.5,0,3,c
98 curve,new,2,0.1,0,1,c
98 fixed,new,,0.7,0,1,c
98 fixed,new,,0.8,1,1,c
98 fixed,new,,0.7,0,3,c
98 partly,new,,0.7,0,1,c
98 partly,new,,0.8,1,1,c
98 partly,new,,0.7,0,3,c
98 partly,new,,0.9,1,3,c
"""


@pytest.fixture
def no_run(monkeypatch):
    for name in ("COURSE_RUN", "COURSE_BUDGET", "COURSE_RECORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kept(tmp_path, monkeypatch, no_run):
    monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    (tmp_path / "data" / "evidence").mkdir(parents=True)
    (tmp_path / "data" / "evidence" / "98_runs.csv").write_text(CSV, "utf-8")


def test_an_ordinary_run_has_its_own_seeds_and_lengths(no_run):
    before = torch.manual_seed
    shift_seeds()
    assert torch.manual_seed is before
    assert (run_seed(3), length(7), recording()) == (3, 7, False)


def test_another_run_draws_other_numbers(monkeypatch):
    torch.manual_seed(0)
    usual = torch.rand(3)
    monkeypatch.setattr(torch, "manual_seed", torch.manual_seed)
    monkeypatch.setenv("COURSE_RUN", "2")
    shift_seeds()
    shift_seeds()  # a set-up cell may be run again
    torch.manual_seed(0)
    other = torch.rand(3)
    seed_everything(0)
    assert torch.equal(other, torch.rand(3))
    torch.random.manual_seed(2000)
    assert torch.equal(other, torch.rand(3))
    assert not torch.equal(usual, other)


def test_the_budget_makes_training_longer(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "0.1")
    assert (length(40), length(1)) == (4, 1)
    monkeypatch.setenv("COURSE_BUDGET", "3")
    assert length(4) == 12


def test_stored_runs_are_paired_by_seed_and_budget(kept):
    runs = stored("98 gain")
    assert (len(runs), runs.arms, runs.budgets) == (3, ["new", "old"], [1.0, 3.0])
    assert runs.values("new") == [0.7, 0.8, 0.9]
    assert runs.differences("new", "old") == pytest.approx([0.1, 0.4])
    assert runs.at(3).values("old") == [0.5]
    assert runs.mean("new") == pytest.approx(0.8)
    assert math.isnan(runs.at(1).mean("new", 2))
    assert runs.lead("new", "old") == pytest.approx(0.25)
    assert math.isnan(runs.at(1).lead("old", "none"))
    assert stored("98 curve").xs("new") == [2.0]
    assert stored("98 curve").values("new", 2) == [0.1]
    assert len(stored("97 nothing")) == 0


def test_what_no_budget_changes_counts_once(kept):
    assert (stored("98 fixed").budgets, stored("98 fixed").values("new")) == ([1], [0.7, 0.8])
    assert stored("98 partly").values("new") == [0.7, 0.8, 0.7, 0.9]


def test_a_difference_that_no_budget_changes_counts_once():
    numbers = {(1, 0): (0.7, 0.5), (1, 1): (0.8, 0.5), (3, 0): (0.7, 0.5), (3, 1): (0.8, 0.6)}
    rows = [
        Measured("98 some", arm, "", value, seed, budget)
        for (budget, seed), values in numbers.items()
        for arm, value in zip(("new", "old"), values, strict=True)
    ]
    runs = Runs(tuple(rows))
    assert runs.differences("new", "old") == pytest.approx([0.2, 0.3, 0.2])
    assert runs.at(3).differences("new", "old") == pytest.approx([0.2, 0.2])
    assert runs.values("new") == [0.7, 0.8, 0.7, 0.8]


def test_a_run_of_the_evidence_sees_its_own_numbers_alone(kept, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_measured", [])
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "record"))
    assert record("98 gain", "new", torch.tensor(0.5)) == 0.5
    record("98 gain", "new", 0.25, x=3)
    assert stored("98 gain") == Runs(
        (Measured("98 gain", "new", "", 0.5, 0, 1), Measured("98 gain", "new", 3.0, 0.25, 0, 1))
    )
    lines = (tmp_path / "record").read_text("utf-8").splitlines()
    assert json.loads(lines[1]) == {"experiment": "98 gain", "arm": "new", "x": 3.0, "value": 0.25}


def test_an_experiment_is_called_by_its_lecture(no_run):
    for wrong in ("gain", "9 gain", "98"):
        with pytest.raises(ValueError, match="is called like '05 depth', not"):
            record(wrong, "new", 0.5)
        with pytest.raises(ValueError, match="is called like '05 depth', not"):
            stored(wrong)
