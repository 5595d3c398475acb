"""A histogram of points as shapes that a page draws as SVG: sharp in print, no image file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 440, 230  # in SVG's own units; the page scales them
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 18, 44  # margins, for the labels
FEWEST_BINS, MOST_BINS = 5, 14
MOST_TICKS = 5


@dataclass(frozen=True)
class Bar:
    """One bin: the students with at least ``low`` and less than ``high`` points, and its shape."""

    low: float
    high: float
    students: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Bars and the ticks of both axes, each tick with its label and its place."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[tuple[str, float], ...]
    y_ticks: tuple[tuple[str, float], ...]
    text: str  # the bars in words
    size: tuple[int, int] = (WIDTH, HEIGHT)
    box: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


@dataclass(frozen=True)
class Step:
    """The students whose points in one exercise are ``points``, rounded down, and their bar."""

    points: int
    students: int
    height: int


STEP_WIDTH, STEP_HEIGHT = 19, 36  # of the small bars of one exercise


def steps(points: Sequence[float], most: int) -> tuple[Step, ...]:
    """Return the distribution of points in one exercise: a bar for each whole number of points."""
    counts = [0] * (most + 1)
    for value in points:
        counts[min(int(value), most)] += 1
    top = max(counts)
    return tuple(
        Step(n, count, math.ceil(STEP_HEIGHT * count / top) if top else 0)
        for n, count in enumerate(counts)
    )


def histogram(points: Sequence[float], most: int) -> Histogram:
    """Return the histogram of points out of ``most``, in bins of whole points.

    A bin holds its lower end; the last one holds both. Bins are equal where ``most`` allows it,
    otherwise the last one is wider.
    """
    most = max(most, 1)
    steps = range(math.ceil(most / MOST_BINS), math.ceil(most / FEWEST_BINS) + 1)
    step = next((step for step in steps if most % step == 0), steps[0])
    edges = [*range(0, most - step + 1, step), most]
    counts = [0] * (len(edges) - 1)
    for value in points:
        counts[min(int(value // step), len(counts) - 1)] += 1
    tick = max(1, math.ceil(max(counts) / MOST_TICKS))
    top = tick * max(1, math.ceil(max(counts) / tick))

    def x(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * value / edges[-1], 1)

    def y(count: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * count / top, 1)

    bars = tuple(
        Bar(low, high, n, x(low), y(n), round(x(high) - x(low), 1), round(y(0) - y(n), 1))
        for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    words = (f"{bar.low} to {bar.high} points: {bar.students}" for bar in bars if bar.students)
    return Histogram(
        bars,
        tuple((str(edge), x(edge)) for edge in edges),
        tuple((str(count), y(count)) for count in range(0, top + 1, tick)),
        "; ".join(words),
    )
