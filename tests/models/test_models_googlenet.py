"""GoogLeNet is torchvision's; its slim form keeps shapes and has the size that is promised."""

import pytest
import torch
import torchvision
from reference_networks import close, count, randomised, same_logits
from torch import nn

from course_utils.models.googlenet import (
    MODULES,
    GoogLeNet,
    GoogLeNetOutputs,
    Inception,
    InceptionAux,
    SmallGoogLeNet,
    out_channels,
)
from course_utils.models.resnet import SmallResNet


def theirs(aux_logits):
    return torchvision.models.googlenet(weights=None, aux_logits=aux_logits, init_weights=False)


@pytest.mark.parametrize(("aux_logits", "parameters"), [(False, 6_624_904), (True, 13_004_888)])
def test_same_names_shapes_and_count(aux_logits, parameters):
    with torch.device("meta"):
        pair = GoogLeNet(aux_logits=aux_logits), theirs(aux_logits)
    assert count(pair[0]) == parameters
    states = [[(k, v.shape) for k, v in model.state_dict().items()] for model in pair]
    assert states[0] == states[1]


@pytest.fixture(scope="module")
def reference():
    """Torchvision's network with running statistics that are not those of the start."""
    torch.manual_seed(0)
    return randomised(theirs(aux_logits=True))


def test_same_logits(reference):
    assert same_logits(GoogLeNet(aux_logits=True), reference)


def test_same_auxiliary_logits_in_training(reference):
    ours = GoogLeNet(aux_logits=True)
    ours.load_state_dict(reference.state_dict())
    images, results = torch.randn(2, 3, 64, 64), []
    for model in (reference, ours):
        torch.manual_seed(0)  # the same dropout masks
        results.append(model.train()(images))
    assert isinstance(results[1], GoogLeNetOutputs)
    for name in GoogLeNetOutputs._fields:
        assert close(getattr(results[1], name), getattr(results[0], name)), name


class Swapped(Inception):
    """Deliberately wrong: the second and third branch are joined in the other order."""

    def forward(self, x):
        parts = [self.branch1(x), self.branch3(x), self.branch2(x), self.branch4(x)]
        return torch.cat(parts, dim=1)


def test_branches_joined_in_another_order_are_noticed(reference):
    ours = GoogLeNet(aux_logits=True)
    ours.inception4b = Swapped(512, *MODULES["4b"])
    assert not same_logits(ours, reference)


def test_another_epsilon_is_noticed(reference):
    ours = GoogLeNet(aux_logits=True)
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    assert not same_logits(ours, reference)


def test_the_third_branch_is_three_or_five_wide():
    plan = MODULES["3a"]
    x = torch.randn(1, 192, 7, 9)
    for large in (3, 5):
        module = Inception(192, *plan, large=large)
        assert module.branch3[1].conv.kernel_size == (large, large)
        assert module(x).shape == (1, out_channels(plan), 7, 9) == (1, 256, 7, 9)


def test_the_large_branch_of_the_paper_has_more_weights():
    with torch.device("meta"):
        more = count(GoogLeNet(large=5)) - count(GoogLeNet())
    assert more == sum((25 - 9) * plan[3] * plan[4] for plan in MODULES.values())


def test_auxiliary_classifier_pools_any_size():
    classifier = InceptionAux(6, 10, size=2, channels=4, hidden=8).eval()
    assert classifier(torch.randn(3, 6, 5, 7)).shape == (3, 10)


@pytest.mark.parametrize("side", [16, 32])
def test_slim_form(side):
    images = torch.randn(2, 1, side, side)
    model = SmallGoogLeNet(in_channels=1, aux_logits=True)
    assert [logits.shape for logits in model(images)] == [(2, 10)] * 3
    assert model.eval()(images).shape == (2, 10)
    assert SmallGoogLeNet(in_channels=1)(images).shape == (2, 10)


def test_slim_form_has_the_parameters_of_resnet20():
    assert abs(count(SmallGoogLeNet()) / count(SmallResNet(3)) - 1) < 0.02


def test_gradient_of_an_auxiliary_loss_reaches_only_what_is_before_it():
    model = SmallGoogLeNet(aux_logits=True)
    model(torch.randn(4, 3, 16, 16)).aux_logits1.square().sum().backward()
    assert model.inception3a.branch1.conv.weight.grad.any()
    assert model.inception4b.branch1.conv.weight.grad is None
