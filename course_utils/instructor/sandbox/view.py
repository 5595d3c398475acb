"""What a sandbox shows of this machine: Python and the course, nothing that can be written to."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .settings import Fence

COURSE = "/course"  # where the course is, as the kernel sees it
HOME = "/tmp/home"
# A user for each grading process: the limit on processes counts all that a user has.
FIRST_UID, USERS = 61_000, 4_000
HARMLESS = ("LANG", "LC_ALL", "TZ", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# Which accelerators the grader may use, and where their drivers are.
OF_GPUS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "LD_LIBRARY_PATH")


def namespaces() -> list[str]:
    """Return bubblewrap's options that separate processes, network, users and terminals."""
    options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--unshare-cgroup-try", "--hostname", "student"]
    if os.geteuid() != 0:
        return [*options, "--unshare-user", "--uid", str(FIRST_UID), "--gid", str(FIRST_UID)]
    # What the zygote needs to fence in one kernel after the other; kernels get none of it.
    kept = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE")
    return [*options, "--cap-drop", "ALL", *(p for c in kept for p in ("--cap-add", f"CAP_{c}"))]


def files(fence: Fence) -> Iterator[str]:
    """Yield bubblewrap's options for what the sandbox sees of the file system."""
    yield from ("--perms", "1777", "--tmpfs", "/tmp")  # first: Python itself may lie in /tmp
    for place in python_folders():
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


def python_folders() -> list[str]:
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
    names = HARMLESS + OF_GPUS if fence.gpu else HARMLESS
    variables = {name: os.environ[name] for name in names if name in os.environ}
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
