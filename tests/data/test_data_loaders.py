"""BatchLoader: batches of a split that lies on the device."""

import pytest
import torch

from course_utils.data import batches, pad_crop, standard_augmentation
from course_utils.data.types import ImageData, Parts, Split, make_image_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    def split(count, first):
        images = torch.arange(first, first + count, dtype=torch.uint8).repeat_interleave(2 * 9)
        return Split(images.view(count, 2, 3, 3), torch.arange(first, first + count))

    parts = Parts("Toy", "toy data", ("a",), split(50, 0), split(7, 100))
    return make_image_data("toy", parts, validation=0)


def epoch(loader):
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("batch_size", [1, 16, 25, 50, 51, 1000])
def test_every_image_once_with_its_own_label(data, batch_size):
    loader = batches(data, batch_size=batch_size)
    sizes = [len(labels) for _, labels in loader]
    assert len(loader) == len(sizes)
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    images, labels = epoch(loader)
    assert sorted(labels.tolist()) == list(range(50))
    assert images.dtype == torch.float32
    assert torch.equal(images, data.normalize(data.train.images[labels]))


def test_training_is_shuffled_anew_in_each_pass_and_test_never(data):
    loader = batches(data)
    first, second = epoch(loader)[1], epoch(loader)[1]
    assert not torch.equal(first, second)
    assert epoch(batches(data, "test"))[1].tolist() == list(range(100, 107))
    assert epoch(batches(data, shuffle=False))[1].tolist() == list(range(50))
    assert epoch(batches(data, "test", shuffle=True))[1].tolist() != list(range(100, 107))


def test_seed_and_pass_number_decide_order_and_augmentation(data):
    options = dict(augment=standard_augmentation(padding=1), batch_size=8)
    loader = batches(data, **options)
    passes = [epoch(loader) for _ in range(3)]
    assert loader.epoch == 3
    again = batches(data, **options)
    again.set_epoch(2)
    assert all(map(torch.equal, epoch(again), passes[2]))
    other = batches(data, seed=1, **options)
    assert not torch.equal(epoch(other)[1], passes[0][1])


def test_the_global_random_state_is_left_alone(data):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    epoch(batches(data, augment=standard_augmentation()))
    assert torch.equal(torch.rand(3), expected)


def test_two_passes_at_once_do_not_disturb_each_other(data):
    loader = batches(data, batch_size=10, augment=standard_augmentation(padding=1))
    alone = [epoch(loader), epoch(loader)]
    loader.set_epoch(0)
    together = list(zip(loader, loader, strict=True))
    for number in (0, 1):
        labels = torch.cat([pair[number][1] for pair in together])
        images = torch.cat([pair[number][0] for pair in together])
        assert torch.equal(labels, alone[number][1])
        assert torch.equal(images, alone[number][0])


def test_augmentation_comes_before_normalisation(data):
    seen = []

    def watching(images, generator):
        seen.append((images.dtype, tuple(images.shape)))
        return pad_crop(images, 3, generator)

    images, _ = epoch(batches(data, batch_size=50, augment=watching))
    assert seen == [(torch.uint8, (50, 2, 3, 3))]
    black = data.normalize(torch.zeros(1, 2, 1, 1, dtype=torch.uint8))
    assert images.min() == black.min()  # what was padded is black, not the mean


def test_an_empty_split(data):
    assert len(data.validation) == 0
    assert len(batches(data, "validation", shuffle=True)) == 0
    assert list(batches(data, "validation", shuffle=True)) == []


def test_wrong_arguments(data):
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        batches(data, batch_size=0)
    with pytest.raises(ValueError, match="no split is called 'dev'"):
        batches(data, "dev")


def test_the_split_lies_on_the_device_in_uint8(data):
    loader = batches(data, device="meta")
    assert loader.images.is_meta
    assert loader.images.dtype == torch.uint8
    assert loader.labels.is_meta
