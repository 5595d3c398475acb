"""Shifted images: tied backgrounds change the photograph alone; blur is a weighted mean."""

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from course_utils.data.photos import backgrounds, on_photographs, recipe
from course_utils.data.shifts import (
    blur,
    digits_on_photographs,
    empty_photographs,
    tied_photographs,
)

CLASSES = ("Pullover", "Coat", "Shirt")


def tied(share, part="test", classes=CLASSES):
    return tied_photographs(part, share, classes)


@pytest.mark.parametrize(("share", "low", "high"), [(1.0, 1, 1), (0.0, 0, 0), (0.9, 0.86, 0.94)])
def test_so_many_lie_on_the_photograph_of_their_class(share, low, high):
    split, made = tied(share)
    assert low <= (made.photograph == split.labels).float().mean() <= high


def test_the_rest_lies_on_both_other_photographs():
    split, made = tied(0.0)
    shares = ((made.photograph - split.labels) % 3).bincount(minlength=3) / len(split)
    assert shares[0] == 0
    assert 0.4 < shares[1] < 0.6


def test_only_the_photograph_depends_on_the_share():
    (one, made), (other, other_made) = tied(1.0), tied(1 / 3)
    assert torch.equal(one.labels, other.labels)
    for name in ("tint", "right", "down"):
        assert torch.equal(getattr(made, name), getattr(other_made, name))
    same = made.photograph == other_made.photograph
    assert torch.equal(one.images[same], other.images[same])
    assert (one.images[~same] != other.images[~same]).flatten(1).any(1).all()


def test_labels_follow_the_order_of_the_names():
    split, _ = tied(1.0, classes=("Sneaker", "Bag", "Dress"))
    other, _ = tied(1.0, classes=("Bag", "Sneaker", "Dress"))
    assert torch.equal(split.labels, torch.tensor([1, 0, 2])[other.labels])


def test_given_photographs_replace_the_drawn_ones():
    garments, pieces = np.zeros((20, 28, 28), np.uint8), backgrounds("test")
    drawn = recipe("test", 20).photograph.numpy()
    by_default = on_photographs(garments, pieces, seed=2)
    assert np.array_equal(by_default, on_photographs(garments, pieces, 2, drawn))
    assert not np.array_equal(by_default, on_photographs(garments, pieces, 2, (drawn + 1) % 3))


def test_what_cannot_be_tied_is_named():
    with pytest.raises(ValueError, match="share must be from 0 to 1"):
        tied(1.5)
    with pytest.raises(ValueError, match="no class 'Hat'"):
        tied(0.5, classes=("Hat", "Coat", "Shirt"))


def test_digits_lie_on_the_photographs_without_them():
    digits, empty = digits_on_photographs(20), empty_photographs(20)
    assert digits.shape == empty.shape == (20, 3, 32, 32)
    differ = (digits != empty).any(1).float().mean((1, 2))
    assert ((differ > 0.05) & (differ < 0.6)).all()


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.7])
def test_blur_is_torchvisions(sigma):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 12, 16)
    reach = int(np.ceil(3 * sigma))
    assert torch.allclose(
        blur(images, sigma), gaussian_blur(images, 2 * reach + 1, sigma), atol=1e-6
    )


def test_blur_keeps_what_is_even_and_does_nothing_without_sigma():
    images = torch.rand(1, 1, 9, 9)
    assert torch.equal(blur(images, 0), images)
    assert torch.allclose(blur(torch.full((1, 2, 9, 9), 0.3), 2.0), torch.tensor(0.3))
