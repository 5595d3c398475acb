"""What lecture 03 asks: LeNet-5, one training step, an evaluation, a broken training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.l03_lenet import new_model, restore, state_of
from ...exercises.shared import identity, numbered
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import normal

# --- small helpers -------------------------------------------------------------------------------


def labelled_batches(rng: Generator, sizes: list[int], features: int, classes: int) -> list:
    """Batches of the given sizes, as (images, labels): float32 (B, features), int64 (B,)."""
    return [
        [normal(rng, size, features), torch.from_numpy(rng.integers(0, classes, size))]
        for size in sizes
    ]


def random_state(rng: Generator, kind: str, sizes: list[int]) -> dict[str, Tensor]:
    """A state dict for `new_model`, with running statistics far from 0 and 1."""
    state = {}
    for name, value in new_model(kind, sizes).state_dict().items():
        if value.is_floating_point():
            value = normal(rng, *value.shape, scale=0.5)
        state[name] = value.abs() + 0.5 if name.endswith("running_var") else value
    return state


def _by_hand(images: list[list[float]], labels: list[int]) -> list[Tensor]:
    """One batch that can be worked out on paper."""
    return [torch.tensor(images), torch.tensor(labels)]


# A linear layer that changes nothing: its logits are the two pixels of an image.
PAPER_MODEL = {
    "model": "linear",
    "sizes": [2, 2],
    "state": {"weight": torch.eye(2), "bias": torch.zeros(2)},
}


# --- 03.1 ----------------------------------------------------------------------------------------


def _few_values(rng: Generator, *shape: int, share: float = 1.0) -> Tensor:
    """Return random whole eighths with mean 0, all but a ``share`` of them 0.

    A hundred thousand of them take little room once they are packed.
    """
    numbers = rng.integers(-12, 13, shape) * (rng.random(shape) < share)
    return torch.from_numpy(numbers.astype(np.float32) / 8)


class BuildLeNet(ModuleExaminer):
    """Images of many sizes; those for which 400 inputs are right are examples only."""

    id = "03.1"
    mistakes = {
        "after the two linear layers in the middle the ReLU is missing": dict(
            after_linear=identity
        ),
        "after the convolutions the ReLU is missing": dict(after_conv=identity),
        "there is no ReLU anywhere: without one the layers fold into a single linear map": dict(
            after_conv=identity, after_linear=identity
        ),
        "the last layer returns logits: leave the softmax out, F.cross_entropy contains it": dict(
            last=lambda x: x.softmax(dim=1)
        ),
        "the last layer returns logits: leave the log-softmax out, F.cross_entropy contains it": (
            dict(last=lambda x: x.log_softmax(dim=1))
        ),
        "the last layer returns logits: no ReLU after it, or no logit can be negative": dict(
            last=F.relu
        ),
        "pool with the maximum, not with the average (that is closer to 1998)": dict(
            pool=F.avg_pool2d
        ),
        "use ReLU, not tanh (tanh is the network of 1998)": dict(
            after_conv=torch.tanh, after_linear=torch.tanh
        ),
    }

    def examples(self) -> Iterator[Case]:
        rng = np.random.default_rng(32)
        yield self._case(rng, num_classes=10, in_channels=1, image_size=32)
        yield self._case(rng, num_classes=10, in_channels=3, image_size=32)

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, num_classes=10, in_channels=1, image_size=28)
        yield self._case(rng, num_classes=2, in_channels=1, image_size=16)
        yield self._case(rng, num_classes=5, in_channels=3, image_size=37)
        for _ in range(3):
            yield self._case(
                rng,
                num_classes=int(rng.integers(2, 20)),
                in_channels=int(rng.integers(1, 5)),
                image_size=int(rng.choice([*range(18, 32), *range(36, 41)])),
            )

    @staticmethod
    def _case(rng: Generator, num_classes: int, in_channels: int, image_size: int) -> Case:
        flat = 16 * (((image_size - 4) // 2 - 4) // 2) ** 2
        shapes = (6, in_channels, 5, 5), (16, 6, 5, 5), (120, flat), (84, 120), (num_classes, 84)
        state = []
        for shape in shapes:
            share = min(1.0, 12 / np.prod(shape[1:]))  # of the weights; they keep an output's size
            state += [0.5 * _few_values(rng, *shape, share=share), _few_values(rng, shape[0]) / 4]
        return {
            "arguments": dict(
                num_classes=num_classes, in_channels=in_channels, image_size=image_size
            ),
            "state": numbered(state),
            "x": _few_values(rng, 2, in_channels, image_size, image_size),
        }

    def reference(self, case: Case, **mistake: Any) -> Tensor:
        return _logits(case["x"], *case["state"].values(), **mistake)


def _logits(
    x: Tensor,
    *state: Tensor,
    after_conv: Callable = F.relu,
    after_linear: Callable = F.relu,
    pool: Callable = F.max_pool2d,
    last: Callable = identity,
) -> Tensor:
    w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = state
    x = pool(after_conv(F.conv2d(x, w1, b1)), 2)
    x = pool(after_conv(F.conv2d(x, w2, b2)), 2).flatten(1)
    x = after_linear(F.linear(x, w3, b3))
    x = after_linear(F.linear(x, w4, b4))
    return last(F.linear(x, w5, b5))


# --- 03.2 ----------------------------------------------------------------------------------------


def _correct(logits: Tensor, labels: Tensor) -> int:
    return int((logits.argmax(dim=1) == labels).sum())


def _step(
    case: Case,
    *,
    fresh: bool = True,
    training: bool = True,
    step_first: bool = False,
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> tuple[dict[str, Tensor], float, int]:
    """The state after one step, the loss and the number correct; options are the mistakes."""
    model, optimizer = restore(case)
    model.train(training)
    if fresh:
        optimizer.zero_grad()
    if step_first:
        optimizer.step()
    logits = model(case["images"])
    loss = loss_of(logits, case["labels"])
    loss.backward()
    if not step_first:
        optimizer.step()
    return state_of(model), loss.item(), _correct(logits, case["labels"])


STEP_MISTAKES: dict[str, dict[str, Any]] = {
    "old gradients were added to the new ones: call optimizer.zero_grad() before loss.backward()": (
        dict(fresh=False)
    ),
    "the batch norm layer did not learn from this batch: call model.train() first": (
        dict(training=False)
    ),
    "the step used gradients from before this batch: call loss.backward() before the step": (
        dict(fresh=False, step_first=True)
    ),
    "give F.cross_entropy the logits: it contains the softmax, yours was applied twice": (
        dict(loss_of=lambda logits, labels: F.cross_entropy(logits.softmax(dim=1), labels))
    ),
    "the loss is the mean over the batch (the default), not the sum": (
        dict(loss_of=lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"))
    ),
}


class TrainingStep(Examiner):
    """Models with and without batch norm, in either mode, with and without old gradients."""

    id = "03.2"

    def examples(self) -> Iterator[Case]:
        images, labels = _by_hand([[1.0, 0.0], [0.0, 1.0]], [0, 0])
        yield {
            **PAPER_MODEL,
            "starts_in_training_mode": True,
            "old_gradients": [],
            "images": images,
            "labels": labels,
            "learning_rate": 1.0,
        }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, "linear", starts_in_training_mode=True, old_gradients=True)
        yield self._case(rng, "batch norm", starts_in_training_mode=False, old_gradients=False)
        for _ in range(9):
            yield self._case(
                rng,
                "batch norm",
                starts_in_training_mode=bool(rng.random() < 0.2),
                old_gradients=bool(rng.random() < 0.8),
            )

    @staticmethod
    def _case(
        rng: Generator, kind: str, *, starts_in_training_mode: bool, old_gradients: bool
    ) -> Case:
        sizes = [int(rng.integers(3, 9)), int(rng.integers(3, 7)), int(rng.integers(2, 6))]
        [[images, labels]] = labelled_batches(rng, [int(rng.integers(4, 12))], sizes[0], sizes[-1])
        state = random_state(rng, kind, sizes)
        names = [name for name, _ in new_model(kind, sizes).named_parameters()]
        old = [normal(rng, *state[name].shape) for name in names] if old_gradients else []
        return {
            "model": kind,
            "sizes": sizes,
            "state": state,
            "starts_in_training_mode": starts_in_training_mode,
            "old_gradients": old,
            "images": images,
            "labels": labels,
            "learning_rate": 0.25,
        }

    def key(self, case: Case) -> Any:
        want, loss, correct = _step(case)
        made = mistaken(STEP_MISTAKES, lambda mistake: _step(case, **mistake)[0], want)
        return dict(want=want, loss=loss, correct=correct, mistakes=made)


# --- 03.3 ----------------------------------------------------------------------------------------


class Evaluate(Examiner):
    """Batches of one size and with a smaller last one; models in either mode."""

    id = "03.3"

    def examples(self) -> Iterator[Case]:
        first, last = _by_hand([[1.0, 0.0], [0.0, 1.0]], [0, 0]), _by_hand([[1.0, 0.0]], [1])
        yield {**PAPER_MODEL, "batches": [first, last], "starts_in_training_mode": True}

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, "linear", [4, 4, 4], starts_in_training_mode=False)
        yield self._case(rng, "batch norm", [6, 6], starts_in_training_mode=True)
        yield self._case(rng, "batch norm", [5, 5, 1], starts_in_training_mode=False)
        yield self._case(rng, "linear", [7, 2], starts_in_training_mode=True)
        yield self._case(rng, "linear", [1], starts_in_training_mode=False)
        for _ in range(8):
            size = int(rng.integers(4, 9))
            yield self._case(
                rng,
                str(rng.choice(["linear", "batch norm"])),
                [size] * int(rng.integers(1, 4)) + [int(rng.integers(1, size))],
                starts_in_training_mode=bool(rng.integers(2)),
            )

    @staticmethod
    def _case(rng: Generator, kind: str, batch_sizes: list[int], **start: bool) -> Case:
        sizes = [5, int(rng.integers(3, 7)), int(rng.integers(2, 5))]
        state = random_state(rng, kind, sizes)
        batches = labelled_batches(rng, batch_sizes, sizes[0], sizes[-1])
        return {"model": kind, "sizes": sizes, "state": state, "batches": batches, **start}

    def key(self, case: Case) -> Any:
        model = restore(case)[0].eval()
        sizes, losses, accuracies = [], [], []
        with torch.no_grad():
            for images, labels in case["batches"]:
                logits = model(images)
                sizes.append(len(labels))
                losses.append(F.cross_entropy(logits, labels).item())
                accuracies.append(_correct(logits, labels) / len(labels))
        return {
            "mean loss": mean_and_mistakes("mean loss", sizes, losses),
            "accuracy": mean_and_mistakes("accuracy", sizes, accuracies),
        }


def mean_and_mistakes(name: str, sizes: list[int], per_batch: list[float]) -> dict[str, Any]:
    """Return the mean over images of what each batch has, and what mistakes make of it."""
    total = sum(size * mean for size, mean in zip(sizes, per_batch, strict=True))
    want = total / sum(sizes)
    mistakes = {
        f"the {name} is an average over images, not over batches: the last batch is smaller, so "
        "its mean must count less": sum(per_batch) / len(sizes),
        f"the {name} is a total here: divide by the number of images, {sum(sizes)}": total,
        f"give the {name} as a share from 0 to 1, not in percent": 100 * want,
        f"the {name} was divided by the number of batches: divide by that of images": (
            total / len(sizes)
        ),
    }
    return dict(want=want, mistakes=mistakes)


# --- 03.4 ----------------------------------------------------------------------------------------


def _trained(case: Case) -> tuple[dict[str, Tensor], list[float]]:
    """The state after training, and the mean loss over the images of each epoch."""
    model, optimizer = restore(case)
    losses = []
    model.train()
    for _ in range(case["epochs"]):
        total, count = 0.0, 0
        for images, labels in case["batches"]:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(labels), count + len(labels)
        losses.append(total / count)
    return state_of(model), losses


def _still_losses(case: Case) -> list[float]:
    """Mean loss of a model that does not change: from logits, and with a softmax too many."""
    model, _ = restore(case)
    images, labels = (torch.cat(parts) for parts in zip(*case["batches"], strict=True))
    with torch.no_grad():
        logits = model(images)
    return [F.cross_entropy(x, labels).item() for x in (logits, logits.softmax(dim=1))]


def _shows_mistakes(case: Case) -> bool:
    """Whether the mean loss of a model that does not change shows a mistake in it."""
    right, twice = _still_losses(case)
    if case["about"] == "mean over images":
        by_batch = [_still_losses(case | {"batches": [batch]}) for batch in case["batches"]]
        over_batches = np.mean(by_batch, axis=0)
        return bool((abs(np.subtract.outer([right, twice], over_batches)) > 1e-3).all())
    return abs(right - twice) > 1e-3


class BrokenLoop(Examiner):
    """Cases for each of the six mistakes, and cases for all of them."""

    id = "03.4"
    ABOUT = ("mode", "softmax", "fresh gradients", "order", "plain numbers", "mean over images")

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):
            for about in self.ABOUT:
                case = self._case(rng, about)
                while not _shows_mistakes(case):
                    case = self._case(rng, about)
                yield case
        for _ in range(4):
            yield self._case(rng, "everything")

    @staticmethod
    def _case(rng: Generator, about: str) -> Case:
        still = about in ("softmax", "mean over images")
        kind = "linear" if still or about == "fresh gradients" else "batch norm"
        sizes = [5, 6, int(rng.integers(3, 6))]
        size = int(rng.integers(4, 8))
        last = size if about == "softmax" else 3
        return {
            "about": about,
            "model": kind,
            "sizes": sizes,
            "state": random_state(rng, kind, sizes),
            "starts_in_training_mode": about != "mode" and bool(rng.integers(2)),
            "batches": labelled_batches(rng, [size, size, last], sizes[0], sizes[-1]),
            "learning_rate": 0.0 if still else 0.1,
            "epochs": 2,
        }

    def key(self, case: Case) -> Any:
        state, losses = _trained(case)
        return dict(state=state, losses=losses, still=_still_losses(case))


EXAMINERS = [BuildLeNet(), TrainingStep(), Evaluate(), BrokenLoop()]
