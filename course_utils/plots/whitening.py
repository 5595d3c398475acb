"""Figures of the whitened first layer in lecture 10."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .style import Figure, new_figure


def correlations(matrices: Mapping[str, Tensor], title: str = "") -> Figure:
    """Correlation matrices side by side, on one scale from -1 to 1.

    Lecture 10.

    Args:
        matrices: title -> float (K, K).
        title: above the panels.

    Example:
        >>> import torch
        >>> from course_utils import plots
        >>> figure = plots.correlations({"pixels": torch.tensor([[1.0, -0.5], [-0.5, 1.0]])})
        >>> print(figure.alt_text)
        Correlations. pixels: between two different numbers at most 0.50.
    """
    width = 4.2 * len(matrices)
    figure, axes = new_figure(1, len(matrices), width=width, height=3.6, squeeze=False)
    said = []
    for place, (name, matrix) in zip(axes.flat, matrices.items(), strict=True):
        matrix = matrix.detach().float().cpu()
        shown = place.imshow(matrix.numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
        place.set(title=name, xlabel="index", ylabel="index")
        others = (matrix - matrix.diag().diag()).abs()
        said.append(f"{name}: between two different numbers at most {others.max():.2f}")
    figure.colorbar(shown, ax=axes, label="correlation")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure.described(f"{title + '. ' if title else ''}Correlations. {'; '.join(said)}.")
