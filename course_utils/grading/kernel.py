"""nbval's kernel for untrusted code: whatever a cell does, ``run`` comes back in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from ..testing.kernel import GLANCE, WatchedKernel
from .results import DIED, TIMEOUT
from .sandbox import Fence, FencedKernelManager

MAX_OUTPUT = 20_000_000  # bytes that one cell may send
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


class FencedKernel(WatchedKernel):
    """A kernel behind a fence.

    Raises RuntimeError when it does not start: that is the grader's fault, not the student's.
    """

    def __init__(self, fence: Fence, threads: int, startup_timeout: float = 60) -> None:
        self.km = FencedKernelManager(fence, threads)
        self.km.start_kernel()
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            self.kc.wait_for_ready(timeout=startup_timeout)
            self._ensure_iopub_up()
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """End the kernel and all its processes."""
        self.kc.stop_channels()
        self.km.end()

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
            for socket, _ in poller.poll(1000 * GLANCE):
                self._take(channels[socket], request, reply, on_display)
        return reply

    def _look(self, reply: Reply, seconds: float, is_late: bool) -> None:
        """Raise Lost if the kernel may not go on."""
        if is_late:
            raise Lost(TIMEOUT, f"it took more than {seconds:.0f} seconds")
        if overuse := self.km.overuse():
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
