"""How the weights of the networks start: one rule, applied to the kinds of layers that are named.

He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on
ImageNet classification", ICCV 2015. What a network does not name keeps PyTorch's own start.

Used in lectures 04, 08 and 11.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

Kind = type[nn.Conv2d] | type[nn.Linear]


def kaiming_weights(
    model: nn.Module, *kinds: Kind, mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> None:
    """Draw the weights of these kinds of layers by Kaiming's rule, with variance 2 / n.

    Used in lectures 04, 08 and 11.

    Args:
        model: its layers are set in the order of `model.modules()`.
        kinds: classes of layers, for example `nn.Conv2d`.
        mode: n is the number of inputs of a unit (``"fan_in"``: signals keep their size), or of its
            outputs (``"fan_out"``: gradients keep theirs; torchvision's choice).

    Example:
        >>> layer = nn.Linear(10_000, 10)
        >>> kaiming_weights(layer, nn.Linear)
        >>> f"{layer.weight.std().item():.3f}"  # the root of 2 / 10,000
        '0.014'
    """
    for layer in model.modules():
        if isinstance(layer, kinds):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")


def zero_biases(model: nn.Module, *kinds: Kind) -> None:
    """Set the biases of these kinds of layers to 0, where they have one.

    Used in lecture 04.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> zero_biases(layer, nn.Linear)
        >>> layer.bias.tolist()
        [0.0, 0.0, 0.0]
    """
    for layer in model.modules():
        if isinstance(layer, kinds) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
