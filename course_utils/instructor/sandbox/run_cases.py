"""The part of grading that runs in the student's kernel: it runs the cases and sends results out.

A copy stands in the kernel's view of the course, as ``course_utils.exercises.run_cases``. It shares
a process with student code, so nothing that it says is believed: the results are judged outside.
"""

from __future__ import annotations

import json
from typing import Any

from course_utils.exercises import get_exercise
from course_utils.exercises.core import Outcome, outcome_of
from course_utils.exercises.wire import MAX_BYTES, decode, encode

RESULT = "application/vnd.course.result+json"


def run_exercise(exercise_id: str, answer: Any, cases_path: str, nonce: str) -> None:
    """Run the cases of a file on ``answer`` and publish what came of each as it is finished."""
    from IPython import get_ipython

    with open(cases_path, encoding="utf-8") as file:
        cases = decode(json.load(file), limit=None)
    exercise, sent = get_exercise(exercise_id), 0
    for number, case in enumerate(cases):
        outcome = _message(outcome_of(exercise, answer, case))
        sent += len(json.dumps(outcome))
        if sent > MAX_BYTES:
            outcome = {"error": f"its results have more than {MAX_BYTES // 10**6} MB"}
        message = {"nonce": nonce, "exercise": exercise_id, "case": number} | outcome
        get_ipython().display_pub.publish(data={RESULT: message}, metadata={})
        if sent > MAX_BYTES or "unsolved" in outcome:
            return


def _message(outcome: Outcome) -> dict[str, Any]:
    if outcome.unsolved:
        return {"unsolved": True}
    if outcome.error:
        return {"error": outcome.error[:500].encode("utf-8", "replace").decode()}
    try:
        return {"result": encode(outcome.result)}
    except Exception as problem:  # student code can have changed torch: it costs this case only
        return {"error": f"a result that cannot be sent: {problem}"}
