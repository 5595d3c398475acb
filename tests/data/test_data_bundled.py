"""The bundled Fashion-MNIST sample, the photographs, and what is made from them."""

import hashlib
import importlib.util

import numpy as np
import pytest
import torch

from course_utils.data import fashion, load_data, photograph, photos
from course_utils.runtime import project_root

OFFICIAL_FILES = pytest.mark.skipif(
    not fashion.DEBIAN_FOLDER.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)


@pytest.fixture(scope="module")
def sample():
    return fashion.sample()


@pytest.fixture(scope="module")
def garments():
    return load_data("fashion_mnist", profile="quick")


@pytest.fixture(scope="module")
def on_photos():
    return load_data("fashion_photos", profile="quick")


def digest(array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize(("part", "each"), [("train", 1000), ("test", 200)])
def test_the_sample_is_stratified(sample, part, each):
    assert sample[f"{part}_images"].shape == (10 * each, 28, 28)
    assert sample[f"{part}_images"].dtype == np.uint8
    assert np.bincount(sample[f"{part}_labels"]).tolist() == [each] * 10
    assert (np.diff(sample[f"{part}_positions"]) > 0).all()


def test_the_sample_is_small():
    assert (project_root() / "data" / fashion.SAMPLE_FILE).stat().st_size <= 6_000_000


def test_the_readme_lists_every_file_with_its_checksum():
    folder = project_root() / "data"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    kinds = ("*.npz", "photograph_*.png", "*.safetensors")
    bundled = [file for kind in kinds for file in folder.glob(kind)]
    assert len(bundled) == 7
    for file in bundled:
        content = file.read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        line = next(line for line in readme.splitlines() if line.startswith(f"| `{file.name}`"))
        assert line.endswith(f"| {len(content):,} | `{checksum}` |")


@OFFICIAL_FILES
def test_the_sample_is_what_the_script_makes_of_the_official_files(sample):
    path = project_root() / "data" / "make_fashion_sample.py"
    spec = importlib.util.spec_from_file_location("make_fashion_sample", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.make_sample(fashion.DEBIAN_FOLDER)
    assert set(made) == set(sample)
    assert all(np.array_equal(made[name], sample[name]) for name in made)


@OFFICIAL_FILES
def test_full_has_all_the_images(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    data = load_data("fashion_mnist", profile="full")
    assert [len(data.split(part)) for part in ("train", "validation", "test")] == [
        54_000,
        6_000,
        10_000,
    ]
    assert "all its 60,000 training and 10,000 test images" in data.provenance


@pytest.mark.parametrize("damage", ["cut off", "missing"])
@pytest.mark.parametrize(
    ("file", "read"),
    [
        (fashion.SAMPLE_FILE, lambda: load_data(profile="quick")),
        ("photograph_china.png", lambda: photograph("china")),
    ],
)
def test_damaged_files_are_refused(monkeypatch, tmp_path, file, read, damage):
    whole = (project_root() / "data" / file).read_bytes()
    (tmp_path / "data").mkdir()
    if damage == "cut off":
        (tmp_path / "data" / file).write_bytes(whole[:-1])
    for module in (fashion, photos):
        monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    with pytest.raises(RuntimeError, match=f"data/{file} is .*: restore the data/ folder"):
        read()


def test_fashion_mnist_as_data(garments, sample):
    assert [len(garments.split(part)) for part in ("train", "validation", "test")] == [
        9_000,
        1_000,
        2_000,
    ]
    assert garments.image_shape == (1, 32, 32)
    assert garments.title == "Fashion-MNIST"
    assert "bundled sample of 10,000 training and 2,000 test images" in garments.provenance
    inner = garments.test.images[:, 0, 2:30, 2:30].numpy()
    assert np.array_equal(inner, sample["test_images"])
    assert garments.test.images.long().sum() == inner.astype(np.int64).sum()  # black around it
    assert garments.train.labels.bincount().tolist() == [900] * 10
    assert garments.validation.labels.bincount().tolist() == [100] * 10


def test_the_seed_moves_only_the_validation_part(garments):
    other = load_data("fashion_mnist", profile="quick", seed=1)
    assert torch.equal(other.test.images, garments.test.images)
    assert not torch.equal(other.validation.images, garments.validation.images)
    everything = load_data("fashion_mnist", profile="quick", validation=0)
    assert (len(everything.train), len(everything.validation)) == (10_000, 0)


def test_the_images_are_the_same_on_every_machine(garments, on_photos):
    assert digest(garments.train.images).startswith("7912fbe763f7f712")
    assert digest(on_photos.train.images).startswith("d2427c0ac3c9b30a")
    assert digest(on_photos.test.images).startswith("1d4588a216ac5d69")


def test_fashion_photos_as_data(on_photos, garments):
    assert on_photos.image_shape == (3, 32, 32)
    assert on_photos.title == "Fashion-MNIST on photographs"
    assert torch.equal(on_photos.train.labels, garments.train.labels)
    assert len(on_photos.mean) == 3


def one_by_one(garments, photographs, seed):
    """The recipe of `on_photographs`, one pixel rule after the other."""
    draws = np.random.RandomState(seed).randint(0, 2**31 - 1, (len(garments), 8), dtype=np.int64)
    images = []
    for garment, draw in zip(garments.astype(int), draws.tolist(), strict=True):
        photo = photographs[draw[5] % len(photographs)].astype(int)
        top = draw[6] % (photo.shape[1] - 31)
        left = draw[7] % (photo.shape[2] - 31)
        image = photo[:, top : top + 32, left : left + 32].copy()
        down, right = 4 - draw[3] % 5, 4 - draw[4] % 5
        for row, column in np.argwhere(garment):
            value = garment[row, column]
            opacity = min(4 * value, 255)
            for channel in range(3):
                colour = value * (96 + draw[channel] % 160) // 255
                old = image[channel, row + down, column + right]
                new = ((255 - opacity) * old + opacity * colour) // 255
                image[channel, row + down, column + right] = new
        images.append(image)
    return np.array(images, np.uint8)


def test_all_at_once_is_the_same_as_one_by_one(sample, monkeypatch):
    monkeypatch.setattr(photos, "BLOCK", 7)
    pieces = photos.backgrounds("train")
    some = sample["train_images"][:20]
    made = photos.on_photographs(some, pieces, seed=5)
    assert np.array_equal(made, one_by_one(some, pieces, seed=5))
    assert np.array_equal(photos.on_photographs(some[:9], pieces, seed=5), made[:9])
    assert not np.array_equal(photos.on_photographs(some, pieces, seed=6), made)
    assert photos.on_photographs(some[:0], pieces, seed=5).shape == (0, 3, 32, 32)


def test_the_recipe_makes_the_images_again(on_photos, sample):
    """Rebuilt from the recipe alone: where the garment is opaque, the background does not count."""
    made = photos.recipe("test", 200)
    garments = sample["test_images"][:200].astype(int)
    for i in range(0, 200, 7):
        canvas = np.zeros((32, 32), int)
        top, left = 2 + int(made.down[i]), 2 + int(made.right[i])
        canvas[top : top + 28, left : left + 28] = garments[i]
        colour = canvas * made.tint[i].numpy()[:, None, None] // 255
        opaque = canvas >= 64
        image = on_photos.test.images[i].numpy()
        assert np.array_equal(image[:, opaque], colour[:, opaque])


def test_the_recipe_names_the_photograph():
    made = photos.recipe("train", 60)
    flat = [np.full((3, 40, 40), 10 * n, np.uint8) for n in range(3)]
    images = photos.on_photographs(np.zeros((60, 28, 28), np.uint8), flat, photos.SEEDS["train"])
    assert (images[:, 0, 0, 0] == 10 * made.photograph.numpy()).all()
    assert sorted(set(made.photograph.tolist())) == [0, 1, 2]
    assert set(made.right.tolist()) == set(made.down.tolist()) == {-2, -1, 0, 1, 2}
    assert made.tint.shape == (60, 3)
    assert torch.equal(photos.recipe("train", 9).tint, made.tint[:9])
    with pytest.raises(KeyError):
        photos.recipe("validation", 9)


def test_where_the_garment_is_black_the_photograph_shows():
    pieces = photos.backgrounds("test")
    image = photos.on_photographs(np.zeros((1, 28, 28), np.uint8), pieces, seed=0)[0]
    windows = [
        np.lib.stride_tricks.sliding_window_view(piece, (3, 32, 32)).reshape(-1, 3, 32, 32)
        for piece in pieces
    ]
    assert any((image == window).all(axis=(1, 2, 3)).any() for window in windows)


def test_train_and_test_backgrounds_have_no_pixel_in_common():
    for name, train, test in zip(
        photos.PHOTOGRAPHS, photos.backgrounds("train"), photos.backgrounds("test"), strict=True
    ):
        together = np.concatenate([train, test], axis=2)
        assert np.array_equal(together, photograph(name).numpy())
        assert min(train.shape[1:] + test.shape[1:]) >= 32


def test_a_photograph_for_the_notebooks():
    picture = photograph("flower")
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 213, 320)
    with pytest.raises(ValueError, match="no photograph is called 'cat': choose from grace_hopper"):
        photograph("cat")


def accuracy_of_5_nn(data):
    train, test = (data.split(part).images.flatten(1).float() for part in ("train", "test"))
    distances = (train**2).sum(dim=1) - 2 * test @ train.T
    votes = data.train.labels[distances.topk(5, largest=False).indices]
    counts = torch.nn.functional.one_hot(votes, data.num_classes).sum(dim=1)
    return (counts.argmax(dim=1) == data.test.labels).float().mean().item()


def test_how_hard_the_two_sets_are_for_a_comparison_of_pixels(garments, on_photos):
    assert accuracy_of_5_nn(garments) == pytest.approx(0.80, abs=0.01)
    assert accuracy_of_5_nn(on_photos) == pytest.approx(0.42, abs=0.01)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x0d\1", b"\0\0\x08\1\0\0\0\2\1", b"\0\0\x08\1\0\0\0\2\1\1\1"],
)
def test_what_is_no_idx_file(content):
    with pytest.raises(ValueError, match="this .*IDX file"):
        fashion.read_idx(content)


def test_an_idx_file():
    values = fashion.read_idx(b"\0\0\x08\2\0\0\0\2\0\0\0\3" + bytes(range(6)))
    assert values.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_wrong_name_profile_or_size():
    with pytest.raises(ValueError, match="no data set and no folder called 'mnist': use fashion_"):
        load_data("mnist")
    with pytest.raises(ValueError, match="profile must be 'quick' or 'full', not 'fast'"):
        load_data(profile="fast")
    with pytest.raises(ValueError, match="size is for image folders"):
        load_data("fashion_mnist", size=64)
