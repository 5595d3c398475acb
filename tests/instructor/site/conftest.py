"""For tests of the explorable pages: they alone, in Chromium, watched for faults."""

import pytest

from course_utils.instructor.site.explore import write_plain


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """Return the folder of the pages without Sphinx, written once."""
    pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    folder = tmp_path_factory.mktemp("explore")
    write_plain(folder)
    return folder


@pytest.fixture
def opened(browser, plain):
    """Return a function that opens a piece; whatever goes wrong in it fails the test."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    faults = []
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    page.on("request", lambda r: faults.append(r.url) if is_remote(r.url) else None)

    def open_piece(name, **viewport):
        if viewport:
            page.set_viewport_size(viewport)
        page.goto((plain / f"{name}.html").as_uri())
        page.wait_for_selector(".explore.alive")
        return page

    yield open_piece
    page.close()
    assert faults == []


def is_remote(address):
    return not address.startswith(("file:", "data:", "blob:"))
