"""Run lectures as tests with the oldest and with the newest packages that the course supports.

    python benchmarks/matrix.py [LECTURE ...]

The oldest are the lower bounds of requirements.txt, all of them exactly; the newest are what pip
finds. Each set gets an environment of its own in .venv-matrix (git-ignored, some GB each). What
has passed is not run again until the course changes. Without arguments lectures 01 to 05 are run,
and the table goes into the README.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from course_utils.lectures import all_lectures, store_part
from course_utils.runtime import project_root, write_whole

ROOT = project_root()
HOME = ROOT / ".venv-matrix"
USUAL = ("01", "02", "03", "04", "05")
SHOWN = ("torch", "torchvision", "numpy", "matplotlib")
VERSIONS = (
    "import importlib.metadata as m, json, platform, sys;"
    "print(json.dumps([platform.python_version(), *map(m.version, sys.argv[1:])]))"
)


def requirements(end: str) -> str:
    """Return requirements.txt; for the end ``"oldest"`` with each lower bound made exact."""
    text = (ROOT / "requirements.txt").read_text("utf-8")
    return text.replace(">=", "==") if end == "oldest" else text


def environment(end: str) -> Path:
    """Return the Python of an end's environment, which is made if it is not there or outdated.

    pip is always asked for the newest: they change while requirements.txt does not. The mark is
    written last: an interrupted installation is taken up again. Raises CalledProcessError if it
    fails.
    """
    folder, wanted = HOME / end, requirements(end)
    python, mark = folder / "bin" / "python", folder / "installed.txt"
    if end == "oldest" and mark.is_file() and mark.read_text("utf-8") == wanted:
        return python
    print(f"{end}: installing (some minutes, some GB)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    listed = folder / "requirements.txt"
    listed.write_text(wanted.replace("-e .", f"-e {ROOT}"), "utf-8")
    pip = [python, "-m", "pip", "install", "--quiet", "--upgrade", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", listed], check=True)
    mark.write_text(wanted, "utf-8")
    return python


def passes(python: Path, path: Path) -> bool:
    """Run one notebook as a test, quick profile, on the CPU; print what pytest says if it fails."""
    # pytest's own settings ask for xdist and treat warnings as errors: a warning of an old or a
    # new package is none of the lecture's outputs.
    options = ["-q", "--nbval", "--nbval-cell-timeout=600", "-p", "no:cacheprovider"]
    command = [python, "-m", "pytest", "-o", "addopts=", "-o", "filterwarnings=", *options, path]
    variables = {"COURSE_DEVICE": "cpu", "COURSE_PROFILE": "quick"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-1000:], sep="\n")
    return done.returncode == 0


def mark_of(path: Path, versions: list[str]) -> str:
    """Return a mark that changes with a lecture, the shared module, or the packages."""
    mark = hashlib.sha256(repr(versions).encode())
    for file in [path, *sorted((ROOT / "course_utils").rglob("*.py"))]:
        mark.update(file.read_bytes())
    return mark.hexdigest()


def row(end: str, paths: list[Path]) -> tuple[str, bool]:
    """Run the lectures at one end. Return its row of the table, and whether all have passed."""
    python = environment(end)
    asked = subprocess.run([python, "-c", VERSIONS, *SHOWN], capture_output=True, check=True)
    versions = json.loads(asked.stdout)
    store = HOME / f"{end}.json"
    passed = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    failed = []
    for path in paths:
        mark = mark_of(path, versions)
        if passed.get(path.stem) != mark:
            print(f"{end}: {path.stem}", flush=True)
            if not passes(python, path):
                failed.append(path.stem)
                continue
            passed[path.stem] = mark
            write_whole(store, json.dumps(passed, indent=1).encode())
    verdict = f"failed: {', '.join(failed)}" if failed else "passed"
    return f"| {end} | {' | '.join(versions)} | {verdict} |", not failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lectures", nargs="*", help="numbers (default: 01 to 05)")
    given = parser.parse_args().lectures
    paths = [x.path for x in all_lectures() if x.id in (given or USUAL)]
    HOME.mkdir(exist_ok=True)
    rows = [row(end, paths) for end in ("oldest", "newest")]
    lines = [f"| | Python | {' | '.join(SHOWN)} | lectures |", "|---" * (len(SHOWN) + 3) + "|"]
    lines += [line for line, _ in rows]
    print(*lines, sep="\n")
    if not given:
        store_part("README.md", "matrix", lines)
    return 0 if all(ok for _, ok in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
