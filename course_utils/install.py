"""Set the course up: make .venv in its folder and install what requirements.txt names, as tested.

    python3 course_utils/install.py [EXTRA ...]           Windows: py course_utils/install.py

It needs nothing but Python. uv installs: it takes a fraction of pip's time, and chooses the build
of PyTorch for this machine, a small one where there is no GPU. Where PyTorch's own index is out of
reach uv takes the usual build; where uv cannot be had, or fails, pip installs. The versions are
those of constraints.txt. Extras are those of pyproject.toml.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 10)
NEEDED_GB = 8  # with a CUDA build of PyTorch
UV_INSTALL = ("pip", "install", "--quiet", "--python")
PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def main(extras: list[str]) -> None:
    """Make .venv, if it is not there, and install into it. Exits with a message if that fails."""
    python = make(ROOT / ".venv")
    wanted = ["-r", "requirements.txt", "-c", "constraints.txt"]
    wanted += ["-e", f".[{','.join(extras)}]"] if extras else []
    for name, command in installers(python):
        print(f"Installing with {name}", flush=True)
        reason = run([*command, *wanted])
        if not reason:
            return
        print(f"That failed: {reason}", flush=True)
    sys.exit(
        "Installing failed. Is the network there? Then run the same command again. If a version "
        "in constraints.txt does not fit this Python, install without that file: "
        f"{python.relative_to(ROOT)} -m pip install -r requirements.txt"
    )


def make(folder: Path) -> Path:
    """Return the Python of an environment, which is made if it is not there."""
    inside = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    python = folder.joinpath(*inside)
    if python.exists():
        return python
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"{sys.executable} is too old: take Python 3.10 or newer. With make, name it: "
            "make lab PYTHON=python3.12"
        )
    if shutil.disk_usage(ROOT).free < NEEDED_GB * 1e9:
        sys.exit(f"Not enough disk: PyTorch and the rest need up to {NEEDED_GB} GB free here.")
    print(f"Setting up .venv: this takes some minutes and up to {NEEDED_GB} GB.", flush=True)
    if reason := run([sys.executable, "-m", "venv", str(folder)]):
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(
            f"{sys.executable} could not make .venv ({reason}). On Debian or Ubuntu: sudo apt "
            "install python3-venv"
        )
    return python


def installers(python: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands that install and their names, in the order in which they are tried."""
    own = str(python.parent)
    uv = shutil.which("uv") or shutil.which("uv", path=own)
    if not uv and not run([str(python), *PIP_INSTALL, "uv"]):
        uv = shutil.which("uv", path=own)
    if uv:
        auto = [uv, *UV_INSTALL, str(python), "--torch-backend=auto"]
        yield "uv and PyTorch's own index", auto
        yield "uv", auto[:-1]
    yield "pip", [str(python), *PIP_INSTALL]


def run(command: list[str]) -> str:
    """Run a command in the course's folder; return a line of its error, "" if it worked."""
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace")
    if not done.returncode:
        return ""
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return next((line for line in lines if line.lower().startswith("error")), lines[-1])


if __name__ == "__main__":
    main(sys.argv[1:])
