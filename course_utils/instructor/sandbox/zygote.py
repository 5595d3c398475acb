"""The process that kernels are forked from: it imports torch once, in a sandbox, for many of them.

It runs as a script inside bubblewrap and runs no student code itself. For each connection on its
socket it forks a keeper. The keeper closes off what one submission could leave behind for the
next: it makes new namespaces for processes, files and shared memory, with an empty /tmp, gives up
all privileges, and then starts the kernel. When the connection closes, the kernel is killed; when
the kernel ends, the connection closes.

    python zygote.py SOCKET    (the settings come with each connection, as one line of JSON)
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Sequence

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, LAST_CAPABILITY = 38, 24, 63
PREPARED = ("torch", "matplotlib.pyplot", "ipykernel.kernelapp", "course_utils.plots") + (
    "course_utils.exercises.run_cases",
    "course_utils.data",
    "course_utils.training",
    "IPython.core.completer",
    "torch._dynamo",  # takes a second when an optimizer or a dispatch mode first asks for it
)
libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library. Raises OSError with its error."""
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system."""
    call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode())


def serve(path: str) -> None:
    """Fork a keeper for each connection, until this process is killed."""
    for name in PREPARED:
        with contextlib.suppress(ImportError):  # a notebook that needs it will say so
            __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need nobody to wait for them
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}-new")
        listening.listen()
        os.rename(f"{path}-new", path)  # whoever sees it can connect
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                keep(connection)
            connection.close()


def keep(connection: socket.socket) -> None:
    """Start one kernel and stay until it ends or the connection does. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        settings = json.loads(connection.makefile().readline())
        unshare_user()
        call("unshare", CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID)
        first = os.fork()
        if first == 0:
            connection.close()
            run_first_process(settings)
        connection.sendall(b"started\n")
        ended = os.pidfd_open(first)
        select.select([connection.fileno(), ended], [], [])
        os.kill(first, signal.SIGKILL)  # the first process takes all others of its namespace along
        os.waitpid(first, 0)
    except Exception as problem:
        with contextlib.suppress(OSError):
            connection.sendall(f"{type(problem).__name__}: {problem}\n".encode())
    finally:
        os._exit(0)


def unshare_user() -> None:
    """Get the right to make namespaces, where this process is not root."""
    if os.geteuid() == 0:
        return
    user, group = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def run_first_process(settings: dict) -> None:
    """Be the first process of the namespace: start the kernel, and end with it."""
    try:
        make_private(settings)
        kernel = os.fork()
        if kernel == 0:
            run_kernel(settings)
        while os.wait()[0] != kernel:
            pass
    finally:
        os._exit(0)


def make_private(settings: dict) -> None:
    """Mount an empty /tmp and what the kernel may see of the old one, and its own /proc."""
    places = [(path, MS_RDONLY) for path in settings["readable"]]
    places += [(path, 0) for path in settings["writable"]]
    held = [(os.open(path, os.O_PATH), path, flags) for path, flags in places]
    os.umask(0o022)  # the folders made below must be open to the kernel's user
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    for target in ("/tmp", "/dev/shm"):
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,size={settings['disk']}")
    for descriptor, path, flags in held:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", path, "", MS_BIND)
        if flags:
            mount("none", path, "", MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | flags)
        os.close(descriptor)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    for folder in settings["folders"]:
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o777)


def run_kernel(settings: dict) -> None:
    """Give up every privilege and be the kernel. Does not return."""
    try:
        for name, limit in settings["limits"].items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        give_up_privileges(settings["uid"])
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.environ.clear()
        os.environ.update(settings["environment"])
        os.chdir(settings["cwd"])
        start_kernel(["-f", settings["connection_file"]])
    finally:
        os._exit(1)


def give_up_privileges(uid: int) -> None:
    """Become an unprivileged user who can never be more again."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for numbers that do not exist
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())


def start_kernel(arguments: Sequence[str]) -> None:
    """Run the kernel in this process until it ends."""
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", *arguments]
    sys.path[:] = [path for path in sys.path if path]
    IPKernelApp.launch_instance(list(arguments))


if __name__ == "__main__":
    serve(sys.argv[1])
