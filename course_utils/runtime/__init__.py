"""Where a notebook runs: device, seeds, profile, progress, and what is wrong with the machine."""

from .device import Timer, get_device, machine, seed_everything, synchronize
from .session import by_profile, cache_dir, claim, profile, progress, project_root, setup

__all__ = [
    "Timer",
    "by_profile",
    "cache_dir",
    "claim",
    "get_device",
    "machine",
    "profile",
    "progress",
    "project_root",
    "seed_everything",
    "setup",
    "synchronize",
]
