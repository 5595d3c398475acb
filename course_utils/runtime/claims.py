"""Statements about results: printed with whether they hold, and noted by a run of the evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from .trials import append, recording

_numbers = count()  # of the claims of this run, in order: their words and bounds may change
SIGNS = {"≥": "at_least", ">": "above", "≤": "at_most", "<": "below"}


@dataclass(frozen=True)
class Bound:
    """What a number must keep to. Each part may be None; ``equal_to`` is within ``tolerance``."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    equal_to: float | None = None
    tolerance: float = 0.0

    def margin(self, value: float) -> float:
        """Return how far inside the bound a number lies; negative if it is outside."""
        margins = [value - low for low in (self.at_least, self.above) if low is not None]
        margins += [high - value for high in (self.at_most, self.below) if high is not None]
        if self.equal_to is not None:
            margins.append(self.tolerance - abs(value - self.equal_to))
        return math.nan if math.isnan(value) else min(margins)

    def holds(self, value: float) -> bool:
        """Return whether a number keeps to the bound. NaN keeps to none."""
        return (
            not math.isnan(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and (self.equal_to is None or abs(value - self.equal_to) <= self.tolerance)
        )

    def __str__(self) -> str:
        limits = ((sign, getattr(self, name)) for sign, name in SIGNS.items())
        parts = [f"{sign} {limit:.10g}" for sign, limit in limits if limit is not None]
        if self.equal_to is not None:
            within = f" ± {self.tolerance:.10g}" if self.tolerance else ""
            parts.append(f"= {self.equal_to:.10g}{within}")
        return ", ".join(parts)

    @classmethod
    def read(cls, text: str) -> Bound:
        """Return the bound that `str` has made this text of.

        Example:
            >>> Bound.read("≥ 0.02, < 3") == Bound(at_least=0.02, below=3)
            True
        """
        limits = {
            SIGNS[sign]: float(limit) for sign, limit in re.findall(r"([≥>≤<]) (\S+?)(?=,|$)", text)
        }
        if equal := re.search(r"= (\S+?)(?: ± (\S+))?$", text):
            limits |= {"equal_to": float(equal[1]), "tolerance": float(equal[2] or 0)}
        return cls(**limits)


def verdict(bound: Bound, value: float) -> dict[str, float | bool]:
    """Return whether a number keeps to its bound, and how far inside it lies."""
    return dict(holds=bound.holds(value), margin=bound.margin(value))


def claim(
    sentence: str,
    value: float | bool | Sequence[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    equal_to: float | None = None,
    tolerance: float = 0.0,
    share: float = 1.0,
    wide: str = "",
) -> None:
    """Print a statement about a result, and whether it holds.

    A result of training differs a little from machine to machine. A statement about it, with a
    margin, does not. So a notebook states what must hold, and its test compares that line.

    Args:
        sentence: the statement. It says what is tested, with its number.
        value: the number that it is about. Several numbers are those of stored runs: then the line
            says in how many of them the statement holds. Without a bound: whether a fact is so.
        at_least: the number must not be smaller.
        at_most: it must not be larger.
        above: it must be larger.
        below: it must be smaller.
        equal_to: it must be this, within ``tolerance``.
        tolerance: how far it may lie from ``equal_to``.
        share: of the runs in which it must hold, for example 0.9. The sentence then says so.
        wide: why the bound lies far from what is measured, if it does.

    Raises:
        ValueError: a number has no bound.

    Example:
        >>> claim("more than 75 % are right", 0.83, above=0.75)
        ✓ more than 75 % are right
        >>> claim("the new one is better", [0.02, 0.03, -0.01], above=0)
        ✗ does not hold: the new one is better (2 of 3 stored runs)
    """
    number = next(_numbers)
    bound = Bound(at_least, above, at_most, below, equal_to, tolerance)
    has_bound = bool(str(bound))
    is_number = isinstance(value, (int, float, Sequence)) and not isinstance(value, bool)
    if is_number and not has_bound:
        raise ValueError(f"«{sentence}» needs a bound: at_least=, above=, below=, ...")
    if share < 1:
        sentence = f"in at least {round(10 * share)} of 10 runs, {sentence}"
    if not has_bound:
        fact = dict(value=float(bool(value)), bound="", holds=bool(value), wide=wide)
        append(number=number, sentence=sentence, **fact)
        _print(sentence, bool(value))
        return
    many = isinstance(value, Sequence)
    values = [float(v) for v in value] if isinstance(value, Sequence) else [float(value)]
    held = [bound.holds(found) for found in values]
    for found in values:
        row = dict(number=number, sentence=sentence, value=found, bound=str(bound))
        append(**row, **verdict(bound, found), share=share, wide=wide)
    if many and not values and not recording():
        print(f"– not tried yet: {sentence} (no stored runs)")
        return
    counted = f" ({sum(held)} of {len(held)} stored runs)" if many and not recording() else ""
    _print(sentence + counted, sum(held) >= share * len(held))


def _print(text: str, holds: bool) -> None:
    print(f"✓ {text}" if holds else f"✗ does not hold: {text}")
