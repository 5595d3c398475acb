"""Lecture 01: distances without loops, a vote with ties, k by cross-validation, top-k accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from .core import (
    Case,
    Exercise,
    Verdict,
    Watch,
    describe,
    right,
    same_number,
    same_tensor,
    tensor_problem,
    wrong,
)
from .shared import first_mistake


def _tensor(array: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(dtype)


class _Shown(Exercise):
    """An exercise whose message shows small tensors with their numbers."""

    def describe(self, case: Case) -> str:
        small = {
            name: [[round(x, 3) for x in row] for row in value.tolist()]
            if value.ndim == 2
            else value.tolist()
            for name, value in case.items()
            if isinstance(value, Tensor) and value.numel() <= 28
        }
        return super().describe({**case, **small})


# --- 01.1 ----------------------------------------------------------------------------------------

# Float32 rounding is visible in |a|² + |b|² - 2a·b where two images are equal.
DISTANCE_TOLERANCE = 2e-3
MOST_CALLS = 40  # of PyTorch; a loop over the 60 queries of the largest case needs more


def _l2(queries: Tensor, images: Tensor) -> Tensor:
    differences = queries.double()[:, None] - images.double()
    return differences.square().sum(dim=2).sqrt()


def _same_distances(result: Any, want: Tensor) -> bool:
    return same_tensor(result, want, DISTANCE_TOLERANCE)


DISTANCE_MISTAKES = {
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


class PairwiseDistances(_Shown):
    """The answer: `(queries (M, P), images (N, P))` → distances (M, N)."""

    id, points, title = "01.1", 5, "Distances between all pairs, without loops"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield dict(
            queries=torch.tensor([[0.0, 0.0], [3.0, 4.0]]),
            images=torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]),
        )
        for queries, images, pixels in ((1, 5, 3), (5, 1, 3), (3, 4, 1), (4, 4, 6)):
            yield self._case(rng, queries, images, pixels)
        same = _tensor(rng.random((12, 300)))
        yield dict(queries=same, images=same.clone())
        for _ in range(5):
            yield self._case(rng, *(int(size) for size in rng.integers(2, 20, 3)))
        for _ in range(3):
            yield self._case(rng, 60, int(rng.integers(70, 90)), 16)

    @staticmethod
    def _case(rng: Generator, queries: int, images: int, pixels: int) -> Case:
        numbers = rng.standard_normal((queries + images, pixels)) + 0.5
        return dict(queries=_tensor(numbers[:queries]), images=_tensor(numbers[queries:]))

    def run(self, answer: Any, case: Case) -> Any:
        with Watch() as calls:
            distances = answer(case["queries"], case["images"])
        return dict(distances=distances, calls=len(calls.calls))

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        result = result if isinstance(result, dict) else {}
        distances, calls = result.get("distances"), result.get("calls")
        want = _l2(case["queries"], case["images"])
        if _same_distances(distances, want):
            if len(case["queries"]) < 60 or (type(calls) is int and calls <= MOST_CALLS):
                return right()
            return wrong(
                f"the distances are right, but there is a loop: PyTorch was called {calls} times. "
                "Let it work on all pairs at once, by broadcasting or by one matrix product"
            )
        return wrong(self._hint(case, distances, want))

    def _hint(self, case: Case, distances: Any, want: Tensor) -> str:
        (queries, pixels), images = case["queries"].shape, len(case["images"])
        if isinstance(distances, Tensor) and distances.is_floating_point():
            if tuple(distances.shape) == (queries, images, pixels):
                return "the last dimension still holds the pixels: sum over it"
            if _same_distances(distances.T, want):
                return "the result is transposed: one row for each query, one column for each image"
            if distances.isnan().any() and distances.shape == want.shape:
                return (
                    "some distances are NaN: rounding makes |a|² + |b|² - 2a·b slightly negative, "
                    "and a negative number has no root. Use .clamp(min=0) first"
                )
            mistakes = {hint: make(*case.values()) for hint, make in DISTANCE_MISTAKES.items()}
            if hint := first_mistake(distances, mistakes, same=_same_distances):
                return hint
        return str(tensor_problem(distances, want, DISTANCE_TOLERANCE))


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


def _higher_index_first(distances: Tensor, labels: Tensor, k: int) -> Tensor:
    return _elected(_nearest_labels(distances.flip(1), labels.flip(0), k))


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
    "of images at the same distance the lower index comes first: use sort(..., stable=True)": (
        _higher_index_first
    ),
    "this is the index of an image: look up its label": lambda d, y, k: d.argmin(dim=1),
    "you average the labels: they are names of classes, so count them": lambda d, y, k: (
        _nearest_labels(d, y, k).double().mean(dim=1).round()
    ),
    "every image votes: only the k nearest may": lambda d, y, k: _elected(
        _nearest_labels(d, y, len(y))
    ),
}


class PredictByVote(_Shown):
    """The answer: `(distances (M, N), labels (N,), k)` → labels (M,)."""

    id, points, title = "01.2", 5, "Prediction by vote, with ties"

    def cases(self, rng: Generator) -> Iterator[Case]:
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
        for size in rng.integers(20, 60, 12):
            images, classes = int(size), int(rng.integers(2, 6))
            distances = rng.random((30, images))
            if rng.random() < 0.5:  # few different distances, so that many are equal
                distances = distances.round(1)
            labels = _tensor(rng.integers(0, classes, images), torch.int64)
            yield dict(distances=_tensor(distances), labels=labels, k=int(rng.integers(2, 9)))

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        distances, labels, k = case["distances"], case["labels"], case["k"]
        want = _elected(_nearest_labels(distances, labels, k))
        if same_tensor(result, want, 0):
            return right()
        hint = first_mistake(result, VOTE_MISTAKES, lambda make: make(distances, labels, k))
        return wrong(hint or self._other_hint(result, want))

    @staticmethod
    def _other_hint(result: Any, want: Tensor) -> str:
        problem = str(tensor_problem(result, want, 0))
        if not isinstance(result, Tensor) or result.shape != want.shape:
            return problem
        share = int((result == want).sum())
        return f"{share} of {len(want)} predictions are right: take the k nearest and count labels"


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


FOLD_MISTAKES = {
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
VALUE_MISTAKES: dict[str, Callable] = {
    "these are error rates: the accuracy is the share of correct predictions": lambda a, n: 1 - a,
    "these are percentages: give the accuracy as a share between 0 and 1": lambda a, n: 100 * a,
    "these are counts: divide by the number of images": lambda a, n: n * a,
}


class ChooseK(_Shown):
    """The answer: `(images (N, P), labels (N,), ks, folds)` → (best k, accuracy of each k)."""

    id, points, title = "01.3", 6, "Choose k by cross-validation"

    def cases(self, rng: Generator) -> Iterator[Case]:
        # One pixel: the dark images are class 0, the bright ones class 1, one of each is misplaced.
        pixels = torch.tensor([[10], [20], [30], [40], [160], [170], [180], [190]])
        yield dict(
            images=pixels.byte(),
            labels=torch.tensor([0, 0, 1, 0, 1, 1, 0, 1]),
            ks=[3, 1, 5],
            folds=4,
        )
        yield self._case(rng, images=12, ks=[2], folds=2)
        yield self._case(rng, images=10, ks=[5, 3, 1], folds=10)  # each fold is a single image
        yield dict(  # all k are equally good
            images=torch.tensor([[0], [1], [2], [3], [252], [253], [254], [255]]).byte(),
            labels=torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]),
            ks=[3, 1, 2],
            folds=4,
        )
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

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 2:
            return wrong(f"return two things, best_k and accuracies, not {describe(result)}")
        best, accuracies = result
        want = _cross_validated(case)
        if not self._same(accuracies, want):
            return wrong(self._hint(case, accuracies, want))
        equally_good = [k for k, a in zip(case["ks"], want, strict=True) if a == max(want)]
        if same_number(best, min(equally_good)):
            return right()
        if any(same_number(best, k) for k in equally_good):
            return wrong("of several k with the best accuracy return the smallest")
        if same_number(best, want.index(max(want))):
            return wrong("best_k is a position in the list ks: return the k that stands there")
        return wrong(
            "the accuracies are right, but best_k should be the k with the highest of them, "
            f"not {describe(best)}"
        )

    @staticmethod
    def _same(accuracies: Any, want: list[float]) -> bool:
        return (
            isinstance(accuracies, list)
            and len(accuracies) == len(want)
            and all(same_number(a, b, 1e-6) for a, b in zip(accuracies, want, strict=True))
        )

    def _hint(self, case: Case, accuracies: Any, want: list[float]) -> str:
        if not isinstance(accuracies, list) or len(accuracies) != len(want):
            return f"accuracies should be a list of {len(want)} numbers, one for each k"
        if any(type(accuracy) not in (int, float) for accuracy in accuracies):
            return "the accuracies should be Python numbers: .item() takes one out of a tensor"
        count = len(case["labels"])
        for mistakes, make in (
            (FOLD_MISTAKES, lambda m: _cross_validated(case, **m)),
            (VALUE_MISTAKES, lambda m: [m(accuracy, count) for accuracy in want]),
        ):
            if hint := first_mistake(accuracies, mistakes, make, self._same):
                return hint
        if self._same(accuracies, [a for _, a in sorted(zip(case["ks"], want, strict=True))]):
            return "the accuracies should come in the order of ks, also when ks is not sorted"
        first = next(i for i, a in enumerate(want) if not same_number(accuracies[i], a, 1e-6))
        return (
            f"for k={case['ks'][first]} the accuracy is {want[first]:.4f}, "
            f"you have {describe(accuracies[first])}"
        )


# --- 01.4 ----------------------------------------------------------------------------------------


def _ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before the true one; of equal scores the lower class comes first."""
    own = scores.gather(1, labels[:, None])
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


class TopKAccuracy(_Shown):
    """The answer: `(scores (N, C), labels (N,), k)` → float."""

    id, points, title = "01.4", 4, "Top-1 and top-k accuracy"

    def cases(self, rng: Generator) -> Iterator[Case]:
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
        for number in range(10):
            images, classes = int(rng.integers(15, 40)), int(rng.integers(4, 11))
            scores: np.ndarray = rng.standard_normal((images, classes))
            if number % 2:  # votes of five neighbours: many classes have equally many
                scores = rng.multinomial(5, np.ones(classes) / classes, images)
            labels = _tensor(rng.integers(0, classes, images), torch.int64)
            yield dict(scores=_tensor(scores), labels=labels, k=int(rng.integers(1, 4)))

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        scores, labels, k = case["scores"], case["labels"], case["k"]
        want = _share(_ranks(scores, labels) < k)
        if same_number(result, want, 1e-6):
            return right()
        if isinstance(result, Tensor):
            return wrong("return a Python number: .item() takes it out of the tensor")
        hint = first_mistake(
            result,
            TOP_K_MISTAKES,
            lambda make: make(scores, labels, k),
            lambda have, need: same_number(have, need, 1e-4),
        )
        return wrong(hint or f"expected {want:.4f}, got {describe(result)}")


EXERCISES = [PairwiseDistances(), PredictByVote(), ChooseK(), TopKAccuracy()]
