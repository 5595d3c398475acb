"""A VGG-11 that is trained already: ImageNet's where it can be had, else the bundled slim one.

Both are read without pickle or with `weights_only`, so that a file of weights can run no code.
Used in lecture 07.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .vgg import VGG, slim_vgg

BUNDLED_FILE = "slim_vgg11_fashion6.safetensors"
BUNDLED_SHA256 = "cbde593c69cca837d64c11f006c316bd4f79ee6b9fe26cbb91603bec1fed9a2b"
SOURCE_CLASSES = ("T-shirt/top", "Trouser", "Dress", "Shirt", "Sneaker", "Bag")
DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network and what must be known to use it.

    Attributes:
        name: of the network and its source.
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
    model: VGG
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
            "network": f"VGG-11, {count:,} parameters",
            "classes": f"{len(self.class_names)}: {', '.join(self.class_names[:6])}"
            + (", ..." if len(self.class_names) > 6 else ""),
            "image": f"3 x {self.image_size} x {self.image_size}",
            "mean": ", ".join(f"{value:.3f}" for value in self.mean),
            "std": ", ".join(f"{value:.3f}" for value in self.std),
            "accuracy": f"{self.accuracy:.1%} of {self.tested_on}",
        }
        return "\n".join([self.name, *(f"  {name:<12}{text}" for name, text in rows.items())])


def pretrained(prefer: str = "bundled", *, download: bool = False) -> Pretrained:
    """Return a trained VGG-11, and say in its ``name`` which one it is.

    Used in lecture 07.

    Args:
        prefer: ``"bundled"`` (slim, 3x32x32, six kinds of garments; in the course's own data
            folder) or ``"imagenet"`` (torchvision's, 3x224x224, 1000 classes, 507 MB). If
            ImageNet's cannot be had, the reason is printed in one line and the bundled one is
            returned.
        download: whether to fetch ImageNet's weights if they are not on this machine.

    Raises:
        ValueError: ``prefer`` is something else.
        RuntimeError: the bundled file is missing or damaged.

    Example:
        >>> pretrained().class_names
        ('T-shirt/top', 'Trouser', 'Dress', 'Shirt', 'Sneaker', 'Bag')
    """
    if prefer not in ("bundled", "imagenet"):
        raise ValueError(f"prefer must be 'bundled' or 'imagenet', not {prefer!r}")
    if prefer == "imagenet":
        try:
            return _imagenet(download)
        except (OSError, RuntimeError) as problem:
            reason = (str(problem) or type(problem).__name__).splitlines()[0].rstrip(".")
            print(f"ImageNet's weights cannot be had ({reason}). In their place: the bundled ones.")
    return _bundled()


def _imagenet(download: bool) -> Pretrained:
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
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        facts = json.loads(opened.metadata()["facts"])
    return Pretrained(
        name="slim VGG-11, bundled",
        model=_filled(slim_vgg(num_classes=len(facts["classes"])), state, file),
        class_names=tuple(facts["classes"]),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        image_size=32,
        accuracy=facts["accuracy"],
        tested_on=f"{facts['test_images']:,} test images",
        source=facts["source"],
    )


def _filled(model: VGG, state: dict[str, Any], file: Path) -> VGG:
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError) as problem:
        text = f"{file} holds other weights than a VGG-11's: delete it and load again"
        raise RuntimeError(text) from problem
    return model.eval()
