"""Figures of lecture 07: fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from .parts import draw_arrow, draw_box
from .style import COLORS, Figure, new_figure


def shared_objects(ways: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> Figure:
    """Who shares what: the objects behind the training and the validation part.

    Equal names are one object, drawn once.

    Lecture 07.

    Args:
        ways: title -> the chains of the two parts, each as the names of (part, data set, files).

    Example:
        >>> from course_utils import plots
        >>> chains = (("train", "data", "files"), ("validation", "data", "files"))
        >>> print(plots.shared_objects({"Subset": chains}).alt_text)
        Objects behind the two parts. Subset: shared data, files.
    """
    figure, panels = new_figure(1, len(ways), width=10.2, height=3.6, squeeze=False)
    said = []
    for axes, (title, (train, validation)) in zip(panels[0], ways.items(), strict=True):
        for level, (left, right) in enumerate(zip(train, validation, strict=True)):
            _draw_level(axes, level, left, right)
            if level:
                above = train[level - 1] == validation[level - 1]
                for x in (0.5, 1.5):
                    start = 1.0 if above else x
                    end = 1.0 if left == right else x
                    ends = (start, level - 0.73), (end, level - 0.29)
                    draw_arrow(axes, *ends, color="0.3", shrinkA=2, shrinkB=2)
        axes.set(xlim=(-0.15, 2.15), ylim=(2.45, -0.45), title=title)
        axes.set_axis_off()
        shared = [a for a, b in zip(train, validation, strict=True) if a == b]
        said.append(
            f"{title}: shared {', '.join(' '.join(s.split()) for s in shared) or 'nothing'}"
        )
    return figure.described(f"Objects behind the two parts. {'; '.join(said)}.")


def _draw_level(axes: Axes, level: int, left: str, right: str) -> None:
    """Two boxes, or one in the middle where both parts hold the same object."""
    places = {0.5: left, 1.5: right} if left != right else {1.0: left}
    for middle, text in places.items():
        color, thickness = (COLORS[1], 2.2) if len(places) == 1 else (COLORS[0], 1.2)
        draw_box(
            axes,
            (middle, level),
            text,
            width=0.84,
            height=0.5,
            pad=0.02,
            fontsize=8,
            facecolor="white",
            edgecolor=color,
            linewidth=thickness,
        )
