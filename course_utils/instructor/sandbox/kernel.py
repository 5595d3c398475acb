"""nbval's kernel for untrusted code: whatever a cell does, ``run`` comes back in time."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from ...testing.kernel import GLANCE, WatchedKernel
from .memory import memory_of
from .sandbox import Sandbox, student_variables
from .settings import DIED, GB, TIMEOUT, Fence

MAX_OUTPUT = 20_000_000  # bytes that one cell may send
MAX_MESSAGE = 16_000_000  # bytes of one message from a kernel
KEEP_ALIVE = "get_ipython().ask_exit = lambda: None"  # quit() would end it some time later
LAST_OUTPUTS = 2.0  # seconds to wait for outputs after a cell has answered
Display = Callable[[dict[str, Any]], None]


class Lost(RuntimeError):
    """The kernel is no more: it died or was ended. ``status`` says which: DIED or TIMEOUT."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Reply:
    """How a cell ended, as the kernel says. A hostile kernel may say anything."""

    status: str = ""
    ename: str = ""
    evalue: str = ""
    is_idle: bool = False
    answered: float = 0.0
    received: int = field(default=0, repr=False)

    @property
    def error(self) -> str:
        """Return the error in one line, empty if there was none."""
        return "" if self.status == "ok" else f"{self.ename}: {self.evalue}"[:500]


class Process(Protocol):
    """The process of a kernel, as the sandbox or the system has started it."""

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""

    def overuse(self) -> str | None:
        """Return what the kernel's processes use too much of; None if they keep their limits."""

    def end(self) -> None:
        """Kill the kernel and all its processes."""


class BoundedClient(BlockingKernelClient):
    """A client that does not take a message of any size from a kernel.

    It asks the process whether the kernel lives: heartbeats are late on a busy machine.
    """

    process: Process

    def _context_default(self) -> zmq.Context:
        context = super()._context_default()
        context.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)  # of every socket that it makes
        return context

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""
        return self.process.is_alive()


class OpenProcess:
    """A kernel that is not fenced in: an ordinary process of the grader's own user."""

    def __init__(self, fence: Fence, connection_file: Path) -> None:
        self.memory = fence.memory
        variables = student_variables(fence) | {"JPY_PARENT_PID": str(os.getpid())}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", str(connection_file)],
            env=variables,
            cwd=fence.exchange,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""
        return self.process.poll() is None

    def overuse(self) -> str | None:
        """Return what the kernel's processes use too much of; None if they keep their limits."""
        if memory_of(self.process.pid, self.memory) > self.memory:
            return f"more than {self.memory / GB:.1f} GB of memory"
        return None

    def end(self) -> None:
        """Kill the kernel and the processes that it started."""
        try:
            if os.name == "nt":
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class FencedKernel(WatchedKernel):
    """A kernel behind a fence, or without one where ``sandbox`` is None.

    Raises RuntimeError when it does not start: that is the grader's fault, not the student's.
    """

    def __init__(self, fence: Fence, sandbox: Sandbox | None, startup_timeout: float = 300) -> None:
        parent = sandbox.folder if sandbox else fence.exchange
        self.folder = Path(tempfile.mkdtemp(prefix="kernel-", dir=parent))
        name, key = str(self.folder / "connection.json"), secrets.token_hex(32).encode()
        if os.name == "nt":
            file, _ = write_connection_file(name, key=key)
        else:
            address = str(self.folder / "socket")
            file, _ = write_connection_file(name, key=key, transport="ipc", ip=address)
        path = Path(file)
        self.process: Process = sandbox.start(path) if sandbox else OpenProcess(fence, path)
        self.kc = BoundedClient(connection_file=file)
        self.kc.process = self.process
        self.kc.load_connection_file()
        self.kc.start_channels()
        try:
            self.kc.wait_for_ready(timeout=startup_timeout)
            self._ensure_iopub_up()
            self.run(KEEP_ALIVE, startup_timeout)
        except Exception:
            self.stop()
            raise

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""
        return self.process.is_alive()

    def stop(self) -> None:
        """End the kernel and all its processes."""
        self.kc.stop_channels()
        self.process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, code: str, seconds: float, on_display: Display = lambda data: None) -> Reply:
        """Run a cell; ``on_display`` gets the data of each display message as it comes.

        Raises:
            Lost: the cell took longer than ``seconds``, ended the kernel or used too much. The
                kernel is then stopped.
        """
        request = self.execute_cell_input(code, allow_stdin=False)
        try:
            return self._follow(request, time.monotonic() + seconds, seconds, on_display)
        except Lost:
            self.stop()
            raise
        except Exception as problem:  # messages that are none: only student code sends such
            self.stop()
            raise Lost(DIED, f"it broke the connection ({type(problem).__name__})") from None

    def _follow(self, request: str, end: float, seconds: float, on_display: Display) -> Reply:
        channels = {c.socket: c for c in (self.kc.shell_channel, self.kc.iopub_channel)}
        poller = zmq.Poller()
        for socket in channels:
            poller.register(socket, zmq.POLLIN)
        reply, glance = Reply(), 0.0
        while not reply.is_idle or not reply.status:
            now = time.monotonic()
            if reply.status and now > reply.answered + LAST_OUTPUTS:
                break
            if now > glance:
                self._look(reply, seconds, is_late=now > end)
                glance = now + GLANCE
            for socket, _ in poller.poll(int(1000 * GLANCE)):
                self._take(channels[socket], request, reply, on_display)
        return reply

    def _look(self, reply: Reply, seconds: float, is_late: bool) -> None:
        """Raise Lost if the kernel may not go on."""
        if is_late:
            raise Lost(TIMEOUT, f"it took more than {seconds:.0f} seconds")
        if overuse := self.process.overuse():
            raise Lost(DIED, f"it used {overuse}")
        if reply.received > MAX_OUTPUT:
            raise Lost(DIED, f"it printed more than {MAX_OUTPUT // 10**6} MB")
        if not self.is_alive() and not self.kc.shell_channel.msg_ready():
            raise Lost(DIED, "it ended the kernel")

    def _take(self, channel: Any, request: str, reply: Reply, on_display: Display) -> None:
        """Take one message; those of other requests only count."""
        frames = channel.socket.recv_multipart()
        reply.received += sum(map(len, frames))
        message = self.kc.session.deserialize(self.kc.session.feed_identities(frames)[1])
        if message["parent_header"].get("msg_id") != request:
            return
        content = message["content"]
        if channel is self.kc.shell_channel:
            reply.answered = time.monotonic()
            reply.status = str(content["status"])
            reply.ename = str(content.get("ename", ""))[:100]
            reply.evalue = str(content.get("evalue", ""))[:1000]
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            reply.is_idle = True
        elif message["msg_type"] == "display_data":
            on_display(content["data"])
