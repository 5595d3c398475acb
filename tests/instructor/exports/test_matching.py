"""A student's points land in that student's row, or in none."""

from hypothesis import given
from hypothesis import strategies as st

from course_utils.instructor.exports.matching import match
from course_utils.instructor.reports.class_list import Person
from course_utils.instructor.reports.gradebook import Student

# A real class: row and student are one person; either side knows less than all, names repeat.
people = st.lists(
    st.tuples(st.sampled_from(["Kim Lee", "Ada", "Bo"]), st.booleans(), st.booleans()), max_size=8
)


def students(count):
    return [Student(Person(f"k{place}", f"name {place}"), (), {}) for place in range(count)]


def known(place, name, has_id, has_email):
    return {
        "id": {str(place)} if has_id else set(),
        "email": {f"{place}@uni.edu"} if has_email else {""},
        "name": {name},
    }


@given(people, people, st.permutations(range(8)))
def test_nobody_gets_another_ones_row(here, there, order):
    """The rows are of the same people, in another order; some are missing on either side."""
    order = [place for place in order if place < len(there)]
    rows = [known(place, *there[place]) for place in order]
    # What is known on one side holds on the other, where it knows it: names are the person's own.
    names = {place: there[place][0] for place in order}
    mine = [known(p, names.get(p, name), *has) for p, (name, *has) in enumerate(here)]
    found = match(students(len(mine)), mine, rows)
    for key, row in found.rows.items():
        place = int(key[1:])
        if order[row] != place:  # by name alone, where the student's own row is not there
            assert place not in order
            assert not _differ(mine[place], rows[row])
    assert len(set(found.rows.values())) == len(found.rows)
    assert len(found.rows) + len(found.left_out) == len(mine)


def _differ(one, other):
    return any(one[k] - {""} and other[k] - {""} and one[k] != other[k] for k in ("id", "email"))


@given(st.integers(1, 8))
def test_an_id_decides_whatever_the_names_are(count):
    rows = [{"id": {str(place)}, "name": {"Kim Lee"}} for place in range(count)]
    found = match(students(count), rows[::-1], rows)
    assert found.rows == {f"k{place}": count - 1 - place for place in range(count)}


def test_a_name_of_two_people_decides_nothing():
    kim, row = {"name": {"Kim Lee"}}, {"name": {"KIM  LEE"}}
    assert match(students(1), [kim], [row]).rows == {"k0": 0}
    two = match(students(2), [kim, kim], [row])
    assert two.rows == {}
    assert len(two.left_out) == 2
    twice = match(students(1), [kim], [row, row])
    assert twice.rows == {}
    assert "row 2 and 3 could be meant" in twice.left_out[0]


def test_a_namesake_takes_nothing_from_whom_an_id_decides():
    sure = {"id": {"1"}, "name": {"Kim"}}
    found = match(students(2), [sure, {"name": {"Kim"}}], [sure])
    assert found.rows == {"k0": 0}
    assert len(found.left_out) == 1


def test_one_name_and_another_address_are_another_person():
    kim = {"name": {"Kim"}, "email": {"kim@a.edu"}}
    found = match(students(1), [kim], [{"name": {"Kim"}, "email": {"kim@b.edu"}}])
    assert found.rows == {}
    assert "no row of the table" in found.left_out[0]


def test_evidence_for_two_rows_is_told():
    rows = [{"id": {"1"}}, {"email": {"a@b.c"}}]
    found = match(students(1), [{"id": {"1"}, "email": {"A@B.C"}}], rows)
    assert found.rows == {}
    assert "row 2 and 3 could be meant" in found.left_out[0]


def test_two_students_of_one_row_get_nothing():
    found = match(students(2), [{"id": {"1"}}, {"id": {"1"}}], [{"id": {"1"}}])
    assert found.rows == {}
    assert len(found.left_out) == 2
