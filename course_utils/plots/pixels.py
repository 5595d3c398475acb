"""Figures of lecture 01: images as vectors, distances, neighbours, and weights as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from matplotlib.ticker import PercentFormatter
from torch import Tensor

from .images import draw_image
from .style import COLORS, MARKERS, Figure, new_figure, series


def image_as_vector(image: Tensor, row: int) -> Figure:
    """A grey image with one row marked, that row, and all rows one after the other.

    The same numbers are drawn three times: as a picture, as one row, as the whole vector.

    Lecture 01.

    Args:
        image: uint8 (1, H, W).
        row: the row to mark, counted from 0.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> image = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)
        >>> figure = plots.image_as_vector(image, row=3)
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        An image of 8×8 pixels; its row 3 as a curve of 8 grey values, up to 31; all its rows one
        after the other, 64 values.
    """
    height, width = image.shape[1:]
    figure, (left, middle, right) = new_figure(1, 3, width=9.2, height=2.4, width_ratios=[1, 2, 3])
    draw_image(left, image, f"{height}×{width} pixels")
    left.axhspan(row - 0.5, row + 0.5, fill=False, edgecolor=COLORS[1], linewidth=1.5)
    middle.step(range(width), image[0, row].cpu(), where="mid", color=COLORS[1])
    middle.set(title=f"row {row}: {width} numbers", xlabel="column (pixels)")
    middle.set_ylabel("grey value (0 to 255)")
    right.plot(image.flatten().cpu(), color=COLORS[0], linewidth=0.7)
    start = row * width
    right.axvspan(start, start + width, color=COLORS[1], alpha=0.35, linewidth=0)
    right.set(title=f"all rows: {height * width:,} numbers", xlabel="place in the vector")
    return figure.described(
        f"An image of {height}×{width} pixels; its row {row} as a curve of {width} grey values, up "
        f"to {int(image[0, row].max())}; all its rows one after the other, {height * width} values."
    )


def image_differences(image: Tensor, others: Mapping[str, Tensor], texts: Sequence[str]) -> Figure:
    """Other images (top), and their absolute difference from an image (bottom).

    Bright is where the two differ.

    Lecture 01.

    Args:
        image: uint8 (1, H, W).
        others: name -> uint8 (1, H, W).
        texts: one for each difference, to stand below it.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> black, grey = (torch.full((1, 8, 8), level, dtype=torch.uint8) for level in (0, 99))
        >>> print(plots.image_differences(black, {"grey": grey}, ["L1 6,336"]).alt_text)
        Differences between an image and others, pixel by pixel. grey: L1 6,336.
    """
    figure, axes = new_figure(2, len(others) + 1, width=1.75 * (len(others) + 1), height=4)
    draw_image(axes[0, 0], image, "the image")
    axes[1, 0].set_axis_off()
    for index, (name, other) in enumerate(others.items(), start=1):
        draw_image(axes[0, index], other, name)
        difference = (image.int() - other.int()).abs().byte()
        draw_image(axes[1, index], difference)
        axes[1, index].text(
            0.5, -0.06, texts[index - 1], ha="center", va="top", transform=axes[1, index].transAxes
        )
    listed = "; ".join(
        f"{name}: {' '.join(text.split())}" for name, text in zip(others, texts, strict=True)
    )
    return figure.described(f"Differences between an image and others, pixel by pixel. {listed}.")


def neighbor_rows(
    queries: Tensor,
    query_names: Sequence[str],
    neighbors: Tensor,
    neighbor_names: Sequence[Sequence[str]],
    predicted_names: Sequence[str],
) -> Figure:
    """One row a query: the image, then its nearest training images, the nearest first.

    A neighbour of the query's own class has a thick solid frame, any other a thin dashed one.

    Lectures 01 and 12.

    Args:
        queries: uint8 (M, C, H, W).
        query_names: the true classes of the queries.
        neighbors: uint8 (M, k, C, H, W).
        neighbor_names: the classes of the neighbours, k for each query.
        predicted_names: the predicted classes of the queries.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> images = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
        >>> figure = plots.neighbor_rows(
        ...     images[:1], ["coat"], images[None, 1:], [["coat", "bag"]], ["coat"]
        ... )
        >>> print(figure.alt_text)
        1 images with their 2 nearest training images: coat (coat, bag).
    """
    rows, k = neighbors.shape[:2]
    figure, axes = new_figure(
        rows,
        k + 1,
        width=1.35 * (k + 1) + 0.5,
        height=1.55 * rows,
        squeeze=False,
        width_ratios=[1.45] + [1] * k,  # room for the longer text over the query
    )
    for row in range(rows):
        own = query_names[row]
        draw_image(axes[row, 0], queries[row], f"{own}\npredicted: {predicted_names[row]}")
        for column in range(k):
            name, place = neighbor_names[row][column], axes[row, column + 1]
            draw_image(place, neighbors[row, column], name)
            place.set_axis_on()
            place.set(xticks=[], yticks=[])
            same = name == own
            for spine in place.spines.values():
                spine.set(visible=True, color=COLORS[0] if same else COLORS[1])
                spine.set(linewidth=2.5 if same else 1.2, linestyle="-" if same else "--")
    listed = "; ".join(
        f"{own} ({', '.join(names)})"
        for own, names in zip(query_names, neighbor_names, strict=True)
    )
    return figure.described(f"{rows} images with their {k} nearest training images: {listed}.")


def accuracy_by_k(curves: Mapping[str, Mapping[int, float]], best: int | None = None) -> Figure:
    """Accuracy of K-NN against k, on a logarithmic axis.

    Lecture 01.

    Args:
        curves: name -> {k: accuracy}, the same numbers k for all.
        best: the k that was chosen, to be marked, or None.

    Example:
        >>> from course_utils import plots
        >>> print(plots.accuracy_by_k({"validation": {1: 0.5, 5: 0.75}}, best=5).alt_text)
        Accuracy against k. validation: 50.0% at k = 1, 75.0% at k = 5; chosen k = 5.
    """
    figure, axes = new_figure(width=7.5, height=3.4)
    texts = []
    for index, (name, curve) in enumerate(curves.items()):
        ks, values = zip(*sorted(curve.items()), strict=True)
        axes.plot(ks, values, label=name, **series(index))
        texts.append(f"{name}: {values[0]:.1%} at k = {ks[0]}, {values[-1]:.1%} at k = {ks[-1]}")
    if best is not None:
        axes.axvline(best, color="0.5", linestyle=":", label=f"chosen: k = {best}")
        texts.append(f"chosen k = {best}")
    axes.set_xscale("log")
    axes.set_xticks(ks, ks)
    axes.minorticks_off()
    axes.set(xlabel="k (number of neighbours, logarithmic)", ylabel="accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure.described(f"Accuracy against k. {'; '.join(texts)}.")


def cross_validation(
    accuracies: Mapping[int, Sequence[float]],
    behind: Mapping[int, tuple[float, float]],
    best: int,
    bars: str,
    title: str,
) -> Figure:
    """Cross-validation of k: each fold's accuracy (left), and how far each k is behind (right).

    Left: dots are folds, the line joins their means, and a bar is one standard deviation to both
    sides. Right: the difference from the best k on the same images, with its error.

    Lecture 01.

    Args:
        accuracies: k -> accuracies, one for each fold.
        behind: k -> (accuracy minus that of the best k, its error).
        best: the k that the others are compared with.
        bars: what the error is: "two standard errors".
        title: what was cross-validated.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.cross_validation(
        ...     {1: [0.7, 0.8], 5: [0.8, 0.9]}, {1: (-0.1, 0.04), 5: (0, 0)}, 5,
        ...     bars="two standard errors", title="2 folds")
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        2 folds. Mean accuracy and standard deviation over folds: k = 1: 75.0% ± 7.1%; k = 5: 85.0%
        ± 7.1%. Difference from k = 5 on the same images, with two standard errors: k = 1: -10.0 ±
        4.0 points.
    """
    figure, (left, right) = new_figure(1, 2, width=9.2, height=3.5)
    ks = sorted(accuracies)
    places = range(len(ks))
    means, spreads = [mean(accuracies[k]) for k in ks], [stdev(accuracies[k]) for k in ks]
    for place, k in zip(places, ks, strict=True):
        left.plot([place] * len(accuracies[k]), accuracies[k], "o", color=COLORS[5], ms=3.5)
    left.errorbar(places, means, spreads, color=COLORS[0], marker="_", capsize=4)
    left.set(ylabel="accuracy", title="each fold, mean ± standard deviation")
    left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    others = [k for k in ks if k != best]
    points = [100 * behind[k][0] for k in others]
    errors = [100 * behind[k][1] for k in others]
    right.axhline(0, color="0.5", linestyle=":")
    right.errorbar(
        [ks.index(k) for k in others], points, errors, color=COLORS[1], fmt="s", ms=4, capsize=4
    )
    right.plot(ks.index(best), 0, "D", color=COLORS[7], ms=6)
    right.set(ylabel="difference in accuracy (points)", title=f"behind k = {best}, ± {bars}")
    for axes in (left, right):
        axes.set_xticks(list(places), [str(k) for k in ks])
        axes.set_xlabel("k (number of neighbours)")
        axes.grid(axis="y", alpha=0.3)
    figure.suptitle(title, fontsize=11)
    spoken = [f"k = {k}: {m:.1%} ± {s:.1%}" for k, m, s in zip(ks, means, spreads, strict=True)]
    apart = [f"k = {k}: {p:.1f} ± {e:.1f}" for k, p, e in zip(others, points, errors, strict=True)]
    return figure.described(
        f"{title}. Mean accuracy and standard deviation over folds: {'; '.join(spoken)}. "
        f"Difference from k = {best} on the same images, with {bars}: "
        f"{'; '.join(apart)} points."
    )


def seconds_by_size(seconds: Mapping[int, float], queries: int) -> Figure:
    """Seconds that K-NN takes against the number of training images.

    Lecture 01.

    Args:
        seconds: training images -> seconds.
        queries: images that are predicted in this time.

    Example:
        >>> from course_utils import plots
        >>> print(plots.seconds_by_size({1000: 0.1, 8000: 0.9}, queries=200).alt_text)
        Time of 200 K-NN predictions: 0.1 s with 1,000 training images, 0.9 s with 8,000.
    """
    figure, axes = new_figure(width=6.5, height=3)
    axes.plot(list(seconds), list(seconds.values()), color=COLORS[0], marker=MARKERS[0])
    axes.set(xlabel="training images", ylabel=f"seconds for {queries:,} predictions")
    axes.set_xlim(0)
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    sizes = sorted(seconds)
    return figure.described(
        f"Time of {queries:,} K-NN predictions: {seconds[sizes[0]]:.2g} s with {sizes[0]:,} "
        f"training images, {seconds[sizes[-1]]:.2g} s with {sizes[-1]:,}."
    )


def weight_images(weights: Tensor, names: Sequence[str]) -> Figure:
    """The weights of a linear classifier as images, all on one scale.

    Red: this pixel counts for the class; blue: against it; white: it does not matter.

    Lecture 01.

    Args:
        weights: float (K, 1, H, W).
        names: K class names.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> weights = torch.linspace(-2, 1, 128).reshape(2, 1, 8, 8)
        >>> figure = plots.weight_images(weights, ["coat", "bag"])
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        The weights of a linear classifier as 2 images, one for each class (coat, bag), between -2
        and 2.
    """
    weights = weights.detach().float().cpu()
    limit = weights.abs().max().item()
    columns = 5
    rows = -(-len(weights) // columns)
    figure, axes = new_figure(rows, columns, width=8, height=1.75 * rows, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for place, weight, name in zip(axes.flat, weights, names, strict=False):
        shown = place.imshow(weight[0].numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        place.set_title(name, fontsize=9)
    figure.colorbar(shown, ax=axes, label="weight", shrink=0.8)
    return figure.described(
        f"The weights of a linear classifier as {len(weights)} images, one for each class "
        f"({', '.join(names)}), between {-limit:.2g} and {limit:.2g}."
    )
