"""The page on kernels: what the window shows is what PyTorch computes."""

import pytest
import torch
import torch.nn.functional as F

from course_utils.instructor.site.explore_data import WIDTH, grey_photograph

EDGES = torch.tensor([[-1.0, 0, 1]] * 3)


@pytest.fixture
def page(opened):
    return opened("kernels")


def number(text):
    return float(text.replace("−", "-"))


def grid(page, name):
    cells = page.locator(f".{name} > *").all()
    return [
        number(cell.input_value() if name == "weights" else cell.inner_text()) for cell in cells
    ]


def answer(page):
    return number(page.locator(".answer strong").inner_text())


def image(name="china"):
    return torch.from_numpy(grey_photograph(name)).float() / 255


def window_at(page):
    label = page.locator(".input").get_attribute("aria-label")
    row, column = label.split("row ")[1].split(" of")[0].split(", column ")
    return int(row), int(column)


def expect(page, picture, weights, stride=1, padding=0):
    """The shown window is one of the picture's, and its sum is PyTorch's."""
    output = F.conv2d(picture[None, None], weights[None, None], stride=stride, padding=padding)[
        0, 0
    ]
    padded = F.pad(picture, [padding] * 4)
    row, column = window_at(page)
    window = padded[row * stride : row * stride + 3, column * stride : column * stride + 3]
    assert grid(page, "pixels") == pytest.approx(window.flatten().tolist(), abs=0.006)
    assert grid(page, "products") == pytest.approx((window * weights).flatten().tolist(), abs=0.006)
    assert answer(page) == pytest.approx(output[row, column].item(), abs=0.006)
    rows, columns = output.shape
    assert f"the output {rows}×{columns}" in page.locator(".answer").inner_text()


def test_the_photograph_is_the_lectures():
    from course_utils.data import photograph

    part = photograph("china")[:, 40:180, 20:210].float().mean(dim=0)
    small = F.interpolate(part[None, None], grey_photograph("china").shape, mode="area")[0, 0]
    assert (image() * 255 - small).abs().max() <= 0.51
    assert grey_photograph("china").shape[1] == WIDTH


def test_the_sum_follows_keyboard_kernel_stride_and_padding(page):
    expect(page, image(), EDGES)
    page.locator(".input").focus()
    before = window_at(page)
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowRight"):
        page.keyboard.press(key)
    assert window_at(page) == (before[0] + 2, before[1] + 6)
    expect(page, image(), EDGES)
    page.locator(".preset").select_option("blur")
    expect(page, image(), torch.full((3, 3), 1 / 9))
    page.locator(".preset").select_option("horizontal edges")
    page.locator(".padding").select_option("2")
    page.locator(".stride").select_option("3")
    expect(page, image(), EDGES.T, stride=3, padding=2)
    page.locator(".photograph").select_option("flower")
    expect(page, image("flower"), EDGES.T, stride=3, padding=2)
    page.locator(".stride").select_option("1")
    page.locator(".input").focus()
    for _ in range(30):  # into the corner of the frame
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page, image("flower"), EDGES.T, padding=2)


def test_the_sky_answers_the_question(page):
    """Weights that add up to 0 give almost 0 there; those that add up to 1 the brightness."""
    page.locator(".input").focus()
    for key in ["Shift+ArrowLeft"] * 5 + ["ArrowDown"] * 2:
        page.keyboard.press(key)
    brightness = sum(grid(page, "pixels")) / 9
    assert brightness > 0.8
    for name, wanted in [("vertical edges", 0), ("outline", 0), ("blur", brightness)]:
        page.locator(".preset").select_option(name)
        assert answer(page) == pytest.approx(wanted, abs=0.05)


def test_a_weight_of_ones_own(page):
    page.locator(".weights input").nth(4).fill("2.5")
    mine = EDGES.clone()
    mine[1, 1] = 2.5
    expect(page, image(), mine)
    assert page.locator(".preset").input_value() == "your own weights"
    page.locator(".weights input").nth(4).fill("")  # while one types
    expect(page, image(), mine)


def test_the_window_stays_on_the_image(page):
    page.locator(".input").focus()
    for _ in range(30):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    assert window_at(page) == (0, 0)
    for _ in range(30):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
    rows, columns = image().shape
    assert window_at(page) == (rows - 3, columns - 3)
    page.locator(".stride").select_option("2")
    assert window_at(page) == ((rows - 3) // 2, (columns - 3) // 2)
    expect(page, image(), EDGES, stride=2)


@pytest.mark.parametrize("where", ["input", "output"])
def test_the_window_goes_where_one_points(page, where):
    page.locator(".stride").select_option("2")
    canvas = page.locator(f".{where}")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 4})
    rows, columns = ((side - 3) // 2 + 1 for side in image().shape)
    row, column = window_at(page)
    assert abs(row - rows / 4) <= 1.5
    assert abs(column - columns / 2) <= 1.5


def test_a_photograph_of_ones_own(page, tmp_path):
    from PIL import Image

    file = tmp_path / "mine.png"
    Image.new("RGBA", (300, 150), (0, 0, 0, 0)).save(file)  # transparent: laid on white
    page.locator(".own").set_input_files(file)
    page.wait_for_function("document.querySelector('.answer').innerText.includes('56×112')")
    assert grid(page, "pixels") == [1.0] * 9
    (tmp_path / "no.png").write_text("no image")
    page.locator(".own").set_input_files(tmp_path / "no.png")
    page.wait_for_function("document.querySelector('.answer').innerText.includes('not an image')")
