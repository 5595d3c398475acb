"""The assertion that tests every figure finds each fault that it is there for."""

import pytest
from figures import assert_good_figure, points, written

from course_utils.plots import new_figure

DESCRIPTION = "A line that goes from 1 to 3, and one from 3 to 1."


def drawing(description=DESCRIPTION, **size):
    figure, axes = new_figure(**{"width": 4, "height": 3, **size})
    axes.plot([1, 2, 3], "o-", label="up")
    axes.plot([3, 2, 1], "s--", label="down")
    axes.set(xlabel="step", ylabel="size (pixels)", title="Two lines")
    axes.legend()
    figure.described(description)
    return figure, axes


def test_a_good_figure_passes():
    figure, axes = drawing()
    assert_good_figure(figure, "step", "size (pixels)", "Two lines", "up", alt=["from 3 to 1"])
    assert points(axes)["up"] == [(0, 1), (1, 2), (2, 3)]
    assert written(axes) == []


def test_a_text_is_written_as_often_as_it_is_named():
    figure, axes = drawing()
    axes.set_xlabel("size (pixels)")
    assert_good_figure(figure, *["size (pixels)"] * 2)
    with pytest.raises(AssertionError, match="nowhere written: 'size \\(pixels\\)'"):
        assert_good_figure(figure, *["size (pixels)"] * 3)


def no_label(figure, axes):
    axes.set_ylabel("")


def unseen(figure, axes):
    axes.lines[0].set_alpha(0)


def hidden(figure, axes):
    axes.lines[0].set_visible(False)


def unseen_image(figure, axes):
    axes.imshow([[1, 2], [2, 3]], alpha=0, aspect="auto")


def colour_only(figure, axes):
    axes.lines[1].set(marker="o", linestyle="-")
    axes.legend()


def no_legend(figure, axes):
    axes.get_legend().remove()


def small_print(figure, axes):
    axes.title.set_fontsize(6)


def pale(figure, axes):
    axes.title.set_color("#DDDDDD")


def white_on_white(figure, axes):
    axes.text(0.9, 1.1, "a note", color="white")


def outside(figure, axes):
    figure.text(0.9, 0.5, "a note that is far too long for the room that it has")


def clipped(figure, axes):
    axes.add_patch(axes.patch.__class__((1, 2), 5, 0.5))
    axes.set(xlim=(-0.5, 2.5))
    axes.set_axis_off()


def over_others(figure, axes):
    axes.set_xticks([0, 0.1, 2], ["zero", "nearly zero", "two"])


def empty_panel(figure, axes):
    for artist in [*axes.lines, axes.get_legend()]:
        artist.remove()


def at_the_edge(figure, axes):
    figure.patches.append(figure.patch.__class__((0, 0), 1, 0.1, transform=figure.transFigure))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (no_label, "no label at the ticks"),
        (unseen, "not to be seen"),
        (hidden, "not to be seen"),
        (unseen_image, "not to be seen"),
        (colour_only, "'up' and 'down' differ in nothing but colour"),
        (no_legend, "without a legend: 'up'"),
        (small_print, "too small: 'Two lines'"),
        (pale, "too pale: 'Two lines'"),
        (white_on_white, "too pale: 'a note'"),
        (outside, "cut off: 'a note"),
        (clipped, "cut off: Rectangle"),
        (over_others, "'zero' lies on 'nearly zero'"),
        (empty_panel, "the panel 'Two lines' is empty"),
        (at_the_edge, "something touches the edge"),
    ],
)
def test_a_fault_is_found(spoil, fault):
    figure, axes = drawing()
    spoil(figure, axes)
    with pytest.raises(AssertionError, match=fault):
        assert_good_figure(figure)


@pytest.mark.parametrize("size", [(40, 4), (40, 3), (4, 12), (1.5, 3), (8, 0.9)])
def test_a_figure_of_the_wrong_size_is_found(size):
    figure, _ = drawing(width=size[0], height=size[1])
    figure.set_layout_engine("none")  # it would complain first
    with pytest.raises(AssertionError, match="too small, or more than one screen"):
        assert_good_figure(figure)


def test_a_panel_of_a_few_pixels_is_found():
    figure, axes = new_figure(2, 1, width=4, height=3, height_ratios=[40, 1])
    for place in axes:
        place.plot([1, 2])
        place.set(xlabel="step", ylabel="size")
        place.set_axis_off()
    with pytest.raises(AssertionError, match="pixels: too small"):
        assert_good_figure(figure.described(DESCRIPTION))


@pytest.mark.parametrize("description", ["", "A line.", DESCRIPTION.removesuffix(".")])
def test_a_figure_that_is_not_described_is_found(description):
    with pytest.raises(AssertionError, match="no description"):
        assert_good_figure(drawing(description)[0])


def test_what_is_not_written_or_described_is_found():
    figure, _ = drawing()
    for text in ("size", "Two", "4.25"):
        with pytest.raises(AssertionError, match=f"nowhere written: '{text}'"):
            assert_good_figure(figure, text)
    with pytest.raises(AssertionError, match="not described: '3 to 2'"):
        assert_good_figure(figure, alt=["3 to 2"])
