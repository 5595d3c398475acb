"""``pytest --nbval --grade=SUBMISSIONS``: grading with pytest's own options (-n, -k, -x, ...).

Without ``--grade`` this plugin does nothing, and imports nothing.

What was handed in is data. pytest would run a ``conftest.py`` that lies beside a file on its
command line, and obey a ``pytest.ini`` there; so submissions are never among its arguments, no
conftest.py is loaded, and neither this process nor a worker looks for modules where it was started.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .settings import Settings, add_settings

if TYPE_CHECKING:
    from .grading_run import GradingRun
    from .pytest_items import PytestReporter

COURSE = Path(__file__).resolve().parents[3]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of grading."""
    add = parser.getgroup("grading", "grading of what students handed in").addoption
    add(
        "--grade",
        action="append",
        metavar="SUBMISSIONS",
        help="grade a notebook, a folder or a zip (with --nbval); may be given several times",
    )
    add("--grade-out", type=Path, metavar="DIR", help="keep results and write reports there")
    add_settings(add, prefix="grade-")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep the code that lies in the working directory from running while this process grades."""
    given = early_config.known_args_namespace
    if not given.grade:
        return
    given.noconftest = True
    ini, here = early_config.inipath, Path.cwd()
    if ini is not None and ini.parent != COURSE and not given.inifilename:
        raise pytest.UsageError(f"{ini} is not the course's: start pytest in {COURSE}")
    if here != COURSE:
        sys.path[:] = [place for place in sys.path if place and Path(place) != here]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare the grading, in each of its processes."""
    worker = getattr(config, "workerinput", {})
    if "grading" in worker:
        from .grading_run import GradingRun

        _register(config, GradingRun.opened(Path(worker["grading"])), worker["workercount"])
    elif config.option.grade:
        option = config.option
        if not option.nbval:
            raise pytest.UsageError("--grade goes with --nbval: pytest --nbval --grade=SUBMISSIONS")
        if option.file_or_dir or "--grade" in config.invocation_params.args:
            raise pytest.UsageError(
                "name what to grade as --grade=SUBMISSIONS: pytest would run code that lies beside "
                "its other arguments"
            )
        if getattr(option, "numprocesses", None):
            option.dist = "loadfile"  # a submission stays on one worker
        reporter = _reporter(option)
        config.pluginmanager.register(reporter, "grading-reporter")
        _register(config, reporter.run)


def _register(config: pytest.Config, run: GradingRun, workers: int = 1) -> None:
    from .pytest_items import Collection

    config.pluginmanager.register(Collection(run, workers), "grading-collection")
    config.args = [str(run.submissions)]


def _reporter(option: argparse.Namespace) -> PytestReporter:
    from .pytest_items import PytestReporter
    from .reporter import begin

    out = option.grade_out or Path(tempfile.mkdtemp(prefix="grades-"))
    keep = option.grade_out is not None
    settings = Settings.from_options(option)
    try:
        return begin(map(Path, option.grade), out.resolve(), settings, PytestReporter, keep)
    except (OSError, ValueError) as mistake:
        raise pytest.UsageError(str(mistake)) from None
