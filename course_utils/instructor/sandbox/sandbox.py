"""Kernels for untrusted code: fenced in by bubblewrap, watched from outside, ended without asking.

Inside there is no network, no file of this machine but Python and the course (read-only), no
other process, no secret in the environment, and an unprivileged user. Only the kernel is inside:
pytest, the judges and the points are not. `zygote.py` is the part that runs inside.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

from .cgroup import make_cgroup
from .filter import filter_program
from .processes import FencedProcess
from .settings import Fence
from .usage import Usage, family

COURSE = "/course"  # where the course is, as the kernel sees it
HOME = "/tmp/home"
MAX_PROCESSES = 256  # threads count too; torch starts about 20
MAX_OPEN = 1024  # files and sockets of one process
SWEEP_SECONDS = 10
# A user for each grading process: the limit on processes counts all that a user has.
FIRST_UID, USERS = 61_000, 4_000
START_SECONDS = 120
APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
ALLOW_NAMESPACES = (
    "This system keeps ordinary users from the namespaces that it needs. Until the next start of "
    f"the machine, this allows them: sudo sysctl -w {'.'.join(APPARMOR.parts[3:])}=0"
)
HARMLESS = ("LANG", "LC_ALL", "TZ", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@lru_cache
def sandbox_problem() -> str | None:
    """Return why kernels cannot be fenced in on this machine; None if they can."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed (on Debian or Ubuntu: apt install bubblewrap)"
    probe = subprocess.run(
        ["bwrap", *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "true"],
        capture_output=True,
        text=True,
    )
    if probe.returncode == 0:
        return None
    problem = f"bubblewrap does not work here: {probe.stderr.strip()}"
    return f"{problem}. {ALLOW_NAMESPACES}" if _namespaces_are_restricted() else problem


def _namespaces_are_restricted() -> bool:
    """Return whether AppArmor keeps ordinary users from namespaces, as in Ubuntu since 24.04."""
    try:
        return APPARMOR.read_text("ascii").strip() == "1"
    except OSError:
        return False


class Sandbox:
    """One sandbox with everything imported; kernels are forked in it, one after the other.

    Raises RuntimeError if it does not start.
    """

    def __init__(self, fence: Fence) -> None:
        self.fence, self.cgroup = fence, None
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = ["bwrap", *_namespaces(), *_files(fence), "--", sys.executable]
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
        self.control.setblocking(False)
        try:
            return self.control.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def start(self) -> tuple[socket.socket, FencedProcess]:
        """Start a kernel. Return its stream and its process. Raises RuntimeError if it fails."""
        (stream, theirs), (life_line, keepers) = socket.socketpair(), socket.socketpair()
        with theirs, keepers:
            try:
                self.control.settimeout(START_SECONDS)
                socket.send_fds(self.control, [b"+"], [theirs.fileno(), keepers.fileno()])
            except OSError as problem:
                raise RuntimeError(f"the sandbox has ended: {problem}") from None
        usage = Usage(self.process.pid, self.fence.processes_memory, self.own)
        return stream, FencedProcess(life_line, usage)

    def sweep(self) -> bool:
        """Kill what is left of earlier kernels. Return whether nothing of them lives any more."""
        end = time.monotonic() + SWEEP_SECONDS
        while left := set(family(self.process.pid)) - self.own:
            if time.monotonic() > end:
                return False
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(0.01)
        return self.is_alive()

    def close(self) -> None:
        """End the sandbox and everything in it."""
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
        limits["RLIMIT_DATA"] = fence.processes_memory
    return {
        "readable": [place for place in _python_folders() if place.startswith("/tmp/")],
        "disk": fence.disk,
        "limits": limits,
        "uid": FIRST_UID + os.getpid() % USERS,
        "filter": program.hex(),
        "keyctl": keyctl,
    }


def _namespaces() -> list[str]:
    """Return bubblewrap's options that separate processes, network, users and terminals."""
    options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--unshare-cgroup-try", "--hostname", "student"]
    if os.geteuid() != 0:
        return [*options, "--unshare-user", "--uid", str(FIRST_UID), "--gid", str(FIRST_UID)]
    # What the zygote needs to fence in one kernel after the other; kernels get none of it.
    kept = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE")
    return [*options, "--cap-drop", "ALL", *(p for c in kept for p in ("--cap-add", f"CAP_{c}"))]


def _files(fence: Fence) -> Iterator[str]:
    """Yield bubblewrap's options for what the sandbox sees of the file system."""
    yield from ("--perms", "1777", "--tmpfs", "/tmp")  # first: Python itself may lie in /tmp
    for place in _python_folders():
        yield from _parents(place)
        yield from ("--ro-bind", place, place)
    for place in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if Path(place).is_symlink():
            yield from ("--symlink", os.readlink(place), place)
        elif Path(place).is_dir():
            yield from ("--ro-bind", place, place)
    for place in ("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/sys/devices/system/cpu"):
        yield from ("--ro-bind-try", place, place)
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--perms", "1777", "--tmpfs", "/dev/shm")
    for place in (HOME, f"{HOME}/matplotlib"):
        yield from ("--perms", "0777", "--dir", place)
    for fonts in _font_lists():
        yield from ("--ro-bind", str(fonts), f"{HOME}/matplotlib/{fonts.name}")
    yield from ("--ro-bind", str(fence.course), COURSE)
    yield from ("--ro-bind", str(fence.data), f"{COURSE}/data")
    if fence.gpu:
        for device in sorted(Path("/dev").glob("nvidia*")) + [Path("/dev/kfd"), Path("/dev/dri")]:
            yield from ("--dev-bind-try", str(device), str(device))
        yield from ("--ro-bind-try", "/sys", "/sys")
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")


def _parents(place: str) -> Iterator[str]:
    """Yield the options that make the folders above ``place``; else only root could enter them."""
    for folder in reversed(Path(place).parents):
        if str(folder) not in ("/", "/tmp"):
            yield from ("--perms", "0755", "--dir", str(folder))


def _python_folders() -> list[str]:
    """Return the folders that Python and its packages need, none inside another."""
    wanted = {"/usr", sys.prefix, sys.base_prefix, *site.getsitepackages()}
    wanted.add(str(Path(sys.executable).resolve().parent.parent))
    chosen: list[str] = []
    for folder in sorted(wanted):
        if os.path.isdir(folder) and not any(Path(folder).is_relative_to(c) for c in chosen):
            chosen.append(folder)
    return chosen


@lru_cache
def _font_lists() -> tuple[Path, ...]:
    """Return matplotlib's lists of fonts: without them each sandbox would search all fonts."""
    import matplotlib

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


def student_variables(fence: Fence, home: str) -> dict[str, str]:
    """Return the whole environment of a kernel: nothing of the grader's but what is harmless."""
    variables = {name: os.environ[name] for name in HARMLESS if name in os.environ}
    if not fence.gpu:
        variables["COURSE_DEVICE"] = "cpu"
    return variables | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "MPLCONFIGDIR": f"{home}/matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": f"{home}/ipython",
        "TMPDIR": "/tmp" if fence.sandbox else home,
        "PYTHONPATH": COURSE if fence.sandbox else str(fence.course),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "COURSE_PROFILE": "quick",
        "COURSE_CACHE": f"{home}/cache",
        "TQDM_DISABLE": "1",
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": str(fence.threads),
    }
