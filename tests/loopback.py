"""For tests with a server of their own on this machine."""

import socket

import pytest


def skip_without_loopback(port: int) -> None:
    """In a network namespace of its own (unshare -n) a process may not even reach itself."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError as problem:
        pytest.skip(f"127.0.0.1 cannot be reached here: {problem}")
