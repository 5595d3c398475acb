"""How each network starts: the size of its weights, layer by layer, and which biases are 0."""

import math

import pytest
import torch
from torch import nn

from course_utils import models
from course_utils.models.initialization import kaiming_weights, zero_biases

KAIMING = {  # network: (kinds of layers set by the rule, what n is in 2 / n, biases that are 0)
    "AlexNet": ((), "", ()),
    "LeNet5": ((), "", ()),
    "SlimAlexNet": ((nn.Conv2d, nn.Linear), "fan_in", (nn.Conv2d, nn.Linear)),
    "VGG": ((nn.Conv2d, nn.Linear), "fan_in", (nn.Conv2d, nn.Linear)),
    "LabVGG": ((nn.Conv2d, nn.Linear), "fan_in", (nn.Conv2d, nn.Linear)),
    "SevenLayerVGG": ((nn.Conv2d, nn.Linear), "fan_in", (nn.Conv2d, nn.Linear)),
    "SmallDenseNet": ((nn.Conv2d,), "fan_in", (nn.Linear,)),
    "SmallGoogLeNet": ((nn.Conv2d,), "fan_in", ()),
    "SmallResNet": ((nn.Conv2d,), "fan_out", ()),
    "slim_efficientnet": ((nn.Conv2d,), "fan_out", (nn.Conv2d, nn.Linear)),
}
OPTIONS = {
    "VGG": dict(hidden=64, pool_size=1),
    "SmallResNet": dict(block=models.SEBasicBlock),  # has biases, which the rule leaves alone
}


def build(name):
    torch.manual_seed(0)
    return getattr(models, name)(**OPTIONS.get(name, {}))


def std_by_rule(layer, mode):
    """Kaiming's, or PyTorch's own: uniform between ±1 / sqrt(inputs)."""
    fan_in = layer.weight[0].numel()
    fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel()
    if not mode:
        return 1 / math.sqrt(3 * fan_in)
    return math.sqrt(2 / (fan_in if mode == "fan_in" else fan_out))


@pytest.mark.parametrize("name", KAIMING)
def test_weights_and_biases_start_as_the_rule_says(name):
    kinds, mode, zeros = KAIMING[name]
    layers = [m for m in build(name).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    if name in ("SlimAlexNet", "slim_efficientnet"):
        last = layers.pop()  # small: the network has no opinion yet
        assert last.weight.abs().max() < (0.06 if name == "SlimAlexNet" else 1 / math.sqrt(10))
        assert not last.bias.any()
    checked = 0
    for layer in layers:
        if layer.weight.numel() > 1000:
            rule = mode if isinstance(layer, kinds) else ""
            assert layer.weight.std().item() == pytest.approx(std_by_rule(layer, rule), rel=0.12)
            checked += 1
        if layer.bias is not None:
            assert layer.bias.any().item() != isinstance(layer, zeros), layer
    assert checked >= (1 if name == "LabVGG" else 3)


def test_kinds_that_are_not_named_are_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 6), nn.BatchNorm2d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kaiming_weights(model, nn.Linear)
    zero_biases(model, nn.Conv2d)
    changed = {k for k, value in model.state_dict().items() if not torch.equal(value, before[k])}
    assert changed == {"1.weight", "0.bias"}
