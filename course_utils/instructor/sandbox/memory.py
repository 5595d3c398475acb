"""How much memory a process and its descendants use."""

from __future__ import annotations

import psutil


def memory_of(pid: int, enough: int) -> int:
    """Return the bytes that a process and its descendants use.

    Pages that forked processes share count once. That takes long to find out, so it is done only
    where a plain sum, in which they count for each, is above ``enough``.
    """
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        return 0
    total = sum(_bytes(process) for process in processes)
    return total if total <= enough else sum(_bytes(process, shared=True) for process in processes)


def _bytes(process: psutil.Process, shared: bool = False) -> int:
    try:
        if shared:
            full = process.memory_full_info()
            return getattr(full, "pss", full.uss)
        return process.memory_info().rss
    except psutil.Error:  # it has just ended
        return 0
