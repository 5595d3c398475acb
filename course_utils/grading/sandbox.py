"""A kernel for untrusted code: fenced in by bubblewrap, watched from outside, ended without asking.

Inside there is no network, no file of this machine but Python and the course (read-only), no
other process, no secret in the environment, and an unprivileged user. Only the kernel is inside:
pytest, the judges and the points are not.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from ..testing.kernel import private_address

GB = 10**9
COURSE = "/course"  # where the course is, as the kernel sees it
HOME = "/tmp/home"
MAX_PROCESSES = 256  # threads count too; torch starts about 20
MAX_FILE = 200_000_000  # bytes of one file that student code writes
MAX_DISK = 500_000_000  # bytes of all files that it writes (they are kept in memory)
MAX_MESSAGE = 16_000_000  # bytes of one message from the kernel
FIRST_UID = 61_000  # one user for each worker: limits on processes count for each user
NEEDED = ("bwrap", "setpriv", "prlimit")
HARMLESS = ("LANG", "LC_ALL", "TZ", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Fence:
    """How a kernel is started: what it sees, and what it may use.

    view: the folder with the course's stripped copy, which has a place for ``data``. exchange: a
    folder in which the grader puts cases. memory: bytes that all its processes may use. sandbox:
    False runs it as the grader's own user, unfenced. gpu: pass accelerators through. worker:
    number of the pytest worker.
    """

    view: Path
    data: Path
    exchange: Path
    memory: int = 4 * GB
    sandbox: bool = True
    gpu: bool = False
    worker: int = 0


@lru_cache
def sandbox_problem() -> str | None:
    """Return why kernels cannot be fenced in on this machine; None if they can."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed (on Debian or Ubuntu: apt install bubblewrap)"
    probe = subprocess.run(
        ["bwrap", *_namespaces(), "--ro-bind", "/", "/", "true"], capture_output=True, text=True
    )
    return f"bubblewrap does not work here: {probe.stderr.strip()}" if probe.returncode else None


def kernel_command(fence: Fence, folder: Path, command: list[str]) -> list[str]:
    """Return ``command``, which starts a kernel with its sockets in ``folder``, fenced in."""
    if not fence.sandbox:
        return command
    fenced = ["bwrap", *_namespaces(), *_files(fence, folder), "--"]
    if os.geteuid() == 0:
        uid = str(FIRST_UID + fence.worker)
        fenced += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        fenced += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    limits = [f"--nproc={MAX_PROCESSES}", f"--fsize={MAX_FILE}", "--core=0"]
    return [*fenced, "prlimit", *limits, *command]


def _namespaces() -> list[str]:
    """Return bubblewrap's options that separate processes, network, users and terminals."""
    options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--unshare-cgroup-try", "--die-with-parent", "--hostname", "student"]
    options += ["--unsetenv", "JPY_PARENT_PID"]  # that process does not exist inside
    if os.geteuid() == 0:  # setpriv gives these up once it has changed the user
        return [*options, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*options, "--unshare-user", "--uid", str(FIRST_UID), "--gid", str(FIRST_UID)]


def _files(fence: Fence, folder: Path) -> Iterator[str]:
    """Yield bubblewrap's options for what the kernel sees of the file system."""
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
    for place in ("/tmp", "/dev/shm"):
        yield from ("--perms", "1777", "--size", str(MAX_DISK), "--tmpfs", place)
    for place in (HOME, f"{HOME}/matplotlib", f"{HOME}/work"):
        yield from ("--perms", "0777", "--dir", place)
    for fonts in _font_lists():
        yield from ("--ro-bind", str(fonts), f"{HOME}/matplotlib/{fonts.name}")
    yield from ("--ro-bind", str(fence.view), COURSE)
    yield from ("--ro-bind", str(fence.data), f"{COURSE}/data")
    for place, option in ((fence.exchange, "--ro-bind"), (folder, "--bind")):
        yield from _parents(str(place))
        yield from (option, str(place), str(place))
    yield from ("--chdir", f"{HOME}/work")
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
    """Return matplotlib's lists of fonts: without them each kernel would search all fonts."""
    import matplotlib

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


def kernel_environment(fence: Fence, threads: int) -> dict[str, str]:
    """Return the whole environment of a kernel: nothing of the grader's but what is harmless."""
    inside = fence.sandbox
    home = HOME if inside else str(fence.exchange)
    variables = {name: os.environ[name] for name in HARMLESS if name in os.environ}
    return variables | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "MPLCONFIGDIR": f"{home}/matplotlib",
        "IPYTHONDIR": f"{home}/ipython",
        "TMPDIR": "/tmp" if inside else home,
        "PYTHONPATH": COURSE if inside else str(fence.view),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "COURSE_PROFILE": "quick",
        **({} if fence.gpu else {"COURSE_DEVICE": "cpu"}),
        "COURSE_CACHE": f"{home}/cache",
        "TQDM_DISABLE": "1",
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": str(threads),
    }


class BoundedClient(BlockingKernelClient):
    """A client that never takes a message of any size from a kernel."""

    def _create_connected_socket(self, channel: str, identity: bytes | None = None) -> Any:
        context, plain = self.context, self.context.socket

        def bounded(kind: int) -> Any:
            socket = plain(kind)
            socket.maxmsgsize = MAX_MESSAGE
            return socket

        context.socket = bounded
        try:
            return super()._create_connected_socket(channel, identity)
        finally:
            del context.socket


class FencedKernelManager(KernelManager):
    """Starts a kernel behind a fence, ends it at once, and knows what it uses."""

    def __init__(self, fence: Fence, threads: int) -> None:
        address = private_address(self)
        folder = Path(address["ip"]).parent if address else Path(tempfile.mkdtemp())
        super().__init__(
            kernel_name="python3", connection_file=str(folder / "connection.json"), **address
        )
        self.client_class = "course_utils.grading.sandbox.BoundedClient"
        self.fence, self.threads, self.folder = fence, threads, folder

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the command that starts the kernel, fenced in."""
        self._hand_over()
        python = [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]
        return kernel_command(self.fence, self.folder, python)

    def _hand_over(self) -> None:
        """Give the folder with the sockets to the user inside, who must write to it."""
        if self.fence.sandbox and os.geteuid() == 0:
            uid = FIRST_UID + self.fence.worker
            for path in (self.folder, Path(self.connection_file)):
                os.chown(path, uid, uid)

    def start_kernel(self, **options: Any) -> Any:
        """Start the kernel in its own environment."""
        options |= {"env": kernel_environment(self.fence, self.threads)}
        options |= {"cwd": "/" if self.fence.sandbox else str(self.fence.exchange)}
        return super().start_kernel(stdout=subprocess.DEVNULL, **options)

    def overuse(self) -> str | None:
        """Return what the kernel's processes use too much of; None if they keep their limits."""
        provisioner = self.provisioner
        if provisioner is None or provisioner.pid is None:
            return None
        memory = 0
        try:
            first = psutil.Process(provisioner.pid)
            for process in [first, *first.children(recursive=True)]:
                try:
                    memory += process.memory_info().rss
                except psutil.Error:
                    continue
        except psutil.Error:
            return None
        if memory > self.fence.memory:
            return f"more than {self.fence.memory / GB:.1f} GB of memory"
        try:
            written = sum(
                entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self.folder)
            )
        except OSError:
            return None
        return "files where none belong" if written > 1_000_000 else None

    def end(self) -> None:
        """End the kernel and all its processes."""
        self.shutdown_kernel(now=True)
