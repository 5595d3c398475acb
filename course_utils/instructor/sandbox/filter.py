"""The system calls that kernels may not make: what outlives a kernel, hides memory or escapes."""

from __future__ import annotations

import errno
import tempfile
from functools import lru_cache

# Each by the reason why it is denied.
DENIED = (
    "keyctl add_key request_key",  # keyrings outlive a kernel
    "unshare setns mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount "
    "open_tree mount_setattr",  # a world of one's own, where little is counted
    "memfd_create memfd_secret shmget msgget semget mq_open",  # memory that nobody counts
    "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp",  # other processes
    "bpf userfaultfd io_uring_setup io_uring_enter io_uring_register perf_event_open",
    "kexec_load kexec_file_load init_module finit_module delete_module open_by_handle_at "
    "name_to_handle_at quotactl quotactl_fd acct swapon swapoff reboot syslog personality",
)
LATER = {"mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447}  # not in old libraries
# CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
REMEDY = "on Debian or Ubuntu: apt install libseccomp2; then: pip install pyseccomp"


@lru_cache
def filter_program() -> tuple[bytes, int]:
    """Return the filter as the kernel takes it, and the number of the call ``keyctl``.

    Raises:
        RuntimeError: the library is missing; the message says how to get it.
    """
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError) as problem:
        raise RuntimeError(f"system calls cannot be filtered: {problem} ({REMEDY})") from None
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    denied = seccomp.ERRNO(errno.EPERM)
    for name in " ".join(DENIED).split():
        rules.add_rule(denied, LATER.get(name, name))
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags are out of sight: use clone
    for flag in NAMESPACES:
        rules.add_rule(denied, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    no_family = seccomp.ERRNO(errno.EAFNOSUPPORT)
    for name in ("socket", "socketpair"):
        for family in set(range(AF_INET6)) - {AF_UNIX, AF_INET}:
            rules.add_rule(no_family, name, seccomp.Arg(0, seccomp.EQ, family))
        rules.add_rule(no_family, name, seccomp.Arg(0, seccomp.GT, AF_INET6))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read(), seccomp.resolve_syscall(seccomp.system_arch(), "keyctl")
