"""Where all programs and packages are there, as in CI, a test that skips has tested nothing."""

import os

import pytest

ALL = "COURSE_TEST_ALL"  # set where nothing may be missing
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
