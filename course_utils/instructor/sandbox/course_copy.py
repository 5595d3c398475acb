"""The course as a student's kernel sees it: as students have it, and what a kernel runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..package import copy_package

READABLE, ENTERABLE = 0o444, 0o555  # by the user that kernels run as, whatever the checkout allows


def make_course_copy(folder: Path) -> None:
    """Write the copy into ``folder``, which exists and is empty."""
    copy_package(folder / "course_utils")
    here = Path(__file__)
    shutil.copyfile(here.with_name("zygote.py"), folder / "zygote.py")
    for name in ("student_kernel.py", "missing_gpu.py"):
        shutil.copyfile(here.with_name(name), folder / "course_utils" / "exercises" / name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (ENTERABLE if path.is_dir() else READABLE))
