"""The environment of a kernel that runs a lecture.

It is made anew for each kernel and handed to it. What a test or a command does to ``os.environ``
does not change which course the next kernel imports.
"""

from __future__ import annotations

import os

from ..runtime import project_root
from ..runtime.threads import kernel_threads


def quick_variables(workers: int = 1) -> dict[str, str]:
    """Return the variables of a process that runs tests, beside ``workers`` - 1 others."""
    return {
        "OMP_NUM_THREADS": str(kernel_threads(workers)),
        # What is stored is the quick profile's output. A progress bar prints times.
        "COURSE_PROFILE": "quick",
        "TQDM_DISABLE": "1",
        # Keras reads this when it is imported, and would look for TensorFlow (lecture 13).
        "KERAS_BACKEND": "torch",
    }


def notebook_variables(workers: int = 1) -> dict[str, str]:
    """Return the variables of a kernel that runs a lecture, beside ``workers`` - 1 others.

    The kernel imports the course that starts it, whatever ``PYTHONPATH`` names as well.
    """
    paths = [str(project_root()), os.environ.get("PYTHONPATH", "")]
    return quick_variables(workers) | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def inherited_variables() -> dict[str, str]:
    """Return what a kernel takes over from this process.

    With pytest's mark in it, ipykernel would not pass on what C code and subprocesses print.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
