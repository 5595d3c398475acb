"""What a network predicts and what it has learnt: the figures for `course_utils.inspection`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from ..data import Split
from ..inspection import Predictions, wilson_interval
from .images import draw_image, image_grid
from .parts import cells, interval_ends
from .style import COLORS, MARKERS, Figure, new_figure, series

MOST_NUMBERS = 12  # classes: with more, the counts would be too small to read
MOST_CONFUSIONS = 3  # named in the description


def confusion_matrix(matrix: Tensor, class_names: Sequence[str], title: str = "") -> Figure:
    """Counts of true class (row) against predicted class (column).

    The shade is the share of the row, so that the diagonal is the accuracy within each class.

    Lectures 01 and 03.

    Args:
        matrix: int64 (K, K).
        class_names: K names.
        title: above the matrix.

    Raises:
        ValueError: the names do not fit the matrix.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.confusion_matrix(torch.tensor([[8, 2], [1, 9]]), ["cat", "dog"])
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Confusion matrix. 17 of 20 images lie on the diagonal. Most frequent confusions: cat as dog
        (2), dog as cat (1).
    """
    matrix = matrix.cpu()
    if matrix.shape != (len(class_names), len(class_names)):
        raise ValueError(
            f"{len(class_names)} class names do not fit a {tuple(matrix.shape)} matrix"
        )
    shares = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    figure, axes = new_figure(width=7.6, height=6)
    shown = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    if len(class_names) <= MOST_NUMBERS:
        for (row, column), count in cells(matrix):
            color = "white" if shares[row, column] > 0.5 else "black" if count else "0.6"
            axes.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=9)
        places = range(len(class_names))
        axes.set_xticks(places, class_names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, class_names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, label="share of the true class", shrink=0.8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure.described(_describe_confusions(matrix, class_names, title))


def _describe_confusions(matrix: Tensor, class_names: Sequence[str], title: str) -> str:
    right, total = matrix.trace().item(), matrix.sum().item()
    wrong = sorted(
        ((count, i, j) for (i, j), count in cells(matrix) if i != j and count), reverse=True
    )
    worst = [f"{class_names[i]} as {class_names[j]} ({n})" for n, i, j in wrong[:MOST_CONFUSIONS]]
    return (
        f"Confusion matrix. {title + '. ' if title else ''}{right:,} of {total:,} images lie on "
        f"the diagonal. Most frequent confusions: {', '.join(worst) or 'none'}."
    )


def filters(weights: Tensor, title: str = "", columns: int = 8) -> Figure:
    """The filters of a first layer, all on one scale.

    One channel: red is positive, blue negative, white zero. Three channels: as colours, with grey
    for zero.

    Lectures 03 and 10.

    Args:
        weights: float (N, C, H, W), C is 1 or 3.
        title: above the filters.
        columns: filters in a row.

    Raises:
        ValueError: there are other than 1 or 3 channels.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> print(plots.filters(torch.linspace(-1, 1, 50).reshape(2, 1, 5, 5)).alt_text)
        2 grey filters of 5 by 5, on one scale from -1.00 to 1.00.
    """
    weights = weights.detach().float().cpu()
    if weights.ndim != 4 or weights.shape[1] not in (1, 3):
        raise ValueError(
            f"filters draws weights (N, 1 or 3, H, W), got {tuple(weights.shape)}: only the "
            "filters of a first layer look like images"
        )
    largest = weights.abs().max().clamp(min=1e-12).item()
    count, channels, height, width = weights.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = new_figure(
        rows, columns, width=max(1.05 * columns + 0.9, 3), height=1.3 * rows + 0.3, squeeze=False
    )
    for place in axes.flat:
        place.set_axis_off()
    for index, (place, kernel) in enumerate(zip(axes.flat, weights, strict=False)):
        place.set_title(f"filter {index}", fontsize=9)
        if channels == 3:
            draw_image(place, kernel / (2 * largest) + 0.5)
        else:
            shown = place.imshow(kernel[0].numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)
    if channels == 1:
        figure.colorbar(shown, ax=axes, label="weight", aspect=10 * rows)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure.described(
        f"{title + '. ' if title else ''}{count} {'grey' if channels == 1 else 'colour'} filters "
        f"of {height} by {width}, on one scale from {-largest:.2f} to {largest:.2f}."
    )


def feature_maps(maps: Tensor, images: Tensor, title: str = "") -> Figure:
    """One row an image: the image, then each of its feature maps, all on one scale.

    Lecture 03.

    Args:
        maps: float (N, C, H, W), as `course_utils.inspection.feature_maps` returns them.
        images: uint8 or float in [0, 1], (N, C, H, W).
        title: above the rows.

    Raises:
        ValueError: there is no map, or not one image for each stack of maps.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> maps = torch.arange(18.0).reshape(1, 2, 3, 3)
        >>> print(plots.feature_maps(maps, torch.rand(1, 3, 8, 8)).alt_text)
        1 images, each with its 2 feature maps of 3 by 3, on one scale from 0.00 to 17.00.
    """
    maps = maps.detach().float().cpu()
    if maps.ndim != 4 or len(maps) != len(images) or len(maps) == 0:
        raise ValueError(
            "feature_maps needs maps (N, C, H, W) and as many images, "
            f"got {tuple(maps.shape)} and {len(images)}"
        )
    count, channels, height, width = maps.shape
    low, high = maps.min().item(), maps.max().item()
    size = min(1.2, 9.2 / (channels + 2))
    figure, axes = new_figure(
        count,
        channels + 1,
        width=size * (channels + 1) + 0.9,
        height=max(size * count, 1.2) + 0.5,
        squeeze=False,
    )
    for row, image, stack in zip(axes, images, maps, strict=True):
        draw_image(row[0], image)
        for place, feature in zip(row[1:], stack, strict=True):
            shown = place.imshow(feature.numpy(), cmap="viridis", vmin=low, vmax=high)
            place.set_axis_off()
    for place, name in zip(axes[0], ["image", *map(str, range(channels))], strict=True):
        place.set_title(name, fontsize=9)
    figure.colorbar(shown, ax=axes, label="output", aspect=10 * count)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure.described(
        f"{title + '. ' if title else ''}{count} images, each with its {channels} feature maps of "
        f"{height} by {width}, on one scale from {low:.2f} to {high:.2f}."
    )


def mistakes(
    split: Split,
    predictions: Predictions,
    positions: Tensor,
    class_names: Sequence[str],
) -> Figure:
    """Images, each under what was predicted and what is true.

    Lecture 03.

    Args:
        split: the images that the predictions are for.
        predictions: what a network says to them.
        positions: int64 (n,), n > 0, as `course_utils.inspection.most_confident_mistakes` returns
            them.
        class_names: K names.

    Raises:
        ValueError: there is no position.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> from course_utils.data import Split
        >>> from course_utils.inspection import Predictions
        >>> labels = torch.tensor([1, 0])
        >>> split = Split(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), labels)
        >>> said = Predictions(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), labels)
        >>> print(plots.mistakes(split, said, torch.tensor([0]), ["cat", "dog"]).alt_text)
        1 images with wrong predictions: dog taken for cat (90%).
    """
    if len(positions) == 0:
        raise ValueError("there is no mistake to show")
    chosen = positions.tolist()
    said = [class_names[i] for i in predictions.predicted[positions].tolist()]
    true = [class_names[i] for i in predictions.labels[positions].tolist()]
    sure = predictions.confidence[positions].tolist()
    cases = list(zip(said, sure, true, strict=True))
    titles = [f"said: {a}\nsure: {share:.0%}\ntrue: {b}" for a, share, b in cases]
    listed = "; ".join(f"{b} taken for {a} ({share:.0%})" for a, share, b in cases)
    alt = f"{len(chosen)} images with wrong predictions: {listed}."
    return image_grid(split.images[positions], titles, columns=6, alt=alt, size=1.5)


def accuracy_with_intervals(results: Mapping[str, tuple[int, int]], title: str = "") -> Figure:
    """The accuracy of several classifiers with Wilson's 95 % interval.

    Lectures 03 and 07.

    Args:
        results: name -> (correct, total).
        title: above the lines.

    Raises:
        ValueError: there is no classifier.

    Example:
        >>> from course_utils import plots
        >>> print(plots.accuracy_with_intervals({"LeNet-5": (80, 100)}).alt_text)
        Accuracies: LeNet-5 80.0% (71.1% to 86.7%) of 100.
    """
    if not results:
        raise ValueError("accuracy_with_intervals needs at least one classifier")
    figure, axes = new_figure(width=8, height=1.1 + 0.45 * len(results))
    texts = []
    for index, (name, (correct, total)) in enumerate(results.items()):
        low, high = wilson_interval(correct, total)
        share = correct / total
        axes.errorbar(
            share,
            index,
            xerr=interval_ends(correct, total),
            color=COLORS[index % 8],
            marker=MARKERS[index % 8],
            capsize=5,
        )
        text = f"{share:.1%} ({low:.1%} to {high:.1%})"
        axes.annotate(text, (high, index), xytext=(8, 0), textcoords="offset points", va="center")
        texts.append(f"{name} {text} of {total:,}")
    axes.set_yticks(range(len(results)), results)
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.margins(x=0.3)
    axes.set_xlabel("accuracy, with its 95% interval")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(title)
    return figure.described(f"{title + '. ' if title else ''}Accuracies: {'; '.join(texts)}.")


def accuracy_against_shift(
    accuracies: Mapping[str, Mapping[int, float]], num_classes: int | None = None, title: str = ""
) -> Figure:
    """The accuracy of several classifiers on moved images.

    With ``num_classes``, a dotted line shows guessing: one in ``num_classes``.

    Lecture 03.

    Args:
        accuracies: name -> {pixels: accuracy}.
        num_classes: classes to guess from, or None.
        title: above the lines.

    Raises:
        ValueError: there is no classifier.

    Example:
        >>> from course_utils import plots
        >>> print(plots.accuracy_against_shift({"5-NN": {0: 0.81, 2: 0.5}}).alt_text)
        Accuracy against the shift. 5-NN goes from 81.0% at 0 px to 50.0% at 2 px.
    """
    if not accuracies:
        raise ValueError("accuracy_against_shift needs at least one classifier")
    figure, axes = new_figure(width=7, height=3.4)
    texts = []
    for index, (name, by_shift) in enumerate(accuracies.items()):
        shifts, values = zip(*sorted(by_shift.items()), strict=True)
        axes.plot(shifts, values, label=name, **series(index))
        ends = f"{values[0]:.1%} at {shifts[0]} px to {values[-1]:.1%} at {shifts[-1]} px"
        texts.append(f"{name} goes from {ends}")
    if num_classes:
        axes.axhline(1 / num_classes, color="0.5", ls=":", label=f"guessing, {1 / num_classes:.0%}")
    _finish_shift_axes(axes, title)
    return figure.described(
        f"Accuracy against the shift. {title + '. ' if title else ''}{'; '.join(texts)}."
    )


def _finish_shift_axes(axes: Axes, title: str) -> None:
    axes.set_xlabel("shift of the images in x and in y (pixels)")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(title)
