"""What decides the result of a run, as plain facts that its checkpoint keeps and compares.

A name does not tell one run from another: two networks can be called `Sequential` and have equally
many weights. So the facts are taken from the things themselves: the settings of each layer, the
code that joins the layers, the values of pixels and labels, the parameters of the augmentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from torch import Tensor, nn

from ..data import ImageData
from .facts import Facts, checksum, facts, unchanged
from .recipe import Recipe


def identity(
    recipe: Recipe,
    model: Facts,
    used: nn.Module | None,
    data: ImageData,
    augment: Callable[..., Tensor] | None,
) -> Facts:
    """Return the facts by which a checkpoint knows its run.

    Args:
        recipe: what was asked for.
        model: the facts about the network. The values of its weights are not among them: a new
            process starts from others, and goes on from the file.
        used: a copy of the network that has been trained a little. What this has changed, such as
            a counter, is not what the network is.
        data: its training and validation images count; the test images are not used.
        augment: what changes the training images.
    """
    found: Facts = {"data": data.title, "class names": ", ".join(data.class_names)}
    for part in ("train", "validation"):
        split = data.split(part)
        found[f"{part} images"] = checksum(split.images)
        found[f"{part} labels"] = checksum(split.labels)
    found |= {"mean": repr(data.mean), "std": repr(data.std)}
    lasting = model if used is None else unchanged(model, facts("model", used))
    return asdict(recipe) | lasting | found | facts("augment", augment)


def differences(there: Facts, here: Facts) -> list[str]:
    """Return what is not the same in two runs, in words."""
    names = [*here, *(name for name in there if name not in here)]
    return [
        f"{name} {_shown(there, name)} there, {_shown(here, name)} here"
        for name in names
        if _shown(there, name) != _shown(here, name)
    ]


def _shown(found: Facts, name: str) -> str:
    return repr(found[name]) if name in found else "nothing"
