"""Augmentation of whole batches against references for one image."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from course_utils.data import crop, flip, pad_crop, shift, standard_augmentation, zoom

BATCHES = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
DTYPES = st.sampled_from([torch.uint8, torch.float32, torch.int64])


def batch(shape, dtype=torch.uint8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, shape, generator=generator).to(dtype)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@given(BATCHES, DTYPES, st.integers(0, 4), st.integers(0, 1000))
def test_pad_crop_is_one_crop_for_each_image(shape, dtype, padding, seed):
    images = batch(shape, dtype)
    made = pad_crop(images, padding, seeded(seed))
    rows, columns = torch.randint(2 * padding + 1, (2, len(images)), generator=seeded(seed))
    assert (made.dtype, made.shape) == (dtype, images.shape)
    for image, result, row, column in zip(images, made, rows, columns, strict=True):
        padded = F.pad(image, (padding,) * 4)
        expected = padded[:, row : row + image.shape[1], column : column + image.shape[2]]
        assert torch.equal(result, expected)


def test_pad_crop_reaches_every_offset_and_fills_with_black():
    images = torch.full((2000, 1, 8, 8), 200, dtype=torch.uint8)
    made = pad_crop(images, 2, seeded(0))
    corners = {(int(m[0, 0].sum()), int(m[0, -1].sum()), int(m[0, :, 0].sum())) for m in made}
    assert len(corners) >= 5
    assert set(made.unique().tolist()) == {0, 200}
    whole = (made == 200).flatten(1).all(dim=1).float().mean()
    assert whole == pytest.approx(1 / 25, abs=0.02)  # the middle offset, one of 5 x 5


@given(BATCHES, DTYPES, st.floats(0, 1), st.integers(0, 1000))
def test_flip_mirrors_each_image_or_leaves_it(shape, dtype, probability, seed):
    images = batch(shape, dtype)
    made = flip(images, probability, seeded(seed))
    drawn = torch.rand(len(images), generator=seeded(seed))
    for image, result, chance in zip(images, made, drawn, strict=True):
        assert torch.equal(result, image.flip(-1) if chance < probability else image)


def test_flip_with_certainty():
    images = batch((9, 3, 4, 5))
    assert torch.equal(flip(images, 1.0), images.flip(-1))
    assert torch.equal(flip(images, 0.0), images)


@given(st.integers(0, 1000))
def test_standard_augmentation_is_both(seed):
    images = batch((6, 3, 8, 8))
    made = standard_augmentation(padding=2)(images, generator=seeded(seed))
    generator = seeded(seed)
    assert torch.equal(made, flip(pad_crop(images, 2, generator), generator=generator))


def test_each_image_gets_its_own_amount():
    images = batch((1, 1, 16, 16)).expand(64, -1, -1, -1)
    made = standard_augmentation()(images, seeded(0))
    assert len({image.numpy().tobytes() for image in made}) > 40


def test_without_a_generator_torchs_seed_counts():
    images = batch((8, 3, 8, 8))
    torch.manual_seed(3)
    first = standard_augmentation()(images)
    torch.manual_seed(3)
    assert torch.equal(standard_augmentation()(images), first)


@given(BATCHES, DTYPES, st.integers(-9, 9), st.integers(-9, 9))
def test_shift_moves_right_and_down(shape, dtype, dx, dy):
    images = batch(shape, dtype)
    moved = shift(images, dx, dy)
    height, width = images.shape[-2:]
    assert (moved.dtype, moved.shape) == (dtype, images.shape)
    for row in range(height):
        for column in range(width):
            there = 0 <= row - dy < height and 0 <= column - dx < width
            expected = images[..., row - dy, column - dx] if there else 0
            assert (moved[..., row, column] == expected).all()


@given(BATCHES, DTYPES)
def test_zoom_by_one_changes_nothing(shape, dtype):
    images = batch(shape, dtype)
    if len(images):
        assert torch.equal(zoom(images, 1.0), images)


def test_zoom_shrinks_into_a_black_frame_and_enlarges_beyond_the_edge():
    images = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8)
    small = zoom(images, 0.5)
    assert torch.equal(small, crop(images, 4))
    assert torch.equal(zoom(images, 2.0), images)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert torch.allclose(zoom(ramp, 2.0)[0, 0, 0, 1:-1], torch.arange(2.25, 5, 0.5))
    assert zoom(images, 0.01).sum() == 2 * 3 * 100  # never less than one pixel


def test_zoom_of_a_ramp_halves_it():
    ramp = torch.arange(8, dtype=torch.float32).expand(1, 1, 8, 8)
    assert torch.allclose(zoom(ramp, 0.5)[0, 0, 2, 2:6], torch.tensor([0.5, 2.5, 4.5, 6.5]))


def test_crop_keeps_the_middle():
    images = batch((2, 3, 6, 8))
    kept = crop(images, 4)
    assert torch.equal(kept[..., 1:5, 2:6], images[..., 1:5, 2:6])
    assert torch.count_nonzero(kept) == 2 * 3 * 16
    assert torch.equal(crop(images[..., :6], 6), images[..., :6])
    assert crop(images, 0).sum() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: pad_crop(x, -1), "padding must be 0 or more, not -1"),
        (lambda x: flip(x, 1.5), "probability must be from 0 to 1, not 1.5"),
        (lambda x: zoom(x, 0), "factor must be greater than 0, not 0"),
        (lambda x: crop(x, 9), "size must be from 0 to 4, not 9"),
        (lambda x: shift(x[0], 1, 1), r"images must have shape \(N, C, H, W\), not \(1, 4, 4\)"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(batch((2, 1, 4, 4)))


@pytest.mark.parametrize("change", [pad_crop, flip, standard_augmentation()])
def test_it_happens_on_the_images_device(change):
    images = torch.empty(4, 3, 8, 8, dtype=torch.uint8, device="meta")
    made = change(images)
    assert made.is_meta
    assert made.shape == images.shape
