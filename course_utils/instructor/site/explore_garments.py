"""The numbers behind the page "K-NN beside LeNet-5": images to compare with, and two networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...data import Split, load_data
from .explore_arrays import deflated
from .explore_weights import site_weights

KNOWN, ASKED = 100, 10  # images of each class: training images of K-NN, test images to choose from


def garments_data() -> dict[str, Any]:
    """Return what the page needs: images, labels, and the weights of both LeNet-5."""
    data = load_data("fashion_mnist", profile="quick")
    weights, facts = lenet_weights()
    return {
        "classes": list(data.class_names),
        "known": images_of(data.train, KNOWN),
        "asked": images_of(data.test, ASKED),
        "mean": facts["mean"][0],
        "std": facts["std"][0],
        "accuracy": facts["accuracy_by_shift"],
        "weights": weights,
    }


def first_of_each(split: Split, count: int) -> torch.Tensor:
    """Return the positions of the first ``count`` images of each class, class after class."""
    classes = range(int(split.labels.max()) + 1)
    return torch.cat([(split.labels == k).nonzero()[:count, 0] for k in classes])


def images_of(split: Split, count: int) -> dict[str, Any]:
    """Return ``count`` images of each class without their frame of zeros, deflated; all labels."""
    chosen = first_of_each(split, count)
    images = deflated(split.images[chosen, 0, 2:30, 2:30].numpy())
    return images | {"labels": split.labels[chosen].tolist()}


def lenet_weights() -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
    """Return the weights of both LeNet-5, by network and parameter, and their file's header.

    Raises:
        RuntimeError: the file is missing or damaged.
    """
    return site_weights("lenet5_fashion.safetensors")
