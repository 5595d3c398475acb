"""Predictions, looked at from many sides: probabilities, calibration, classes, slices, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from ..inspection import Reliability
from .images import NAME_GAP, draw_image, name_row
from .parts import interval_ends
from .style import COLORS, MARKERS, Figure, new_figure

Counts = tuple[int, int]  # correct, total


def image_rows(rows: Mapping[str, Tensor], titles: Sequence[str], alt: str) -> Figure:
    """Rows of images, one under the other, with a name each.

    Floats are shown as they are: what is below 0 or above 1 is cut off, as ``imshow`` does.

    Lecture 09.

    Args:
        rows: name -> uint8 or float, (N, C, H, W).
        titles: N titles, above the first row.
        alt: the description of the figure.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> rows = {"as it is": torch.rand(1, 3, 8, 8), "dark": torch.rand(1, 3, 8, 8) / 2}
        >>> len(plots.image_rows(rows, ["noise"], "An image of noise, and a dark one.").axes)
        2
    """
    count = len(titles)
    figure, axes = new_figure(
        len(rows),
        count,
        width=1.15 * count + 1.9,
        height=1.22 * len(rows) + 0.3,
        gap=NAME_GAP,
        squeeze=False,
    )
    for row, (name, images) in enumerate(rows.items()):
        for place, image, title in zip(axes[row], images, titles, strict=True):
            draw_image(place, image, "" if row else title)
        name_row(axes[row, 0], name)
    return figure.described(alt)


def probability_bars(
    images: Tensor, probabilities: Tensor, labels: Tensor, class_names: Sequence[str]
) -> Figure:
    """Each image over the probabilities of its classes; the hatched bar is the true class.

    Lecture 09.

    Args:
        images: uint8 or float in [0, 1], (N, C, H, W).
        probabilities: float (N, K).
        labels: int64 (N,), the true classes.
        class_names: K names.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> shares, labels = torch.tensor([[0.7, 0.3]]), torch.tensor([0])
        >>> figure = plots.probability_bars(
        ...     torch.rand(1, 3, 8, 8), shares, labels, ["cat", "dog"]
        ... )
        >>> print(figure.alt_text)
        Class probabilities of 1 images. cat: cat 70% and dog 30%.
    """
    shares, own = probabilities.cpu().tolist(), labels.cpu().tolist()
    count, classes = len(images), range(len(class_names))
    figure, axes = new_figure(
        2, count, width=9.4, height=4.4, squeeze=False, height_ratios=[1, 1.9]
    )
    said = []
    for column in range(count):
        row, true = shares[column], own[column]
        said.append(f"{class_names[true]}: {_strongest_two(row, class_names)}")
        draw_image(axes[0, column], images[column], f"true: {class_names[true]}")
        bars = axes[1, column]
        drawn = bars.barh(classes, row, color=[COLORS[0] if c == true else "0.7" for c in classes])
        drawn[true].set(hatch="///", edgecolor="white")
        bars.set(xlim=(0, 1), ylim=(len(class_names) - 0.4, -0.6))
        bars.set_yticks(classes, class_names if column == 0 else [""] * len(class_names))
        bars.set_xticks([0, 0.5, 1])
        bars.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        bars.set_xlabel("probability")
    axes[1, 0].set_ylabel("class (hatched: the true one)")
    return figure.described(f"Class probabilities of {count} images. {'; '.join(said)}.")


def _strongest_two(row: Sequence[float], class_names: Sequence[str]) -> str:
    order = sorted(range(len(row)), key=lambda c: -row[c])[:2]
    return " and ".join(f"{class_names[c]} {row[c]:.0%}" for c in order)


def reliability_diagram(diagrams: Mapping[str, Reliability]) -> Figure:
    """Accuracy against confidence, bin by bin, with 95 % intervals; below, how full each bin is.

    Lectures 09 and 15.

    Args:
        diagrams: title -> what `course_utils.inspection.reliability` found.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> from course_utils.inspection import reliability
        >>> found = reliability(torch.tensor([0.9, 0.6]), torch.tensor([True, False]), 5)
        >>> print(plots.reliability_diagram({"raw": found}).alt_text)
        Reliability diagram. raw: expected calibration error 35.0%.
    """
    figure, axes = new_figure(
        2,
        len(diagrams),
        width=4.6 * len(diagrams),
        height=4.8,
        squeeze=False,
        sharex=True,
        sharey="row",
        height_ratios=[2.6, 1],
    )
    said = []
    for index, (name, found) in enumerate(diagrams.items()):
        top, bottom = axes[:, index]
        top.plot([0, 1], [0, 1], "--", color="0.5", label="calibrated")
        _draw_bins(top, found, COLORS[index % 8], MARKERS[index % 8])
        top.set(title=f"{name}: calibration error {found.error:.1%}", ylim=(0, 1.02))
        top.grid(alpha=0.3)
        top.legend(loc="upper left")
        width = (found.edges[1:] - found.edges[:-1]).numpy()
        style = dict(align="edge", color=COLORS[index % 8], edgecolor="white")
        bottom.bar(found.edges[:-1].numpy(), found.counts.numpy(), width=width, **style)
        bottom.set_xlabel("confidence: probability of the predicted class")
        bottom.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        said.append(f"{name}: expected calibration error {found.error:.1%}")
    axes[0, 0].set_ylabel("accuracy in the bin")
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[1, 0].set_ylabel("images")
    return figure.described(f"Reliability diagram. {'; '.join(said)}.")


def _draw_bins(axes: Axes, found: Reliability, color: str, marker: str) -> None:
    columns = (found.counts, found.confidence, found.accuracy)
    for count, confidence, accuracy in zip(*(x.tolist() for x in columns), strict=True):
        if count:
            ends = interval_ends(round(accuracy * count), count)
            axes.errorbar(confidence, accuracy, yerr=ends, color=color, marker=marker, capsize=3)
    axes.plot(found.confidence, found.accuracy, color=color, lw=1, label="the network")


def precision_and_recall(matrix: Tensor, class_names: Sequence[str]) -> Figure:
    """Precision and recall of each class with 95 % intervals.

    Precision: of the images predicted as the class, the share that is of it. A class that was never
    predicted has none. Recall: of the images of the class, the share that was found.

    Lecture 09.

    Args:
        matrix: a confusion matrix, int64 (K, K): true class (row), predicted class (column).
        class_names: K names.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.precision_and_recall(torch.tensor([[8, 2], [1, 9]]), ["cat", "dog"])
        >>> print(figure.alt_text)  # doctest: +NORMALIZE_WHITESPACE
        Precision and recall by class. cat: precision 89%, recall 80%; dog: precision 82%, recall
        90%.
    """
    matrix = matrix.cpu()
    right = matrix.diagonal().tolist()
    totals = {"precision": matrix.sum(0).tolist(), "recall": matrix.sum(1).tolist()}
    figure, axes = new_figure(width=8.4, height=1.2 + 0.38 * len(class_names))
    said: dict[str, list[str]] = {name: [] for name in class_names}
    for index, (measure, counts) in enumerate(totals.items()):
        style = dict(color=COLORS[index], marker=MARKERS[index], capsize=3, ls="")
        for row, (correct, total) in enumerate(zip(right, counts, strict=True)):
            if total:
                place = row + 0.32 * index - 0.16
                axes.errorbar(correct / total, place, xerr=interval_ends(correct, total), **style)
                said[class_names[row]].append(f"{measure} {correct / total:.0%}")
        axes.errorbar([], [], xerr=[], label=measure, **style)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set_ylim(len(class_names) - 0.4, -0.6)
    axes.set(xlabel="share of the images, with its 95% interval", ylabel="class")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    listed = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in said.items())
    return figure.described(f"Precision and recall by class. {listed}.")


def accuracy_by_slice(slices: Mapping[str, Mapping[str, Counts]]) -> Figure:
    """Accuracy in parts of a split, a panel for each way to cut it, with 95 % intervals.

    The dotted line is the accuracy of all parts together.

    Lectures 09 and 15.

    Args:
        slices: way to cut -> {part: (correct, total)}.

    Example:
        >>> from course_utils import plots
        >>> figure = plots.accuracy_by_slice({"light": {"dark": (5, 10), "bright": (9, 10)}})
        >>> print(figure.alt_text)
        Accuracy by slice. light: dark 50.0%, bright 90.0%.
    """
    figure, panels = new_figure(1, len(slices), width=9.4, height=3.5, sharey=True, squeeze=False)
    said = []
    for index, (axes, (way, parts)) in enumerate(zip(panels[0], slices.items(), strict=True)):
        style = dict(color=COLORS[index], marker=MARKERS[index], capsize=5)
        for place, (correct, total) in enumerate(parts.values()):
            axes.errorbar(place, correct / total, yerr=interval_ends(correct, total), **style)
        everything = [sum(numbers) for numbers in zip(*parts.values(), strict=True)]
        axes.axhline(everything[0] / everything[1], color="0.5", ls=":", zorder=0)
        names = [f"{name}\n({total:,})" for name, (_, total) in parts.items()]
        axes.set_xticks(range(len(parts)), names)
        axes.set(title=way, xlim=(-0.5, len(parts) - 0.5), xlabel="part (number of images)")
        axes.grid(axis="y", alpha=0.3)
        shares = (f"{name} {correct / total:.1%}" for name, (correct, total) in parts.items())
        said.append(f"{way}: {', '.join(shares)}")
    panels[0, 0].set_ylabel("accuracy, with its 95% interval")
    panels[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure.described(f"Accuracy by slice. {'; '.join(said)}.")


def embeddings(
    panels: Mapping[str, Tensor],
    labels: Tensor,
    class_names: Sequence[str],
    axes_name: str,
    columns: int = 3,
) -> Figure:
    """Points in the plane, one for each image, a panel for each kind.

    A class has its own colour and marker in all panels.

    Lecture 09.

    Args:
        panels: title -> float (N, 2).
        labels: int64 (N,).
        class_names: K names.
        axes_name: what an axis shows.
        columns: panels in a row.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> points, labels = {"pixels": torch.rand(4, 2)}, torch.tensor([0, 0, 1, 1])
        >>> print(plots.embeddings(points, labels, ["cat", "dog"], "t-SNE").alt_text)
        4 images of 2 classes as points, by t-SNE: pixels.
    """
    rows = -(-len(panels) // columns)
    figure, axes = new_figure(
        rows, columns, width=9.4, height=3.1 * rows + 0.6, squeeze=False, sharex=False
    )
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    labels = labels.cpu()
    for place, (title, points) in zip(axes.flat, panels.items(), strict=False):
        for number, name in enumerate(class_names):
            x, y = points.cpu()[labels == number].T
            color = COLORS[number % 8]
            # Ten classes, eight colours: from the ninth on, markers are others, and hollow.
            face = color if number < 8 else "none"
            marker = MARKERS[(number + number // 8) % 8]
            style = dict(edgecolors=color, facecolors=face, marker=marker, linewidths=0.9)
            place.scatter(x, y, s=14, alpha=0.75, label=name, **style)
        place.set(title=title, xticks=[], yticks=[])
        place.set(xlabel=f"{axes_name} 1", ylabel=f"{axes_name} 2")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, markerscale=1.8)
    return figure.described(
        f"{len(labels)} images of {len(class_names)} classes as points, by {axes_name}: "
        f"{'; '.join(title.replace(chr(10), ' ') for title in panels)}."
    )
