"""The numbers behind the page "What a patch reads": a small vision transformer and pictures."""

from __future__ import annotations

from typing import Any

from ...data import load_data
from .explore_arrays import deflated
from .explore_garments import first_of_each
from .explore_weights import site_weights

WEIGHTS = "small_vit_photos.safetensors"


def attention_data() -> dict[str, Any]:
    """Return what the page needs: one picture of each class, and the weights."""
    weights, facts = site_weights(WEIGHTS)
    data = load_data("fashion_photos", profile="quick")
    chosen = first_of_each(data.test, 1)
    return {
        "classes": facts["classes"],
        "pictures": deflated(data.test.images[chosen].numpy()),
        "labels": data.test.labels[chosen].tolist(),
        "mean": facts["mean"],
        "std": facts["std"],
        "accuracy": facts["accuracy"],
        "tested": facts["test_images"],
        "weights": weights["vit"],
    }
