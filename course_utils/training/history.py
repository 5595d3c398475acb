"""What a training run did, epoch by epoch."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

COLUMNS = {  # field of EpochRow: how its table column shows it
    "epoch": "{:d}",
    "train_loss": "{:.4f}",
    "train_accuracy": "{:.1%}",
    "validation_loss": "{:.4f}",
    "validation_accuracy": "{:.1%}",
    "learning_rate": "{:.2g}",
    "seconds": "{:.1f}",
}


@dataclass(frozen=True)
class EpochRow:
    """One epoch. Losses are means per image (nats), accuracies shares in [0, 1].

    The training figures are collected while the weights change, in training mode; the validation
    figures are taken after the epoch, in evaluation mode. ``learning_rate`` is the rate of the
    epoch's first step. ``seconds`` do not count when two rows are compared.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float = field(compare=False)


@dataclass(repr=False)
class History:
    """The rows of a run. It shows itself as a table, and ``plot()`` draws the learning curves.

    ``history["validation_accuracy"]`` is a column as a list.

    Attributes:
        rows: one for each completed epoch.
        description: what was trained.
        stopped: why a run ended early; empty after a complete one.

    Example:
        >>> row = EpochRow(1, 0.9, 0.7, 0.8, 0.75, 1e-3, seconds=2.0)
        >>> History([row])["validation_accuracy"], History([row]).best.epoch
        ([0.75], 1)
    """

    rows: list[EpochRow] = field(default_factory=list)
    description: str = ""
    stopped: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        if column not in COLUMNS:
            raise KeyError(f"no column {column!r}: choose one of {', '.join(COLUMNS)}")
        return [getattr(row, column) for row in self.rows]

    @property
    def best(self) -> EpochRow:
        """The epoch with the highest validation accuracy; of equals, the one with less loss.

        Raises:
            ValueError: no epoch was completed.
        """
        if not self.rows:
            raise ValueError(f"no epoch was completed ({self.stopped or 'nothing was trained'})")
        return max(self.rows, key=lambda row: (row.validation_accuracy, -row.validation_loss))

    def _cells(self) -> list[list[str]]:
        return [
            [form.format(getattr(row, name)) for name, form in COLUMNS.items()] for row in self.rows
        ]

    def _notes(self) -> list[str]:
        notes = [f"best epoch: {self.best.epoch}"] if self.rows else ["no epoch was completed"]
        return notes + ([f"stopped: {self.stopped}"] if self.stopped else [])

    def __str__(self) -> str:
        names = [name.replace("_", " ") for name in COLUMNS]
        lines = ["  ".join(names)]
        for cells in self._cells():
            lines.append("  ".join(c.rjust(len(n)) for c, n in zip(cells, names, strict=True)))
        return "\n".join(([self.description] if self.description else []) + lines + self._notes())

    def __repr__(self) -> str:
        return f"History({len(self)} epochs; {'; '.join(self._notes())})"

    def _repr_html_(self) -> str:
        caption = html.escape(self.description)
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
        body = ""
        for row, cells in zip(self.rows, self._cells(), strict=True):
            bold = ' style="font-weight: bold"' if row is self.best else ""
            body += f"<tr{bold}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        return (
            f"<table>{f'<caption>{caption}</caption>' if caption else ''}"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{html.escape('; '.join(self._notes()))}</p>"
        )
