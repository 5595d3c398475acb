"""A training run: the parts that change together, are saved together, and go on together."""

from __future__ import annotations

import math
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data import BatchLoader
from ..runtime import Timer, progress
from .checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from .history import EpochRow, History
from .loop import TrainingDiverged, evaluate, train_one_epoch
from .precision import Precision
from .recipe import epoch_randomness, make_optimizer, make_schedule


class Run:
    """A model on its way through the epochs of one `fit`; see there for the settings."""

    def __init__(
        self,
        model: nn.Module,
        train: BatchLoader,
        validation: BatchLoader,
        amp: Precision,
        settings: dict[str, Any],
        history: History,
    ) -> None:
        self.model = amp.place(model)
        self.loader, self.validation = train, validation
        self.amp, self.settings, self.history = amp, settings, history
        self.epochs = settings["epochs"]
        self.optimizer = make_optimizer(
            settings["optimizer"], model, settings["learning_rate"], settings["weight_decay"]
        )
        self.scheduler = make_schedule(
            settings["schedule"], self.optimizer, self.epochs, len(self.loader)
        )
        self.best = _copy(model.state_dict())

    @property
    def next_epoch(self) -> int:
        return len(self.history) + 1

    def train(self, checkpoint: Path | None) -> None:
        """Train the epochs that are left, and save the run after each."""
        steps = (self.epochs - len(self.history)) * len(self.loader)
        name = self.history.description or type(self.model).__name__
        with progress(total=steps, description=name, unit="batch") as bar:
            while self.next_epoch <= self.epochs:
                bar.set_description(f"{name}, epoch {self.next_epoch}/{self.epochs}")
                row = self._train_epoch(bar)
                self.history.rows.append(row)
                if self.history.best is row:
                    self.best = _copy(self.model.state_dict())
                if checkpoint is not None:
                    save_checkpoint(checkpoint, self.settings, self._state())

    def _train_epoch(self, bar: Any) -> EpochRow:
        epoch, rate = self.next_epoch, self.optimizer.param_groups[0]["lr"]
        self.loader.set_epoch(epoch)
        with (
            Timer(self.amp.device) as timer,
            epoch_randomness(self.amp.device, self.settings["seed"], epoch),
        ):
            loss, accuracy = train_one_epoch(
                self.model,
                self.loader,
                self.optimizer,
                scheduler=self.scheduler,
                device=self.amp.device,
                amp=self.amp,
                label_smoothing=self.settings["label_smoothing"],
                bar=bar,
            )
            result = evaluate(self.model, self.validation, device=self.amp.device)
        if not math.isfinite(result.loss):  # the last step broke the weights
            raise TrainingDiverged(batch=len(self.loader))
        return EpochRow(epoch, loss, accuracy, result.loss, result.accuracy, rate, timer.seconds)

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not checkpoint.exists():
            return
        state = load_checkpoint(checkpoint, self.settings)
        try:
            for name, part in self._stateful().items():
                part.load_state_dict(state[name])
            self.model.load_state_dict(state["best"])  # checks it; the run goes on from "model"
            self.model.load_state_dict(state["model"])
            self.history.rows[:] = [EpochRow(*row) for row in state["history"]]
            self.best = state["best"]
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(checkpoint, f"does not fit this model ({error})") from None
        print(f"{checkpoint.name}: {len(self.history)} of {self.epochs} epochs are done already.")

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
        return states | {"best": self.best, "history": rows}


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
