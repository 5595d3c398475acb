"""Gradients at the outputs of layers, and the loss along a line through the weights."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.inspection import gradient_flow, loss_along, random_direction
from course_utils.models.resnet import SmallResNet


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(6, 3, 8, 8), torch.randint(10, (6,))


def test_gradient_flow_of_a_linear_network_is_the_chain_rule():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    x, labels = torch.randn(7, 5), torch.randint(3, (7,))
    logits = model(x)
    at_logits = (logits.softmax(1) - F.one_hot(labels, 3)) / 7
    norms = gradient_flow(model, x, labels)
    assert list(norms) == ["0", "1"]
    assert norms["1"] == pytest.approx(at_logits.norm().item(), rel=1e-5)
    assert norms["0"] == pytest.approx((at_logits @ model[1].weight).norm().item(), rel=1e-5)


def test_gradient_flow_sees_through_relu_in_place_and_changes_nothing(batch):
    torch.manual_seed(0)
    model = SmallResNet(1, width=4).eval()
    before = copy.deepcopy(model.state_dict())
    norms = gradient_flow(model, *batch)
    assert list(norms)[0] == "conv1"
    assert list(norms)[-1] == "fc"
    assert len(norms) == 8
    assert all(norm > 0 for norm in norms.values())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_no_gradient_flows_to_frozen_first_layers(batch):
    model = SmallResNet(1, width=4)
    whole = list(gradient_flow(model, *batch))
    model.conv1.requires_grad_(False)
    model.bn1.requires_grad_(False)
    assert list(gradient_flow(model, *batch)) == whole[1:]
    model.requires_grad_(False).layer2.requires_grad_(True)
    assert list(gradient_flow(model, *batch)) == whole[whole.index("layer2.0.conv1") :]


def test_random_direction_has_the_norm_of_each_filter():
    model = SmallResNet(1, width=4)
    direction = random_direction(model, torch.Generator().manual_seed(0))
    for name, weight in model.named_parameters():
        step = direction[name]
        if weight.ndim < 2:
            assert not step.any()
        else:
            torch.testing.assert_close(step.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))


def test_loss_along_passes_through_the_loss_and_changes_nothing(batch):
    torch.manual_seed(0)
    model = SmallResNet(1, width=4)
    before = copy.deepcopy(model.state_dict())
    direction = random_direction(model, torch.Generator().manual_seed(0))
    here, there = loss_along(model, *batch, direction, [0.0, 1.0])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert here == pytest.approx(F.cross_entropy(model(batch[0]), batch[1]).item(), rel=1e-5)
    model.load_state_dict(before)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight += direction[name]
    assert there == pytest.approx(F.cross_entropy(model(batch[0]), batch[1]).item(), rel=1e-4)


def test_loss_along_leaves_a_batch_norm_frozen(batch):
    model = SmallResNet(1, width=4).train()
    model.bn1.eval()
    loss_along(model, *batch, random_direction(model, torch.Generator()), [0.0])
    assert [name for name, part in model.named_modules() if not part.training] == ["bn1"]
