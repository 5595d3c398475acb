"""What a network can do, tried out on a copy of it before it is trained.

A faster way to compute may ask more of a network's code than the plain one. In the channels_last
format `x.view(len(x), -1)` is an error after a convolution; bfloat16 has no NumPy type. So the
faster way is used only where the network works with it, and gives the same results.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import ImageData
from ..runtime.evaluation import evaluation_mode
from ..runtime.networks import copy_of
from .precision import Precision
from .recipe import epoch_randomness

# How far logits may be from those of the plain way, as a share of the largest one. A memory format
# changes only rounding. A shorter number type is allowed much more: it must not be another network.
FORMAT_TOLERANCE, TYPE_TOLERANCE = 0.02, 0.5


@dataclass(frozen=True)
class Rehearsal:
    """What was found out about a network.

    Attributes:
        amp: the fastest way to compute that it works with.
        smallest_batch: 2 where it cannot train on a batch of one image, and else 1.
        used: the copy that has been trained on two images; None where it cannot be copied.
    """

    amp: Precision
    smallest_batch: int = 1
    used: nn.Module | None = None


def rehearse(model: nn.Module, data: ImageData, amp: Precision) -> Rehearsal:
    """Try out training with two images, on a copy. What else goes wrong, training itself will say.

    The model, the random numbers and what is on the screen stay as they are.

    Args:
        model: a network without lazy layers.
        data: gives the two images, and the classes.
        amp: the way to compute that is wished for.

    Raises:
        ValueError: the network does not put out one row of logits for each image, with a logit for
            each class.
    """
    plain = Precision(amp.device)
    two = data.train.at([0, -1])  # there may be only one
    images, labels = data.normalize(two.images), two.labels
    with _unnoticed(amp.device):
        try:
            twin = plain.place(copy_of(model))
            output = _output(twin, images, plain)
        except Exception:  # the code of a student can raise anything
            return Rehearsal(plain)
    _check_output(output, len(images), data)
    with _unnoticed(amp.device):
        ways = [] if amp == plain else [amp, replace(amp, channels_last=False)]
        found = next((way for way in ways if _works(twin, images, labels, way)), plain)
        plain.place(twin)
        with_one, with_two = (_trains(twin, images[:n], labels[:n], plain) for n in (1, 2))
    return Rehearsal(found, 2 if with_two and not with_one else 1, twin)


@contextlib.contextmanager
def _unnoticed(device: torch.device) -> Iterator[None]:
    """Hide what a network prints and warns of: it does so again in training."""
    with (
        epoch_randomness(device, 0, 0),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _output(model: nn.Module, images: Tensor, amp: Precision) -> Any:
    with evaluation_mode(model), amp.autocast():
        return model(amp.place(images))


def _check_output(output: Any, count: int, data: ImageData) -> None:
    classes = data.num_classes
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != count:
        shape = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else ""
        raise ValueError(
            f"for {count} images the network must return logits of shape ({count}, {classes}), "
            f"and it returned {shape or 'a ' + type(output).__name__}"
        )
    if output.shape[1] < classes:
        raise ValueError(
            f"{output.shape[1]} outputs, {classes} classes: the last layer of the network needs an "
            f"output for each class of {data.title}"
        )


def _works(model: nn.Module, images: Tensor, labels: Tensor, amp: Precision) -> bool:
    """Whether a network can be trained in this way, and its logits stay what they are."""
    plain = Precision(amp.device)
    same_type = replace(amp, dtype=torch.float32)
    try:
        expected = _output(plain.place(model), images, plain)
        amp.place(model)
        return (
            _agree(_output(model, images, same_type), expected, FORMAT_TOLERANCE)
            and _agree(_output(model, images, amp), expected, TYPE_TOLERANCE)
            and _trains(model, images, labels, amp)
        )
    except Exception:  # see above
        return False


def _agree(logits: Tensor, expected: Tensor, tolerance: float) -> bool:
    logits, expected = logits.float().cpu(), expected.float().cpu()
    return bool((logits - expected).abs().max() <= tolerance * expected.abs().max())


def _trains(model: nn.Module, images: Tensor, labels: Tensor, amp: Precision) -> bool:
    """Whether one forward and one backward pass go through in training mode."""
    try:
        model.train()
        with amp.autocast():
            loss = F.cross_entropy(model(amp.place(images)), labels.to(amp.device))
        amp.backward(loss)
    except Exception:  # see above
        return False
    finally:
        model.zero_grad()
    return True
