"""Where one process grades: its sandbox, in which kernels start, and a folder for the cases."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path

from ..runtime import project_root
from ..testing.plugin import kernel_threads
from .kernel import FencedKernel
from .sandbox import GB, Fence, Sandbox
from .workplace import Workplace


class Bench:
    """Starts kernels for one process that grades; the sandbox starts with the first of them."""

    def __init__(self, place: Workplace, workers: int) -> None:
        self.exchange = Path(tempfile.mkdtemp(prefix="exchange-"))
        self.exchange.chmod(0o755)
        settings = place.settings
        self.fence = Fence(
            view=place.view,
            data=project_root() / "data",
            exchange=self.exchange,
            memory=int(settings.memory_gb * GB),
            threads=kernel_threads(workers),
            sandbox=settings.sandbox,
            gpu=settings.gpu,
        )
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
        """End everything and remove the folder."""
        with self.lock:
            self.is_closed = True
            self.close_sandbox()
        shutil.rmtree(self.exchange, ignore_errors=True)
