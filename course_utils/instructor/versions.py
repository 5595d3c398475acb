"""Which version of a lecture a notebook is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ..lectures import FETCHED_FROM


def lecture_version(notebook: Mapping[str, Any]) -> str:
    """Return a short mark of a lecture that changes with its code, but not with answers.

    A release has the mark of its source: from where its set-up cell fetches does not count.
    """
    parts = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            graded = cell["metadata"].get("nbgrader", {})
            source = "" if graded.get("solution") else FETCHED_FROM.sub("", cell["source"])
            parts.append((cell.get("id"), graded.get("grade_id"), source.strip()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
