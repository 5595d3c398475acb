"""Kernels that are reached through files instead of network ports, and that notice their end.

Ports on 127.0.0.1 are a shared resource: of kernels started side by side, now and then one gets a
port that another has just taken, and where the network is cut off there are none at all. A socket
in a folder of its own has neither problem. Windows has no such sockets, and keeps its ports.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any

from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbval.kernel import RunningKernel

from .budget import Budget, processor_seconds
from .variables import inherited_variables

GLANCE = 0.1  # seconds between two looks at whether the kernel still lives


class KernelDied(RuntimeError):
    """The kernel's process ended while a cell was running."""


def private_address(manager: Any) -> dict[str, str]:
    """Return the settings for sockets in a new folder, which goes away with ``manager``."""
    if os.name == "nt":
        return {}
    folder = tempfile.mkdtemp(prefix="kernel-")
    weakref.finalize(manager, shutil.rmtree, folder, ignore_errors=True)
    return {"transport": "ipc", "ip": os.path.join(folder, "socket")}


class FileKernelManager(KernelManager):
    """What nbval starts a kernel with.

    Args:
        variables: of the kernel's environment, beside those of this process.
        settings: of any kernel manager.
    """

    def __init__(self, variables: Mapping[str, str], **settings: Any) -> None:
        super().__init__(**private_address(self), **settings)
        self.variables = dict(variables)

    def start_kernel(self, **options: Any) -> Any:
        """Start the kernel with its variables."""
        variables = inherited_variables() | self.variables
        return super().start_kernel(**{"env": variables} | options)


class AsyncFileKernelManager(AsyncKernelManager):
    """What nbclient starts a kernel with."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**private_address(self), **settings)


class WatchedKernel(RunningKernel):
    """nbval's kernel, which also notices at once when its process ends.

    ``reply`` is the content of the last answer: its status tells whether the cell failed, also
    when the cell hid its error from the outputs.
    """

    reply: dict[str, Any] = {}

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Wait for the answer to a request and keep it.

        Raises:
            KernelDied: the process ended before it answered.
            queue.Empty: the time is over.
        """
        is_over = self.limit(timeout)
        while not is_over():
            alive = self.is_alive()  # asked first: an answer may come just before the end
            try:
                message = self.get_message("shell", timeout=GLANCE)
            except Empty:
                if not alive:
                    raise KernelDied("the kernel died while this cell was running") from None
                continue
            if message["parent_header"].get("msg_id") == msg_id:
                self.reply = message["content"]
                return
        raise Empty

    def limit(self, seconds: float | None) -> Callable[[], bool]:
        """Return a function that tells whether ``seconds`` are over from now on, by the clock."""
        end = time.monotonic() + (seconds if seconds is not None else float("inf"))
        return lambda: time.monotonic() >= end


class LectureKernel(WatchedKernel):
    """A watched kernel whose seconds are those of its own processor time."""

    budget: Budget | None = None

    def limit(self, seconds: float | None) -> Callable[[], bool]:
        """Return a function that tells whether the kernel has used ``seconds`` from now on."""
        if seconds is None:
            return super().limit(None)
        pid = self.km.provisioner.pid
        self.budget = Budget(seconds, lambda: processor_seconds(pid))
        return self.budget.is_over
