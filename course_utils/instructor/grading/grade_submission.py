"""The grading of one submission from its cells to its result, in a clerk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..answers.doubts import with_doubt
from ..answers.plan import make_plan
from ..answers.review import review
from ..answers.skeleton import ADDED
from ..answers.submission import Submission
from ..reports.results import (
    GRADED,
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    ExerciseResult,
    SubmissionResult,
)
from ..sandbox.kernels import Kernels
from .grading_run import GradingRun, owner_of
from .steady_kernel import Infrastructure
from .submission_run import SubmissionRun


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
        for exercise in sorted(skeleton.answers):
            result, note = _grade(exercise, submission, cells, run.settings.gpu)
            exercises.append(result)
            notes += [note] if note else []
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


def _grade(
    exercise: str, submission: Submission, cells: SubmissionRun, has_gpu: bool
) -> tuple[ExerciseResult, str]:
    """Return the result of one exercise with its doubt, and the note to the instructor."""
    result = cells.grade(exercise)
    return with_doubt(
        replace(result, other=cells.plan.others.get(exercise, "")),
        submission.shown.get(exercise),
        cells.errors.get(exercise, ""),
        submission.python,
        has_gpu,
    )
