"""Parameters and floating-point operations of single layers.

One multiply-add counts as two FLOPs, and adding the bias is not counted, as in
`torch.utils.flop_counter`. FLOPs are for one image.
"""

from __future__ import annotations

from ..withheld import asked_for
from .sizes import Pair, as_pair


@asked_for("02.4", "05.3", "11.2", "12.3")
def conv_parameters(
    in_channels: int, out_channels: int, kernel_size: Pair, *, bias: bool = True, groups: int = 1
) -> int:
    """Weights of a convolution: one kernel of in_channels/groups × F × F, and one bias, a filter.

    Raises:
        ValueError: `groups` does not divide both numbers of channels.

    Example:
        >>> conv_parameters(3, 6, 5)  # 6 · (3 · 5 · 5 + 1)
        456
    """
    return out_channels * (_kernel_weights(in_channels, out_channels, kernel_size, groups) + bias)


@asked_for("02.4", "05.3")
def linear_parameters(in_features: int, out_features: int, *, bias: bool = True) -> int:
    """Weights and biases of a fully connected layer."""
    return (in_features + bias) * out_features


@asked_for("12.3")
def conv_flops(
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    output_size: Pair,
    *,
    groups: int = 1,
) -> int:
    """2 FLOPs for each weight of a filter at each output number, padding zeros included.

    Raises:
        ValueError: `groups` does not divide both numbers of channels.

    Example:
        >>> conv_flops(3, 6, 5, output_size=28)  # 2 · (28 · 28 · 6) · (3 · 5 · 5)
        705600
    """
    rows, columns = as_pair(output_size)
    weights = _kernel_weights(in_channels, out_channels, kernel_size, groups)
    return 2 * out_channels * rows * columns * weights


def linear_flops(in_features: int, out_features: int) -> int:
    """2 FLOPs for each weight."""
    return 2 * in_features * out_features


def _kernel_weights(in_channels: int, out_channels: int, kernel_size: Pair, groups: int) -> int:
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups={groups} must divide both in_channels={in_channels} "
            f"and out_channels={out_channels}"
        )
    height, width = as_pair(kernel_size)
    return in_channels // groups * height * width
