"""What the layers of a dense block read: the size of their weights, source by source."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor


def feature_reuse(readers: Sequence[Tensor], widths: Sequence[int]) -> Tensor:
    """Return the mean absolute weight that each reader gives to each source; float64 (S, R).

    A source is what one part of a dense block has made. Where a reader does not read a source, the
    result is NaN. Figure 5 of Huang et al., "Densely connected convolutional networks", 2017, is
    made of these numbers.

    Args:
        readers: R weights (out, in, ...); each reads the first sources, as many as its ``in``
            channels hold.
        widths: the channels of the S sources, in the order in which they are joined.

    Raises:
        ValueError: the channels of a reader do not end where a source ends.

    Example:
        >>> feature_reuse([torch.ones(1, 2), torch.full((1, 3), 2.0)], [2, 1]).tolist()
        [[1.0, 2.0], [nan, 2.0]]
    """
    ends = list(accumulate(widths))
    means = torch.full((len(widths), len(readers)), torch.nan, dtype=torch.float64)
    for column, weight in enumerate(readers):
        channels = weight.shape[1]
        if channels not in ends:
            raise ValueError(
                f"reader {column} has {channels} input channels; the sources end at {ends}"
            )
        sources = weight.detach().cpu().double().split(widths[: ends.index(channels) + 1], dim=1)
        for row, part in enumerate(sources):
            means[row, column] = part.abs().mean()
    return means
