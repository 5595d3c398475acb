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
        *(torch.bool, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.complex64, torch.complex128),
    )
}
FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as JSON knows it: what JSON lacks is a dict with a single ``$`` key.

    Raises:
        ValueError: it is nested too deeply, or holds something that cannot be sent.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if type(value) is float and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, torch.Tensor):
        return {"$tensor": _tensor_to_json(value)}
    if isinstance(value, Unusable):
        return {"$unusable": _sendable(value.kind)}
    if isinstance(value, list):
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, dict):
        plain = {_sendable(key): encode(item, depth + 1) for key, item in value.items()}
        return {"$dict": plain} if any(key.startswith("$") for key in plain) else plain
    return _sendable(value)


def decode(value: Any, limit: int | None = MAX_BYTES) -> Any:
    """Return what ``encode`` was given.

    Args:
        value: what JSON was read as.
        limit: characters that the JSON may have, about; None for data of one's own.

    Raises:
        ValueError: it is nothing that ``encode`` makes, or larger than ``limit``.
    """
    try:
        if limit is not None and _is_larger(value, limit):
            raise ValueError(f"more than {limit / 10**6:g} MB of data")
        return _decode(value, 0)
    except (KeyError, TypeError, AttributeError, RuntimeError, OverflowError) as problem:
        raise ValueError(f"malformed data ({type(problem).__name__})") from None


def _sendable(value: Any) -> Any:
    """Return a simple value as it is. Raises ValueError if it is none, or JSON cannot hold it."""
    if type(value) not in (type(None), bool, int, float, str):
        raise ValueError(f"a {type(value).__name__} is no plain data")
    if type(value) is int and value.bit_length() > 64:
        raise ValueError("a whole number of more than 64 bits")
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: no message can hold it
            raise ValueError("a text with characters that are none") from None
    return value


def _is_larger(value: Any, limit: int) -> bool:
    size, waiting = 0, [value]
    while waiting and size <= limit:
        part = waiting.pop()
        size += 10  # small parts cost time, not length
        if isinstance(part, str):
            size += len(part)
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
    return size > limit


def _decode(value: Any, depth: int) -> Any:
    if depth > 2 * MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_decode(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return _sendable(value)
    if not any(key.startswith("$") for key in value):
        return {_sendable(key): _decode(item, depth + 1) for key, item in value.items()}
    if len(value) != 1:
        raise ValueError("a mark beside other keys")
    ((mark, content),) = value.items()
    if mark == "$float":
        return FLOATS[content]
    if mark == "$unusable":
        return Unusable(_sendable(str(content)[:100]))
    if mark == "$dict":
        return {_sendable(key): _decode(item, depth + 1) for key, item in content.items()}
    if mark == "$tensor":
        return _tensor_from_json(**content)
    raise ValueError(f"unknown mark {mark[:20]!r}")


def _tensor_to_json(tensor: torch.Tensor) -> dict[str, Any]:
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"a tensor of dtype {name}")
    if tensor.layout is not torch.strided or tensor.is_nested:
        raise ValueError("a sparse or nested tensor")
    # A new tensor: one element of a sliced tensor counts as contiguous, whatever its strides.
    packed = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())
    raw = packed.reshape(-1).view(torch.uint8).numpy().tobytes()  # NumPy has no bfloat16
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
