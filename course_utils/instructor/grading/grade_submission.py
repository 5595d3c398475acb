"""The grading of one submission from its file to its result, wherever it runs."""

from __future__ import annotations

import time

from ..reports.results import (
    GRADED,
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    TAMPERED,
    ExerciseResult,
    SubmissionResult,
)
from ..sandbox.kernels import Kernels
from .grading_run import GradingRun
from .review import review
from .skeleton import ADDED, make_plan
from .submission import Submission
from .submission_run import Infrastructure, SubmissionRun


class SubmissionGrading:
    """Grades a submission of a known lecture, exercise by exercise; ``finish`` ends its kernel."""

    def __init__(self, submission: Submission, run: GradingRun, kernels: Kernels) -> None:
        self.submission = submission
        self.skeleton = run.skeletons[submission.lecture]
        self.fingerprint = run.fingerprint(submission)
        self.began = time.monotonic()
        self.done: dict[str, ExerciseResult] = {}
        self.failure = ""
        plan = make_plan(self.skeleton, submission)
        self.cells = SubmissionRun(plan, kernels, run.seed, run.settings.limits)
        self.cells.notes += review(plan, self.skeleton)

    def grade(self, exercise_id: str) -> ExerciseResult:
        """Return the result of one exercise.

        Raises:
            Infrastructure: the submission cannot be graded now.
        """
        if self.failure:
            raise Infrastructure(self.failure)
        try:
            self.done[exercise_id] = self.cells.grade(exercise_id)
        except Infrastructure as failure:
            self.failure = str(failure)
            raise
        return self.done[exercise_id]

    def grade_all(self) -> SubmissionResult:
        """Return the result of the submission, graded or failed."""
        try:
            for exercise_id in self.skeleton.answers:
                self.grade(exercise_id)
        except Infrastructure:
            pass  # the result tells it
        return self._conclude()

    def finish(self) -> SubmissionResult | None:
        """End the kernel. Return the result, or None if not all exercises were asked for."""
        if not self.failure and set(self.done) != set(self.skeleton.answers):
            self.cells.close()
            return None
        return self._conclude()

    def _conclude(self) -> SubmissionResult:
        self.cells.close()
        exercises = tuple(self.done[i] for i in sorted(self.done)) if not self.failure else ()
        notes = list(dict.fromkeys(self.cells.notes))
        if any(exercise.status == TAMPERED for exercise in exercises):
            notes.append("it hides from the grader what it does")
        state = NEEDS_A_LOOK if notes else GRADED
        return SubmissionResult(
            self.submission.student,
            self.submission.lecture,
            self.submission.file,
            self.fingerprint,
            INFRASTRUCTURE if self.failure else state,
            self.failure,
            exercises,
            tuple(notes),
            tuple(step.source for step in self.cells.plan.steps if step.kind == ADDED),
            round(time.monotonic() - self.began, 1),
        )
