"""One notebook session: its profile, its set-up, progress bars, and what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import invalidate_caches
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from ..needed import Missing
from .device import cpu_threads, get_device, seed_everything, shift_seeds
from .threads import leave_busy_cores

if TYPE_CHECKING:
    import torch
    from tqdm.auto import tqdm

Choice = TypeVar("Choice")
PROFILES = ("quick", "full")


def profile() -> str:
    """Return the profile, ``"quick"`` or ``"full"``.

    ``COURSE_PROFILE`` decides if it is set. Otherwise a machine with an accelerator gets
    ``"full"`` (all the data, long training) and any other gets ``"quick"`` (about a minute for
    a notebook on two CPU cores).

    Raises:
        ValueError: ``COURSE_PROFILE`` is neither of the two.

    Example:
        >>> profile() in ("quick", "full")
        True
    """
    wanted = os.environ.get("COURSE_PROFILE")
    if not wanted:
        return "quick" if get_device().type == "cpu" else "full"
    if wanted not in PROFILES:
        raise ValueError(f"COURSE_PROFILE={wanted!r} is unknown. Set it to 'quick' or 'full'.")
    return wanted


def by_profile(*, quick: Choice, full: Choice) -> Choice:
    """Return the value for the current profile: the one place where the two profiles differ.

    Example:
        >>> by_profile(quick=2, full=90) == {"quick": 2, "full": 90}[profile()]
        True
    """
    return quick if profile() == "quick" else full


def in_colab() -> bool:
    """Return whether this is a kernel of Google Colab."""
    return "google.colab" in sys.modules


def setup(seed: int = 0) -> torch.device:
    """Start a notebook: choose device and threads, seed everything, and print what was chosen.

    Args:
        seed: of Python, NumPy and torch.

    Returns:
        The device, as ``get_device`` chooses it.

    Example:
        >>> device = setup(seed=0)  # doctest: +ELLIPSIS
        Device: ... | profile: ... | torch ...
    """
    import torch

    device = get_device()
    shift_seeds()
    seed_everything(seed)
    note = leave_busy_cores()
    name = f"cpu ({cpu_threads()}{note})" if device.type == "cpu" else str(device)
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
) -> tqdm:
    """Return a tqdm bar over ``iterable`` (or over ``total`` steps that you ``update``).

    The bar appears after one second and goes away when the work is done, so that short work
    shows nothing and a stored notebook keeps no trace of it. ``TQDM_DISABLE=1`` turns it off.

    Args:
        iterable: what to go through; None for a bar that is updated by hand.
        total: the number of steps, where ``iterable`` does not tell it.
        description: stands before the bar.
        unit: of one step; "B" counts bytes, in kB and MB.

    Example:
        >>> sum(progress([1, 2, 3], description="adding"))
        6
    """
    from tqdm.auto import tqdm as bar

    # In a notebook tqdm does not look at its own variable.
    disabled = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return bar(
        iterable,
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit == "B",
        leave=False,
        delay=1,
        disable=disabled,
    )


def need(package: str) -> None:
    """Make sure of a package that Colab may lack, or that is optional. Colab installs it.

    Args:
        package: its name for pip; that for ``import`` has underscores in place of hyphens.

    Raises:
        Missing: it is not installed; in a notebook this shows as one line, with the remedy.

    Example:
        >>> need("torch")  # it is here: nothing happens
    """
    module = package.replace("-", "_")
    if find_spec(module) is None and in_colab():
        command = [sys.executable, "-m", "pip", "install", "--quiet", package]
        subprocess.run(command, capture_output=True)
        invalidate_caches()
    if find_spec(module) is None:
        raise Missing(f"This lecture needs {package}. To get it, run: %pip install {package}")
