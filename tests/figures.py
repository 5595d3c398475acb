"""What a figure of the course must be: one assertion, for the test of each plot."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from unittest.mock import patch

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from course_utils.plots import Figure
from course_utils.plots.style import CSS_PIXELS_PER_INCH

SMALLEST, LARGEST = (192, 96), (1000, 640)  # CSS pixels: one screen, beside and below the rest
SMALLEST_PANEL = 0.3  # inches, of a panel's sides
SMALLEST_TEXT = 8  # points: 11 CSS pixels
LEAST_CONTRAST = 60  # of 255 grey values, between a text and what lies behind it
LEAST_INK = 20  # of 255: an artist that leaves less cannot be seen
MOST_AT_THE_EDGE = 0.01  # of the outermost pixels: the tip of a letter
SHORTEST_DESCRIPTION = 35  # characters


def assert_good_figure(figure: Figure, *texts: str, alt: Sequence[str] = ()) -> None:
    """Assert that a figure can be read at 100 % on one screen, and without seeing it.

    Each of ``texts`` is written in it as one whole text, as often as it is named; each of ``alt``
    is in its description.
    """
    shown = drawn_texts(figure)
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # the checks draw again
    faults = [
        *size_faults(figure),
        *text_faults(figure, shown, picture),
        *(fault for axes in figure.axes for fault in panel_faults(axes, shown)),
        *description_faults(figure, alt),
    ]
    words = [text.get_text() for text in shown]
    missing = Counter(texts) - Counter(words)
    faults += [f"nowhere written: {text!r}" for text in missing]
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    if (edge != 255).mean() > MOST_AT_THE_EDGE:
        faults.append("something touches the edge")
    assert not faults, "\n".join([*faults, f"written are {words}"])


def drawn_texts(figure: Figure) -> list[Text]:
    """Draw the figure; return its texts that are shown: no empty, hidden or far-off tick labels."""
    shown = []
    draw = Text.draw

    def record(text, renderer):
        if text.get_visible() and text.get_text().strip():
            shown.append(text)
        draw(text, renderer)

    with patch.object(Text, "draw", record):
        figure.canvas.draw()
    return shown


def points(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return the points of the labelled lines of a panel, by label."""
    lines = {line.get_label(): line for line in axes.lines}
    return {
        name: list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        for name, line in lines.items()
        if not str(name).startswith("_")
    }


def written(axes: Axes) -> list[str]:
    """Return the free texts of a panel, without its arrows."""
    return [text.get_text() for text in axes.texts if text.get_text()]


def ticks(axis: Axis) -> dict[float, str]:
    """Return the labels of an axis, by their place."""
    labels = [label.get_text() for label in axis.get_ticklabels()]
    return dict(zip(axis.get_ticklocs().tolist(), labels, strict=True))


def arrows(axes: Axes) -> list[FancyArrowPatch]:
    """Return the arrows between two places of a panel."""
    return [text.arrow_patch for text in axes.texts if getattr(text, "arrow_patch", None)]


def values(axes: Axes) -> np.ndarray:
    """Return what the first image of a panel shows."""
    return np.asarray(axes.images[0].get_array())


def size_faults(figure: Figure) -> Iterator[str]:
    """It fits one screen, and so do its panels the figure."""
    size = figure.get_size_inches()
    pixels = size * CSS_PIXELS_PER_INCH
    if (pixels < SMALLEST).any() or (pixels > LARGEST).any():
        yield f"{size[0]:g} x {size[1]:g} inches are too small, or more than one screen"
    for axes in figure.axes:
        box = axes.get_window_extent()
        if not is_colorbar(axes) and min(box.width, box.height) < SMALLEST_PANEL * figure.dpi:
            yield f"a panel has {box.width:.0f} x {box.height:.0f} pixels: too small"


def text_faults(figure: Figure, shown: list[Text], picture: np.ndarray) -> Iterator[str]:
    """Texts are large enough, inside the figure, told from what is behind, and not on others."""
    boxes = [text.get_window_extent() for text in shown]
    height, width = picture.shape[:2]
    for text, box in zip(shown, boxes, strict=True):
        name = repr(text.get_text())
        if text.get_fontsize() < SMALLEST_TEXT:
            yield f"too small: {name} has {text.get_fontsize()} points"
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
            yield f"cut off: {name}"
            continue
        rows = slice(max(0, round(height - box.y1)), round(height - box.y0))
        grey = picture[rows, max(0, round(box.x0)) : round(box.x1)].mean(-1)
        if grey.max() - grey.min() < LEAST_CONTRAST:
            yield f"too pale: {name}"
    upright = [(t, b) for t, b in zip(shown, boxes, strict=True) if t.get_rotation() % 90 == 0]
    for (one, box), (other, place) in combinations(upright, 2):
        across = min(box.x1, place.x1) - max(box.x0, place.x0)
        if across > 1 and min(box.y1, place.y1) - max(box.y0, place.y0) > 3:
            yield f"{one.get_text()!r} lies on {other.get_text()!r}"


def panel_faults(axes: Axes, shown: list[Text]) -> Iterator[str]:
    """Numbered ticks have a label; all that is drawn can be seen, and not by its colour alone."""
    for axis in (axes.xaxis, axes.yaxis):
        ticks = [label.get_text() for label in axis.get_ticklabels(which="both") if label in shown]
        if any(map(is_number, ticks)) and not is_labelled(axis, shown):
            yield f"no label at the ticks {ticks}"
    artists = [*axes.lines, *axes.patches, *axes.collections, *axes.images]
    artists += [text for text in axes.texts if text.get_text().strip()]
    here = [artist for artist in artists if is_inside(artist)]
    if axes.axison and not here:
        yield f"the panel {axes.get_title()!r} is empty"
    yield from (f"not to be seen: {artist}" for artist in here if not leaves_ink(artist))
    if not axes.axison:
        yield from (f"cut off: {artist}" for artist in axes.patches if is_cut(artist))
    handles, names = axes.get_legend_handles_labels()
    words = [text.get_text() for text in shown]
    yield from (f"without a legend: {name!r}" for name in names if name not in words)
    looks = [look(handle) for handle in handles]
    for (one, first), (other, second) in combinations(zip(names, looks, strict=True), 2):
        if first == second:
            yield f"{one!r} and {other!r} differ in nothing but colour"


def description_faults(figure: Figure, alt: Sequence[str]) -> Iterator[str]:
    """The description is a sentence or more, and says what is asked for."""
    text = figure.alt_text
    if len(text) < SHORTEST_DESCRIPTION or not text.endswith("."):
        yield f"no description: {text!r}"
    yield from (f"not described: {wanted!r} in {text!r}" for wanted in alt if wanted not in text)


def is_colorbar(axes: Axes) -> bool:
    return axes.get_label() == "<colorbar>"


def is_number(text: str) -> bool:
    digits = text.strip().replace("−", "-").replace(",", "").removesuffix("%")
    return digits.replace(".", "").removeprefix("-").isdigit() or "mathdefault" in text


def is_labelled(axis: Axis, shown: list[Text]) -> bool:
    """Whether an axis has a label, or another panel of its column (for x) or row (for y) has it."""
    span, own = f"{'col' if axis.axis_name == 'x' else 'row'}span", axis.axes.get_subplotspec()
    panels = [axis.axes]
    if own:
        places = {axes: axes.get_subplotspec() for axes in axis.axes.figure.axes}
        panels = [a for a, at in places.items() if at and getattr(at, span) == getattr(own, span)]
    return any(getattr(axes, f"{axis.axis_name}axis").label in shown for axes in panels)


def is_inside(artist: Artist) -> bool:
    """Whether an artist has something to draw within its panel, or around it if it is a text."""
    if isinstance(artist, Text):
        return True
    if isinstance(artist, PathCollection):
        places = artist.get_offset_transform().transform(artist.get_offsets())
        box = Bbox([places.min(0), places.max(0)]) if len(places) else Bbox.null()
    else:
        box = artist.get_window_extent()
    if isinstance(artist, Patch) and min(box.width, box.height) < 1:
        return False  # a bar of nothing
    if isinstance(artist, Line2D) and artist.get_marker() == "None" and not (box.size > 0).any():
        return False  # a point without a mark: the middle of an error bar
    inside = artist.axes.bbox.padded(-1)
    low, high = np.maximum(box.min, inside.min), np.minimum(box.max, inside.max)
    return bool(np.isfinite(box.get_points()).all() and (low <= high).all())


def is_cut(artist: Artist) -> bool:
    """Whether an artist reaches out of its panel, which cuts it off."""
    box, panel = artist.get_window_extent(), artist.axes.bbox.padded(1)
    return not (panel.contains(*box.min) and panel.contains(*box.max))


def leaves_ink(artist: Artist) -> bool:
    """Draw one artist by itself on nothing."""
    canvas = artist.axes.figure.canvas
    renderer = canvas.get_renderer()
    renderer.clear()
    artist.draw(renderer)
    return np.asarray(renderer.buffer_rgba())[..., 3].max() >= LEAST_INK


def look(handle: Artist | BarContainer | ErrorbarContainer) -> tuple:
    """What tells an entry of a legend from others but its colour."""
    if isinstance(handle, ErrorbarContainer):
        handle = handle[0]
    if isinstance(handle, BarContainer):
        handle = handle[0]
    if isinstance(handle, Line2D):
        return handle.get_linestyle(), handle.get_marker(), handle.get_fillstyle()
    if hasattr(handle, "get_paths"):
        shape = handle.get_paths()[0].vertices.tobytes()
        return shape, len(handle.get_facecolor()) == 0
    return handle.get_hatch(), tuple(handle.get_facecolor()[:3]) == (1, 1, 1)
