"""The grading of one submission: its cells run in a fenced kernel, its results are judged here.

The kernel only runs student code and sends raw results out. Cases, judges and the seed stay in
this process, so whatever the code prints, patches or claims, only a right result earns points.
A kernel that dies or hangs is replaced and the finished cells are run again: it costs the
exercise that it happened in, no other.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...exercises import get_exercise
from ...exercises.core import Outcome, Score, judge_outcomes
from ...exercises.wire import decode, encode
from ..reports.results import (
    FULL,
    MISSING,
    PARTIAL,
    TAMPERED,
    UNSOLVED,
    WRONG,
    ExerciseResult,
)
from ..sandbox.kernel import FencedKernel, Lost, Reply
from ..sandbox.kernels import Kernels
from ..sandbox.run_cases import RESULT
from ..sandbox.settings import DIED, Limits
from .skeleton import ANSWER, CHECK, LECTURE, Plan, Step


class Infrastructure(RuntimeError):
    """The grader failed, not the student: the submission is not graded and can be run again."""


class SubmissionRun:
    """Runs the plan of one submission as far as it is needed, and scores its exercises."""

    def __init__(self, plan: Plan, kernels: Kernels, seed: int, limits: Limits) -> None:
        self.plan, self.kernels, self.seed, self.limits = plan, kernels, seed, limits
        self.kernel: FencedKernel | None = None
        self.finished: list[Step] = []  # what a new kernel has to run again
        self.position = 0
        self.left = self.limits.total
        self.is_touched = False  # whether code of the student has run
        self.lost: dict[str, Lost] = {}  # exercises whose answer's cell ended the kernel
        self.errors: dict[str, str] = {}  # exercises whose answer's cell stopped with an error
        self.notes = list(plan.notes)

    def close(self) -> None:
        """End the kernel."""
        if self.kernel is not None:
            self.kernel.stop()
            self.kernel = None

    def grade(self, exercise_id: str) -> ExerciseResult:
        """Return the result of one exercise; all cells before its check are run first.

        Raises:
            Infrastructure: no kernel starts, or the lecture's own cells fail.
        """
        began = time.monotonic()
        exercise = get_exercise(exercise_id)
        place = self._place(CHECK, exercise_id)
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
        is_own = step.kind == LECTURE
        self.is_touched = self.is_touched or not is_own
        try:
            reply = self._execute(step.source, limit=self._limit(step))
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

    def _limit(self, step: Step) -> float:
        return self.limits.lecture if step.kind == LECTURE else self.limits.cell

    def _execute(
        self,
        code: str,
        on_display: Callable[[Any], None] = lambda data: None,
        limit: float | None = None,
    ) -> Reply:
        """Run code in a kernel in which all finished cells have run.

        Raises:
            Lost: the kernel is gone; or there is no time left.
        """
        kernel = self._ready_kernel()
        began = time.monotonic()
        try:
            seconds = min(limit or self.limits.cell, max(0.1, self.left))
            return kernel.run(code, seconds, on_display)
        except Lost:
            self.kernel = None
            raise
        finally:
            self.left -= time.monotonic() - began

    def _ready_kernel(self) -> FencedKernel:
        """Return a kernel that has run all finished cells."""
        while self.kernel is None:
            if self.left <= 0:
                raise Lost(
                    DIED, f"the {self.limits.total:.0f} seconds of the submission were used up"
                )
            self.kernel = self._new_kernel()
            if not self._repeat_cells(self.kernel):
                self.kernel = None
        return self.kernel

    def _repeat_cells(self, kernel: FencedKernel) -> bool:
        """Run all finished cells. Return False if one of them ended the kernel: it counts no more.

        It worked once, and now it does not: what comes after goes on without it.
        """
        for step in list(self.finished):
            began = time.monotonic()
            try:
                kernel.run(step.source, min(self._limit(step), max(0.1, self.left)))
            except Lost:
                self.finished.remove(step)
                return False
            finally:
                self.left -= time.monotonic() - began
        return True

    def _new_kernel(self) -> FencedKernel:
        try:
            return self.kernels.start()
        except Exception:
            try:
                return self.kernels.start()
            except Exception as problem:
                raise Infrastructure(f"no kernel starts: {problem}") from None

    def _score(self, step: Step, result: ExerciseResult) -> ExerciseResult:
        lost = self.lost.get(step.exercise)
        if lost is not None:
            return replace(result, status=lost.status, hint=f"your cell was stopped: {lost}")
        exercise = get_exercise(step.exercise)
        rng = np.random.default_rng(case_seed(self.seed, step.exercise))
        cases = list(exercise.cases(rng))
        outcomes: dict[int, Outcome] = {}
        reason = "no result came back"
        try:
            if not self._errors_are_seen():
                return replace(result, status=TAMPERED, hint="errors are hidden from the grader")
            reply = self._collect(step, cases, outcomes)
            reason = self.errors.get(step.exercise) or reply.error or reason
        except Lost as end:
            lost, reason = end, f"your code was stopped: {end}"
        done = [outcomes[i] for i in range(len(cases)) if i in outcomes]
        if list(outcomes) != list(range(len(done))):
            done = []  # results out of order are not what the grader's own code sends
        score = judge_outcomes(exercise, step.answer, cases, done, reason)
        return _with_score(result, score, lost)

    def _errors_are_seen(self) -> bool:
        """Return whether the kernel still reports an error; code can take that away from it."""
        word = secrets.token_hex(8)
        reply = self._execute(f"raise RuntimeError({word!r})")
        return reply.status == "error" and (reply.ename, reply.evalue) == ("RuntimeError", word)

    def _collect(self, step: Step, cases: list[Any], outcomes: dict[int, Outcome]) -> Reply:
        """Let the kernel run the cases; ``outcomes`` fills up as their results come."""
        nonce = secrets.token_hex(8)

        def take(data: Any) -> None:
            message = data.get(RESULT) if isinstance(data, dict) else None
            if not isinstance(message, dict) or message.get("nonce") != nonce:
                return
            place = message.get("case")
            if type(place) is int and 0 <= place < len(cases) and place not in outcomes:
                outcomes[place] = _outcome(message)

        with tempfile.NamedTemporaryFile(
            "w", dir=self.kernels.fence.exchange, suffix=".json", encoding="utf-8"
        ) as file:
            json.dump(encode(cases), file)
            file.flush()
            Path(file.name).chmod(0o644)
            return self._execute(
                "from course_utils.exercises.run_cases import run_exercise as _run_exercise\n"
                f"_run_exercise({step.exercise!r}, {step.answer}, {file.name!r}, {nonce!r})",
                take,
            )


def case_seed(seed: int, exercise_id: str) -> int:
    """Return the seed of one exercise's cases, of the seed of the whole grading."""
    return zlib.crc32(f"{seed} {exercise_id}".encode())


def _outcome(message: dict[str, Any]) -> Outcome:
    """Return what one message says, which may be anything."""
    if message.get("unsolved") is True:
        return Outcome(unsolved=True)
    if isinstance(message.get("error"), str):
        return Outcome(error=message["error"][:500])
    try:
        return Outcome(result=decode(message.get("result")))
    except ValueError as problem:
        return Outcome(error=f"its result cannot be read: {problem}")


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
