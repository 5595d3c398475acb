"""How a test that runs as root runs a command as a user who is not."""

import os
import sys
from pathlib import Path

UID = "54321"
PLACES = (sys.base_prefix, sys.prefix, str(Path(__file__).resolve().parents[2]))


def as_ordinary_user():
    """Return what stands before a command: its user is not root, and can read Python's folders."""
    if os.geteuid() != 0:
        return ()
    command = [
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--cap-add",
        "CAP_SETUID",
        "--cap-add",
        "CAP_SETGID",
    ]
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
