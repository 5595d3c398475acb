"""Lecture 12: groups, squeeze and excitation, cost of MBConv, compound scaling, activation maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .core import Case, Exercise, Verdict, describe, right, same_number, tensor_problem, wrong
from .shared import TOLERANCE, BuildModule, close, field, first_mistake

# --- 12.1 ----------------------------------------------------------------------------------------


class GroupedConvolution(Exercise):
    """The answer: `grouped_convolution(x, weight, groups)` → tensor."""

    id, points, title = "12.1", 5, "Split, transform, merge"
    ready_made = ("a convolution in groups", "_convolution", "mkldnn_convolution")
    ready_made_hint = "this lets PyTorch do the groups: call F.conv2d without its groups"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if close(result, key["want"]):
            return right()
        hint = first_mistake(result, key["mistakes"])
        return wrong(hint or str(tensor_problem(result, key["want"], TOLERANCE)))


# --- 12.2 ----------------------------------------------------------------------------------------


class SqueezeExcitationExercise(BuildModule):
    """The answer: a class `SqueezeExcite(channels, squeeze_channels)`."""

    id, points, title = "12.2", 6, "Squeeze and excitation"
    worth_a_look = ("SqueezeExcitation", "SEBasicBlock")

    def describe(self, case: Case) -> str:
        return f"{super().describe(case)}, x of shape {tuple(case['x'].shape)}"

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        before = case["x"].clone()
        result = super().outputs(module, case)
        return result | {"unchanged": torch.equal(before, case["x"])}

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        verdict = super().judge_output(case, key, result)
        if verdict.is_right and field(result, "unchanged") is not True:
            return wrong("x was changed: return a new tensor")
        return verdict

    def output_hint(self, output: Any, want: Tensor) -> str:
        return f"the layers are right, forward is not: got {describe(output)}"

    def state_hint(self, have: dict, want: dict) -> str:
        if set(have) == {name for name in want if name.endswith("weight")}:
            return "both layers have a bias"
        if set(have) > set(want):
            extra = min(set(have) - set(want))
            return f"the tensor {extra} is not in the task: only fc1 and fc2 have weights"
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if isinstance(have, list) and want == [*have, 1, 1]:
            return "fc1 and fc2 are 1×1 convolutions, not linear layers: shapes end with 1, 1"
        return super().shape_hint(name, have, want)


# --- 12.3 ----------------------------------------------------------------------------------------


class CostOfMBConv(Exercise):
    """The answer: `mbconv_cost(in_channels, out_channels, kernel_size, expand, size, stride)`.

    A mistake leads to weights and FLOPs, or to weights and None: with any FLOPs.
    """

    id, points, title = "12.3", 5, "What MBConv costs"
    worth_a_look = ("MBConv", "conv_flops", "conv_parameters", "count_flops")

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        weights, flops = key["want"]
        if not isinstance(result, list) or len(result) != 2:
            return wrong(f"return two numbers, (weights, FLOPs); your code gave {describe(result)}")
        if any(type(value) is not int for value in result):
            return wrong(f"both are whole numbers (int), not {describe(result)}: divide with //")
        if result == [weights, flops]:
            return right()
        if result == [weights, flops // 2]:
            return wrong("a multiply-add counts as two FLOPs")

        def leads_here(result: list, mistaken: list) -> bool:
            return result[0] == mistaken[0] and mistaken[1] in (None, result[1])

        if hint := first_mistake(result, key["mistakes"], same=leads_here):
            return wrong(hint)
        return wrong(f"expected ({weights}, {flops}), got ({result[0]}, {result[1]})")


# --- 12.4 ----------------------------------------------------------------------------------------


class CompoundScaling(Exercise):
    """The answer: `compound_scaling(factor, alpha, beta, gamma)` → depth, width, resolution."""

    id, points, title = "12.4", 5, "Compound scaling"

    def run(self, answer: Any, case: Case) -> Any:
        result = answer(**case)
        return list(result) if isinstance(result, (list, tuple, np.ndarray)) else result

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 3:
            return wrong("return three numbers: depth, width, resolution")
        if any(type(value) not in (int, float) for value in result):
            return wrong(f"three plain numbers are wanted, not {describe(result)}")

        def same(result: list, wanted: list) -> bool:
            pairs = zip(result, wanted, strict=True)
            return all(same_number(value, want, 1e-6 * max(1.0, want)) for value, want in pairs)

        if same(result, key["want"]):
            return right()
        if hint := first_mistake(result, key["mistakes"], same=same):
            return wrong(hint)
        if same([round(value, 2) for value in key["want"]], [round(value, 2) for value in result]):
            return wrong("do not round: the three are exact factors")
        want = ", ".join(f"{value:.4f}" for value in key["want"])
        return wrong(f"expected {want}; got {', '.join(f'{value:.4f}' for value in result)}")


# --- 12.5 ----------------------------------------------------------------------------------------


class ClassActivationMap(Exercise):
    """The answer: `class_activation_map(maps, weight, classes)` → tensor (N, h, w)."""

    id, points, title = "12.5", 5, "Class activation map"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if close(result, key["want"]):
            return right()
        hint = first_mistake(result, key["mistakes"])
        return wrong(hint or str(tensor_problem(result, key["want"])))


EXERCISES = [
    GroupedConvolution(),
    SqueezeExcitationExercise(),
    CostOfMBConv(),
    CompoundScaling(),
    ClassActivationMap(),
]
