"""Inside a network: the maps are PyTorch's, and a unit sees what the frame shows."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import load_data
from course_utils.arithmetic import receptive_field
from course_utils.instructor.site import explore_inside as module
from course_utils.instructor.site.explore_arrays import deflated
from course_utils.models.pretrained import pretrained

NAMES = ["C1", "P1", "C2", "P2", "C3", "C4", "P3", "C5", "C6", "P4", "C7", "C8", "P5"]


@pytest.fixture(scope="module")
def source():
    return pretrained()


@pytest.fixture(scope="module")
def network(source):
    """The network with rounded weights."""
    return module.rounded_network(source)


@pytest.fixture(scope="module")
def pictures(source):
    """The pictures of the page, normalised."""
    data = load_data("fashion_photos", profile="quick").only(source.class_names)
    chosen = module.first_of_each(data.test, module.EACH)
    return module.normalised(data.test.images[chosen], source)


def layer_outputs(network, images):
    """What each layer puts out after its ReLU: convolutions, pools, fully connected layers."""
    outputs, x = [], images
    layers = [*network.features, network.avgpool, nn.Flatten(), *network.classifier]
    with torch.no_grad():
        for layer in layers:
            x = layer(x)
            if isinstance(layer, nn.ReLU | nn.MaxPool2d):
                outputs.append(x)
    return [*outputs, x]


def field(at):
    pool, conv = dict(kernel_size=2, stride=2), dict(kernel_size=3, padding=1)
    return receptive_field([pool if name[0] == "P" else conv for name in NAMES[: at + 1]])


# What is stored


def test_weights_are_rounded_to_the_nearest_of_255_values():
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    whole, scale = module.rounded(weight)
    assert whole.dtype == torch.int8
    assert whole.flatten(1).abs().amax(dim=1).tolist() == [127] * 5
    error = (whole * scale.view(-1, 1, 1, 1) - weight).abs().flatten(1).amax(dim=1)
    assert (error <= scale / 2 * 1.001).all()


def test_rounding_costs_next_to_nothing(source, network):
    data = load_data("fashion_photos", profile="quick").only(source.class_names)
    images = module.normalised(data.test.images, source)
    with torch.no_grad():
        right = [
            (torch.cat([net(part) for part in images.split(200)]).argmax(1) == data.test.labels)
            for net in (source.model, network)
        ]
    accuracies = [one.float().mean().item() for one in right]
    assert accuracies[1] == pytest.approx(accuracies[0], abs=0.005)
    assert accuracies[0] > 0.85


def test_other_arrays_are_not_deflated():
    with pytest.raises(ValueError, match="arrays of float32 are not unpacked"):
        deflated(np.zeros(3, np.float32))


# The arithmetic, in the browser


def test_all_layers_are_those_of_pytorch(opened, network, pictures):
    some = pictures[[0, 5, 10]]
    found = opened("inside").evaluate(
        """async (images) => {
            const { layers, run } = await Course.network(Course.data.inside);
            const outputs = images.map((data) =>
                run({ data: Float32Array.from(data), shape: [3, 32, 32] })
                    .map(({ data, shape }) => [shape, [...data]]));
            return [layers.map((layer) => layer.name), outputs];
        }""",
        some.flatten(1).tolist(),
    )
    names, outputs = found
    assert names == [*NAMES, "F1", "F2", "F3"]
    wanted = layer_outputs(network, some)
    assert len(wanted) == len(names)
    for at, layer in enumerate(wanted):
        for n in range(len(some)):
            shape, values = outputs[n][at]
            assert shape == list(layer[n].shape)
            again = torch.tensor(values).view(shape)
            torch.testing.assert_close(again, layer[n], rtol=1e-4, atol=1e-4)


# What the page shows


def unit(page):
    """Return what the page says of the unit: layer, map, row, column, value, size of its field."""
    text = page.locator(".unit").inner_text().replace("−", "-")
    pattern = r"(\w\d), map (\d+), row (\d+), column (\d+): this unit answers (\S+)\. It sees (\d+)"
    layer, number, row, column, value, size = re.match(pattern, text).groups()
    return layer, int(number), int(row), int(column), float(value), int(size)


@pytest.fixture
def fits(network, pictures):
    """Return a function that compares the unit of the page with PyTorch's."""
    outputs = layer_outputs(network, pictures)

    def compare(page, picture):
        layer, number, row, column, value, size = unit(page)
        at = NAMES.index(layer)
        assert value == pytest.approx(
            outputs[at][picture, number - 1, row, column].item(), abs=2e-4
        )
        assert size == field(at).size
        return layer, row, column

    return compare


def test_the_unit_follows_picture_layer_keys_and_finger(opened, fits):
    page = opened("inside")
    page.locator(".choice button").nth(7).click()
    fits(page, 7)
    page.locator(".layers button").nth(2).click()
    layer, row, column = fits(page, 7)
    assert layer == "C2"
    page.locator(".map").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert fits(page, 7) == ("C2", row + 2, column + 1)
    number = unit(page)[1]
    page.locator(".maps").focus()
    page.keyboard.press("ArrowLeft" if number > 1 else "ArrowRight")
    assert unit(page)[1] == (number - 1 if number > 1 else 2)
    fits(page, 7)
    box = page.locator(".map").bounding_box()
    page.locator(".map").click(
        position={"x": box["width"] * 3.5 / 16, "y": box["width"] * 9.5 / 16}
    )
    assert fits(page, 7) == ("C2", 9, 3)
    box = page.locator(".maps").bounding_box()
    page.locator(".maps").click(position={"x": box["width"] * 2.5 / 8, "y": box["width"] * 1.5 / 8})
    assert unit(page)[1] == 11
    fits(page, 7)
    for at in (5, 12, 0):  # a unit stays inside of smaller maps
        page.locator(".layers button").nth(at).click()
        assert fits(page, 7)[0] == NAMES[at]


@pytest.mark.parametrize(("at", "corner"), [(0, True), (4, False), (5, True)])
def test_what_lies_outside_the_frame_does_not_count(opened, source, network, pictures, at, corner):
    page = opened("inside")
    page.locator(".layers button").nth(at).click()
    if corner:
        page.locator(".map").focus()
        for _ in range(8):
            page.keyboard.press("Shift+ArrowRight")
    _, number, row, column, value, size = unit(page)
    label = page.locator(".picture").get_attribute("aria-label").replace("−", "-")
    left, right, top, bottom = map(int, re.findall(r"-?\d+", label.partition("sees")[2]))
    start, jump = field(at).start, field(at).jump
    assert (left, right) == (start + column * jump, start + column * jump + size - 1)
    assert (top, bottom) == (start + row * jump, start + row * jump + size - 1)
    page.locator(".hide").check()
    assert unit(page)[4] == value
    kept = torch.zeros(32, 32)
    kept[max(0, top) : bottom + 1, max(0, left) : right + 1] = 1
    outputs = layer_outputs(network, pictures[4:5] * kept)
    assert outputs[at][0, number - 1, row, column].item() == pytest.approx(value, abs=2e-4)
    shares = [int(text.split()[0]) for text in page.locator(".shares td").all_inner_texts()]
    assert shares == pytest.approx((100 * outputs[-1][0].softmax(0)).tolist(), abs=0.6)
    assert f"hold {round(100 * kept.mean().item())} %" in page.locator(".unit").inner_text()


def test_the_table_answers_the_question(opened, network, pictures):
    page = opened("inside")
    rows = page.locator(".summary tbody tr").all_inner_texts()
    outputs = layer_outputs(network, pictures[4:5])
    assert len(rows) == len(NAMES)
    for at, row in enumerate(rows):
        name, count, size, seen, zeros, largest = row.split("\t")
        values = outputs[at][0]
        assert (name, int(count)) == (NAMES[at], len(values))
        assert size == "{}×{}".format(*values.shape[1:])
        assert seen == f"{field(at).size}×{field(at).size}"
        share = 100 * (values == 0).float().mean().item()
        assert int(zeros.split()[0]) == pytest.approx(share, abs=0.6)
        assert float(largest) == pytest.approx(values.max().item(), abs=0.006)
    first = next(name for at, name in enumerate(NAMES) if field(at).size > 32)
    assert page.locator(".summary-answer strong").inner_text() == first == "C5"


def test_the_page_says_how_often_rounding_changes_an_answer(opened, source, network):
    text = opened("inside").locator(".weights-note").inner_text().replace(",", "")
    tested, same = map(int, re.findall(r"\d+(?= test images| get)", text))
    assert tested == 1200
    assert 0.99 * tested <= same < tested
