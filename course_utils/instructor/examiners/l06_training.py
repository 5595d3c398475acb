"""What lecture 06 asks: batch norm, a schedule, dropout, crops, mixup, averages, broken runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.shared import identity
from .core import Examiner, mistaken
from .tensors import layer_state, norm_state, normal

# --- 06.1 ----------------------------------------------------------------------------------------


def _batch_norm(
    case: Case,
    x: Tensor,
    *,
    dims: tuple[int, ...] = (0, 2, 3),
    correction: int = 0,
    running_correction: int = 1,
    flip_momentum: bool = False,
    learns: bool | None = None,
    uses_batch: bool | None = None,
    late: bool = False,
    scale: bool = True,
    eps_outside: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output and the state after it; the options are the likely mistakes."""
    learns = case["training"] if learns is None else learns
    uses_batch = case["training"] if uses_batch is None else uses_batch
    column = (1, -1, 1, 1)
    state = case["state"]
    after = dict(state)
    if learns:
        share = 1 - case["momentum"] if flip_momentum else case["momentum"]
        batch = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=running_correction)
        for name, new in zip(("running_mean", "running_var"), batch, strict=True):
            after[name] = (1 - share) * state[name] + share * new
    mean = x.mean(dims, keepdim=True)
    var = x.var(dims, correction=correction, keepdim=True)
    if not uses_batch:
        known = after if late else state
        mean, var = known["running_mean"].view(column), known["running_var"].view(column)
    spread = var.sqrt() + case["eps"] if eps_outside else (var + case["eps"]).sqrt()
    output = (x - mean) / spread
    if scale:
        output = output * state["weight"].view(column) + state["bias"].view(column)
    return output, after


OUTPUT_MISTAKES = {
    "in evaluation the running statistics are used, not those of the batch": dict(uses_batch=True),
    "in training the statistics of the batch are used, not the running ones": dict(
        uses_batch=False
    ),
    "in training the statistics of the batch are used, not the running ones (also if they have "
    "just been updated)": dict(uses_batch=False, late=True),
    "in evaluation the running statistics stay as they are: yours were updated first": dict(
        learns=True, late=True
    ),
    "scale and shift are missing: the normalised numbers times weight, plus bias": dict(
        scale=False
    ),
    "to normalise, divide the sum of squares by their number, not by one less "
    "(torch.var needs correction=0)": dict(correction=1),
    "one mean for each channel, over images and pixels: yours differs from pixel to pixel": dict(
        dims=(0,)
    ),
    "one mean for each channel, over all images of the batch: yours is one for each image": dict(
        dims=(2, 3)
    ),
    "one mean for each channel: yours mixes the channels of an image (that is layer norm)": dict(
        dims=(1, 2, 3)
    ),
    "one mean for each channel: yours mixes all channels": dict(dims=(0, 1, 2, 3)),
    "eps belongs under the root: sqrt(variance + eps)": dict(eps_outside=True),
}
RUNNING_MISTAKES = {
    "in evaluation the running statistics stay as they are": dict(learns=True),
    "in training the running statistics move a little towards those of the batch": dict(
        learns=False
    ),
    "momentum is the share of the new batch: (1 − momentum) · old + momentum · new": dict(
        flip_momentum=True
    ),
    "the running variance takes the unbiased variance of the batch (torch.var as it is)": dict(
        running_correction=0
    ),
}


class BatchNorm(Examiner):
    """Both modes; one pixel, one image, and any shape."""

    id = "06.1"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [2, 2, 2, 2], training=True, eps=1e-5)
        yield self._case(rng, [2, 2, 2, 2], training=False, eps=1e-5)
        yield self._case(rng, [4, 3, 1, 1], training=True)  # a pixel an image
        yield self._case(rng, [1, 2, 3, 5], training=True)  # one image
        yield self._case(rng, [1, 3, 2, 2], training=False)  # one image
        for training in (True, True, True, False, False, True):
            shape = [int(n) for n in rng.integers(2, 5, 4)]
            yield self._case(rng, shape, training=training, momentum=float(rng.uniform(0.1, 0.4)))

    def _case(
        self,
        rng: Generator,
        shape: list[int],
        *,
        training: bool,
        momentum: float = 0.1,
        eps: float = 0.05,
    ) -> Case:
        offset, scale = normal(rng, 1, shape[1], 1, 1, scale=2), rng.uniform(0.4, 2)
        return {
            "training": training,
            "momentum": momentum,
            "eps": eps,
            "state": norm_state(rng, shape[1], mean_scale=1),
            "images": offset + normal(rng, *shape, scale=float(scale)),
            "pull": normal(rng, *shape),
        }

    def key(self, case: Case) -> Any:
        def output(mistake: dict[str, Any]) -> Tensor:
            return _batch_norm(case, case["images"], **mistake)[0]

        def running(name: str) -> Callable[[dict[str, Any]], Tensor]:
            return lambda mistake: _batch_norm(case, case["images"], **mistake)[1][name]

        x = case["images"].clone().requires_grad_()
        want, _ = _batch_norm(case, x)
        (want * case["pull"]).sum().backward()
        after = {name: running(name)({}) for name in ("running_mean", "running_var")}
        return {
            "want": want,
            "gradient": x.grad,
            "mistakes": mistaken(OUTPUT_MISTAKES, output, want),
            "running": after,
            "running_mistakes": {
                name: mistaken(RUNNING_MISTAKES, running(name), new) for name, new in after.items()
            },
        }


# --- 06.2 ----------------------------------------------------------------------------------------


def _half_cosine(way: float) -> float:
    """From 1 at the start of the way to 0 at its end."""
    return (1 + math.cos(math.pi * way)) / 2


def _rate_mistakes(step: int, steps: int, warm_up: int, peak: float) -> dict[str, float]:
    """Return what each mistake makes of a step, for those that differ in it."""
    rising, way = step < warm_up, (step - warm_up) / (steps - warm_up)
    up = (step + 1) / warm_up if rising else 1.0
    down = _half_cosine(way)
    right = up if rising else down
    factors = {
        "times peak: this rises to 1 and falls from there": right / peak,
        "step 0 has peak / warm_up already, not 0: the rate of the warm-up is peak · (step + 1) / "
        "warm_up": step / warm_up if rising else down,
        "the warm-up ends with peak itself, at step warm_up − 1: divide by warm_up, not by one "
        "more": (step + 1) / (warm_up + 1) if rising else down,
        "during the warm-up the cosine does not count yet: one factor at a time": (
            up * _half_cosine(step / steps) if rising else down
        ),
        "before the cosine comes a warm-up: in the first `warm_up` steps the rate rises": (
            _half_cosine(step / steps) if rising else down
        ),
        "during the warm-up the rate rises in a straight line, and it is not yet that of the "
        "cosine": _half_cosine(way) if rising else down,
        "the cosine falls from peak to 0 after the warm-up: count its steps from warm_up on": (
            right if rising else _half_cosine(step / steps)
        ),
        "the cosine has steps − warm_up steps for its way to 0: divide by that, not by steps": (
            right if rising else _half_cosine((step - warm_up) / steps)
        ),
        "the rate is 0 at step `steps`, one after the last: yours is there one step too early": (
            right if rising else _half_cosine((step - warm_up) / max(1, steps - warm_up - 1))
        ),
        "after the warm-up the rate falls like a cosine, not in a straight line": (
            right if rising else 1 - way
        ),
        "half a cosine goes from 0 to π: yours goes on to 2π and is back at peak": (
            right if rising else _half_cosine(2 * way)
        ),
        "(1 + cos) / 2 starts flat and ends flat: yours is a quarter of a cosine": (
            right if rising else math.cos(math.pi / 2 * way)
        ),
        "1 + cos goes from 2 to 0: take half of it": right if rising else 2 * down,
        "cos alone goes from 1 to −1: the rate must not be negative": (
            right if rising else math.cos(math.pi * way)
        ),
        "1 + cos falls, 1 − cos rises": right if rising else 1 - down,
        "math.cos takes radians: π, not 180": (right if rising else (1 + math.cos(180 * way)) / 2),
        "after the warm-up the rate falls: yours stays at peak": right if rising else 1.0,
    }
    return {hint: peak * factor for hint, factor in factors.items() if factor != right}


class WarmUpAndCosine(Examiner):
    """The first and the last steps of both parts, no warm-up at all, and any step."""

    id = "06.2"

    def examples(self) -> Iterator[Case]:
        for step in (0, 1, 2, 4, 6, 10):
            yield dict(step=step, steps=10, warm_up=2, peak=0.4)

    def cases(self, rng: Generator) -> Iterator[Case]:
        steps, warm_up = self._lengths(rng)
        for step in (0, warm_up - 1, warm_up, self._falling(rng, steps, warm_up), steps):
            yield self._case(rng, step, steps, warm_up)
        yield self._case(rng, int(rng.integers(1, warm_up - 1)), steps, warm_up)
        yield self._case(rng, 0, steps, 1)  # a warm-up of one step starts with peak
        yield self._case(rng, 0, steps, 0)
        yield self._case(rng, self._falling(rng, steps, 0), steps, 0)
        for _ in range(2):
            steps, warm_up = self._lengths(rng)
            yield self._case(rng, int(rng.integers(1, warm_up - 1)), steps, warm_up)
        for _ in range(2):
            steps, warm_up = self._lengths(rng)
            yield self._case(rng, self._falling(rng, steps, warm_up), steps, warm_up)

    def _lengths(self, rng: Generator) -> tuple[int, int]:
        return int(rng.integers(40, 400)), int(rng.integers(4, 20))

    def _falling(self, rng: Generator, steps: int, warm_up: int) -> int:
        """A step of the cosine off its middle, where a straight line is as high as a cosine."""
        return warm_up + int((steps - warm_up) * rng.choice([0.2, 0.3, 0.7]) + rng.uniform(0, 2))

    def _case(self, rng: Generator, step: int, steps: int, warm_up: int) -> Case:
        peak = round(float(rng.choice([0.5, 0.05, 0.002]) * rng.uniform(0.4, 1.6)), 5)
        return dict(step=step, steps=steps, warm_up=warm_up, peak=peak)

    def key(self, case: Case) -> Any:
        step, steps, warm_up, peak = case.values()
        if step < warm_up:
            want = peak * (step + 1) / warm_up
        else:
            want = peak * _half_cosine((step - warm_up) / (steps - warm_up))
        return {"want": want, "mistakes": _rate_mistakes(**case)}


# --- 06.3 ----------------------------------------------------------------------------------------


class Dropout(Examiner):
    """Each probability twice in training and once in evaluation; 0 and 1 leave no chance."""

    id = "06.3"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for probability in (0.5, 0.2):
            yield self._case(rng, [30, 40], probability)
        yield self._case(rng, [6, 4, 8, 7], 0.8)
        # Together, so that an answer that drops nothing has no case of its own.
        calls = [[0.0, True], [1.0, True], [float(rng.uniform(0.5, 1)), False]]
        yield {"x": self._numbers(rng, [20, 30]), "calls": calls}
        for _ in range(5):
            shape = [int(n) for n in rng.integers(30, 45, 2)]
            yield self._case(rng, shape, float(rng.uniform(0.15, 0.85)))

    def _case(self, rng: Generator, shape: list[int], probability: float) -> Case:
        calls = [[probability, True], [probability, True], [probability, False]]
        return {"x": self._numbers(rng, shape), "calls": calls}

    def _numbers(self, rng: Generator, shape: list[int]) -> Tensor:
        x = normal(rng, *shape)
        return x + 0.01 * x.sign()  # no zero that could be taken for a dropped one

    def key(self, case: Case) -> Any:
        return [self._wanted(*call) for call in case["calls"]]

    def _wanted(self, probability: float, training: bool) -> dict[str, Any]:
        """Return what x is multiplied by where it is kept, and what else it could be."""
        kept = 1 - probability
        if training and 0 < probability < 1:
            factor, otherwise = 1 / kept, "what is kept should be x / (1 − probability)"
            mistakes = {
                "what is kept must grow by 1 / (1 − probability), so that sums stay the same on "
                "average": 1.0,
                "divide by 1 − probability, the chance of being kept, instead of multiplying": kept,
                "divide by 1 − probability, the chance of being kept, not by probability": (
                    1 / probability
                ),
            }
        elif training:
            factor, mistakes = kept, {}
            what = "everything" if probability else "nothing"
            otherwise = f"with probability {probability:g}, {what} is dropped"
        else:
            factor = 1.0
            otherwise = "in evaluation nothing is dropped and nothing is scaled: return x"
            mistakes = {
                "in evaluation x comes back as it is: here the scaling belongs to training (the "
                "form of 2012 scaled in evaluation)": kept
            }
        mistakes = mistaken(mistakes, identity, factor)
        want = dict(factor=factor, mistakes=mistakes, otherwise=otherwise)
        return want | ({"dropped": probability} if training and 0 < probability < 1 else {})


# --- 06.4 ----------------------------------------------------------------------------------------


def _crops(
    size: torch.Size, padding: int, *, mode: str = "constant", flips: tuple[int, ...] = (-1,)
) -> Tensor:
    """Every crop of a padded image, (rows, columns, 1 + flips, H, W): which pixel stands where.

    The first is as it was, the others are mirrored; -1 stands for what comes in from outside.
    """
    height, width = size
    pixels = torch.arange(1.0, 1 + size.numel()).reshape(1, 1, height, width)
    padded = F.pad(pixels, (padding,) * 4, mode=mode)[0, 0] - 1
    windows = padded.unfold(0, height, 1).unfold(1, width, 1)
    mirrored = [windows.flip(dimension) for dimension in flips]
    return torch.stack([windows, *mirrored], dim=2).to(torch.int8)


class Augment(Examiner):
    """Images of random pixels, which any crop tells apart; but for one case, enough to count.

    A case looks at cuts or at mirroring: who does one of the two earns a part.
    """

    id = "06.4"
    mistakes: dict[str, dict[str, Any]] = {
        "mirror left to right (the last dimension), not upside down": dict(flips=(-2,)),
        "what comes in from outside should be 0; yours is filled from the other side": dict(
            mode="circular"
        ),
        "what comes in from outside should be 0; yours is filled by repeating the border": dict(
            mode="replicate"
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, "cuts", [150, 1, 6, 6], padding=2)
        yield self._case(rng, "mirrors", [150, 1, 5, 5], padding=0)
        yield self._case(rng, "cuts", [150, 3, 4, 7], padding=1)
        yield self._case(rng, "mirrors", [150, 2, 4, 6], padding=0)
        yield self._case(rng, "", [1, 3, 7, 7], padding=3)  # one image: no share to speak of
        yield self._case(rng, "cuts", [200, 1, 6, 6], padding=4)
        for looks_at in ("cuts", "mirrors", "cuts", "cuts", "cuts"):
            count, channels = int(rng.integers(150, 180)), int(rng.integers(1, 3))
            height, width = (int(n) for n in rng.integers(5, 7, 2))
            shape, padding = [count, channels, height, width], int(rng.integers(1, 4))
            yield self._case(rng, looks_at, shape, padding=padding, real=bool(rng.integers(2)))

    def _case(
        self, rng: Generator, looks_at: str, shape: list[int], *, padding: int, real: bool = False
    ) -> Case:
        images = torch.from_numpy(rng.integers(1, 256, shape).astype(np.uint8))
        images = images.float() / 255 if real else images
        return dict(images=images, padding=padding, looks_at=looks_at)

    def key(self, case: Case) -> Any:
        def crops(mistake: dict[str, Any]) -> Tensor:
            return _crops(case["images"].shape[2:], case["padding"], **mistake)

        # Who mirrors upside down can still cut rightly.
        want = crops({} if case["looks_at"] == "mirrors" else {"flips": (-1, -2)})
        return dict(want=want, mistakes=mistaken(self.mistakes, crops, want))


# --- 06.5 ----------------------------------------------------------------------------------------


def _swap(shares: Tensor) -> Tensor:
    return 1 - shares


def _first(shares: Tensor) -> Tensor:
    return shares[:1].expand(len(shares))


def _mean(shares: Tensor) -> Tensor:
    return shares.mean().expand(len(shares))


def _mixed(
    rows: Tensor,
    partners: Tensor,
    shares: Tensor,
    *,
    change: Callable[[Tensor], Tensor] = identity,
    backwards: bool = False,
    added: float = 1.0,
    own_share: bool = True,
) -> Tensor:
    """Rows of numbers (N, K), mixed; the options are the likely mistakes."""
    partners = partners.argsort() if backwards else partners
    own = change(shares)[:, None]
    return (own if own_share else 1) * rows + added * (1 - own) * rows[partners]


def _mixed_twice(rows: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """The images are scaled first, and then partners are taken from them."""
    scaled = shares[:, None] * rows
    return scaled + (1 - shares[:, None]) * scaled[partners]


def _mixed_in_a_loop(rows: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Each image is mixed in place, and can be the partner of a later one."""
    rows = rows.clone()
    for i, (partner, own) in enumerate(zip(partners.tolist(), shares.tolist(), strict=True)):
        rows[i] = own * rows[i] + (1 - own) * rows[partner]
    return rows


def _share_along_the_width(images: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Raises RuntimeError where PyTorch would: the numbers of shares and of columns differ."""
    return shares * images + (1 - shares) * images[partners]


def _assigned(rows: Tensor, partners: Tensor, shares: Tensor, *, own_last: bool) -> Tensor:
    """Two assignments to a row of zeros; where the classes are equal, the second one stays."""
    classes, places = rows.argmax(1), torch.arange(len(rows))
    soft = torch.zeros_like(rows)
    pairs = [(classes, shares), (classes[partners], 1 - shares)]
    for column, share in reversed(pairs) if own_last else pairs:
        soft[places, column] = share
    return soft


MIXING_MISTAKES: dict[str, dict[str, Any]] = {
    "shares[i] is the share of image i itself; its partner has 1 − shares[i]": dict(change=_swap),
    "each image has a share of its own: you took the first one for all of them": dict(
        change=_first
    ),
    "each image has a share of its own: you took their mean for all of them": dict(change=_mean),
    "image i is mixed with image partners[i], not with the image whose partner it is": dict(
        backwards=True
    ),
    "the partner is missing: add 1 − shares[i] of it": dict(added=0.0),
    "the two shares add up to 1: shares[i] of the image itself is missing": dict(own_share=False),
}


class Mixup(Examiner):
    """Looks at images or at labels; pairs of one class, equal shares, none and all of an image."""

    id = "06.5"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, "images", [2, 1, 1, 2])
        yield self._case(rng, "labels", [2, 1, 1, 2])
        yield self._case(rng, "images", [4, 3, 4, 4])  # as many columns as images
        yield self._case(rng, "labels", [5, 1, 2, 2], pairs="of one class too")
        yield self._case(rng, "images", [4, 2, 3, 2], shares="equal")
        yield self._case(rng, "labels", [4, 1, 2, 2], shares="equal")
        yield self._case(rng, "images", [5, 1, 3, 2], pairs="any")
        yield self._case(rng, "labels", [6, 1, 2, 2], pairs="any")
        yield self._case(rng, "images", [6, 1, 2, 3], shares="0 or 1")
        yield self._case(rng, "labels", [6, 1, 2, 2], shares="0 or 1")
        for looks_at in ("images", "labels"):
            count, channels, height, width = (
                int(n) for n in rng.integers((5, 1, 2, 2), (8, 4, 5, 5))
            )
            yield self._case(rng, looks_at, [count, channels, height, width], pairs="any")

    def _case(
        self,
        rng: Generator,
        looks_at: str,
        shape: list[int],
        *,
        pairs: str = "of two classes",
        shares: str = "any",
    ) -> Case:
        count = shape[0]
        num_classes = int(rng.integers(count + 1, count + 4))  # more than there are labels
        order = rng.permutation(count)
        partners = np.empty(count, dtype=np.int64)
        partners[order] = np.roll(order, 1)  # one cycle: nobody is his own partner
        labels = rng.permutation(num_classes - 1)[:count]
        if pairs == "of one class too":
            labels[partners[:2]] = labels[:2]
        if pairs == "any":
            labels = rng.integers(0, 2, count)
            labels[order[2]] = 1 - labels[order[1]]  # its partner: at least one pair is mixed
            alone, other = order[:2]  # leaves the cycle
            partners[other], partners[alone] = partners[alone], alone
        own = rng.uniform(0.1, 0.45, count) + 0.45 * rng.integers(0, 2, count)
        if shares == "equal":
            own = np.full(count, own[0])
        if shares == "0 or 1":
            own = np.array([0, 1] * count)[:count]
        return {
            "images": normal(rng, *shape),
            "labels": torch.from_numpy(labels.astype(np.int64)),
            "partners": torch.from_numpy(partners),
            "shares": torch.from_numpy(own.astype(np.float32)),
            "num_classes": num_classes,
            "looks_at": looks_at,
        }

    def key(self, case: Case) -> Any:
        images, labels, partners, shares, num_classes, looks_at = case.values()
        rows = images.flatten(1) if looks_at == "images" else F.one_hot(labels, num_classes).float()
        shape = images.shape if looks_at == "images" else rows.shape

        def mix(mistake: dict[str, Any]) -> Tensor:
            return _mixed(rows, partners, shares, **mistake).view(shape)

        want = mix({})
        made = mistaken(MIXING_MISTAKES, mix, want)
        if looks_at == "images":
            others: dict[str, Callable[[], Tensor]] = {
                "take the partners from the images as they came in: yours were scaled before": (
                    lambda: _mixed_twice(rows, partners, shares).view(shape)
                ),
                "take the partners from the images as they came in: yours were mixed before": (
                    lambda: _mixed_in_a_loop(rows, partners, shares).view(shape)
                ),
                "PyTorch multiplies along the last dimension: shares.view(-1, 1, 1, 1) gives each "
                "image its own": lambda: _share_along_the_width(images, partners, shares),
            }
        else:
            others = {
                "the labels are mixed as the images are: yours are those of the images alone": (
                    lambda: rows
                ),
                "where both are of one class, it has all of it: add the shares; yours has only "
                "that of the partner": (lambda: _assigned(rows, partners, shares, own_last=False)),
                "where both are of one class, it has all of it: add the shares; yours has only "
                "that of the image itself": (
                    lambda: _assigned(rows, partners, shares, own_last=True)
                ),
                "shares are not rounded: soft labels are float": (lambda: want.long().float()),
            }
        return {"want": want, "mistakes": made | mistaken(others, lambda make: make(), want)}


# --- 06.6 ----------------------------------------------------------------------------------------


def _moved(old: Tensor, new: Tensor, decay: float) -> Tensor:
    """The average of two tensors of floats, and the newer of whole numbers."""
    if not old.is_floating_point():
        return new
    return decay * old + (1 - decay) * new


Rule = Callable[[Tensor, Tensor, float], Tensor]
FLOAT_MISTAKES: dict[str, Rule] = {
    "{} did not move: change the tensors of `average` in place, with mul_ and add_ or with copy_": (
        lambda old, new, decay: old
    ),
    "{} is that of the model alone: decay · old + (1 − decay) · new": (lambda old, new, decay: new),
    "decay is the share of the old average, 1 − decay that of the model: {} has it the other way": (
        lambda old, new, decay: _moved(old, new, 1 - decay)
    ),
    "the two shares add up to 1: {} has all of the model in it": (
        lambda old, new, decay: decay * old + new
    ),
    "the two shares add up to 1: {} has all of the old average in it": (
        lambda old, new, decay: old + (1 - decay) * new
    ),
    "{} is halfway between both: use decay": lambda old, new, decay: (old + new) / 2,
}
STATISTIC_MISTAKES: dict[str, Rule] = {
    "{} did not move: parameters() has no running statistics, state_dict() has them": (
        lambda old, new, decay: old
    ),
    "{} is averaged like the weights, and not copied from the model": lambda old, new, decay: new,
}
COUNT_MISTAKES: dict[str, Rule] = {
    "{} did not change: copy whole numbers from the model": lambda old, new, decay: old,
    "{} is a counter: copy it from the model, an average of counters means nothing": (
        lambda old, new, decay: (decay * old + (1 - decay) * new).to(old.dtype)
    ),
}


class UpdateAverage(Examiner):
    """Linear layers, then batch norms; one call and two; counters that are equal and that differ.

    The rule is that of torch.optim.swa_utils with ``use_buffers=True``, but that it averages whole
    numbers and cuts their fractions off. Some cases are inside of torch.no_grad() already: who
    forgets it earns a part.
    """

    id = "06.6"

    def examples(self) -> Iterator[Case]:
        def state(value: float) -> dict[str, Tensor]:
            return {"0.weight": torch.tensor([[value]]), "0.bias": torch.tensor([value])}

        for calls in (1, 2):
            case = dict(average=state(1.0), models=[state(3.0)] * calls, decay=0.9)
            yield case | dict(trainable=False, no_grad=False)

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, norm=False)
        yield self._case(rng, norm=False, trainable=False)
        yield self._case(rng, norm=False, no_grad=True, decay=0.0)  # becomes the model: a copy
        yield self._case(rng, norm=False, no_grad=True, calls=2)
        yield self._case(rng, counts_differ=False, no_grad=True)
        yield self._case(rng, counts_differ=False, trainable=False)
        yield self._case(rng, counts_differ=False, no_grad=True, calls=2)
        yield self._case(rng, no_grad=True)
        yield self._case(rng)
        yield self._case(rng, no_grad=True, calls=2)
        yield self._case(rng, trainable=False)

    def _case(
        self,
        rng: Generator,
        *,
        norm: bool = True,
        counts_differ: bool = True,
        calls: int = 1,
        decay: float | None = None,
        trainable: bool = True,
        no_grad: bool = False,
    ) -> Case:
        inputs, width, count = (int(n) for n in rng.integers((1, 2, 50), (4, 4, 900)))

        def state(count: int) -> dict[str, Tensor]:
            state = layer_state(rng, "0", width, inputs)
            if norm:
                state |= norm_state(rng, width, "1.", mean_scale=1)
                state["1.num_batches_tracked"] = torch.tensor(count)
            return state

        later = int(rng.integers(20, 40)) if counts_differ else 0
        return {
            "average": state(count),
            "models": [state(count + later * (i + 1)) for i in range(calls)],
            "decay": round(float(rng.uniform(0.55, 0.95)), 3) if decay is None else decay,
            "trainable": trainable,
            "no_grad": no_grad,
        }

    def key(self, case: Case) -> Any:
        def after(name: str, rule: Rule) -> Tensor:
            value = case["average"][name]
            for model in case["models"]:
                value = rule(value, model[name], case["decay"])
            return value

        want = {name: after(name, _moved) for name in case["average"]}
        mistakes = {}
        for name in want:
            kind = FLOAT_MISTAKES
            if "running" in name:
                kind = STATISTIC_MISTAKES | FLOAT_MISTAKES
            elif "num_batches" in name:
                kind = COUNT_MISTAKES
            hints = {hint.format(name): rule for hint, rule in kind.items()}
            mistakes[name] = mistaken(hints, partial(after, name), want[name])
        return {"want": want, "mistakes": mistakes}


# --- 06.7 ----------------------------------------------------------------------------------------


@contextmanager
def _one_thread() -> Iterator[None]:
    """A sum depends on how many threads share it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _first_of(tensor: Tensor) -> float:
    return round(tensor.flatten()[0].item(), 4)


@_one_thread()
def _train_and_record(rng: Generator, missing: set[str]) -> Case:
    """Train a small model on three batches without the missing calls, and note what happens.

    It computes with float64 and notes four decimals: the same ones on every machine.
    """
    features, classes, size = 3, int(rng.integers(2, 4)), int(rng.integers(4, 7))
    norm = nn.BatchNorm1d(features, dtype=torch.float64)
    linear = nn.Linear(features, classes, dtype=torch.float64)
    norm.load_state_dict(norm_state(rng, features, mean_scale=1), strict=False)
    linear.load_state_dict({"weight": normal(rng, classes, features), "bias": torch.ones(classes)})
    model = nn.Sequential(norm, linear).train("train" not in missing)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    weight, means = linear.weight, norm.state_dict()["running_mean"]
    record: dict[str, Any] = {
        "model_device": "cpu",
        "images_device": "cpu",
        "weight": [_first_of(weight)],
        "gradient": [],
        "true_gradient": [],
        "running_mean": [_first_of(means)],
    }
    for _ in range(3):
        images, labels = normal(rng, size, features).double(), rng.integers(0, classes, size)
        if "zero_grad" not in missing:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(images), torch.from_numpy(labels))
        record["true_gradient"].append(
            _first_of(torch.autograd.grad(loss, weight, retain_graph=True)[0])
        )
        if "backward" not in missing:
            loss.backward()
        if "step" not in missing:
            optimizer.step()
        record["gradient"].append(0.0 if weight.grad is None else _first_of(weight.grad))
        record["weight"].append(_first_of(weight))
        record["running_mean"].append(_first_of(means))
    model.train("eval" in missing)
    with torch.set_grad_enabled("no_grad" in missing):
        logits = model(normal(rng, size, features).double())
    record["running_mean"].append(_first_of(means))
    return record | {"evaluation_graph": logits.requires_grad}


def _is_clear(record: Case, missing: set[str]) -> bool:
    """Return whether each number says plainly that something moved, or that nothing did."""
    true, means = record["true_gradient"], record["running_mean"]
    sums = [*true, true[0] + true[1], true[1] + true[2], sum(true), *np.diff(true)]
    moves = [] if {"step", "backward"} & missing else np.diff(record["weight"]).tolist()
    moves += [] if "train" in missing else [*np.diff(means[:4]), means[3] - means[0]]
    moves += [means[4] - means[3], means[4] - means[0]] if "eval" in missing else []
    return min(map(abs, sums)) > 0.02 and min(map(abs, moves), default=1) > 0.001


def _missing_calls(record: Case) -> set[str]:
    """What was forgotten, found from the record alone."""
    if record["model_device"] != record["images_device"]:
        return {"device"}
    weight, means = record["weight"], record["running_mean"]
    has_gradients = any(record["gradient"])
    signs = {
        "train": means[0] == means[3],
        "zero_grad": has_gradients and record["gradient"] != record["true_gradient"],
        "backward": not has_gradients,
        "step": has_gradients and weight[0] == weight[3],
        "eval": means[3] != means[4],
        "no_grad": record["evaluation_graph"],
    }
    return {call for call, holds in signs.items() if holds}


class Diagnose(Examiner):
    """Runs that forgot nothing, each call alone, and several at once."""

    id = "06.7"

    TOGETHER = (
        ("zero_grad", "eval"),
        ("train", "no_grad"),
        ("backward", "eval"),
        ("step", "zero_grad"),
        ("step", "train", "no_grad"),
        ("backward", "train"),
        ("zero_grad", "eval", "no_grad"),
    )

    def examples(self) -> Iterator[Case]:
        yield {"record": self._stopped("cuda:0", "cpu")}
        yield {"record": self._stopped("cpu", "mps:0")}

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._run(rng, ())
        for call in ("train", "zero_grad", "backward", "step", "eval", "no_grad"):
            yield self._run(rng, (call,))
        kind, first, second = rng.choice(["cuda", "xpu"]), *rng.permutation(8)[:2]
        yield {"record": self._stopped(f"{kind}:{first}", "cpu")}
        yield {"record": self._stopped("cpu", f"{kind}:{second}")}
        for missing in self.TOGETHER:
            yield self._run(rng, missing)
        yield self._run(rng, ())

    def _run(self, rng: Generator, missing: tuple[str, ...]) -> Case:
        record = _train_and_record(rng, {*missing})
        while not _is_clear(record, {*missing}):
            record = _train_and_record(rng, {*missing})
        return {"record": record}

    def _stopped(self, model_device: str, images_device: str) -> Case:
        """Nothing can be computed on two devices at once: the record is empty."""
        lists = ("weight", "gradient", "true_gradient", "running_mean")
        return {
            "model_device": model_device,
            "images_device": images_device,
            **{name: [] for name in lists},
            "evaluation_graph": False,
        }

    def key(self, case: Case) -> Any:
        return {"want": sorted(_missing_calls(case["record"]))}


EXAMINERS = [
    *(BatchNorm(), WarmUpAndCosine(), Dropout(), Augment(), Mixup(), UpdateAverage()),
    Diagnose(),
]
