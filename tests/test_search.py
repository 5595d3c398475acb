"""The stored search: it resumes, it is shared, and nothing that is finished is lost."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="lecture 10 needs it: python -m pip install optuna")
optuna = sys.modules["optuna"]

from optuna.trial import TrialState  # noqa: E402
from training_data import bright_quarters  # noqa: E402

from course_utils import search  # noqa: E402
from course_utils.__main__ import main  # noqa: E402
from course_utils.data import ImageData, Split  # noqa: E402
from course_utils.data.pairs import pairs_of  # noqa: E402
from course_utils.runtime import project_root  # noqa: E402
from course_utils.search import (  # noqa: E402
    LabNetwork,
    below_median,
    best_trial_line,
    done,
    lab_data,
    open_study,
    run_trials,
    search_objective,
)

JOB = project_root() / "course_utils" / "search_job.sbatch"


@pytest.fixture
def storage(tmp_path):
    return str(tmp_path / "new folder" / "study.log")


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


def test_the_objective_trains_reports_and_prunes(storage, monkeypatch):
    start = partial(LabNetwork, colour(bright_quarters()))
    study = open_study(storage, "s", sampler="random", seed=0)
    study.enqueue_trial(dict(learning_rate=0.002, width=4, hidden=32))
    run_trials(study, partial(search_objective, start=start, epochs=2), 1)
    (first,) = done(study)
    assert list(first.intermediate_values) == [0, 1]
    assert first.value == first.intermediate_values[1]
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: True)
    run_trials(study, partial(search_objective, start=start, epochs=2), 2)
    assert done(study)[1].state == TrialState.PRUNED
    assert list(done(study)[1].intermediate_values) == [0]
    assert "s: 2 trials, 1 of them pruned; best" in best_trial_line(study)
    assert "width 4" in best_trial_line(study)


def test_the_median_rule_is_that_of_optuna():
    finished = [[0.1, 0.5], [0.2, 0.5], [0.3, 0.5], [0.4, 0.5], [0.5, 0.5], [0.6, 0.6]]
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=5)
    )
    for count, values in enumerate(finished):
        trial = study.ask()
        for epoch, value in enumerate((0.35, 0.3)):
            trial.report(value, epoch)
            assert trial.should_prune() == below_median([0.35, 0.3][: epoch + 1], finished[:count])
        trial = study.ask()
        for epoch, value in enumerate(values):
            trial.report(value, epoch)
        study.tell(trial, values[-1])
    assert below_median([0.35, 0.3], finished)
    assert not below_median([0.35], finished)  # equal to the median


def test_cifar100_has_a_hundred_classes_also_where_it_is_not(monkeypatch):
    few = colour(bright_quarters())
    monkeypatch.setattr(search, "load_data_or_stand_in", lambda name: few)
    pairs = lab_data("cifar100", 30)
    assert (pairs.num_classes, len(pairs.train)) == (few.num_classes**2, 30)
    assert len(lab_data("cifar10", 20).train) == 20


def test_pairs_show_both_images_and_are_labelled_by_both():
    data = colour(bright_quarters())
    pairs = pairs_of(data, 2 * len(data.train))
    names = set(pairs.class_names)
    assert len(names) == data.num_classes**2
    assert pairs.image_shape == data.image_shape
    image, label = pairs.train.images[5], int(pairs.train.labels[5])
    halves, labels = image.split(image.shape[2] // 2, dim=2), divmod(label, data.num_classes)
    for half, own in zip(halves, labels, strict=True):
        narrow = (data.train.images[..., ::2].int() + data.train.images[..., 1::2].int()) // 2
        same = (narrow == half.int()).flatten(1).all(dim=1)
        assert own in data.train.labels[same].tolist()


@pytest.mark.parametrize(
    ("options", "message"), [(dict(sampler="guess"), "choose one of tpe, random")]
)
def test_bad_input_is_named(storage, options, message):
    with pytest.raises(ValueError, match=message):
        open_study(**{"storage": storage, "name": "s", **options})


def test_a_place_that_cannot_be_written_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(search, "load_data_or_stand_in", lambda name: colour(bright_quarters()))
    (tmp_path / "file").write_text("")
    assert main(["search", "--storage", str(tmp_path / "file" / "study.log"), "--total", "1"]) == 1
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["--epochs=0", "--images=0", "--images=-1"])
def test_a_trial_that_trains_on_nothing_is_refused(storage, capsys, wrong):
    with pytest.raises(SystemExit, match="2"):
        main(["search", "--storage", storage, "--total", "1", wrong])
    assert "is no whole number from 1 on" in capsys.readouterr().err
    assert not Path(storage).exists()


def test_no_images_are_not_all_images(monkeypatch):
    asked = []
    monkeypatch.setattr(search, "load_data_or_stand_in", lambda name: colour(bright_quarters()))
    monkeypatch.setattr(search, "pairs_of", lambda data, count: asked.append(count))
    for images in (0, 30, None):
        lab_data("cifar100", images)
    assert asked == [0, 30, len(bright_quarters().train)]


def test_only_a_missing_optuna_is_answered_with_its_installation(monkeypatch, capsys):
    monkeypatch.delattr("course_utils.search")
    monkeypatch.delitem(sys.modules, "course_utils.search")
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["search", "--storage", "study.log"]) == 1
    assert capsys.readouterr().err == "optuna is missing: python -m pip install optuna\n"
    monkeypatch.setitem(sys.modules, "optuna", optuna)
    monkeypatch.setitem(sys.modules, "course_utils.training.lab", None)
    with pytest.raises(ModuleNotFoundError, match=r"course_utils\.training\.lab"):
        main(["search", "--storage", "study.log"])


WORKER = """
import sys, time
from course_utils.search import done, open_study, run_trials
study = open_study(sys.argv[1], "s")
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
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    before = [(trial.number, trial.value) for trial in done(study)]
    assert start(storage, "second", 5).wait(timeout=60) == 0
    trials = open_study(storage, "s").get_trials()
    assert [(t.number, t.value) for t in trials if t.number < 2] == before
    states = [TrialState.COMPLETE] * 2 + [TrialState.RUNNING] + [TrialState.COMPLETE] * 3
    assert [t.state for t in trials] == states


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
    environment |= {"STORAGE": "/shared/study.log", "SLURM_ARRAY_TASK_ID": "3"}
    said = subprocess.run(["bash", JOB], **run, check=True).stdout.split()
    assert said[:3] == ["-m", "course_utils", "search"]
    assert said[said.index("--seed") + 1] == "3"
    assert said[said.index("--storage") + 1] == "/shared/study.log"
    directives = [line for line in Path(JOB).read_text().splitlines() if line.startswith("#SBATCH")]
    assert any("--array" in line for line in directives)
