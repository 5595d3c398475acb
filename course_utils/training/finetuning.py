"""Preparing a trained VGG for new classes: what is frozen, and which rate each part learns with."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..withheld import asked_for


@asked_for("07.1")
def with_frozen_features(model: nn.Module, num_classes: int) -> nn.Module:
    """Freeze `features`, put a new last layer into `classifier`, and return the model.

    Used in lecture 07.

    Args:
        model: with `features` and `classifier`, as VGG has them; it is changed.
        num_classes: of the new layer.

    Example:
        >>> from course_utils.models.vgg import slim_vgg
        >>> model = with_frozen_features(slim_vgg(), 4)
        >>> [name for name, p in model.named_parameters() if p.requires_grad][-1]
        'classifier.6.bias'
        >>> model.classifier[6].out_features
        4
    """
    part: Any = model.get_submodule("features")
    part.requires_grad_(False)
    head: Any = model.get_submodule("classifier")
    head[6] = nn.Linear(head[6].in_features, num_classes)
    return model


@asked_for("07.2")
def two_rates(model: nn.Module, learning_rate: float, factor: float) -> list[dict[str, Any]]:
    """Return parameter groups for an optimizer: small steps for `features`, whole ones behind.

    Used in lecture 07. What is frozen is in no group.

    Args:
        model: with `features` and `classifier`.
        learning_rate: of the classifier.
        factor: by which that of the features is smaller.

    Example:
        >>> from course_utils.models.vgg import slim_vgg
        >>> [(len(group["params"]), group["lr"]) for group in two_rates(slim_vgg(), 0.1, 5)]
        [(32, 0.02), (6, 0.1)]
    """
    small: list[nn.Parameter] = []
    whole: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (small if name.startswith("features.") else whole).append(parameter)
    return [{"params": small, "lr": learning_rate / factor}, {"params": whole, "lr": learning_rate}]
