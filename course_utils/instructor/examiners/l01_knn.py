"""What lecture 01 asks: distances, a vote with ties, k by cross-validation, top-k accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from ...exercises.core import Case
from ...exercises.l01_knn import MANY
from .core import Examiner, mistaken


def _tensor(array: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(dtype)


# --- 01.1 ----------------------------------------------------------------------------------------


def _l2(queries: Tensor, images: Tensor) -> Tensor:
    differences = queries.double()[:, None] - images.double()
    return differences.square().sum(dim=2).sqrt()


DISTANCE_MISTAKES: dict[str, Callable] = {
    "these are the squared distances: take the square root at the end": lambda q, x: _l2(
        q, x
    ).square(),
    "this is the sum of absolute differences (L1): the task asks for L2, with squares and a root": (
        lambda q, x: (q.double()[:, None] - x).abs().sum(dim=2)
    ),
    "you took the mean over the pixels: L2 adds up the squared differences": lambda q, x: (
        _l2(q, x) / q.shape[1] ** 0.5
    ),
    "these are dot products, not distances: the formula also needs the squared lengths": (
        lambda q, x: q.double() @ x.double().T
    ),
    "the squared length of the queries is missing from |a|² + |b|² - 2a·b": lambda q, x: (
        (_l2(q, x).square() - q.double().square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    ),
    "the squared length of the images is missing from |a|² + |b|² - 2a·b": lambda q, x: (
        (_l2(q, x).square() - x.double().square().sum(1)).clamp(min=0).sqrt()
    ),
}


class PairwiseDistances(Examiner):
    """Distances of few and of many images, also of images to themselves."""

    id = "01.1"

    def examples(self) -> Iterator[Case]:
        yield dict(
            queries=torch.tensor([[0.0, 0.0], [3.0, 4.0]]),
            images=torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]),
        )

    def cases(self, rng: Generator) -> Iterator[Case]:
        for queries, images, pixels in ((1, 5, 3), (5, 1, 3), (3, 4, 1), (4, 4, 6)):
            yield self._case(rng, queries, images, pixels)
        same = _tensor(rng.random((12, 150)))
        yield dict(queries=same, images=same.clone())
        for _ in range(5):
            yield self._case(rng, *(int(size) for size in rng.integers(2, 20, 3)))
        for _ in range(3):
            yield self._case(rng, MANY, int(rng.integers(MANY, MANY + 20)), 16)

    @staticmethod
    def _case(rng: Generator, queries: int, images: int, pixels: int) -> Case:
        numbers = rng.standard_normal((queries + images, pixels)) + 0.5
        return dict(queries=_tensor(numbers[:queries]), images=_tensor(numbers[queries:]))

    def key(self, case: Case) -> Any:
        want = _l2(**case).float()
        # Each mistake shows in a small case already: those with many images do without.
        hints = DISTANCE_MISTAKES if len(case["queries"]) < MANY else {}
        made = mistaken(hints, lambda make: make(*case.values()).float(), want)
        return dict(want=want, mistakes=made)


# --- 01.2 ----------------------------------------------------------------------------------------


def _nearest_labels(distances: Tensor, labels: Tensor, k: int) -> Tensor:
    """Labels (M, k) of the nearest images; of equal distances the lower index comes first."""
    return labels[distances.sort(dim=1, stable=True).indices[:, :k]]


def _votes(neighbor_labels: Tensor) -> Tensor:
    """How many neighbours each class has, (M, number of classes)."""
    counts = torch.zeros(len(neighbor_labels), int(neighbor_labels.max()) + 1, dtype=torch.int64)
    return counts.scatter_add_(1, neighbor_labels, torch.ones_like(neighbor_labels))


def _elected(neighbor_labels: Tensor) -> Tensor:
    return _votes(neighbor_labels).argmax(dim=1)


def _largest_label_in_a_tie(distances: Tensor, labels: Tensor, k: int) -> Tensor:
    votes = _votes(_nearest_labels(distances, labels, k))
    return votes.shape[1] - 1 - votes.flip(1).argmax(dim=1)


def _nearest_in_a_tie(distances: Tensor, labels: Tensor, k: int) -> Tensor:
    neighbor_labels = _nearest_labels(distances, labels, k)
    own_votes = _votes(neighbor_labels).gather(1, neighbor_labels)
    return neighbor_labels.gather(1, own_votes.argmax(dim=1, keepdim=True))[:, 0]


def _possible(distances: Tensor, labels: Tensor, k: int) -> Tensor | None:
    """For each row and label: whether it wins with some choice among images at equal distance.

    None where the choice is the same whatever one takes first: no two images compete for a place.
    """
    last = distances.sort(dim=1).values[:, k - 1 : k]
    classes = torch.eye(int(labels.max()) + 1, dtype=torch.int64)[labels]
    sure, tied = (distances < last).long() @ classes, (distances == last).long() @ classes
    free = k - sure.sum(dim=1)
    if bool((tied.sum(dim=1) == free).all()):
        return None
    return torch.stack([_can_win(*row) for row in zip(sure, tied, free, strict=True)])


def _can_win(sure: Tensor, tied: Tensor, free: Tensor) -> Tensor:
    """Which classes can have the most votes: ``sure`` (C,) and ``free`` of the ``tied`` (C,)."""
    own = sure + torch.minimum(tied, free)  # as many votes as a class can get
    classes = torch.arange(len(sure))
    most = own[:, None] - (classes < classes[:, None]).long()  # a smaller label must have fewer
    most[classes, classes] = own
    room = torch.minimum(most - sure, tied)
    return (room >= 0).all(dim=1) & (own > 0) & (room.sum(dim=1) >= free)


VOTE_MISTAKES: dict[str, Callable] = {
    "of labels with equally many votes the smallest wins, you return the largest": (
        _largest_label_in_a_tie
    ),
    "of labels with equally many votes the smallest wins, you return the label of the nearest": (
        _nearest_in_a_tie
    ),
    "these are the labels of the k images farthest away: sort the distances ascending": (
        lambda d, y, k: _elected(_nearest_labels(-d, y, k))
    ),
    "you look at the nearest image only: let the k nearest vote": (
        lambda d, y, k: _nearest_labels(d, y, 1)[:, 0]
    ),
    "you leave out the nearest image: it is one of the k": (
        lambda d, y, k: _elected(_nearest_labels(d, y, k + 1)[:, 1:])
    ),
    "you count one neighbour too few: k of them vote": (
        lambda d, y, k: _elected(_nearest_labels(d, y, max(k - 1, 1)))
    ),
    "you count one neighbour too many: k of them vote": (
        lambda d, y, k: _elected(_nearest_labels(d, y, k + 1))
    ),
    "this is the index of an image: look up its label": lambda d, y, k: d.argmin(dim=1),
    "you average the labels: they are names of classes, so count them": lambda d, y, k: (
        _nearest_labels(d, y, k).double().mean(dim=1).round()
    ),
    "every image votes: only the k nearest may": lambda d, y, k: _elected(
        _nearest_labels(d, y, len(y))
    ),
}


class PredictByVote(Examiner):
    """Votes with ties of distances and of labels."""

    id = "01.2"

    def examples(self) -> Iterator[Case]:
        # The lecture's example, chosen so that different mistakes give different answers.
        lecture = [[6, 5, 4, 3, 1, 2], [3, 2, 1, 5, 4, 6], [3, 2, 6, 1, 4, 5]]
        for k in (3, 4, 1, 6):
            labels = torch.tensor([4, 4, 0, 1, 1, 0])
            yield dict(distances=torch.tensor(lecture) / 10, labels=labels, k=k)
        # Four images at one distance compete for one place.
        competing = torch.tensor([3, 1, 4, 0, 2])
        yield dict(distances=torch.tensor([[1.0, 2, 2, 2, 2]]), labels=competing, k=2)
        equal = torch.tensor([[3.0, 1, 1, 1, 1, 1]])
        yield dict(distances=equal, labels=torch.tensor([4, 3, 1, 1, 0, 0]), k=3)
        tied = torch.tensor([[1.0, 2.0, 2.0]])
        yield dict(distances=tied, labels=torch.tensor([3, 1, 0]), k=2)

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):
            own = rng.permutation(int(rng.integers(4, 7))).tolist()
            own = own if own[0] else own[::-1]  # or label 0 would win each time
            yield self._one_apart(rng, own, 2, nearer=True)
            least, some, other = sorted(rng.choice(8, 3, replace=False).tolist())
            shared = [least, some, some, other, other, least]
            yield self._one_apart(rng, shared, 3, nearer=False)
        for size in rng.integers(20, 60, 12):
            images, classes = int(size), int(rng.integers(2, 6))
            distances = rng.random((20, images))
            if rng.random() < 0.5:  # few different distances, so that many are equal
                distances = distances.round(1)
            labels = _tensor(rng.integers(0, classes, images), torch.int64)
            yield dict(distances=_tensor(distances), labels=labels, k=int(rng.integers(2, 9)))

    @staticmethod
    def _one_apart(rng: Generator, labels: list[int], k: int, *, nearer: bool) -> Case:
        """All images but one are at the same distance: another one for each query."""
        step = rng.uniform(0.1, 0.9) * (-1 if nearer else 1)
        distances = rng.uniform(1, 2) + step * np.eye(len(labels))
        return dict(distances=_tensor(distances), labels=torch.tensor(labels), k=k)

    def key(self, case: Case) -> Any:
        want = _elected(_nearest_labels(*case.values()))
        made = mistaken(VOTE_MISTAKES, lambda make: make(*case.values()), want)
        possible = _possible(*case.values())
        return dict(want=want, mistakes=made) | (
            {} if possible is None else dict(possible=possible)
        )


# --- 01.3 ----------------------------------------------------------------------------------------


def _correct(case: Case, known: Tensor, asked: Tensor) -> list[int]:
    """For each k: how many of the images `asked` get their label from the images `known`."""
    images, labels = case["images"].double(), case["labels"]
    distances = (images[asked][:, None] - images[known]).square().sum(dim=2)
    return [
        int((_elected(_nearest_labels(distances, labels[known], k)) == labels[asked]).sum())
        for k in case["ks"]
    ]


def _folds_by_turn(case: Case) -> Tensor:
    return torch.arange(len(case["labels"])) % case["folds"]


def _folds_in_blocks(case: Case) -> Tensor:
    count = len(case["labels"])
    sizes = [len(part) for part in np.array_split(np.arange(count), case["folds"])]
    return torch.arange(case["folds"]).repeat_interleave(torch.tensor(sizes))


def _everything(inside: Tensor) -> Tensor:
    return torch.ones_like(inside)


def _cross_validated(
    case: Case,
    *,
    fold_of: Callable = _folds_by_turn,
    known: Callable = torch.logical_not,
    asked: Callable = torch.clone,
    used: slice = slice(None),
    average_folds: bool = False,
) -> list[float]:
    """Accuracy for each k. The options are the likely mistakes."""
    folds = fold_of(case)
    correct, sizes = [], []
    for fold in list(range(case["folds"]))[used]:
        inside = folds == fold
        sizes.append(int(asked(inside).sum()))
        correct.append(_correct(case, known(inside), asked(inside)))
    if average_folds:
        shares = [[n / size for n in row] for row, size in zip(correct, sizes, strict=True)]
        return [sum(column) / len(shares) for column in zip(*shares, strict=True)]
    return [sum(column) / sum(sizes) for column in zip(*correct, strict=True)]


FOLD_MISTAKES: dict[str, dict[str, Any]] = {
    "the validation fold is among the training images, so each image finds itself: leave it out": (
        dict(known=_everything)
    ),
    "you search in the fold and validate on the rest: it is the other way round": dict(
        known=torch.clone, asked=torch.logical_not
    ),
    "the folds are not those of the task: image i is in fold i % folds": dict(
        fold_of=_folds_in_blocks
    ),
    "divide all correct predictions by all images: the folds differ in size, and you average their "
    "accuracies": dict(average_folds=True),
    "only the first fold is validated: each fold has its turn": dict(used=slice(1)),
    "the first fold (number 0) never has its turn": dict(used=slice(1, None)),
    "the last fold never has its turn": dict(used=slice(-1)),
}


class ChooseK(Examiner):
    """Noisy clouds of images; k that are equally good; folds of a single image."""

    id = "01.3"

    def examples(self) -> Iterator[Case]:
        # One pixel: the dark images are class 0, the bright ones class 1, one of each is misplaced.
        pixels = torch.tensor([[10], [20], [30], [40], [160], [170], [180], [190]])
        yield dict(
            images=pixels.byte(),
            labels=torch.tensor([0, 0, 1, 0, 1, 1, 0, 1]),
            ks=[3, 1, 5],
            folds=4,
        )

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, images=21, ks=[2], folds=2)
        ks = [int(k) for k in rng.permutation([1, 3, 5])]
        yield self._case(rng, images=15, ks=ks, folds=15)  # each fold is a single image
        yield self._equally_good(rng)
        for _ in range(8):
            images, folds = int(rng.integers(30, 50)), int(rng.integers(2, 7))
            ks = [int(k) for k in rng.permutation(np.arange(1, 12))[:4]]
            yield self._case(rng, images, ks, folds)

    @staticmethod
    def _case(rng: Generator, images: int, ks: list[int], folds: int) -> Case:
        """Two noisy clouds of six pixels, in random order."""
        labels = rng.integers(0, 2, images)
        pixels = np.clip(110 + 36 * labels[:, None] + 50 * rng.standard_normal((images, 6)), 0, 255)
        return dict(
            images=_tensor(pixels.round(), torch.uint8),
            labels=_tensor(labels, torch.int64),
            ks=ks,
            folds=folds,
        )

    @staticmethod
    def _equally_good(rng: Generator) -> Case:
        """With each k the grey image alone gets a wrong label, that of the dark ones."""
        dark, bright = rng.choice(31, 6, replace=False), 255 - rng.choice(31, 6, replace=False)
        order = rng.permutation(13)
        pixels = np.array([*dark, rng.integers(80, 100), *bright])[order]
        return dict(
            images=_tensor(pixels[:, None], torch.uint8),
            labels=_tensor(np.repeat([0, 1], [6, 7])[order], torch.int64),
            ks=[int(k) for k in rng.permutation([1, 2, 3])],
            folds=4,
        )

    def key(self, case: Case) -> Any:
        want, ks, count = _cross_validated(case), case["ks"], len(case["labels"])
        equally_good = [k for k, a in zip(ks, want, strict=True) if a == max(want)]
        values = {
            "these are error rates: the accuracy is the share of correct predictions": (
                [1 - a for a in want]
            ),
            "these are percentages: give the accuracy as a share between 0 and 1": (
                [100 * a for a in want]
            ),
            "these are counts: divide by the number of images": [count * a for a in want],
            "the accuracies should come in the order of ks, also when ks is not sorted": (
                [a for _, a in sorted(zip(ks, want, strict=True))]
            ),
        }
        made = mistaken(FOLD_MISTAKES, lambda mistake: _cross_validated(case, **mistake), want)
        made |= mistaken(values, lambda value: value, want)
        return dict(
            want=want,
            best=min(equally_good),
            equally_good=equally_good,
            place=want.index(max(want)),
            mistakes=made,
        )


# --- 01.4 ----------------------------------------------------------------------------------------


def _ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before the true one; of equal scores the lower class comes first."""
    own = _own(scores, labels)
    lower = torch.arange(scores.shape[1]) < labels[:, None]
    return ((scores > own) | ((scores == own) & lower)).sum(dim=1)


def _share(hits: Tensor) -> float:
    return int(hits.sum()) / len(hits)


def _own(scores: Tensor, labels: Tensor) -> Tensor:
    return scores.gather(1, labels[:, None])


TOP_K_MISTAKES: dict[str, Callable] = {
    "you look at the k-th best class only: the label may be any of the k best": lambda s, y, k: (
        _share(_ranks(s, y) == k - 1)
    ),
    "you take one class too few: k of them count": lambda s, y, k: _share(_ranks(s, y) < k - 1),
    "you take one class too many: k of them count": lambda s, y, k: _share(_ranks(s, y) < k + 1),
    "of equal scores the lower class comes first; you let all of them in, so more than k classes "
    "can count": lambda s, y, k: _share((s > _own(s, y)).sum(dim=1) < k),
    "of equal scores the lower class comes first; you let none of them in": lambda s, y, k: _share(
        (s >= _own(s, y)).sum(dim=1) <= k
    ),
    "of equal scores the lower class comes first, you take the higher one": lambda s, y, k: _share(
        _ranks(s.flip(1), s.shape[1] - 1 - y) < k
    ),
    "this is the number of hits: divide by the number of images": lambda s, y, k: (
        len(y) * _share(_ranks(s, y) < k)
    ),
    "this is a percentage: return a share between 0 and 1": lambda s, y, k: (
        100 * _share(_ranks(s, y) < k)
    ),
    "each hit counts as one image, so divide by the number of images, not by k times as many": (
        lambda s, y, k: _share(_ranks(s, y) < k) / k
    ),
    "these are the k lowest scores: sort them descending": lambda s, y, k: _share(
        _ranks(-s, y) < k
    ),
    "you look at the best class only: the label may be any of the k best": lambda s, y, k: _share(
        _ranks(s, y) < 1
    ),
    "this is the error: 1 minus the accuracy": lambda s, y, k: 1 - _share(_ranks(s, y) < k),
}


class TopKAccuracy(Examiner):
    """Scores that differ, and votes, of which many are equal."""

    id = "01.4"
    IMAGES = (17, 19, 23, 29, 31, 37)  # primes: k of C classes is no share of so many images

    def examples(self) -> Iterator[Case]:
        # The votes of five neighbours for four classes; different mistakes give different answers.
        votes = [[0, 0, 4, 1], [0, 1, 4, 0], [0, 3, 2, 0], [1, 2, 2, 0]]
        votes += [[3, 1, 1, 0], [0, 1, 3, 1], [2, 1, 0, 2]]
        for k in (4, 3, 2, 1):
            labels = torch.tensor([3, 2, 1, 0, 3, 0, 2])
            yield dict(scores=torch.tensor(votes).float(), labels=labels, k=k)
        equal = torch.tensor([[1.0, 1, 1, 1], [2, 2, 1, 0], [0, 2, 2, 2], [1, 0, 1, 1]])
        for k in (1, 2):
            yield dict(scores=equal, labels=torch.tensor([1, 1, 3, 3]), k=k)
        tied = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.5, 0.0]])
        for k in (1, 2):
            yield dict(scores=tied, labels=torch.tensor([2, 1]), k=k)
        # Twenty classes: many ways to sort keep the order of equal numbers only up to sixteen.
        many = (torch.arange(20) % 2).float().repeat(14, 1)
        labels = torch.tensor([1, 3, 3, 5, 7, 7, 7, 9, 9, 9, 11, 13, 2, 2])
        yield dict(scores=many, labels=labels, k=5)

    def cases(self, rng: Generator) -> Iterator[Case]:
        for k in (1, 2):  # the best scores are equal nearly everywhere
            yield self._case(rng, rng.integers(0, 2, (int(rng.choice(self.IMAGES)), 4)), k)
        for number in range(12):
            images, classes = int(rng.choice(self.IMAGES)), int(rng.integers(4, 11))
            scores: np.ndarray = rng.standard_normal((images, classes))
            if number % 2:  # votes of five neighbours: many classes have equally many
                scores = rng.multinomial(5, np.ones(classes) / classes, images)
            yield self._case(rng, scores, int(rng.integers(1, 4)))

    @staticmethod
    def _case(rng: Generator, scores: np.ndarray, k: int) -> Case:
        labels = _tensor(rng.integers(0, scores.shape[1], len(scores)), torch.int64)
        return dict(scores=_tensor(scores), labels=labels, k=k)

    def key(self, case: Case) -> Any:
        want = _share(_ranks(case["scores"], case["labels"]) < case["k"])
        made = mistaken(TOP_K_MISTAKES, lambda make: make(*case.values()), want)
        return dict(want=want, mistakes=made)


EXAMINERS = [PairwiseDistances(), PredictByVote(), ChooseK(), TopKAccuracy()]
