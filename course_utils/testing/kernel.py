"""Kernels that are reached through files instead of network ports.

Ports on 127.0.0.1 are a shared resource: of kernels started side by side, now and then one gets a
port that another has just taken, and where the network is cut off there are none at all. A socket
in a folder of its own has neither problem. Windows has no such sockets, and keeps its ports.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from typing import Any

from jupyter_client.manager import AsyncKernelManager, KernelManager


def _private_address(manager: Any) -> dict[str, str]:
    """Return the settings for sockets in a new folder, which goes away with ``manager``."""
    if os.name == "nt":
        return {}
    folder = tempfile.mkdtemp(prefix="kernel-")
    weakref.finalize(manager, shutil.rmtree, folder, ignore_errors=True)
    return {"transport": "ipc", "ip": os.path.join(folder, "socket")}


class FileKernelManager(KernelManager):
    """What nbval starts a kernel with."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**_private_address(self), **settings)


class AsyncFileKernelManager(AsyncKernelManager):
    """What nbclient starts a kernel with."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**_private_address(self), **settings)
