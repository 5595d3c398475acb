"""The two towers are those of the paper; the slim form has AlexNet's layers.

That `AlexNet` is torchvision's is tested in test_models_torchvision.py.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from reference_networks import count
from torch import nn

from course_utils.arithmetic import trace
from course_utils.models.alexnet import (
    AlexNet,
    SlimAlexNet,
    TwoTowerAlexNet,
    cross_channel_norm,
    response_normalization,
)


def test_two_towers_have_the_parameters_of_the_paper():
    """Kernel sizes and channels are those that section 3.5 of the paper lists."""
    kernels = [(96, 11, 3), (256, 5, 48), (384, 3, 256), (384, 3, 192), (256, 3, 192)]
    by_hand = [filters * (size * size * depth + 1) for filters, size, depth in kernels]
    by_hand += [(256 * 6 * 6 + 1) * 4096, (4096 + 1) * 4096, (4096 + 1) * 1000]
    with torch.device("meta"):
        model = TwoTowerAlexNet()
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [count(layer) for layer in layers] == by_hand
    assert count(model) == sum(by_hand) == 60_965_224


def test_two_towers_have_the_sizes_of_the_paper():
    with torch.device("meta"):
        rows = trace(TwoTowerAlexNet(), (3, 227, 227))
    sizes = [row.output_shape for row in rows if row.parameters]
    assert sizes[:5] == [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]
    assert sizes[5:] == [(4096,), (4096,), (1000,)]


def tower_by_tower(model, images, alpha=1e-4 / 5):
    """The logits, each tower's convolutions computed apart from the other's."""

    def norm(x):
        """The program's alpha is divided by 5; the sum runs over the channels of both towers."""
        squares = F.pad(x.square(), (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(-1)
        return x / (2 + alpha * squares) ** 0.75

    def both(x, layer):
        halves = zip(x.chunk(2, dim=1), layer.weight.chunk(2), layer.bias.chunk(2), strict=True)
        return torch.cat([F.conv2d(*half, padding=layer.padding) for half in halves], dim=1).relu()

    convs = [m for m in model.features if isinstance(m, nn.Conv2d)]
    linears = [m for m in model.classifier if isinstance(m, nn.Linear)]
    edge = torch.zeros(len(images), 3, 227, 227)
    edge[:, :, :224, :224] = images
    x = F.max_pool2d(norm(convs[0](edge).relu()), 3, 2)
    x = F.max_pool2d(norm(both(x, convs[1])), 3, 2)
    x = both(both(convs[2](x).relu(), convs[3]), convs[4])
    x = F.max_pool2d(x, 3, 2).flatten(1)
    return linears[2](linears[1](linears[0](x).relu()).relu())


def test_two_towers_compute_what_two_towers_compute():
    torch.manual_seed(0)
    model = TwoTowerAlexNet(7, unit=2).eval()
    images = 100 * torch.randn(2, 3, 224, 224)  # large pixels, so that the normalisation matters
    with torch.no_grad():
        want = tower_by_tower(model, images)
        torch.testing.assert_close(model(images), want)
        wrong = tower_by_tower(model, images, alpha=1e-4)  # the formula as printed
        assert not torch.allclose(model(images), wrong, rtol=1e-3)


def test_an_odd_unit_is_refused():
    for unit in (0, 3):
        with pytest.raises(ValueError, match=f"even number, for the two towers; got {unit}"):
            TwoTowerAlexNet(unit=unit)


def test_response_normalization_is_that_of_the_program():
    x = 50 * torch.randn(2, 7, 3, 3)
    want = torch.empty_like(x)
    for i in range(7):
        near = x[:, max(0, i - 2) : i + 3]
        want[:, i] = x[:, i] / (2 + 1e-4 / 5 * near.square().sum(1)) ** 0.75
    torch.testing.assert_close(response_normalization()(x), want)
    torch.testing.assert_close(cross_channel_norm(x), want)


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_response_norm_is_pytorch_s(size):
    x = torch.randn(2, 4, 3, 3)
    settings = dict(alpha=0.7, beta=0.6, k=1.5)
    want = F.local_response_norm(x, size, **settings)
    torch.testing.assert_close(cross_channel_norm(x, size, **settings), want)


def test_slim_form_starts_without_an_opinion_and_with_a_signal_in_every_layer():
    torch.manual_seed(0)
    model = SlimAlexNet().eval()
    images = torch.randn(64, 3, 32, 32)
    with torch.no_grad():
        loss = F.cross_entropy(model(images), torch.arange(64) % 10)
        hidden = model.classifier[:-2](model.features(images).flatten(1))
    assert loss.item() == pytest.approx(math.log(10), abs=0.1)
    assert 0.3 < hidden.std(dim=0).mean() < 3


@pytest.mark.parametrize("channels", [1, 3])
def test_slim_form_takes_small_images(channels):
    model = SlimAlexNet(4, in_channels=channels)
    assert model(torch.randn(2, channels, 32, 32)).shape == (2, 4)


def test_slim_form_has_the_layers_of_alexnet():
    with torch.device("meta"):
        slim, full = SlimAlexNet(width=64), AlexNet()
    assert list(slim.state_dict()) == list(full.state_dict())
    for parts in zip(slim.features, full.features, strict=True):
        assert type(parts[0]) is type(parts[1])
        if isinstance(parts[0], nn.Conv2d):
            assert parts[0].out_channels == parts[1].out_channels
        elif isinstance(parts[0], nn.MaxPool2d):
            assert parts[0].kernel_size == parts[1].kernel_size
            assert parts[0].stride == parts[1].stride
