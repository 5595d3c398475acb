"""What an exercise asks for is withheld while it runs; the questions of `check` can be stored."""

import re

import pytest
import torch

from course_utils.arithmetic import conv_output_size
from course_utils.exercises import all_exercises, check, get_exercise
from course_utils.exercises.core import outcome_of, score
from course_utils.exercises.questions import store, stored_questions
from course_utils.instructor.examiners import released
from course_utils.runtime import project_root
from course_utils.withheld import Withheld, asked_for, running


@asked_for("00.1", "00.2")
class Doubler(torch.nn.Module):
    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor


def test_a_class_and_what_inherits_from_it_are_withheld():
    class Mine(Doubler):
        pass

    assert Mine(3).factor == 3
    for exercise in ("00.1", "00.2"):
        with running(exercise), pytest.raises(Withheld, match=f"Doubler .* {exercise} asks"):
            Mine()
    with running("00.3"):
        assert Doubler().factor == 2


def test_a_function_that_was_taken_before_is_withheld_too_and_comes_back():
    case = {"size": 5, "kernel_size": 3}
    outcome = outcome_of(get_exercise("02.1"), conv_output_size, case)
    assert "conv_output_size is the course's own" in outcome.error
    assert conv_output_size(**case) == 3


def test_each_mark_names_an_exercise():
    there, marked = set(all_exercises()), set()
    for path in (project_root() / "course_utils").rglob("*.py"):
        for names in re.findall(r"^@asked_for\((.*)\)$", path.read_text("utf-8"), re.MULTILINE):
            marked |= set(re.findall(r"[\d.]+", names))
    assert len(marked) > 30
    assert marked <= there


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Let the questions of lecture 02 come from a file, as in the students' edition."""
    asked = {e: released(e) for e in all_exercises() if e.startswith("02.")}
    store("02", asked, tmp_path)
    monkeypatch.setattr("course_utils.exercises.questions.FOLDER", tmp_path)
    return tmp_path


def test_stored_questions_give_the_same_points_and_hints(stored):
    def forgets_the_stride(size, kernel_size, stride=1, padding=0, dilation=1):
        return size + 2 * padding - dilation * (kernel_size - 1)

    exercise = get_exercise("02.1")
    ours = score(exercise, forgets_the_stride, stored_questions("02.1"))
    assert "the stride divides" in ours.hint
    assert str(ours) == str(score(exercise, forgets_the_stride, released("02.1")))


def test_storing_again_gives_the_same_bytes(stored, tmp_path):
    before = (stored / "02.json.gz").read_bytes()
    store("02", {e: released(e) for e in all_exercises() if e.startswith("02.")}, tmp_path)
    assert (tmp_path / "02.json.gz").read_bytes() == before


def test_without_questions_the_grader_scores(monkeypatch, capsys):
    def missing(exercise_id):
        raise LookupError

    monkeypatch.setattr("course_utils.exercises.stored_questions", missing)
    check("02.1", conv_output_size)
    assert capsys.readouterr().out == "02.1 is scored by the grader\n"
