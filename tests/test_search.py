"""The stored search: it resumes, it is shared, and nothing that is finished is lost."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("optuna", reason="lecture 10 needs it: python -m pip install optuna")
optuna = sys.modules["optuna"]

from optuna.trial import TrialState  # noqa: E402
from sqlalchemy.exc import OperationalError  # noqa: E402
from training_data import bright_quarters  # noqa: E402

from course_utils import search  # noqa: E402
from course_utils.__main__ import main  # noqa: E402
from course_utils.data import ImageData, Split  # noqa: E402
from course_utils.runtime import project_root  # noqa: E402
from course_utils.search import (  # noqa: E402
    SPACE,
    best_so_far,
    best_trial_line,
    done,
    lab_objective,
    open_study,
    run_trials,
    storage_url,
)

JOB = project_root() / "course_utils" / "search_job.sbatch"


@pytest.fixture
def storage(tmp_path):
    return storage_url(tmp_path / "new folder" / "study.db")


def colour(data: ImageData) -> ImageData:
    """The same data with three channels."""
    parts = {}
    for name in ("train", "validation", "test"):
        part = data.split(name)
        parts[name] = Split(part.images.expand(-1, 3, -1, -1).contiguous(), part.labels)
    means = dict(mean=data.mean * 3, std=data.std * 3)
    return ImageData(data.name, data.title, data.provenance, data.class_names, **parts, **means)


def test_a_study_goes_on_where_it_was(storage):
    def objective(trial):
        return trial.suggest_float("x", 0, 1)

    run_trials(open_study(storage, "s", seed=0), objective, 3)
    first = [trial.params for trial in done(open_study(storage, "s"))]
    run_trials(open_study(storage, "s", seed=1), objective, 5)
    trials = done(open_study(storage, "s"))
    assert [trial.params for trial in trials[:3]] == first
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    run_trials(open_study(storage, "s"), lambda trial: 1 / 0, 5)  # nothing is left to do


def test_an_interrupt_loses_the_running_trial_only(storage):
    def objective(trial):
        if trial.number == 2:
            raise KeyboardInterrupt
        return trial.number

    study = open_study(storage, "s")
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, objective, 5)
    assert [trial.value for trial in done(study)] == [0, 1]


def test_lab_objective_trains_prunes_and_copies(storage, monkeypatch):
    data = colour(bright_quarters())
    study = open_study(storage, "s", sampler="random", seed=0)
    objective = lab_objective(data, epochs=2, device=torch.device("cpu"))
    setting = dict(channels_1=8, channels_2=16, pool_stride=4)
    study.enqueue_trial(setting)
    study.enqueue_trial(setting)
    study.enqueue_trial(setting | {"pool_stride": 3})
    run_trials(study, objective, 2)
    first, copy = done(study)
    assert (copy.value, copy.user_attrs["copy_of"]) == (first.value, first.number)
    assert list(first.intermediate_values) == [0, 1]
    assert first.value == first.intermediate_values[1]
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: True)
    run_trials(study, objective, 3)
    assert done(study)[2].state == TrialState.PRUNED
    assert "3 trials, 1 of them pruned" in best_trial_line(study)


def test_settings_come_from_the_space(storage):
    study = open_study(storage, "s", sampler="random", seed=3)
    seen = []

    def objective(trial):
        setting = {name: trial.suggest_categorical(name, SPACE[name]) for name in SPACE}
        seen.append(setting)
        return 0.0

    run_trials(study, objective, 20)
    for name, values in SPACE.items():
        assert {setting[name] for setting in seen} == set(values)


def test_best_so_far_never_falls(storage):
    values = iter([0.3, None, 0.2, 0.5])

    def objective(trial):
        value = next(values)
        if value is None:
            raise optuna.TrialPruned
        return value

    study = open_study(storage, "s")
    run_trials(study, objective, 4)
    assert best_so_far(done(study)) == [0.3, 0.3, 0.3, 0.5]
    assert best_so_far([]) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(storage="nothing://user:secret@host/course"), r"nothing://\.\.\.@host/course cannot"),
        (dict(sampler="guess"), "choose one of tpe, random"),
    ],
)
def test_bad_input_is_named(storage, options, message):
    with pytest.raises(ValueError, match=message) as raised:
        open_study(**{"storage": storage, "name": "s", **options})
    assert "secret" not in str(raised.value)


def test_tables_that_another_process_is_making_are_waited_for(storage, monkeypatch):
    real, calls = optuna.storages.RDBStorage.__init__, []

    def busy(*arguments, **options):
        calls.append(1)
        if len(calls) < 3:
            raise OperationalError("CREATE TABLE", {}, Exception("table studies already exists"))
        real(*arguments, **options)

    monkeypatch.setattr(optuna.storages.RDBStorage, "__init__", busy)
    monkeypatch.setattr(search.time, "sleep", lambda seconds: None)
    assert open_study(storage, "s").study_name == "s"
    assert len(calls) == 3


def test_a_damaged_file_is_named(tmp_path, capsys):
    path = tmp_path / "study.db"
    path.write_text("this is no database, and long enough to be looked at " * 100)
    assert main(["search", "--storage", storage_url(path), "--total", "1"]) == 1
    assert "study.db cannot be opened" in capsys.readouterr().err


WORKER = """
import sys, time
from course_utils.search import done, open_study, run_trials
study = open_study(sys.argv[1], "s", heartbeat=1)
def objective(trial):
    trial.set_user_attr("worker", sys.argv[2])
    time.sleep(0.3 if len(done(study)) < 2 or sys.argv[2] != "killed" else 60)
    return trial.suggest_float("x", 0, 1)
run_trials(study, objective, int(sys.argv[3]))
"""


def start(storage, name, total):
    environment = os.environ | {"PYTHONPATH": str(project_root())}
    command = [sys.executable, "-c", WORKER, storage, name, str(total)]
    return subprocess.Popen(command, env=environment)


def test_two_workers_share_a_study(storage):
    workers = [start(storage, name, 8) for name in "ab"]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    trials = open_study(storage, "s").get_trials()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert len(trials) in (8, 9)
    assert {trial.user_attrs["worker"] for trial in trials} == {"a", "b"}


def test_a_killed_worker_costs_its_running_trial_only(storage):
    study = open_study(storage, "s")
    worker = start(storage, "killed", 5)
    deadline = time.monotonic() + 60
    while len(done(study)) < 2 or not study.get_trials(states=(TrialState.RUNNING,)):
        assert time.monotonic() < deadline, "the worker did not get that far"
        time.sleep(0.1)
    time.sleep(1.5)  # its first sign of life is stored
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    before = [(trial.number, trial.value) for trial in done(study)]
    time.sleep(4)  # the heartbeat of the killed trial has been missing for long enough
    assert start(storage, "second", 5).wait(timeout=60) == 0
    trials = open_study(storage, "s").get_trials()
    assert [(t.number, t.value) for t in trials if t.number < 2] == before
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 2 + [TrialState.FAIL] + [
        TrialState.COMPLETE
    ] * 3


def test_the_command_runs_and_resumes(storage, capsys, monkeypatch):
    monkeypatch.setattr(search, "load_data_or_stand_in", lambda name: colour(bright_quarters()))
    command = ["search", "--storage", storage, "--epochs", "1", "--images", "40", "--seed", "1"]
    assert main([*command, "--total", "1"]) == 0
    assert main([*command, "--total", "2"]) == 0
    assert "lab: 2 trials" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_cluster_script_is_right_and_calls_the_command(tmp_path):
    subprocess.run(["bash", "-n", JOB], check=True)
    environment = {"PATH": os.environ["PATH"], "PYTHON": "echo", "SLURM_SUBMIT_DIR": str(tmp_path)}
    run = dict(env=environment, capture_output=True, text=True)
    assert "set STORAGE" in subprocess.run(["bash", JOB], **run).stderr
    environment |= {"STORAGE": "sqlite:///x.db", "SLURM_ARRAY_TASK_ID": "3"}
    said = subprocess.run(["bash", JOB], **run, check=True).stdout.split()
    assert said[:3] == ["-m", "course_utils", "search"]
    assert said[said.index("--seed") + 1] == "3"
    assert said[said.index("--storage") + 1] == "sqlite:///x.db"
    directives = [line for line in Path(JOB).read_text().splitlines() if line.startswith("#SBATCH")]
    assert any("--array" in line for line in directives)
