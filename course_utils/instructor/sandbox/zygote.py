"""The process that kernels are forked from: it imports torch once, in a sandbox, for many of them.

It runs as a script inside bubblewrap and runs no student code itself. It has one socket, inherited
from the grader. A message there that names what a lecture imports has it imported, once for all
kernels to come. For each other message it forks a keeper, which gets two sockets with it: the
kernel's stream and a life line. The keeper closes off what one submission could leave behind for
the next: it makes new namespaces for processes, files and shared memory, with an empty /tmp, gives
up all privileges, and then starts the kernel. When the grader's end of the life line closes, the
kernel is killed; when the kernel ends, the keeper's end closes.

    python zygote.py DESCRIPTOR SETTINGS    (as JSON)
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterable

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, LAST_CAPABILITY = 22, 38, 24, 63
SECCOMP_MODE_FILTER, KEYCTL_JOIN_SESSION_KEYRING = 2, 1
HOME = "/tmp/home"
PAGE = 4096
STREAM = 3  # the one descriptor of a kernel beside input and output
LONGEST = 1 << 16  # bytes of a message
PREPARED = ("torch", "IPython.core.completer")  # whatever the lecture is
libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """A filter of system calls as the kernel takes it."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library. Raises OSError with its error."""
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system."""
    call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode())


def serve(control: socket.socket, settings: dict) -> None:
    """Do what the messages say, until nobody holds the other end."""
    from course_utils.exercises.student_kernel import make_shell

    shell = make_shell()
    prepare(PREPARED)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need nobody to wait for them
    control.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LONGEST, 2)
        if not message:
            return
        if not descriptors:
            prepare(message.decode().split())
            control.send(b"ready")
        elif os.fork() == 0:
            control.close()
            stream, life_line = (socket.socket(fileno=descriptor) for descriptor in descriptors)
            keep(stream, life_line, settings, shell)
        for descriptor in descriptors:
            os.close(descriptor)


def prepare(names: Iterable[str]) -> None:
    """Import modules, and what they hold: "torch.nn", or "course_utils.load_data"."""
    for name in names:
        with contextlib.suppress(Exception):  # a notebook that needs it will say so
            pkgutil.resolve_name(name)
    gc.collect()
    gc.freeze()  # or the first collection in each kernel copied the memory that it shares


def keep(stream: socket.socket, life_line: socket.socket, settings: dict, shell: object) -> None:
    """Start one kernel and stay until it ends or the life line does. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        unshare_user()
        call("unshare", CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID)
        first = os.fork()
        if first == 0:
            run_first_process(stream, settings, shell)
        stream.close()
        select.select([life_line.fileno(), os.pidfd_open(first)], [], [])
        os.kill(first, signal.SIGKILL)  # the first process takes all others of its namespace along
        os.waitpid(first, 0)
    except Exception as problem:
        report(stream, problem)
    finally:
        os._exit(0)


def report(stream: socket.socket, problem: Exception) -> None:
    """Tell the grader why no kernel starts."""
    error = {"ename": type(problem).__name__, "evalue": str(problem)}
    data = json.dumps({"id": "", "status": "error"} | error).encode()
    with contextlib.suppress(OSError):
        stream.sendall(len(data).to_bytes(4, "big") + data)


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


def run_first_process(stream: socket.socket, settings: dict, shell: object) -> None:
    """Be the first process of the namespace: start the kernel, and end with it."""
    try:
        make_private(settings)
        kernel = os.fork()
        if kernel == 0:
            run_kernel(stream, settings, shell)
        os.closerange(STREAM, 1 << 20)
        while os.wait()[0] != kernel:
            pass
    except Exception as problem:
        report(stream, problem)
    finally:
        os._exit(0)


def make_private(settings: dict) -> None:
    """Mount what the kernel can write to, and its own /proc.

    /tmp and /dev/shm are folders of one file system, whose size is their limit together. Python
    may lie in the old /tmp.
    """
    held = [(os.open(path, os.O_PATH), path) for path in settings["readable"]]
    os.umask(0o022)  # the folders made below must be open to the kernel's user
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    # A file without content takes memory, too: no more files than pages.
    limits = f"size={settings['disk']},nr_inodes={settings['disk'] // PAGE}"
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755,{limits}")
    for folder, target in (("/tmp/shm", "/dev/shm"), ("/tmp/tmp", "/tmp")):
        os.mkdir(folder)
        os.chmod(folder, 0o1777)
        mount(folder, target, "", MS_BIND)
    for descriptor, path in held:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", path, "", MS_BIND)
        mount("none", path, "", MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_RDONLY)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    with contextlib.suppress(OSError):  # it lists keys of the grader's user
        mount("/dev/null", "/proc/keys", "", MS_BIND)
    for folder in (HOME, f"{HOME}/matplotlib", f"{HOME}/work"):
        os.makedirs(folder)
        os.chmod(folder, 0o777)
    os.chdir(f"{HOME}/work")


def run_kernel(stream: socket.socket, settings: dict, shell: object) -> None:
    """Give up every privilege and be the kernel. Does not return."""
    from course_utils.exercises.student_kernel import serve as serve_requests

    try:
        libc.syscall(settings["keyctl"], KEYCTL_JOIN_SESSION_KEYRING, None)  # if there are keys
        for name, limit in settings["limits"].items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        give_up_privileges(settings["uid"])
        os.setsid()
        os.dup2(stream.detach(), STREAM)
        os.closerange(STREAM + 1, 1 << 20)
        stream = socket.socket(fileno=STREAM)
        filter_calls(bytes.fromhex(settings["filter"]))
        serve_requests(stream, shell)
    except Exception as problem:
        report(stream, problem)
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


def filter_calls(code: bytes) -> None:
    """Give up the system calls that the filter denies, for this process and all that it starts."""
    program = Program(len(code) // 8, code)
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
