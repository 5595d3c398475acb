"""Bytes held for the backward pass; weights of dense layers by source."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils.inspection import feature_reuse, held_bytes
from course_utils.models.densenet import SmallDenseNet

IMAGES = torch.randn(2, 3, 8, 8)
MAP = 2 * 4 * 8 * 8 * 4  # bytes of four channels of both images


def conv(channels=3):
    return nn.Conv2d(channels, 4, 1)


def test_what_no_backward_needs_is_not_held():
    # ReLU's slope is read off its result: the convolution's output may go.
    assert held_bytes(nn.Sequential(conv(), nn.ReLU()), IMAGES) == MAP
    assert held_bytes(nn.Sequential(conv(), nn.ReLU(inplace=True)), IMAGES) == MAP
    # The second convolution needs its input, which is the first one's output.
    assert held_bytes(nn.Sequential(conv(), conv(4)), IMAGES) == 2 * MAP
    assert held_bytes(nn.Sequential(conv(), conv(4), nn.ReLU()), IMAGES) == 2 * MAP


def test_a_frozen_network_holds_its_result_only():
    frozen = nn.Sequential(conv(), conv(4)).requires_grad_(False)
    assert held_bytes(frozen, IMAGES) == MAP


def test_the_model_stays_as_it_was():
    model = nn.Sequential(conv(), nn.BatchNorm2d(4)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    held_bytes(model, IMAGES)
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_batch_norm_that_is_frozen_stays_so():
    model = nn.Sequential(conv(), nn.BatchNorm2d(4)).train()
    model[1].eval()
    held_bytes(model, IMAGES)
    assert [part.training for part in model.modules()] == [True, True, False]


def test_dense_blocks_hold_more_than_in_proportion_and_can_save_it():
    usual, efficient = (
        [held_bytes(SmallDenseNet(n, memory_efficient=e), IMAGES) for n in (4, 8, 16)]
        for e in (False, True)
    )
    assert usual[2] > 2.2 * usual[1] > 2.2 * 2 * usual[0]
    assert efficient[2] < 0.6 * usual[2]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
@settings(max_examples=30, deadline=None)
def test_feature_reuse_is_the_mean_over_each_source(widths, kernel_size, seed):
    generator = torch.Generator().manual_seed(seed)
    ends = [sum(widths[: n + 1]) for n in range(len(widths))]
    readers = [torch.randn(2, n, kernel_size, kernel_size, generator=generator) for n in ends]
    means = feature_reuse(readers, widths)
    assert means.shape == (len(widths), len(readers))
    for source, end in enumerate(ends):
        for reader, weight in enumerate(readers):
            if source > reader:
                assert means[source, reader].isnan()
            else:
                want = weight[:, end - widths[source] : end].double().abs().mean()
                assert torch.isclose(means[source, reader], want)


def test_feature_reuse_takes_a_linear_layer_and_names_a_reader_that_does_not_fit():
    assert feature_reuse([torch.full((3, 5), -2.0)], [2, 3]).tolist() == [[2.0], [2.0]]
    with pytest.raises(ValueError, match="reader 1 has 4 input channels"):
        feature_reuse([torch.ones(1, 2), torch.ones(1, 4)], [2, 3])
