"""The weights that `data/make_site_weights.py` made for the explorable pages."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from safetensors import safe_open

from ...models.pretrained import DATA

SHA256 = {
    "lenet5_fashion.safetensors": (
        "e203cdff85273d5be7dc38d9a299aeed4dc9f196c2f75de4491698bb4952120a"
    ),
    "small_vit_photos.safetensors": (
        "d629614418bd64be17ae5bd5c55536de7b26b2c3c327884beda60871b4a93db8"
    ),
}


def site_weights(name: str) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
    """Return the float16 weights of a file, by network and parameter, and what its header says.

    Raises:
        RuntimeError: the file is missing or damaged.
    """
    path = DATA / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[name]:
        raise RuntimeError(
            f"the bundled file data/{name} is missing or damaged: "
            "restore the data/ folder from the course's repository"
        )
    weights: dict[str, dict[str, np.ndarray]] = {}
    with safe_open(path, framework="np") as opened:
        for full_name in opened.keys():  # noqa: SIM118
            network, parameter = full_name.split(".", 1)
            weights.setdefault(network, {})[parameter] = opened.get_tensor(full_name)
        facts = json.loads(opened.metadata()["facts"])
    return weights, facts
