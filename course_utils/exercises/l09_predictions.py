"""Lecture 09: top-k error, pictures from tensors, sure mistakes, calibration error, Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .core import (
    Case,
    Exercise,
    Verdict,
    describe,
    right,
    same_number,
    same_tensor,
    tensor_problem,
    wrong,
)
from .shared import field, first_mistake, has_ties

TOLERANCE = 1e-5  # single numbers, unlike the outputs of networks, can be compared closely


def _first_hint(result: Any, key: Any, same: Callable[[Any, Any], bool]) -> str | None:
    """The hint of the first mistake that leads to this result; a mistake may lead to several."""

    def leads_here(result: Any, values: Any) -> bool:
        return any(same(result, v) for v in (values if isinstance(values, list) else [values]))

    return first_mistake(result, key["mistakes"], same=leads_here)


def _close(one: Any, other: float) -> bool:
    return same_number(one, other, TOLERANCE)


# --- 09.1 ----------------------------------------------------------------------------------------


class TopKError(Exercise):
    """The answer: `top_k_error(scores, labels, k)` → float."""

    id, points, title = "09.1", 5, "Top-k error"
    worth_a_look = ("top_k_accuracy", "top_k_accuracy_score")

    def describe(self, case: Case) -> str:
        if (case["scores"] != case["scores"][0]).any():
            return super().describe(case)
        scores = ", ".join(f"{score:g}" for score in case["scores"][0].tolist())
        return f"each image has scores ({scores}), labels={case['labels'].tolist()}, k={case['k']}"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if isinstance(result, Tensor):
            return wrong("return a plain number: end with .item()")
        if _close(result, key["want"]):
            return right()
        hint = _first_hint(result, key, _close)
        ties = ", and of equal scores the lower class comes first" * has_ties(case["scores"])
        return wrong(hint or f"expected {key['want']:.4f}, got {describe(result)}{ties}")


# --- 09.2 ----------------------------------------------------------------------------------------


class Pictures(Exercise):
    """The answer: `to_pictures(images, mean, std)` → tensor (N, H, W, C)."""

    id, points, title = "09.2", 5, "Pictures from normalised images"

    def describe(self, case: Case) -> str:
        return f"images of shape {tuple(case['images'].shape)}, one mean and std for each channel"

    def run(self, answer: Any, case: Case) -> Any:
        before = case["images"].clone()
        returned = answer(case["images"], case["mean"], case["std"])
        return {"returned": returned, "unchanged": torch.equal(before, case["images"])}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        value, want = field(result, "returned"), key["want"]
        if same_tensor(value, want):
            if field(result, "unchanged") is True:
                return right()
            return wrong(
                "the images that were given have changed: use the out-of-place x * std + mean, "
                "not mul_ and add_"
            )
        hint = _first_hint(value, key, same_tensor)
        return wrong(hint or tensor_problem(value, want) or "the values are not right")


# --- 09.3 ----------------------------------------------------------------------------------------


class SureMistakes(Exercise):
    """The answer: `sure_mistakes(probabilities, labels, n)` → positions, int64."""

    id, points, title = "09.3", 6, "Most confident mistakes"
    worth_a_look = ("most_confident_mistakes",)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, Tensor):
            return wrong(f"return a tensor of positions; your code returned {describe(result)}")
        if self._same(result, key["want"]):
            return right()
        if result.is_floating_point():
            return wrong("return positions as whole numbers (int64), not confidences")
        expected, shown = describe(key["want"].tolist()), describe(result.tolist())
        hint = _first_hint(result, key, self._same)
        ties = has_ties(case["probabilities"].amax(1)[None])
        rule = ", and of equally sure ones the earlier comes first" * ties
        return wrong(hint or f"expected the positions {expected}, got {shown}{rule}")

    def _same(self, result: Tensor, want: Tensor) -> bool:
        whole = not result.is_floating_point() or not result.numel()  # torch.tensor([]) is float
        return whole and result.shape == want.shape and result.tolist() == want.tolist()


# --- 09.4 ----------------------------------------------------------------------------------------


class CalibrationError(Exercise):
    """The answer: `calibration_error(probabilities, labels, bins)` → float."""

    id, points, title = "09.4", 6, "Expected calibration error"
    worth_a_look = ("expected_calibration_error", "reliability", "calibration_curve")

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if isinstance(result, Tensor):
            return wrong("return a plain number: end with .item()")
        if _close(result, key["want"]):
            return right()
        if isinstance(result, float) and result != result:
            return wrong("the result is not a number: leave out empty bins, they have no mean")
        hint = _first_hint(result, key, _close)
        return wrong(hint or f"expected {key['want']:.5f}, got {describe(result)}")


# --- 09.5 ----------------------------------------------------------------------------------------


def parts(state: dict[str, Tensor]) -> tuple[nn.Module, nn.Module]:
    """The two parts of a case's network: from images to maps, and from maps to logits."""
    first, second, last = (state[f"{name}.weight"] for name in ("first", "second", "last"))
    features = nn.Sequential(nn.Conv2d(first.shape[1], first.shape[0], 3, padding=1), nn.ReLU())
    head = nn.Sequential(
        nn.Conv2d(second.shape[1], second.shape[0], 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(last.shape[1], last.shape[0]),
    )
    layers = {"first": features[0], "second": head[0], "last": head[4]}
    for name, layer in layers.items():
        layer.load_state_dict({part: state[f"{name}.{part}"] for part in ("weight", "bias")})
    return features, head


class GradCam(Exercise):
    """The answer: `class_maps(features, head, images, classes)` → tensor (N, h, w)."""

    id, points, title = "09.5", 8, "Grad-CAM"
    worth_a_look = ("grad_cam", "GradCAM", "LayerGradCam")

    def describe(self, case: Case) -> str:
        return f"a small network, images of shape {tuple(case['images'].shape)}"

    def run(self, answer: Any, case: Case) -> Any:
        features, head = parts(case["state"])
        return answer(features, head, case["images"], case["classes"])

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if same_tensor(result, want):
            return right()
        hint = _first_hint(result, key, same_tensor)
        return wrong(hint or tensor_problem(result, want) or "the values are not right")


EXERCISES = [TopKError(), Pictures(), SureMistakes(), CalibrationError(), GradCam()]
