"""The page on calibration: every number is that of `course_utils.inspection`."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils.data import load_data
from course_utils.inspection.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from course_utils.instructor.site.explore_calibration import (
    PART,
    SHIFT,
    SHOWN,
    calibration_data,
)
from course_utils.instructor.site.explore_garments import lenet_weights


@pytest.fixture(scope="module")
def data():
    return calibration_data()


@pytest.fixture
def page(opened):
    return opened("calibration")


def text(page, name):
    return page.locator(f".{name}").inner_text()


def number(found, what):
    return float(re.search(rf"{what} (\d+\.\d+)", found)[1])


def set_temperature(page, exponent):
    page.locator(".temperature").fill(str(exponent))
    return 2.0**exponent


def part_of(data, network, shift, part):
    rows = slice(part * PART, (part + 1) * PART)
    logits = torch.from_numpy(data["logits"][network][str(shift)][rows]).float()
    return logits, torch.from_numpy(data["labels"][rows]).long()


def test_the_logits_are_those_whose_accuracy_was_measured(data):
    _, facts = lenet_weights()
    labels = load_data("fashion_mnist", profile="quick").test.labels
    for network, accuracy in facts["accuracy_by_shift"].items():
        logits = torch.from_numpy(data["logits"][network]["0"]).float()
        assert (logits.argmax(1) == labels).float().mean() == pytest.approx(accuracy[0], abs=0.002)


def test_accuracy_falls_more_than_confidence(data):
    """The sentence below the drawings."""

    def both(shift):
        logits, labels = part_of(data, "plain", shift, 1)
        confidence, answers = logits.softmax(1).max(1)
        return (answers == labels).float().mean(), confidence.mean()

    lost = [before - after for before, after in zip(both(0), both(SHIFT), strict=True)]
    assert lost[0] > 2 * lost[1] > 0


@pytest.mark.parametrize("network", ["plain", "moved"])
@pytest.mark.parametrize(("shift", "part"), [(0, 0), (SHIFT, 1)])
def test_the_numbers_are_those_of_the_course(page, data, network, shift, part):
    page.locator(".network").select_option(network)
    page.locator(".shift").select_option(str(shift))
    page.locator(".part").select_option(str(part))
    logits, labels = part_of(data, network, shift, part)
    for exponent in (0, 1.3, -1):
        temperature = set_temperature(page, exponent)
        confidence, answers = (logits / temperature).double().softmax(1).max(1)
        right = answers == labels
        line = text(page, "line-all")
        assert number(line, "Right:") == pytest.approx(
            100 * right.double().mean().item(), abs=0.051
        )
        within = (logits.topk(3).indices == labels[:, None]).any(1).double().mean().item()
        assert number(line, "top 3:") == pytest.approx(100 * within, abs=0.051)
        error = expected_calibration_error(confidence, right)
        assert number(line, "error:") == pytest.approx(100 * error, abs=0.051)
        sure = confidence.mean().item()
        assert number(line, "confidence:") == pytest.approx(100 * sure, abs=0.051)
        loss = F.cross_entropy((logits / temperature).double(), labels).item()
        assert number(line, "entropy:") == pytest.approx(loss, abs=0.00051)
        kept = confidence >= 0.9
        line = text(page, "line-kept")
        assert f": {int(kept.sum())} of {PART:,}; of these, " in line
        assert number(line, "these,") == pytest.approx(
            100 * right[kept].double().mean().item(), abs=0.051
        )
        assert text(page, "line-changed").endswith(f": 0 of {PART:,}.")


def test_the_groups_are_those_of_the_course(page, data):
    logits, labels = part_of(data, "plain", 0, 0)
    confidence, answers = logits.double().softmax(1).max(1)
    wanted = reliability(confidence, answers == labels)
    label = page.locator(".reliability").get_attribute("aria-label")
    found = [[int(x) for x in pair] for pair in re.findall(r"(\d+) % sure, (\d+) % right", label)]
    filled = wanted.counts > 0
    both = torch.stack([wanted.confidence[filled], wanted.accuracy[filled]], 1)
    assert np.allclose(found, 100 * both, atol=0.51)


def test_the_best_temperature_is_that_of_the_course(page, data):
    for network in ("plain", "moved"):
        for shift in (0, SHIFT):
            page.locator(".network").select_option(network)
            page.locator(".shift").select_option(str(shift))
            found = number(page.locator(".best").text_content(), "with:")
            assert found == pytest.approx(
                fit_temperature(*part_of(data, network, shift, 0)), abs=0.0051
            )


def test_threshold_and_top_k(page, data):
    logits, labels = part_of(data, "plain", 0, 0)
    page.locator(".threshold").fill("60")
    page.locator(".k").fill("5")
    confidence = logits.double().softmax(1).max(1).values
    assert f"60 % or more: {int((confidence >= 0.6).sum())} of" in text(page, "line-kept")
    within = (logits.topk(5).indices == labels[:, None]).any(1).double().mean().item()
    assert number(text(page, "line-all"), "top 5:") == pytest.approx(100 * within, abs=0.051)
    assert page.locator(".bars .among").count() == 5
    set_temperature(page, 3)
    page.locator(".threshold").fill("99")
    assert text(page, "line-kept") == "Kept at 99 % or more: none."


def test_one_garment(page, data):
    logits, labels = part_of(data, "plain", 0, 0)
    wrong = (logits.argmax(1) != labels)[:SHOWN].nonzero()[:, 0].tolist()
    page.locator(".mistake").click()
    first = next(at for at in wrong if at > 0)
    assert text(page, "verdict").startswith(f"Picture {first + 1} of {SHOWN}: ")
    shares = logits[first].double().softmax(0)
    bars = page.locator(".bars li").all_inner_texts()
    for bar, share, name in zip(bars, *shares.sort(descending=True), strict=True):
        assert bar == f"{data['classes'][name]} {100 * share:.1f} %"
    assert data["classes"][labels[first]] in page.locator(".bars .true").inner_text()
    page.locator(".previous").click()
    page.locator(".next").click()
    assert text(page, "verdict").startswith(f"Picture {first + 1} of {SHOWN}: ")
