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
from functools import lru_cache
from pathlib import Path

from .memory import memory_of
from .settings import GB, Fence

COURSE = "/course"  # where the course is, as the kernel sees it
HOME = "/tmp/home"
MAX_PROCESSES = 256  # threads count too; torch starts about 20
MAX_FILE = 200_000_000  # bytes of one file that student code writes
MAX_DISK = 500_000_000  # bytes of all files that it writes (they are kept in memory)
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
        self.fence = fence
        self.folder = Path(tempfile.mkdtemp(prefix="kernels-"))
        self.folder.chmod(0o755)
        self.errors = (self.folder / "errors").open("w+b")
        command = ["bwrap", *_namespaces(), *_files(fence, self.folder), "--"]
        command += [sys.executable, f"{COURSE}/zygote.py", str(self._socket)]
        self.process = subprocess.Popen(
            command,
            env=student_variables(fence),
            start_new_session=True,  # Ctrl-C in a terminal must not look like a kernel's death
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
        )
        end = time.monotonic() + START_SECONDS
        while not self._socket.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                self.errors.seek(0)
                last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
                self.close()
                raise RuntimeError(f"the sandbox does not start: {''.join(last)}")
            time.sleep(0.02)

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    @property
    def is_alive(self) -> bool:
        """Return whether kernels can be started."""
        return self.process.poll() is None

    def start(self, connection_file: Path) -> ForkedProcess:
        """Start a kernel with the connection of a file in a folder of its own in ``folder``."""
        fence, folder = self.fence, connection_file.parent
        uid = FIRST_UID + os.getpid() % USERS
        if os.geteuid() == 0:
            for path in (folder, connection_file):
                os.chown(path, uid, uid)
        settings = {
            # Each kernel has an empty /tmp of its own; Python may lie in the old one.
            "readable": [
                str(fence.exchange),
                *(place for place in _python_folders() if place.startswith("/tmp/")),
            ],
            "writable": [str(folder)],
            "folders": [HOME, f"{HOME}/matplotlib", f"{HOME}/work"],
            "disk": MAX_DISK,
            "limits": {
                "RLIMIT_NPROC": MAX_PROCESSES,
                "RLIMIT_FSIZE": MAX_FILE,
                "RLIMIT_CORE": 0,
            },
            "uid": uid,
            "environment": student_variables(fence),
            "cwd": f"{HOME}/work",
            "connection_file": str(connection_file),
        }
        return ForkedProcess(self, settings)

    def close(self) -> None:
        """End the sandbox and everything in it."""
        self.process.kill()
        self.process.wait()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class ForkedProcess:
    """A kernel's process, which lives as long as its connection to the sandbox.

    Raises RuntimeError if it does not start.
    """

    def __init__(self, sandbox: Sandbox, settings: dict) -> None:
        self.sandbox, self.folder = sandbox, Path(settings["writable"][0])
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(START_SECONDS)
        self.connection.connect(str(sandbox._socket))
        self.connection.sendall(json.dumps(settings).encode() + b"\n")
        answer = self.connection.recv(1000).decode(errors="replace").strip()
        if answer != "started":
            self.connection.close()
            raise RuntimeError(f"no kernel starts in the sandbox: {answer or 'it ended'}")

    def is_alive(self) -> bool:
        """Return whether the kernel runs."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def overuse(self) -> str | None:
        """Return what the kernel's processes use too much of; None if they keep their limits."""
        limit = self.sandbox.fence.memory
        if memory_of(self.sandbox.process.pid, limit) > limit:
            return f"more than {limit / GB:.1f} GB of memory"
        try:
            entries = list(os.scandir(self.folder))
            written = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
        except OSError:
            return None
        return "files where none belong" if written > 1_000_000 else None

    def end(self) -> None:
        """Kill the kernel and all its processes, and wait until they are gone."""
        self.connection.settimeout(10)
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.recv(1)
        except OSError:
            pass
        self.connection.close()


def _namespaces() -> list[str]:
    """Return bubblewrap's options that separate processes, network, users and terminals."""
    options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--unshare-cgroup-try", "--die-with-parent", "--hostname", "student"]
    if os.geteuid() != 0:
        return [*options, "--unshare-user", "--uid", str(FIRST_UID), "--gid", str(FIRST_UID)]
    # What the zygote needs to fence in one kernel after the other; kernels get none of it.
    kept = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE")
    return [*options, "--cap-drop", "ALL", *(p for c in kept for p in ("--cap-add", f"CAP_{c}"))]


def _files(fence: Fence, folder: Path) -> Iterator[str]:
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
    for shared, option in ((fence.exchange, "--ro-bind"), (folder, "--bind")):
        yield from _parents(str(shared))
        yield from (option, str(shared), str(shared))
    if fence.gpu:
        for device in sorted(Path("/dev").glob("nvidia*")) + [Path("/dev/kfd"), Path("/dev/dri")]:
            yield from ("--dev-bind-try", str(device), str(device))
        yield from ("--ro-bind-try", "/sys", "/sys")


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


def student_variables(fence: Fence) -> dict[str, str]:
    """Return the whole environment of a kernel: nothing of the grader's but what is harmless."""
    home = HOME if fence.sandbox else str(fence.exchange)
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
