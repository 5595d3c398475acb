"""What a kernel needs: the first cell of a lecture asks this, and shows in one line what lacks.

A kernel can be one that the course knows nothing of: this module runs in older Pythons, too, and
where nothing is installed.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

OLDEST_PYTHON, OLDEST_TORCH = (3, 10), (2, 6)
# Names for import. Others are asked for where a lecture needs them (`course_utils.runtime.need`).
MODULES = (
    *("torch", "torchvision", "numpy", "matplotlib", "PIL", "scipy", "sklearn"),
    *("safetensors", "filelock", "psutil", "tqdm", "certifi", "ipywidgets"),
)
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}  # where pip knows a module by another name


class Missing(ImportError):
    """A package is not installed, or too old. In a notebook it shows as one line."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def ensure() -> None:
    """Make sure that the lectures can run in this Python.

    Raises:
        Missing: they cannot; in a notebook this shows as one line, with the remedy.
    """
    if found := problem():
        raise Missing(found)


def problem() -> str:
    """Return what keeps the lectures from running in this Python, with the remedy; "" if nothing.

    Example:
        >>> problem()
        ''
    """
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        return f"This kernel has Python {found}, the course needs 3.10 or newer: {remedy()}."
    missing = [PACKAGES.get(name, name) for name in MODULES if find_spec(name) is None]
    if missing:
        install = f"run %pip install {' '.join(missing)}"
        return f"This kernel lacks {', '.join(missing)}: {remedy()}, or {install}"
    try:
        found = version("torch")
    except PackageNotFoundError:  # it was not installed by pip or conda
        return ""
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST_TORCH:
        install = "run %pip install --upgrade torch torchvision, and restart the kernel"
        return f"This kernel has torch {found}, the course needs 2.6 or newer: {install}"
    return ""


def remedy() -> str:
    """Return which kernel to take: that of the course's own environment, where there is one."""
    own = Path(__file__).parents[1] / ".venv"
    return f"choose the kernel of {own}" if own.is_dir() else "choose another kernel"
