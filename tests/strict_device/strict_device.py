"""A stand-in accelerator for tests: the device "strict".

It computes on the CPU but does not forgive what a GPU does not forgive. Its tensors refuse
`.numpy()` and refuse to meet a CPU tensor in one operation, except a number without dimensions, as
on CUDA. On two points it is stricter than CUDA: an index, too, must be on the device, and there is
no float64, as on Apple's MPS. Results equal the CPU's bit by bit, so that a notebook must print the
same on both.

torch loads it by itself (entry point "torch.backends") where this folder is on PYTHONPATH:

    PYTHONPATH=$PWD/tests/strict_device COURSE_DEVICE=strict pytest --nbval notebooks/03_lenet.ipynb
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.serialization import register_package
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

NAME = "strict"
FIRST = 1  # before PyTorch's own ways to read what was stored on a device
aten = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default}  # the only operations between devices
HALF = (torch.bfloat16, torch.float16)
SIZE = 16 * 10**9  # bytes of its memory


class StrictTensor(Tensor):
    """A tensor on the device. `held`, on the CPU, has its numbers; only this file touches it."""

    @staticmethod
    def __new__(cls, held: Tensor) -> StrictTensor:
        if held.dtype in (torch.float64, torch.complex128):
            raise TypeError(f"{NAME}:0 has no float64. Use float32, or compute on the CPU.")
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        tensor.held = held
        memory.count(held)
        return tensor

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: tuple, kwargs: dict | None = None):
        return run(function, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.detach().cpu().numpy()
        raise TypeError(
            f"can't convert {NAME}:0 device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.numpy()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.held.untyped_storage()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, other: StrictTensor) -> None:  # so pruning puts weights back
        self.held = other.held

    def tolist(self) -> Any:
        return self.held.tolist()

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if self.dim() == 0 else super().__format__(form)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"{repr(self.held)[:-1]}, device='{NAME}:0')"

    def __deepcopy__(self, memo: dict) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError("only tensors that are leaves of the graph can be deep-copied")
        copied = self.detach().clone()
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied.requires_grad_(self.requires_grad)
        return copied

    def __reduce_ex__(self, protocol: int) -> Any:
        """Pickle the numbers only: what is loaded again lies on the CPU."""
        return self.detach().cpu().__reduce_ex__(protocol)


def run(function: Any, args: tuple, kwargs: dict) -> Any:
    """Do one operation on the CPU, after checking that a device would do it."""
    leaves, shape = tree_flatten((args, kwargs))
    check_devices(function, leaves)
    inputs = [leaf for leaf in leaves if isinstance(leaf, StrictTensor)]
    wrappers = {id(tensor.held): tensor for tensor in inputs}
    wanted = kwargs.get("device")
    target = torch.device(wanted).type if wanted is not None else NAME
    plain = [leaf.held if isinstance(leaf, StrictTensor) else leaf for leaf in leaves]
    args, kwargs = tree_unflatten(plain, shape)
    if target == NAME and wanted is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    result = function(*args, **kwargs)
    if function is aten.copy_.default and not isinstance(leaves[0], StrictTensor):
        return leaves[0]  # a copy to the CPU
    if target != NAME:
        return result
    for tensor in inputs:
        if tensor.held.shape != tensor.shape:
            raise NotImplementedError(f"{function} changes the shape of a tensor in place")

    def wrap(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        known = wrappers.get(id(value))  # an operation in place returns one of its inputs
        return StrictTensor(value) if known is None else known

    return tree_map(wrap, result)


def check_devices(function: Any, leaves: list) -> None:
    """Refuse an operation on tensors of this device and of the CPU."""
    if function in MOVES:
        return
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    strict = any(isinstance(tensor, StrictTensor) for tensor in tensors)
    others = [t for t in tensors if not isinstance(t, StrictTensor) and t.dim() > 0]
    if strict and others:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{NAME}:0 and cpu! (in {function})"
        )


class Memory:
    """How many bytes the device holds, and held at most."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.limit = SIZE
        self.known: dict[int, int] = {}

    def count(self, held: Tensor) -> None:
        """Count the storage of a tensor until it is freed."""
        storage = held.untyped_storage()
        key = storage._cdata
        users = self.known.get(key, 0)
        if not users:
            if self.now + storage.nbytes() > self.limit:
                raise torch.OutOfMemoryError(f"{NAME}:0 is out of memory")
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
        self.known[key] = users + 1
        weakref.finalize(held, self._free, key, storage.nbytes())

    def _free(self, key: int, size: int) -> None:
        self.known[key] -= 1
        if not self.known[key]:
            del self.known[key]
            self.now -= size


memory = Memory()


class Module:
    """What torch expects of `torch.<device>`."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def set_device(self, device: Any) -> None:
        pass

    def synchronize(self, device: Any = None) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass  # random numbers come from the CPU's generator

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return list(HALF)

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.random.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.random.set_rng_state(state)

    def max_memory_allocated(self, device: Any = None) -> int:
        return memory.most

    def memory_allocated(self, device: Any = None) -> int:
        return memory.now

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        return memory.limit - memory.now, SIZE

    def set_per_process_memory_fraction(self, fraction: float, device: Any = None) -> None:
        memory.limit = round(fraction * SIZE)

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        memory.most = memory.now


# Mixed precision, by the lists that torch has for the CPU, as far as networks for images need them.
TO_HALF = ["conv1d", "conv2d", "linear", "matmul", "mm", "addmm", "bmm", "baddbmm"]
TO_FLOAT = [
    "avg_pool3d",  # in local response normalisation
    "cross_entropy_loss",
    "nll_loss",
    "nll_loss2d",
    "mse_loss",
    "binary_cross_entropy_with_logits",
]


def autocast_kernel(operation: Any, to_half: bool) -> Any:
    """Return the operation with its floating-point tensors cast first."""
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def cast(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        return value.to(torch.get_autocast_dtype(NAME) if to_half else torch.float32)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(key):
            return operation(*tree_map(cast, args), **tree_map(cast, kwargs))

    return kernel


# torch makes these out of others in ways that a wrapper cannot follow, so they are done whole.
WHOLE = [
    *(getattr(aten.arange, name) for name in ("default", "start", "start_step")),
    *(getattr(aten.randperm, name) for name in ("default", "generator")),
    *(aten.eye.default, aten.eye.m, aten.linspace.default, aten.logspace.default),
]


def whole_kernel(operation: Any) -> Any:
    """Return a kernel that does the operation by `run`."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        if "device" in operation._schema.__str__() and "device" not in kwargs:
            kwargs["device"] = torch.device(NAME)
        return run(operation, args, kwargs)

    return kernel


def copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy numbers between devices, for code inside torch that goes around `run`."""
    inside = [getattr(tensor, "held", tensor) for tensor in (source, target)]
    inside[1].copy_(inside[0])
    return target


libraries = []  # kept alive: a library that is collected takes its operations with it


def register() -> None:
    """Make the device known to torch."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    _setup_privateuseone_for_python_backend(NAME, Module())
    # What `torch.load(..., map_location=device)` reads stays on the CPU: a storage is the CPU's
    # here. `load_state_dict` copies it to the device.
    register_package(FIRST, lambda _: None, lambda stored, where: stored if NAME in where else None)
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(lambda op, *args, **kwargs: run(op, args, kwargs), "PrivateUse1")
    fallback.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    autocast = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
    for name in TO_HALF + TO_FLOAT:
        autocast.impl(name, autocast_kernel(getattr(aten, name), name in TO_HALF))
    operations = torch.library.Library("aten", "IMPL", "PrivateUse1")
    for operation in WHOLE:
        operations.impl(operation, whole_kernel(operation))
    operations.impl(aten._copy_from.default, copy_from)
    libraries.extend([fallback, autocast, operations])
    torch.accelerator.synchronize = lambda device=None: None  # there is no queue
