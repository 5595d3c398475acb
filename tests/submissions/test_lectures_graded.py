"""The solutions of every lecture earn all points when they are graded, slow cells left out."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from course_utils.instructor.reports.results import GRADED, read_results
from course_utils.instructor.sandbox.sandbox import sandbox_problem
from course_utils.lectures import all_lectures


@pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")
def test_solutions_of_all_lectures_earn_all_points(tmp_path):
    lectures = [
        lecture
        for lecture in all_lectures()
        if all(find_spec(package) for package in lecture.packages)
    ]
    command = [sys.executable, "-m", "course_utils", "grade", "--out", str(tmp_path)]
    command += ["--workers=2", *(str(lecture.path) for lecture in lectures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    results = {result.lecture: result for result in read_results(tmp_path / "results")}
    for lecture in lectures:
        result = results[lecture.id]
        assert result.points == lecture.points, result
        assert result.state == GRADED, (lecture.id, result.notes)
