"""The page on claims shows what the stored runs hold, in every order."""

import math
import re
from statistics import mean

import pytest

from course_utils.instructor.site.explore_claims import as_row, claims_data
from course_utils.lectures import all_lectures
from course_utils.lectures.evidence import Tried, evidence_of

CLAIMS = [(lecture, claim) for lecture in all_lectures() for claim in evidence_of(lecture.id)]
VARIED = [(lecture, claim) for lecture, claim in CLAIMS if not math.isnan(claim.deviations)]


@pytest.fixture
def page(opened):
    return opened("claims")


def shown(page):
    """Return (lecture, sentence) of the claims that are shown."""
    return [tuple(text.split(" ", 1)) for text in page.locator(".sentence").all_inner_texts()]


def names(claims):
    return [(lecture.id, re.sub(r"\s+", " ", claim.sentence)) for lecture, claim in claims]


def count(page):
    return int(re.search(r"of (\d+) claims", page.locator(".shown").inner_text())[1])


def test_a_row_is_the_claim():
    one = Tried("A", "≥ 0.1", 4, 3, 2, (1, 3), (0.2, 0.3) * 2, ((0.1, -0.2), (0.1, 1 / 3)), 1.0, "")
    made = as_row("05", one)
    assert made["margins"] == [[0.1, -0.2], [0.1, 0.3333]]
    assert (made["tried"], made["held"], made["mean"], made["margin"]) == (4, 3, 0.25, -0.2)
    assert made["deviations"] == pytest.approx(one.deviations, abs=1e-3)
    fact = as_row("05", Tried("A", "", 1, 1, 1, (1,), (1.0,), ((),), 1.0, ""))
    assert fact["margin"] is fact["deviations"] is None


def test_every_lecture_with_runs_is_there():
    data = claims_data()
    assert list(data["lectures"]) == sorted({lecture.id for lecture, _ in CLAIMS})
    assert len(data["claims"]) == len(CLAIMS)
    pages = {lecture.id: f"{lecture.path.stem}.html" for lecture in all_lectures()}
    assert {key: value["page"] for key, value in data["lectures"].items()}.items() <= pages.items()


def test_those_closest_to_their_bound_come_first(page):
    closest = sorted(VARIED, key=lambda pair: float(f"{pair[1].deviations:.4g}"))
    assert shown(page) == names(closest)[:30]
    assert count(page) == len(VARIED)
    page.locator(".which").select_option("all")  # those without the number come last
    assert shown(page) == names(closest)[:30]
    page.get_by_role("button", name="deviations").click()
    safest = sorted(VARIED, key=lambda pair: -float(f"{pair[1].deviations:.4g}"))
    assert shown(page) == names(safest)[:30]


def test_what_failed_and_what_is_fixed(page):
    page.locator(".which").select_option("failed")
    failed = [pair for pair in CLAIMS if pair[1].held < pair[1].tried]
    page.get_by_role("button", name="lecture").click()
    assert shown(page) == names(failed)
    for (_, claim), text in zip(failed, page.locator(".numbers").all_inner_texts(), strict=True):
        assert f"held {claim.held} of {claim.tried}; bound {claim.bound}; mean " in text
        written = float(text.split("mean ")[1].split(";")[0].replace("−", "-"))
        assert written == pytest.approx(mean(claim.values), rel=0.05)
    page.locator(".which").select_option("fixed")
    assert count(page) == len(CLAIMS) - len(VARIED)
    page.locator(".which").select_option("all")
    assert shown(page) == names(CLAIMS)[:30]


def test_claims_are_found_by_lecture_and_words(page):
    page.locator(".which").select_option("all")
    page.locator(".lecture").select_option("04")
    of_lecture = [pair for pair in CLAIMS if pair[0].id == "04"]
    assert count(page) == len(of_lecture)
    page.locator(".words").fill("DROPOUT")
    found = [pair for pair in of_lecture if "dropout" in pair[1].sentence.lower()]
    assert 0 < len(found) < len(of_lecture)
    assert count(page) == len(found)
    links = page.locator(".sentence a").all()
    assert {link.get_attribute("href") for link in links} == {"04_alexnet.html#evidence"}


def test_the_sums_are_those_of_the_table(page):
    text = page.locator(".answer").text_content()
    tried, held = (sum(getattr(claim, what) for _, claim in CLAIMS) for what in ("tried", "held"))
    assert f"tried {tried:,} times, held {held:,} times" in text
    close = sum(claim.deviations < 2 for _, claim in VARIED)
    assert f"; {close} of these lie within two" in text


def test_more_is_shown_a_part_at_a_time(page):
    page.locator(".further").click()
    assert len(shown(page)) == 60
    assert page.evaluate(
        "document.activeElement.closest('li') === document.querySelector('.list').children[30]"
    )
    while page.locator(".further").is_visible():
        page.locator(".further").click()
    assert len(shown(page)) == len(VARIED)


def test_a_band_has_a_dot_for_each_run(page):
    page.locator(".which").select_option("failed")
    page.get_by_role("button", name="lecture").click()
    failed = [claim for _, claim in CLAIMS if claim.held < claim.tried]
    bands = page.locator(".band").all()
    for claim, band in zip(failed, bands, strict=True):
        runs = band.locator("circle").evaluate_all(
            "dots => dots.map(dot => Number(dot.getAttribute('cx')))"
        )
        bound = float(band.locator("line").get_attribute("x1"))
        margins = [margin for margins in claim.margins for margin in margins]
        assert [run > bound for run in runs] == [margin > 0 for margin in margins]
        # Margins of 1e-8 may be drawn at the same place.
        drawn = [run for _, run in sorted(zip(margins, runs, strict=True))]
        assert drawn == sorted(drawn)
