"""The shared module of the course: what its notebooks repeat, typed and tested.

The names below are those that nearly every notebook uses. They are loaded at first use, so that
a command that needs no torch starts at once.
"""

from importlib import import_module

_HOME = {
    "by_profile": "runtime",
    "claim": "runtime",
    "get_device": "runtime",
    "length": "runtime",
    "progress": "runtime",
    "record": "runtime",
    "seed_everything": "runtime",
    "setup": "runtime",
    "stored": "runtime",
    "load_data": "data",
    "evaluate": "training",
    "fit": "training",
    "check": "exercises",
    "yours": "exercises",
}
_ROOMS = ("plots",)

__all__ = sorted([*_HOME, *_ROOMS])


def __getattr__(name: str):
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
