"""Lecture 01: distances without loops, a vote with ties, k by cross-validation, top-k accuracy."""

from __future__ import annotations

from typing import Any

import torch
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
from .shared import first_mistake, has_ties


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
MANY = 50  # queries: a loop over them shows in how often PyTorch is called
MOST_CALLS = 40
OTHER_LIBRARIES = {"scipy", "sklearn"}  # both have all distances in one call


def _same_distances(result: Any, want: Tensor) -> bool:
    return same_tensor(result, want, DISTANCE_TOLERANCE)


class PairwiseDistances(_Shown):
    """The answer: `(queries (M, P), images (N, P))` → distances (M, N)."""

    id, points, title = "01.1", 5, "Distances between all pairs, without loops"
    no_loops = True
    watches_packages = True
    ready_made = (
        *("cdist", "_cdist_forward", "_euclidean_dist", "pdist", "_pdist_forward"),
        *("pairwise_distance", "PairwiseDistance"),
        *("euclidean_distances", "pairwise_distances", "distance_matrix"),  # sklearn's and scipy's
    )
    ready_made_hint = (
        "the distances are right, but they come ready-made, from torch.cdist or another library: "
        "write them yourself, with a matrix product or by broadcasting"
    )

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if _same_distances(result, key["want"]):
            return right()
        return wrong(self._hint(case, key, result))

    def objection(self, case: Case, watch: Watch) -> str:
        if watch.packages & OTHER_LIBRARIES:
            return self.ready_made_hint
        if objection := super().objection(case, watch):
            return objection
        calls = len(watch.calls)
        if len(case["queries"]) < MANY or calls <= MOST_CALLS:
            return ""
        return (
            f"the distances are right, but there is a loop: PyTorch was called {calls} times. "
            "Let it work on all pairs at once, by broadcasting or by one matrix product"
        )

    def _hint(self, case: Case, key: Any, distances: Any) -> str:
        (queries, pixels), images = case["queries"].shape, len(case["images"])
        want = key["want"]
        if isinstance(distances, Tensor) and distances.is_floating_point():
            if tuple(distances.shape) == (queries, images, pixels):
                return "the last dimension still holds the pixels: sum over it"
            if distances.ndim == 2 and _same_distances(distances.T, want):
                return "the result is transposed: one row for each query, one column for each image"
            if distances.isnan().any() and distances.shape == want.shape:
                return (
                    "some distances are NaN: rounding makes |a|² + |b|² - 2a·b slightly negative, "
                    "and a negative number has no root. Use .clamp(min=0) first"
                )
            if hint := first_mistake(distances, key["mistakes"], same=_same_distances):
                return hint
        return str(tensor_problem(distances, want, DISTANCE_TOLERANCE))


# --- 01.2 ----------------------------------------------------------------------------------------

TIED_DISTANCES = (
    "your votes are counted well, but not over the right images: several are at the same distance, "
    "and of these the lower index comes first. topk does not see to that, nor does sort or argsort "
    "without stable=True"
)


class PredictByVote(_Shown):
    """The answer: `(distances (M, N), labels (N,), k)` → labels (M,).

    Where images at one distance compete for the last place, a key also holds ``possible``: for each
    row and label (M, C), whether some choice among these images elects the label.
    """

    id, points, title = "01.2", 5, "Prediction by vote, with ties"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if same_tensor(result, key["want"], 0):
            return right()
        if self._is_possible(result, key.get("possible")):
            return wrong(TIED_DISTANCES)
        hint = first_mistake(result, key["mistakes"])
        ties = ". Of equal distances the lower index is nearer" * has_ties(case["distances"])
        return wrong(hint or self._other_hint(result, key["want"]) + ties)

    @staticmethod
    def _is_possible(result: Any, possible: Tensor | None) -> bool:
        """Return whether another choice among images at equal distance leads to the result."""
        if possible is None or not isinstance(result, Tensor) or result.dtype != torch.int64:
            return False
        if result.shape != possible.shape[:1] or result.min() < 0:
            return False
        is_label = result < possible.shape[1]
        return bool((is_label & possible.gather(1, (result * is_label)[:, None])[:, 0]).all())

    @staticmethod
    def _other_hint(result: Any, want: Tensor) -> str:
        problem = str(tensor_problem(result, want, 0))
        if not isinstance(result, Tensor) or result.shape != want.shape:
            return problem
        share = int((result == want).sum())
        return f"{share} of {len(want)} predictions are right: take the k nearest and count labels"


# --- 01.3 ----------------------------------------------------------------------------------------


class ChooseK(_Shown):
    """The answer: `(images (N, P), labels (N,), ks, folds)` → (best k, accuracy of each k).

    A key holds the accuracies, the best k, every k that is as good, and the place of the first.
    """

    id, points, title = "01.3", 6, "Choose k by cross-validation"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 2:
            return wrong(f"return two things, best_k and accuracies, not {describe(result)}")
        best, accuracies = result
        if not self._same(accuracies, key["want"]):
            return wrong(self._hint(case, key, accuracies))
        if same_number(best, key["best"]):
            return right()
        if any(same_number(best, k) for k in key["equally_good"]):
            return wrong("of several k with the best accuracy return the smallest")
        if same_number(best, key["place"]):
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

    def _hint(self, case: Case, key: Any, accuracies: Any) -> str:
        want = key["want"]
        if not isinstance(accuracies, list) or len(accuracies) != len(want):
            return f"accuracies should be a list of {len(want)} numbers, one for each k"
        if any(type(accuracy) not in (int, float) for accuracy in accuracies):
            return "the accuracies should be Python numbers: .item() takes one out of a tensor"
        if hint := first_mistake(accuracies, key["mistakes"], same=self._same):
            return hint
        first = next(i for i, a in enumerate(want) if not same_number(accuracies[i], a, 1e-6))
        return (
            f"for k={case['ks'][first]} the accuracy is {want[first]:.4f}, "
            f"you have {describe(accuracies[first])}"
        )


# --- 01.4 ----------------------------------------------------------------------------------------


class TopKAccuracy(_Shown):
    """The answer: `(scores (N, C), labels (N,), k)` → float."""

    id, points, title = "01.4", 4, "Top-1 and top-k accuracy"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if same_number(result, want, 1e-6):
            return right()
        if isinstance(result, Tensor):
            return wrong("return a Python number: .item() takes it out of the tensor")
        hint = first_mistake(result, key["mistakes"], same=lambda a, b: same_number(a, b, 1e-4))
        ties = ", and of equal scores the lower class comes first" * has_ties(case["scores"])
        return wrong(hint or f"expected {want:.4f}, got {describe(result)}{ties}")


EXERCISES = [PairwiseDistances(), PredictByVote(), ChooseK(), TopKAccuracy()]
