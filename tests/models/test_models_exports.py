"""`models` exports every network, and importing it stays cheap."""

import importlib
import pkgutil
import subprocess
import sys

from torch import nn

from course_utils import models


def networks():
    """All classes of the package that take `num_classes`: whole networks, not their parts."""
    for file in pkgutil.iter_modules(models.__path__):
        module = importlib.import_module(f"course_utils.models.{file.name}")
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", "") != module.__name__ or not isinstance(thing, type):
                continue
            if issubclass(thing, nn.Module) and "num_classes" in thing.__init__.__annotations__:
                yield name, thing


def test_every_network_is_exported():
    missing = {name for name, _ in networks()} - set(models.__all__)
    assert missing == {"InceptionAux"}, "only a part of GoogLeNet has classes, too"
    for name, network in networks():
        assert name in missing or getattr(models, name) is network
    assert {"KNearestNeighbors", "slim_vgg", "slim_efficientnet"} <= set(models.__all__)


def test_importing_models_loads_nothing_that_is_slow_or_optional():
    code = """
import sys
import course_utils
assert "torch" not in sys.modules and "course_utils.models" not in sys.modules
import course_utils.models
print([name for name in sys.argv[1:] if name in sys.modules])
"""
    slow = ["torchvision", "keras", "optuna", "sklearn", "safetensors", "matplotlib"]
    command = [sys.executable, "-c", code, *slow]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
