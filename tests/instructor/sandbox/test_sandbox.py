"""A sandbox shows a kernel Python wherever it is installed, and nothing that lies beside it."""

import os
import tempfile
from pathlib import Path

import pytest

from course_utils.instructor.grading.grading_run import new_run
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.sandbox import sandbox, view
from course_utils.instructor.sandbox.kernels import Kernels

UID_MAP = "bwrap: setting up uid map: Permission denied"
LOOK = """
from pathlib import Path
place = Path({place!r})
assert (place / "inside").read_text() == "a package"
assert not (place.parent / "beside").exists()
try:
    (place / "inside").write_text("changed")
except OSError:
    pass
else:
    raise AssertionError("a kernel can change Python's folder")
"""


@pytest.fixture
def python_in_tmp(monkeypatch):
    """Let Python's packages lie in /tmp too, as in a course that was cloned there."""
    with tempfile.TemporaryDirectory(dir="/tmp") as above:
        place = Path(above) / "course" / "packages"
        place.mkdir(parents=True)
        (place / "inside").write_text("a package")
        (place.parent / "beside").write_text("a secret")
        for folder in (Path(above), place.parent, place):
            folder.chmod(0o755)
        monkeypatch.setattr(view.site, "getsitepackages", lambda: [str(place)])
        yield place


@pytest.mark.skipif(
    bool(sandbox.sandbox_problem()), reason=f"no sandbox: {sandbox.sandbox_problem()}"
)
def test_python_in_tmp_is_there_for_kernels(python_in_tmp, tmp_path):
    run = new_run(tmp_path, Settings())
    kernels = Kernels(run.fence(workers=1))
    try:
        kernel = kernels.start()
        reply = kernel.run(LOOK.format(place=str(python_in_tmp)), 30)
        kernel.stop()
    finally:
        kernels.close()
        run.clear()
    assert reply.error == ""


@pytest.fixture
def bwrap_fails(tmp_path, monkeypatch):
    """Let bubblewrap fail as it does where AppArmor forbids namespaces."""
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{UID_MAP}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    setting = tmp_path / "restricted"
    monkeypatch.setattr(sandbox, "APPARMOR", setting)
    sandbox.sandbox_problem.cache_clear()
    yield setting
    sandbox.sandbox_problem.cache_clear()


@pytest.mark.parametrize(("restricted", "is_told"), [("1\n", True), ("0\n", False), (None, False)])
def test_what_ubuntu_forbids_is_told_with_a_remedy(bwrap_fails, restricted, is_told):
    if restricted is not None:
        bwrap_fails.write_text(restricted)
    problem = sandbox.sandbox_problem()
    assert UID_MAP in problem
    remedy = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    assert (remedy in problem) == is_told
    assert ("/etc/apparmor.d/bwrap" in problem) == is_told
    assert ("--security-opt seccomp=unconfined" in problem) != is_told


def without_library():
    raise RuntimeError("no libseccomp: apt install libseccomp2")


WITHOUT = {
    "another system": (("sys.platform", "darwin"), "virtual machine, or grade on the workers"),
    "no bubblewrap": (("shutil.which", lambda name: None), "apt install bubblewrap"),
    "no library": (("filter_program", without_library), "apt install libseccomp2"),
}


@pytest.mark.parametrize(("missing", "way_out"), WITHOUT.values(), ids=WITHOUT)
def test_what_is_missing_is_told_with_a_way_out(missing, way_out, monkeypatch):
    monkeypatch.setattr(f"{sandbox.__name__}.{missing[0]}", missing[1])
    sandbox.sandbox_problem.cache_clear()
    problem = sandbox.sandbox_problem()
    sandbox.sandbox_problem.cache_clear()
    assert way_out in problem
