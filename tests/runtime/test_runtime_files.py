"""A file is written whole or not at all."""

import os
from pathlib import Path

import pytest

from course_utils.runtime import write_whole
from course_utils.runtime.files import replaced


def test_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_whole(path, b"old")

    def interrupted(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_a_file_do_not_meet(tmp_path):
    path = tmp_path / "results.json"
    with replaced(path) as first, replaced(path) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"  # it ended last
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_the_usual_ones_or_those_that_were_asked_for(tmp_path, monkeypatch):
    seen, write = [], Path.write_bytes

    def watched(path, content):
        seen.append(path.stat().st_mode & 0o777)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", watched)
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "page.html", b"for the group")
        write_whole(tmp_path / "seed", b"for nobody", mode=0o600)
    finally:
        os.umask(before)
    assert seen == [0o640, 0o600]  # before the content is there
    after = [(tmp_path / name).stat().st_mode & 0o777 for name in ("page.html", "seed")]
    assert after == seen
