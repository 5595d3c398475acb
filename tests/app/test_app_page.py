"""`python -m course_utils app` as people use it: the command, and its page in Chromium.

What the browser shows is kept in build/screenshots.
"""

import base64
import os
import re
import socket
import subprocess
import sys

import pytest
from loopback import skip_without_loopback

from course_utils import app
from course_utils.__main__ import main
from course_utils.runtime import project_root

DATA = project_root() / "data"
SCREENSHOTS = project_root() / "build" / "screenshots"
PHOTOGRAPHS = {
    "grace_hopper": r"military uniform, [34]\d\.\d%",
    "china": r"palace, [34]\d\.\d%",
    "flower": "I do not know",
}
COMMAND = [sys.executable, "-m", "course_utils", "app"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(project_root())}
SECONDS = 1000  # Playwright counts in milliseconds


@pytest.fixture(scope="module")
def address():
    """Start the command as a student does, and end it.

    Ctrl+C does the same as SIGTERM, but shells keep it from what they start in the background.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        skip_without_loopback(free.getsockname()[1])
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout.readline() == "Loading the networks: some seconds\n"
        line = program.stdout.readline()
        found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/) in a browser .* ends it\.\n", line)
        assert found, line
        yield found[1]
        program.terminate()
        assert program.stdout.read() == "Ended.\n"
    assert program.returncode == 0


@pytest.fixture
def page(browser, address):
    """The page, opened; afterwards nothing has failed and no other host was asked."""
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    wrong = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))

    def note(request):
        if not request.url.startswith((address, "data:image/png;base64,", "data:,")):
            wrong.append(request.url)

    opened.on("request", note)
    opened.set_default_timeout(120 * SECONDS)
    opened.goto(address)
    opened.wait_for_selector("input[name=network]")
    yield opened
    opened.close()
    assert wrong == []


def headline(page, pattern):
    """Wait until the answer is there, and return its headline and what is said below it."""
    place = page.get_by_role("status").locator("strong", has_text=re.compile(pattern))
    place.wait_for()
    return place.inner_text(), page.get_by_role("status").inner_text()


def keep(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"app-{name}.png", full_page=True)


def choose_garments(page):
    page.get_by_role("radio", name=re.compile("garments")).check()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_has_an_answer(page, name):
    page.get_by_label("Choose a photograph").set_input_files(DATA / f"photograph_{name}.png")
    _, said = headline(page, PHOTOGRAPHS[name])
    assert f"photograph_{name}.png. Its largest probability is 0." in said
    assert page.locator("#classes tr").count() == 5
    keep(page, name)
    choose_garments(page)
    headline(page, "I do not know")
    page.wait_for_selector("#neighbours li")
    assert page.locator("#neighbours li").count() == 6
    keep(page, f"{name}-garments")


@pytest.fixture
def bad_files(tmp_path):
    content = (DATA / "photograph_china.png").read_bytes()
    files = {"notes.jpg": b"no picture", "half.png": content[:50_000], "large.png": bytes(10**8)}
    for name, bad in files.items():
        (tmp_path / name).write_bytes(bad)
    return tmp_path


def test_bad_files_say_what_to_do_and_the_next_gets_its_answer(page, bad_files):
    field = page.get_by_label("Choose a photograph")
    sentences = {
        "notes.jpg": "This file is no picture, whatever its name says. Choose a JPEG",
        "half.png": "The picture is damaged: it cannot be read to its end. Copy or download it",
        "large.png": "The file has 100 MB; at most 20 MB are taken. Make it smaller",
    }
    for name, sentence in sentences.items():
        field.set_input_files(bad_files / name)
        page.get_by_role("status").get_by_text(f"{name}: {sentence}").wait_for()
        assert headline(page, "No answer")
        assert page.locator("#answer").is_hidden()
    keep(page, "bad-file")
    field.set_input_files(DATA / "photograph_china.png")
    headline(page, "palace")
    assert page.locator("#answer").is_visible()


def test_the_keyboard_is_enough(page):
    assert page.locator("html").get_attribute("lang") == "en"
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert reached[:2] == ["network", "file"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name=re.compile("garments")).is_checked()
    page.get_by_role("button", name="Try a test image").focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("A test image. Its energy score").wait_for()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("A network gives each picture one of its classes").is_visible()


def test_every_picture_has_a_description(page):
    choose_garments(page)
    page.get_by_role("button", name="Try a test image").click()
    page.wait_for_selector("#neighbours li")
    found = page.locator("img").evaluate_all("images => images.map(image => image.alt)")
    assert len(found) == 7
    assert found[0] == "A test image, as the network saw it"
    assert all(alt.startswith("Training image: ") for alt in found[1:])


def test_a_file_can_be_dropped(page):
    content = base64.b64encode((DATA / "photograph_china.png").read_bytes()).decode()
    dropped = page.evaluate_handle(
        """content => {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
            return data;
        }""",
        content,
    )
    page.dispatch_event("h1", "drop", {"dataTransfer": dropped})
    assert "dropped.png" in headline(page, "palace")[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1300])
def test_it_fits_phones_and_wide_screens(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    choose_garments(page)
    page.get_by_label("Choose a photograph").set_input_files(DATA / "photograph_china.png")
    page.wait_for_selector("#neighbours li")
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")
    keep(page, f"{width}-{scheme}")


def test_an_answer_that_comes_late_is_not_shown(page):
    """Two files in a row: what stands there in the end is about the second one."""
    field = page.get_by_label("Choose a photograph")
    held = []
    page.route("**/answer*", lambda route: held.append(route))
    field.set_input_files(DATA / "photograph_china.png")
    page.get_by_text("Looking at photograph_china.png").wait_for()
    field.set_input_files(DATA / "photograph_grace_hopper.png")
    page.get_by_text("Looking at photograph_grace_hopper.png").wait_for()
    while len(held) < 2:
        page.wait_for_timeout(20)
    held[1].continue_()
    headline(page, "military uniform")
    with page.expect_response("**/answer*"):
        held[0].continue_()
    page.wait_for_timeout(200)
    headline(page, "military uniform")


def test_a_port_that_is_taken_is_named(address, capsys, monkeypatch):
    monkeypatch.setattr(app, "garments", lambda source: None)
    monkeypatch.setattr(app, "things", lambda: None)
    port = address.rstrip("/").rpartition(":")[2]
    assert main(["app", "--port", port]) == 1
    assert f"port {port} cannot be had" in capsys.readouterr().err


def test_wrong_usage(tmp_path, capsys):
    for port in ("-1", "65536", "http"):
        with pytest.raises(SystemExit) as ended:
            main(["app", "--port", port])
        assert ended.value.code == 2
    assert "'http' is no port" in capsys.readouterr().err
    assert main(["app", "--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "name a file that save_weights wrote" in capsys.readouterr().err


@pytest.fixture
def started(monkeypatch):
    """What the server would be started with, in place of loading networks and starting it."""
    calls = []

    class Server:
        def __init__(self, networks, missing, port):
            calls.append((list(networks), missing, port))
            raise OSError(98, "in use")

    monkeypatch.setattr(app, "garments", lambda source: None)
    monkeypatch.setattr(app, "things", lambda: None)
    monkeypatch.setattr(app, "AppServer", Server)
    return calls


def test_without_imagenets_package_the_page_says_how_to_get_it(started, monkeypatch):
    def missing():
        raise RuntimeError("to get it: pip install it")

    monkeypatch.setattr(app, "things", missing)
    assert main(["app"]) == 1
    assert started == [(["garments"], {"ImageNet": "to get it: pip install it"}, 8765)]


def test_a_network_of_ones_own_is_asked_first(started):
    assert main(["app"]) == 1
    assert main(["app", "--weights", str(DATA / "slim_vgg11_fashion6.safetensors")]) == 1
    assert [networks for networks, _, _ in started] == [
        ["ImageNet", "garments"],
        ["garments", "ImageNet"],
    ]
