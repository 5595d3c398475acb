"""Reliability, expected calibration error and temperature, against properties and references."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from course_utils.inspection import expected_calibration_error, fit_temperature, reliability

PAIRS = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60)


def tensors(pairs):
    confidence, correct = zip(*pairs, strict=True)
    return torch.tensor(confidence), torch.tensor(correct)


def error_one_by_one(confidence, correct, bins):
    """The definition, prediction by prediction, in plain Python."""
    total = 0.0
    for b in range(bins):
        inside = [
            (c, r)
            for c, r in zip(confidence.tolist(), correct.tolist(), strict=True)
            if b / bins < c <= (b + 1) / bins or (b == 0 and c == 0)
        ]
        if inside:
            total += abs(sum(c for c, _ in inside) - sum(r for _, r in inside))
    return total / len(confidence)


@given(PAIRS, st.integers(1, 20))
def test_bins_partition_the_predictions(pairs, bins):
    result = reliability(*tensors(pairs), bins)
    assert result.counts.sum() == len(pairs)
    assert len(result.counts) == bins == len(result.edges) - 1
    full = result.counts > 0
    assert (result.confidence[full] >= result.edges[:-1][full] - 1e-12).all()
    assert (result.confidence[full] <= result.edges[1:][full] + 1e-12).all()
    assert result.accuracy[~full].isnan().all()


@given(PAIRS, st.integers(1, 20))
def test_error_against_the_definition(pairs, bins):
    confidence, correct = tensors(pairs)
    error = expected_calibration_error(confidence, correct, bins)
    assert error == pytest.approx(error_one_by_one(confidence, correct, bins), abs=1e-9)
    assert 0 <= error <= 1


def test_error_of_simple_cases():
    sure = torch.full((4,), 0.75)
    assert expected_calibration_error(sure, torch.tensor([True, True, True, False])) == 0
    assert expected_calibration_error(sure, torch.zeros(4, dtype=torch.bool)) == 0.75
    two = torch.tensor([0.25, 0.25, 0.25, 1.0]), torch.tensor([False, False, False, True])
    assert expected_calibration_error(*two, bins=4) == pytest.approx(0.75 * 0.25)
    unweighted = 0.125
    assert expected_calibration_error(*two, bins=4) != unweighted


def test_a_confidence_on_an_edge_belongs_to_the_lower_bin():
    result = reliability(torch.tensor([0.0, 0.25, 0.5, 1.0]), torch.ones(4, dtype=torch.bool), 4)
    assert result.counts.tolist() == [2, 1, 0, 1]


def test_reliability_refuses_what_does_not_fit():
    one, yes = torch.tensor([0.5]), torch.tensor([True])
    with pytest.raises(ValueError, match=r"got \(1,\) and \(2,\)"):
        reliability(one, torch.tensor([True, False]))
    with pytest.raises(ValueError, match="N > 0"):
        reliability(one[:0], yes[:0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliability(torch.tensor([1.5]), yes)
    with pytest.raises(ValueError, match="at least 1 bin"):
        reliability(one, yes, 0)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 5))
def test_temperature_against_scipy(seed, true_temperature):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(200, 5, generator=generator, dtype=torch.float64)
    drawn = torch.multinomial((logits / true_temperature).softmax(1), 1, generator=generator)
    labels = drawn.flatten()
    found = fit_temperature(logits, labels)
    best = minimize_scalar(
        lambda t: F.cross_entropy(logits / math.exp(t), labels).item(),
        bounds=(math.log(0.01), math.log(100)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert F.cross_entropy(logits / found, labels).item() <= best.fun + 1e-8
    assert torch.equal((logits / found).argmax(1), logits.argmax(1))  # the predictions stay


def test_temperature_finds_a_known_scale():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 4, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    assert fit_temperature(3 * logits, labels) == pytest.approx(
        3 * fit_temperature(logits, labels), rel=1e-5
    )


def test_temperature_stops_at_its_limits_and_refuses_what_does_not_fit():
    logits = torch.eye(3)
    assert fit_temperature(logits, torch.arange(3)) == pytest.approx(0.01)
    assert fit_temperature(logits, torch.tensor([1, 2, 0])) == pytest.approx(100)
    with pytest.raises(ValueError, match=r"got \(3, 3\) and \(2,\)"):
        fit_temperature(logits, torch.arange(2))
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(logits.log(), torch.arange(3))
