"""A sandbox shows a kernel Python wherever it is installed, and nothing that lies beside it."""

import tempfile
from pathlib import Path

import pytest

from course_utils.grading import sandbox
from course_utils.grading.bench import Bench
from course_utils.grading.workplace import Settings, new_workplace

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
        monkeypatch.setattr(sandbox.site, "getsitepackages", lambda: [str(place)])
        yield place


@pytest.mark.skipif(
    bool(sandbox.sandbox_problem()), reason=f"no sandbox: {sandbox.sandbox_problem()}"
)
def test_python_in_tmp_is_there_for_kernels(python_in_tmp, tmp_path):
    place = new_workplace(tmp_path, Settings())
    bench = Bench(place, workers=1)
    try:
        kernel = bench.start()
        reply = kernel.run(LOOK.format(place=str(python_in_tmp)), 30)
        kernel.stop()
    finally:
        bench.close()
        place.clear()
    assert reply.error == ""
