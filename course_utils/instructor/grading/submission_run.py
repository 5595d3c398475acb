"""The running of one submission: its cells run in a fenced kernel, its results are judged here.

The kernel only runs student code and sends raw results out. Keys, judges and the seed stay in this
process, so whatever the code prints, patches or claims, only a right result earns points. A kernel
that dies or hangs is replaced and the finished cells are run again: it costs the exercise that it
happened in, no other.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import replace

from ...exercises import get_exercise
from ...exercises.core import Outcome, Question, Score, judge_outcomes
from ..examiners import graded
from ..reports.results import FULL, MISSING, PARTIAL, UNSOLVED, WRONG, ExerciseResult
from ..sandbox.kernel import Incomplete, Kernel, Lost, Reply
from ..sandbox.kernels import Kernels
from ..sandbox.settings import DIED, Limits
from .skeleton import ANSWER, CHECK, LECTURE, Plan, Step


class Infrastructure(RuntimeError):
    """The grader failed, not the student: the submission is not graded and can be run again."""


class SubmissionRun:
    """Runs the plan of one submission as far as it is needed, and scores its exercises.

    phase: is told what begins: "running", or "judging" and the exercise.
    """

    def __init__(
        self,
        plan: Plan,
        kernels: Kernels,
        seed: int,
        limits: Limits,
        phase: Callable[[str], None],
    ) -> None:
        self.plan, self.kernels, self.seed, self.limits = plan, kernels, seed, limits
        self.phase = phase
        self.kernel: Kernel | None = None
        self.finished: list[Step] = []  # what a new kernel has to run again
        self.position = 0
        self.left = limits.total
        self.is_touched = False  # whether code of the student has run
        self.lost: dict[str, Lost] = {}  # exercises whose answer's cell ended the kernel
        self.errors: dict[str, str] = {}  # exercises whose answer's cell stopped with an error
        self.notes: list[str] = []

    def close(self) -> None:
        """End the kernel."""
        if self.kernel is not None:
            self.kernel.stop()
            self.kernel = None

    def grade(self, exercise_id: str) -> ExerciseResult:
        """Return the result of one exercise; all cells before its check are run first.

        Raises:
            Infrastructure: no kernel starts, its results do not come, or the lecture's own cells
                fail.
        """
        began = time.monotonic()
        exercise = get_exercise(exercise_id)
        found = self.plan.found.get(exercise_id, "")
        result = ExerciseResult(
            exercise_id,
            exercise.title,
            0.0,
            exercise.points,
            MISSING,
            hint="no cell of the notebook defines it",
            found=found,
        )
        if found:
            source = self.plan.steps[self._place(ANSWER, exercise_id)].source
            place = self._place(CHECK, exercise_id)
            self.phase("running")
            self._advance(place)
            result = self._score(self.plan.steps[place], replace(result, source=source))
        return replace(result, seconds=round(time.monotonic() - began, 2))

    def _place(self, kind: str, exercise_id: str) -> int:
        keys = [(step.kind, step.exercise) for step in self.plan.steps]
        return keys.index((kind, exercise_id))

    def _advance(self, place: int) -> None:
        for step in self.plan.steps[self.position : place]:
            self.position += 1
            if step.kind != CHECK:
                self._run_cell(step)

    def _run_cell(self, step: Step) -> None:
        """Run one cell; what a student's cell does wrong is kept for its exercise."""
        self.is_touched = self.is_touched or step.kind != LECTURE
        try:
            reply = self._work(_cell(step), step)
        except Lost as lost:
            if not self.is_touched:
                raise Infrastructure(f"a cell of the lecture failed: {lost}") from None
            self.lost[step.exercise] = lost
            if step.kind != ANSWER:
                self.notes.append(f"{_first_line(step)}: {lost}; the cell was left out")
            return
        if reply.error and not self.is_touched:
            raise Infrastructure(f"a cell of the lecture failed: {reply.error}")
        if reply.error:
            self.errors[step.exercise] = reply.error
        self.finished.append(step)

    def _work(self, what: Callable[[Kernel, float], Reply], step: Step) -> Reply:
        """Do something in a kernel in which all finished cells have run.

        Raises:
            Lost: the kernel is gone; or there is no time left.
            Incomplete: its results did not come.
            Infrastructure: it was not the code that ended it.
        """
        kernel = self._ready_kernel()
        limit = self.limits.lecture if step.kind == LECTURE else self.limits.cell
        try:
            reply = what(kernel, min(limit, max(0.1, self.left)))
        except (Lost, Incomplete) as end:
            self.left -= end.seconds
            self.close()
            if not self.kernels.is_alive():
                raise Infrastructure("the sandbox ended") from None
            raise
        self.left -= reply.seconds
        return reply

    def _ready_kernel(self) -> Kernel:
        """Return a kernel that has run all finished cells."""
        while self.kernel is None:
            if self.left <= 0:
                raise Lost(
                    DIED, f"the {self.limits.total:.0f} seconds of the submission were used up"
                )
            try:
                self.kernel = self.kernels.start()
            except Exception as problem:
                raise Infrastructure(f"no kernel starts: {problem}") from None
            self._repeat_cells()
        return self.kernel

    def _repeat_cells(self) -> None:
        """Run all finished cells. One that ends the kernel now, although it worked, counts no more.

        What comes after goes on without it.
        """
        for step in list(self.finished):
            try:
                self._work(_cell(step), step)
            except Lost:
                self.finished.remove(step)
                return

    def _score(self, step: Step, result: ExerciseResult) -> ExerciseResult:
        lost = self.lost.get(step.exercise)
        if lost is not None:
            return replace(result, status=lost.status, hint=f"your cell was stopped: {lost}")
        self.phase(f"judging {step.exercise}")
        questions = graded(step.exercise, case_seed(self.seed, step.exercise))
        self.phase("running")
        outcomes: list[Outcome] = []
        reason = self.errors.get(step.exercise, "")
        try:
            reply = self._collect(step, questions, outcomes)
            reason = reason or reply.error or "no result came back"
        except Lost as end:
            lost, reason = end, f"your code was stopped: {end}"
        self.phase(f"judging {step.exercise}")
        exercise = get_exercise(step.exercise)
        score = judge_outcomes(exercise, step.answer, questions, outcomes, reason)
        if lost and score.passed:
            cases = f"{len(outcomes)} of {len(questions)} cases"
            self.notes.append(f"{step.exercise} was stopped after {cases}: {lost}")
        return _with_score(result, score, lost)

    def _collect(self, step: Step, questions: list[Question], outcomes: list[Outcome]) -> Reply:
        """Let the kernel run the cases; ``outcomes`` fills up as their results come.

        Results that do not come whole are no fault of the answer: it is asked once more.
        """
        cases = [question.case for question in questions]

        def run(kernel: Kernel, seconds: float) -> Reply:
            outcomes.clear()
            return kernel.run_exercise(step.exercise, step.answer, cases, seconds, outcomes.append)

        try:
            return self._work(run, step)
        except Incomplete:
            try:
                return self._work(run, step)
            except Incomplete as problem:
                raise Infrastructure(f"results of {step.exercise} were lost: {problem}") from None


def _cell(step: Step) -> Callable[[Kernel, float], Reply]:
    return lambda kernel, seconds: kernel.run(step.source, seconds)


def case_seed(seed: int, exercise_id: str) -> int:
    """Return the seed of one exercise's cases, of the seed of the whole grading."""
    return zlib.crc32(f"{seed} {exercise_id}".encode())


def _with_score(result: ExerciseResult, score: Score, lost: Lost | None) -> ExerciseResult:
    status = FULL if score.passed == score.total else PARTIAL if score.passed else WRONG
    if lost is not None:
        status = lost.status
    elif score.unsolved:
        status = UNSOLVED
    return replace(
        result,
        points=score.points,
        status=status,
        passed=score.passed,
        total=score.total,
        failing_case=score.failing_case[:1000],
        hint=score.hint[:1000],
    )


def _first_line(step: Step) -> str:
    return f"«{step.source.strip().splitlines()[0][:60]}»"
