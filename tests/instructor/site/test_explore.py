"""The explorable pages: their arithmetic is PyTorch's, and every reader can use them."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils.arithmetic import (
    conv_output_size,
    pool_output_size,
    read_counts,
    receptive_field,
)
from course_utils.instructor.site.explore import (
    HERE,
    PIECES,
    STYLE,
    Piece,
    block_of,
    data_script,
    loading,
    packed,
    source_of,
)
from course_utils.lectures import all_lectures
from course_utils.runtime import project_root

NAMES = [piece.name for piece in PIECES]
PAGES = ["index", *NAMES]
FIRST_VIEW = 1_500_000  # bytes


# What is written


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_a_page_asks_first_and_leads_to_the_lecture(piece):
    before, block, after = source_of(piece).partition(block_of(piece.name))
    assert "**Predict.**" in before
    assert before.startswith(f"# {piece.title}\n")
    assert piece.title.lower().replace(" ", "-") != piece.name, "the section would have the same id"
    stems = {lecture.id: lecture.path.stem for lecture in all_lectures()}
    for lecture in piece.lectures:
        assert f"]({stems[lecture]}.ipynb" in after
    assert block.count("<div") == block.count("</div")


def test_every_file_of_the_folder_belongs_to_a_piece():
    known = {STYLE, *(f"{name}.md" for name in NAMES), *(x for p in PIECES for x in p.scripts)}
    assert {path.name for path in HERE.iterdir()} == known


def test_a_page_loads_its_numbers_before_its_script():
    names = re.findall(r'src="[^"]*/([^"/]+)"', loading(Piece("a", "A", (), "", dict)))
    assert names == ["ops.js", "ui.js", "data_a.js", "a.js"]
    assert "data_a.js" not in loading(Piece("a", "A", (), ""))
    assert data_script(Piece("a", "A", (), "")) == ""


def test_what_has_no_form_in_a_data_file_is_refused():
    with pytest.raises(TypeError, match="Tensor has no place in a data file"):
        data_script(Piece("a", "A", (), "", lambda: {"x": torch.ones(1)}))


def test_the_readme_lists_every_page():
    readme = (project_root() / "README.md").read_text("utf-8")
    for piece in PIECES:
        lectures = ", ".join(piece.lectures) or "all"
        assert re.search(
            rf"^\| {re.escape(piece.title)} \| .* \| {lectures} \|$", readme, re.MULTILINE
        )


# The arithmetic, in the browser


@pytest.fixture
def ops(opened):
    """Return a function that calls Course.ops in the browser; arrays become lists."""
    page = opened("kernels")
    page.evaluate("""() => { window.call = (name, args) => {
        const plain = (x) => ArrayBuffer.isView(x) ? [...x]
            : x && x.data ? { data: [...x.data], shape: x.shape } : x;
        const given = (x) => x && x.dtype ? Course.ops.unpack(x) : x;
        const found = (inputs) => {
            try { return plain(Course.ops[name](...inputs.map(given))); }
            catch (error) { return error instanceof RangeError ? error.name : String(error); }
        };
        return args.map(found);
    }; }""")

    def call(name, *cases):
        made = [[packed(x) if isinstance(x, np.ndarray) else x for x in case] for case in cases]
        return page.evaluate("([name, args]) => call(name, args)", [name, made])

    return call


def sizes(count, seed=0):
    """Yield size, kernel, stride, padding, dilation: small ones, some do not fit."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size, kernel, stride, dilation = (int(rng.integers(1, top)) for top in (20, 8, 5, 4))
        yield size, kernel, stride, int(rng.integers(0, kernel // 2 + 1)), dilation


def or_error(function, *values, **named):
    try:
        return function(*values, **named)
    except ValueError:
        return "RangeError"


def test_sizes_are_those_of_the_course(ops):
    cases = list(sizes(400))
    wanted = [or_error(conv_output_size, *case) for case in cases]
    assert ops("convSize", *cases) == wanted
    assert wanted.count("RangeError") > 20
    for ceil in (False, True):
        wanted = [or_error(pool_output_size, *case, ceil_mode=ceil) for case in cases]
        assert ops("poolSize", *[(*case, ceil) for case in cases]) == wanted


def test_rounding_up_is_that_of_the_program_of_2012(ops):
    assert ops("convSize", (224, 11, 4, 0, 1, True), (224, 11, 4, 0, 1, False)) == [55, 54]


def test_what_windows_read_is_counted_as_in_the_course(ops):
    fitting = [c for c in sizes(200, 1) if or_error(conv_output_size, *c) != "RangeError"]
    given = [(case[0], conv_output_size(*case), *case[1:]) for case in fitting]
    assert ops("readCounts", *given) == [read_counts(*case) for case in fitting]


def test_receptive_fields_are_those_of_the_course(ops):
    rng = np.random.default_rng(2)
    for _ in range(30):
        layers = [
            dict(zip(("kernel", "stride", "padding", "dilation"), case[1:], strict=True))
            for case in sizes(int(rng.integers(0, 8)), int(rng.integers(1000)))
        ]
        course = [
            {("kernel_size" if k == "kernel" else k): v for k, v in x.items()} for x in layers
        ]
        wanted = receptive_field(course)
        (found,) = ops("receptiveField", [layers])
        assert found == {"size": wanted.size, "jump": wanted.jump, "start": wanted.start}


@pytest.mark.parametrize(("channels", "filters"), [(1, 1), (3, 4)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 0), (3, 2, 1), (5, 1, 2), (1, 3, 0)]
)
def test_convolution_is_that_of_torch(ops, channels, filters, kernel, stride, padding):
    made = torch.Generator().manual_seed(kernel + stride)
    image = torch.randn(channels, 9, 12, generator=made)
    weight = torch.randn(filters, channels, kernel, kernel, generator=made)
    bias = torch.randn(filters, generator=made)
    wanted = F.conv2d(image[None], weight, bias, stride, padding)[0]
    given = image.numpy(), weight.numpy(), bias.tolist(), stride, padding
    (found,) = ops("conv2d", given)
    assert found["shape"] == list(wanted.shape)
    torch.testing.assert_close(torch.tensor(found["data"]).view(wanted.shape), wanted)


@pytest.mark.parametrize(
    ("name", "torch_name"), [("maxPool2d", "max_pool2d"), ("avgPool2d", "avg_pool2d")]
)
@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (3, 1)])
def test_pooling_is_that_of_torch(ops, name, torch_name, kernel, stride):
    image = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(0))
    wanted = getattr(F, torch_name)(image, kernel, stride)
    (found,) = ops(name, (image.numpy(), kernel, stride))
    assert found["shape"] == list(wanted.shape)
    torch.testing.assert_close(torch.tensor(found["data"]).view(wanted.shape), wanted)


def test_linear_layers_and_softmax_are_those_of_torch(ops):
    made = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(4, 7, generator=made), torch.randn(4, generator=made)
    numbers = torch.randn(7, generator=made)
    (found,) = ops("linear", (numbers.tolist(), weight.numpy(), bias.tolist()))
    torch.testing.assert_close(torch.tensor(found), F.linear(numbers, weight, bias))
    logits = [1000.0, 998.0, 0.0]
    found = ops("softmax", (logits, 1.0), (logits, 4.0))
    wanted = [(torch.tensor(logits) / t).softmax(0).tolist() for t in (1.0, 4.0)]
    assert np.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["float16", "float32", "int32", "uint8"])
def test_arrays_arrive_as_they_were_packed(opened, kind):
    values = np.array(
        [[0, 1, 2.5], [255, 6e-8, 100]] if kind == "uint8" else [[-3, 1, 6e-8], [0, 2.5, 65504]]
    )
    values = values.astype(kind)
    unpack = "x => { const { data, shape } = Course.ops.unpack(x); return [shape, [...data]]; }"
    shape, found = opened("kernels").evaluate(unpack, packed(values))
    assert shape == [2, 3]
    assert found == values.astype(float).ravel().tolist()


# Every reader


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_fault(opened, name, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page = opened(name)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    found = axe.Axe().run(page, options={"preload": False}).response
    assert len(found["passes"]) > 15
    faults = [(rule["id"], node["html"]) for rule in found["violations"] for node in rule["nodes"]]
    assert faults == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_the_whole_width(opened, name):
    page = opened(name, width=360, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = """[...document.querySelectorAll(".explore :is(button, input, select, canvas)")]
        .filter((x) => x.offsetParent && !x.closest(".scroll"))
        .filter((x) => x.getBoundingClientRect().right > 360).map((x) => x.outerHTML)"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("name", PAGES)
def test_what_can_be_touched_is_large_enough(opened, name):
    small = """[...document.querySelectorAll(".explore :is(button, input, select)")]
        .filter((x) => x.offsetParent && x.getBoundingClientRect().height < 24)
        .map((x) => x.outerHTML)"""
    assert opened(name, width=360, height=740).evaluate(small) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_drawing_is_described_and_drawn(opened, name):
    page = opened(name)
    page.wait_for_function("""() => [...document.querySelectorAll("canvas")]
        .filter((x) => x.offsetParent).every((x) => {
            const { data } = x.getContext("2d").getImageData(0, 0, x.width, x.height);
            return new Set(new Uint32Array(data.buffer)).size > 1;
        })""")
    for drawing in page.locator("canvas:visible").all():
        assert len(drawing.get_attribute("aria-label")) > 20
        assert drawing.get_attribute("role") in ("img", "application")
        is_reached = drawing.get_attribute("tabindex") == "0"
        assert is_reached == (drawing.get_attribute("role") == "application")


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_the_page_says_so(browser, plain, name):
    page = browser.new_page(java_script_enabled=False)
    page.goto((plain / f"{name}.html").as_uri())
    assert page.locator(".without-script").is_visible()
    assert not page.locator(".needs-script").first.is_visible()
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_first_view_is_light(plain, name):
    """What Sphinx's theme adds is measured in the built site."""
    page = plain / f"{name}.html"
    loaded = re.findall(r'(?:src|href)="(_static/[^"]+)"', page.read_text("utf-8"))
    assert loaded
    weight = page.stat().st_size + sum((plain / file).stat().st_size for file in loaded)
    assert weight <= FIRST_VIEW
