"""Whole numbers in place of weights: near, symmetric, and as few bytes as counted."""

import io

import pytest
import torch
from torch import nn

from course_utils.models import LabVGG
from course_utils.models.quantization import bytes_of, quantize, with_weights_in_int8


@pytest.mark.parametrize("sign", [1, -1])
def test_no_number_is_off_by_more_than_half_a_step(sign):
    torch.manual_seed(0)
    x = sign * torch.randn(40, 30).exp()
    numbers, step = quantize(x)
    assert numbers.dtype == torch.int8
    assert numbers.abs().max() == 127
    assert (numbers * step - x).abs().max() <= 0.5001 * step


def test_zeros_stay_zeros():
    numbers, step = quantize(torch.zeros(3))
    assert (numbers.tolist(), step) == ([0, 0, 0], 1.0)


def test_a_network_keeps_its_weights_and_its_copy_is_rounded():
    torch.manual_seed(0)
    model = LabVGG()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rounded, size = with_weights_in_int8(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
        values = rounded.state_dict()[name].unique()
        if name.endswith("weight"):
            assert 100 < len(values) <= 255
            assert not torch.equal(rounded.state_dict()[name], tensor)
        else:
            assert torch.equal(rounded.state_dict()[name], tensor)
    weights = sum(p.numel() for name, p in model.named_parameters() if "weight" in name)
    assert size == bytes_of(model) - 3 * weights + 3 * 4  # three layers, a step each


def test_bytes_are_about_those_of_the_saved_file():
    model = nn.Sequential(nn.Linear(1000, 100), nn.BatchNorm1d(100))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    assert bytes_of(model) < file.tell() < 1.02 * bytes_of(model)
