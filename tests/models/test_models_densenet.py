"""DenseNet is torchvision's; its slim form keeps shapes and has the size that is promised."""

import pytest
import torch
import torchvision
from reference_networks import count, same_logits

from course_utils.models.densenet import (
    DenseBlock,
    DenseLayer,
    DenseNet,
    SmallDenseNet,
    Transition,
)
from course_utils.models.resnet import SmallResNet

COUNTS = {"densenet121": 7_978_856, "densenet169": 14_149_480, "densenet201": 20_013_928}


@pytest.mark.parametrize("name", COUNTS)
def test_same_names_shapes_and_count(name):
    with torch.device("meta"):
        pair = DenseNet(name), getattr(torchvision.models, name)()
    assert count(pair[0]) == COUNTS[name]
    states = [[(k, v.shape) for k, v in model.state_dict().items()] for model in pair]
    assert states[0] == states[1]


def test_same_logits():
    assert same_logits(DenseNet(), torchvision.models.densenet121())


class NewestFirst(DenseLayer):
    """Deliberately wrong: joins the features in the opposite order."""

    def narrow(self, *features):
        return super().narrow(*features[::-1])


def test_features_joined_in_another_order_are_noticed():
    ours = DenseNet()
    ours.features.denseblock2.denselayer2 = NewestFirst(128 + 32, 32)
    assert not same_logits(ours, torchvision.models.densenet121())


def test_unknown_name():
    with pytest.raises(ValueError, match="choose one of densenet121"):
        DenseNet("densenet120")


def test_a_block_keeps_its_input_and_adds_channels():
    block = DenseBlock(3, 4, 2)
    x = torch.randn(2, 4, 6, 5)
    out = block(x)
    assert out.shape == (2, 4 + 3 * 2, 6, 5)
    assert torch.equal(out[:, :4], x)
    assert torch.equal(out[:, 4:6], block.denselayer1([x]))


def test_a_transition_halves_the_maps_and_drops_an_odd_row():
    assert Transition(6, 3)(torch.randn(1, 6, 8, 7)).shape == (1, 3, 4, 3)


def test_the_form_that_saves_memory_computes_the_same():
    torch.manual_seed(0)
    usual, efficient = SmallDenseNet(2), SmallDenseNet(2, memory_efficient=True)
    efficient.load_state_dict(usual.state_dict())
    images = torch.randn(4, 3, 16, 16)
    gradients = []
    for model in (usual, efficient):
        model(images).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for have, want in zip(*gradients, strict=True):
        assert torch.allclose(have, want, rtol=1e-4, atol=1e-5 * want.abs().max().item() + 1e-7)


@pytest.mark.parametrize("layers", [2, 6])
def test_small_densenet_has_the_layers_of_the_paper(layers):
    model = SmallDenseNet(layers, in_channels=1)
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    assert sum(isinstance(m, kinds) for m in model.modules()) == 6 * layers + 4
    assert model(torch.randn(2, 1, 16, 16)).shape == (2, 10)


def test_small_densenet_has_the_parameters_of_resnet20():
    assert abs(count(SmallDenseNet()) / count(SmallResNet(3)) - 1) < 0.02
