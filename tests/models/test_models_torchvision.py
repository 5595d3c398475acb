"""The networks are torchvision's: same parameter names, same count, same logits."""

import pytest
import torch
import torchvision
from reference_networks import count, same_logits

from course_utils.models.alexnet import AlexNet
from course_utils.models.efficientnet import efficientnet
from course_utils.models.resnet import (
    ResNet,
    SmallResNet,
    make_shortcut,
    remove_block,
    zero_last_batch_norm,
)
from course_utils.models.vgg import VGG, make_layers, slim_vgg

NETWORKS = {
    "alexnet": (AlexNet, 61_100_840),
    "vgg11": (lambda: VGG("vgg11"), 132_863_336),
    "vgg11_bn": (lambda: VGG("vgg11", batch_norm=True), 132_868_840),
    "vgg13": (lambda: VGG("vgg13"), 133_047_848),
    "vgg16": (lambda: VGG("vgg16"), 138_357_544),
    "vgg19": (lambda: VGG("vgg19"), 143_667_240),
    "resnet18": (lambda: ResNet("resnet18"), 11_689_512),
    "resnet34": (lambda: ResNet("resnet34"), 21_797_672),
    "resnet50": (lambda: ResNet("resnet50"), 25_557_032),
    "resnet101": (lambda: ResNet("resnet101"), 44_549_160),
    "resnet152": (lambda: ResNet("resnet152"), 60_192_808),
    "resnext50_32x4d": (lambda: ResNet("resnext50_32x4d"), 25_028_904),
    "efficientnet_b0": (efficientnet, 5_288_548),
    "efficientnet_b1": (lambda: efficientnet("b1"), 7_794_184),
    "efficientnet_b4": (lambda: efficientnet("b4"), 19_341_616),
    "efficientnet_b7": (lambda: efficientnet("b7"), 66_347_960),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_same_names_shapes_and_count(name):
    make, parameters = NETWORKS[name]
    with torch.device("meta"):  # shapes only: no memory, and no time for the weights
        ours, theirs = make(), getattr(torchvision.models, name)()
    assert count(ours) == parameters
    shapes = [{k: v.shape for k, v in model.state_dict().items()} for model in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "resnet18", "resnet50"])
def test_same_logits(name):
    assert same_logits(NETWORKS[name][0](), getattr(torchvision.models, name)())


def test_a_network_with_the_addition_left_out_is_noticed():
    ours = ResNet("resnet18")
    ours.layer2[0].residual = False
    assert not same_logits(ours, torchvision.models.resnet18())


def test_make_layers_names_a_bad_entry():
    with pytest.raises(ValueError, match="entry 2 of the configuration is 'P'"):
        make_layers([8, "M", "P"])
    with pytest.raises(ValueError, match="entry 0 of the configuration is 0"):
        make_layers([0])


def test_vgg_for_ten_classes():
    with torch.device("meta"):
        assert count(VGG("vgg11", 10)) == 128_807_306
        assert count(VGG("vgg16", 10)) == 134_301_514
    with pytest.raises(ValueError, match="choose one of vgg11"):
        VGG("vgg12")


@pytest.mark.parametrize("channels", [1, 3])
def test_slim_vgg_takes_small_images(channels):
    model = slim_vgg(in_channels=channels)
    assert model(torch.randn(2, channels, 32, 32)).shape == (2, 10)
    assert model.features[0].out_channels == 16
    assert model.classifier[6].out_features == 10


@pytest.mark.parametrize(("blocks", "parameters"), [(3, 269_722), (9, 853_018)])
def test_small_resnet_has_the_layers_of_the_paper(blocks, parameters):
    model = SmallResNet(blocks)
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) + 1 == 6 * blocks + 2
    assert count(model) == count(SmallResNet(blocks, residual=False)) == parameters
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_shortcuts():
    x = torch.randn(2, 4, 6, 6)
    assert make_shortcut(4, 4, 1) is None
    padded = make_shortcut(4, 8, 2, "pad")(x)
    assert torch.equal(padded[:, :4], x[:, :, ::2, ::2])
    assert not padded[:, 4:].any()
    assert make_shortcut(4, 8, 2)(x).shape == (2, 8, 3, 3)
    with pytest.raises(ValueError, match="choose 'pad' or 'projection'"):
        make_shortcut(4, 8, 2, "weighted")


def test_zeroed_batch_norm_makes_a_block_the_identity():
    model = ResNet("resnet18").eval()
    zero_last_batch_norm(model)
    x = torch.rand(1, 64, 8, 8)
    assert torch.equal(model.layer1(x), x)


@pytest.mark.parametrize(
    ("model", "stays", "changes"),
    [
        (SmallResNet(2), "layer2.1", "layer2.0"),
        (SmallResNet(2, residual=False), "layer2.1", "layer2.0"),
        (ResNet("resnet18"), "layer1.0", "layer2.0"),
        (ResNet("resnet50"), "layer2.1", "layer2.0"),
        (ResNet("resnet50"), "layer1.1", "layer1.0"),  # more channels of the same size
    ],
)
def test_a_block_that_changes_the_shape_cannot_be_removed(model, stays, changes):
    images = torch.zeros(1, 3, 32, 32)
    assert remove_block(model.eval(), stays)(images).shape == model(images).shape
    with pytest.raises(ValueError, match=f"{changes} changes the shape"):
        remove_block(model, changes)
