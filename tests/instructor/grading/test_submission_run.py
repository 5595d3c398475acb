"""What a student's statement does wrong costs the exercise that needs it, and no other."""

import pytest

from course_utils.exercises import get_exercise
from course_utils.exercises.core import outcome_of
from course_utils.instructor.answers.plan import make_plan
from course_utils.instructor.answers.skeleton import ANSWER, CHECK, LECTURE, Skeleton, Step
from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.grading.steady_kernel import Infrastructure, SteadyKernel, UsedUp
from course_utils.instructor.grading.submission_run import SubmissionRun
from course_utils.instructor.reports.results import FULL, MISSING, PARTIAL, UNSOLVED, WRONG
from course_utils.instructor.sandbox.kernel import Lost, Reply
from course_utils.instructor.sandbox.settings import DIED, TIMEOUT, Limits

SIZE = """
def size_after(size, kernel_size, stride=1, padding=0, dilation=1):
    left = size + 2 * padding - dilation * (kernel_size - 1) - 1
    return left // stride + 1 if left >= 0 else 0
"""
FIELD = """
def field_size(layers):
    size, jump = 1, 1
    for kernel_size, stride in layers:
        size, jump = size + (kernel_size - 1) * jump, jump * stride
    return size
"""
SKELETON = Skeleton(
    "02",
    "v1",
    (
        Step(LECTURE, "lecture = 1", id="a"),
        Step(ANSWER, SIZE, "02.1", "size_after", "b"),
        Step(CHECK, 'check("02.1", size_after)', "02.1", "size_after", "c"),
        Step(LECTURE, "later = 2", id="d"),
        Step(ANSWER, FIELD, "02.5", "field_size", "e"),
        Step(CHECK, 'check("02.5", field_size)', "02.5", "field_size", "f"),
    ),
)
LIMITS = Limits(cell=10, total=90, lecture=20)
LONG = 9


class Kernels:
    """Starts kernels in this process. ``ran`` is what each has run."""

    def __init__(self):
        self.ran = []

    def start(self):
        self.ran.append([])
        return PlayedKernel(self.ran[-1])

    def is_alive(self):
        return True


class PlayedKernel:
    """Runs code; ``die()``, ``hang()`` and ``use(seconds)`` are played."""

    def __init__(self, ran):
        self.ran, self.seconds, self.limit = ran, 0, 0
        self.names = {"die": self.die, "hang": self.hang, "use": self.use}

    def stop(self):
        self.names = None

    def die(self):
        raise Lost(DIED, "it ended the kernel")

    def hang(self):
        self.use(10**9)

    def use(self, seconds):
        self.seconds += seconds
        if self.seconds > self.limit:
            raise Lost(TIMEOUT, f"it took more than {self.limit:.0f} seconds", self.limit)

    def run(self, code, seconds):
        self.ran.append(code)
        self.seconds, self.limit = 0, seconds
        try:
            exec(code, self.names)
        except Lost:
            raise
        except Exception as problem:
            return Reply("error", type(problem).__name__, str(problem), self.seconds)
        return Reply("ok", seconds=self.seconds)

    def run_exercise(self, exercise_id, answer, cases, seconds, take):
        self.seconds, self.limit = 0, seconds
        if answer not in self.names:
            return Reply("error", "NameError", f"name '{answer}' is not defined")
        for case in cases:
            take(outcome_of(get_exercise(exercise_id), self.names[answer], case))
        return Reply("ok", seconds=self.seconds)


def run(*cells, one=SIZE, two=FIELD):
    """Return the run of a submission, its results and what the kernels have run."""
    answers = StudentCell(one, "02-1-answer"), StudentCell(two, "02-5-answer")
    plan = make_plan(SKELETON, Submission("a", cells=(*map(StudentCell, cells), *answers)))
    kernels = Kernels()
    graded = SubmissionRun(plan, kernels, 1, LIMITS, lambda phase: None)
    results = {exercise: graded.grade(exercise) for exercise in ("02.5", "02.1")}
    return graded, results, kernels.ran


def states(results):
    return [results[exercise].status for exercise in ("02.1", "02.5")]


def test_right_answers_earn_all():
    graded, results, ran = run()
    assert states(results) == [FULL, FULL]
    assert [result.points for result in results.values()] == [4, 4]
    assert results["02.1"].source == SIZE
    assert graded.notes == []
    assert len(ran) == 1
    assert [code.strip() for code in ran[0]] == [
        *("lecture = 1", SIZE.strip(), "later = 2", FIELD.strip())
    ]


@pytest.mark.parametrize(
    "fails", ["raise SystemExit", "assert 0", "from google.colab import drive"]
)
def test_the_statements_behind_one_that_fails_run(fails):
    fails = fails if fails[0] != "r" else "import sys\nsys.path.nothing()"
    before = f"{fails}\nimport os\nos.nothing()\nONE = 1\n"
    assert states(run(one=before + SIZE.replace("+ 1", "+ ONE"))[1]) == [FULL, FULL]


def test_the_error_of_what_an_answer_needs_is_its_hint():
    _, results, _ = run(one="import os\nos.nothing()\nraise_ = 1 / 0\nsize_after = raise_")
    assert states(results) == [WRONG, FULL]
    assert results["02.1"].hint == "ZeroDivisionError: division by zero"


def test_what_came_too_early_is_tried_again_before_the_check():
    graded, results, ran = run("double = base\nbase = 2", one=SIZE.replace("2 *", "double *"))
    assert states(results) == [FULL, FULL]
    assert ran[0].count("double = base") == 2


HELPER = "def room(left):\n    return left"
BY_HELPER = SIZE.replace("left = size", "left = room(size)")
OTHER_USE = "def room(image, side):\n    return image"
WORSE = "def room(left):\n    return left if left < 9 else 0"


@pytest.mark.parametrize("later", [[OTHER_USE], ["ran = 1", WORSE], ["hang()", OTHER_USE]])
def test_of_two_times_that_an_exercise_is_asked_the_better_counts(later):
    for before, behind in ([HELPER, later], [later[-1], [*later, HELPER]]):
        plan = make_plan(
            SKELETON,
            Submission(
                "a",
                cells=(
                    StudentCell(before),
                    StudentCell(BY_HELPER, "02-1-answer"),
                    StudentCell(FIELD, "02-5-answer"),
                    *map(StudentCell, behind),
                ),
            ),
        )
        graded = SubmissionRun(plan, Kernels(), 1, LIMITS, lambda phase: None)
        assert [graded.grade(exercise).status for exercise in ("02.5", "02.1")] == [FULL, FULL]
        assert graded.kernel.share == LIMITS.total / 3


def test_a_stub_is_unsolved_and_nothing_is_missing():
    stub = "def size_after(**sizes):\n    raise NotImplementedError"
    assert states(run(one=stub)[1]) == [UNSOLVED, FULL]
    assert states(run(one="x = 1", two="")[1]) == [WRONG, WRONG]
    plan = make_plan(SKELETON, Submission("a", cells=(StudentCell(SIZE),)))
    result = SubmissionRun(plan, Kernels(), 1, LIMITS, lambda phase: None).grade("02.5")
    assert (result.status, result.points) == (MISSING, 0)


def test_a_stub_in_one_branch_costs_the_cases_that_come_there():
    branch = "    if dilation != 1:\n        {}\n    left = size"
    results = [
        run(one=SIZE.replace("    left = size", branch.format(end)))[1]["02.1"]
        for end in ("raise NotImplementedError", "return None")
    ]
    assert [r.status for r in results] == [PARTIAL, PARTIAL]
    assert results[0].points == results[1].points > 0
    assert "`raise NotImplementedError` that still stands in your code" in results[0].hint


@pytest.mark.parametrize(("ends", "status"), [("die()", DIED), ("hang()", TIMEOUT)])
def test_what_ends_the_kernel_costs_the_exercise_that_needs_it(ends, status):
    graded, results, ran = run(one=f"needed = {ends}\n{SIZE.replace('2 *', 'needed *')}")
    assert states(results) == [status, FULL]
    assert results["02.1"].hint.startswith("your code was stopped: it ")
    assert results["02.1"].points < 4
    assert graded.notes == [] or "was stopped after" in graded.notes[0]
    assert len(ran) == 2
    assert ran[1][0] == "lecture = 1"


@pytest.mark.parametrize("where", ["a cell of its own", "the answer's cell"])
def test_what_nobody_needs_costs_nobody_and_is_noted(where):
    ends = "import os\nos.x = die()\n"
    graded, results, _ = run(ends) if where == "a cell of its own" else run(one=ends + SIZE)
    assert states(results) == [FULL, FULL]
    assert graded.notes == ["«os.x = die()»: it ended the kernel; it was left out"]


def test_an_answer_that_is_not_there_tells_what_ended_the_kernel_in_its_cell():
    _, results, _ = run(one="import os\nos.x = die()")
    assert states(results) == [DIED, FULL]
    assert results["02.1"].hint == "your code was stopped: it ended the kernel"


def test_a_slow_experiment_takes_no_seconds_of_an_exercise():
    slow = [f"import os\nos.x{n} = use({LONG})" for n in range(20)]
    graded, results, ran = run(*slow)
    assert states(results) == [FULL, FULL]
    assert graded.kernel.left["02.1"] == graded.kernel.left["02.5"] == LIMITS.total / 3
    assert sum("use" in code for code in ran[0]) == 4  # of its 30 seconds
    assert {*graded.notes} == {
        "the 30 seconds of what no exercise needs were used up; some of it was left out",
        "«os.x3 = use(9)»: it took more than 3 seconds; it was left out",
    }


def test_an_exercise_cannot_use_up_anothers_seconds():
    slow = "".join(f"slow{n} = use({LONG})\n" for n in range(9))
    uses = SIZE.replace("2 *", " + ".join(["2", *(f"(slow{n} or 0)" for n in range(9))]) + " *")
    _, results, _ = run(one=slow + uses)
    assert states(results)[0] != FULL
    assert states(results)[1] == FULL


def test_a_new_kernel_is_paid_by_who_has_ended_the_last():
    kernels = Kernels()
    steady = SteadyKernel(kernels, LIMITS, ["02.1", "02.5"])
    steady.run("use(5)", "02.5")
    with pytest.raises(Lost):
        steady.run("die()", "02.1")
    steady.run("x = 1", "02.5")
    assert kernels.ran[1] == ["use(5)", "x = 1"]
    assert steady.left["02.5"] == 25
    assert steady.left["02.1"] == 24  # the new kernel itself, and what ran again in it


def test_nobody_can_end_kernels_for_ever():
    kernels = Kernels()
    steady = SteadyKernel(kernels, LIMITS, ["02.1", "02.5"])
    for _ in range(30):
        with pytest.raises(Lost, match="it ended the kernel"):
            steady.run("die()", "02.1")
    with pytest.raises(UsedUp, match=r"the 30 seconds of 02\.1"):
        steady.run("die()", "02.1")
    assert len(kernels.ran) == 30


def test_what_ends_the_kernel_when_it_runs_again_is_left_out():
    kernels = Kernels()
    steady = SteadyKernel(kernels, LIMITS, ["02.1", "02.5"])
    starts = "import sys\nsys.grader_test = n = getattr(sys, 'grader_test', 0) + 1\n"
    steady.run(f"{starts}if n == 2: die()", "02.1")
    with pytest.raises(Lost):
        steady.run("die()", "02.5")
    assert steady.run("x = 1", "02.5").error == ""
    assert kernels.ran[2] == ["x = 1"]


def test_a_cell_of_the_lecture_that_fails_untouched_is_the_graders_fault():
    broken = Skeleton("02", "v1", (Step(LECTURE, "1 / 0", id="a"), *SKELETON.steps[1:]))
    plan = make_plan(broken, Submission("a", cells=(StudentCell(SIZE),)))
    with pytest.raises(Infrastructure, match="ZeroDivisionError"):
        SubmissionRun(plan, Kernels(), 1, LIMITS, lambda phase: None).grade("02.1")
