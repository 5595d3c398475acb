"""A training run in one file: written whole or not at all, and read without running its content."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from .facts import Facts
from .identity import differences

FORMAT = "course training run, version 2"
MOST_DIFFERENCES = 3  # that a message names


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. The message names the file and the remedy."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} {problem}. Delete it to train from the start, or give another file name."
        )


class Checkpoint:
    """The file of one run. It knows its run by its facts; see `identity`."""

    def __init__(self, path: Path, identity: Facts) -> None:
        self.path, self.identity = path, identity

    def save(self, state: dict[str, Any]) -> None:
        """Write the run. The file is the old one or the new one, never half of one.

        An interrupt while writing takes effect after the file is complete, so that it costs no
        epoch.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {"format": FORMAT, "identity": self.identity, **state}
        try:
            self._write(content)
        except KeyboardInterrupt:
            self._write(content)
            raise

    def _write(self, content: dict[str, Any]) -> None:
        # Always of one name: what a killed process has left is written over, and fills no disk.
        temporary = self.path.with_name(self.path.name + ".part")
        try:
            with temporary.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """Return the state of the run, with its tensors on the CPU; None if there is no file.

        Raises:
            CheckpointError: the file is damaged, is no checkpoint, or belongs to another run.
        """
        if not self.path.exists():
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch does not look at the check sums
                broken = archive.testzip()
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file makes zipfile and torch raise almost anything
            raise CheckpointError(self.path, f"is damaged ({type(error).__name__})") from None
        if broken:
            raise CheckpointError(self.path, f"is damaged (check sum of {broken})")
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointError(
                self.path, "is not a checkpoint written by fit, or by another version of it"
            )
        if different := differences(content["identity"], self.identity):
            named, left = different[:MOST_DIFFERENCES], len(different) - MOST_DIFFERENCES
            named += [f"and {left} more"] if left > 0 else []
            raise CheckpointError(self.path, f"belongs to another run ({'; '.join(named)})")
        return content
