"""Zips that are the same bytes for the same content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from ...runtime import write_whole

BEGINNING = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
PLAIN, EXECUTABLE = 0o644, 0o755


def write_zip(to: Path, files: Iterable[tuple[str, bytes]], executable: Iterable[str] = ()) -> None:
    """Write files, by their names in the zip. An interrupt leaves the old one."""
    runs, content_of_zip = set(executable), io.BytesIO()
    with zipfile.ZipFile(content_of_zip, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, BEGINNING)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = (EXECUTABLE if name in runs else PLAIN) << 16
            archive.writestr(entry, content)
    write_whole(to, content_of_zip.getvalue())
