"""Where data comes from: COURSE_DATA, the cache, the download, the stand-in. Tiny data sets."""

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_archives import archive_of, cifar_files, put
from unreliable_server import serving

from course_utils.data import (
    DownloadError,
    cifar,
    fashion,
    found_data,
    load_data,
    load_data_or_stand_in,
    loading,
)
from course_utils.data.download import Source

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, no COURSE_DATA, nobody to download from, no Debian package."""
    for name in ("COURSE_DATA", "COURSE_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion, "DEBIAN_FOLDER", tmp_path / "nowhere")
    monkeypatch.setattr(fashion, "MIRRORS", (UNREACHABLE,))
    for kind in (cifar.CIFAR10, cifar.CIFAR100):
        sources = tuple(replace(s, url=f"{UNREACHABLE}/{kind.archive}") for s in kind.sources)
        monkeypatch.setitem(cifar.KINDS, kind.name, replace(kind, sources=sources))
    return tmp_path / "cache"


KINDS = pytest.mark.parametrize("kind", [cifar.CIFAR10, cifar.CIFAR100], ids=lambda k: k.name)


def assert_is_tiny_cifar(data, kind):
    assert data.title == kind.title
    assert data.num_classes == kind.num_classes
    assert data.class_names[3] == "class3"
    assert data.image_shape == (3, 32, 32)
    assert len(data.test) == 20
    assert len(data.train) + len(data.validation) == 20 * len(kind.train_files)
    for image, label in zip(data.test.images, data.test.labels, strict=True):
        number = int(image[0, 0, 0])
        assert image.flatten(1).unique(dim=1).tolist() == [[number], [number + 50], [number + 100]]
        assert number % kind.num_classes == label


@KINDS
@pytest.mark.parametrize("profile", ["quick", "full"])
@pytest.mark.parametrize("form", ["folder", "folder itself", "archive", "cached archive"])
def test_cifar_from_this_machine(monkeypatch, tmp_path, cache, kind, form, profile):
    files, place = cifar_files(kind), tmp_path / "given"
    place.mkdir()
    if form.startswith("folder"):
        put(place / kind.folder, files)
    else:
        holder = cache if form.startswith("cached") else place
        put(holder, {kind.archive: archive_of(files, kind.folder)})
    monkeypatch.setenv("COURSE_DATA", str(place / kind.folder if "itself" in form else place))
    data = load_data(kind.name, profile=profile)
    assert_is_tiny_cifar(data, kind)
    assert ("all" if profile == "full" else "sample") in data.provenance


def test_quick_takes_a_stratified_part(monkeypatch, tmp_path):
    put(tmp_path / cifar.CIFAR10.folder, cifar_files(cifar.CIFAR10))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(loading, "QUICK_SIZES", {"train": 50, "test": 10})
    data = load_data("cifar10", profile="quick", validation=0)
    assert data.train.labels.bincount().tolist() == [5] * 10
    assert data.test.labels.bincount().tolist() == [1] * 10
    assert data.provenance == "CIFAR-10, a sample of 50 training and 10 test images"
    again = load_data("cifar10", profile="quick", validation=0, seed=1)
    assert torch.equal(again.train.images, data.train.images)


@KINDS
def test_cifar_by_download(monkeypatch, cache, kind):
    content = archive_of(cifar_files(kind), kind.folder)
    checksum = "md5:" + hashlib.md5(content).hexdigest()
    with serving(content) as server:
        sources = (
            Source(server.address("truncate", kind.archive), checksum),
            Source(server.address("good", kind.archive), checksum, len(content)),
        )
        monkeypatch.setitem(cifar.KINDS, kind.name, replace(kind, sources=sources))
        assert_is_tiny_cifar(load_data(kind.name), kind)
        assert_is_tiny_cifar(load_data(kind.name), kind)
        assert len(server.requests) == 2
    assert (cache / kind.archive).read_bytes() == content


def test_nothing_in_an_archive_reaches_the_disk(monkeypatch, tmp_path):
    kind = cifar.CIFAR10
    files = {f"{kind.folder}/{name}": content for name, content in cifar_files(kind).items()}
    files |= {"../escaped.txt": b"x", f"{tmp_path}/escaped.txt": b"x"}
    put(tmp_path / "given", {kind.archive: archive_of(files, "")})
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "given"))
    assert_is_tiny_cifar(load_data("cifar10"), kind)
    written = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert written == [kind.archive]


def test_a_link_in_an_archive_is_not_followed(monkeypatch, tmp_path):
    kind = cifar.CIFAR10
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"{kind.folder}/{kind.names_file}")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(member)
    put(tmp_path, {kind.archive: buffer.getvalue()})
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="it is not CIFAR-10's binary version"):
        load_data("cifar10")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a[: len(a) // 2], "is damaged"),
        (lambda a: b"not an archive", "is damaged"),
        (lambda a: archive_of({"x": b""}, "y"), r"has no data_batch_1\.bin"),
    ],
)
def test_a_damaged_archive_is_named(monkeypatch, tmp_path, damage, message):
    kind = cifar.CIFAR10
    put(tmp_path, {kind.archive: damage(archive_of(cifar_files(kind), kind.folder))})
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=f"cifar-10-binary.tar.gz.*{message}"):
        load_data("cifar10")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("test_batch.bin", b"\1" * 3072, "test_batch.bin in .* is cut off"),
        ("test_batch.bin", b"", "test_batch.bin in .* is cut off"),
        ("data_batch_4.bin", bytes(19 * 3073), "data_batch_4.bin in .* is cut off"),
        ("data_batch_2.bin", b"\x0a" + bytes(20 * 3073 - 1), "has label 10"),
        ("batches.meta.txt", b"cat\ndog\n", "has 2 classes, but CIFAR-10 has 10"),
    ],
)
def test_a_damaged_folder_is_named(monkeypatch, tmp_path, file, content, message):
    put(tmp_path / cifar.CIFAR10.folder, {**cifar_files(cifar.CIFAR10), file: content})
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=message):
        load_data("cifar10")


def test_cifar_as_an_image_folder(monkeypatch, tmp_path):
    for part in ("train", "test"):
        for label in range(10):
            folder = tmp_path / "cifar10" / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (32, 32), (label, 0, 0)).save(folder / f"{number}.png")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    data = load_data("cifar10", validation=0)
    assert data.title == "CIFAR-10"
    assert data.provenance == "CIFAR-10, all 40 images of the image folder 'cifar10' (.png)"
    assert torch.equal(data.test.images[:, 0, 0, 0].long(), data.test.labels)
    for part in ("train", "test"):
        (tmp_path / "cifar10" / part / "class9").rename(tmp_path / part)
    with pytest.raises(ValueError, match="has 9 classes, but CIFAR-10 has 10"):
        load_data("cifar10")


def idx(values: np.ndarray) -> bytes:
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return b"\0\0\x08" + bytes([values.ndim]) + shape + values.tobytes()


@pytest.fixture
def tiny_fashion(monkeypatch):
    """Forty images in place of 70,000, with their checksums; returns the uncompressed files."""
    contents, files = {}, {}
    for prefix, count in (("train", 30), ("t10k", 10)):
        images = np.arange(count, dtype=np.uint8).repeat(28 * 28).reshape(count, 28, 28)
        labels = np.arange(count, dtype=np.uint8) % 10
        contents[f"{prefix}-images-idx3-ubyte"] = idx(images)
        contents[f"{prefix}-labels-idx1-ubyte"] = idx(labels)
    for name, content in contents.items():
        md5 = hashlib.md5(gzip.compress(content, mtime=0)).hexdigest()
        files[name] = fashion.OfficialFile(md5, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(fashion, "FILES", files)
    return contents


@pytest.mark.parametrize("subfolder", ["", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("packed", [True, False])
def test_all_of_fashion_mnist_from_a_folder(monkeypatch, tmp_path, tiny_fashion, subfolder, packed):
    files = tiny_fashion
    if packed:  # with another header than the official one, as Debian's
        files = {f"{n}.gz": gzip.compress(c, 1, mtime=9) for n, c in tiny_fashion.items()}
    put(tmp_path / "given" / subfolder, files)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "given"))
    data = load_data("fashion_mnist", profile="full")
    assert (len(data.train), len(data.validation), len(data.test)) == (27, 3, 10)
    assert data.test.images[:, 0, 16, 16].tolist() == list(range(10))
    assert load_data("fashion_photos", profile="full").image_shape == (3, 32, 32)


def test_all_of_fashion_mnist_by_download(monkeypatch, tmp_path, tiny_fashion, cache):
    contents = {f"{n}.gz": gzip.compress(c, mtime=0) for n, c in tiny_fashion.items()}
    with serving(b"") as server:
        handler = server.RequestHandlerClass

        class Files(handler):
            def _answer(self, behaviour, content, start):
                name = self.path.rsplit("/", 1)[-1]
                super()._answer(behaviour, contents[name], start)

        server.RequestHandlerClass = Files
        mirror = server.address("good", "data")
        monkeypatch.setattr(fashion, "MIRRORS", (UNREACHABLE, mirror))
        assert len(load_data("fashion_mnist", profile="full").test) == 10
        assert len(server.requests) == 4
        assert len(load_data("fashion_mnist", profile="full").test) == 10
        assert len(server.requests) == 4
    assert fashion.locate() == cache / "fashion_mnist"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged"),
        (b"junk", "damaged"),
        (gzip.compress(b"other data", mtime=0)[:-1], "damaged"),
        (gzip.compress(b"other data", mtime=0), "another data set's"),
    ],
    ids=["empty", "junk", "cut off", "other"],
)
def test_a_damaged_file_of_fashion_mnist_is_named(
    monkeypatch, tmp_path, tiny_fashion, content, said
):
    put(tmp_path, {f"{n}.gz": gzip.compress(c) for n, c in tiny_fashion.items()})
    put(tmp_path, {"t10k-labels-idx1-ubyte.gz": content})
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=rf"t10k-labels-idx1-ubyte\.gz is {said}"):
        load_data("fashion_mnist", profile="full")


@pytest.mark.parametrize(
    ("name", "remedies"),
    [
        ("cifar10", ["cifar-10-binary.tar.gz", "COURSE_DATA", 'load_data("fashion_photos")']),
        ("cifar100", ["cifar-100-binary.tar.gz", "COURSE_DATA", 'load_data("fashion_photos")']),
        ("fashion_mnist", ["COURSE_DATA", 'load_data(..., profile="quick")']),
        ("fashion_photos", ["COURSE_DATA", 'load_data(..., profile="quick")']),
    ],
)
def test_offline_the_error_says_what_to_do(name, remedies):
    with pytest.raises(DownloadError, match="could not be downloaded") as caught:
        load_data(name, profile="full")
    assert all(remedy in str(caught.value) for remedy in remedies)


def test_a_wrong_course_data_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "typo"))
    with pytest.raises(ValueError, match="COURSE_DATA='.*typo' is not a folder"):
        load_data("cifar10")
    assert {found.remedy for found in found_data()[1:]} != {""}
    assert all("is not a folder" in found.remedy for found in found_data()[1:])


@KINDS
@pytest.mark.parametrize("profile", ["quick", "full"])
def test_the_stand_in_says_what_it_is(capsys, kind, profile):
    data = load_data_or_stand_in(kind.name, profile=profile)
    assert data.name == "fashion_photos"
    assert data.title == "Fashion-MNIST on photographs"
    assert data.provenance.endswith(f"(in place of {kind.title})")
    printed = capsys.readouterr().out
    assert printed.startswith(f"{kind.title} is not on this machine (")
    assert printed.endswith("). In its place: Fashion-MNIST on photographs.\n")
    assert printed.count("\n") == 1
    quick = "the quick profile does not download it"
    assert (quick if profile == "quick" else "could not be downloaded") in printed


def test_the_stand_in_for_all_of_fashion_mnist_is_its_sample(capsys):
    data = load_data_or_stand_in("fashion_mnist", profile="full", validation=0)
    assert (data.name, len(data.train)) == ("fashion_mnist", 10_000)
    assert "bundled sample" in data.provenance
    assert "all of Fashion-MNIST is not on this machine" in capsys.readouterr().out


def test_no_stand_in_for_what_is_there(monkeypatch, tmp_path, capsys):
    put(tmp_path / cifar.CIFAR10.folder, cifar_files(cifar.CIFAR10))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert_is_tiny_cifar(load_data_or_stand_in("cifar10", profile="quick"), cifar.CIFAR10)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="no data set and no folder"):
        load_data_or_stand_in("mnist")


def test_found_data_lists_what_is_here(monkeypatch, tmp_path, tiny_fashion):
    before = found_data()
    assert [found.where is None for found in before] == [False, True, True, True]
    assert all("COURSE_DATA" in found.remedy for found in before[1:])
    put(tmp_path / "given", tiny_fashion)
    put(tmp_path / "given" / cifar.CIFAR100.folder, cifar_files(cifar.CIFAR100))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "given"))
    after = found_data()
    assert [found.name for found in after][2:] == ["CIFAR-10", "CIFAR-100"]
    assert [found.where is None for found in after] == [False, False, True, False]
    assert after[3].where == str(tmp_path / "given" / cifar.CIFAR100.folder)
    assert [found.remedy for found in after if found.where] == ["", "", ""]
