import pytest
import torch
from torch import nn

from course_utils.arithmetic import trace
from course_utils.models.lab import LabVGG, SevenLayerVGG


def test_lab_vgg_has_1568_features():
    model = LabVGG()
    assert model.features(torch.zeros(2, 3, 32, 32)).shape == (2, 32, 7, 7)
    assert model.classifier.in_features == 1568
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sum(p.numel() for p in model.parameters()) == 448 + 4640 + 15690


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [16, 32, 35])
def test_lab_vgg_fits_every_stride_and_size(stride, size):
    model = LabVGG(7, channels=(4, 6), pool_stride=stride, image_size=size)
    assert model(torch.zeros(1, 3, size, size)).shape == (1, 7)


def test_seven_layers():
    model = SevenLayerVGG(100)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [type(m).__name__ for m in layers] == ["Conv2d"] * 5 + ["Linear"] * 2
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 100)
    assert trace(model.features, (3, 32, 32)).output_shape == (64, 8, 8)
