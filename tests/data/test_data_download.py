"""Downloads from a server on this machine that goes wrong in every way we could think of."""

import errno
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from unreliable_server import serving

from course_utils.data import download as module
from course_utils.data.download import DownloadError, Source, download

CONTENT = bytes(range(256)) * 700  # 179,200 bytes: several blocks
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
BRIEF = dict(timeout=0.3, longest=60.0)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("COURSE_MIRROR", raising=False)


@pytest.fixture
def server():
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "file.bin"


def sources(server, *behaviours, size=None):
    return [Source(server.address(behaviour), MD5, size) for behaviour in behaviours]


def part_of(target: Path) -> Path:
    return Source("", MD5).part(target)


def assert_clean(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.glob("*.part")] == []


@pytest.mark.parametrize("behaviour", ["good", "whole", "nolength"])
def test_a_good_server_delivers(server, target, behaviour):
    assert download(sources(server, behaviour), target, **BRIEF) == target
    assert_clean(target)
    assert len(server.requests) == 1


def test_what_is_there_is_not_fetched_again(server, target):
    target.parent.mkdir()
    target.write_bytes(b"there")
    download(sources(server, "good"), target)
    assert target.read_bytes() == b"there"
    assert server.requests == []


@pytest.mark.parametrize("bad", ["missing", "corrupt", "short", "stall", "truncate"])
def test_the_next_mirror_takes_over(server, target, bad):
    download(sources(server, bad, "good"), target, **BRIEF)
    assert_clean(target)
    assert server.behaviours() == [bad, "good"]


@pytest.mark.parametrize("bad", ["stall", "truncate"])
def test_the_next_mirror_goes_on_where_the_last_one_stopped(server, target, bad):
    download(sources(server, bad, "good"), target, **BRIEF)
    assert server.requests[1][1] == f"bytes={len(CONTENT) // 2}-"


def test_a_mirror_that_ignores_range_starts_anew(server, target):
    download(sources(server, "truncate", "whole"), target, **BRIEF)
    assert_clean(target)
    assert server.requests[1][1] is not None  # it was asked for the rest


def test_a_server_that_disappears_half_way(target):
    with serving(CONTENT) as dying, serving(CONTENT) as healthy:
        mirrors = [*sources(dying, "vanish"), *sources(healthy, "good")]
        download(mirrors, target, **BRIEF)
        assert healthy.requests[0][1] == f"bytes={len(CONTENT) // 2}-"
    assert_clean(target)


def test_a_server_that_disappears_and_returns(target):
    with serving(CONTENT) as dying, pytest.raises(DownloadError):
        download(sources(dying, "vanish"), target, **BRIEF)
    assert not target.exists()
    assert part_of(target).stat().st_size == len(CONTENT) // 2
    with serving(CONTENT) as back:
        download(sources(back, "good"), target, **BRIEF)
        assert back.requests == [("/good/file.bin", f"bytes={len(CONTENT) // 2}-")]
    assert_clean(target)


def test_a_single_mirror_that_keeps_breaking_off_is_asked_again(target):
    with serving(CONTENT, until=len(CONTENT) // 3) as server:
        download(sources(server, "truncate"), target, **BRIEF)
        assert len(server.requests) == 4
    assert_clean(target)


def test_no_endless_loop_without_progress(target):
    with serving(CONTENT, until=0) as server:
        with pytest.raises(DownloadError, match="closed after 0 of 179,200 bytes"):
            download(sources(server, "truncate"), target, **BRIEF)
        assert len(server.requests) == 1


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_damaged_beginning_is_thrown_away(server, target, size):
    target.parent.mkdir()
    part_of(target).write_bytes(b"x" * 1000)
    download(sources(server, "good", size=size), target, **BRIEF)
    assert_clean(target)
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("beginning", [CONTENT, b"x" * len(CONTENT), CONTENT + b"more"])
def test_a_part_that_is_complete_wrong_or_too_long(server, target, beginning, size):
    target.parent.mkdir()
    part_of(target).write_bytes(beginning)
    download(sources(server, "good", size=size), target, **BRIEF)
    assert_clean(target)


def test_a_server_that_answers_with_another_part(server, target):
    download(sources(server, "truncate", "elsewhere", "good"), target, **BRIEF)
    assert_clean(target)


def test_another_size_is_seen_before_the_transfer(server, target):
    with pytest.raises(DownloadError, match="has 89,600 bytes, not 179,200"):
        download(sources(server, "short", size=len(CONTENT)), target, **BRIEF)
    assert not part_of(target).exists()


def test_a_slow_mirror_is_left(server, target):
    download(sources(server, "drip", "good"), target, timeout=0.2, longest=1.0)
    assert_clean(target)
    with pytest.raises(DownloadError, match=r"too slow: it would take \d+ minutes"):
        download(sources(server, "drip"), target.with_name("b"), timeout=0.2, longest=1.0)


def test_sources_with_different_archives_do_not_mix(server, target):
    other = Source(server.address("truncate"), "md5:" + "0" * 32)
    download([other, *sources(server, "good")], target, **BRIEF)
    assert server.requests[1] == ("/good/file.bin", None)  # not asked for the other's rest
    assert_clean(target)


def test_the_error_names_each_problem_and_the_remedy(server, target):
    unreachable = Source("http://127.0.0.1:9/file.bin", MD5)
    server.until = 0
    mirrors = [unreachable, *sources(server, "missing", "corrupt", "stall")]
    with pytest.raises(DownloadError) as caught:
        download(mirrors, target, remedy="Put file.bin into COURSE_DATA.", **BRIEF)
    lines = str(caught.value).splitlines()
    assert lines[0] == "file.bin could not be downloaded."
    assert "127.0.0.1:9" in lines[1]
    assert "refused" in lines[1]
    assert "the server answers 404" in lines[2]
    assert "wrong checksum" in lines[3]
    assert "timed out" in lines[4]
    assert lines[5:] == ["Put file.bin into COURSE_DATA."]
    assert caught.value.__cause__ is None
    assert not target.exists()


def test_an_own_mirror_comes_first(server, target, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", server.address("whole", "folder/"))
    download(sources(server, "good"), target, **BRIEF)
    assert server.requests == [("/whole/folder/file.bin", None)]
    other = Source("http://127.0.0.1:9/", "md5:" + "0" * 32)  # a mirror with its own archive
    download([other, *sources(server, "missing")], target.with_name("second"), **BRIEF)
    monkeypatch.setenv("COURSE_MIRROR", "/a/folder")
    with pytest.raises(ValueError, match="COURSE_MIRROR='/a/folder' must start with http"):
        download(sources(server, "good"), target.with_name("other"))


def test_an_interrupted_download_goes_on_later(server, target, monkeypatch):
    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *_): ...

        def update(self, count):
            if count:
                raise KeyboardInterrupt

    monkeypatch.setattr(module, "progress", lambda **_: Bar())
    with pytest.raises(KeyboardInterrupt):
        download(sources(server, "good"), target, **BRIEF)
    monkeypatch.undo()
    assert part_of(target).stat().st_size > 0
    download(sources(server, "good"), target, **BRIEF)
    assert_clean(target)
    assert server.requests[1][1] is not None


def test_a_cache_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match="cannot be written .*: set COURSE_CACHE"):
        download([Source("", MD5)], tmp_path / "file" / "cache" / "x")


class Full:
    """A file on a disk that takes the first block and then no more, not even when it is closed."""

    def __init__(self, file):
        self.file, self.blocks = file, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        raise OSError(errno.ENOSPC, "No space left on device")

    def seek(self, position): ...

    def write(self, block):
        self.blocks += 1
        if self.blocks > 1:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_not_blamed_on_the_mirror(server, target, monkeypatch):
    def opened(path, mode):
        return Full(open(path, mode)) if path.suffix == ".part" else open(path, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(DownloadError) as caught:
        download(sources(server, "good", "good"), target, **BRIEF)
    assert str(caught.value) == (
        f"{target.parent} cannot be written (No space left on device): "
        "set COURSE_CACHE to a folder that can be written and has room."
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("taken", ["file.bin.lock", "the .part file"])
def test_a_folder_in_the_place_of_a_file(server, target, taken):
    place = part_of(target) if "part" in taken else target.with_name(taken)
    place.mkdir(parents=True)
    with pytest.raises(DownloadError, match="cache cannot be written .*: set COURSE_CACHE"):
        download(sources(server, "good"), target, **BRIEF)


@pytest.mark.parametrize(
    "problem",
    [
        OSError(errno.EROFS, "Read-only file system"),
        OSError(errno.EIO, "Input/output error"),
        NotImplementedError("no locks here"),
    ],
)
@pytest.mark.parametrize("step", ["lock", "rename"])
def test_whatever_the_disk_refuses(server, target, monkeypatch, problem, step):
    def refuse(*_, **__):
        raise problem

    if step == "lock":
        monkeypatch.setattr(module.FileLock, "acquire", refuse)
    else:
        monkeypatch.setattr(module.os, "replace", refuse)
    reason = problem.strerror if isinstance(problem, OSError) else "no locks here"
    with pytest.raises(DownloadError, match=f"cannot be written .{reason}.: set COURSE_CACHE"):
        download(sources(server, "good"), target, **BRIEF)


@pytest.mark.parametrize("problem", [UnicodeError("label too long"), KeyError("status")])
@pytest.mark.parametrize("step", ["asking", "reading"])
def test_whatever_the_network_raises_the_next_mirror_takes_over(
    server, target, monkeypatch, problem, step
):
    real, calls = module.urllib.request.urlopen, []

    def broken(*_):
        raise problem

    def urlopen(*arguments, **options):
        calls.append(1)
        if len(calls) > 1:
            return real(*arguments, **options)
        if step == "asking":
            raise problem
        response = real(*arguments, **options)
        response.read1 = broken
        return response

    monkeypatch.setattr(module.urllib.request, "urlopen", urlopen)
    download(sources(server, "good", "good"), target, **BRIEF)
    assert_clean(target)
    assert len(calls) == 2


def test_a_length_that_is_no_number_is_no_length(server, target, monkeypatch):
    send = server.RequestHandlerClass.send_header

    def send_header(self, name, value):
        send(self, name, "many" if name == "Content-Length" else value)

    monkeypatch.setattr(server.RequestHandlerClass, "send_header", send_header)
    download(sources(server, "good"), target, **BRIEF)
    assert_clean(target)


# The package's own __init__ would import torch, which takes seconds and is not needed here.
ASK = """
import sys, types
package = types.ModuleType("course_utils.data")
package.__path__ = [sys.argv[4]]
sys.modules["course_utils.data"] = package
from pathlib import Path
from course_utils.data.download import Source, download
download([Source(sys.argv[1], sys.argv[2])], Path(sys.argv[3]), timeout=60)
"""


def test_two_processes_get_one_good_copy(server, target):
    folder = Path(module.__file__).parent
    command = [sys.executable, "-c", ASK, server.address("hold"), MD5, str(target), str(folder)]
    options = dict(cwd=folder.parents[1], stdout=subprocess.PIPE, text=True)
    with subprocess.Popen(command, **options) as first:
        assert server.requested.wait(60)
        with subprocess.Popen(command, **options) as second:
            said = second.stdout.readline()
            server.released.set()
            assert second.wait(60) == first.wait(60) == 0
    assert said == "Another process is downloading file.bin: waiting for it.\n"
    assert len(server.requests) == 1
    assert_clean(target)
