"""A pytest plugin: what every ``pytest --nbval`` run of the course's notebooks needs.

pytest loads it wherever the course is installed. It acts in the course's own folder only.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect the course's notebooks as lectures, which nbval would read less strictly."""
    collected = yield
    if not is_course(parent.config):
        return collected
    from nbval.plugin import IPyNbFile

    from .cells import LectureFile

    return [
        LectureFile.from_parent(parent, path=file_path) if type(node) is IPyNbFile else node
        for node in collected
    ]


def is_course(config: pytest.Config) -> bool:
    """Return whether pytest runs in the course's own folder."""
    root = Path(config.rootpath)
    return (root / "tests" / "sanitize.cfg").is_file() and (root / "course_utils").is_dir()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Settle what kernels and tests get, from whichever directory pytest was started."""
    if not is_course(config):
        return
    worker = getattr(config, "workerinput", None)
    if worker is None and getattr(config.option, "numprocesses", None):
        return  # xdist's workers run everything, and would inherit what is set here
    from .variables import notebook_variables, quick_variables

    workers = worker["workercount"] if worker else 1
    if getattr(config.option, "nbval", False):
        use_file_kernels(config, notebook_variables(workers))
    # A test computes in this process, which loads torch later: in the quick profile, on its share
    # of the cores. When pytest is done, the environment is as it was.
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name, value in quick_variables(workers).items():
        patch.setenv(name, value)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the cells of a lecture whose optional packages are not installed."""
    for item in items:
        notebook = getattr(item.parent, "nb", None)
        course = notebook.metadata.get("course", {}) if notebook else {}
        for package in course.get("packages", ()):
            if find_spec(package) is None:
                reason = f"{item.path.name} needs {package}: python -m pip install {package}"
                item.add_marker(pytest.mark.skip(reason=reason))


def use_file_kernels(config: pytest.Config, variables: dict[str, str]) -> None:
    """Let nbval start its kernels without network ports and with these variables."""
    import nbval.kernel

    from .kernel import FileKernelManager

    # nbval reads this path from the working directory, and takes the kernel that happens to be
    # called "python3"; both must not depend on where pytest was started.
    sanitize = Path(config.rootpath, "tests", "sanitize.cfg")
    config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(sanitize)
    config.option.nbval_current_env = not config.option.nbval_kernel_name
    nbval.kernel.KernelManager = partial(FileKernelManager, variables)
