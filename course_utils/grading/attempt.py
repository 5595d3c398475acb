"""The grading of one submission from its file to its result, wherever it runs."""

from __future__ import annotations

import time

from .bench import Bench
from .intake import Submission
from .results import (
    GRADED,
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    TAMPERED,
    ExerciseResult,
    SubmissionResult,
)
from .review import review
from .run import Infrastructure, SubmissionRun
from .skeleton import identify, make_plan
from .workplace import Workplace


class Attempt:
    """Grades a submission of a known lecture, exercise by exercise; ``finish`` ends its kernel."""

    def __init__(self, submission: Submission, place: Workplace, bench: Bench) -> None:
        self.submission, self.place = submission, place
        self.skeleton = identify(submission, place.skeletons)
        self.began = time.monotonic()
        self.done: dict[str, ExerciseResult] = {}
        self.failure = ""
        plan, limits = make_plan(self.skeleton, submission), place.settings.limits
        self.run = SubmissionRun(
            plan, self.skeleton, bench.start, bench.exchange, place.seed, limits
        )
        self.run.notes += review(plan, self.skeleton)

    def grade(self, exercise_id: str) -> ExerciseResult:
        """Return the result of one exercise.

        Raises:
            Infrastructure: the submission cannot be graded now.
        """
        if self.failure:
            raise Infrastructure(self.failure)
        try:
            self.done[exercise_id] = self.run.grade(exercise_id)
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
        return self.finish()

    def finish(self) -> SubmissionResult | None:
        """End the kernel. Return the result, or None if not all exercises were asked for."""
        self.run.close()
        if not self.failure and set(self.done) != set(self.skeleton.answers):
            return None
        exercises = tuple(self.done[i] for i in sorted(self.done)) if not self.failure else ()
        notes = list(dict.fromkeys(self.run.notes))
        if any(exercise.status == TAMPERED for exercise in exercises):
            notes.append("it hides from the grader what it does")
        state = NEEDS_A_LOOK if notes else GRADED
        return SubmissionResult(
            self.submission.student,
            self.skeleton.lecture,
            self.submission.file,
            self.place.fingerprint(self.submission),
            INFRASTRUCTURE if self.failure else state,
            self.failure,
            exercises,
            tuple(notes),
            tuple(step.source for step in self.run.plan.steps if step.kind == "added"),
            round(time.monotonic() - self.began, 1),
        )
