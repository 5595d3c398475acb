"""What the course has of its own stays withheld, whatever an answer does with plain names."""

import inspect

import pytest

from course_utils.withheld import Withheld, asked_for, running


@asked_for("00.1")
def double(x, times=2):
    """Return more."""
    return times * x


@asked_for("00.1")
class Doubled:
    def __init__(self, x):
        self.x = 2 * x


class Everything:
    """Is equal to all else until it is asked not to be."""

    is_equal = True

    def __eq__(self, other):
        return self.is_equal

    __hash__ = None


def is_withheld():
    found = []
    for thing in (double, Doubled):
        try:
            thing(2)
            found.append(False)
        except Withheld:
            found.append(True)
    assert len(set(found)) == 1
    return found[0]


def test_only_while_its_exercise_runs():
    assert not is_withheld()
    with running("00.2"):
        assert not is_withheld()
    with running("00.1"), running("00.2"):
        assert is_withheld()
    with pytest.raises(ZeroDivisionError), running("00.1"):
        raise ZeroDivisionError
    assert not is_withheld()


def test_what_is_withheld_does_not_lead_to_what_is_not():
    for thing in (double, Doubled.__init__):
        assert not hasattr(thing, "__wrapped__")
        assert [name for name, value in vars(thing).items() if callable(value)] == []
    assert list(inspect.signature(double).parameters) == ["x", "times"]
    assert double.__doc__ == "Return more."


def test_a_block_ends_itself_and_no_other():
    early = running("00.2")
    early.__enter__()
    with running("00.1"):
        early.__exit__(None, None, None)
        assert is_withheld()
        impostor = Everything()
        with running(impostor):
            pass
        impostor.is_equal = False
        assert is_withheld()
    assert not is_withheld()
