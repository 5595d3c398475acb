"""Checks of `gpu_check.py`: lectures under nbval on the device, their outputs beside the CPU's.

The stored outputs are those of the quick profile on a CPU. In quick all that are compared must be
equal. In full sizes differ, so there it is counted how many are equal, and no cell may raise.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from gpu_rows import FAILED, OK, Finding, LeftOut

from course_utils.data import DownloadError, load_data
from course_utils.runtime import project_root

NBVAL_DIFFERS = "Cell outputs differ"  # its words
EQUAL, DIFFERS, BROKE, NOT_RUN = "equal", "different", "failed", "not run"  # what came of a cell
MOST = 12  # numbers of cells in a row of the table
# What runs first in the kernel. nbval offers no cell of our own, but IPython runs such files.
STARTUP = """
def keep_peak():
    import os, pathlib, sys

    def note(_):
        torch = sys.modules.get("torch")
        if torch is None or not torch.accelerator.is_available():
            return
        device = torch.get_device_module(torch.accelerator.current_accelerator())
        if hasattr(device, "max_memory_allocated") and device.is_initialized():
            file = pathlib.Path(os.environ["GPU_CHECK_PEAK"])
            earlier = int(file.read_text()) if file.exists() else 0
            file.write_text(str(max(earlier, device.max_memory_allocated())))

    os.environ["COURSE_PROFILE"] = os.environ["GPU_CHECK_PROFILE"]  # nbval's kernels get "quick"
    get_ipython().events.register("post_run_cell", note)


keep_peak()
del keep_peak
"""


def lecture(path: str, profile: str) -> Finding:
    """Run a lecture and return what came of its outputs and claims.

    Raises:
        LeftOut: the lecture needs a package, or in full the images, that are not here.
    """
    if profile == "full":
        _need_all_images()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run_nbval(path, profile, folder)
        cells = outcomes(folder / "cells.xml")
        claims = [holds(rows) for rows in read_claims(folder / "claims")]
        peak = folder / "peak"
        bytes_held = int(peak.read_text()) if peak.is_file() else None
    compared = compared_cells(path)
    equal = [number for number in compared if cells.get(number) == EQUAL]
    words = [f"{len(equal)} of {len(compared)} compared outputs equal the CPU's"]
    words += [f"{sum(claims)} of {len(claims)} claims hold"]
    for what in (DIFFERS, BROKE, NOT_RUN):
        if numbers := [str(number) for number, outcome in cells.items() if outcome == what]:
            words.append(
                f"{what}: cells {', '.join(numbers[:MOST])}{' ...' * (len(numbers) > MOST)}"
            )
    allowed = {EQUAL} if profile == "quick" else {EQUAL, DIFFERS}
    is_good = set(cells.values()) <= allowed
    return Finding(OK if is_good else FAILED, "; ".join(words), bytes_held)


def _need_all_images() -> None:
    try:
        load_data("fashion_mnist", profile="full")
    except DownloadError:
        text = "the four files of Fashion-MNIST are not here: put them into data/cache"
        raise LeftOut(text) from None


def _run_nbval(path: str, profile: str, folder: Path) -> None:
    """Run the notebook's cells; cells.xml, claims and peak in ``folder`` say what came of them."""
    startup = folder / "ipython" / "profile_default" / "startup" / "peak.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(STARTUP, "utf-8")
    variables = os.environ | {
        "IPYTHONDIR": str(folder / "ipython"),
        "GPU_CHECK_PROFILE": profile,
        "GPU_CHECK_PEAK": str(folder / "peak"),
        "COURSE_CLAIMS": str(folder / "claims"),
        # The course need not be installed, and other plugins of a machine have no part in this.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", path, "--nbval", "-c", "pyproject.toml"]
    command += ["-p", "nbval.plugin", "-p", "course_utils.pytest_plugin"]
    command += ["-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:cacheprovider"]
    command += ["--nbval-cell-timeout=600", "--nbval-kernel-startup-timeout=300"]
    command += [f"--junitxml={folder / 'cells.xml'}"]
    subprocess.run(command, cwd=project_root(), env=variables)


def outcomes(report: Path) -> dict[int, str]:
    """Return what came of each code cell, by its number, from pytest's report.

    Raises:
        LeftOut: all cells were skipped; the message says why.
        RuntimeError: the run left no report of its cells.
    """
    cases = ElementTree.parse(report).getroot().findall(".//testcase") if report.is_file() else []
    if not cases:
        raise RuntimeError("pytest ended before it had run a cell")
    reasons = [case.find("skipped") for case in cases]
    if all(reason is not None for reason in reasons):
        raise LeftOut(reasons[0].get("message", ""))
    return {int(re.findall(r"\d+", case.get("name", ""))[-1]): _outcome(case) for case in cases}


def _outcome(case: ElementTree.Element) -> str:
    for problem in (*case.findall("failure"), *case.findall("error")):
        text = f"{problem.get('message')}{problem.text}"
        return DIFFERS if NBVAL_DIFFERS in text else BROKE
    return EQUAL if case.find("skipped") is None else NOT_RUN


def compared_cells(path: str) -> list[int]:
    """Return the numbers, among the code cells, of those whose outputs are compared."""
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [
        number
        for number, cell in enumerate(code)
        if cell.outputs and "nbval-ignore-output" not in cell.metadata.get("tags", ())
    ]


def read_claims(path: Path) -> list[list[dict]]:
    """Return the rows of each claim: one, or for a claim about stored runs one for each run."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    rows = [row for row in map(json.loads, lines) if "sentence" in row]
    return [list(group) for _, group in groupby(rows, key=lambda row: row["number"])]


def holds(rows: list[dict]) -> bool:
    """Return whether a claim holds in as many runs as it asks for."""
    return sum(row["holds"] for row in rows) >= rows[0].get("share", 1) * len(rows)
