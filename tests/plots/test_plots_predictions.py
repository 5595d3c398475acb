"""The figures of lecture 09 show their numbers, with labelled axes and a description."""

import numpy as np
import pytest
import torch
from figures import assert_good_figure, points, ticks, values, written

from course_utils import plots
from course_utils.inspection import reliability, wilson_interval

IMAGES = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
NAMES = ["cat", "dog", "horse"]
MATRIX = torch.tensor([[8, 2, 0], [1, 9, 0], [4, 6, 0]])
SLICES = {
    "light": {"dark": (5, 10), "bright": (9, 10)},
    "size": {"small": (3, 10), "large": (11, 20)},
}
PANELS = {"pixels": torch.rand(6, 2), "logits": torch.rand(6, 2)}
HEAT = torch.tensor([[[-1.0, 1.0], [2.0, 4.0]]] * 3)


def bars():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.0, 0.5, 0.5]])
    return plots.probability_bars(IMAGES, probabilities, torch.tensor([0, 2, 1]), NAMES)


def diagram():
    sure, right = torch.tensor([0.9, 0.9, 0.6, 0.4]), torch.tensor([True, False, True, False])
    found = reliability(sure, right, 5)
    return plots.reliability_diagram({"raw": found, "cooled": found})


FIGURES = {  # a figure, what must be written in it, and what its description must say
    "image_rows": (
        lambda: plots.image_rows(
            {"raw": IMAGES, "half": IMAGES / 510}, NAMES, "Three animals, as they are and darker."
        ),
        ["raw", "half", *NAMES],
        ["Three animals, as they are and darker."],
    ),
    "probability_bars": (
        bars,
        [
            *("true: cat", "true: horse", "true: dog", *NAMES),
            *("probability", "class (hatched: the true one)", "50%"),
        ],
        ["3 images", "cat: cat 70% and dog 20%", "horse: dog 60% and horse 30%"],
    ),
    "reliability_diagram": (
        diagram,
        [
            *("accuracy in the bin", "images", "confidence: probability of the predicted class"),
            *("raw: calibration error 40.0%", "cooled: calibration error 40.0%"),
            *("calibrated", "the network", *["40%"] * 3),
        ],
        ["raw: expected calibration error 40.0%", "cooled: expected calibration error 40.0%"],
    ),
    "precision_and_recall": (
        lambda: plots.precision_and_recall(MATRIX, NAMES),
        [
            *("class", "share of the images, with its 95% interval", *NAMES),
            *("precision", "recall", "40%"),
        ],
        ["cat: precision 62%, recall 80%", "horse: recall 0%."],
    ),
    "accuracy_by_slice": (
        lambda: plots.accuracy_by_slice(SLICES),
        [
            *("light", "size", "dark\n(10)", "large\n(20)", "accuracy, with its 95% interval"),
            *("part (number of images)", "60%"),
        ],
        ["light: dark 50.0%, bright 90.0%", "size: small 30.0%, large 55.0%"],
    ),
    "embeddings": (
        lambda: plots.embeddings(PANELS, torch.arange(6) % 3, NAMES, "t-SNE"),
        ["pixels", "logits", "t-SNE 1", "t-SNE 2", *NAMES],
        ["6 images of 3 classes", "by t-SNE: pixels; logits"],
    ),
    "heat_maps": (
        lambda: plots.heat_maps(IMAGES, {"Grad-CAM": HEAT, "occlusion": 2 * HEAT}, NAMES),
        ["image", "Grad-CAM\n2×2", "occlusion\n2×2", "share of the map's largest value", *NAMES],
        ["Heat maps (Grad-CAM, occlusion) of 3 images: cat, dog, horse."],
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_good(name):
    make, texts, alt = FIGURES[name]
    assert_good_figure(make(), *texts, alt=alt)


def axes_of(name):
    return FIGURES[name][0]().axes


def test_rows_of_images_stand_one_below_the_other():
    shown = [values(axes) for axes in axes_of("image_rows")]
    wanted = [*(IMAGES / 255), *(IMAGES / 510)]
    for one, image in zip(shown, wanted, strict=True):
        assert one == pytest.approx(image.permute(1, 2, 0).numpy())


def test_only_the_bar_of_the_true_class_is_hatched():
    for axes, true in zip(bars().axes[3:], [0, 2, 1], strict=True):
        assert [bool(bar.get_hatch()) for bar in axes.patches] == [c == true for c in range(3)]


def test_bars_are_as_long_as_the_probabilities():
    first, second, third = bars().axes[3:]
    assert [bar.get_width() for bar in first.patches] == pytest.approx([0.7, 0.2, 0.1])
    assert [bar.get_width() for bar in second.patches] == pytest.approx([0.1, 0.6, 0.3])
    assert ticks(first.yaxis) == dict(enumerate(NAMES))
    assert set(ticks(third.yaxis).values()) == {""}
    assert first.get_xlim() == (0, 1)


def test_full_bins_have_their_share_and_interval():
    found = reliability(torch.tensor([0.9, 0.9]), torch.tensor([True, False]), 5)
    top, bottom = plots.reliability_diagram({"raw": found}).axes
    (bar,) = top.collections
    low, high = wilson_interval(1, 2)
    (ends,) = bar.get_segments()
    assert ends == pytest.approx(np.array([[0.9, low], [0.9, high]]))
    assert points(top)["calibrated"] == [(0, 0), (1, 1)]
    assert [bar.get_height() for bar in bottom.patches] == [0, 0, 0, 0, 2]
    assert bottom.patches[-1].get_x() == pytest.approx(0.8)
    assert bottom.patches[-1].get_width() == pytest.approx(0.2)


def test_precision_stands_above_recall_and_both_have_their_interval():
    (axes,) = axes_of("precision_and_recall")
    ends = [segments[0] for bar in axes.collections if len(segments := bar.get_segments())]
    wanted = [(8, 13, -0.16), (9, 17, 0.84), (8, 10, 0.16), (9, 10, 1.16), (0, 10, 2.16)]
    for end, (correct, total, place) in zip(ends, wanted, strict=True):
        low, high = wilson_interval(correct, total)
        assert end == pytest.approx(np.array([[low, place], [high, place]]))
    assert ticks(axes.yaxis) == dict(enumerate(NAMES))
    marks = [x for line in axes.lines if line.get_marker() in "os" for x in line.get_xdata()]
    assert marks == pytest.approx([8 / 13, 9 / 17, 8 / 10, 9 / 10, 0])


def test_parts_of_a_split_have_their_interval_and_the_mean_of_all():
    light, size = axes_of("accuracy_by_slice")
    for axes, parts, mean in ((light, SLICES["light"], 0.7), (size, SLICES["size"], 14 / 30)):
        for place, (bar, counts) in enumerate(zip(axes.collections, parts.values(), strict=True)):
            low, high = wilson_interval(*counts)
            (ends,) = bar.get_segments()
            assert ends == pytest.approx(np.array([[place, low], [place, high]]))
        names = [f"{name}\n({total})" for name, (_, total) in parts.items()]
        assert ticks(axes.xaxis) == dict(enumerate(names))
        dotted = [line.get_ydata() for line in axes.lines if line.get_linestyle() == ":"]
        assert dotted == [pytest.approx([mean] * 2)]


def test_points_of_a_class_stand_where_they_are():
    pixels, logits, *empty = axes_of("embeddings")
    for axes, kind in ((pixels, "pixels"), (logits, "logits")):
        places = axes.collections[1].get_offsets()
        assert np.asarray(places) == pytest.approx(PANELS[kind][[1, 4]].numpy())
    assert not any(axes.axison for axes in empty)


def test_ten_classes_look_different():
    names = [f"class {n}" for n in range(10)]
    figure = plots.embeddings({"x": torch.rand(10, 2)}, torch.arange(10), names, "axis")
    assert_good_figure(figure, *names)
    looks = {
        (tuple(points.get_edgecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in figure.axes[0].collections
    }
    assert len(looks) == 10


def test_each_heat_map_has_its_own_scale_from_zero_over_a_grey_image():
    *panels, _ = axes_of("heat_maps")
    first, second = panels[3], panels[6]
    for axes in (first, second):
        grey, heat = axes.images
        assert np.asarray(heat.get_array()).tolist() == [[0, 0.25], [0.5, 1]]
        assert list(heat.get_extent()) == list(grey.get_extent())
        assert values(axes) == pytest.approx(IMAGES[0].float().mean(0).numpy() / 255)
    assert written(panels[0]) == ["image"]


def test_heat_maps_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"3 images need as many titles and maps: 2, \[3\]"):
        plots.heat_maps(IMAGES, {"a": torch.rand(3, 2, 2)}, NAMES[:2])
