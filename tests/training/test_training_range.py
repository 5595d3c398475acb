import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training_data import bright_quarters

from course_utils.data import batches
from course_utils.models import LeNet5
from course_utils.training import RangeTest, learning_rate_range_test
from course_utils.training.range_test import MEMORY, smooth


@pytest.fixture(scope="module")
def loader():
    return batches(bright_quarters(), batch_size=32)


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 4))


def test_the_rate_grows_by_the_same_factor_from_the_smallest_to_the_largest(loader):
    result = learning_rate_range_test(linear(), loader, smallest=1e-6, largest=1e-4, steps=5)
    assert result.learning_rates == pytest.approx([1e-6, 10**-5.5, 1e-5, 10**-4.5, 1e-4])
    assert len(result) == len(result.losses) == len(result.smoothed) == 5  # 3 batches, gone round
    assert not result.diverged
    assert "the largest rate" in str(result)


def test_each_step_is_a_step_of_training(loader):
    """Same losses as the five steps written out, with SGD, momentum and a growing rate."""
    model = linear()
    by_hand, found = [], []
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, nesterov=True)
    batch_list = list(loader)
    for step, (images, labels) in enumerate(batch_list):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.param_groups[0]["lr"] = 1e-4 * 10**step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        by_hand.append(loss.item())
    found = learning_rate_range_test(linear(), batch_list, smallest=1e-4, largest=1e-2, steps=3)
    assert found.losses == pytest.approx(by_hand)


def test_it_stops_when_the_loss_grows_out_of_bounds(loader):
    torch.manual_seed(0)
    result = learning_rate_range_test(LeNet5(4), loader, smallest=1e-4, largest=1e4, steps=60)
    assert result.diverged
    assert len(result) < 60
    assert all(math.isfinite(loss) for loss in result.losses)
    assert result.suggestion == result.lowest / 3
    assert result.lowest < result.learning_rates[-1]
    assert "out of bounds" in str(result)


def test_a_loss_that_is_not_finite_ends_it_and_is_not_kept(loader):
    batch_list = [*loader, (torch.full((4, 1, 32, 32), torch.nan), torch.zeros(4).long())]
    result = learning_rate_range_test(linear(), batch_list, smallest=1e-6, largest=1e-5, steps=10)
    assert result.diverged
    assert len(result) == 3


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_model_and_the_random_numbers_stay_as_they_are(loader, optimizer):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1024), nn.Dropout(), nn.Linear(1024, 4))
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    batch_list = list(loader)
    first, again = (
        learning_rate_range_test(model, batch_list, optimizer=optimizer, steps=4) for _ in "ab"
    )
    assert first.losses == again.losses
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_makes_no_sense_is_refused(loader):
    with pytest.raises(ValueError, match="'rmsprop' is unknown: choose one of"):
        learning_rate_range_test(linear(), loader, optimizer="rmsprop")
    for settings_ in (dict(smallest=1.0, largest=0.1), dict(smallest=0.0), dict(steps=1)):
        with pytest.raises(ValueError, match="from a smaller rate up to a larger one"):
            learning_rate_range_test(linear(), loader, **settings_)
    with pytest.raises(ValueError, match="the loader is empty"):
        learning_rate_range_test(LeNet5(4), [])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1))
def test_smoothing_is_a_weighted_mean(values):
    smoothed = smooth(values)
    assert smoothed[0] == pytest.approx(values[0])
    for count in range(1, len(values) + 1):
        weights = [MEMORY ** (count - 1 - i) for i in range(count)]
        total = sum(w * v for w, v in zip(weights, values, strict=False))
        assert smoothed[count - 1] == pytest.approx(total / sum(weights), abs=1e-9)


def test_lowest_is_where_the_smoothed_loss_is_lowest():
    rates, losses = [0.1, 0.2, 0.4, 0.8], [2.0, 1.0, 0.5, 4.0]
    result = RangeTest(rates, losses, losses, True)
    assert result.lowest == 0.4
    assert result.suggestion == pytest.approx(0.4 / 3)
