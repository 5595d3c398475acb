import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils.inspection.forgotten import forgotten_calls
from course_utils.training.ingredients import mix_images, move_average, warm_up_and_cosine


def test_the_cosine_is_that_of_torch():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    schedule = CosineAnnealingLR(optimizer, T_max=10)
    for step in range(10):
        assert warm_up_and_cosine(step, 10, 0, 0.4) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_the_warm_up_is_a_straight_line_to_the_peak():
    rates = [warm_up_and_cosine(step, 100, 4, 0.8) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert math.isclose(warm_up_and_cosine(100, 100, 4, 0.8), 0, abs_tol=1e-12)


def test_images_and_labels_are_mixed_in_the_same_shares():
    images, labels = torch.rand(3, 2, 4, 4), torch.tensor([0, 2, 2])
    partners, shares = torch.tensor([1, 2, 0]), torch.tensor([1.0, 0.25, 0.5])
    mixed, soft = mix_images(images, labels, partners, shares, 3)
    torch.testing.assert_close(mixed[0], images[0])
    torch.testing.assert_close(mixed[2], (images[2] + images[0]) / 2)
    assert soft.tolist() == [[1, 0, 0], [0, 0, 1], [0.5, 0, 0.5]]


def test_the_average_is_that_of_torch():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    theirs.update_parameters(model)  # the first call copies
    ours = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    ours.load_state_dict(model.state_dict())
    for _ in range(3):
        with torch.no_grad():
            model[0].weight += 1
        model(torch.rand(4, 1, 5, 5))
        theirs.update_parameters(model)
        move_average(ours, model, 0.9)
    for name, tensor in ours.state_dict().items():
        if tensor.is_floating_point():  # they average counters too; ours copies them
            torch.testing.assert_close(tensor, theirs.module.state_dict()[name], msg=name)
        else:
            assert torch.equal(tensor, model.state_dict()[name])


HEALTHY = dict(
    model_device="cpu",
    images_device="cpu",
    weight=[0.1, 0.2, 0.3, 0.4],
    gradient=[1.0, 2.0, 3.0],
    true_gradient=[1.0, 2.0, 3.0],
    running_mean=[0.0, 0.1, 0.2, 0.3, 0.3],
    evaluation_graph=False,
)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({}, []),
        (dict(images_device="cuda:0"), ["device"]),
        (dict(running_mean=[0.0] * 5), ["train"]),
        (dict(gradient=[1.0, 3.0, 6.0]), ["zero_grad"]),
        (dict(gradient=[0.0] * 3, weight=[0.1] * 4), ["backward"]),
        (dict(weight=[0.1] * 4), ["step"]),
        (dict(running_mean=[0.0, 0.1, 0.2, 0.3, 0.4]), ["eval"]),
        (dict(evaluation_graph=True), ["no_grad"]),
    ],
)
def test_each_forgotten_call_is_found(change, missing):
    assert forgotten_calls(HEALTHY | change) == missing
