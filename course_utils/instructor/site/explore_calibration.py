"""What the page on calibration shows: the logits of two LeNet-5 for the bundled test images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data import load_data, shift
from ...models import LeNet5
from .explore_garments import lenet_weights

SHIFT = 3  # pixels to the right: where a LeNet-5 that never saw moved garments fails
PART = 1000  # images to choose with; as many others are left to look at afterwards
SHOWN = 20  # pictures of each part


def logits_of(weights: dict[str, np.ndarray], images: Tensor, facts: dict[str, Any]) -> np.ndarray:
    """Return a LeNet-5's logits (N, 10) for uint8 images (N, 1, 32, 32), as float16."""
    network = LeNet5()
    network.load_state_dict({name: torch.from_numpy(x).float() for name, x in weights.items()})
    with torch.no_grad():
        inputs = (images.float() / 255 - facts["mean"][0]) / facts["std"][0]
        return network.eval()(inputs).half().numpy()


def calibration_data() -> dict[str, Any]:
    """Return classes, labels, some pictures, and logits by network and by shift."""
    data = load_data("fashion_mnist", profile="quick")
    weights, facts = lenet_weights()
    images, labels = data.test.images, data.test.labels
    shown = [part * PART + at for part in range(2) for at in range(SHOWN)]
    return {
        "classes": list(data.class_names),
        "labels": labels.byte().numpy(),
        "part": PART,
        "shown": shown,
        "pictures": images[shown, 0].numpy(),
        "shift": SHIFT,
        "logits": {
            network: {
                str(dx): logits_of(weights[network], shift(images, dx, 0), facts)
                for dx in (0, SHIFT)
            }
            for network in weights
        },
    }
