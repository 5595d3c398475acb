"""The figures of lecture 08 show their numbers, with labelled axes and a description."""

import pytest
import torch

from course_utils import plots
from course_utils.inspection import reliability

IMAGES = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
NAMES = ["cat", "dog", "horse"]
MATRIX = torch.tensor([[8, 2, 0], [1, 9, 0], [4, 6, 0]])


def bars():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.0, 0.5, 0.5]])
    return plots.probability_bars(IMAGES, probabilities, torch.tensor([0, 2, 1]), NAMES)


def diagram():
    sure, right = torch.tensor([0.9, 0.9, 0.6, 0.4]), torch.tensor([True, False, True, False])
    return plots.reliability_diagram({"raw": reliability(sure, right, 5)})


FIGURES = {  # a figure, what its description must say, and what must be written in it
    "image_rows": (
        lambda: plots.image_rows({"raw": IMAGES, "half": IMAGES / 510}, NAMES, "Two rows."),
        ["Two rows."],
        ["raw", "half", "horse"],
    ),
    "probability_bars": (bars, ["horse: dog 60% and horse 30%"], ["true: cat", "probability"]),
    "reliability_diagram": (
        diagram,
        ["raw: expected calibration error 40.0%"],
        ["accuracy in the bin", "images", "calibration error 40.0%"],
    ),
    "precision_and_recall": (
        lambda: plots.precision_and_recall(MATRIX, NAMES),
        ["cat: precision 62%, recall 80%", "horse: recall 0%."],
        ["class", "share of the images", "dog"],
    ),
    "accuracy_by_slice": (
        lambda: plots.accuracy_by_slice({"light": {"dark": (5, 10), "bright": (9, 10)}}),
        ["light: dark 50.0%, bright 90.0%"],
        ["light", "dark\n(10)", "accuracy, with its 95% interval", "part (number of images)"],
    ),
    "embeddings": (
        lambda: plots.embeddings(
            {"pixels": torch.rand(6, 2), "logits": torch.rand(6, 2)},
            torch.arange(6) % 3,
            NAMES,
            "t-SNE",
        ),
        ["6 images of 3 classes", "by t-SNE: pixels; logits"],
        ["pixels", "t-SNE 1", "t-SNE 2"],
    ),
    "seeds_against_cost": (
        lambda: plots.seeds_against_cost({"small": ([0.5, 0.75], 1e6)}, "FLOPs", "Data"),
        ["small 62.5%, from 50.0% to 75.0%, at 1e+06"],
        ["FLOPs (log scale)", "test accuracy", "Data", "small\n62.5%"],
    ),
    "heat_maps": (
        lambda: plots.heat_maps(IMAGES, {"Grad-CAM": torch.rand(3, 2, 2)}, NAMES),
        ["Heat maps (Grad-CAM) of 3 images: cat, dog, horse."],
        ["Grad-CAM\n2×2", "share of the map's largest value"],
    ),
}


def written_in(figure):
    texts = []
    for axes in figure.axes:
        texts += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        texts += [text.get_text() for text in axes.texts + axes.get_xticklabels()]
        texts += [label.get_text() for label in axes.get_yticklabels()]
    return "\n".join(texts)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_described_and_labelled(name):
    make, described, written = FIGURES[name]
    figure = make()
    assert figure.png()
    for text in described:
        assert text in figure.alt_text
    shown = written_in(figure)
    for text in written:
        assert text in shown


def test_only_the_bar_of_the_true_class_is_hatched():
    figure = bars()
    for axes, true in zip(figure.axes[3:], [0, 2, 1], strict=True):
        assert [bool(bar.get_hatch()) for bar in axes.patches] == [c == true for c in range(3)]


def test_ten_classes_look_different():
    names = [str(n) for n in range(10)]
    axes = plots.embeddings({"x": torch.rand(10, 2)}, torch.arange(10), names, "axis").axes[0]
    looks = {
        (tuple(points.get_edgecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in axes.collections
    }
    assert len(looks) == 10


def test_heat_maps_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"3 images need as many titles and maps: 2, \[3\]"):
        plots.heat_maps(IMAGES, {"a": torch.rand(3, 2, 2)}, NAMES[:2])
