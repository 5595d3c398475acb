"""Lecture 04: sizes through AlexNet, LRN, the network of 2012."""

from __future__ import annotations

import math
from operator import eq
from typing import Any

import torch
from torch import Tensor, nn

from .core import Case, Exercise, Verdict, describe, right, same_tensor, tensor_problem, wrong
from .shared import TOLERANCE, BuildModule, field, first_mistake, numbered

# --- 04.1 ----------------------------------------------------------------------------------------


class SizesThroughTheNet(Exercise):
    """The answer: `sizes_through(size, layers, round_up)` → a list of (output size, left over)."""

    id, points, title = "04.1", 5, "Sizes through the net"

    def describe(self, case: Case) -> str:
        layers = [tuple(layer) for layer in case["layers"]]
        return f"size={case['size']}, layers={layers}, round_up={case['round_up']}"

    def run(self, answer: Any, case: Case) -> Any:
        return answer(case["size"], [tuple(layer) for layer in case["layers"]], case["round_up"])

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if not isinstance(result, list):
            return wrong(f"return a list with one pair for each layer, not {describe(result)}")
        if result == want and all(type(n) is int for pair in result for n in pair):
            return right()
        if result and result == [size for size, _ in want]:
            return wrong("each entry is a pair: (output size, pixels left over)")
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in result):
            return wrong("each entry is a pair of whole numbers: (output size, pixels left over)")
        if result == want or any(type(n) is not int for pair in result for n in pair):
            return wrong("sizes are whole numbers: use // and %, which stay in whole numbers")
        if len(want) < len(case["layers"]) and len(result) > len(want):
            return wrong(
                f"layer {len(want)} (counted from 0) does not fit into its padded input: "
                "the list ends before it"
            )
        if len(result) != len(want):
            return wrong(
                f"{len(want)} layers fit, so the list has {len(want)} pairs, not {len(result)}"
            )
        index = next(i for i, pair in enumerate(want) if pair != result[i])
        hint = self._hint(result[index], want[index], key["mistakes"][index])
        return wrong(f"layer {index} (counted from 0): {hint}")

    def _hint(self, have: list[int], want: list[int], mistakes: dict[str, int]) -> str:
        size, left = have
        if size == want[0] and left == -want[1]:
            return (
                f"the size {size} is right; what the last window reads over the edge counts as "
                f"negative: {want[1]}, not {left}"
            )
        if size == want[0]:
            return (
                f"the size {size} is right; left over is the padded input minus the end of the "
                f"last window, {want[1]}, not {left}"
            )
        return first_mistake(size, mistakes, same=eq) or f"expected the size {want[0]}, got {size}"


# --- 04.2 ----------------------------------------------------------------------------------------


class ResponseNorm(Exercise):
    """The answer: `response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0)` → a tensor like x."""

    id, points, title = "04.2", 6, "Local response normalisation"
    ready_made = ("local_response_norm", "LocalResponseNorm", "CrossMapLRN2d")
    ready_made_hint = "write the sum yourself, without PyTorch's local_response_norm"

    def run(self, answer: Any, case: Case) -> Any:
        x = case.pop("x")
        original = x.clone()
        with torch.no_grad():
            returned = answer(x, **case)
        return {"returned": returned, "unchanged": torch.equal(x, original)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned = field(result, "returned")
        problem = tensor_problem(returned, key["want"], TOLERANCE)
        if problem is None and field(result, "unchanged") is not True:
            return wrong("the result is right, but x itself was changed: compute a new tensor")
        if problem is None:
            return right()
        return wrong(first_mistake(returned, key["mistakes"]) or problem)


# --- 04.3 ----------------------------------------------------------------------------------------

NAMES = [f"convolution {n}" for n in range(1, 6)] + ["hidden layer 1", "hidden layer 2", "output"]
SIDE = 224


def with_numbers(case: Case) -> Case:
    """Return the case with weights and an image, which repeat its row of ``numbers``.

    The network has 225,000 weights, and a case is stored and sent: so it holds a few of them.
    """
    shapes = case["shapes"] | {"x": [1, 3, SIDE, SIDE]}
    tensors, start = {}, 0
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        values = case["numbers"][torch.arange(start, end) % len(case["numbers"])].reshape(shape)
        # From about -150 to 150, as in 2012: small pixels would leave the LRN nothing to do.
        tensors[name] = values * (60 if name == "x" else (2 / math.prod(shape[1:])) ** 0.5)
        start = end
    return case | {"x": tensors.pop("x"), "state": tensors}


class BuildTheNetOfThePaper(BuildModule):
    """The answer: a class, built by name with `num_classes` and `unit`."""

    id, points, title = "04.3", 8, "The network of 2012"
    worth_a_look = ("TwoTowerAlexNet", "response_normalization")

    def describe(self, case: Case) -> str:
        return f"{case['about']}: {super().describe(case)}"

    def run(self, answer: Any, case: Case) -> Any:
        return super().run(answer, with_numbers(case) if "numbers" in case else case)

    def build(self, answer: Any, case: Case) -> Any:
        # The full network has 61 million parameters: on "meta" they have shapes and no memory.
        with torch.device("meta" if case["about"] == "shapes" else "cpu"):
            return answer(**case["arguments"])

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        return numbered(module.parameters())

    def shapes(self, case: Case) -> dict[str, list[int]]:
        return case["shapes"]

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        if case["about"] == "logits":
            return super().outputs(module, case)
        return {"dropped": self._dropped(module)} if case["about"] == "dropout" else {}

    def _dropped(self, model: nn.Module) -> Tensor:
        """The logits in training mode, after making every hidden unit answer 1 before dropout.

        Both hidden layers get the identity as their output's weights: a logit is 0 where one of
        two dropouts hit, and what the scaling makes of 1 where none did.
        """
        parameters = list(model.parameters())
        for parameter in parameters:
            parameter.zero_()
        parameters[11].fill_(1.0)  # bias of hidden layer 1
        for weight in (parameters[12], parameters[14]):
            weight.fill_diagonal_(1.0)
        return model.train()(torch.zeros(8, 3, SIDE, SIDE))

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        if case["about"] == "shapes":
            return right()
        if case["about"] == "dropout":
            return self._judge_dropout(case, field(result, "dropped"))
        return super().judge_output(case, key, result)

    def output_hint(self, output: Any, want: Tensor) -> str:
        problem = tensor_problem(output, want, TOLERANCE)
        return (
            f"{problem}: compare forward with the table, and define the layers in the order in "
            "which you use them"
        )

    def _judge_dropout(self, case: Case, dropped: Any) -> Verdict:
        want = (8, case["arguments"]["num_classes"])
        if not isinstance(dropped, Tensor) or dropped.shape != want:
            return wrong(f"in training mode too, the output should have the shape {want}")
        kept = (dropped != 0).float().mean().item()
        if same_tensor(dropped, torch.where(dropped != 0, 4.0, 0.0)) and 0.15 < kept < 0.35:
            return right()
        if kept == 1:
            return wrong(
                "in training mode, no hidden unit is dropped: nn.Dropout(0.5) stands after the "
                "ReLU of both hidden layers"
            )
        if same_tensor(dropped, torch.where(dropped != 0, 2.0, 0.0)) and kept > 0.35:
            return wrong(
                "only one of the two hidden layers is dropped out: nn.Dropout(0.5) stands after "
                "the ReLU of both (torchvision puts it elsewhere)"
            )
        return wrong("dropout with probability 0.5 stands after the ReLU of both hidden layers")

    def state_hint(self, have: dict, want: dict) -> str:
        if have and len(have) != len(want):
            return (
                f"five convolutions and three linear layers, a weight and a bias each, make "
                f"{len(want)} parameter tensors; your model has {len(have)}"
            )
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        index = int(name)
        name = f"{'bias' if index % 2 else 'weight'} of {NAMES[index // 2]}"
        hint = f"the {name} should have shape {want}, yours has {describe(have)}"
        if index in (2, 6, 8) and have == [want[0], 2 * want[1], *want[2:]]:
            hint += ": each tower reads its own half of the channels, groups=2"
        elif index == 4 and have == [want[0], want[1] // 2, *want[2:]]:
            hint += ": this is where the towers meet, so it reads all channels (groups=1)"
        elif index == 10 and isinstance(have, list) and have[:1] == want[:1]:
            hint += ": 8 · unit channels of 6 × 6 come out of the last pooling"
        return hint


EXERCISES = [SizesThroughTheNet(), ResponseNorm(), BuildTheNetOfThePaper()]
