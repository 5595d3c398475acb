"""Attention: the browser's vision transformer is PyTorch's, and a patch reads what is shown."""

import re

import pytest
import torch

from course_utils import evaluate, load_data
from course_utils.data import batches
from course_utils.instructor.site import explore_attention as module
from course_utils.instructor.site.explore_garments import first_of_each
from course_utils.instructor.site.explore_weights import site_weights
from course_utils.models import small_vit
from course_utils.models.pretrained import DATA

HEADS = 4
GRID = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0))
DISTANCE = torch.cdist(GRID, GRID)


@pytest.fixture(scope="module")
def network():
    weights, _ = site_weights(module.WEIGHTS)
    made = small_vit().eval()
    made.load_state_dict({name: torch.from_numpy(x) for name, x in weights["vit"].items()})
    return made


@pytest.fixture(scope="module")
def data():
    return load_data("fashion_photos", profile="quick")


@pytest.fixture(scope="module")
def pictures(data):
    """The pictures of the page, normalised."""
    return data.normalize(data.test.images[first_of_each(data.test, 1)])


@pytest.fixture(scope="module")
def maps(network, pictures):
    """Attention weights (blocks, pictures, heads, 65, 65)."""
    with torch.no_grad():
        return network.attention_maps(pictures)


def test_the_network_does_what_its_header_says(network, data):
    _, facts = site_weights(module.WEIGHTS)
    assert facts["classes"] == list(data.class_names)
    assert (facts["mean"], facts["std"]) == (pytest.approx(data.mean), pytest.approx(data.std))
    accuracy = evaluate(network, batches(data, "test", device="cpu")).accuracy
    assert facts["accuracy"] == pytest.approx(accuracy, abs=0.002)
    readme = (DATA / "README.md").read_text("utf-8").replace("\n", " ")
    assert f"{facts['accuracy']:.1%} of the {facts['test_images']:,} test images" in readme


def test_logits_and_weights_are_those_of_pytorch(opened, network, pictures, maps):
    some = [1, 9]
    found = opened("attention").evaluate(
        """(images) => {
            const arrays = Object.entries(Course.data.attention.weights)
                .map(([name, array]) => [name, Course.ops.unpack(array)]);
            const run = Course.vit(Object.fromEntries(arrays), 4);
            return images.map((image) => {
                const { logits, maps } =
                    run({ data: Float32Array.from(image), shape: [3, 32, 32] });
                return [[...logits], maps.map((heads) => heads.map((shares) => [...shares]))];
            });
        }""",
        pictures[some].flatten(1).tolist(),
    )
    with torch.no_grad():
        logits = network(pictures[some])
    again = torch.tensor([one for one, _ in found])
    torch.testing.assert_close(again, logits, rtol=0, atol=1e-4)
    again = torch.tensor([one for _, one in found]).view(2, -1, HEADS, 65, 65)
    torch.testing.assert_close(again.transpose(0, 1), maps[:, some], rtol=0, atol=1e-5)


def reads(page):
    """Return what the page says of the reader: row and column it reads most, share, distance."""
    text = page.locator(".reads").inner_text()
    row, column = page.locator(".reads strong").inner_text().removeprefix("row ").split(", column ")
    share = float(re.search(r": ([\d.]+) %", text)[1])
    distance = re.search(r"is ([\d.]+) patches away", text)
    return 8 * (int(row) - 1) + int(column) - 1, share, distance and float(distance[1])


def expect(page, shares, patch=None):
    """The page shows the largest of the weights (65,), and the mean distance from the patch."""
    most, share, distance = reads(page)
    assert most == shares[1:].argmax()
    assert share == pytest.approx(100 * shares[1:].max().item(), abs=0.06)
    if patch is None:
        assert distance is None
    else:
        mean = (shares[1:] * DISTANCE[patch]).sum() / shares[1:].sum()
        assert distance == pytest.approx(mean.item(), abs=0.006)


def test_what_is_read_follows_every_choice(opened, maps):
    page = opened("attention")
    start = 8 * 3 + 4
    expect(page, maps[0, 0, :, start + 1].mean(dim=0), start)
    page.locator(".choice button").nth(8).click()
    page.locator(".blocks button").nth(2).click()
    page.locator(".heads button").nth(2).click()  # the first one is the mean
    expect(page, maps[2, 8, 1, start + 1], start)
    page.locator(".picture").focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    corner = 8 * 2 + 7
    expect(page, maps[2, 8, 1, corner + 1], corner)
    side = page.locator(".picture").bounding_box()["width"]
    page.locator(".picture").click(position={"x": side * 1.5 / 8, "y": side * 6.5 / 8})
    tapped = 8 * 6 + 1
    expect(page, maps[2, 8, 1, tapped + 1], tapped)
    page.get_by_role("button", name="Class token").click()
    expect(page, maps[2, 8, 1, 0])
    page.locator(".heads button").first.click()
    expect(page, maps[2, 8, :, 0].mean(dim=0))
    assert page.locator(".token").get_attribute("aria-pressed") == "true"


def test_how_far_each_head_reads_is_measured_as_in_the_lecture(
    opened, network, pictures, maps, data
):
    page = opened("attention")
    page.locator(".choice button").nth(4).click()
    between = maps[:, 4, :, 1:, 1:]
    between = between / between.sum(-1, keepdim=True)
    reach = (between * DISTANCE).sum(-1).mean(dim=-1)
    shown = [float(text) for text in page.locator(".distances td").all_inner_texts()]
    assert shown == pytest.approx(reach.flatten().tolist(), abs=0.06)
    text = page.locator(".distances-answer").inner_text()
    even, near, far = (float(number) for number in re.findall(r"\d\.\d", text))
    assert even == round(DISTANCE.mean().item(), 1) == 4.1
    assert (near, far) == (min(shown), max(shown))
    with torch.no_grad():
        answer = data.class_names[network(pictures[4:5]).argmax()]
    assert f"calls this picture {answer}; it is Coat" in page.locator(".network-note").inner_text()
