"""The processes of a kernel: behind the fence, or without one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from .usage import Reading, Usage


def is_open(connection: socket.socket) -> bool:
    """Return whether somebody holds the other end of a connection on which nothing is sent."""
    try:
        connection.setblocking(False)
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


class FencedProcess:
    """A kernel in a sandbox. It lives as long as this end of its life line.

    The end belongs to the process that started the kernel, and to no other: however that ends,
    the kernel ends, too.
    """

    def __init__(self, life_line: socket.socket, usage: Usage) -> None:
        self.life_line, self.usage = life_line, usage

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""
        return is_open(self.life_line)

    def read(self) -> Reading:
        """Return what the kernel's processes use."""
        return self.usage.read()

    def end(self) -> None:
        """Kill the kernel and all its processes, and wait until they are gone."""
        with suppress(OSError):
            self.life_line.settimeout(10)
            self.life_line.shutdown(socket.SHUT_WR)
            self.life_line.recv(1)
        self.life_line.close()


class OpenProcess:
    """A kernel that is not fenced in: an ordinary process of the grader's own user."""

    def __init__(self, variables: dict[str, str], home: str, memory: int) -> None:
        self.stream, theirs = socket.socketpair()
        command = [sys.executable, "-m", "course_utils.exercises.student_kernel"]
        with theirs:
            self.process = subprocess.Popen(
                command,
                env=variables,
                cwd=home,
                stdin=subprocess.PIPE if sys.platform == "win32" else theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if sys.platform == "win32":
                assert self.process.stdin is not None
                with self.process.stdin as pipe:
                    pipe.write(theirs.share(self.process.pid))
        self.usage = Usage(self.process.pid, memory)

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""
        return self.process.poll() is None

    def read(self) -> Reading:
        """Return what the kernel's processes use."""
        return self.usage.read()

    def end(self) -> None:
        """Kill the kernel and the processes that it started."""
        if sys.platform == "win32":
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
