"""Draws with few labels, and splits whose parts have transforms of their own."""

import pytest
import torch
from torchvision.datasets import FakeData

from course_utils.data.splits import draw_per_class, split_with_transforms


def test_a_draw_has_so_many_of_each_class_by_its_seed_alone():
    labels = torch.tensor([7, 9, 7, 7, 9, 9, 7, 30, 30, 30])
    draws = [draw_per_class(labels, 2, seed).tolist() for seed in range(60)]
    assert all(sorted(labels[draw].tolist()) == [7, 7, 9, 9, 30, 30] for draw in draws)
    assert all(len(set(draw)) == 6 for draw in draws)
    assert set().union(*draws) == set(range(10))
    torch.manual_seed(5)
    assert draw_per_class(labels, 2, 0).tolist() == draws[0]
    with pytest.raises(ValueError, match="the smallest class has 3 images, not 4"):
        draw_per_class(labels, 4, 0)


def test_a_split_leaves_its_data_set_as_it_is():
    data = FakeData(10, (3, 4, 4))
    train, validation = split_with_transforms(data, 4, lambda _: "t", lambda _: "v", seed=1)
    assert ([train[i][0] for i in range(6)], [validation[i][0] for i in range(4)]) == (
        ["t"] * 6,
        ["v"] * 4,
    )
    assert sorted([*train.indices, *validation.indices]) == list(range(10))
    assert data.transform is None
    again, other = (split_with_transforms(data, 4, list, list, seed=seed)[1] for seed in (1, 2))
    assert validation.indices == again.indices != other.indices
    with pytest.raises(ValueError, match="cannot cut 11 items off 10"):
        split_with_transforms(data, 11, list, list, seed=1)
