"""Lecture 11: inception module, what reductions save, dense layer, transition."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
from .shared import BuildModule, field, first_mistake

# --- modules: 11.1, 11.3, 11.4 -------------------------------------------------------------------


class ConvModule(BuildModule):
    """A module of convolutions and batch norms; shapes that do not fit get a hint of their own."""

    def describe(self, case: Case) -> str:
        return f"{super().describe(case)}; x of shape {tuple(case['x'].shape)}"

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        try:
            return super().outputs(module, case)
        except RuntimeError as error:
            return {"error": str(error)}

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        error = field(result, "error")
        if error is not None:
            return wrong(self.error_hint(error))
        return super().judge_output(case, key, result)

    def error_hint(self, error: Any) -> str:
        return f"forward stops with: {describe(error)}"

    def output_hint(self, output: Any, want: Tensor) -> str:
        names = "names and shapes of the weights are right"
        if isinstance(output, Tensor) and output.shape == want.shape:
            return (
                f"{names}, and so is the shape of the output; its numbers are not. Follow the task "
                "step by step: is every layer used in forward, once, and in this order?"
            )
        return (
            f"{names}, but the output is not: it should have "
            f"shape {tuple(want.shape)}, it is {describe(output)}. Read forward once more"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        if biases := [n for n in have if n.endswith("bias") and n.split(".")[-2][:4] == "conv"]:
            return f"batch norm has a bias already: bias=False in nn.Conv2d (you have {biases[0]})"
        missing = sorted(set(want) - set(have))
        if missing and have:  # a module has many tensors: show those of the part that is wrong
            part = missing[0].split(".")[0]
            beside = sorted(name for name in have if name.split(".")[0] == part)
            found = f"of {part} it has {', '.join(beside)}" if beside else f"it has no {part}"
            return f"the state dict has no tensor {missing[0]}; {found}"
        return super().state_hint(have, want)


# --- 11.1 ----------------------------------------------------------------------------------------


class InceptionExercise(ConvModule):
    """The answer: a class `InceptionModule(in_channels, ch1x1, ..., pool_proj)`."""

    id, points, title = "11.1", 8, "The inception module"
    worth_a_look = ("Inception", "InceptionA", "PaperInception")

    def state_hint(self, have: dict, want: dict) -> str:
        if "branch4.0.conv.weight" in have:
            return (
                "branch4 begins with the max pool, and the 1×1 follows it: yours begins "
                "with a convolution (branch4.0.conv.weight)"
            )
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if name == "branch3.1.conv.weight" and isinstance(have, list) and have[2:] == [3, 3]:
            return "this exercise follows the paper: the second convolution of branch3 is 5×5"
        return super().shape_hint(name, have, want)

    def error_hint(self, error: Any) -> str:
        return (
            "the branches do not fit together: each must keep the rows and columns of x, also the "
            f"pool (stride 1, padding 1), and dim=1 is joined. PyTorch says: {describe(error)}"
        )


# --- 11.2 ----------------------------------------------------------------------------------------


class ModuleWeights(Exercise):
    """The answer: `module_weights(in_channels, ch1x1, ..., pool_proj)` → three whole numbers.

    A key has mistakes that change both numbers of weights, and for each number those of its own.
    """

    id, points, title = "11.2", 5, "What reductions save"
    worth_a_look = ("Inception", "PaperInception", "conv_parameters")
    expected = (
        "with reductions: expected {:,} weights, got {}",
        "without reductions: expected {:,} weights, got {}",
        "channels without reductions: expected {:,}, got {}",
    )

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if not isinstance(result, list) or len(result) != 3:
            return wrong(f"return three whole numbers; your code returned {describe(result)}")
        if self._same(result, want):
            return right()
        if hint := first_mistake(result[:2], key["mistakes"], same=self._same):
            return wrong(hint)
        if self._same(result[:2], want[1::-1]):
            return wrong("first the weights with reductions, then those without")
        place = next(n for n in range(3) if not same_number(result[n], want[n]))
        hint = first_mistake(result[place], key["own_mistakes"][place], same=same_number)
        return wrong(hint or self.expected[place].format(want[place], describe(result[place])))

    def _same(self, result: list, want: list[int]) -> bool:
        return all(same_number(*pair) for pair in zip(result, want, strict=True))


# --- 11.3 ----------------------------------------------------------------------------------------


class DenseLayerExercise(ConvModule):
    """The answer: a class `DenseUnit(in_channels, growth_rate)`."""

    id, points, title = "11.3", 7, "A dense layer"
    worth_a_look = ("DenseLayer", "JoinedDenseLayer", "DenseBlock", "_DenseLayer", "_DenseBlock")

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if name.startswith("norm1"):
            return (
                "norm1 comes before conv1: it normalises the channels of x. "
                f"{name} should have shape {want}, yours has {describe(have)}"
            )
        if name == "conv1.weight" and isinstance(have, list) and have[1:] == want[1:]:
            return f"conv1 makes 4 · growth_rate = {want[0]} channels, yours makes {have[0]}"
        return super().shape_hint(name, have, want)

    def error_hint(self, error: Any) -> str:
        return (
            "x and the new channels do not fit together: the 3×3 convolution needs padding 1, and "
            f"dim=1 is joined. PyTorch says: {describe(error)}"
        )


# --- 11.4 ----------------------------------------------------------------------------------------


class TransitionExercise(ConvModule):
    """The answer: a class `HalfTransition(in_channels)`."""

    id, points, title = "11.4", 6, "The transition"
    worth_a_look = ("Transition", "half_transition", "_Transition")

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        if name.startswith("norm"):
            return (
                "batch norm comes first: it normalises the channels of x. "
                f"{name} should have shape {want}, yours has {describe(have)}"
            )
        if name == "conv.weight" and isinstance(have, list) and have[1:] == want[1:]:
            return f"conv makes in_channels // 2 = {want[0]} channels, yours makes {have[0]}"
        return super().shape_hint(name, have, want)


EXERCISES = [InceptionExercise(), ModuleWeights(), DenseLayerExercise(), TransitionExercise()]
