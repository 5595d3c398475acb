"""One submission that was graded by itself, for systems that grade each on its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..reports.gradebook import best
from ..reports.results import BESIDE, INFRASTRUCTURE, SubmissionResult, read_results


@dataclass(frozen=True)
class Single:
    """What one student handed in: what counts, by lecture, and what could not be graded."""

    counted: tuple[SubmissionResult, ...]
    not_graded: tuple[SubmissionResult, ...]


def read_single(out: Path) -> Single:
    """Return what was graded into a folder; all of it is one student's, whatever the names say.

    Raises:
        ValueError: nothing was graded there, or the grader failed, so that there are no points.
    """
    if not (out / "results").is_dir():
        raise ValueError(f"{out} holds no results: name the folder of `grade --out`")
    results = read_results(out / "results")
    graded = [result for result in results if result.is_graded]
    lectures = sorted({result.lecture for result in graded})
    counted = tuple(best(r for r in graded if r.lecture == lecture) for lecture in lectures)
    others = [r for r in results if not r.is_graded and r.state != BESIDE]
    for result in others:
        if result.state == INFRASTRUCTURE:
            reason = f"the grader failed on {result.file}: {result.reason}: grade it again"
            raise ValueError(reason)
    return Single(counted, tuple(others))
