"""Measure whether the students' check and the gradings agree on what is right.

    python benchmarks/case_seeds.py [--seeds 1000] [--seconds 120] [EXERCISE ...]

Each seed is a grading with cases of its own. Its questions are made once, and all answers of the
tests get them: the solution, its variants, and the wrong answers. A right answer that loses a case
is a fault of the cases or of the judge. So is a wrong answer that passes the check; one that is
ready-made is for a person to see. An exercise stops at its time: the table says after how many
seeds. Below a row stands each answer that is judged otherwise than it should be.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from course_utils.exercises import all_exercises
from course_utils.instructor.examiners import graded, released
from course_utils.runtime import progress, project_root
from course_utils.testing.variables import notebook_variables

sys.path.insert(0, str(project_root() / "tests" / "exercises"))
from every_answer import answers, first_loss, right_answers  # noqa: E402 - found by now

COLUMNS = ("exercise", "seeds", "right answers", "lose a case", "wrong answers", "pass the check")


@dataclass
class Agreement:
    """What the check and many gradings say of the answers to one exercise.

    Attributes:
        right: how many answers are right.
        wrong: how many are wrong.
        seeds: how many gradings there were.
        losses: for each right answer that lost a case, where it did so first.
        times: in how many gradings each of these lost one.
        passing: wrong answers to which the check gives all points.
    """

    right: int
    wrong: int
    seeds: int = 0
    losses: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    passing: list[str] = field(default_factory=list)

    def row(self, exercise_id: str) -> str:
        """Return the row of the table, and below it what is judged otherwise than it should be."""
        numbers = (self.seeds, self.right, len(self.losses), self.wrong, len(self.passing))
        lines = [f"| {exercise_id} | {' | '.join(map(str, numbers))} |"]
        for name, where in self.losses.items():
            lines.append(f"    «{name}» loses in {self.times[name]} gradings, first {where}")
        lines += [f"    «{name}» passes the check" for name in self.passing]
        return "\n".join(lines)


def agreement(exercise_id: str, seeds: Iterable[int], seconds: float) -> Agreement:
    """Ask all answers the questions of the check, then of gradings until the time is over."""
    right = right_answers(exercise_id)
    wrong = {name: answer for name, (answer, _) in answers(exercise_id)["wrong"].items()}
    found, asked = Agreement(len(right), len(wrong)), released(exercise_id)
    for name, answer in right.items():
        if where := first_loss(exercise_id, answer, asked):
            found.losses[name] = f"in the check: {where}"
    found.passing = [n for n, answer in wrong.items() if not first_loss(exercise_id, answer, asked)]
    end = time.monotonic() + seconds
    for seed in seeds:
        asked = graded.__wrapped__(exercise_id, seed)  # not kept: there are many
        for name, answer in right.items():
            if where := first_loss(exercise_id, answer, asked):
                found.losses.setdefault(name, f"with seed {seed}: {where}")
                found.times[name] += 1
        found.seeds += 1
        if time.monotonic() > end:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exercises", nargs="*", help="ids, by default all")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120, help="for one exercise, about")
    options = parser.parse_args()
    os.environ.update(notebook_variables() | {"COURSE_DEVICE": "cpu"})
    torch.set_num_threads(1)
    print(f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", sep="\n", flush=True)
    for exercise_id in options.exercises or all_exercises():
        seeds = progress(range(1, options.seeds + 1), description=exercise_id, unit="seed")
        try:
            found = agreement(exercise_id, seeds, options.seconds)
        except ImportError as error:
            print(f"{exercise_id} is left out: its lecture needs {error.name}", flush=True)
            continue
        finally:
            seeds.close()
        print(found.row(exercise_id), flush=True)


if __name__ == "__main__":
    main()
