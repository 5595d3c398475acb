"""The CPU in place of a GPU that student code asks for and the machine does not have.

A copy stands in the kernel's view of the course, beside ``student_kernel``. There ``.cuda()``,
``.to("cuda")``, ``device="mps"`` and ``map_location`` work as where there is one, but slower;
``torch.cuda.is_available()`` still tells the truth. No points rest on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.serialization import register_package

MENTIONED = re.compile(r"\.cuda\(|['\"](?:cuda|mps)\b")
FIRST = 1  # before PyTorch's own ways to read what was stored on a device
CPU = torch.device("cpu")


def make_up_for_gpu(code: str) -> None:
    """Let the CPU stand in from now on, if ``code`` mentions a GPU that is not there."""
    if MENTIONED.search(code):
        _stand_in()


@cache  # once, for as long as the kernel lives
def _stand_in() -> None:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if missing := [kind for kind, is_there in there.items() if not is_there]:
        stand_in = StandIn(missing)
        register_package(FIRST, lambda _: None, stand_in.stored)
        stand_in.__enter__()


class StandIn(TorchFunctionMode):
    """Replaces devices of these kinds by the CPU wherever PyTorch is given one.

    Args:
        kinds: "cuda", "mps", or both.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        super().__init__()
        self.name = re.compile(rf"({'|'.join(kinds)})(:\d+)?")

    def is_missing(self, device: Any) -> bool:
        """Return whether this is a device, or the name of one, that the CPU stands in for."""
        is_device = isinstance(device, (str, torch.device))
        return is_device and bool(self.name.fullmatch(str(device)))

    def stored(self, storage: Any, location: str) -> Any:
        """Return what a file holds of such a device; None of others."""
        return storage if self.is_missing(location) else None

    def __torch_function__(
        self, function: Callable, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        """Call a function of PyTorch with the CPU in such a device's place."""
        for mode in _get_current_function_mode_stack():
            if self.is_missing(getattr(mode, "device", None)):  # `with torch.device("cuda"):`
                mode.device = CPU
        options = dict(options or {})
        if function is torch.Tensor.cuda and self.is_missing("cuda"):
            function, arguments, options = torch.Tensor.to, (arguments[0], "cuda"), {}
        is_moved = function is torch.Tensor.to
        if self.is_missing(options.get("device")):
            options["device"] = CPU
        elif is_moved and len(arguments) > 1 and self.is_missing(arguments[1]):
            arguments = (arguments[0], CPU, *arguments[2:])
        else:
            is_moved = False
        result = function(*arguments, **options)
        # On another device it would be a copy, too.
        return result.clone() if is_moved and result is arguments[0] else result
