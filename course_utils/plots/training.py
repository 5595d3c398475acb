"""Training runs: learning curves.

A run is a `course_utils.training.History`: it has columns (``history["train_loss"]``), a best row,
and a reason why it ``stopped``, if it stopped early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .style import COLORS, MARKERS, Figure, new_figure


class Columns(Protocol):
    """Lists by name."""

    def __getitem__(self, column: str, /) -> Sequence[float]: ...


class Epoch(Protocol):
    """A `course_utils.training.EpochRow`, as far as figures need it."""

    @property
    def epoch(self) -> int:
        """Counted from 1."""

    @property
    def validation_accuracy(self) -> float:
        """A share in [0, 1]."""


class Run(Columns, Protocol):
    """A `course_utils.training.History`, as far as figures need it."""

    description: str
    stopped: str

    @property
    def best(self) -> Epoch:
        """The epoch with the highest validation accuracy."""

    def __len__(self) -> int: ...


def learning_curves(history: Run | Mapping[str, Run], title: str = "") -> Figure:
    """Loss (left) and accuracy (right) against the epoch.

    Solid with markers: on the validation images. Dashed: on the training images, collected while
    the weights change. A ring marks the best epoch of each run.

    Lecture 03.

    Args:
        history: a `course_utils.training.History`, or name -> History.
        title: above the panels; the description of a single History if empty.

    Raises:
        ValueError: there is no History.

    Example:
        >>> from course_utils import plots
        >>> from course_utils.training import EpochRow, History
        >>> row = EpochRow(1, 2.0, 0.3, 1.5, 0.4, learning_rate=0.1, seconds=1.0)
        >>> figure = plots.learning_curves(History([row]), "LeNet-5")
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Learning curves: LeNet-5. The run: 1 epochs, training loss from 2.00 to 2.00, best
        validation accuracy 40.0% in epoch 1.
    """
    runs = history if isinstance(history, Mapping) else {"": history}
    if not runs:
        raise ValueError("learning_curves needs at least one History")
    figure, axes = new_figure(1, 2, width=9, height=3.4)
    for place, measure in zip(axes, ("loss", "accuracy"), strict=True):
        for index, (name, run) in enumerate(runs.items()):
            _draw_run(place, run, measure, index, name)
    _label_epochs(axes[0], "cross-entropy loss (nats)")
    _label_epochs(axes[1], "accuracy")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for label, style in (("validation", "-"), ("training", "--")):
        axes[0].plot([], [], style, color="0.4", label=label)
    axes[0].plot([], [], "o", markersize=11, fillstyle="none", color="0.4", label="best epoch")
    if len(runs) == 1:
        axes[0].legend()
    else:
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=4)
    title = title or ("" if isinstance(history, Mapping) else history.description)
    figure.suptitle(title, fontsize=11)
    texts = [f"{name or 'The run'}: {_spoken(run)}" for name, run in runs.items()]
    return figure.described(f"{_opening('Learning curves', title)} {' '.join(texts)}")


def _draw_run(axes: Axes, run: Run, measure: str, index: int, name: str) -> None:
    color, marker = COLORS[index % 8], MARKERS[index % 8]
    label = f"{name} ({run.stopped})" if name and run.stopped else name or None
    axes.plot(run["epoch"], run[f"validation_{measure}"], color=color, marker=marker, label=label)
    axes.plot(run["epoch"], run[f"train_{measure}"], "--", color=color)
    if len(run):
        best = getattr(run.best, f"validation_{measure}")
        axes.plot([run.best.epoch], [best], "o", markersize=13, fillstyle="none", color=color)


def _label_epochs(axes: Axes, label: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def _spoken(run: Run) -> str:
    """Return the run as a sentence for the description of a figure."""
    stopped = f" It stopped early: {run.stopped}." if run.stopped else ""
    if not len(run):
        return f"no epoch was completed.{stopped}"
    first, last = run["train_loss"][0], run["train_loss"][-1]
    return (
        f"{len(run)} epochs, training loss from {first:.2f} to {last:.2f}, "
        f"best validation accuracy {run.best.validation_accuracy:.1%} in epoch "
        f"{run.best.epoch}.{stopped}"
    )


def _opening(kind: str, title: str) -> str:
    return f"{kind}: {title}." if title else f"{kind}."
