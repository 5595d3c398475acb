"""The page on sizes: one layer and stacks of layers, as `course_utils.arithmetic` counts them."""

import pytest
import torch
from torch import nn

from course_utils.arithmetic import (
    conv_flops,
    conv_output_size,
    conv_parameters,
    scaled,
    trace,
    unread,
)
from course_utils.instructor.site.explore_sizes import NETWORKS, as_layers


@pytest.fixture
def page(opened):
    return opened("sizes")


def set_layer(page, **values):
    for name, value in values.items():
        page.locator(f".sliders .{name}").fill(str(value))


def answer(page):
    return page.locator(".answer").first.inner_text()


@pytest.mark.parametrize(
    "case",
    [(9, 3, 3, 1, 1), (12, 2, 2, 0, 1), (16, 3, 5, 0, 1), (9, 3, 1, 0, 4), (7, 2, 4, 0, 1)],
)
def test_one_layer_is_that_of_the_course(page, case):
    set_layer(
        page, **dict(zip(("size", "kernel", "stride", "padding", "dilation"), case, strict=True))
    )
    size, kernel, *_ = case
    output, lost = conv_output_size(*case), unread(*case)
    assert f"+ 1 = {output}\n" in answer(page)
    wanted = f"Never read: {len(lost)} of {size} rows" if lost else "Every row and column is read."
    assert wanted in answer(page)
    if lost:
        assert f"(number {', '.join(str(pixel + 1) for pixel in lost)})" in answer(page)
    assert f"= {conv_parameters(3, 6, kernel):,}. " in answer(page)
    assert f"= {conv_flops(3, 6, kernel, output):,}." in answer(page)


def test_a_kernel_that_does_not_fit_is_said(page):
    set_layer(page, size=3, kernel=7, padding=0)
    assert answer(page) == "The kernel spans 7 pixels; the padded image has only 3."


def test_rounding_up_hangs_over_the_edge(page):
    set_layer(page, size=8, kernel=3, stride=3, padding=0)
    assert "Never read: 2 of 8 rows" in answer(page)
    page.locator(".rounding").select_option("up")
    assert "Every row and column is read. The last window hangs 1 over the edge." in answer(page)


def test_tasks_are_found_when_they_are_solved(page):
    found = page.locator(".tasks span")
    assert found.all_inner_texts() == ["", "", ""]
    set_layer(page, size=12, kernel=2, stride=2, padding=0)
    assert found.all_inner_texts() == ["✓ found", "", ""]
    set_layer(page, stride=1, padding=3, size=9, kernel=3, dilation=4)
    assert found.all_inner_texts() == ["✓ found", "✓ found", ""]
    set_layer(page, size=8, kernel=1, stride=2, padding=0, dilation=1)
    assert "Never read: 4 of 8" in answer(page)  # half of them is not more than half
    assert found.all_inner_texts() == ["✓ found", "✓ found", ""]
    set_layer(page, size=15, stride=3)
    assert found.all_inner_texts() == ["✓ found"] * 3


def test_the_window_moves_by_keys_and_stays_on_the_image(page):
    page.locator(".input").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert "the window is at row 0, column 2." in page.locator(".input").get_attribute("aria-label")
    set_layer(page, stride=5)
    assert "the window is at row 0, column 1." in page.locator(".input").get_attribute("aria-label")


def table(page):
    rows = page.locator(".stack tbody tr").all()
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()][5:9] for row in rows]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_traced_as_in_the_lectures(page, name):
    page.locator(".network").select_option(name)
    _, network, shape = NETWORKS[name]
    with torch.device("meta"):
        traced = trace(network(), shape)
    kinds = ("conv", "max pool", "linear")
    rows = [row for row in traced if row.kind.startswith(kinds)]
    wanted = [
        [
            "×".join(map(str, row.output_shape)),
            f"{row.parameters:,}" if row.parameters else "–",
            scaled(row.flops),
            "all" if row.kind == "linear" else f"{row.receptive_field[0]} px",
        ]
        for row in rows
    ]
    assert table(page) == wanted
    total = page.locator(".stack tfoot td").all_inner_texts()
    assert total[:2] == [f"{traced.parameters:,}", scaled(traced.flops)]
    convs = sum(row.flops for row in rows if row.kind.startswith("conv")) / traced.flops
    assert (
        f"convolutions do {100 * convs:.0f} % of the FLOPs"
        in page.locator(".stack-answer").inner_text()
    )


def test_layers_are_read_from_the_network_itself():
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 1, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Linear(8, 4)
    )
    assert as_layers(layers) == [
        dict(kind="conv", filters=8, kernel=5, stride=2, padding=1, dilation=3),
        dict(kind="pool", kernel=3, stride=2, padding=0, dilation=1),
        dict(kind="linear", filters=4),
    ]


def test_a_stack_of_ones_own(page):
    while (buttons := page.get_by_role("button", name="remove layer")).count():
        buttons.first.click()
    page.locator(".side").fill("11")
    page.locator(".depth").fill("2")
    for _ in range(2):
        page.locator(".add").click()
    page.get_by_label("stride of layer 1").fill("2")
    page.get_by_label("padding of layer 2").fill("0")
    layers = [nn.Conv2d(2, 16, 3, 2, 1), nn.Conv2d(16, 16, 3)]
    wanted = trace(layers, (2, 11, 11))
    assert [row[0] for row in table(page)] == ["16×6×6", "16×4×4"]
    assert [row[1] for row in table(page)] == [f"{row.parameters:,}" for row in wanted]
    assert [row[3] for row in table(page)] == ["3 px", "7 px"]
    assert page.locator(".network").input_value() == "own"
    page.get_by_label("kernel of layer 2").fill("9")
    assert "Layer 2 does not fit" in page.locator(".stack-answer").inner_text()


def test_the_field_of_a_number_is_shown(page):
    label = page.locator(".field")
    page.get_by_role("button", name="show what layer 1 sees").click()
    label.focus()
    page.keyboard.press("ArrowRight")
    text = label.get_attribute("aria-label")  # 28×28 numbers, from the middle one on
    assert "row 14, column 15 sees rows 14 to 18 and columns 15 to 19" in text
    page.locator(".network").select_option("alexnet")
    page.get_by_role("button", name="show what layer 1 sees").click()
    label.focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowLeft")
    assert "column 0 sees rows 106 to 116 and columns 0 to 8" in label.get_attribute("aria-label")


def test_large_numbers_are_written_as_in_the_course(page):
    numbers = [0, 7, 999, 1000, 999_499, 999_500, 705_600, 61_100_840, 15_200_000_000]
    written = page.evaluate("numbers => numbers.map(Course.ui.scaled)", numbers)
    assert written == [scaled(number) for number in numbers]
