"""For tests in a browser: Debian's Chromium, without a window."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium: install the package chromium")
    with playwright.sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()
