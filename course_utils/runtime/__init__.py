"""Where a notebook runs: device, seeds, profile, progress, and what is wrong with the machine."""

from ..needed import Missing
from .claims import claim
from .device import Timer, get_device, machine, release_memory, seed_everything, synchronize
from .files import write_whole
from .folders import cache_dir, project_root
from .session import by_profile, need, profile, progress, setup
from .trials import Runs, length, record, recording, run_seed, stored

__all__ = [
    "Missing",
    "Runs",
    "Timer",
    "by_profile",
    "cache_dir",
    "claim",
    "get_device",
    "length",
    "machine",
    "need",
    "profile",
    "progress",
    "project_root",
    "record",
    "recording",
    "release_memory",
    "run_seed",
    "seed_everything",
    "setup",
    "stored",
    "synchronize",
    "write_whole",
]
