"""What a command does when the system asks it to end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Take SIGTERM (``kill``, ``timeout``, a job that is cancelled) for Ctrl+C.

    Python would end at once; so its children would go on, and temporary folders would stay.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
