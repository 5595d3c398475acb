"""The kernel that student code runs in: it serves the grader's requests on one socket.

A copy stands in the kernel's view of the course, as ``course_utils.exercises.student_kernel``. It
shares a process with student code, so nothing that it says is believed: results are judged
outside. Cells run as in a notebook, but what they print and draw is shown nowhere.

Both sides send frames: four bytes with the length, then JSON. The grader asks one thing at a time:
``{"id", "code"}`` or ``{"id", "exercise", "answer", "cases"}``. An exercise is answered with one
frame for each case; a frame with a status ends every answer. The first frame of all only says
that the kernel is ready.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell

from course_utils.exercises import get_exercise
from course_utils.exercises.core import Outcome, outcome_of
from course_utils.exercises.wire import MAX_BYTES, decode, encode

from .missing_gpu import make_up_for_gpu

Send = Callable[[dict[str, Any]], None]


class Nowhere(io.TextIOWrapper):
    """The output of student code: nobody reads it, and closing it breaks no later cell."""

    def write(self, text: str) -> int:
        """Take a text."""
        return len(text)

    def close(self) -> None:
        """Stay open."""


class Shell(InteractiveShell):
    """A notebook's shell that shows nothing, asks nobody and does not end."""

    system = InteractiveShell.system_raw  # without a terminal

    def init_history(self) -> None:
        """Remember cells, but in no file."""
        self.history_manager = HistoryManager(shell=self, parent=self, enabled=False)

    def ask_exit(self) -> None:
        """Go on after ``quit()``."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Leave windows alone: there is no screen."""

    def showtraceback(self, *arguments: Any, **options: Any) -> None:
        """Show nothing: the error is in the reply."""


def make_shell() -> Shell:
    """Return the shell of this process."""
    shell = Shell.instance()
    if shell.display_formatter is not None:
        shell.display_formatter.active_types = ["text/plain"]  # nobody sees the figures
        shell.display_formatter.mimebundle_formatter.enabled = False  # nor those of the course
    return shell


def serve(stream: socket.socket, shell: Shell) -> None:
    """Be silent, and answer requests until the other side closes the socket."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    sys.argv = [""]
    sys.path.append("")  # modules that a notebook writes; after all others, to replace none
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (Nowhere(os.fdopen(n, "wb", closefd=False), "utf-8") for n in (1, 2))
    asyncio.run(_serve(stream, shell))


async def _serve(stream: socket.socket, shell: Shell) -> None:
    send_frame(stream, {"id": "", "status": "ok"})
    while request := await receive(stream):

        def send(message: dict[str, Any], number: str = request["id"]) -> None:
            send_frame(stream, {"id": number} | message)

        stream.setblocking(True)
        if "code" in request:
            error = await run_cell(shell, request["code"])
        else:
            error = run_exercise(shell.user_ns, request, send)
        send(_end(error))


def send_frame(stream: socket.socket, message: dict[str, Any]) -> None:
    """Send one frame."""
    data = json.dumps(message).encode()
    stream.sendall(len(data).to_bytes(4, "big") + data)


async def receive(stream: socket.socket) -> dict[str, Any] | None:
    """Return the next request, None at the end. Tasks of earlier cells go on meanwhile."""
    stream.setblocking(False)
    loop, data, length = asyncio.get_running_loop(), bytearray(), 4
    while len(data) < length:
        part = await loop.sock_recv(stream, length - len(data))
        if not part:
            return None
        data += part
        if len(data) == 4 == length:
            length += int.from_bytes(data, "big")
    return json.loads(data[4:])


async def run_cell(shell: Shell, code: str) -> BaseException | None:
    """Run a cell and return the error that it stopped with."""
    make_up_for_gpu(code)
    transformed, failed = code, None
    try:
        transformed = shell.transform_cell(code)
    except Exception:
        failed = sys.exc_info()
    try:
        result = await shell.run_cell_async(
            code, store_history=True, transformed_cell=transformed, preprocessing_exc_tuple=failed
        )
    except BaseException as error:  # student code has broken the shell itself
        return error
    shell.events.trigger("post_execute")
    shell.events.trigger("post_run_cell", result)
    return result.error_before_exec or result.error_in_exec


def run_exercise(
    namespace: dict[str, Any], request: dict[str, Any], send: Send
) -> BaseException | None:
    """Run an exercise's cases and send what came of each as it is finished.

    Returns the error of the answer itself, or one that no answer may raise.
    """
    try:
        exercise, sent = get_exercise(request["exercise"]), 0
        cases = decode(request["cases"], limit=None)
        answer = eval(request["answer"], namespace)
        for number, case in enumerate(cases):
            if sent <= MAX_BYTES:
                outcome = _message(outcome_of(exercise, answer, case))
                sent += len(json.dumps(outcome))
            if sent > MAX_BYTES:
                outcome = {"error": f"its results have more than {MAX_BYTES // 10**6} MB"}
            send({"case": number} | outcome)
    except BaseException as error:
        return error
    return None


def _message(outcome: Outcome) -> dict[str, Any]:
    if outcome.unsolved:
        return {"unsolved": True}
    if outcome.error:
        return {"error": outcome.error[:500].encode("utf-8", "replace").decode()}
    try:
        return {"result": encode(outcome.result)}
    except Exception as problem:  # student code can have changed torch: it costs this case only
        return {"error": f"a result that cannot be sent: {problem}"}


def _end(error: BaseException | None) -> dict[str, str]:
    if error is None:
        return {"status": "ok"}
    end = {"status": "error", "ename": type(error).__name__[:100], "evalue": ""}
    with suppress(Exception):  # an error class can be broken itself
        end["evalue"] = str(error)[:1000]
    return end


if __name__ == "__main__":  # a kernel of its own, whose standard input is the socket
    if sys.platform == "win32":
        serve(socket.fromshare(sys.stdin.buffer.read()), make_shell())
    else:
        serve(socket.socket(fileno=os.dup(0)), make_shell())
