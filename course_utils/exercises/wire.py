"""Plain data as JSON and back: how cases go to a kernel while grading, and results come out.

What comes out was made by untrusted code. So nothing is ever executed on the way, as pickle would,
and ``decode`` answers anything malformed with a ``ValueError``.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import torch

from .core import Unusable

MAX_BYTES = 5_000_000  # of all results of one exercise
MAX_DEPTH = 50
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.complex64, torch.complex128),
    )
}
FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as JSON knows it: what JSON lacks is a dict with a single ``$`` key.

    Raises:
        ValueError: it is nested too deeply, or holds a number or dtype that cannot be sent.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 64:
        raise ValueError("a whole number of more than 64 bits")
    if isinstance(value, torch.Tensor):
        return {"$tensor": _tensor_to_json(value)}
    if isinstance(value, Unusable):
        return {"$unusable": value.kind}
    if isinstance(value, list):
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, dict):
        plain = {key: encode(item, depth + 1) for key, item in value.items()}
        return {"$dict": plain} if any(key.startswith("$") for key in plain) else plain
    return value


def decode(value: Any) -> Any:
    """Return what ``encode`` was given.

    Raises:
        ValueError: it is nothing that ``encode`` makes.
    """
    try:
        return _decode(value, 0)
    except (KeyError, TypeError, AttributeError, RuntimeError, OverflowError) as problem:
        raise ValueError(f"malformed data ({type(problem).__name__})") from None


def _decode(value: Any, depth: int) -> Any:
    if depth > 2 * MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_decode(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        if type(value) not in (type(None), bool, int, float, str):
            raise ValueError(f"a {type(value).__name__} is no plain data")
        return value
    if not any(key.startswith("$") for key in value):
        return {key: _decode(item, depth + 1) for key, item in value.items()}
    if len(value) != 1:
        raise ValueError("a mark beside other keys")
    ((mark, content),) = value.items()
    if mark == "$float":
        return FLOATS[content]
    if mark == "$unusable":
        return Unusable(str(content)[:100])
    if mark == "$dict":
        return {key: _decode(item, depth + 1) for key, item in content.items()}
    if mark == "$tensor":
        return _tensor_from_json(**content)
    raise ValueError(f"unknown mark {mark[:20]!r}")


def _tensor_to_json(tensor: torch.Tensor) -> dict[str, Any]:
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"a tensor of dtype {name}")
    # As bytes: NumPy has no bfloat16.
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return {
        "dtype": name,
        "shape": list(tensor.shape),
        "data": base64.b64encode(raw).decode("ascii"),
    }


def _tensor_from_json(dtype: str, shape: list[int], data: str) -> torch.Tensor:
    if not isinstance(shape, list) or len(shape) > 16:
        raise ValueError("a tensor with no usable shape")
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError("a tensor with no usable shape")
    kind = DTYPES[dtype]
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("a tensor with damaged data") from None
    if len(raw) != math.prod(shape) * kind.itemsize:
        raise ValueError("a tensor whose data does not fit its shape")
    if not raw:
        return torch.empty(shape, dtype=kind)
    if kind is torch.bool and set(raw) - {0, 1}:
        raise ValueError("a tensor with damaged data")
    return torch.frombuffer(bytearray(raw), dtype=kind).reshape(shape)
