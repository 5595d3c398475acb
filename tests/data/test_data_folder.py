"""Image folders, as users have them."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import folder_problems, load_data
from course_utils.data.folder import load_folder


def write(path, colour=(255, 0, 0), size=(40, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def pets(tmp_path):
    """pets/{train,test}/{cat,dog}: red cats, blue dogs."""
    root = tmp_path / "pets"
    for part, count in (("train", 6), ("test", 2)):
        for number in range(count):
            write(root / part / "cat" / f"{number}.png", (255, 0, 0))
            write(root / part / "dog" / f"{number}.JPG", (0, 0, 255))
    return root


def test_train_and_test_folders(pets):
    data = load_data(pets, profile="full", validation=0.5)
    assert (data.name, data.title, data.class_names) == ("pets", "pets", ("cat", "dog"))
    assert data.image_shape == (3, 32, 32)
    assert [len(data.split(part)) for part in ("train", "validation", "test")] == [6, 6, 4]
    assert data.provenance == "pets, all 16 images of the image folder 'pets' (.jpg, .png)"
    red = data.train.images[:, 0].flatten(1).float().mean(dim=1) > 128
    assert torch.equal(red, data.train.labels == 0)
    assert 0 < data.test.labels.float().mean() < 1


def test_a_text_path_and_another_size(pets):
    assert load_data(str(pets), size=20).image_shape == (3, 20, 20)
    with pytest.raises(ValueError, match="size must be at least 1"):
        load_data(pets, size=0)


def test_without_parts_a_test_split_is_cut(tmp_path):
    for number in range(10):
        write(tmp_path / "a" / f"{number}.png")
        write(tmp_path / "b" / f"{number}.png")
    parts = load_folder(tmp_path)
    assert parts.test.labels.bincount().tolist() == [2, 2]
    assert parts.training.labels.bincount().tolist() == [8, 8]


def test_a_sample_is_stratified_and_says_so(pets):
    parts = load_folder(pets, sizes={"train": 4, "test": 2})
    assert parts.training.labels.bincount().tolist() == [2, 2]
    assert parts.test.labels.bincount().tolist() == [1, 1]
    assert "a sample of 6 images" in parts.provenance


def test_the_order_is_mixed(pets):
    labels = load_folder(pets).training.labels
    assert labels.tolist() != sorted(labels.tolist())


def test_the_middle_square_is_taken_and_the_camera_obeyed(tmp_path):
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = (0, 255, 0)  # a green square between black ones
    pixels[:5, 10:20] = (0, 200, 0)  # its upper half is darker
    upside_down = Image.Exif()
    upside_down[0x0112] = 3
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "x.png")
        Image.fromarray(pixels).save(tmp_path / name / "y.png", exif=upside_down)
    parts = load_folder(tmp_path, size=10)
    images = torch.cat([parts.training.images, parts.test.images])
    assert set(images[:, 1].unique().tolist()) == {200, 255}
    assert sorted(images[:, 1, 0, 0].tolist()) == [200, 200, 255, 255]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new(mode, (8, 8)).save(tmp_path / name / ("x.jpg" if mode == "CMYK" else "x.png"))
    assert load_folder(tmp_path, size=8).training.images.shape == (2, 3, 8, 8)


def test_a_large_jpeg_keeps_its_picture(tmp_path):
    ramp = np.tile(np.arange(1024, dtype=np.uint16) // 4, (1024, 1)).astype(np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(ramp).save(tmp_path / name / "x.jpg", quality=95)
    image = load_folder(tmp_path).training.images[0].float()
    expected = torch.arange(32) * 8 + 3.5
    assert (image - expected).abs().max() < 4


def test_other_files_and_hidden_folders_are_left_out(pets):
    (pets / "train" / "cat" / "notes.txt").write_text("x")
    (pets / "train" / "cat" / "._0.png").write_text("x")
    (pets / "train" / ".ipynb_checkpoints").mkdir()
    assert len(load_folder(pets).training) == 12


def test_an_unreadable_file_is_named(pets):
    (pets / "train" / "dog" / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"dog.broken\.jpg cannot be read as an image"):
        load_folder(pets)


def test_a_cut_off_file_is_named(pets):
    whole = (pets / "train" / "cat" / "0.png").read_bytes()
    (pets / "train" / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cat.0\.png cannot be read as an image"):
        load_folder(pets)


def test_an_empty_class_is_named(pets):
    (pets / "train" / "bird").mkdir()
    with pytest.raises(ValueError, match="train/bird: the class has no images; add some"):
        load_folder(pets)


def test_one_class_only(tmp_path):
    write(tmp_path / "cat" / "0.png")
    with pytest.raises(ValueError, match=r"has 1 class folder\(s\), two are the least"):
        load_folder(tmp_path)


def test_no_class_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"has 0 class folder\(s\)"):
        load_data(tmp_path)


def test_classes_that_differ(pets):
    write(pets / "test" / "bird" / "0.png")
    with pytest.raises(ValueError, match="pets/train has no class folder 'bird', but test has"):
        load_folder(pets)


@pytest.mark.parametrize(("there", "missing"), [("train", "test"), ("test", "train")])
def test_one_part_without_the_other(tmp_path, there, missing):
    write(tmp_path / there / "cat" / "0.png")
    with pytest.raises(ValueError, match=f"has a folder '{there}' but none called '{missing}'"):
        load_folder(tmp_path)


def test_a_good_folder_has_no_problems(pets):
    assert folder_problems(pets) == []
    assert folder_problems(str(pets / "train")) == []


def test_every_problem_is_named_with_a_remedy(pets):
    cats = pets / "train" / "cat"
    (cats / "torn.png").write_bytes((cats / "0.png").read_bytes()[:50])
    Image.new("L", (8, 8)).save(cats / "grey.png")
    Image.new("CMYK", (8, 8)).save(cats / "print.jpg")
    (cats / "notes.txt").write_text("no image")
    for file in (pets / "test" / "dog").iterdir():
        file.unlink()
    (pets / "train" / "bird").mkdir()
    found = folder_problems(pets)
    assert [line.split(":")[0] for line in found] == [
        "test/dog",
        "train/bird",
        "train/cat",
        "train/cat/grey.png",
        "train/cat/print.jpg",
        "train/cat/torn.png",
    ]
    said = ["has no images", "has no images", "notes.txt", "is grey", "CMYK", "remove it"]
    for line, words in zip(found, said, strict=True):
        assert words in line


def test_a_single_class_is_a_problem(tmp_path):
    write(tmp_path / "cat" / "0.png")
    (problem,) = folder_problems(tmp_path)
    assert "two are the least" in problem
