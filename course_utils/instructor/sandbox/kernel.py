"""A kernel for untrusted code, as the grader sees it: whatever a cell does, ``run`` comes back."""

from __future__ import annotations

import json
import secrets
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ...exercises.core import Case, Outcome
from ...exercises.wire import decode, encode
from .settings import DIED, GB, TIMEOUT
from .usage import GLANCE, Meter, Reading

MAX_ANSWER = 8_000_000  # bytes of all that a kernel sends for one request
FAR = 20  # a request ends after this many times its seconds by the clock, whatever was the reason
START_SECONDS = 120
BROKEN = "it broke the connection"
PART = 1 << 18


class Lost(RuntimeError):
    """The kernel is no more: it died or was ended.

    ``status`` says which: DIED or TIMEOUT; ``seconds`` how many it has used for the request.
    """

    def __init__(self, status: str, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.status, self.seconds = status, seconds


class Incomplete(RuntimeError):
    """The answer ended, but its results did not all come, one after the other.

    That is no fault of the answer. The kernel is ended, and a new one has to run it again.
    """

    def __init__(self) -> None:
        super().__init__("its results did not all come")
        self.seconds = 0.0


@dataclass(frozen=True)
class Reply:
    """How a request ended, as the kernel says. A hostile kernel may say anything."""

    status: str
    ename: str = ""
    evalue: str = ""
    seconds: float = 0.0

    @property
    def error(self) -> str:
        """Return the error in one line, empty if there was none."""
        if self.status == "ok":
            return ""
        return " ".join(f"{self.ename}: {self.evalue}".split())[:500]


class Process(Protocol):
    """The process of a kernel, as the sandbox or the system has started it."""

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""

    def read(self) -> Reading:
        """Return what the kernel's processes use."""

    def end(self) -> None:
        """Kill the kernel and all its processes, and wait until they are gone."""


class Frames:
    """The bytes of one answer, taken apart as they come. Raises Lost for what no kernel sends."""

    def __init__(self) -> None:
        self.left, self.data = MAX_ANSWER, bytearray()

    def take(self, part: bytes) -> None:
        """Take some more bytes."""
        self.left -= len(part)
        self.data += part
        if self.left < 0 or int.from_bytes(self.data[:4], "big") > MAX_ANSWER:
            raise Lost(DIED, f"it sent more than {MAX_ANSWER / 10**6:g} MB")

    def pop(self) -> dict[str, Any] | None:
        """Return the next whole frame; None if there is none yet."""
        end = 4 + int.from_bytes(self.data[:4], "big")
        if len(self.data) < end:
            return None
        try:
            message = json.loads(bytes(self.data[4:end]))
        except (ValueError, RecursionError):
            message = None
        del self.data[:end]
        if type(message) is not dict:
            raise Lost(DIED, BROKEN)
        return message


class Kernel:
    """A kernel that answers one request after the other.

    Args:
        stream: the socket to it.
        process: its processes.
        memory: bytes that they may use.
        clock: tells the time.

    Raises:
        RuntimeError: it does not start. That is the grader's fault, not the student's.
    """

    def __init__(
        self,
        stream: socket.socket,
        process: Process,
        memory: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream, self.process, self.memory, self.clock = stream, process, memory, clock
        self.meter, self.is_stopped = Meter(process.read, clock), False
        stream.setblocking(False)
        try:
            problem = self._request(None, START_SECONDS, _no_case).error
        except Lost as lost:
            problem = str(lost)
        if problem:
            self.stop()
            raise RuntimeError(f"no kernel starts: {problem}")

    def is_alive(self) -> bool:
        """Return whether it can be asked."""
        return not self.is_stopped and self.process.is_alive()

    def stop(self) -> None:
        """End the kernel and all its processes."""
        if not self.is_stopped:
            self.is_stopped = True
            self.process.end()
            self.stream.close()

    def run(self, code: str, seconds: float) -> Reply:
        """Run a cell.

        Raises:
            Lost: it took longer than ``seconds``, ended the kernel or used too much. The kernel is
                then stopped.
        """
        return self._request({"code": code}, seconds, _no_case)

    def run_exercise(
        self,
        exercise_id: str,
        answer: str,
        cases: list[Case],
        seconds: float,
        take: Callable[[Outcome], None],
    ) -> Reply:
        """Run the cases of an exercise on the value of ``answer``, an expression.

        ``take`` gets what came of each case, in their order.

        Raises:
            Lost: as for a cell.
            Incomplete: not all came of them; the kernel is then stopped.
        """
        awaited = list(range(len(cases)))

        def on_frame(message: dict[str, Any]) -> None:
            if message.get("status") == "ok" and awaited:
                raise Incomplete
            if "status" not in message:
                place = message.get("case")
                if not awaited or place != awaited.pop(0) or type(place) is not int:
                    raise Lost(DIED, BROKEN)  # on one stream nothing overtakes
                take(_outcome(message))

        request = {"exercise": exercise_id, "answer": answer, "cases": encode(cases)}
        return self._request(request, seconds, on_frame)

    def _request(
        self,
        request: dict[str, Any] | None,
        seconds: float,
        on_frame: Callable[[dict[str, Any]], None],
    ) -> Reply:
        """Follow what comes after a request until the frame that ends it. A start needs none."""
        number = secrets.token_hex(8) if request else ""
        before = self.meter.begin()
        try:
            for message in self._frames({"id": number} | request if request else None, seconds):
                if message.get("id") != number:
                    raise Lost(DIED, BROKEN)
                on_frame(message)
                if "status" in message:
                    self.meter.glance(has_answered=True)
                    return _reply(message, self.meter.seconds - before)
            raise Lost(DIED, "it ended the kernel")
        except (Lost, Incomplete) as problem:
            self.stop()
            problem.seconds = self.meter.seconds - before
            raise

    def _frames(self, request: dict[str, Any] | None, seconds: float) -> Iterator[dict[str, Any]]:
        """Send a request and yield what comes, until the kernel's end."""
        waiting, frames, is_open = memoryview(_frame(request) if request else b""), Frames(), True
        before, began = self.meter.seconds, self.clock()
        looked = began
        with selectors.DefaultSelector() as selector:
            selector.register(self.stream, selectors.EVENT_READ)
            while is_open:
                write = selectors.EVENT_WRITE if waiting else 0
                selector.modify(self.stream, selectors.EVENT_READ | write)
                selector.select(GLANCE)
                waiting = waiting[self._send(waiting) :]
                is_open = self._receive(frames)
                yield from iter(frames.pop, None)
                if (now := self.clock()) >= looked + GLANCE:
                    looked = now
                    self._look()
                    if self.meter.seconds > before + seconds or now > began + FAR * seconds:
                        raise Lost(TIMEOUT, f"it took more than {seconds:.0f} seconds")

    def _send(self, data: memoryview) -> int:
        with suppress(OSError):  # it is full, or closed: then nothing comes from it either
            return self.stream.send(data[:PART])
        return 0

    def _receive(self, frames: Frames) -> bool:
        """Take what has come. Return whether more can come."""
        try:
            part = self.stream.recv(PART)
        except BlockingIOError:
            return True
        except OSError:
            return False
        frames.take(part)
        return bool(part)

    def _look(self) -> None:
        """Raise Lost if the kernel uses too much or is no more."""
        if self.meter.glance().memory > self.memory:
            raise Lost(DIED, f"it used more than {self.memory / GB:.1f} GB of memory")
        if not self.process.is_alive():
            raise Lost(DIED, "it ended the kernel")


def _no_case(message: dict[str, Any]) -> None:
    if "status" not in message:
        raise Lost(DIED, BROKEN)


def _frame(message: dict[str, Any]) -> bytes:
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def _reply(message: dict[str, Any], seconds: float) -> Reply:
    """Return the reply in a frame, which may hold anything."""
    status = "ok" if message["status"] == "ok" else "error"
    return Reply(status, _text(message.get("ename"), 100), _text(message.get("evalue")), seconds)


def _outcome(message: dict[str, Any]) -> Outcome:
    """Return the outcome in a frame, which may hold anything."""
    if message.get("unsolved") is True:
        return Outcome(unsolved=True)
    if error := _text(message.get("error"), 500):
        return Outcome(error=error)
    try:
        return Outcome(result=decode(message.get("result")))
    except ValueError as problem:
        return Outcome(error=f"its result cannot be read: {problem}")


def _text(value: Any, length: int = 1000) -> str:
    """Return a text that can be stored; empty for anything else."""
    return value[:length].encode("utf-8", "replace").decode() if isinstance(value, str) else ""
