"""A search for good settings with Optuna: one stored study, and any number of processes on it.

Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD 2019. Every
finished trial is in the database at once. So a search can be stopped at any time, goes on where it
was, and several processes, also on several machines, share one study.
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import optuna
import torch
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from .data import ImageData, batches, load_data_or_stand_in
from .models.lab import LabVGG
from .runtime import get_device
from .training import choose_precision, evaluate, train_one_epoch

SPACE = {"channels_1": (8, 16, 32), "channels_2": (16, 32, 64), "pool_stride": (2, 3, 4)}
SAMPLERS = ("tpe", "random")
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def storage_url(path: str | os.PathLike) -> str:
    """Return the address of a study in an SQLite file; its folder is made.

    Example:
        >>> storage_url("study.db").startswith("sqlite:///")
        True
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path.as_posix()}"


def open_study(
    storage: str, name: str, *, sampler: str = "tpe", seed: int | None = None, heartbeat: int = 30
) -> optuna.Study:
    """Return the study with this name in a database; it is made if it is not there.

    Args:
        storage: the URL of a database: `storage_url(path)` for a file, or for example
            "mysql://user@host/course" for several machines.
        name: of the study.
        sampler: "tpe" (Bergstra et al., 2011) or "random".
        seed: of the sampler; processes that work on one study need different ones, or None.
        heartbeat: seconds between signs of life of a running trial. A trial without one for three
            times as long counts as failed: its process was killed.

    Raises:
        ValueError: the sampler is unknown, or the database cannot be opened.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     open_study(storage_url(Path(folder) / "study.db"), "tpe", seed=0).trials
        []
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler {sampler!r} is unknown: choose one of {', '.join(SAMPLERS)}")
    # TPE draws at random at first. The space is small: four trials are enough to begin with.
    chosen = (
        optuna.samplers.TPESampler(n_startup_trials=4, seed=seed)
        if sampler == "tpe"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=_database(storage, heartbeat),
        study_name=name,
        sampler=chosen,
        # A trial stops when it is below the median of the others after the same epoch.
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
        direction="maximize",
        load_if_exists=True,
    )


def _database(storage: str, heartbeat: int) -> optuna.storages.RDBStorage:
    """Open a database. Where another process is making its tables just now, try again."""
    # SQLite lets one process write at a time: the others wait.
    options = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else {}
    tries_left = 10
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return optuna.storages.RDBStorage(
                    storage,
                    engine_kwargs=options,
                    heartbeat_interval=heartbeat,
                    grace_period=3 * heartbeat,
                )
        except (SQLAlchemyError, ImportError) as problem:
            reason = str(problem).splitlines()[0]
            made_by_another = re.search("already exists|unique|duplicate", reason, re.IGNORECASE)
            tries_left -= 1
            if not (made_by_another and tries_left):
                raise ValueError(_unusable(storage, reason)) from None
            time.sleep(0.5)


def _unusable(storage: str, reason: str) -> str:
    shown = re.sub(r"//[^@/]*@", "//...@", storage)  # an address can hold a password
    return (
        f"the storage {shown} cannot be opened ({reason}): give the URL of a database, for "
        "example sqlite:///study.db; another one than SQLite needs its driver installed"
    )


def done(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have a result, complete or pruned, in the order of their numbers.

    Example:
        >>> study = optuna.create_study()  # in memory
        >>> run_trials(study, lambda trial: trial.number / 10, total=2)
        >>> [trial.value for trial in done(study)]
        [0.0, 0.1]
    """
    return study.get_trials(deepcopy=False, states=DONE)


def run_trials(
    study: optuna.Study,
    objective: Callable[[Trial], float],
    total: int,
    after_trial: Callable[[], None] = lambda: None,
) -> None:
    """Run trials until the study has `total` with a result, those of other processes included.

    An interrupt loses the running trial only. Processes that work at the same time can end with
    one trial too many each, because a trial that has begun is finished.

    Args:
        study: it gets the trials.
        objective: gives the value of a trial, which is maximised.
        total: how many trials the study has in the end.
        after_trial: is called after each of them, for example to print.

    Example:
        >>> study = optuna.create_study()  # in memory
        >>> run_trials(study, lambda trial: 0.5, total=1, after_trial=lambda: print("one more"))
        one more
    """
    while len(done(study)) < total:
        study.optimize(objective, n_trials=1)
        after_trial()


def lab_objective(
    data: ImageData, *, epochs: int, device: torch.device | None = None
) -> Callable[[Trial], float]:
    """Return the function that Optuna maximises: the validation accuracy of a `LabVGG`.

    Its settings are drawn from SPACE. After each epoch the accuracy is reported, and a trial that
    is behind is pruned. A setting that was tried before is not trained again: its result is copied.

    Args:
        data: 3x32x32 images; training and validation images are used.
        epochs: of each trial.
        device: where the network is trained; None is the course's.

    Example:
        >>> from course_utils.data import load_data
        >>> few = load_data("fashion_photos", profile="quick")
        >>> few = replace(few, train=few.train.take(100), validation=few.validation.take(50))
        >>> study = optuna.create_study(direction="maximize")  # in memory
        >>> run_trials(study, lab_objective(few, epochs=1, device=torch.device("cpu")), total=1)
        >>> sorted(done(study)[0].params)
        ['channels_1', 'channels_2', 'pool_stride']
    """
    device = device or get_device()

    def objective(trial: Trial) -> float:
        setting = {name: trial.suggest_categorical(name, SPACE[name]) for name in SPACE}
        trial.set_user_attr("process", os.getpid())
        if (known := _same_setting(trial)) is not None:
            other, value = known
            trial.set_user_attr("copy_of", other.number)
            return value
        torch.manual_seed(0)
        model = LabVGG(
            data.num_classes,
            channels=(setting["channels_1"], setting["channels_2"]),
            pool_stride=setting["pool_stride"],
        )
        amp = choose_precision(device)
        amp.place(model)  # in place: it is a network, not a tensor
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        train = batches(data, batch_size=100, device=device)
        validation = batches(data, "validation", batch_size=500, device=device)
        accuracy = 0.0
        for epoch in range(epochs):
            train_one_epoch(model, train, optimizer, amp=amp)
            accuracy = evaluate(model, validation).accuracy
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    return objective


def _complete(trials: Iterable[FrozenTrial]) -> list[tuple[FrozenTrial, float]]:
    """The complete trials with their values; that of a pruned one is only its last report."""
    return [
        (trial, trial.value)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    ]


def _same_setting(trial: Trial) -> tuple[FrozenTrial, float] | None:
    """The first complete trial with this trial's setting and its value, if there is one."""
    others = _complete(trial.study.get_trials(deepcopy=False))
    return next((pair for pair in others if pair[0].params == trial.params), None)


def lab_data(name: str, images: int | None = None) -> ImageData:
    """Return the data of a search.

    CIFAR that is not to be had is replaced by a bundled data set, which is said in one line.

    Args:
        name: of a data set.
        images: how many of its training images, stratified; None is all.
    """
    data = load_data_or_stand_in(name)
    return data if images is None else replace(data, train=data.train.take(images))


def best_trial_line(study: optuna.Study) -> str:
    """Return how many trials a study has, and its best one, in one line.

    Example:
        >>> study = optuna.create_study(study_name="example")  # in memory
        >>> run_trials(study, lambda trial: trial.suggest_int("width", 8, 8) / 10, total=2)
        >>> best_trial_line(study)
        'example: 2 trials, 0 of them pruned; best 80.0% with width 8'
    """
    trials = done(study)
    complete = _complete(trials)
    line = f"{study.study_name}: {len(trials)} trials, {len(trials) - len(complete)} of them pruned"
    if not complete:
        return line
    best, value = max(complete, key=lambda pair: pair[1])
    setting = ", ".join(f"{name} {value}" for name, value in best.params.items())
    return f"{line}; best {value:.1%} with {setting}"


def best_so_far(trials: Iterable[FrozenTrial]) -> list[float]:
    """Return, after each trial, the best value of a complete one so far; NaN before the first.

    Example:
        >>> study = optuna.create_study()  # in memory
        >>> run_trials(study, lambda trial: [0.3, 0.1, 0.5][trial.number], total=3)
        >>> best_so_far(done(study))
        [0.3, 0.3, 0.5]
    """
    best, values = float("nan"), []
    for trial in trials:
        for _, value in _complete([trial]):
            best = best if value <= best else value
        values.append(best)
    return values
