"""The running of one submission: its code runs in a fenced kernel, its results are judged here.

The kernel only runs student code and sends raw results out. Keys, judges and the seed stay in this
process, so whatever the code prints, patches or claims, only a right result earns points. What a
statement does wrong costs the exercise that needs it, no other.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import replace

from ...exercises import get_exercise
from ...exercises.core import Outcome, Question, Score, judge_outcomes
from ..answers.skeleton import ANSWER, CHECK, LECTURE, Plan, Statement, Step
from ..examiners import graded
from ..reports.results import FULL, MISSING, PARTIAL, UNSOLVED, WRONG, ExerciseResult
from ..sandbox.kernel import Incomplete, Kernel, Lost, Reply
from ..sandbox.kernels import Kernels
from ..sandbox.settings import Limits
from .steady_kernel import LECTURES, NOBODYS, Infrastructure, SteadyKernel, UsedUp


class SubmissionRun:
    """Runs the plan of one submission, and scores its exercises where the plan has their checks.

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
        self.plan, self.seed, self.phase = plan, seed, phase
        exercises = dict.fromkeys(step.exercise for step in plan.steps if step.kind == CHECK)
        self.kernel = SteadyKernel(kernels, limits, exercises)
        self.position = 0
        self.is_touched = False  # whether code of the student has run
        self.failed: list[Statement] = []
        self.lost: dict[str, Lost] = {}  # exercises that lost a statement with the kernel
        self.errors: dict[str, str] = {}  # the first error of what each exercise needs
        self.results: dict[str, ExerciseResult] = {}
        self.notes: list[str] = []

    def close(self) -> None:
        """End the kernel."""
        self.kernel.close()

    def grade(self, exercise_id: str) -> ExerciseResult:
        """Return the result of one exercise; all before its check is run and scored first.

        Raises:
            Infrastructure: no kernel starts, its results do not come, or the lecture's own cells
                fail.
        """
        last = max(at for at, step in enumerate(self.plan.steps) if step.is_check_of(exercise_id))
        while self.position <= last:
            step = self.plan.steps[self.position]
            self.position += 1
            if step.kind == CHECK:
                self._ask(step)
            else:
                self._run_step(step)
        return self.results[exercise_id]

    def _ask(self, step: Step) -> None:
        """Score an exercise. Of two times that it is asked the better one counts."""
        before = self.results.get(step.exercise)
        if before is None or before.status != FULL:
            result = self._check(step)
            self.results[step.exercise] = (
                before if before and before.points > result.points else result
            )

    def _check(self, step: Step) -> ExerciseResult:
        began = time.monotonic()
        exercise = get_exercise(step.exercise)
        found = self.plan.found.get(step.exercise, "")
        result = ExerciseResult(
            step.exercise,
            exercise.title,
            0.0,
            exercise.points,
            MISSING,
            hint="no cell of the notebook defines it",
            found=found,
        )
        if found:
            answers = {s.exercise: s.source for s in self.plan.steps if s.kind == ANSWER}
            self._run_again(step.exercise)
            result = self._score(step, replace(result, source=answers[step.exercise]))
        return replace(result, seconds=round(time.monotonic() - began, 2))

    # --- its statements --------------------------------------------------------------------------

    def _run_step(self, step: Step) -> None:
        self.phase("running")
        if step.kind == LECTURE:
            self._run_lecture(step)
        for statement in step.statements:
            self._run_statement(statement, step)

    def _run_lecture(self, step: Step) -> None:
        """Run a cell of the lecture. Before the student has changed anything, it cannot fail."""
        try:
            problem = self.kernel.run(step.source, LECTURES).error
        except Lost as lost:
            problem = str(lost)
            self.notes.append(f"{_first_line(step.source)}: {lost}; the cell was left out")
        if problem and not self.is_touched:
            raise Infrastructure(f"a cell of the lecture failed: {problem}")

    def _run_statement(self, statement: Statement, step: Step) -> None:
        """Run a statement; those behind it run whatever becomes of it."""
        self.is_touched = True
        who = statement.exercise
        try:
            reply = self.kernel.run(statement.source, who or NOBODYS)
        except Lost as lost:
            self.lost.setdefault(who or step.exercise, lost)
            if isinstance(lost, UsedUp):
                self.notes.append(f"{lost}; some of it was left out")
            elif not who or step.kind != ANSWER:
                self.notes.append(f"{_first_line(statement.source)}: {lost}; it was left out")
            return
        if reply.error:
            self.failed.append(statement)
            self.errors.setdefault(who, reply.error)

    def _run_again(self, exercise_id: str) -> None:
        """Run what failed of an exercise: what it takes may stand behind it in the notebook."""
        again = [statement for statement in self.failed if statement.exercise == exercise_id]
        self.failed = [s for s in self.failed if s.exercise != exercise_id]
        self.phase("running")
        self.errors.pop(exercise_id, None)
        for statement in again:
            self._run_statement(statement, Step(ANSWER, statement.source, exercise_id))

    # --- its exercises ---------------------------------------------------------------------------

    def _score(self, step: Step, result: ExerciseResult) -> ExerciseResult:
        self.phase(f"judging {step.exercise}")
        questions = graded(step.exercise, case_seed(self.seed, step.exercise))
        self.phase("running")
        outcomes: list[Outcome] = []
        lost = self.lost.get(step.exercise)
        try:
            reply = self._collect(step, questions, outcomes)
            reason = self.errors.get(step.exercise) or reply.error or "no result came back"
        except Lost as end:
            lost, reason = end, f"your code was stopped: {end}"
        self.phase(f"judging {step.exercise}")
        exercise = get_exercise(step.exercise)
        score = judge_outcomes(exercise, step.answer, questions, outcomes, reason)
        if lost and 0 < score.passed < score.total:
            cases = f"{len(outcomes)} of {len(questions)} cases"
            self.notes.append(f"{step.exercise} was stopped after {cases}: {lost}")
        result = _with_score(result, score)
        if lost and result.status != FULL:
            result = replace(result, status=lost.status, hint=f"your code was stopped: {lost}")
        return result

    def _collect(self, step: Step, questions: list[Question], outcomes: list[Outcome]) -> Reply:
        """Let the kernel run the cases; ``outcomes`` fills up as their results come.

        Results that do not come whole are no fault of the answer: it is asked once more.
        """
        cases = [question.case for question in questions]

        def run(kernel: Kernel, seconds: float) -> Reply:
            outcomes.clear()
            return kernel.run_exercise(step.exercise, step.answer, cases, seconds, outcomes.append)

        try:
            return self.kernel.work(run, step.exercise)
        except Incomplete:
            try:
                return self.kernel.work(run, step.exercise)
            except Incomplete as problem:
                raise Infrastructure(f"results of {step.exercise} were lost: {problem}") from None


def case_seed(seed: int, exercise_id: str) -> int:
    """Return the seed of one exercise's cases, of the seed of the whole grading."""
    return zlib.crc32(f"{seed} {exercise_id}".encode())


def _with_score(result: ExerciseResult, score: Score) -> ExerciseResult:
    status = FULL if score.passed == score.total else PARTIAL if score.passed else WRONG
    if score.unsolved:
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


def _first_line(source: str) -> str:
    return f"«{source.strip().splitlines()[0][:60]}»"
