"""Gaps, energies, ROC curves and bootstrap intervals against other ways to compute them."""

import math

import pytest
import torch

from course_utils.inspection import (
    area_under_roc,
    bootstrap_interval,
    energy,
    gaps_by_attribute,
    roc_curve,
)


def scores(seed, ties=False):
    generator = torch.Generator().manual_seed(seed)
    inside = torch.randn(70, generator=generator) + 1
    outside = torch.randn(50, generator=generator)
    return [(2 * x).round() if ties else x for x in (inside, outside)]


@pytest.mark.parametrize("ties", [False, True])
def test_area_is_how_often_the_score_from_inside_is_higher(ties):
    inside, outside = scores(0, ties)
    difference = inside[:, None] - outside
    want = (difference > 0).double().mean() + (difference == 0).double().mean() / 2
    assert area_under_roc(inside, outside) == pytest.approx(want.item())
    assert area_under_roc(outside, inside) == pytest.approx(1 - want.item())


@pytest.mark.parametrize("ties", [False, True])
def test_curve_has_the_shares_above_each_threshold(ties):
    inside, outside = scores(0, ties)
    thresholds = [math.inf, *torch.cat([inside, outside]).unique().flip(0).tolist()]
    for found, part in zip(roc_curve(inside, outside), (outside, inside), strict=True):
        want = [(part >= threshold).double().mean().item() for threshold in thresholds]
        assert found.tolist() == pytest.approx(want)


@pytest.mark.parametrize("ties", [False, True])
def test_area_is_that_below_the_curve(ties):
    inside, outside = scores(1, ties)
    taken_outside, taken_inside = roc_curve(inside, outside)
    area = torch.trapezoid(taken_inside, taken_outside).item()
    assert area == pytest.approx(area_under_roc(inside, outside))
    for shares in (taken_outside, taken_inside):
        assert (shares[0], shares[-1]) == (0, 1)
        assert (shares.diff() >= 0).all()


def test_areas_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="from inside and from outside"):
        area_under_roc(torch.empty(0), torch.ones(1))
    with pytest.raises(ValueError, match="NaN"):
        area_under_roc(torch.tensor([float("nan")]), torch.ones(1))


def test_interval_of_a_mean_is_about_two_standard_errors():
    sample = torch.randn(400, generator=torch.Generator().manual_seed(0))
    low, high = bootstrap_interval(lambda x: x.mean().item(), sample)
    error = (sample.std() / 20).item()
    assert low == pytest.approx(sample.mean().item() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(sample.mean().item() + 1.96 * error, abs=0.3 * error)
    assert (low, high) == bootstrap_interval(lambda x: x.mean().item(), sample)


def test_interval_draws_each_sample_by_itself():
    pair = torch.zeros(10), torch.arange(1000.0)
    low, high = bootstrap_interval(lambda a, b: float(len(a) * 10_000 + len(b)), *pair)
    assert low == high == 101_000


def test_energy_at_a_high_temperature_counts_the_classes():
    logits = torch.tensor([[3.0, -1.0, 0.5]])
    assert energy(logits, 1e4).item() == pytest.approx(-1e4 * math.log(3), rel=1e-3)
    assert energy(logits + 5).item() == pytest.approx(energy(logits).item() - 5)


def test_gaps_find_the_attribute_that_predictions_follow():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (3000,), generator=generator)
    attributes = torch.randint(0, 3, (3000, 4), generator=generator)
    usual = torch.tensor([[0, 1, 2]] * 4)
    gaps = gaps_by_attribute(attributes, usual, labels, predicted=attributes[:, 2])
    assert gaps[2] == 1
    assert gaps[[0, 1, 3]].abs().max() < 0.1
    assert gaps_by_attribute(attributes + 9, usual, labels, labels).tolist() == [0, 0, 0, 0]
