"""The instructor's page in a browser: found, sorted, printed, on small screens, unscripted."""

import pytest
from graded_class import LECTURES, ordinary_class, submission, write_reports

from course_utils.instructor.reports.class_list import ClassList, Person
from course_utils.instructor.reports.results import BESIDE, INFRASTRUCTURE, UNREADABLE
from course_utils.instructor.reports.writing import write_class

WIDTHS = (360, 768, 1300)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Return the folder of an ordinary class's reports."""
    out = tmp_path_factory.mktemp("grades")
    results, class_list = ordinary_class()
    class_list.write(out)
    head = "student,exercise,points,reason\n"
    (out / "overrides.csv").write_text(
        f"{head}s2026007,02.1,4,seen\ns2026000,03,12,oral\nx,02,1,?\n"
    )
    write_reports(out, results)
    return out


@pytest.fixture
def page(browser, out):
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto((out / "class.html").as_uri())
    yield page
    page.close()


def visible_rows(page, part="body"):
    return page.locator(f"{part} tbody tr:visible").all_inner_texts()


def headings(page):
    return page.locator("h2:visible, h3:visible").all_inner_texts()


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("hanna muller", ["Hanna Müller"]),  # in small letters, without accents
        ("MÜLLER hanna", ["Hanna Müller"]),
        ("2026007", ["Hanna Müller"]),  # an id
        ("4718_assign", ["Hanna Müller"]),  # a file
        ("unreadable", ["Chinedu Okafor"]),
        ("whose is this 02_convolution", ["whose is this?"]),
        ("02.1 notebook: 4", ["Bao Nguyễn"]),  # an exercise
    ],
)
def test_search_finds_names_ids_files_states_and_exercises(page, words, rows):
    page.get_by_label("Search").fill(words)
    found = visible_rows(page)
    assert found
    assert all(row.startswith(tuple(rows)) for row in found)
    assert (
        page.locator("#found").inner_text()
        == f"{len(found)} {'rows'[: 4 - (len(found) == 1)]} found"
    )
    page.get_by_label("Search").fill("")
    assert len(visible_rows(page)) > len(found)


def test_search_hides_what_has_no_row_and_opens_what_has_one(page):
    before, all_of_it = headings(page), visible_rows(page)
    page.get_by_label("Search").fill("oral")
    assert headings(page) == ["Needs your attention", "Changed by you (2)"]
    assert len(visible_rows(page)) == 1
    page.get_by_label("Search").fill("no such words")
    assert headings(page) == []
    assert page.locator("#found").inner_text() == "0 rows found"
    page.get_by_label("Search").fill("")
    assert (headings(page), visible_rows(page)) == (before, all_of_it)


@pytest.mark.parametrize(
    ("view", "first"),
    [
        ("by state", "Needs your attention"),
        ("by exercise", "Lecture 02"),
        ("by student", "All students"),
    ],
)
def test_views_show_their_part(page, view, first):
    everything = headings(page)
    page.get_by_label(view).check()
    assert headings(page)[0] == first
    assert set(headings(page)) < set(everything)
    page.get_by_label("everything").check()
    assert headings(page) == everything


def column(page, name, number):
    cells = page.get_by_role("region", name=name).locator(f"tbody tr > :nth-child({number})")
    return [text.split(" ")[0] for text in cells.all_inner_texts()]


def test_each_column_sorts_by_click_and_by_keyboard(page):
    region = page.get_by_role("region", name="All submissions")
    heading = region.get_by_role("columnheader", name="Points", exact=False).first
    button = heading.get_by_role("button")
    button.click()
    points = column(page, "All submissions", 3)
    numbers = [float(point) for point in points if point != "–"]
    assert numbers == sorted(numbers), "2 comes before 10"
    assert heading.get_attribute("aria-sort") == "ascending"
    button.focus()
    page.keyboard.press("Enter")
    points = column(page, "All submissions", 3)
    assert [float(point) for point in points[: len(numbers)]] == sorted(numbers, reverse=True)
    assert set(points[len(numbers) :]) == {"–"}, "what has no points is last, both ways"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    states = column(page, "All submissions", 4)
    assert states == sorted(states)
    assert heading.get_attribute("aria-sort") is None


def test_all_of_it_can_be_reached_by_keyboard(page):
    page.keyboard.press("Tab")
    page.keyboard.type("muller")
    assert len(visible_rows(page)) == 5
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("by state").is_checked()
    assert len(visible_rows(page)) == 4


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off(browser, out, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    for path in [out / "class.html", *sorted((out / "feedback").iterdir())[::6]]:
        page.goto(path.as_uri())
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        too_wide = """() => [document.documentElement, ...document.querySelectorAll(".scroll")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1)
            .map((one) => one.getAttribute("aria-label") ?? "page")"""
        assert page.evaluate(too_wide) == [], path.name
    page.close()


def test_print_shows_every_row_and_no_tools(page):
    rows = page.locator("tbody tr").count()
    page.emulate_media(media="print")
    assert len(visible_rows(page)) == rows, "also those of closed parts"
    page.emulate_media(media="screen")
    page.get_by_label("Search").fill("muller")
    page.get_by_label("by student").check()
    assert len(visible_rows(page)) == 1
    page.emulate_media(media="print")
    assert len(visible_rows(page)) == rows
    assert not page.locator("#tools").is_visible()


def test_without_scripts_the_page_shows_everything(browser, page, out):
    quiet = browser.new_context(java_script_enabled=False).new_page()
    quiet.goto((out / "class.html").as_uri())
    assert len(visible_rows(quiet)) == len(visible_rows(page))
    assert not quiet.locator("#tools").is_visible()
    assert quiet.locator("thead button").count() == 0
    quiet.close()


def test_only_the_pages_own_script_runs(browser, out, tmp_path):
    """What would get past escaping is stopped by the policy."""
    text = (out / "class.html").read_text("utf-8")
    attack = (
        "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">"
    )
    (tmp_path / "class.html").write_text(text.replace("<h1>", f"{attack}<h1>", 1), "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "class.html").as_uri())
    assert page.title() == "Class report"
    assert page.locator("#tools").is_visible(), "its own script ran"
    page.close()


def test_the_page_asks_for_nothing(browser, out):
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((out / "class.html").as_uri())
    page.get_by_label("Search").fill("a")
    assert asked == [(out / "class.html").as_uri()]
    assert said == []
    page.close()


def test_three_hundred_students_fit_on_the_page(browser, tmp_path):
    people = tuple(Person(f"s{n}", f"Student {n}", f"{n}", evidence="roster") for n in range(300))
    results = [
        submission(person.name, lecture, person=person.key, is_late=n % 9 == 0)
        for n, person in enumerate(people)
        for lecture in LECTURES
    ]
    ClassList(people).write(tmp_path)
    write_class(tmp_path, results)
    path = tmp_path / "class.html"
    assert path.stat().st_size < 3_000_000
    page = browser.new_page()
    page.goto(path.as_uri())
    page.get_by_label("Search").fill("student 299")
    assert len(visible_rows(page)) == 4
    page.close()


def test_states_of_the_class_are_all_there():
    """The class that is looked at has what an instructor meets."""
    results, _ = ordinary_class()
    assert {UNREADABLE, INFRASTRUCTURE, BESIDE} < {result.state for result in results}
