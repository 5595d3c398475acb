"""Settings of all tests. The plugin course_utils.testing.plugin sets the environment."""

import os

import hypothesis
import pytest
from chromium import browser  # noqa: F401 - a fixture for all tests

# A slow machine is no failure: no test depends on how long something takes.
hypothesis.settings.register_profile("course", deadline=None, max_examples=50)
hypothesis.settings.load_profile("course")

# Set where all programs and packages are there, as in CI: a test that skips then tests nothing.
ALL = "COURSE_TEST_ALL"
MAY_SKIP = ("this machine has no accelerator", "Debian's dataset-fashion-mnist is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Let a test that skips fail where nothing is allowed to be missing."""
    return _strict((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Do the same with a whole module."""
    return _strict((yield))


def _strict(report):
    if report.skipped and os.environ.get(ALL) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in MAY_SKIP):
            report.outcome = "failed"
            report.longrepr = f"{reason}\n{ALL} is set: nothing may be missing here"
    return report
