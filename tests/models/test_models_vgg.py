"""The VGG family: torchvision's layers, the sizes of the paper, and weights that can learn."""

import pytest
import torch
import torch.nn.functional as F
from reference_networks import count, randomised
from torch import nn
from torchvision.models import vgg as torchvision_vgg

from course_utils.arithmetic import trace
from course_utils.models.vgg import CONFIGURATIONS, VGG, make_layers, slim_vgg

LETTERS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}


def same_features(ours, theirs):
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        have, want = ours.eval()(images), theirs(images)
    return have.shape == want.shape and torch.allclose(have, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", LETTERS)
def test_features_are_torchvisions(name, batch_norm):
    torch.manual_seed(0)
    configuration = torchvision_vgg.cfgs[LETTERS[name]]
    assert CONFIGURATIONS[name] == configuration
    theirs = randomised(torchvision_vgg.make_layers(configuration, batch_norm))
    assert same_features(make_layers(CONFIGURATIONS[name], batch_norm), theirs)


def test_pooling_windows_of_three_load_the_weights_and_are_noticed():
    torch.manual_seed(0)
    theirs = randomised(torchvision_vgg.make_layers(torchvision_vgg.cfgs["A"]))
    ours = make_layers(CONFIGURATIONS["vgg11"])
    for place, layer in enumerate(ours):
        if isinstance(layer, nn.MaxPool2d):
            ours[place] = nn.MaxPool2d(3, stride=2, padding=1)
    assert count(ours) == count(theirs)
    assert not same_features(ours, theirs)


@pytest.mark.parametrize("name", LETTERS)
def test_shapes_of_the_paper(name):
    with torch.device("meta"):
        rows = trace(VGG(name), (3, 224, 224))
    pools = [row.output_shape for row in rows if row.kind.startswith("max pool")]
    assert pools == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    linear = [row.output_shape for row in rows if row.kind == "linear"]
    assert linear == [(4096,), (4096,), (1000,)]
    assert sum(row.parameters > 0 for row in rows) == int(name[3:])


@pytest.mark.parametrize(("batch_norm", "parameters"), [(True, 612_810), (False, 611_434)])
def test_slim_form(batch_norm, parameters):
    model = slim_vgg(batch_norm=batch_norm)
    assert count(model) == parameters
    names = [name for name, _ in model.classifier.named_parameters()]
    assert names == [f"{place}.{part}" for place in (0, 3, 6) for part in ("weight", "bias")]


def test_a_list_may_end_with_a_convolution_or_be_empty():
    kinds = [type(layer).__name__ for layer in make_layers([4, "M", 8], batch_norm=True)]
    block = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds == [*block, "MaxPool2d", *block]
    assert len(make_layers([])) == 0


@pytest.mark.parametrize("entry", [0, -1, 2.5, "64", True, None])
def test_an_entry_that_means_nothing_is_refused(entry):
    with pytest.raises(ValueError, match="entry 1 of the configuration is"):
        make_layers([4, entry])


def signal(model, images):
    """The root mean square of the output of each layer with weights."""
    sizes = []
    for layer in (*model.features, model.avgpool, nn.Flatten(), *model.classifier):
        images = layer(images)
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            sizes.append(images.square().mean().sqrt().item())
    return sizes


@pytest.mark.parametrize("batch_norm", [False, True])
def test_initial_weights_keep_the_signal_alive(batch_norm):
    torch.manual_seed(0)
    model, images = slim_vgg(batch_norm=batch_norm), torch.randn(32, 3, 32, 32)
    model.classifier.eval()
    with torch.no_grad():
        assert all(0.1 < size < 10 for size in signal(model, images))
        for layer in model.classifier:
            if isinstance(layer, nn.Linear):
                layer.weight.normal_(0, 0.01)
        assert signal(model, images)[-1] < 0.01, "a constant that fits large layers only"


def test_the_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    model = slim_vgg()
    F.cross_entropy(model(torch.randn(20, 3, 32, 32)), torch.arange(20) % 10).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
