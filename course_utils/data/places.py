"""Where data sets may lie on this machine, and what is in a file there."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from pathlib import Path

from ..runtime import cache_dir


class DamagedError(ValueError):
    """A file on this machine is damaged. The message names it and says what to do."""


def search_folders(*names: str) -> list[Path]:
    """Return the folders to look in, best first.

    They are COURSE_DATA, in it the folders with these names, and the same in the cache.

    Raises:
        ValueError: COURSE_DATA is set to something that is not a folder.
    """
    roots = [cache_dir()]
    given = os.environ.get("COURSE_DATA")
    if given:
        folder = Path(os.path.expanduser(given))
        if not folder.is_dir():
            raise ValueError(f"COURSE_DATA={given!r} is not a folder: correct it or unset it")
        roots.insert(0, folder)
    return [folder for root in roots for folder in (root, *(root / name for name in names))]


def first_with(folders: Iterable[Path], files: Iterable[str]) -> Path | None:
    """Return the first folder that has all these files, or None."""
    files = list(files)
    for folder in folders:
        if all((folder / file).is_file() for file in files):
            return folder
    return None


def file_content(path: Path) -> bytes:
    """Return a file's bytes; of a .gz, what is packed in it.

    It is unpacked to its end, where gzip keeps a checksum: what is returned is what was packed.

    Raises:
        DamagedError: the file cannot be read or unpacked.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        remedy = "give yourself the right to read it, or delete it and load again"
        raise DamagedError(f"{path} cannot be read ({problem.strerror}): {remedy}") from None
    if path.suffix != ".gz":
        return content
    try:
        if not content:
            raise EOFError("it is empty")  # which gzip takes for nothing, packed
        return gzip.decompress(content)
    except Exception as problem:  # gzip and zlib have errors of many kinds
        raise DamagedError(f"{path} is damaged ({problem}): delete it and load again") from None
