"""The lectures in JupyterLab, in a real browser: Run > Restart Kernel and Run All Cells.

`make test` tries lecture 02, which has sliders; `make test-browser` tries all, and keeps what the
browser shows in build/screenshots.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest
from loopback import skip_without_loopback

from course_utils.lectures import all_lectures
from course_utils.runtime import project_root

LECTURES = {lecture.path.stem: lecture.path for lecture in all_lectures()}
ALL = bool(os.environ.get("COURSE_TEST_BROWSER"))
SCREENSHOTS = project_root() / "build" / "screenshots"
SECONDS = 1000 * 1  # Playwright counts in milliseconds
SETTINGS = {
    # No question about news, and every cell is drawn, not only those on the screen.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
CELLS = """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
    .filter(cell => cell.cell_type === 'code')"""
STATUS = "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status"
STOP = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
# How many colours a figure has, of every 40th pixel or so: 1 is a blank figure.
FIGURES = """() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(image => {
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    if (!canvas.width) return {source: image.src.slice(0, 60), colours: 0, wide: false};
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = new Uint32Array(
        context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    const place = image.closest('.jp-OutputArea-output');
    const colours = new Set(pixels.filter((_, i) => i % 37 === 0)).size;
    return {source: image.src.slice(0, 60), colours,
            wide: image.getBoundingClientRect().width > place.getBoundingClientRect().width + 1};
})"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start JupyterLab on a copy of the notebooks; return its address and token."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(project_root() / "notebooks", folder / "notebooks")
    for name, values in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        skip_without_loopback(free.getsockname()[1])
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", f"--port={port}"]
    options += [f"--IdentityProvider.token={token}", f"--notebook-dir={folder / 'notebooks'}"]
    private = {"COURSE_DEVICE": "cpu", "COURSE_PROFILE": "quick", "PYTHONPATH": project_root()}
    private |= {name: folder / name for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    private["JUPYTERLAB_SETTINGS_DIR"] = folder / "settings"
    private["JUPYTERLAB_WORKSPACES_DIR"] = folder / "workspaces"
    environment = os.environ | {name: str(value) for name, value in private.items()}
    environment.pop("TQDM_DISABLE", None)  # a student sees progress bars
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(address, server, folder / "log")
        yield address, token
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_until_it_answers(address, server, log):
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        with suppress(OSError):
            urllib.request.urlopen(f"{address}/api", timeout=5).close()
            return
        time.sleep(0.1)
    pytest.fail(f"JupyterLab does not answer: {log.read_text()}")


@pytest.fixture(scope="module")
def ran(lab, browser):
    """Return a function that opens a lecture, runs it, and returns its page; the last one stays."""
    opened = {}

    def close():
        for page in opened.values():
            page.evaluate(STOP)  # or the kernels of all lectures fill the memory
            page.close()
        opened.clear()

    def run(stem):
        if stem not in opened:
            close()
            opened[stem] = browser.new_page(viewport={"width": 1280, "height": 1600})
            open_lecture(opened[stem], *lab, stem)
            run_all(opened[stem])
        return opened[stem]

    yield run
    close()


def open_lecture(page, address, token, stem):
    """Open a lecture as a student does, and wait for its kernel."""
    page.goto(f"{address}/lab/tree/{stem}.ipynb?reset&token={token}")
    page.wait_for_function("() => window.jupyterapp", timeout=60 * SECONDS)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECONDS)
    page.wait_for_function(f"() => ({STATUS})() === 'idle'", timeout=60 * SECONDS)


def run_all(page):
    """Choose Run > Restart Kernel and Run All Cells, confirm, and wait until all is done."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("Restart Kernel and Run All Cells")).click()
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_function(f"() => ({STATUS})() !== 'idle'", timeout=60 * SECONDS)
    done = f"() => ({STATUS})() === 'idle' && ({CELLS})().at(-1).execution_count !== null"
    page.wait_for_function(done, timeout=600 * SECONDS)
    page.keyboard.press("Control+b")  # hides the list of files
    page.wait_for_timeout(1 * SECONDS)  # the last figure is drawn


def keep_screenshots(page, stem):
    """Store what a student sees, one screen below the other."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for old in SCREENSHOTS.glob(f"{stem}-*.png"):
        old.unlink()
    panel = page.locator(".jp-WindowedPanel-outer").first
    height = panel.evaluate("panel => panel.scrollHeight")
    for number, top in enumerate(range(0, height, 1480)):
        panel.evaluate("(panel, top) => { panel.scrollTop = top }", top)
        page.wait_for_timeout(200)
        page.screenshot(path=SCREENSHOTS / f"{stem}-{number:02}.png")


@pytest.mark.parametrize("stem", list(LECTURES) if ALL else ["02_convolution"])
def test_restart_and_run_all(ran, stem):
    page = ran(stem)
    if ALL:
        keep_screenshots(page, stem)
    cells = page.evaluate(CELLS)
    errors = [o for cell in cells for o in cell["outputs"] if o["output_type"] == "error"]
    assert errors == []
    assert all(cell["execution_count"] for cell in cells)
    stored = json.loads(LECTURES[stem].read_text("utf-8"))["cells"]
    figures = page.evaluate(FIGURES)
    assert len(figures) >= sum(has_figure(cell) for cell in stored)
    for figure in figures:  # JupyterLab leaves out the descriptions that the notebook has
        assert figure["colours"] > 1, f"blank or broken: {figure}"
        assert not figure["wide"], f"cut off on the right: {figure}"


def has_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def test_the_sliders_follow_mouse_and_keyboard(ran):
    page = ran("02_convolution")
    sliders = page.locator(".widget-slider")
    picture = page.locator(".widget-html img").first

    def slider(name):
        return sliders.filter(has_text=name).locator("[role=slider]")

    assert "on a 9×9 image" in picture.get_attribute("alt")
    slider("stride").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".widget-html img[alt*='stride 3']", timeout=20 * SECONDS)
    place = slider("size").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=8)
    page.mouse.up()
    page.wait_for_function(
        "() => /on a (1[0-9]|2[0-4])×/.test(document.querySelector('.widget-html img').alt)",
        timeout=20 * SECONDS,
    )
