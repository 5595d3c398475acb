"""Near-identical solutions are found whatever their names and comments; honest ones are not."""

import random
import re

import nbformat
import pytest

from course_utils.instructor.reports.likeness import near_identical, shingles, tokens
from course_utils.instructor.reports.results import (
    FULL,
    GRADED,
    UNSOLVED,
    ExerciseResult,
    SubmissionResult,
)
from course_utils.lectures import all_lectures, exercise_and_role


def course_answers():
    """Return the course's own answers: stand-ins for what one student writes, by exercise."""
    found = {}
    for lecture in all_lectures():
        for cell in nbformat.read(lecture.path, as_version=4).cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            exercise, role = exercise_and_role(grade_id)
            if role == "answer":
                found[exercise] = cell.source
    return found


ANSWERS = course_answers()
LONG = ["02.2", "02.4", "04.3", "05.2", "06.1"]

DISGUISES = {
    "names": lambda s: re.sub(r"\b(rows|columns|output|window|layers|total|inputs)\b", r"my_\1", s),
    "comments": lambda s: re.sub(r"(?m)$", "  # mine", s),
    "no comments": lambda s: re.sub(r"(?m)^ *#.*\n", "", s),
    "docstrings": lambda s: re.sub(r'(?s)""".*?"""', '"""All my own work."""', s),
    "white space": lambda s: re.sub(r"(?m)^( *)(?=\S)", r"\1\1", s).replace(" = ", "   =  "),
    "brackets": lambda s: re.sub(r"(?m)return (.+\))$", r"return (\1)", s),
}


def handed_in(student, sources, lecture="02", *, file=None, status=FULL):
    exercises = tuple(
        ExerciseResult(f"{lecture}.{number}", "", 1, 1, status, source=source)
        for number, source in enumerate(sources, start=1)
    )
    return SubmissionResult(student, lecture, file or f"{student}.ipynb", "", GRADED, "", exercises)


def honest(student, count=5, length=16):
    """Return a submission that is like no other: random statements."""
    rng = random.Random(student)
    return handed_in(student, [random_answer(rng, length) for _ in range(count)])


def random_answer(rng, length):
    calls = ["relu", "pool", "pad", "flatten", "sum", "mean", "conv2d", "linear", "max", "norm"]
    lines = [f"    v{i} = {rng.choice(calls)}(a, {rng.randint(1, 99)})" for i in range(length)]
    return "\n".join(["def answer(a):", *lines, "    return v0"])


def named(pairs):
    return [(pair.first.student, pair.second.student) for pair in pairs]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguise_changes_nothing(disguise):
    originals = [ANSWERS[exercise] for exercise in LONG]
    copies = [DISGUISES[disguise](source) for source in originals]
    assert copies != originals
    assert [list(shingles(s)) for s in copies] == [list(shingles(s)) for s in originals]


def test_type_hints_change_nothing():
    hinted = "def f(a: int, b: list[int] = 3) -> int:\n    c: int = a\n    return c + b"
    assert tokens(hinted) == tokens("def f(a, b=3):\n    c = a\n    return c + b")


def test_names_of_others_count():
    assert tokens("def f(x):\n    return F.relu(x)") != tokens("def f(x):\n    return F.tanh(x)")


def test_a_copy_in_a_class_is_found_and_nobody_else():
    original = [ANSWERS[exercise] for exercise in LONG]
    copied = [DISGUISES["names"](DISGUISES["docstrings"](source)) for source in original]
    students = [handed_in("ann", original), handed_in("bob", copied)]
    pairs = near_identical(students + [honest(f"s{i}") for i in range(40)])
    assert named(pairs) == [("ann", "bob")]
    assert pairs[0].exercises == ("02.1", "02.2", "02.3", "02.4", "02.5")
    assert pairs[0].likeness == 1.0


def test_a_copy_with_small_changes_is_found():
    original = honest("ann")
    changed = [
        exercise.source.replace("    return v0", "    v1 = v1 + 1\n    return v0")
        for exercise in original.exercises
    ]
    others = [honest(f"s{i}") for i in range(20)]
    (pair,) = near_identical([original, handed_in("bob", changed), *others])
    assert 0.8 < pair.likeness < 1


def test_a_class_of_two_needs_no_others_to_compare_with():
    assert named(near_identical([honest("ann"), handed_in("bob", sources(honest("ann")))])) == [
        ("ann", "bob")
    ]


def sources(result):
    return [exercise.source for exercise in result.exercises]


def test_short_answers_that_look_alike_are_no_pair():
    short = ["def f(n, k):\n    return (n - k) // 2 + 1"] * 3
    assert not near_identical([handed_in(f"s{i}", short) for i in range(3)])


def test_what_most_of_the_class_writes_is_no_pair():
    shared = sources(honest("web page"))
    assert not near_identical([handed_in(f"s{i}", shared) for i in range(30)])


def test_what_few_of_a_large_class_share_is():
    shared = sources(honest("web page"))
    group = [handed_in(f"g{i}", shared) for i in range(3)]
    assert len(near_identical(group + [honest(f"s{i}") for i in range(30)])) == 3


def test_one_answer_in_common_is_no_pair():
    students = [honest(f"s{i}") for i in range(30)]
    students[1] = handed_in("s1", sources(students[0])[:1] + sources(students[1])[1:])
    assert not near_identical(students)


def test_what_is_like_the_instructors_solution_counts_nothing():
    original = [ANSWERS[exercise] for exercise in LONG]
    reference = {f"02.{number}": source for number, source in enumerate(original, start=1)}
    copied = [DISGUISES["names"](source) for source in original]
    students = [handed_in("ann", original), handed_in("bob", copied)]
    assert near_identical(students)
    assert not near_identical(students, reference)


def test_two_files_of_one_student_are_no_pair_and_do_not_double_one():
    first, again = honest("ann"), handed_in("ann", sources(honest("ann")), file="again.ipynb")
    assert not near_identical([first, again])
    copy = handed_in("bob", sources(first))
    assert named(near_identical([first, again, copy])) == [("ann", "bob")]


def like(source, changed):
    """Return a source with its last lines, ``changed`` in number, replaced by others."""
    lines = source.splitlines()
    others = random_answer(random.Random(str(changed)), changed).splitlines()[1 : changed + 1]
    return "\n".join([*lines[: -changed - 1], *others, lines[-1]])


def share_in_common(one, other):
    one, other = set(shingles(one)), set(shingles(other))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(
    ("changed", "least", "most", "is_pair"), [(12, 0.6, 0.8, False), (5, 0.8, 0.9, True)]
)
def test_answers_are_alike_from_four_fifths_in_common(changed, least, most, is_pair):
    """So long that two answers in common could be no accident."""
    original = sources(honest("ann", count=5, length=60))
    copies = [like(source, changed) for source in original]
    for source, copy in zip(original, copies, strict=True):
        assert least < share_in_common(source, copy) < most
    pairs = near_identical([handed_in("ann", original), handed_in("bob", copies)])
    assert named(pairs) == [("ann", "bob")] * is_pair


@pytest.mark.parametrize(
    ("length", "least", "most", "is_pair"), [(20, 110, 140, False), (26, 150, 165, True)]
)
def test_two_answers_in_common_are_a_pair_if_they_are_long(length, least, most, is_pair):
    """Forty classmates wrote something else. What is not so rare by its length needs more of them.

    For two answers of n shingles, there are 2 log2(60 / 20) + 2 n / 25 bits of surprise, and
    2 log2(42) + 4 are needed: n = 145. If the length said as much as 5 or 80 classmates, and not
    20, it would be n = 105 or 170.
    """
    copied = sources(honest("ann", count=2, length=length))
    assert all(least < len(shingles(source)) < most for source in copied)
    students = [handed_in(name, copied) for name in ("ann", "bob")]
    pairs = near_identical(students + [honest(f"s{i}", count=2) for i in range(40)])
    assert named(pairs) == [("ann", "bob")] * is_pair


def test_lectures_are_kept_apart():
    ann = honest("ann")
    assert not near_identical([ann, handed_in("bob", sources(ann), lecture="03")])


def test_unsolved_stubs_are_not_compared():
    stub = random_answer(random.Random(1), 40)
    students = [handed_in(name, [stub] * 5, status=UNSOLVED) for name in ("ann", "bob")]
    assert not near_identical(students)


def test_the_order_of_the_results_does_not_matter():
    students = [honest(f"s{i}") for i in range(10)]
    students += [handed_in(f"copy{i}", sources(students[i])) for i in range(3)]
    pairs = near_identical(students)
    assert len(pairs) == 3
    assert near_identical(students[::-1]) == pairs


@pytest.mark.parametrize("damage", ["def (:\n", "x = 'open\n", "elif True:\n"])
def test_what_is_no_python_is_compared_as_text(damage):
    broken = [f"{damage}{source}" for source in sources(honest("ann"))]
    assert near_identical([handed_in("ann", broken), handed_in("bob", broken)])


def test_magics_do_not_hide_a_copy():
    copy = [f"%matplotlib inline\n!ls\n{source}" for source in sources(honest("ann"))]
    assert near_identical([honest("ann"), handed_in("bob", copy)])


@pytest.mark.parametrize(
    "source",
    [
        "-" * 9000 + "1",
        "not " * 2400 + "1",
        "x" + ".a" * 4900,
        "1" + "+1" * 4900,
        "(" * 500,
        "lambda:" * 1400 + "1",
        "x = '\0'",
        "x = '\udce9'",
        "0x" + "f" * 9000,
        r"x = '\d'",
        "x" * 1_000_000,
        "",
    ],
    ids=lambda source: repr(source[:8]),
)
def test_hostile_sources_hide_no_pair_of_others(source):
    hostile = [handed_in(name, [source] * 5) for name in ("mallory", "trudy")]
    copy = handed_in("bob", sources(honest("ann")))
    assert ("ann", "bob") in named(near_identical([honest("ann"), copy, *hostile]))


def test_nothing_to_compare():
    assert near_identical([]) == []
    assert near_identical([handed_in("ann", [])]) == []
