"""``pytest --nbval --grade=SUBMISSIONS``: grading with pytest's own options (-n, -k, -x, ...).

Without ``--grade`` this plugin does nothing, and imports nothing.

What was handed in is data. pytest would run a ``conftest.py`` that lies beside a file on its
command line, and obey a ``pytest.ini`` there; so submissions are never among its arguments, no
conftest.py is loaded, and neither this process nor a worker looks for modules where it was started.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .workplace import Workplace

COURSE = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of grading."""
    group = parser.getgroup("grading", "grading of what students handed in")
    add = group.addoption
    add(
        "--grade",
        action="append",
        metavar="SUBMISSIONS",
        help="grade a notebook, a folder or a zip (with --nbval); may be given several times",
    )
    add("--grade-out", type=Path, metavar="DIR", help="keep results and write reports there")
    add("--regrade", action="store_true", help="also grade what is graded and has not changed")
    add("--no-sandbox", action="store_true", help="run student code unfenced, as your own user")
    add("--grade-gpu", action="store_true", help="let student code use this machine's GPUs")
    add("--grade-seed", type=int, metavar="N", help="seed of the cases (default: drawn)")
    add("--grade-cell-seconds", type=float, default=60, metavar="S", help="limit of one cell")
    add("--grade-seconds", type=float, default=600, metavar="S", help="limit of a submission")
    add("--grade-memory", type=float, default=4, metavar="GB", help="limit of memory")


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
    option = config.option
    if not getattr(option, "grade", None):
        return
    if not option.nbval:
        raise pytest.UsageError("--grade goes with --nbval: pytest --nbval --grade=SUBMISSIONS")
    if getattr(option, "numprocesses", None):
        option.dist = "loadfile"  # a submission stays on one worker
    from .workplace import Settings, Workplace

    settings = Settings(
        not option.no_sandbox,
        option.grade_gpu,
        option.grade_cell_seconds,
        option.grade_seconds,
        option.grade_memory,
        option.regrade,
    )
    shared = getattr(config, "workerinput", {}).get("grading")
    if shared:
        place = Workplace(Path(shared["folder"]), Path(shared["out"]), settings)
    else:
        if option.file_or_dir or "--grade" in config.invocation_params.args:
            raise pytest.UsageError(
                "name what to grade as --grade=SUBMISSIONS: pytest would run code that lies beside "
                "its other arguments"
            )
        place = _open(config, settings)
        config.pluginmanager.register(_controller(config, place), "grading-controller")
    config.pluginmanager.register(Collection(place), "grading-collection")
    config.args = [str(place.submissions)]


def _open(config: pytest.Config, settings: Any) -> Workplace:
    from .sandbox import sandbox_problem
    from .workplace import open_workplace

    problem = None if config.option.no_sandbox else sandbox_problem()
    if problem:
        raise pytest.UsageError(
            f"Student code cannot be fenced in: {problem}. To run it unfenced, with all that your "
            "own user may do, add --no-sandbox."
        )
    out = (config.option.grade_out or Path(tempfile.mkdtemp(prefix="grades-"))).resolve()
    try:
        return open_workplace(
            map(Path, config.option.grade), out, settings, config.option.grade_seed
        )
    except (OSError, ValueError) as mistake:
        raise pytest.UsageError(str(mistake)) from None


def _controller(config: pytest.Config, place: Workplace) -> Any:
    from .controller import Controller

    try:
        return Controller(config, place, keep=config.option.grade_out is not None)
    except ValueError as mistake:
        raise pytest.UsageError(str(mistake)) from None


class Collection:
    """Turns the submissions of a workplace into test items."""

    def __init__(self, place: Workplace) -> None:
        self.place, self.started_in = place, Path.cwd()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Prepare the place where this process grades; workers start in a folder without code."""
        from .bench import Bench
        from .items import BENCH

        workers = getattr(session.config, "workerinput", {}).get("workercount", 1)
        session.config.stash[BENCH] = Bench(self.place, workers)
        os.chdir(self.place.folder)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """End the kernels."""
        from .items import BENCH

        os.chdir(self.started_in)
        if BENCH in config.stash:
            config.stash[BENCH].close()

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect a submission."""
        from .items import GradedFile
        from .workplace import SUFFIX

        if file_path.suffix != SUFFIX:
            return None
        name = self.place.read(file_path).file
        return GradedFile.from_parent(parent, path=file_path, nodeid=name, place=self.place)
