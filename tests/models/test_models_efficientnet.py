"""ResNeXt, squeeze and excitation, MBConv and EfficientNet: torchvision's, and no other."""

import math

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from test_models_torchvision import count
from torch import nn
from torchvision.models._utils import _make_divisible
from torchvision.ops import SqueezeExcitation as TorchvisionSE

from course_utils.arithmetic import count_flops
from course_utils.models.efficientnet import (
    STAGES,
    EfficientNet,
    MBConv,
    cost_of_mbconv,
    efficientnet,
    scaled_channels,
    scales_for,
    slim_efficientnet,
)
from course_utils.models.resnet import Bottleneck, ResNet, SmallResNet
from course_utils.models.senet import SEBasicBlock, SqueezeExcitation


def same_logits(ours, theirs):
    """Give torchvision's network running statistics of real maps, load them, compare the logits.

    With those it starts with (mean 0, variance 1), EfficientNet's maps fade away from layer to
    layer in evaluation mode: hardly a mistake would be noticed.
    """
    torch.manual_seed(0)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        theirs.train()(torch.randn(8, 3, 64, 64))
        ours.load_state_dict(theirs.state_dict())
        images = torch.randn(2, 3, 64, 64)
        want = theirs.eval()(images)
        return torch.allclose(ours.eval()(images), want, rtol=1e-5, atol=1e-5 * want.abs().max())


def test_resnext_gives_the_same_logits():
    assert same_logits(ResNet("resnext50_32x4d"), torchvision.models.resnext50_32x4d())


def test_resnext_with_relu_left_out_is_noticed():
    ours = ResNet("resnext50_32x4d")
    ours.layer3[1].relu = nn.Identity()
    assert not same_logits(ours, torchvision.models.resnext50_32x4d())


def test_resnext_with_its_groups_mixed_up_is_noticed():
    """Same shapes, same count: channels are dealt out to the groups in turn."""
    ours = ResNet("resnext50_32x4d")
    convolution = ours.layer1[0].conv2
    forward, order = convolution.forward, torch.arange(128).view(32, 4).T.flatten()
    convolution.forward = lambda x: forward(x[:, order])
    assert not same_logits(ours, torchvision.models.resnext50_32x4d())


@pytest.mark.parametrize(("groups", "width", "inner"), [(1, 64, 64), (32, 4, 128), (64, 4, 256)])
def test_width_of_the_bottleneck(groups, width, inner):
    block = Bottleneck(256, 64, groups=groups, width_per_group=width)
    assert block.conv2.weight.shape == (inner, inner // groups, 3, 3)
    assert block.conv3.weight.shape == (256, inner, 1, 1)


def test_efficientnet_gives_the_same_logits():
    assert same_logits(efficientnet("b0"), torchvision.models.efficientnet_b0())


def test_efficientnet_with_another_activation_is_noticed():
    ours = efficientnet("b0")
    ours.features[3][1].block[1][2] = nn.ReLU()
    assert not same_logits(ours, torchvision.models.efficientnet_b0())


def test_efficientnet_with_an_addition_left_out_is_noticed():
    ours = efficientnet("b0")
    ours.features[2][1].adds = False
    assert not same_logits(ours, torchvision.models.efficientnet_b0())


def test_the_branches_are_dropped_as_in_torchvision():
    networks = efficientnet("b0"), torchvision.models.efficientnet_b0()
    probabilities = [
        [m.p for m in network.modules() if isinstance(m, torchvision.ops.StochasticDepth)]
        for network in networks
    ]
    assert probabilities[0] == pytest.approx(probabilities[1])
    assert networks[0].classifier[0].p == networks[1].classifier[0].p == 0.2


def test_initial_weights_are_as_large_as_torchvisions():
    ours, theirs = efficientnet("b0").state_dict(), torchvision.models.efficientnet_b0()
    for name, value in theirs.state_dict().items():
        if value.ndim > 1 and value.numel() > 1000:
            assert ours[name].std() == pytest.approx(value.std(), rel=0.25), name


def test_unknown_member_of_the_family():
    with pytest.raises(ValueError, match="choose one of b0, b1"):
        efficientnet("b9")


@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU])
def test_squeeze_excitation_is_torchvisions(activation):
    ours, theirs = SqueezeExcitation(12, 3, activation), TorchvisionSE(12, 3, activation)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 12, 5, 7)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    assert torch.allclose(ours.weights(x) * x, theirs(x), atol=1e-6)
    other = SqueezeExcitation(12, 3, nn.Tanh)
    other.load_state_dict(theirs.state_dict())
    assert not torch.allclose(other(x), theirs(x), atol=1e-4)


def test_block_with_squeeze_excitation_adds_the_weighted_branch():
    block = SEBasicBlock(8, 8).eval()
    x = torch.rand(2, 8, 6, 6)
    nn.init.zeros_(block.se.fc2.weight)
    nn.init.constant_(block.se.fc2.bias, -40.0)  # all weights 0: only the shortcut is left
    assert torch.allclose(block(x), x, atol=1e-6)
    model = SmallResNet(1, block=SEBasicBlock)
    plain, squeezes = count(SmallResNet(1)), [(16, 4), (32, 8), (64, 16)]
    assert count(model) - plain == sum(2 * c * s + c + s for c, s in squeezes)
    assert SEBasicBlock(4, 8, 2, reduction=16).se.fc1.out_channels == 1


def test_a_stem_with_stride_halves_the_maps():
    images = torch.randn(1, 3, 32, 32)
    assert SmallResNet(1).conv1(images).shape[-1] == 32
    assert SmallResNet(1, stem_stride=2).conv1(images).shape[-1] == 16


def test_mbconv_adds_only_where_the_shapes_fit():
    x = torch.randn(2, 8, 6, 6)
    for block, shape in ((MBConv(8, 8), x.shape), (MBConv(8, 8, 5, 2), (2, 8, 3, 3))):
        assert block(x).shape == shape
    assert [MBConv(8, 8).adds, MBConv(8, 8, 3, 2).adds, MBConv(8, 16).adds] == [True, False, False]
    assert len(MBConv(8, 8, expand=1).block) == 3, "nothing to expand"


@pytest.mark.parametrize(("kernel_size", "expand"), [(3, 1), (3, 6), (5, 4)])
@pytest.mark.parametrize(("size", "stride"), [(8, 1), (8, 2), (9, 2), (7, 3)])
def test_the_cost_of_a_block_is_that_of_its_convolutions(kernel_size, expand, size, stride):
    block = MBConv(8, 12, kernel_size, stride, expand, squeeze=False)
    weights = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))
    got = cost_of_mbconv(8, 12, kernel_size, expand, size, stride)
    assert got == (weights, count_flops(block, (8, size, size)))


@given(factor=st.floats(0.1, 100), bases=st.tuples(*[st.floats(1.05, 2)] * 3))
def test_compound_scaling_meets_the_factor(factor, bases):
    depth, width, resolution = scales_for(factor, *bases)
    assert depth * width**2 * resolution**2 == pytest.approx(factor)
    powers = [
        math.log(s) / math.log(b) for s, b in zip((depth, width, resolution), bases, strict=True)
    ]
    assert max(powers) == pytest.approx(min(powers), rel=1e-6, abs=1e-9)


@given(channels=st.floats(1, 4000), divisor=st.sampled_from([2, 4, 8]))
def test_channels_are_rounded_as_in_torchvision(channels, divisor):
    assert scaled_channels(channels, divisor) == _make_divisible(channels, divisor)


def test_scales_multiply_channels_and_layers():
    layers = [stage.layers for stage in STAGES]
    assert [len(part) for part in efficientnet("b0").features[1:-1]] == layers
    deep = EfficientNet(10, depth=1.5)
    assert [len(part) for part in deep.features[1:-1]] == [-(-3 * n // 2) for n in layers]
    wide = EfficientNet(10, width=2.0)
    assert wide.features[0][0].out_channels == 64
    assert wide.classifier[1].in_features == 2560


@pytest.mark.parametrize("size", [16, 21, 32])
def test_slim_efficientnet_takes_small_images(size):
    model = slim_efficientnet(width=1.5, depth=2)
    assert model(torch.randn(2, 3, size, size)).shape == (2, 10)
    assert len(model.features[2]) == 4
