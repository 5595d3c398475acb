"""Damaged files are called damaged, a cache that cannot be written is named: stand-ins follow."""

import gzip
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_archives import archive_of, cifar_files, put

from course_utils.data import DownloadError, cifar, fashion, load_data, load_data_or_stand_in
from course_utils.data.places import DamagedError, file_content, search_folders
from course_utils.runtime import cache_dir

KIND = cifar.CIFAR10
FILES = cifar_files(KIND, each=2)
ARCHIVE = archive_of(FILES, KIND.folder)
SAMPLE = "Fashion-MNIST on photographs"


@pytest.fixture(autouse=True)
def given_folder(monkeypatch, tmp_path):
    """A folder in COURSE_DATA, an empty cache, nobody to download from, no Debian package."""
    folder = tmp_path / "given"
    folder.mkdir()
    monkeypatch.setenv("COURSE_DATA", str(folder))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    monkeypatch.setattr(fashion, "DEBIAN_FOLDER", tmp_path / "nowhere")
    sources = tuple(replace(s, url=f"http://127.0.0.1:9/{KIND.archive}") for s in KIND.sources)
    monkeypatch.setitem(cifar.KINDS, "cifar10", replace(KIND, sources=sources))
    return folder


def outcome(archive: Path):
    """What is read from an archive, or its error."""
    try:
        return cifar._from_archive(KIND, archive)
    except ValueError as error:
        return error


PLACES = st.floats(0, 1, exclude_max=True)


@given(st.lists(st.tuples(PLACES, st.integers(1, 255)), min_size=1, max_size=4), st.floats(0.5, 1))
def test_a_damaged_archive_has_the_same_content_or_is_called_damaged(tmp_path_factory, flips, kept):
    content = bytearray(ARCHIVE)
    for place, mask in flips:
        content[int(place * len(content))] ^= mask
    archive = tmp_path_factory.getbasetemp() / KIND.archive
    archive.write_bytes(content[: round(kept * len(content))])
    found = outcome(archive)
    if isinstance(found, ValueError):
        assert isinstance(found, DamagedError)
        assert str(found).startswith(f"{archive} is damaged (")
        assert str(found).endswith("): delete it and load again")
    else:
        assert found == FILES


def test_one_bit_anywhere_is_noticed_or_changes_nothing(tmp_path):
    noticed = []
    for place in range(len(ARCHIVE)):
        content = bytearray(ARCHIVE)
        content[place] ^= 0x10
        (tmp_path / KIND.archive).write_bytes(content)
        found = outcome(tmp_path / KIND.archive)
        assert found == FILES or isinstance(found, DamagedError), place
        noticed.append(found != FILES)
    assert sum(noticed) >= len(ARCHIVE) - 10  # but the time, the system, and bits that fill up


def python_version() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        python_version(),
        gzip.compress(b"no tar archive"),
        gzip.compress(bytes(range(256)) * 40),
        gzip.compress(gzip.decompress(ARCHIVE)[:-20000]),  # cut off before it was packed
    ],
    ids=["python version", "text", "numbers", "short"],
)
def test_what_is_whole_but_something_else_is_not_called_damaged(tmp_path, content):
    (tmp_path / KIND.archive).write_bytes(content)
    found = outcome(tmp_path / KIND.archive)
    assert not isinstance(found, DamagedError)
    assert "it is not CIFAR-10's binary version" in str(found)


def test_an_archive_that_is_whole_is_read_to_its_end(tmp_path):
    """Gzip's checksum stands at the end, behind what tar needs."""
    (tmp_path / KIND.archive).write_bytes(ARCHIVE[:-1])
    assert isinstance(outcome(tmp_path / KIND.archive), DamagedError)
    (tmp_path / KIND.archive).write_bytes(b"")
    assert "(it is empty)" in str(outcome(tmp_path / KIND.archive))


def test_class_names_that_are_no_text(given_folder):
    put(given_folder / KIND.folder, FILES | {KIND.names_file: b"caf\xe9\n" * 10})
    with pytest.raises(DamagedError, match=r"batches\.meta\.txt in .* is damaged"):
        load_data("cifar10")


def test_a_file_that_may_not_be_read_is_named(monkeypatch, given_folder):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    put(given_folder, {KIND.archive: ARCHIVE})
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DamagedError, match=r"tar\.gz cannot be read \(Permission denied\): give"):
        file_content(given_folder / KIND.archive)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_the_stand_in_takes_over_from_a_damaged_archive(given_folder, capsys, profile):
    put(given_folder, {KIND.archive: ARCHIVE[:-1]})
    data = load_data_or_stand_in("cifar10", profile=profile)
    assert data.provenance.endswith("(in place of CIFAR-10)")
    printed = capsys.readouterr().out
    assert printed.startswith("CIFAR-10 cannot be read on this machine (")
    assert f"{KIND.archive} is damaged (" in printed
    assert printed.endswith(f": delete it and load again). In its place: {SAMPLE}.\n")


def test_the_stand_in_does_not_hide_another_archive(given_folder):
    put(given_folder, {KIND.archive: python_version()})
    with pytest.raises(ValueError, match="it is not CIFAR-10's binary version"):
        load_data_or_stand_in("cifar10", profile="full")


@pytest.mark.parametrize("name", ["fashion_mnist", "fashion_photos", "cifar10"])
def test_the_sample_takes_over_from_damaged_files(given_folder, capsys, name):
    put(given_folder, {f"{file}.gz": b"junk" for file in fashion.FILES})
    data = load_data_or_stand_in(name, profile="full")
    assert "the bundled sample" in data.provenance
    assert "(in place of " in data.provenance
    assert ("is damaged" in capsys.readouterr().out) == (name != "cifar10")


def test_an_unpacked_file_may_be_damaged_or_another(given_folder):
    values = np.zeros(10, np.uint8).tobytes()
    put(given_folder, dict.fromkeys(fashion.FILES, b"\0\0\x08\1\0\0\0\x0a" + values))
    with pytest.raises(DamagedError, match=r"is damaged: delete .*; or it is another data set's"):
        load_data("fashion_mnist", profile="full")


@pytest.mark.parametrize("place", ["the cache", "above it", "the lock"])
def test_a_file_where_the_cache_needs_a_folder(monkeypatch, tmp_path, capsys, place):
    """Also for root, whom a read-only folder does not stop."""
    cache = tmp_path / "cache"
    if place == "the lock":
        (cache / f"{KIND.archive}.lock").mkdir(parents=True)
    else:
        cache.write_text("no folder")
    if place == "above it":
        cache = cache / "deeper"
        monkeypatch.setenv("COURSE_CACHE", str(cache))
    with pytest.raises(DownloadError, match=f"{cache} cannot be written .*: set COURSE_CACHE to"):
        load_data("cifar10", profile="full")
    data = load_data_or_stand_in("cifar10", profile="full")
    assert data.provenance.endswith("(in place of CIFAR-10)")
    assert f"is not on this machine ({cache} cannot be written" in capsys.readouterr().out


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    (tmp_path / "home" / "data").mkdir(parents=True)
    monkeypatch.setenv("COURSE_CACHE", "~/cache")
    monkeypatch.setenv("COURSE_DATA", "~/data")
    assert cache_dir() == tmp_path / "home" / "cache"
    assert search_folders() == [tmp_path / "home" / "data", tmp_path / "home" / "cache"]
    put(tmp_path / "home" / "data", {KIND.archive: ARCHIVE})
    assert load_data("cifar10").title == "CIFAR-10"
    assert "~" not in os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["~/nowhere", "~nobody-of-this-name/pets"])
def test_a_folder_with_a_tilde_that_is_not_there(name):
    with pytest.raises(ValueError, match=f"no data set and no folder called '{name}'"):
        load_data(name)
