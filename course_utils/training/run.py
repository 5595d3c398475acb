"""A training run: the parts that change together, are saved together, and go on together."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..data import BatchLoader
from ..runtime import Timer, progress
from .checkpoint import Checkpoint, CheckpointError
from .history import EpochRow, History
from .last_batch import LastImageJoined
from .loop import TrainingDiverged, evaluate, train_one_epoch
from .precision import Precision
from .recipe import Recipe, epoch_randomness, make_optimizer, make_schedule

if TYPE_CHECKING:
    from tqdm import tqdm


class Run:
    """A model on its way through the epochs of one `fit`, with the recipe that is in use."""

    def __init__(
        self,
        model: nn.Module,
        train: BatchLoader | LastImageJoined,
        validation: BatchLoader,
        amp: Precision,
        recipe: Recipe,
        history: History,
    ) -> None:
        self.model = amp.place(model)
        self.loader, self.validation = train, validation
        self.amp, self.recipe, self.history = amp, recipe, history
        self.optimizer = make_optimizer(
            recipe.optimizer, model, recipe.learning_rate, recipe.weight_decay
        )
        self.scheduler = make_schedule(
            recipe.schedule, self.optimizer, recipe.epochs, len(self.loader)
        )
        self.best = _copy(model.state_dict())

    @property
    def next_epoch(self) -> int:
        """The number of the epoch that comes next, from 1."""
        return len(self.history) + 1

    def train(self, checkpoint: Checkpoint | None) -> None:
        """Train the epochs that are left, and save the run after each."""
        steps = (self.recipe.epochs - len(self.history)) * len(self.loader)
        name = self.history.description or type(self.model).__name__
        with progress(total=steps, description=name, unit="batch") as bar:
            while self.next_epoch <= self.recipe.epochs:
                bar.set_description(f"{name}, epoch {self.next_epoch}/{self.recipe.epochs}")
                row = self._train_epoch(bar)
                self.history.rows.append(row)
                if self.history.best is row:
                    self.best = _copy(self.model.state_dict())
                if checkpoint is not None:
                    checkpoint.save(self._state())

    def _train_epoch(self, bar: tqdm) -> EpochRow:
        epoch, rate = self.next_epoch, self.optimizer.param_groups[0]["lr"]
        self.loader.set_epoch(epoch)
        with (
            Timer(self.amp.device) as timer,
            epoch_randomness(self.amp.device, self.recipe.seed, epoch),
        ):
            loss, accuracy = train_one_epoch(
                self.model,
                self.loader,
                self.optimizer,
                scheduler=self.scheduler,
                device=self.amp.device,
                amp=self.amp,
                bar=bar,
            )
            result = evaluate(self.model, self.validation, device=self.amp.device)
        if not math.isfinite(result.loss):  # the last step broke the weights
            raise TrainingDiverged(batch=len(self.loader))
        return EpochRow(epoch, loss, accuracy, result.loss, result.accuracy, rate, timer.seconds)

    def resume(self, checkpoint: Checkpoint, state: dict[str, Any]) -> None:
        """Go on from the state that a checkpoint holds."""
        try:
            for name, part in self._stateful().items():
                part.load_state_dict(state[name])
            self.model.load_state_dict(state["best"])  # checks it; the run goes on from "model"
            self.model.load_state_dict(state["model"])
            self.history.rows[:] = [EpochRow(*row) for row in state["history"]]
            self.best = state["best"]
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(checkpoint.path, f"does not fit this model ({error})") from None
        done = f"{len(self.history)} of {self.recipe.epochs} epochs are done already"
        print(f"{checkpoint.path.name}: {done}.")

    def finish(self) -> None:
        """Leave the model with its best weights, in evaluation mode and the usual memory format."""
        self.model.load_state_dict(self.best)
        self.model.to(memory_format=torch.contiguous_format).eval()

    def _stateful(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "scaler": self.amp.scaler}
        return parts | ({"scheduler": self.scheduler} if self.scheduler else {})

    def _state(self) -> dict[str, Any]:
        rows = [astuple(row) for row in self.history.rows]
        states = {name: part.state_dict() for name, part in self._stateful().items()}
        in_use = {"batch_size": self.recipe.batch_size}
        return states | in_use | {"best": self.best, "history": rows}


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
