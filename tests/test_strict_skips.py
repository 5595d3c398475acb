"""Where COURSE_TEST_ALL is set, as in CI, a test that skips is a failure: it has tested nothing."""

import os
import subprocess
import sys

import pytest

from course_utils.runtime import project_root

TESTS = {
    "test_marked.py": "import pytest\n@pytest.mark.skipif(True, reason='no sandbox: x')\n"
    "def test_a(): pass\n",
    "test_called.py": "import pytest\ndef test_a(): pytest.skip('there is no Chromium')\n",
    "test_module.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n",
    "test_allowed.py": "import pytest\n"
    "def test_a(): pytest.skip('this machine has no accelerator')\n",
}


@pytest.mark.parametrize(("value", "failed", "skipped"), [("1", 3, 1), ("", 0, 4)])
def test_skips_count_as_failures_where_asked(tmp_path, value, failed, skipped):
    for name, source in TESTS.items():
        (tmp_path / name).write_text(source)
    conftest = (project_root() / "tests" / "conftest.py").read_text("utf-8")
    (tmp_path / "conftest.py").write_text(conftest.replace("from chromium import browser", ""))
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    command += ["--continue-on-collection-errors", "-c"]
    # Where CI or BUILD_NUMBER is set, pytest's summary repeats each message in full.
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "BUILD_NUMBER")}
    done = subprocess.run(
        [*command, os.devnull, f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=tmp_path,
        env=environment | {"COURSE_TEST_ALL": value},
        capture_output=True,
        text=True,
    )
    summary = done.stdout.splitlines()[-1] if done.stdout else done.stderr
    assert done.stdout.count("nothing may be missing here") == failed, done.stdout
    assert f"{skipped} skipped" in summary, done.stdout
