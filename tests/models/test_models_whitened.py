"""The network made to learn fast: its first layer whitens, and stays what it is."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils.models.whitened import FlipAveraged, WhitenedNet, whitening_filters


def smooth_images(count=64, channels=3, size=12, seed=0):
    """Images whose neighbouring pixels are alike, as in photographs."""
    noise = torch.randn(
        count, channels, size + 4, size + 4, generator=torch.Generator().manual_seed(seed)
    )
    return F.avg_pool2d(noise, 5, stride=1) * 5


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(2, 3), st.integers(0, 100))
def test_responses_are_uncorrelated_and_have_variance_one(channels, kernel_size, seed):
    generator = torch.Generator().manual_seed(seed)
    noise = 0.1 * torch.randn(64, channels, 12, 12, generator=generator)
    images = smooth_images(channels=channels, seed=seed) + noise
    filters = whitening_filters(images, kernel_size)
    numbers = channels * kernel_size**2
    assert filters.shape == (2 * numbers, channels, kernel_size, kernel_size)
    assert torch.equal(filters[numbers:], -filters[:numbers])
    responses = F.conv2d(images, filters[:numbers]).transpose(0, 1).flatten(1)
    # The regularizer lowers the variance of the directions that have little of it.
    covariance = torch.cov(responses)
    spread = covariance.diag()
    assert (covariance - spread.diag()).abs().max() < 0.02
    assert spread.min() > 0.8
    assert spread.max() < 1.001


def test_the_filter_of_the_largest_variance_comes_first():
    images = smooth_images()
    filters = whitening_filters(images)[:12]
    lengths = filters.flatten(1).norm(dim=1)  # one over a standard deviation
    assert (lengths.diff() > 0).all()


def test_a_direction_without_variance_stays_finite():
    grey = smooth_images(channels=1).expand(-1, 3, -1, -1)
    assert whitening_filters(grey).isfinite().all()


def test_too_few_patches_are_refused():
    with pytest.raises(ValueError, match="12 numbers a patch need more than 4 patches"):
        whitening_filters(torch.rand(1, 3, 3, 3))


def test_the_first_layer_is_never_trained():
    torch.manual_seed(0)
    images = smooth_images(size=32)
    filters = whitening_filters(images)
    model = WhitenedNet(filters, widths=(4, 8, 8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    F.cross_entropy(model(images), torch.arange(64) % 10).backward()
    optimizer.step()
    assert torch.equal(model.whiten.weight, filters)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    other = WhitenedNet(torch.zeros_like(filters), widths=(4, 8, 8))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.eval()(images), model.eval()(images))


@pytest.mark.parametrize("size", [28, 32])
def test_shapes_and_costs(size):
    model = WhitenedNet(torch.rand(8, 1, 2, 2), num_classes=7, widths=(16, 32, 32))
    assert model(torch.rand(2, 1, size, size)).shape == (2, 7)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    kernels = 9 * (8 * 16 + 16 * 16 + 16 * 32 + 3 * 32 * 32)
    assert trained == kernels + 2 * 2 * (16 + 32 + 32) + 7 * 32


def test_an_image_and_its_mirror_image_get_the_same_logits():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 36, 5))
    images = torch.rand(4, 3, 8, 8)
    averaged = FlipAveraged(model)
    assert torch.equal(averaged(images), averaged(images.flip(-1)))
    assert not torch.allclose(model(images), model(images.flip(-1)))
    assert torch.allclose(
        averaged(images), torch.stack([model(images), model(images.flip(-1))]).mean(0)
    )
