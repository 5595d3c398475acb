"""Where a notebook runs: device, seeds, profile, progress, and what is wrong with the machine."""

from .device import Timer, get_device, machine, release_memory, seed_everything, synchronize
from .files import write_whole
from .session import (
    Missing,
    by_profile,
    cache_dir,
    claim,
    need,
    profile,
    progress,
    project_root,
    setup,
)

__all__ = [
    "Missing",
    "Timer",
    "by_profile",
    "cache_dir",
    "claim",
    "get_device",
    "machine",
    "need",
    "profile",
    "progress",
    "project_root",
    "release_memory",
    "seed_everything",
    "setup",
    "synchronize",
    "write_whole",
]
