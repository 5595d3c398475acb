"""FLOPs of networks with branches agree with the layers' formulas."""

import pytest
import torch
import torchvision
from torch import nn

from course_utils.arithmetic import conv_flops, count_flops, linear_flops, trace
from course_utils.models.lenet import LeNet5
from course_utils.models.resnet import SmallResNet


def test_a_stack_costs_what_its_trace_says():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, stride=2, groups=4),
        nn.Flatten(),
        nn.Linear(8 * 49, 10),
    )
    assert count_flops(network, (3, 16, 16)) == trace(network, (3, 16, 16)).flops


def test_a_network_with_shortcuts_is_the_sum_of_its_layers():
    model = SmallResNet(1, width=8)
    stem = conv_flops(3, 8, 3, 32)
    first = 2 * conv_flops(8, 8, 3, 32)
    second = conv_flops(8, 16, 3, 16) + conv_flops(16, 16, 3, 16)
    third = conv_flops(16, 32, 3, 8) + conv_flops(32, 32, 3, 8)
    assert count_flops(model, (3, 32, 32)) == stem + first + second + third + linear_flops(32, 10)


def test_the_model_is_left_alone():
    model = LeNet5().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_flops(model, (1, 32, 32))
    assert model.training
    assert all(p.device.type == "cpu" for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet50", 4.09), ("resnext50_32x4d", 4.23), ("efficientnet_b0", 0.39)],
)
def test_twice_the_multiply_adds_that_torchvision_publishes(name, published):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()
    flops = count_flops(model, (3, 224, 224))
    assert flops / 2e9 == pytest.approx(published, abs=0.01)
