"""Where one process grades: its sandbox, in which kernels start one after the other."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .processes import OpenProcess
from .sandbox import Sandbox
from .settings import Fence
from .view import student_variables

if TYPE_CHECKING:
    from .kernel import Kernel


class Kernels:
    """Starts kernels behind a fence, or without one where the fence says so.

    One at a time: what runs in the sandbox counts as the kernel's. A process that is forked from
    the one that has prepared the sandbox can start kernels in it, too.
    """

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.sandbox: Sandbox | None = None
        self.imports: tuple[str, ...] = ()  # what a sandbox imports before kernels start
        self.home = ""  # of kernels without a fence
        self.is_closed = False
        self.lock = threading.Lock()  # a worker of a cluster is closed from another thread

    def prepare(self, imports: Iterable[str] = ()) -> None:
        """Start the sandbox if it does not run. Raises RuntimeError if that fails.

        imports: what the lecture imports, once for all kernels to come; by default what the last
            one did.
        """
        with self.lock:
            self.imports = tuple(imports) or self.imports
            if self.is_closed:
                raise RuntimeError("the grading was stopped")
            if not self.fence.sandbox:
                self.home = self.home or tempfile.mkdtemp(prefix="kernels-")
                return
            if self.sandbox is None or not self.sandbox.is_alive():
                self._end_sandbox()
                self.sandbox = Sandbox(self.fence)
            self.sandbox.prepare(self.imports)

    def start(self) -> Kernel:
        """Start a kernel. Raises RuntimeError if that fails."""
        from .kernel import Kernel  # it needs torch: a sandbox can start without it

        self.prepare()
        memory = self.fence.processes_memory
        if self.sandbox is not None:
            stream, process = self.sandbox.start()
            return Kernel(stream, process, memory)
        bare = OpenProcess(student_variables(self.fence, self.home), self.home, memory)
        return Kernel(bare.stream, bare, memory)

    def is_alive(self) -> bool:
        """Return whether there is nothing to start again before the next kernel."""
        return self.sandbox is None or self.sandbox.is_alive()

    def sweep(self) -> None:
        """End what is left of earlier kernels; where that fails, end the whole sandbox."""
        with self.lock:
            if self.sandbox is not None and not self.sandbox.sweep():
                self._end_sandbox()

    def close(self) -> None:
        """End everything."""
        with self.lock:
            self.is_closed = True
            self._end_sandbox()
        if self.home:
            shutil.rmtree(self.home, ignore_errors=True)

    def _end_sandbox(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()
            self.sandbox = None
