"""A training run in one file: written whole or not at all, and read without running its content."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

FORMAT = "course training run, version 1"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. The message names the file and the remedy."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} {problem}. Delete it to train from the start, or give another file name."
        )


def save_checkpoint(path: Path, settings: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a run. The file at ``path`` is the old one or the new one, never half of one.

    An interrupt while writing takes effect after the file is complete, so that it costs no epoch.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, "settings": settings, **state}
    try:
        _write(path, content)
    except KeyboardInterrupt:
        _write(path, content)
        raise


def _write(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the run at ``path``, with its tensors on the CPU.

    Raises:
        CheckpointError: the file is damaged, is no checkpoint, or belongs to a run with other
            ``settings``.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself does not look at the check sums
            broken = archive.testzip()
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes zipfile and torch raise almost anything
        raise CheckpointError(path, f"is damaged ({type(error).__name__})") from None
    if broken:
        raise CheckpointError(path, f"is damaged (check sum of {broken})")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(path, "is not a checkpoint written by fit")
    _compare(path, content["settings"], settings)
    return content


def _compare(path: Path, written: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [
        f"{name} {written.get(name)!r} there, {value!r} here"
        for name, value in wanted.items()
        if written.get(name) != value
    ]
    if different:
        raise CheckpointError(path, f"belongs to another run ({'; '.join(different)})")
