"""Image folders as Kaggle, tutorials, archives and Macs give them: nothing is left out silently."""

import io
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from course_utils.data import cifar, folder_problems, load_data
from course_utils.data.folder import is_image_folder, load_folder
from course_utils.data.layout import survey

SHADES = {"train": 10, "validation": 100, "test": 200}


@cache
def png(shade) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (shade,) * 3).save(file, "PNG")
    return file.getvalue()


def write(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(shade))
    return path


def fill(folder, shade=0, each=3):
    for name in ("cat", "dog"):
        for number in range(each):
            write(folder / name / f"{number}.png", shade)


def shades(data):
    """The single value in each part's images; None for an empty part."""
    parts = {part: data.split(part).images.unique().tolist() for part in SHADES}
    return {part: values[0] if len(values) == 1 else None for part, values in parts.items()}


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING"])
@pytest.mark.parametrize("test", ["test", "Testing"])
@pytest.mark.parametrize("validation", ["val", "Valid", "validation", "DEV"])
def test_the_three_parts_by_any_of_their_names(tmp_path, train, validation, test):
    for name, part in ((train, "train"), (validation, "validation"), (test, "test")):
        fill(tmp_path / name, SHADES[part])
    data = load_data(tmp_path, profile="full", validation=0.5)
    assert shades(data) == SHADES
    assert [len(data.split(part)) for part in SHADES] == [6, 6, 6]
    assert "all 18 images" in data.provenance
    assert folder_problems(tmp_path) == []


def test_a_validation_part_is_sampled_too(tmp_path):
    for part in ("train", "val", "test"):
        fill(tmp_path / part, each=4)
    parts = load_folder(tmp_path, sizes={"train": 6, "test": 2})
    assert [len(s) for s in (parts.training, parts.validation, parts.test)] == [6, 2, 2]
    assert "a sample of 10 images" in parts.provenance


def test_without_a_test_part_it_is_cut_from_train_and_val_stays(tmp_path):
    fill(tmp_path / "train", 10, each=5)
    fill(tmp_path / "val", 100)
    data = load_data(tmp_path, profile="full")
    assert [len(data.split(part)) for part in SHADES] == [8, 6, 2]
    assert shades(data) == {"train": 10, "validation": 100, "test": 10}


def test_train_and_test_only_as_before(tmp_path):
    fill(tmp_path / "Training", 10, each=5)
    fill(tmp_path / "Testing", 200)
    data = load_data(tmp_path, profile="full", validation=0.2)
    assert shades(data) == {"train": 10, "validation": 10, "test": 200}
    assert is_image_folder(tmp_path)
    shutil.rmtree(tmp_path / "Testing")
    assert not is_image_folder(tmp_path)
    assert not is_image_folder(tmp_path / "nowhere")


def test_cifar_as_an_image_folder_with_capital_letters(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    fill(tmp_path / "cifar10" / "Train")
    fill(tmp_path / "cifar10" / "Test")
    assert cifar.locate(cifar.CIFAR10) == tmp_path / "cifar10"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train"], r"has a folder 'train' but none called 'test': give the path of the folder 't"),
        (["Testing", "val"], r"has a folder 'Testing' but none called 'train': put the images"),
        (["train", "Training", "test"], r"has the folders 'Training' and 'train' for one part"),
    ],
)
def test_parts_that_do_not_fit_together(tmp_path, names, message):
    for name in names:
        fill(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        load_data(tmp_path)
    assert re.search(message, folder_problems(tmp_path)[0])


def test_a_class_of_vehicles_is_called_train(tmp_path):
    for name in ("car", "train", "test"):
        write(tmp_path / name / "0.png")
    assert load_folder(tmp_path).class_names == ("car", "test", "train")


def test_two_parts_without_classes_are_not_two_classes(tmp_path):
    for name in ("train", "test"):
        write(tmp_path / name / "0.png")
    with pytest.raises(
        ValueError, match=r"train has 0 class folder.* \(1 images lie in train itse"
    ):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    "root", ["pets", "a/pets", "train/train", "train/photos", "train", "data/Train"]
)
def test_folders_around_it_are_passed_through(tmp_path, root):
    fill(tmp_path / root)
    if root.lower().startswith("train") or root == "data/Train":
        fill(tmp_path / root.split("rain")[0].removesuffix("T").removesuffix("t") / "test")
    parts = load_folder(tmp_path)
    assert parts.class_names == ("cat", "dog")
    assert folder_problems(tmp_path) == []


def test_images_one_folder_deeper(tmp_path):
    for number in range(5):
        write(tmp_path / "cat" / "photos" / f"{number}.png")
        write(tmp_path / "dog" / "2024" / "may" / f"{number}.png")
    parts = load_folder(tmp_path)
    assert parts.class_names == ("cat", "dog")
    assert "all 10 images" in parts.provenance
    assert folder_problems(tmp_path) == []


def test_one_class_with_folders_beside_its_images_stays_one_class(tmp_path):
    write(tmp_path / "cat" / "0.png")
    fill(tmp_path / "cat")
    with pytest.raises(ValueError, match=rf"{tmp_path} has 1 class folder\(s\), two are the least"):
        load_folder(tmp_path)


def test_images_in_several_folders_of_a_class_are_named(tmp_path):
    fill(tmp_path)
    for breed in ("pug", "husky"):
        write(tmp_path / "bird" / breed / "0.png")
    message = (
        "bird: the class has no images of its own, they lie in the folders husky, pug; "
        "move them up into bird, or give a path whose folders are the classes"
    )
    with pytest.raises(ValueError, match=message):
        load_folder(tmp_path)
    assert message in folder_problems(tmp_path)


def test_images_below_a_class_with_images_are_counted(tmp_path):
    fill(tmp_path)
    write(tmp_path / "cat" / "more" / "0.png")
    assert load_folder(tmp_path).provenance.endswith("(.png); other files, left out: 1 .png")
    assert folder_problems(tmp_path) == [
        "cat/more: 1 file left out (0.png): this is not the folder of a class; "
        "move images of a class into its folder"
    ]


def test_what_macs_and_windows_add_is_named_for_what_it_is(tmp_path):
    fill(tmp_path / "pets")
    places = ("__MACOSX/pets/._cat", "pets/.DS_Store", "pets/cat/._0.png", "pets/dog/Thumbs.db")
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    parts = load_folder(tmp_path)
    assert parts.class_names == ("cat", "dog")
    assert parts.provenance.endswith("; other files, left out: 4 hidden")
    own = "hidden or the system's own; nothing is lost"
    assert folder_problems(tmp_path) == [
        f"{tmp_path.name}: 1 file left out (._cat): {own}",
        f"pets: 1 file left out (.DS_Store): {own}",
        f"pets/cat: 1 file left out (._0.png): {own}",
        f"pets/dog: 1 file left out (Thumbs.db): {own}",
    ]


def test_what_pillow_reads_is_read_by_any_name_and_the_rest_is_counted(tmp_path):
    fill(tmp_path)
    for number, name in enumerate(("x.jfif", "x.HEIC", "x.avif", "x", "x.png.1")):
        write(tmp_path / "cat" / name, number)
    for name in ("photo.heic", "notes.txt", "labels.txt", "Makefile"):
        (tmp_path / "dog" / name).write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "list.csv").write_text("0.png,cat")
    parts = load_folder(tmp_path)
    assert "all 11 images" in parts.provenance
    left_out = "1 .csv, 1 .heic, 2 .txt, 1 no suffix"
    assert parts.provenance.endswith(f"; other files, left out: {left_out}")
    assert folder_problems(tmp_path) == [
        f"{tmp_path.name}: 1 file left out (list.csv): this is not the folder of a class; "
        "move images of a class into its folder",
        "dog: 4 files left out (Makefile, labels.txt, notes.txt, ...): they cannot be read as "
        "images; save those that are as JPEG or PNG",
    ]


def test_a_class_of_unreadable_images_is_not_called_empty(tmp_path):
    fill(tmp_path)
    (tmp_path / "bird").mkdir()
    for number in range(3):
        (tmp_path / "bird" / f"{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    message = (
        r"bird: the class has no images that can be read, but 3 files \(\.heic\); save them as"
    )
    with pytest.raises(ValueError, match=message):
        load_folder(tmp_path)
    found = folder_problems(tmp_path)
    assert any(re.match(message, line) for line in found)
    assert not any("delete" in line for line in found)


def test_only_a_class_without_any_file_may_be_deleted(tmp_path):
    fill(tmp_path)
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird" / ".DS_Store").write_bytes(b"x")
    assert "bird: the class has no images; add some or delete the folder" in folder_problems(
        tmp_path
    )


def test_links_to_class_folders_are_followed_and_a_circle_ends(tmp_path):
    fill(tmp_path / "elsewhere")
    pets = tmp_path / "pets"
    pets.mkdir()
    for name in ("cat", "dog"):
        (pets / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "cat" / "notes.txt").write_text("x")
    (tmp_path / "elsewhere" / "dog" / "circle").symlink_to(tmp_path / "elsewhere" / "dog")
    parts = load_folder(pets)
    assert "all 6 images" in parts.provenance
    assert parts.provenance.endswith("left out: 1 .txt")


IMAGES = ("a.png", "b.JPG", "c.jfif", "d", "e.HEIC")  # PNGs, whatever they are called
OF_THE_SYSTEM = (".DS_Store", "._a.png", "Thumbs.db")
OTHERS = ("notes.txt", "real.heic", "no_suffix", *OF_THE_SYSTEM)
NAMES = ("train", "Test", "val", "Training", "cat", "dog", "photos", "__MACOSX", ".git", "extra")
TREES = st.lists(
    st.tuples(st.lists(st.sampled_from(NAMES), max_size=4), st.sampled_from((*IMAGES, *OTHERS))),
    max_size=15,
    unique_by=lambda entry: ("/".join(entry[0]), entry[1]),
)


def plant(root: Path, tree) -> int:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for folders, name in tree:
        file = root.joinpath(*folders, name)
        if name in IMAGES:
            write(file)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"\0\0\0\x18ftypheic")
    return len(tree)


@given(TREES)
def test_every_file_is_an_image_of_a_class_or_is_named(tmp_path_factory, tree):
    root = tmp_path_factory.getbasetemp() / "tree"
    count = plant(root, tree)
    layout = survey(root)
    left_out = [file for group in layout.left_out for file in group.files]
    assert len(layout.images) + len(left_out) == count
    assert set(layout.images) | set(left_out) == {f for f in root.rglob("*") if f.is_file()}
    lines = folder_problems(root)
    counted = sum(int(n) for line in lines for n in re.findall(r": (\d+) files? left out", line))
    assert counted == len(left_out)
    for line in lines:  # never the advice to delete what holds a file that is not the system's
        if line.endswith("delete the folder"):
            folder = root / line.split(":")[0]
            assert {f.name for f in folder.rglob("*") if f.is_file()} <= set(OF_THE_SYSTEM)
    if not layout.problems:
        parts = load_folder(root, size=2)
        read = [parts.training, parts.test, *([parts.validation] if parts.validation else [])]
        assert sum(map(len, read)) == len(layout.images)
        assert torch.cat([split.labels for split in read]).max() < len(parts.class_names)


@given(
    st.lists(st.sampled_from(OTHERS), unique=True),
    st.lists(st.sampled_from(IMAGES), min_size=1, unique=True),
)
def test_a_good_folder_loads_whatever_lies_beside_the_images(tmp_path_factory, others, images):
    root = tmp_path_factory.getbasetemp() / "good"
    tree = [([name], file) for name in ("cat", "dog") for file in (*others, *images)]
    plant(root, tree)
    parts = load_folder(root, size=2)
    assert len(parts.training) + len(parts.test) == 2 * len(images)
    counts = parts.provenance.partition("left out: ")[2]
    assert sum(int(n) for n in re.findall(r"(\d+) [.a-z]", counts)) == 2 * len(others)
