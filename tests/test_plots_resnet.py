"""The figures of lecture 07 show their numbers, with labelled axes and a description."""

from types import SimpleNamespace

import pytest

from course_utils import plots


class Run(dict):
    """Stands for a History: columns by name."""

    def __init__(self, accuracies):
        super().__init__(
            epoch=list(range(1, len(accuracies) + 1)),
            train_accuracy=accuracies,
            validation_accuracy=[accuracy - 0.25 for accuracy in accuracies],
        )


def drawn():
    two = ["3×3, 64", "batch norm"]
    runs = {"20 layers": Run([0.5, 0.75]), "44 layers": Run([0.25, 0.5])}
    both = plots.errors_by_epoch({"plain": runs, "residual": runs})
    yield both, "plain, 44 layers: training error ends at 50%"
    yield plots.values_by_layer({"ReLU": [1e-3, 0.25]}, "norm"), "ReLU from 0.001 to 0.25"
    yield plots.loss_on_line([-1, 0, 1], {"plain": [3.0, 0.5, 4.0]}), "0.50 at its lowest, 4.00"
    blocks = plots.residual_blocks({"plain": (two, ""), "basic": (two, "identity")})
    yield blocks, "basic: 3×3, 64 then batch norm; shortcut: identity"


FIGURES = [SimpleNamespace(figure=figure, text=text) for figure, text in drawn()]


@pytest.mark.parametrize("case", FIGURES)
def test_the_description_says_what_is_drawn(case):
    assert case.text in case.figure.alt_text
    assert case.figure.png()


@pytest.mark.parametrize("case", FIGURES[:-1])
def test_axes_are_labelled(case):
    assert all(axes.get_xlabel() for axes in case.figure.axes)
    assert case.figure.axes[0].get_ylabel()


def test_only_a_block_with_a_shortcut_adds():
    plain, residual = FIGURES[-1].figure.axes
    assert "+" not in [text.get_text() for text in plain.texts]
    assert "+" in [text.get_text() for text in residual.texts]


def test_errors_draws_training_and_validation_of_each_depth():
    axes = FIGURES[0].figure.axes[0]
    assert [list(line.get_ydata()) for line in axes.lines[:2]] == [[0.5, 0.25], [0.75, 0.5]]
