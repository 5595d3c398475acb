"""Claims: what is printed, what is noted, and the bounds."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.runtime import claim
from course_utils.runtime.claims import SIGNS, Bound

NUMBERS = st.floats(-1e6, 1e6).map(lambda x: float(f"{x:g}"))


def noted(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_claim_prints_its_sentence_and_whether_it_holds(capsys):
    claim("the sum is four", True)
    claim("the sum is five", False)
    claim("more than half", 0.6, above=0.5)
    claim("at most a tenth", 0.6, at_most=0.1)
    claim("about three", 3.05, equal_to=3, tolerance=0.1)
    claim("no number is right", math.nan, below=1)
    assert capsys.readouterr().out.splitlines() == [
        "✓ the sum is four",
        "✗ does not hold: the sum is five",
        "✓ more than half",
        "✗ does not hold: at most a tenth",
        "✓ about three",
        "✗ does not hold: no number is right",
    ]


def test_a_claim_on_stored_runs_counts_them(capsys):
    claim("a gain", [0.1, 0.2], above=0)
    claim("a gain", [0.1, -0.2], above=0)
    claim("there is a gain", [0.1] * 9 + [-0.1], above=0, share=0.9)
    claim("a gain", [], above=0)
    assert capsys.readouterr().out.splitlines() == [
        "✓ a gain (2 of 2 stored runs)",
        "✗ does not hold: a gain (1 of 2 stored runs)",
        "✓ in at least 9 of 10 runs, there is a gain (9 of 10 stored runs)",
        "– not tried yet: a gain (no stored runs)",
    ]


def test_a_number_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="«a gain» needs a bound"):
        claim("a gain", 0.3)


def test_a_run_of_the_evidence_notes_each_claim(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "record"))
    claim("a gain", [0.25], at_least=0.2, below=0.5, wide="a reason")
    claim("nothing measured", [], above=0)
    claim("a fact", True)
    gain, fact = noted(tmp_path / "record")
    assert fact["number"] == gain["number"] + 2  # its place, also when a claim notes nothing
    del gain["number"]
    assert gain == {
        "sentence": "a gain",
        "value": 0.25,
        "bound": "≥ 0.2, < 0.5",
        "holds": True,
        "margin": pytest.approx(0.05),
        "share": 1.0,
        "wide": "a reason",
    }
    assert (fact["bound"], fact["holds"], fact["value"]) == ("", True, 1.0)
    assert "stored" not in capsys.readouterr().out


@given(
    st.dictionaries(st.sampled_from([*SIGNS.values(), "equal_to"]), NUMBERS, min_size=1), NUMBERS
)
def test_a_bound_is_read_back_and_its_margin_agrees(limits, value):
    bound = Bound(**limits)
    assert Bound.read(str(bound)) == bound
    if bound.holds(value):
        assert bound.margin(value) >= 0
    elif bound.margin(value) >= 0:
        assert bound.margin(value) == 0  # on a limit that is not allowed itself
