"""Arrays for the explorable pages, deflated: half the size for images."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np


def deflated(array: np.ndarray) -> dict[str, Any]:
    """Return what `Course.inflate` unpacks.

    Raises:
        ValueError: the array is neither uint8 nor int8.
    """
    if array.dtype not in (np.uint8, np.int8):
        raise ValueError(f"arrays of {array.dtype} are not unpacked by the pages")
    content = zlib.compress(np.ascontiguousarray(array).tobytes(), 9)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "deflated": base64.b64encode(content).decode(),
    }
