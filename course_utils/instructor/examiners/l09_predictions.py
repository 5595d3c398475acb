"""What lecture 09 asks: top-k error, pictures, sure mistakes, calibration, Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...exercises.core import Case
from ...exercises.l09_predictions import parts
from .core import Examiner, mistaken
from .tensors import layer_state, normal


def _labels(rng: Generator, count: int, classes: int) -> Tensor:
    return torch.from_numpy(rng.integers(0, classes, count))


def _probabilities(rng: Generator, count: int, classes: int, scale: float = 2.0) -> Tensor:
    return normal(rng, count, classes, scale=scale).softmax(1)


def _of_two(sure: Tensor) -> Tensor:
    """Probabilities of two classes: this much for the first one."""
    return torch.stack([sure, 1 - sure], dim=1)


# --- 09.1 ----------------------------------------------------------------------------------------


def _top_k_error(case: Case, *, ties: str = "lower", k: int | None = None) -> float:
    """The share of images whose label is not among the k best; ``ties`` decides equal scores."""
    scores, labels = case["scores"], case["labels"]
    k = case["k"] if k is None else k
    own = scores.gather(1, labels[:, None])
    better = (scores > own).sum(1)
    equal = scores == own
    classes = torch.arange(scores.shape[1])
    rank = {
        "lower": better + (equal & (classes < labels[:, None])).sum(1),
        "higher": better + (equal & (classes > labels[:, None])).sum(1),
        "for": better,
        "against": better + equal.sum(1) - 1,
    }[ties]
    return (rank >= k).double().mean().item()


class AskTopKError(Examiner):
    """Scores with and without ties. No luck with a tie gives the right error."""

    id = "09.1"

    def examples(self) -> Iterator[Case]:
        animals = torch.tensor([0.1, 0.6, 0.05, 0.05, 0.2]).repeat(5, 1)
        for asked, k in (
            ([1, 4, 4, 2, 3], 1),
            ([1, 4, 4, 2, 3], 2),
            ([1, 4, 4, 3, 3], 4),  # classes 2 and 3 are equal, and the lower one comes first:
            ([1, 4, 4, 2, 2], 4),  # 3 is out, 2 is in
            ([1, 4, 4, 2, 3], 5),
        ):
            yield {"scores": animals, "labels": torch.tensor(asked), "k": k}

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):  # all classes equal, as from a network that knows nothing
            level = int(rng.integers(-9, 10))
            yield self._tied(rng, torch.full((int(rng.integers(20, 26)),), level).float())
        for _ in range(4):
            best = torch.from_numpy(rng.permutation(int(rng.integers(24, 30))) < 20).float()
            yield self._tied(rng, best * int(rng.integers(1, 10)))
        for place in range(10):
            count, classes = (int(n) for n in rng.integers((1, 3), (30, 8)))
            scores = normal(rng, count, classes)
            k = classes if place == 0 else int(rng.integers(1, classes + 1))
            yield {"scores": scores, "labels": _labels(rng, count, classes), "k": k}

    def _tied(self, rng: Generator, scores: Tensor) -> Case:
        """All images have these scores, whose largest is there about twenty times.

        The first k of these classes have two images each, the others one. So every other choice of
        k classes gives a larger error. With so many, no sort keeps their order by itself.
        """
        best = (scores == scores.max()).nonzero().flatten()
        k = int(rng.integers(3, 9))
        labels = torch.cat([best, best[:k]])
        labels = labels[torch.from_numpy(rng.permutation(len(labels)))]
        return {"scores": scores.repeat(len(labels), 1), "labels": labels, "k": k}

    def key(self, case: Case) -> Any:
        want = _top_k_error(case)
        mistakes = {
            "this is the accuracy; the error is the share of images that are wrong": 1 - want,
            "return a share between 0 and 1, not percent": 100 * want,
            "return a share: divide the number of errors by the number of images": (
                want * len(case["labels"])
            ),
            "this is the top-1 error: look at the k best classes": _top_k_error(case, k=1),
            "at a tie the lower class number comes first: compare with argsort(stable=True)": [
                _top_k_error(case, ties=ties) for ties in ("for", "against", "higher")
            ],
            "k classes count, not k + 1 and not k - 1": [
                _top_k_error(case, k=case["k"] + step) for step in (1, -1)
            ],
        }
        return {"want": want, "mistakes": mistakes}


# --- 09.2 ----------------------------------------------------------------------------------------


def _per_channel(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None, None]


def _pictures(case: Case) -> Tensor:
    """The right result before ``permute``: values from 0 to 1, (N, C, H, W)."""
    images = case["images"] * _per_channel(case["std"]) + _per_channel(case["mean"])
    return images.clamp(0, 1)


def _stretched(images: Tensor, *dims: int) -> Tensor:
    low, high = images.amin(dims, keepdim=True), images.amax(dims, keepdim=True)
    return (images - low) / (high - low)


class AskPictures(Examiner):
    """Normalised images, grey and with up to five channels."""

    id = "09.2"

    def cases(self, rng: Generator) -> Iterator[Case]:
        course = ([0.374, 0.377, 0.368], [0.315, 0.272, 0.282])
        yield self._case(rng, (2, 3, 4, 5), *course)
        yield self._case(rng, (2, 3, 3, 3), *course)  # every side could be the channels
        yield self._case(rng, (1, 1, 6, 4), [0.286], [0.353])  # grey
        for _ in range(6):
            count, channels, height, width = (int(n) for n in rng.integers((1, 1, 2, 2), 6))
            mean, std = rng.uniform(0.2, 0.8, channels), rng.uniform(0.1, 0.4, channels)
            yield self._case(rng, (count, channels, height, width), mean.tolist(), std.tolist())

    def _case(self, rng: Generator, shape: tuple, mean: list, std: list) -> Case:
        pixels = torch.from_numpy(rng.uniform(-0.02, 1.02, shape).astype(np.float32))
        images = (pixels - _per_channel(mean)) / _per_channel(std)
        return {"images": images, "mean": mean, "std": std}

    def key(self, case: Case) -> Any:
        pictures = _pictures(case)
        want = pictures.permute(0, 2, 3, 1)
        return {"want": want, "mistakes": _picture_mistakes(case, pictures)}


def _picture_mistakes(case: Case, pictures: Tensor) -> dict[str, Any]:
    images, mean, std = case["images"], _per_channel(case["mean"]), _per_channel(case["std"])
    count, channels, height, width = images.shape

    def last(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)

    stretched = [_stretched(images, *dims) for dims in ((1, 2, 3), (2, 3), (0, 1, 2, 3))]
    return {
        "the channels come last in a picture: permute the axes": pictures,
        "reshape and view leave the numbers in their order: move the axes with permute": (
            pictures.reshape(count, height, width, channels)
        ),
        "height and width changed places: permute(0, 2, 3, 1)": pictures.permute(0, 3, 2, 1),
        "this is min-max stretching: undo the normalisation with mean and std instead": [
            y for x in stretched for y in (last(x), x)
        ],
        "undo the last step first: times std, then plus mean": last(
            ((images + mean) * std).clamp(0, 1)
        ),
        "this normalises once more: multiply by std and add mean": [
            last(x) for y in [(images - mean) / std] for x in (y, y.clamp(0, 1))
        ],
        "mean and std changed places": last((images * mean + std).clamp(0, 1)),
        "values below 0 and above 1 are no colours: end with clamp(0, 1)": last(
            images * std + mean
        ),
    }


# --- 09.3 ----------------------------------------------------------------------------------------


def _order(case: Case, which: Tensor, key: Tensor, *, descending: bool = True) -> Tensor:
    """The first n of the positions in ``which``, by ``key``; the earlier one at a tie."""
    order = key[which].argsort(descending=descending, stable=True)
    return which[order][: case["n"]]


class AskSureMistakes(Examiner):
    """Predictions of which some, one or none is wrong."""

    id = "09.3"

    def examples(self) -> Iterator[Case]:
        sure = torch.tensor([0.9, 0.6, 0.8, 0.8, 0.99])  # two wrong ones equally sure, one right
        yield {"probabilities": _of_two(sure), "labels": torch.tensor([1, 1, 1, 1, 0]), "n": 3}

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):
            yield from self._equally_sure(rng, int(rng.integers(6, 10)))
        for _ in range(2):  # many ways to sort keep the order of equal numbers only up to sixteen
            count = int(rng.integers(36, 50))
            sure = 0.75 + torch.from_numpy(rng.permutation(count) % 2) / 8
            labels = torch.ones(count, dtype=torch.int64)
            yield {"probabilities": _of_two(sure), "labels": labels, "n": int(rng.integers(4, 9))}
        for _ in range(10):
            count, classes = (int(n) for n in rng.integers((8, 2), (40, 7)))
            probabilities = _probabilities(rng, count, classes)
            labels, n = _labels(rng, count, classes), int(rng.integers(2, 8))
            yield {"probabilities": probabilities, "labels": labels, "n": n}

    def _equally_sure(self, rng: Generator, count: int) -> Iterator[Case]:
        """Two levels of confidence, not sorted; most predictions are wrong, or one, or none."""
        low, high = sorted(rng.choice([0.625, 0.75, 0.875, 1.0], 2, replace=False))
        is_high = torch.tensor([0, *rng.integers(0, 2, count - 3), 1, 1])
        two = _of_two(torch.where(is_high == 1, high, low).float())
        everyone, one = torch.arange(count), int(rng.integers(1, count - 2))
        n = int(is_high.sum() - is_high[one]) + 1
        for wrongs in (everyone != one, everyone == one, everyone < 0):
            yield {"probabilities": two, "labels": wrongs.long(), "n": n}

    def key(self, case: Case) -> Any:
        confidence, predicted = case["probabilities"].max(1)
        wrongs = (predicted != case["labels"]).nonzero().flatten()
        mistakes = _order_mistakes(case, wrongs, confidence)
        return {"want": _order(case, wrongs, confidence), "mistakes": mistakes}


def _order_mistakes(case: Case, wrongs: Tensor, confidence: Tensor) -> dict[str, Any]:
    everyone = torch.arange(len(confidence))
    rights = everyone[~torch.isin(everyone, wrongs)]
    own = case["probabilities"].gather(1, case["labels"][:, None]).flatten()
    inside = confidence[wrongs].argsort(descending=True, stable=True)
    late = wrongs.flip(0)[confidence[wrongs].flip(0).argsort(descending=True, stable=True)]
    return {
        "these are all images by confidence: keep the wrong ones only": _order(
            case, everyone, confidence
        ),
        "these are the right ones: predicted and label must differ": _order(
            case, rights, confidence
        ),
        "these are places in the list of mistakes: look up wrong[order] to get positions": (
            inside[: case["n"]]
        ),
        "the surest mistake comes first: sort with descending=True": [
            _order(case, wrongs, confidence, descending=False),
            _order(case, wrongs, confidence).flip(0),
        ],
        "sort by the confidence, not by the probability of the true class": _order(
            case, wrongs, own, descending=False
        ),
        "these are the first mistakes: sort them by confidence": wrongs[: case["n"]],
        "give only the first n": _order(case | {"n": len(wrongs)}, wrongs, confidence),
        "of equally sure ones the earlier comes first: argsort(..., stable=True)": late[
            : case["n"]
        ],
    }


# --- 09.4 ----------------------------------------------------------------------------------------


def _bins(case: Case, *, below: bool = False, of_label: bool = False) -> tuple[Tensor, ...]:
    """Counts, sums of confidences and sums of right ones in the bins, float64."""
    probabilities, labels, bins = case["probabilities"].double(), case["labels"], case["bins"]
    confidence, predicted = probabilities.max(1)
    if of_label:
        confidence = probabilities.gather(1, labels[:, None]).flatten()
    edges = torch.arange(1, bins, dtype=torch.float64) / bins
    place = torch.bucketize(confidence, edges, right=below)
    correct = (predicted == labels).double()
    weights = (torch.ones_like(correct), confidence, correct)
    return tuple(torch.bincount(place, w, minlength=bins) for w in weights)


class AskCalibrationError(Examiner):
    """Bins with edges that are met, empty bins, and a single bin."""

    id = "09.4"

    def examples(self) -> Iterator[Case]:
        two = _of_two(torch.tensor([0.75, 0.75, 0.75, 0.75, 0.625, 1.0]))
        labels = torch.tensor([0, 1, 0, 1, 0, 1])
        yield {"probabilities": two, "labels": labels, "bins": 4}  # 0.75 lies on an edge
        yield {"probabilities": two, "labels": labels, "bins": 8}  # empty bins

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):
            yield self._on_an_edge(rng)
        for place in range(10):
            count, classes = (int(n) for n in rng.integers((20, 2), (60, 6)))
            probabilities = _probabilities(rng, count, classes)
            labels = _labels(rng, count, classes)
            likely = torch.from_numpy(rng.random(count)) < 0.6
            labels = torch.where(likely, probabilities.argmax(1), labels)
            bins = 1 if place == 0 else int(rng.integers(2, 16))
            yield {"probabilities": probabilities, "labels": labels, "bins": bins}

    def _on_an_edge(self, rng: Generator) -> Case:
        """Confidences of 0.75, too sure; below them right ones, above them wrong ones."""
        middle, low, high = (int(n) for n in rng.integers((3, 1, 1), (7, 4, 3)))
        hits = int(rng.integers(0, middle // 2 + 1))
        sure = torch.tensor([0.75] * middle + [0.625] * low + [1.0] * high)
        labels = torch.tensor([0] * hits + [1] * (middle - hits) + [0] * low + [1] * high)
        order = torch.from_numpy(rng.permutation(len(sure)))
        return {"probabilities": _of_two(sure[order]), "labels": labels[order], "bins": 4}

    def key(self, case: Case) -> Any:
        counts, sure, correct = _bins(case)
        want = ((sure - correct).abs().sum() / counts.sum()).item()
        return {"want": want, "mistakes": _calibration_mistakes(case)}


def _calibration_mistakes(case: Case) -> dict[str, Any]:
    counts, sure, correct = _bins(case)
    full = counts > 0
    gaps = ((sure - correct) / counts)[full]
    total = counts.sum()

    def weighted(**mistake: bool) -> float:
        sizes, confidence, hits = _bins(case, **mistake)
        return ((confidence - hits).abs().sum() / sizes.sum()).item()

    signed = (sure - correct).sum().item() / total.item()
    return {
        "a bin's gap has no sign: take its absolute value before you add": [signed, -signed],
        "the gap of the whole set is not enough: add the absolute gaps of the bins": (abs(signed)),
        "weigh each gap by the share of the images in its bin": [
            gaps.abs().mean().item(),
            gaps.abs().sum().item(),
            gaps.abs().sum().item() / case["bins"],
        ],
        "this is the largest gap; the mean of the gaps is asked for": gaps.abs().max().item(),
        "divide by the number of images": (sure - correct).abs().sum().item(),
        "the confidence is the largest probability, not that of the true class": weighted(
            of_label=True
        ),
        "a confidence on an edge belongs to the lower bin: low < confidence <= high": weighted(
            below=True
        ),
        "square nothing: the gap is an absolute difference": (
            (gaps**2 * counts[full]).sum() / total
        ).item(),
    }


# --- 09.5 ----------------------------------------------------------------------------------------


class AskGradCam(Examiner):
    """Small networks in two parts."""

    id = "09.5"
    mistakes: dict[str, dict[str, Any]] = {
        "the maps are there, ReLU is missing: keep only what speaks for the class": dict(
            relu=False
        ),
        "the gradient of the class that was asked about, not of the predicted one": dict(
            target="predicted"
        ),
        "take the gradient of the logit, not of the probability": dict(target="probability"),
        "take the gradient of the logit, not of the loss": dict(target="loss"),
        "take the gradient of one logit an image, not of all classes together": dict(target="all"),
        "each map has one weight: the mean of its gradient over height and width": dict(
            weigh=lambda g: g
        ),
        "the weight is the mean of the gradient over the pixels, not the sum": dict(
            weigh=lambda g: g.sum((2, 3), keepdim=True)
        ),
        "each image has weights of its own: do not take the mean over the images": dict(
            weigh=lambda g: g.mean((0, 2, 3), keepdim=True)
        ),
        "the weight of a map keeps its sign: ReLU belongs to the sum": dict(
            weigh=lambda g: g.mean((2, 3), keepdim=True).relu()
        ),
        "the gradient is missing: weigh the maps before you add them": dict(weigh=torch.ones_like),
        "add the weighted maps: the sum over the channels, not the mean": dict(add=torch.mean),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, count=1, size=(6, 6))
        yield self._case(rng, count=4, size=(6, 8))
        for _ in range(6):
            height, width = (2 * int(n) for n in rng.integers(2, 5, 2))
            yield self._case(rng, count=int(rng.integers(2, 6)), size=(height, width))

    def _case(self, rng: Generator, *, count: int, size: tuple[int, int]) -> Case:
        height, width = size
        channels, hidden, classes = (int(n) for n in rng.integers((2, 2, 3), 6))
        read = hidden * (height // 2) * (width // 2)
        shapes = {"first": (channels, 3, 3, 3), "second": (hidden, channels, 3, 3)}
        state: dict[str, Tensor] = {}
        for name, shape in (shapes | {"last": (classes, read)}).items():
            state |= layer_state(rng, name, *shape)
        images, labels = normal(rng, count, 3, height, width), _labels(rng, count, classes)
        case = {"state": state, "images": images, "classes": labels}
        if (self._maps(case) > 0).any():
            return case
        return self._case(rng, count=count, size=size)  # nothing speaks for these classes

    def key(self, case: Case) -> Any:
        want = self._maps(case)
        made = mistaken(self.mistakes, lambda mistake: self._maps(case, **mistake), want)
        return {"want": want, "mistakes": made}

    def _maps(
        self,
        case: Case,
        *,
        relu: bool = True,
        add: Callable = torch.sum,
        target: str = "logit",
        weigh: Callable[[Tensor], Tensor] = lambda g: g.mean((2, 3), keepdim=True),
    ) -> Tensor:
        """Grad-CAM; the options are the likely mistakes."""
        features, head = parts(case["state"])
        maps = features(case["images"])
        logits, classes = head(maps), case["classes"]
        if target == "predicted":
            classes = logits.argmax(1)
        scores = logits.softmax(1) if target == "probability" else logits
        chosen = scores.gather(1, classes[:, None]).sum()
        if target == "loss":
            chosen = F.cross_entropy(logits, classes, reduction="sum")
        elif target == "all":
            chosen = logits.sum()
        (gradient,) = torch.autograd.grad(chosen, maps)
        result = add(weigh(gradient) * maps.detach(), 1)
        return result.relu() if relu else result


EXAMINERS = [
    AskTopKError(),
    AskPictures(),
    AskSureMistakes(),
    AskCalibrationError(),
    AskGradCam(),
]
