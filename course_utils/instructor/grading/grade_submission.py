"""The grading of one submission from its cells to its result, in a clerk."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..reports.results import (
    GRADED,
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    ExerciseResult,
    SubmissionResult,
)
from ..sandbox.kernels import Kernels
from .grading_run import GradingRun, owner_of
from .review import review
from .skeleton import ADDED, make_plan
from .submission import Submission
from .submission_run import Infrastructure, SubmissionRun


def grade_submission(
    submission: Submission, run: GradingRun, kernels: Kernels, phase: Callable[[str], None]
) -> SubmissionResult:
    """Return the result of a submission of a known lecture, graded or failed.

    phase: is told what begins.
    """
    began = time.monotonic()
    phase("planning")
    skeleton = run.skeletons[submission.lecture]
    plan = make_plan(skeleton, submission)
    notes = [*plan.notes, *review(plan, skeleton)]
    cells = SubmissionRun(plan, kernels, run.seed, run.settings.limits, phase)
    exercises: list[ExerciseResult] = []
    failure = ""
    try:
        exercises += map(cells.grade, sorted(skeleton.answers))
    except Infrastructure as problem:
        failure, exercises = str(problem), []
    finally:
        cells.close()
    notes = list(dict.fromkeys([*notes, *cells.notes]))
    state = NEEDS_A_LOOK if notes else GRADED
    return SubmissionResult(
        submission.student,
        submission.lecture,
        submission.file,
        run.fingerprint(submission),
        INFRASTRUCTURE if failure else state,
        failure,
        tuple(exercises),
        tuple(notes),
        tuple(step.source for step in plan.steps if step.kind == ADDED),
        round(time.monotonic() - began, 1),
        **owner_of(submission),
    )
