"""Where COURSE_TEST_ALL is set, as in CI, a test that skips is a failure: it has tested nothing."""

import shutil

import pytest

from course_utils.runtime import project_root

pytest_plugins = ["pytester"]
TESTS = {
    "test_marked.py": "import pytest\n@pytest.mark.skipif(True, reason='no sandbox: x')\n"
    "def test_a(): pass\n",
    "test_called.py": "import pytest\ndef test_a(): pytest.skip('there is no Chromium')\n",
    "test_module.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n",
    "test_allowed.py": "import pytest\n"
    "def test_a(): pytest.skip('this machine has no accelerator')\n",
}


@pytest.mark.parametrize(("value", "failed", "skipped"), [("1", 3, 1), ("", 0, 4)])
def test_skips_count_as_failures_where_asked(pytester, monkeypatch, value, failed, skipped):
    for name, source in TESTS.items():
        (pytester.path / name).write_text(source)
    shutil.copy(project_root() / "tests" / "strict_skips.py", pytester.path / "conftest.py")
    monkeypatch.setenv("COURSE_TEST_ALL", value)
    for name in ("CI", "BUILD_NUMBER"):  # there, pytest's summary repeats each message in full
        monkeypatch.delenv(name, raising=False)
    done = pytester.runpytest_inprocess("-q", "-n0", "--continue-on-collection-errors")
    printed = done.stdout.str()
    assert printed.count("nothing may be missing here") == failed, printed
    assert f"{skipped} skipped" in printed.splitlines()[-1], printed
