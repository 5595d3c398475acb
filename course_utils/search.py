"""The search of lecture 10 as a command: one stored study, and any number of processes on it.

Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD 2019. Every
finished trial is in the file at once. So a search can be stopped at any time, goes on where it was,
and several processes, also on several machines, share one study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState
from torch import nn

from .data import ImageData, batches, load_data_or_stand_in
from .data.pairs import pairs_of
from .models.lab import SevenLayerVGG
from .runtime import get_device, seed_everything
from .training.lab import test_model, train_with_steps
from .withheld import asked_for

SAMPLERS = ("tpe", "random")
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
RATES = (0.0003, 0.04)  # lowest and highest
SIZES = {"width": (4, 8), "hidden": (32, 128)}
LEAST_FINISHED = 5  # trials, before one is pruned: Optuna's own default


class InTraining(Protocol):
    """What an objective needs: something that trains for an epoch, and something that tests."""

    def train(self, epoch: int) -> float:
        """Train for one epoch."""

    def test(self) -> float:
        """Return the validation accuracy."""


@asked_for("10.6")
def search_objective(trial: Trial, start: Callable[..., InTraining], epochs: int) -> float:
    """Train with the settings of a trial and return the last validation accuracy.

    After each epoch it is reported, and a trial that is behind is pruned. Used in lecture 10.

    Args:
        trial: of Optuna: it draws the settings.
        start: makes a network of the settings learning_rate, width and hidden.
        epochs: of a trial that is not pruned.

    Raises:
        optuna.TrialPruned: the pruner says so.

    Example:
        >>> class Ready:
        ...     def train(self, epoch): pass
        ...     def test(self): return 0.5
        >>> study = optuna.create_study(direction="maximize")  # in memory
        >>> study.optimize(lambda trial: search_objective(trial, lambda **s: Ready(), 2), 1)
        >>> sorted(study.best_params), study.best_value
        (['hidden', 'learning_rate', 'width'], 0.5)
    """
    rate = trial.suggest_float("learning_rate", *RATES, log=True)
    sizes = {name: trial.suggest_categorical(name, choices) for name, choices in SIZES.items()}
    network, last = start(learning_rate=rate, **sizes), 0.0
    for epoch in range(epochs):
        network.train(epoch)
        last = network.test()
        trial.report(last, step=epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return last


@asked_for("10.5")
def below_median(values: Sequence[float], finished: Sequence[Sequence[float]]) -> bool:
    """Return whether Optuna's median rule stops a trial. Used in lecture 10.

    Args:
        values: the accuracies of the trial so far, one for each epoch.
        finished: those of each complete trial, for all epochs.

    Example:
        >>> finished = [[0.1, 0.2], [0.2, 0.4], [0.3, 0.5], [0.2, 0.3], [0.1, 0.4]]
        >>> below_median([0.25, 0.3], finished), below_median([0.4, 0.3], finished)
        (True, False)
    """
    if len(finished) < LEAST_FINISHED:
        return False
    epoch = len(values) - 1
    return max(values) < median(other[epoch] for other in finished)


class LabNetwork:
    """A `SevenLayerVGG` in training on some data, with the settings of a trial.

    Args:
        data: 3x32x32 images; training and validation images are used.
        learning_rate: of Adam, at the start.
        width: channels of the first block; the second has twice as many.
        hidden: units of the first linear layer.
    """

    def __init__(self, data: ImageData, learning_rate: float, width: int, hidden: int) -> None:
        seed_everything(0)
        device = get_device()
        self.learning_rate = learning_rate
        self.model = SevenLayerVGG(data.num_classes, (width, 2 * width), hidden).to(device)
        last = self.model.classifier[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.01)  # a small start: the loss begins at ln(classes)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.images = batches(data, batch_size=25, device=device)
        self.validation = batches(data, "validation", batch_size=500, device=device)

    def train(self, epoch: int) -> float:
        """Train for one epoch and return the mean loss."""
        return train_with_steps(epoch, self.model, self.images, self.optimizer, self.learning_rate)

    def test(self) -> float:
        """Return the validation accuracy."""
        return test_model(self.model, self.validation)[1]


def open_study(
    storage: str, name: str, *, sampler: str = "tpe", seed: int | None = None
) -> optuna.Study:
    """Return the study with this name; it is made if it is not there.

    Args:
        storage: a file, which is made if it is not there, or the URL of a database.
        name: of the study.
        sampler: "tpe" (Bergstra et al., 2011) or "random".
        seed: of the sampler; processes that work on one study need different ones, or None.

    Raises:
        ValueError: the sampler is unknown.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     open_study(str(Path(folder) / "study.log"), "lab", seed=0).trials
        []
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler {sampler!r} is unknown: choose one of {', '.join(SAMPLERS)}")
    kind: Any = optuna.samplers.TPESampler if sampler == "tpe" else optuna.samplers.RandomSampler
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage if "://" in storage else _journal(Path(storage)),
        study_name=name,
        sampler=kind(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=LEAST_FINISHED),
        direction="maximize",
        load_if_exists=True,
    )


def _journal(path: Path) -> JournalStorage:
    """One file to which every process appends; its lock also works on network drives (NFS)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


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


def lab_data(name: str, images: int | None = None) -> ImageData:
    """Return the data of a search.

    CIFAR-100 that is not to be had is replaced by pairs of garments, also a hundred classes.

    Args:
        name: of a data set.
        images: how many of its training images, stratified; None is all.
    """
    data = load_data_or_stand_in(name)
    if name == "cifar100" and data.name != name:
        return pairs_of(data, len(data.train) if images is None else images)
    return data if images is None else replace(data, train=data.train.take(images))


def best_trial_line(study: optuna.Study) -> str:
    """Return how many trials a study has, and its best one, in one line.

    Example:
        >>> study = optuna.create_study(study_name="example", direction="maximize")  # in memory
        >>> run_trials(study, lambda trial: trial.suggest_int("width", 8, 8) / 10, total=2)
        >>> best_trial_line(study)
        'example: 2 trials, 0 of them pruned; best 80.0% with width 8'
    """
    trials = done(study)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    line = f"{study.study_name}: {len(trials)} trials, {len(trials) - len(complete)} of them pruned"
    if not complete:
        return line
    best = study.best_trial
    shown = (f"{name} {value:.3g}" for name, value in best.params.items())
    return f"{line}; best {best.value:.1%} with {', '.join(shown)}"
