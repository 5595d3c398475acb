"""How a test that runs as root runs a command as a user who is not."""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

UID = 54_321
PLACES = (sys.base_prefix, sys.prefix, str(Path(__file__).resolve().parents[2]))


@contextlib.contextmanager
def home_of_ordinary_user():
    """Give a folder outside /tmp that this user may write to."""
    home = Path(tempfile.mkdtemp(dir="/var/tmp"))
    if os.geteuid() == 0:
        os.chown(home, UID, UID)
    try:
        yield home
    finally:
        shutil.rmtree(home)


def as_ordinary_user():
    """Return what stands before a command: its user is not root, and can read Python's folders."""
    if os.geteuid() != 0:
        return ()
    rights = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    command = ["bwrap", "--dev-bind", "/", "/", *rights]
    closed = {
        parent
        for place in PLACES
        for parent in Path(place).parents
        if parent.stat().st_mode & 0o005 != 0o005
    }
    for folder in sorted(closed):  # shown anew, with nothing but what can be read by all
        command += ["--perms", "0755", "--tmpfs", str(folder)]
    for place in PLACES:
        above = [p for p in reversed(Path(place).parents) if any(map(p.is_relative_to, closed))]
        for folder in above:
            command += ["--perms", "0755", "--dir", str(folder)]
        command += ["--bind", place, place] if above else []
    return (*command, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
