"""Which calls a recorded training run left out: the answer of the course to lecture 06."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..withheld import asked_for


@asked_for("06.7")
def forgotten_calls(record: Mapping[str, Any]) -> list[str]:
    """Return the calls that a recorded run of lecture 06 forgot.

    Args:
        record: ``model_device`` and ``images_device``; ``weight``, ``gradient``, ``true_gradient``
            and ``running_mean``, lists of numbers; ``evaluation_graph``.

    Example:
        >>> forgotten_calls({"model_device": "cpu", "images_device": "cuda:0"})
        ['device']
    """
    if record["model_device"] != record["images_device"]:
        return ["device"]
    weight, means = record["weight"], record["running_mean"]
    has_gradients = any(record["gradient"])
    signs = {
        "train": means[0] == means[-2],
        "zero_grad": has_gradients and record["gradient"] != record["true_gradient"],
        "backward": not has_gradients,
        "step": has_gradients and weight[0] == weight[-1],
        "eval": means[-2] != means[-1],
        "no_grad": record["evaluation_graph"],
    }
    return [call for call, holds in signs.items() if holds]
