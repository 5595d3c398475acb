"""What the page on claims shows: each claim of the lectures, and its stored runs."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any

from ...lectures import all_lectures
from ...lectures.evidence import Tried, evidence_of


def rounded(value: float) -> float | None:
    """Return a number with four digits, enough to draw and to read; None for NaN."""
    return None if math.isnan(value) else float(f"{value:.4g}")


def as_row(lecture: str, one: Tried) -> dict[str, Any]:
    """Return one claim: numbers as the lecture's own table has them, and the runs' margins."""
    return {
        "lecture": lecture,
        "sentence": one.sentence,
        "bound": one.bound,
        "tried": one.tried,
        "held": one.held,
        "mean": rounded(mean(one.values)),
        "margin": rounded(one.least_margin),
        "deviations": rounded(one.deviations),
        "budgets": list(one.budgets),
        "margins": [[rounded(margin) for margin in margins] for margins in one.margins],
    }


def claims_data() -> dict[str, Any]:
    """Return the lectures that have stored runs, and their claims in the order of the course."""
    found = {lecture: evidence_of(lecture.id) for lecture in all_lectures()}
    return {
        "lectures": {
            lecture.id: {"title": lecture.title, "page": f"{lecture.path.stem}.html"}
            for lecture, claims in found.items()
            if claims
        },
        "claims": [as_row(x.id, claim) for x, claims in found.items() for claim in claims],
    }
