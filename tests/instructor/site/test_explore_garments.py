"""K-NN beside LeNet-5: the browser computes what course_utils.models computes."""

import re
from statistics import median

import pytest
import torch

from course_utils import inspection, load_data
from course_utils.data import ImageData, Split, shift, zoom
from course_utils.instructor.site import explore_garments as module
from course_utils.models import KNearestNeighbors, LeNet5
from course_utils.models.pretrained import DATA

PLACES = [(0, 0), (3, 3), (-3, 2), (0, -7), (16, 0), (-32, 5), (1, -1)]
SCALES = [0.5, 0.75, 0.95, 1, 1.2, 1.5]


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("fashion_mnist", profile="quick")


@pytest.fixture(scope="module")
def asked(data) -> Split:
    """The images that one can choose on the page."""
    chosen = module.first_of_each(data.test, module.ASKED)
    return Split(data.test.images[chosen], data.test.labels[chosen])


@pytest.fixture(scope="module")
def knn(data):
    chosen = module.first_of_each(data.train, module.KNOWN)
    return KNearestNeighbors(k=5).fit(data.train.images[chosen], data.train.labels[chosen])


@pytest.fixture(scope="module")
def networks():
    weights, _ = module.lenet_weights()
    made = {name: LeNet5().eval() for name in ("plain", "moved")}
    for name, network in made.items():
        network.load_state_dict({key: torch.from_numpy(x) for key, x in weights[name].items()})
    return made


@pytest.fixture(scope="module")
def predictors(knn, networks, data):
    lenets = {name: inspection.label_predictor(x, data) for name, x in networks.items()}
    return {"knn": knn.predict, **lenets}


@pytest.fixture(scope="module")
def cases(asked):
    """Garments moved and scaled, noise, and a black image: uint8 (N, 1, 32, 32)."""
    moved = [
        shift(zoom(asked.images[n : n + 1], scale), *place)
        for n, (scale, place) in enumerate((s, p) for s in SCALES for p in PLACES)
    ]
    noise = torch.randint(256, (3, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    return torch.cat([*moved, noise.to(torch.uint8), torch.zeros(1, 1, 32, 32, dtype=torch.uint8)])


def lists(images):
    return images.flatten(1).tolist()


# What is stored


def test_both_networks_do_what_their_header_says(data, predictors):
    _, facts = module.lenet_weights()
    assert facts["classes"] == list(data.class_names)
    assert (facts["mean"], facts["std"]) == (pytest.approx(data.mean), pytest.approx(data.std))
    for name, stored in facts["accuracy_by_shift"].items():
        again = inspection.accuracy_by_shift(predictors[name], data.test, (0, 3))
        assert [stored[0], stored[3]] == pytest.approx([again[0], again[3]], abs=0.002)


def test_the_readme_has_the_accuracies():
    _, facts = module.lenet_weights()
    readme = (DATA / "README.md").read_text().replace("\n", " ")
    plain, moved = (facts["accuracy_by_shift"][name] for name in ("plain", "moved"))
    assert f"{plain[0]:.1%} plain, {moved[0]:.1%} moved" in readme
    assert f"by 3 pixels in x and in y: {plain[3]:.1%} and {moved[3]:.1%}" in readme


# The arithmetic, in the browser


def test_moving_and_scaling_are_those_of_the_course(opened, asked):
    page = opened("garments")
    garment = asked.images[20:21]
    found = page.evaluate(
        "([image, places]) => places.map(([x, y]) => "
        "[...Course.classify.shifted(Uint8Array.from(image), x, y)])",
        [lists(garment)[0], PLACES],
    )
    assert found == [lists(shift(garment, *place))[0] for place in PLACES]
    found = page.evaluate(
        "([image, factors]) => factors.map((by) => [...Course.classify.zoomed(image, by)])",
        [lists(garment)[0], SCALES],
    )
    wanted = [lists(zoom(garment, factor))[0] for factor in SCALES]
    assert found[SCALES.index(1)] == lists(garment)[0]
    difference = (torch.tensor(found) - torch.tensor(wanted)).abs()
    assert difference.max() <= 1  # float64 here, float32 there
    assert (difference > 0).float().mean() < 0.01


def test_the_five_neighbours_are_those_of_the_course(opened, knn, cases):
    found = opened("garments").evaluate(
        """async (images) => {
            const known = await Course.inflate(Course.data.garments.known);
            const nearest = Course.classify.nearestIn(known.data);
            return images.map((image) => nearest(Uint8Array.from(image), 5));
        }""",
        lists(cases),
    )
    distances, indices = knn.neighbors(cases)
    assert [[one["index"] for one in row] for row in found] == indices.tolist()
    again = torch.tensor([[one["distance"] for one in row] for row in found])
    torch.testing.assert_close(again, distances)


def test_of_equal_distances_the_lower_index_is_nearer(opened):
    known = torch.zeros(9, 1, 32, 32, dtype=torch.uint8)
    known[:, 0, 10, 10] = torch.tensor([9, 4, 9, 0, 4, 8, 4, 0, 9])
    image = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    image[0, 0, 10, 10] = 5
    found = opened("garments").evaluate(
        """([known, image]) =>
            Course.classify.nearestIn(Uint8Array.from(known))(Uint8Array.from(image), 5)""",
        [known[..., 2:30, 2:30].flatten().tolist(), lists(image)[0]],
    )
    _, indices = KNearestNeighbors(k=5).fit(known, torch.zeros(9).long()).neighbors(image)
    assert [one["index"] for one in found] == indices[0].tolist() == [1, 4, 6, 5, 0]


@pytest.mark.parametrize("name", ["plain", "moved"])
def test_the_logits_are_those_of_pytorch(opened, networks, data, cases, name):
    found = opened("garments").evaluate(
        """([images, name]) => {
            const { weights, mean, std } = Course.data.garments;
            const unpacked = Object.entries(weights[name])
                .map(([layer, array]) => [layer, Course.ops.unpack(array)]);
            const network = Course.classify.lenet(Object.fromEntries(unpacked), mean, std);
            return images.map((image, n) => {
                const { logits, maps } = network(Uint8Array.from(image));
                return [[...logits], n % 9 ? [] : [...maps.data]];
            });
        }""",
        [lists(cases), name],
    )
    inputs = data.normalize(cases)
    with torch.no_grad():
        logits, maps = networks[name](inputs), networks[name].features[:2](inputs[::9])
    assert maps.amax(dim=(2, 3)).max() > 1
    again = torch.tensor([one for one, _ in found])
    torch.testing.assert_close(again, logits, rtol=0, atol=1e-4)
    again = torch.tensor([one for _, one in found if one]).view(maps.shape)
    torch.testing.assert_close(again, maps, rtol=0, atol=1e-4)


# What the page shows


def shown(page):
    """Return what the table gives to each class: votes, and percent by both networks."""
    cells = page.locator(".shares tbody td").all_inner_texts()
    numbers = [int(re.sub(r"\D", "", text)) for text in cells]
    return {name: numbers[n::3] for n, name in enumerate(("knn", "plain", "moved"))}


def expected(image, knn, networks, data):
    _, indices = knn.neighbors(image)
    shares = {"knn": knn.labels[indices[0]].bincount(minlength=10).tolist()}
    for name, network in networks.items():
        with torch.no_grad():
            probabilities = network(data.normalize(image)).softmax(dim=1)[0]
        shares[name] = [round(100 * share) for share in probabilities.tolist()]
    return shares


@pytest.fixture
def table_fits(knn, networks, data):
    """Return a function that compares the page's table with the answers to an image."""

    def fits(page, image):
        wanted = expected(image, knn, networks, data)
        for name, values in shown(page).items():
            assert values == pytest.approx(wanted[name], abs=0 if name == "knn" else 1)

    return fits


def test_the_answers_follow_keys_buttons_and_the_slider(opened, asked, table_fits):
    page = opened("garments")
    bag = asked.images[80:81]
    page.locator(".choice button").nth(8).click()
    assert page.locator(".choice button").nth(8).get_attribute("aria-pressed") == "true"
    table_fits(page, bag)
    page.locator(".stage").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    table_fits(page, shift(bag, 3, -1))
    page.get_by_role("button", name="down").click()
    page.get_by_role("button", name="left", exact=True).click()
    assert page.locator(".place").inner_text() == "2 right"
    table_fits(page, shift(bag, 2, 0))
    page.locator(".scale").fill("0.75")
    table_fits(page, shift(zoom(bag, 0.75), 2, 0))
    page.locator(".middle").click()
    assert page.locator(".place").inner_text() == "in the middle"
    page.locator(".another").click()
    assert page.locator(".size").inner_text() == "100 %"
    table_fits(page, asked.images[81:82])


def test_each_verdict_is_that_of_the_course(opened, asked, predictors, data):
    page = opened("garments")
    page.locator(".choice button").nth(0).click()
    page.locator(".stage").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    parts = page.locator(".now").inner_text().partition(". ")[2].split(" · ")
    for part, predict in zip(parts, predictors.values(), strict=True):
        answer = int(predict(shift(asked.images[:1], 3, 3)))
        mark = "✓" if answer == 0 else "✗"
        assert part.endswith(f": {data.class_names[answer]} {mark}")


def test_a_finger_moves_the_garment(opened, asked, table_fits):
    page = opened("garments", width=360, height=740)
    page.locator(".choice button").nth(1).click()
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    unit = box["width"] / 32
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 100 + 4 * unit, box["y"] + 100 - 2 * unit)
    page.mouse.up()
    assert page.locator(".place").inner_text() == "4 right, 2 up"
    table_fits(page, shift(asked.images[10:11], 4, -2))


def test_one_can_draw_with_the_pen_and_with_keys(opened):
    page = opened("garments")
    page.locator(".draw").click()
    blank = shown(page)
    page.keyboard.press("Space")
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    with_keys = shown(page)
    assert with_keys["plain"] != blank["plain"]
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 100, steps=8)
    page.mouse.up()
    assert shown(page)["plain"] != with_keys["plain"]
    assert page.locator(".now").inner_text().startswith("Your drawing, in the middle")
    assert "the same as in the middle" in page.locator(".legend").inner_text()
    page.locator(".draw").click()
    page.locator(".stage").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".place").inner_text() == "1 left"


def test_the_places_with_a_right_answer_are_counted(opened, asked, predictors):
    page = opened("garments")
    page.locator(".choice button").nth(1).click()
    page.wait_for_function("document.querySelector('.places-answer').textContent.includes('169')")
    moved = [shift(asked.images[10:11], x, y) for x in range(-6, 7) for y in range(-6, 7)]
    wanted = [int((predict(torch.cat(moved)) == 1).sum()) for predict in predictors.values()]
    text = page.locator(".places-answer").inner_text()
    assert [int(n) for n in re.findall(r" at (\d+)", text)] == wanted
    assert len(set(wanted)) == 3
    assert "the answer there is right" in page.locator(".legend").inner_text()
    page.locator(".places").click(position={"x": 3, "y": 27})
    assert page.locator(".place").inner_text() == "6 left, 6 up"


def test_the_collapse_of_all_garments_is_measured(opened, asked, predictors):
    page = opened("garments")
    page.locator(".measure").click()
    page.wait_for_selector(".curves-answer:not([hidden])", timeout=240_000)
    found = [int(n) for n in re.findall(r"(\d+) %", page.locator(".curves-answer").inner_text())]
    by_shift = {
        name: inspection.accuracy_by_shift(predict, asked, range(9))
        for name, predict in predictors.items()
    }
    wanted = [round(100 * by_shift[name][d]) for name in ("knn", "plain", "moved") for d in (0, 3)]
    assert found[:7] == [*wanted, round(100 * by_shift["moved"][6])]
    assert min(wanted[0] - wanted[1], wanted[2] - wanted[3]) > 25 > wanted[4] - wanted[5]


def test_frames_while_a_garment_moves(opened):
    """Prints how long frames and their scripts take; on a busy machine they may take any time."""
    frames, scripts = opened("garments").evaluate(
        """async () => {
            const frame = () => new Promise(requestAnimationFrame);
            const button = document.querySelector("[data-move='1 0']");
            const back = document.querySelector("[data-move='-1 0']");
            const [frames, scripts] = [[await frame()], []];
            for (let n = 0; n < 120; n++) {
                const start = performance.now();
                (Math.floor(n / 10) % 2 ? back : button).click();
                scripts.push(performance.now() - start);
                frames.push(await frame());
            }
            return [frames, scripts];
        }"""
    )
    spent = [after - before for before, after in zip(frames, frames[1:], strict=False)]
    print(f"\nms between frames: median {median(spent):.1f}, shortest {min(spent):.1f}")
    print(f"ms of a move's script: median {median(scripts):.1f}, shortest {min(scripts):.1f}")
    assert len(spent) == 120
