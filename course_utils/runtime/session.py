"""One notebook session: its folders, its profile, its set-up, progress bars and claims."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .device import cpu_threads, get_device, seed_everything

if TYPE_CHECKING:
    import torch

Choice = TypeVar("Choice")
PROFILES = ("quick", "full")


def project_root() -> Path:
    """Return the folder that holds ``notebooks``, ``course_utils`` and ``data``."""
    return Path(__file__).resolve().parents[2]


def cache_dir() -> Path:
    """Return the folder for downloads: ``COURSE_CACHE``, or ``data/cache`` in the course."""
    given = os.environ.get("COURSE_CACHE")
    return Path(given).expanduser() if given else project_root() / "data" / "cache"


def profile() -> str:
    """Return the profile, ``"quick"`` or ``"full"``.

    ``COURSE_PROFILE`` decides if it is set. Otherwise a machine with an accelerator gets
    ``"full"`` (all the data, long training) and any other gets ``"quick"`` (about a minute for
    a notebook on two CPU cores).

    Raises:
        ValueError: ``COURSE_PROFILE`` is neither of the two.
    """
    wanted = os.environ.get("COURSE_PROFILE")
    if not wanted:
        return "quick" if get_device().type == "cpu" else "full"
    if wanted not in PROFILES:
        raise ValueError(f"COURSE_PROFILE={wanted!r} is unknown. Set it to 'quick' or 'full'.")
    return wanted


def by_profile(*, quick: Choice, full: Choice) -> Choice:
    """Return the value for the current profile: the one place where the two profiles differ."""
    return quick if profile() == "quick" else full


def in_colab() -> bool:
    """Return whether this is a kernel of Google Colab."""
    return "google.colab" in sys.modules


def setup(seed: int = 0) -> torch.device:
    """Start a notebook: choose the device, seed everything, and print what was chosen."""
    import torch

    device = get_device()
    seed_everything(seed)
    name = f"cpu ({cpu_threads()})" if device.type == "cpu" else str(device)
    print(f"Device: {name} | profile: {profile()} | torch {torch.__version__}")
    if device.type == "cpu" and in_colab():
        print("No GPU is on. To use one: Runtime > Change runtime type > T4 GPU, then run again.")
        print("Without it, the quick profile runs every cell on a smaller sample.")
    return device


def progress(
    iterable: Iterable | None = None,
    *,
    total: int | None = None,
    description: str = "",
    unit: str = "step",
) -> Any:
    """Return a tqdm bar over ``iterable`` (or over ``total`` steps that you ``update``).

    The bar appears after one second and goes away when the work is done, so that short work
    shows nothing and a stored notebook keeps no trace of it. ``TQDM_DISABLE=1`` turns it off.
    """
    from tqdm.auto import tqdm

    # In a notebook tqdm does not look at its own variable.
    disabled = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return tqdm(
        iterable,
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit == "B",
        leave=False,
        delay=1,
        disable=disabled,
    )


class Missing(ImportError):
    """A package that one lecture needs is not installed. In a notebook it shows as one line."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def need(package: str) -> None:
    """Make sure of a package that Colab may lack, or that is optional. Colab installs it.

    Raises:
        Missing: it is not installed; in a notebook this shows as one line, with the remedy.
    """
    if find_spec(package) is None and in_colab():
        command = [sys.executable, "-m", "pip", "install", "--quiet", package]
        subprocess.run(command, capture_output=True)
        invalidate_caches()
    if find_spec(package) is None:
        raise Missing(f"This lecture needs {package}. To get it, run: %pip install {package}")


def claim(text: str, holds: bool) -> None:
    """Print whether a statement about a result holds.

    A result of training differs a little from machine to machine. A statement about it, with a
    margin, does not. So a notebook states what must hold, and its test compares that line.
    """
    print(f"✓ {text}" if holds else f"✗ does not hold: {text}")
