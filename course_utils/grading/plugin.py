"""``pytest --nbval --grade SUBMISSIONS``: grading with pytest's own options (-n, -k, -x, ...).

Without ``--grade`` this plugin does nothing, and imports nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .workplace import Workplace


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of grading."""
    group = parser.getgroup("grading", "grading of what students handed in")
    add = group.addoption
    add("--grade", action="store_true", help="grade notebooks, folders or zips (with --nbval)")
    add("--grade-out", type=Path, metavar="DIR", help="keep results and write reports there")
    add("--regrade", action="store_true", help="also grade what is graded and has not changed")
    add("--no-sandbox", action="store_true", help="run student code unfenced, as your own user")
    add("--grade-gpu", action="store_true", help="let student code use this machine's GPUs")
    add("--grade-seed", type=int, metavar="N", help="seed of the cases (default: drawn)")
    add("--grade-cell-seconds", type=float, default=60, metavar="S", help="limit of one cell")
    add("--grade-seconds", type=float, default=600, metavar="S", help="limit of a submission")
    add("--grade-memory", type=float, default=4, metavar="GB", help="limit of memory")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare the grading, in each of its processes."""
    option = config.option
    if not getattr(option, "grade", False):
        return
    if not option.nbval:
        raise pytest.UsageError("--grade goes with --nbval: pytest --nbval --grade SUBMISSIONS")
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
    out = config.option.grade_out or Path(tempfile.mkdtemp(prefix="grades-"))
    try:
        return open_workplace(map(Path, config.args), out, settings, config.option.grade_seed)
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
        self.place = place

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Prepare the place where this process grades."""
        from .bench import Bench
        from .items import BENCH

        workers = getattr(session.config, "workerinput", {}).get("workercount", 1)
        session.config.stash[BENCH] = Bench(self.place, workers)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """End the kernels."""
        from .items import BENCH

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
