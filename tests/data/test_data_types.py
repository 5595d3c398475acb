"""Split and ImageData: shares, statistics, normalisation, the validation part."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import Normalize

from course_utils.data import load_data
from course_utils.data.splits import stratified_indices
from course_utils.data.types import Parts, Split, channel_statistics, make_image_data


def random_split(count, classes=3, shape=(3, 4, 5), seed=0):
    random = np.random.RandomState(seed)
    images = torch.from_numpy(random.randint(0, 256, (count, *shape)).astype(np.uint8))
    return Split(images, torch.from_numpy(random.randint(0, classes, count)).long())


def image_data(training, test=None, **options):
    test = random_split(4) if test is None else test
    return make_image_data(
        "toy", Parts("Toy", "toy data", ("a", "b", "c"), training, test), **options
    )


@given(st.lists(st.integers(0, 4), max_size=60), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_stratified_choice_keeps_the_shares(labels, share, seed):
    labels = np.array(labels, dtype=np.int64)
    count = int(share * len(labels))
    chosen = stratified_indices(labels, count, seed)
    assert chosen.dtype == np.int64
    assert len(set(chosen.tolist())) == len(chosen) == count
    for label in set(labels.tolist()):
        exact = (labels == label).mean() * count
        assert abs((labels[chosen] == label).sum() - exact) < 1
    assert np.array_equal(chosen, stratified_indices(labels, count, seed))


def test_a_choice_smaller_than_the_number_of_classes_varies():
    labels = np.arange(10)
    first = [set(stratified_indices(labels, 3, seed).tolist()) for seed in range(5)]
    assert len(set(map(frozenset, first))) > 1


def test_the_choice_is_the_same_on_every_machine():
    labels = np.arange(40) % 4
    assert stratified_indices(labels, 6, seed=0).tolist() == [6, 21, 23, 11, 22, 24]


@pytest.mark.parametrize("count", [-1, 5])
def test_a_choice_of_too_many(count):
    with pytest.raises(ValueError, match=f"cannot choose {count} of 4 images"):
        random_split(4).take(count)


def test_take_keeps_images_and_labels_together():
    split = Split(torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1), torch.arange(50) % 5)
    part = split.take(10)
    assert torch.equal(part.images.flatten() % 5, part.labels)
    assert part.labels.bincount().tolist() == [2] * 5
    assert torch.equal(part.images, split.take(10).images)
    assert not torch.equal(part.images, split.take(10, seed=1).images)
    assert len(split.take(0)) == 0
    assert sorted(split.take(50).images.flatten().tolist()) == list(range(50))


def test_a_split_says_what_it_takes():
    with pytest.raises(ValueError, match="images must be uint8 with shape"):
        Split(torch.zeros(2, 1, 4, 4), torch.zeros(2).long())
    with pytest.raises(ValueError, match=r"labels must be int64 with shape \(2,\)"):
        Split(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3).long())


@given(st.integers(1, 20), st.integers(1, 3), st.integers(0, 1000))
def test_statistics_are_exact(count, channels, seed):
    images = random_split(count, shape=(channels, 3, 2), seed=seed).images
    pixels = images.double().div(255).transpose(0, 1).flatten(1)
    mean, std = channel_statistics(images)
    assert mean == pytest.approx(pixels.mean(dim=1).tolist(), abs=1e-12)
    assert std == pytest.approx(pixels.std(dim=1, unbiased=False).tolist(), abs=1e-12)


def test_statistics_of_more_images_than_a_block_and_of_a_constant_channel():
    images = random_split(4100, shape=(2, 1, 1)).images
    images[:, 1] = 51
    mean, std = channel_statistics(images)
    assert mean == pytest.approx((images[:, 0].double().mean().item() / 255, 0.2), abs=1e-12)
    assert std[1] == 1.0
    with pytest.raises(ValueError, match="no images"):
        channel_statistics(images[:0])


def test_normalize_is_torchvisions_and_denormalize_undoes_it():
    data = image_data(random_split(30))
    images = data.train.images
    expected = Normalize(data.mean, data.std)(images.float() / 255)
    normalised = data.normalize(images)
    assert normalised.dtype == torch.float32
    assert torch.allclose(normalised, expected, atol=1e-6)
    back = data.denormalize(normalised)
    assert torch.allclose(back, images.float() / 255, atol=1e-6)
    assert data.denormalize(torch.full((1, 3, 1, 1), 100.0)).max() == 1
    assert torch.equal(data.normalize(images[0]), normalised[0])
    assert data.normalize(images[:0]).shape == (0, 3, 4, 5)


def test_normalised_training_images_have_mean_0_and_std_1():
    data = image_data(random_split(200))
    pixels = data.normalize(data.train.images).transpose(0, 1).flatten(1)
    assert torch.allclose(pixels.mean(dim=1), torch.zeros(3), atol=1e-5)
    assert torch.allclose(pixels.std(dim=1, unbiased=False), torch.ones(3), atol=1e-5)


def test_normalize_works_on_the_images_device():
    data = image_data(random_split(5))
    assert data.normalize(torch.empty(2, 3, 4, 5, dtype=torch.uint8, device="meta")).is_meta
    assert data.denormalize(torch.empty(2, 3, 4, 5, device="meta")).is_meta


def test_normalize_refuses_floats_and_other_channels():
    data = image_data(random_split(5))
    with pytest.raises(ValueError, match="takes uint8 images"):
        data.normalize(torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match=r"Toy has 3 channel\(s\): expected \(N, 3, H, W\)"):
        data.normalize(torch.zeros(1, 1, 4, 5, dtype=torch.uint8))


def numbered(count):
    """Images that say which one they are, in four classes."""
    images = torch.arange(count).view(count, 1, 1, 1)
    images = torch.cat([images // 256, images % 256], dim=1).to(torch.uint8)
    return Split(images, torch.arange(count) % 4)


def identities(split):
    return set((split.images[:, 0].long() * 256 + split.images[:, 1]).flatten().tolist())


@given(st.integers(10, 400), st.floats(0, 0.9), st.integers(0, 100))
def test_validation_is_cut_from_training_and_stratified(count, share, seed):
    training = numbered(count)
    test = Split(training.images[:3].clone(), training.labels[:3])
    data = image_data(training, test, validation=share, seed=seed)
    assert data.test is test
    assert len(data.validation) == round(share * count)
    assert identities(data.train) | identities(data.validation) == set(range(count))
    assert not identities(data.train) & identities(data.validation)
    for label in range(4):
        exact = (training.labels == label).double().mean().item() * len(data.validation)
        assert abs((data.validation.labels == label).sum().item() - exact) < 1


def test_statistics_come_from_the_training_part_only():
    training = random_split(40)
    one = image_data(training, random_split(9, seed=1))
    other = image_data(training, random_split(9, seed=2))
    assert (one.mean, one.std) == (other.mean, other.std) == channel_statistics(one.train.images)


@pytest.mark.parametrize("share", [-0.1, 1.0, 2])
def test_a_validation_share_out_of_range(share):
    with pytest.raises(ValueError, match="validation must be a share"):
        image_data(random_split(9), validation=share)


def test_image_data_describes_itself():
    data = image_data(random_split(40))
    assert data.num_classes == 3
    assert data.image_shape == (3, 4, 5)
    lines = str(data).splitlines()
    assert lines[0] == "Toy"
    assert lines[1] == "  data       toy data"
    assert lines[2] == "  image      3 x 4 x 5 (channels x height x width), uint8"
    assert lines[4:7] == [
        "  train      36 images",
        "  validation 4 images",
        "  test       4 images",
    ]
    assert repr(data) == "ImageData('toy', 36/4/4 images)"
    with pytest.raises(ValueError, match="use 'train', 'validation' or 'test'"):
        data.split("valid")


def test_only_keeps_some_classes_in_the_order_given():
    data = load_data("fashion_mnist", profile="quick")
    two = data.only(["Bag", "Coat"])
    assert two.class_names == ("Bag", "Coat")
    for part in ("train", "validation", "test"):
        before, after = data.split(part), two.split(part)
        old = torch.tensor([data.class_names.index(name) for name in two.class_names])
        kept = torch.isin(before.labels, old)
        assert torch.equal(after.images, before.images[kept])
        assert torch.equal(old[after.labels], before.labels[kept])
    mean, std = channel_statistics(two.train.images)
    assert (two.mean, two.std) == (mean, std)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["Bag", "Hat"], "no class 'Hat'"), (["Bag"], "at least two"), (["Bag", "Bag"], "each once")],
)
def test_only_names_what_is_wrong(names, message):
    with pytest.raises(ValueError, match=message):
        load_data("fashion_mnist", profile="quick").only(names)
