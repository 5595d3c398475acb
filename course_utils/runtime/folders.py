"""Where the course and its downloads lie."""

from __future__ import annotations

import os
from pathlib import Path


def project_root() -> Path:
    """Return the folder that holds ``notebooks``, ``course_utils`` and ``data``.

    Example:
        >>> (project_root() / "data").is_dir()
        True
    """
    return Path(__file__).resolve().parents[2]


def cache_dir() -> Path:
    """Return the folder for downloads: ``COURSE_CACHE``, or ``data/cache`` in the course."""
    given = os.environ.get("COURSE_CACHE")
    return Path(given).expanduser() if given else project_root() / "data" / "cache"
