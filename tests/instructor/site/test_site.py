"""The course as a static site: complete, without solutions, and readable without a network."""

import functools
import gzip
import http.server
import os
import re
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from loopback import skip_without_loopback
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.__main__ import main
from course_utils.instructor.release.stubs import answers
from course_utils.instructor.site import build as module
from course_utils.instructor.site import pages
from course_utils.instructor.site.build import build, missing_packages
from course_utils.instructor.site.checks import problems, read_page
from course_utils.instructor.site.explore import PIECES
from course_utils.instructor.site.pages import (
    WIDGET_VIEW,
    page,
    with_buttons,
    with_evidence,
    with_pieces,
)
from course_utils.instructor.solutions import solution
from course_utils.lectures import BADGE, all_lectures, repository
from course_utils.lectures.evidence import Tried
from course_utils.runtime import project_root

LECTURES = all_lectures()
STEMS = [lecture.path.stem for lecture in LECTURES]
ADDRESS = "https://colab.research.google.com/github/a/b/blob/student/notebooks/01.ipynb"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the students' site, built once."""
    if missing := missing_packages():
        pytest.skip(f"not installed: {', '.join(missing)}")
    out = tmp_path_factory.mktemp("site") / "site"
    build(out)
    return out


def figure(**shown):
    return new_output("display_data", {"image/png": "AAAA"}, metadata={"image/png": shown})


# Pages, before Sphinx


def test_a_badge_becomes_a_link_without_an_image():
    text = with_buttons(f"# Title\n\n[![Open in Colab]({BADGE})]({ADDRESS})\n\nPromise.")
    assert text == f"# Title\n\n[Open in Colab]({ADDRESS}){{.colab-button}}\n\nPromise."


def test_a_figure_keeps_its_description():
    cell = new_code_cell("plot()", outputs=[figure(alt="A line that falls.", width=10)])
    made = page(new_notebook(cells=[new_markdown_cell("# Title"), cell]))
    assert made.cells[1].metadata.mystnb.image.alt == "A line that falls."


def test_a_page_ends_with_what_became_of_its_claims(monkeypatch):
    one = Tried("A | B", "≥ 0.1", 4, 4, 2, (1, 3), (0.2, 0.3) * 2, ((0.1, 0.2),) * 2, 1.0, "", 2)
    monkeypatch.setattr(pages, "evidence_of", {"05": [one], "06": []}.get)
    made = with_evidence(new_notebook(), "05").cells
    assert "run with\n2 seeds, and at 1 and 3 times its training length. When" in made[0].source
    assert "2 further\nseeds tried them" in made[0].source
    assert "<summary>1 claims, tried 4 times, held 4 times</summary>" in made[0].source
    assert "\n| A \\| B | ≥ 0.1 | 4 | 4 | 0.25 | 0.1 | 2.1 |\n" in made[0].source
    assert with_evidence(new_notebook(), "06").cells == []


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([figure(alt="")], "has no description"),
        ([figure(width=10)], "has no description"),
        ([figure(alt="One."), figure(alt="Two.")], "has 2 figures"),
    ],
)
def test_a_figure_that_cannot_be_described_is_refused(outputs, message):
    cell = new_code_cell("plot()", outputs=outputs, id="the-cell")
    with pytest.raises(ValueError, match=message):
        page(new_notebook(cells=[cell]))


def test_a_widget_is_shown_by_its_stored_figure():
    state = {
        "box": {"state": {"_model_name": "VBoxModel", "children": ["IPY_MODEL_a", "IPY_MODEL_b"]}},
        "a": {"state": {"_model_name": "IntSliderModel", "value": 3}},
        "b": {"state": {"_model_name": "HTMLModel", "value": '<img alt="A grid." src="data:,">'}},
    }
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    shown = new_output("execute_result", {WIDGET_VIEW: {"model_id": "box"}}, execution_count=1)
    cell = new_code_cell("explorer", outputs=[shown])
    made = page(new_notebook(cells=[cell], metadata={"widgets": widgets}))
    assert list(made.cells[0].outputs[0].data) == ["text/html"]
    assert '<img alt="A grid." src="data:,">' in made.cells[0].outputs[0].data["text/html"]
    assert "widgets" not in made.metadata, "Sphinx would load the widgets from the network"


# Checks


GOOD = '<h1 id="top">T</h1><a href="#top">up</a><a href="https://pytorch.org">elsewhere</a>'


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (GOOD, None),
        ('<a href="b.html#there">b</a><img src="data:," alt="A dot.">', None),
        ('<a href="missing.html">x</a>', "dead link: missing.html"),
        ('<a href="#nowhere">x</a>', "dead anchor: #nowhere"),
        ('<a href="b.html#nowhere">x</a>', "dead anchor: b.html#nowhere"),
        ('<img src="data:,">', "image without alt text: data:,"),
        ('<img src="data:," alt=" ">', "image without alt text: data:,"),
        ('<img src="missing.png" alt="A dot.">', "loads a missing file: missing.png"),
        ('<script src="//cdn.org/x.js"></script>', "loads from the network: //cdn.org/x.js"),
        (
            '<link rel="stylesheet" href="https://cdn.org/x.css">',
            "loads from the network: https://cdn.org/x.css",
        ),
    ],
)
def test_checks_name_page_and_fault(tmp_path, content, fault):
    (tmp_path / "a.html").write_text(content, "utf-8")
    (tmp_path / "b.html").write_text('<p id="there">B</p>', "utf-8")
    assert problems(tmp_path) == ([f"a.html: {fault}"] if fault else [])


def test_checks_see_what_style_sheets_load(tmp_path):
    style = "@import 'https://fonts.org/a.css'; p { background: url(\"missing.png\") }"
    (tmp_path / "a.css").write_text(style, "utf-8")
    assert problems(tmp_path) == [
        "a.css: loads from the network: https://fonts.org/a.css",
        "a.css: loads a missing file: missing.png",
    ]


# The command


def test_missing_packages_are_named_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "NEEDED", {"no_such_module": "sphinx"})
    assert main(["site", "--out", str(tmp_path / "site")]) == 1
    assert capsys.readouterr().err == "sphinx is missing: python -m pip install -e '.[site]'\n"


def test_a_folder_with_other_files_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "NEEDED", {})
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    assert main(["site", "--out", str(tmp_path)]) == 1
    assert "is not empty and no earlier site: choose another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_site_with_faults_does_not_replace_the_earlier_one(tmp_path, monkeypatch, capsys):
    out = tmp_path / "site"
    out.mkdir()
    (out / ".course-site").touch()
    (out / "index.html").write_text("old", "utf-8")
    monkeypatch.setattr(module, "NEEDED", {})
    monkeypatch.setattr(module, "write_source", lambda *_: None)
    bad = '<a href="missing.html">x</a>'
    monkeypatch.setattr(
        module, "run_sphinx", lambda _, tree: (tree / "index.html").write_text(bad, "utf-8")
    )
    assert main(["site", "--solutions", "--out", str(out)]) == 1
    assert "index.html: dead link: missing.html" in capsys.readouterr().err
    assert (out / "index.html").read_text("utf-8") == "old"


# The built site


def test_the_first_page_leads_to_every_lecture(site):
    links = read_page(site / "index.html").links
    for lecture in LECTURES:
        assert f"{lecture.path.stem}.html" in links
        assert lecture.colab_url(repository(), "student") in links


@pytest.mark.parametrize("lecture", LECTURES, ids=STEMS)
def test_a_page_shows_its_lecture_without_solutions(site, lecture):
    from bs4 import BeautifulSoup  # the theme brings it

    source = (site / f"{lecture.path.stem}.html").read_text("utf-8")
    shown = BeautifulSoup(source, "html.parser")
    assert shown.find("a", href=lecture.colab_url(repository(), "student"), class_="colab-button")
    notebook = nbformat.read(lecture.path, as_version=4)
    text = without_spaces(shown.get_text())
    assert text.count("raiseNotImplementedError") >= len(answers(notebook))
    for cell in answers(notebook):
        assert without_spaces(solution(cell.source)) not in text
    described = {image["alt"] for image in shown.find_all("img")}
    assert described >= set(stored_descriptions(notebook))


def without_spaces(text):
    return "".join(text.split())


def stored_descriptions(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [x.metadata["image/png"].alt for x in outputs if "image/png" in x.get("data", {})]
    assert shown, "every lecture has figures"
    return shown


def test_every_icon_is_drawn_by_the_style_sheet(site):
    style = (site / "_static" / "course.css").read_text("utf-8")
    drawn = set(re.findall(r"^\.(fa-[a-z-]+) {", style, re.MULTILINE))
    for built in site.glob("*.html"):
        text = built.read_text("utf-8")
        assert "fontawesome.js" not in text
        used = set(
            re.findall(r"(?<![\w-])fa-[a-z-]+", " ".join(re.findall(r'class="([^"]*)"', text)))
        )
        assert used - {"fa-solid", "fa-lg", "fa-fw"} <= drawn


def test_the_first_page_begins_with_a_piece_that_runs(site, watched):
    opened, faults = watched
    opened.goto((site / "index.html").as_uri())
    opened.wait_for_selector("#kernels.alive")
    before = opened.locator("#kernels .answer").inner_text()
    opened.locator("#kernels .input").focus()
    opened.keyboard.press("Shift+ArrowRight")
    assert opened.locator("#kernels .answer").inner_text() != before
    assert not opened.locator("#kernels .padding").is_visible()
    assert faults == []


@pytest.mark.parametrize("lecture", LECTURES, ids=STEMS)
def test_a_lecture_leads_to_its_pieces(site, lecture):
    links = read_page(site / f"{lecture.path.stem}.html").links
    pieces = [f"{piece.name}.html" for piece in PIECES if lecture.id in piece.lectures]
    below_the_title = [link.split("#")[0] for link in links]
    assert set(pieces) <= set(below_the_title)
    made = with_pieces(new_notebook(cells=[new_markdown_cell("# T")]), lecture.id).cells[0].source
    assert ("Touch it" in made) == bool(pieces)


@pytest.mark.parametrize("name", ["index", *(piece.name for piece in PIECES)])
def test_the_first_view_of_an_explorable_page_is_light(site, watched, name):
    opened, faults = watched
    loaded = []
    opened.on("request", lambda request: loaded.append(request.url))
    opened.goto((site / f"{name}.html").as_uri())
    opened.wait_for_selector(".explore.alive")
    opened.wait_for_load_state("networkidle")
    files = {Path(unquote(urlsplit(url).path)) for url in loaded if url.startswith("file:")}
    assert not [file for file in files if file.suffix == ".woff2"], "an icon of the theme's font"
    assert sum(map(sent_size, files)) <= 1_500_000
    assert faults == []


def sent_size(file):
    """Return the bytes that a web server sends: text is compressed, pictures are already."""
    content = file.read_bytes()
    return len(content) if file.suffix == ".png" else len(gzip.compress(content, 6))


def test_sliders_are_shown_by_a_figure(site):
    text = (site / "02_convolution.html").read_text("utf-8")
    assert "In a running notebook, sliders change this." in text
    assert "widget-view" not in text


# In a browser


@pytest.fixture
def watched(browser):
    """Return a new browser page and the list of what goes wrong in it."""
    opened = browser.new_page(color_scheme="light")
    faults = []
    opened.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    opened.on("request", lambda r: faults.append(r.url) if is_remote(r.url) else None)
    yield opened, faults
    opened.close()


if os.environ.get("COURSE_TEST_BROWSER"):  # make test-browser

    @pytest.mark.parametrize("name", ["index", *(piece.name for piece in PIECES)])
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_screenshots_are_kept(site, browser, name, theme):
        folder = project_root() / "build" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        for width in (360, 768, 1300):
            opened = browser.new_page(
                viewport={"width": width, "height": 900},
                color_scheme=theme,
                reduced_motion="reduce",
            )
            opened.goto((site / f"{name}.html").as_uri())
            opened.wait_for_selector(".explore.alive")
            opened.wait_for_timeout(300)  # milliseconds: what is drawn is drawn in the next frames
            opened.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            opened.close()


def is_remote(address):
    return not address.startswith(("file:", "data:", "blob:", "http://127.0.0.1"))


@pytest.fixture(scope="module")
def served(site):
    """Return the address of the site on a local server."""
    handler = functools.partial(QuietHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            skip_without_loopback(server.server_port)
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("name", ["index", *STEMS, *(piece.name for piece in PIECES)])
def test_a_page_opened_from_its_folder(site, watched, name):
    opened, faults = watched
    opened.goto((site / f"{name}.html").as_uri())
    drawn = "[...document.querySelectorAll('.math')].every(x => x.querySelector('svg'))"
    opened.wait_for_function(drawn)
    assert opened.evaluate("document.querySelectorAll('[data-mml-node=merror]').length") == 0
    assert faults == []
    opened.set_viewport_size({"width": 360, "height": 740})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360, "wider than a phone"


@pytest.mark.parametrize("way", ["folder", "server"])
def test_search_finds_an_idea(site, served, watched, way):
    opened, faults = watched
    start = site.as_uri() if way == "folder" else served
    opened.goto(f"{start}/search.html?q=receptive+field")
    found = opened.locator("#search-results li a[href*='02_convolution.html']")
    found.first.wait_for()
    if way == "server":
        opened.locator("#search-results .context").first.wait_for()
    assert faults == []


def test_the_button_changes_to_dark_and_the_choice_is_kept(site, watched):
    opened, faults = watched
    opened.goto((site / "index.html").as_uri())
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(background)
    opened.locator(".theme-switch-button:visible").click()
    opened.locator(".theme-change-button[data-mode=dark]:visible").click()
    opened.goto((site / f"{STEMS[0]}.html").as_uri())
    assert opened.evaluate("document.documentElement.dataset.theme") == "dark"
    assert opened.evaluate(background) != light
    assert faults == []
