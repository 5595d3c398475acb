"""Where one process grades: its sandbox, in which kernels start one after the other."""

from __future__ import annotations

import shutil
import threading

from .kernel import FencedKernel
from .sandbox import Sandbox
from .settings import Fence


class Kernels:
    """Starts kernels behind a fence; the sandbox starts with the first of them."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.sandbox: Sandbox | None = None
        self.is_closed = False
        self.lock = threading.Lock()  # a worker of a cluster is closed from another thread

    def start(self) -> FencedKernel:
        """Start a kernel. Raises RuntimeError if that fails."""
        with self.lock:
            if self.is_closed:
                raise RuntimeError("the grading was stopped")
            if self.fence.sandbox and (self.sandbox is None or not self.sandbox.is_alive):
                self.close_sandbox()
                self.sandbox = Sandbox(self.fence)
        return FencedKernel(self.fence, self.sandbox)

    def close_sandbox(self) -> None:
        """End the sandbox and all that runs in it."""
        if self.sandbox is not None:
            self.sandbox.close()
            self.sandbox = None

    def close(self) -> None:
        """End everything and remove the folder of the cases."""
        with self.lock:
            self.is_closed = True
            self.close_sandbox()
        shutil.rmtree(self.fence.exchange, ignore_errors=True)
