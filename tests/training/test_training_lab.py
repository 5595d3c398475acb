import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.training.lab import test_model as accuracy_on
from course_utils.training.lab import train_with_steps

BATCHES = [(torch.eye(3), torch.tensor([0, 1, 2])), (torch.ones(1, 3), torch.tensor([2]))]


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.9), (19, 0.9), (20, 0.3), (40, 0.1)])
def test_the_rate_falls_to_a_third_after_every_twenty_epochs(epoch, rate):
    model = nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=7)
    train_with_steps(epoch, model, BATCHES, optimizer, start=0.9)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def test_losses_are_means_over_images():
    model = nn.Linear(3, 3)
    expected = sum(F.cross_entropy(model(x), y).item() * len(y) for x, y in BATCHES) / 4
    still = torch.optim.SGD(model.parameters())
    assert accuracy_on(model, BATCHES)[0] == pytest.approx(expected)
    assert train_with_steps(0, model, BATCHES, still, start=0.0) == pytest.approx(expected)
    assert model.training


def test_accuracy_is_the_share_of_right_answers():
    assert accuracy_on(nn.Identity(), BATCHES)[1] == 0.75
