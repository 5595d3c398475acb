"""Kernels for untrusted code: fenced in by bubblewrap, watched from outside, ended without asking.

Inside there is no network, no file of this machine but Python and the course (read-only), no
other process, no secret in the environment, and an unprivileged user. Only the kernel is inside:
the judges and the points are not. `zygote.py` is the part that runs inside; README.md tells
what is promised.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

from .cgroup import make_cgroup
from .filter import filter_program
from .processes import FencedProcess, is_open
from .settings import Fence
from .usage import Usage, family
from .view import (
    COURSE,
    FIRST_UID,
    HOME,
    USERS,
    files,
    namespaces,
    python_folders,
    student_variables,
)

MAX_PROCESSES = 256  # threads count too; torch starts about 20
MAX_OPEN = 1024  # files and sockets of one process
START_SECONDS = 300
SWEEP_SECONDS = 10
EMPTY_LOOKS = 3  # one look can miss a process whose parent has just ended
# Imported beside GPUs, whatever the lecture: a module that looks for one spoils it for all forks.
WITH_GPU = ("matplotlib.pyplot", "course_utils.plots", "course_utils.data") + (
    "course_utils.training",
    "torch._dynamo",
)
APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
CLUSTER = "grade on the workers of a cluster: --cluster tcp://HOST:8786"
NO_BUBBLEWRAP = f"no bubblewrap for this system: use Linux in a virtual machine, or {CLUSTER}"
NOT_INSTALLED = "bwrap is not installed: apt install bubblewrap, or dnf install bubblewrap"
NO_NAMESPACES = (
    "In a container: start it with --security-opt seccomp=unconfined, or with --privileged; or "
    f"{CLUSTER}"
)
PROFILE = "abi <abi/4.0>, profile bwrap {program} flags=(unconfined) {{ userns, }}"
ALLOW_NAMESPACES = (
    "This system keeps ordinary users from the namespaces that it needs. Until the next start of "
    f"the machine, this allows them: sudo sysctl -w {'.'.join(APPARMOR.parts[3:])}=0\n"
    "For good, and for bubblewrap alone, this does: "
    f"echo '{PROFILE}' | sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r "
    "/etc/apparmor.d/bwrap"
)


@lru_cache
def sandbox_problem() -> str | None:
    """Return why kernels cannot be fenced in on this machine, and the way out; None if they can."""
    if sys.platform != "linux":
        return NO_BUBBLEWRAP
    program = shutil.which("bwrap")
    if program is None:
        return NOT_INSTALLED
    try:
        filter_program()
    except RuntimeError as problem:
        return str(problem)
    probe = subprocess.run(
        ["bwrap", *namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "true"],
        capture_output=True,
        text=True,
    )
    if probe.returncode == 0:
        return None
    way_out = NO_NAMESPACES
    with suppress(OSError):  # AppArmor keeps ordinary users from namespaces, in Ubuntu since 24.04
        if APPARMOR.read_text("ascii").strip() == "1":
            way_out = ALLOW_NAMESPACES.format(program=program)
    return f"bubblewrap does not work here: {probe.stderr.strip()}. {way_out}"


class Sandbox:
    """One sandbox with everything imported; kernels are forked in it, one after the other.

    Raises RuntimeError if it does not start.
    """

    def __init__(self, fence: Fence) -> None:
        self.fence, self.cgroup = fence, None
        self.prepared: set[str] = set()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = ["bwrap", *namespaces(), *files(fence), "--as-pid-1", "--", sys.executable]
        command += [f"{COURSE}/zygote.py", str(theirs.fileno()), json.dumps(_settings(fence))]
        with tempfile.TemporaryFile() as errors, theirs:
            self.process = subprocess.Popen(
                command,
                env=student_variables(fence, HOME),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal must not look like a kernel's death
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            theirs.close()  # or its end would not be noticed
            if not self._is_ready():
                self.close()
                errors.seek(0)
                last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
                raise RuntimeError(f"the sandbox does not start: {''.join(last)}")
        self.own = set(family(self.process.pid))  # bubblewrap and the zygote
        name = f"kernels-{self.process.pid}"
        pids = [process.pid for process in self.own]
        self.cgroup = make_cgroup(name, fence.memory, MAX_PROCESSES + len(pids), pids)

    def _is_ready(self) -> bool:
        self.control.settimeout(START_SECONDS)
        try:
            return self.control.recv(10) == b"ready"
        except OSError:
            return False

    def is_alive(self) -> bool:
        """Return whether kernels can be started. Also a child of the owner can ask."""
        return is_open(self.control)

    def prepare(self, names: Iterable[str]) -> None:
        """Have modules imported once for all kernels. Raises RuntimeError if the sandbox ends.

        names: of the instructor's choice, never of a submission's: they run before any fence.
        """
        wanted = WITH_GPU if self.fence.gpu else names
        new = [name for name in wanted if name not in self.prepared]
        if not new:
            return
        with suppress(OSError):
            self.control.send(" ".join(new).encode())
            if self._is_ready():
                self.prepared.update(new)
                return
        self.close()
        raise RuntimeError("the sandbox ended while it imported what the lecture imports")

    def start(self) -> tuple[socket.socket, FencedProcess]:
        """Start a kernel. Return its stream and its process. Raises RuntimeError if it fails."""
        (stream, theirs), (life_line, keepers) = socket.socketpair(), socket.socketpair()
        with theirs, keepers:
            try:
                self.control.settimeout(START_SECONDS)
                socket.send_fds(self.control, [b"+"], [theirs.fileno(), keepers.fileno()])
            except OSError as problem:
                stream.close()
                life_line.close()
                raise RuntimeError(f"the sandbox has ended: {problem}") from None
        usage = Usage(self.process.pid, self.fence.processes_memory, self.own)
        return stream, FencedProcess(life_line, usage)

    def sweep(self) -> bool:
        """Kill what is left of earlier kernels. Return whether nothing of them lives any more."""
        end, empty = time.monotonic() + SWEEP_SECONDS, 0
        while empty < EMPTY_LOOKS:
            left = set(family(self.process.pid)) - self.own
            empty = 0 if left else empty + 1
            if time.monotonic() > end:
                return False
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(0.01)
        return self.is_alive()

    def close(self) -> None:
        """End the sandbox and everything in it."""
        inside = family(self.process.pid)[1:]
        for process in inside:
            with suppress(psutil.Error):
                process.kill()
        try:  # bubblewrap ends when all of them are gone
            self.process.wait(SWEEP_SECONDS if inside else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.control.close()
        if self.cgroup is not None:
            with suppress(OSError):
                self.cgroup.rmdir()


def _settings(fence: Fence) -> dict[str, Any]:
    """Return what the zygote has to know."""
    program, keyctl = filter_program()
    limits = {
        "RLIMIT_NPROC": MAX_PROCESSES,
        "RLIMIT_NOFILE": MAX_OPEN,
        "RLIMIT_FSIZE": fence.disk,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_CORE": 0,
    }
    if not fence.gpu:  # drivers of accelerators map more than they use
        limits["RLIMIT_DATA"] = fence.memory
    return {
        "readable": [place for place in python_folders() if place.startswith("/tmp/")],
        "disk": fence.disk,
        "limits": limits,
        "uid": FIRST_UID + os.getpid() % USERS,
        "filter": program.hex(),
        "keyctl": keyctl,
    }
