"""Where data sets may lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..runtime import cache_dir


def search_folders(*names: str) -> list[Path]:
    """Return the folders to look in, best first: COURSE_DATA, in it the folders with these names,
    and the same in the cache.

    Raises ValueError when COURSE_DATA is set to something that is not a folder.
    """
    roots = [cache_dir()]
    given = os.environ.get("COURSE_DATA")
    if given:
        if not Path(given).is_dir():
            raise ValueError(f"COURSE_DATA={given!r} is not a folder: correct it or unset it")
        roots.insert(0, Path(given))
    return [folder for root in roots for folder in (root, *(root / name for name in names))]


def first_with(folders: Iterable[Path], files: Iterable[str]) -> Path | None:
    """Return the first folder that has all these files, or None."""
    files = list(files)
    for folder in folders:
        if all((folder / file).is_file() for file in files):
            return folder
    return None
