"""Numbers that options of a command take. argparse makes one line of the error."""

from __future__ import annotations

import argparse
import math


def at_least_one(text: str) -> int:
    """Read a whole number, for example of jobs.

    Example:
        >>> at_least_one("2")
        2
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def positive_number(text: str) -> float:
    """Read a number, for example of seconds.

    Example:
        >>> positive_number("0.5")
        0.5
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0, like 0.5 or 60")
    return number


def positive_numbers(text: str) -> list[float]:
    """Read numbers with commas between them, for example budgets.

    Example:
        >>> positive_numbers("1,3")
        [1.0, 3.0]
    """
    return [positive_number(part) for part in text.split(",")]
