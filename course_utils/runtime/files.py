"""Writing files so that an interrupt leaves the old file or the new one, and nothing between."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USUAL = 0o666  # permissions, less those that the umask takes away


@contextmanager
def replaced(path: Path, mode: int = USUAL) -> Iterator[Path]:
    """Give an empty file beside a file; after the ``with`` block it takes that file's place.

    After an error or an interrupt in the block the old file is as it was, and the new one is gone.
    Two who write the same file do not meet: each has a name of its own until the end.

    Args:
        path: the file, which need not exist.
        mode: permissions of the new file, from the start.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    temporary.touch(mode, exist_ok=False)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, mode: int = USUAL) -> None:
    """Write a file under a temporary name and rename it: an interrupt leaves the old one.

    Args:
        path: the file.
        content: all of it.
        mode: its permissions: nobody whom they keep out sees the content, not for a moment.
    """
    with replaced(path, mode) as temporary:
        temporary.write_bytes(content)
