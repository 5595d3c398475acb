"""A pytest plugin: what every ``pytest --nbval`` run of the course's notebooks needs.

pytest loads it wherever the course is installed. It acts in the course's own folder only.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
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
    """Settle what the kernels inherit, from whichever directory pytest was started."""
    if not is_course(config):
        return
    sanitize = Path(config.rootpath, "tests", "sanitize.cfg")
    if getattr(config.option, "nbval", False):
        # nbval reads this path from the working directory, and takes the kernel that happens
        # to be called "python3"; both must not depend on where pytest was started.
        config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(sanitize)
        config.option.nbval_current_env = not config.option.nbval_kernel_name
        use_file_kernels()
    worker = getattr(config, "workerinput", None)
    if worker is None and getattr(config.option, "numprocesses", None):
        return  # xdist's workers run the notebooks, and would inherit what is set here
    os.environ.update(kernel_environment(worker["workercount"] if worker else 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the cells of a lecture whose optional packages are not installed."""
    for item in items:
        notebook = getattr(item.parent, "nb", None)
        course = notebook.metadata.get("course", {}) if notebook else {}
        for package in course.get("packages", ()):
            if find_spec(package) is None:
                reason = f"{item.path.name} needs {package}: python -m pip install {package}"
                item.add_marker(pytest.mark.skip(reason=reason))


def use_file_kernels() -> None:
    """Let nbval start its kernels without network ports."""
    import nbval.kernel

    from .kernel import FileKernelManager

    nbval.kernel.KernelManager = FileKernelManager


def kernel_threads(workers: int = 1) -> int:
    """Return the threads of a kernel that runs beside ``workers`` - 1 others.

    Two kernels that each take all cores slow each other down.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdigit() else max(1, (os.cpu_count() or 1) // workers)


def kernel_environment(workers: int = 1) -> dict[str, str]:
    """Return the variables with which a notebook runs as a test, beside ``workers`` - 1 others."""
    return {
        # What is stored is the quick profile's output. A progress bar prints times.
        "COURSE_PROFILE": "quick",
        "TQDM_DISABLE": "1",
        # Keras reads this when it is imported, and would look for TensorFlow (lecture 12).
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": str(kernel_threads(workers)),
    }
