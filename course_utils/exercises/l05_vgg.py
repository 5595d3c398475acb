"""Lecture 05: layers from a list, the whole VGG, counting."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .core import Case, Exercise, Verdict, Watch, describe, right, same_number, same_tensor, wrong
from .shared import BuildModule, field, fields, first_mistake, not_logits


def _shape_problem(have: dict, want: dict) -> str | None:
    """The first tensor of a state dict that has the wrong shape; None if all names are there."""
    for name, shape in want.items():
        if name in have and have[name] != shape:
            return f"{name} should have shape {shape}, yours has {describe(have[name])}"
    return None


# --- 05.1 ----------------------------------------------------------------------------------------


class BuildFeatures(BuildModule):
    """The answer: `build_features(configuration, batch_norm=False, in_channels=3)` → Sequential."""

    id, points, title = "05.1", 5, "Layers from a list"
    worth_a_look = ("make_layers",)

    def run(self, answer: Any, case: Case) -> Any:
        if "state" in case:
            return super().run(answer, case)
        # An error shows nothing unless it comes from the bad entry: without that it must work.
        self.build(answer, {"arguments": case["arguments"] | {"configuration": case["good"]}})
        try:
            self.build(answer, case)
        except NotImplementedError:
            raise
        except Exception as error:
            return {"raised": type(error).__name__, "message": str(error)}
        return {"raised": None}

    def look(self, module: nn.Module) -> dict[str, Any]:
        kinds = [type(layer).__name__ for layer in module.children()]
        return super().look(module) | {"kinds": kinds}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if "state" not in case:
            return self._judge_error(key["bad"], *fields(result, "raised", "message"))
        kinds = field(result, "kinds")
        if not isinstance(kinds, list):
            return wrong("return the layers in order as nn.Sequential(*layers)")
        if kinds != key["kinds"]:
            return wrong(self._kinds_hint(case["arguments"]["batch_norm"], kinds, key["kinds"]))
        return super().judge(case, key, result)

    def output_hint(self, output: Any, want: Tensor) -> str:
        return (
            f"the output should have shape {tuple(want.shape)}; yours is {describe(output)}. "
            "Convolution: 3×3, stride 1, padding 1. Pooling: 2×2, stride 2"
        )

    def _judge_error(self, bad: Any, raised: Any, message: Any) -> Verdict:
        if raised is None:
            return wrong(f"the entry {bad!r} means nothing here: raise a ValueError that names it")
        if raised != "ValueError":
            return wrong(
                f"the entry {bad!r} leads to {describe(raised)} somewhere inside: check each entry "
                "and raise a ValueError before a layer is built from it"
            )
        if not isinstance(message, str) or str(bad) not in message:
            return wrong(f"the message of the ValueError should show the bad entry, {bad!r}")
        return right()

    def _kinds_hint(self, batch_norm: bool, kinds: list, want: list[str]) -> str:
        if "ReLU" not in kinds:
            return "a ReLU layer follows each convolution: nn.ReLU(inplace=True) in the list"
        if ("BatchNorm2d" in kinds) != batch_norm:
            asked = "is" if batch_norm else "is not"
            return f"batch norm {asked} asked for here: use the argument batch_norm"
        if sorted(map(str, kinds)) == sorted(want):
            return "the order is convolution, then batch norm if asked for, then ReLU"
        return f"the layers should be {', '.join(want)}; yours are {', '.join(map(str, kinds))}"

    def state_hint(self, have: dict, want: dict) -> str:
        problem = _shape_problem(have, want)
        if problem is None:
            return "a weight or a bias is missing: nn.Conv2d has a bias unless it is told not to"
        channels = "the channels that come out of one convolution go into the next one"
        return f"{problem}: {channels}, and a kernel is 3×3"


# --- 05.2 ----------------------------------------------------------------------------------------


class BuildVGG(BuildModule):
    """The answer: a class, built from a configuration, whose state dict has torchvision's names."""

    id, points, title = "05.2", 6, "The whole VGG"
    worth_a_look = ("VGG", "slim_vgg")

    def describe(self, case: Case) -> str:
        return f"{super().describe(case)}, images {tuple(case['x'].shape)}"

    def build(self, answer: Any, case: Case) -> Any:
        options = dict(case["arguments"])
        return answer(options.pop("configuration"), **options)

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        result = super().outputs(module, case)
        for part in module.modules():  # batch norm must not add to the differences
            part.training = not isinstance(part, nn.BatchNorm2d)
        return result | {"training": [module(case["x"]) for _ in range(2)]}

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        verdict = super().judge_output(case, key, result)
        return self._judge_dropout(field(result, "training")) if verdict.is_right else verdict

    def output_hint(self, output: Any, want: Tensor) -> str:
        return not_logits(output, want) or (
            "the names and shapes are right, but the logits differ: compare forward with "
            "features, avgpool, flatten(1), classifier"
        )

    def _judge_dropout(self, training: Any) -> Verdict:
        if isinstance(training, list) and len(training) == 2:
            first, second = training
            if isinstance(second, Tensor) and not same_tensor(first, second):
                return right()
        return wrong(
            "in training mode two passes over the same images should differ: nn.Dropout() follows "
            "each ReLU of the classifier"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        for part in ("features", "classifier"):
            if not any(name.startswith(f"{part}.") for name in have):
                return f"the state dict has no name that begins with {part}: assign self.{part}"
        linear = [name for name in have if name.startswith("classifier") and "weight" in name]
        if linear != [f"classifier.{place}.weight" for place in (0, 3, 6)]:
            return (
                f"the classifier's weights should be called classifier.0, 3 and 6; yours are "
                f"{', '.join(linear)}. Count the layers: linear, ReLU, dropout, linear, ..."
            )
        problem = _shape_problem(have, want)
        if problem is None:
            return f"the names under features differ from torchvision's: {describe(list(have))}"
        if problem.startswith("classifier.0.weight"):
            problem += ": it reads the last number of channels times pool_size · pool_size"
        return problem


# --- 05.3 ----------------------------------------------------------------------------------------

PARTS = ("parameters", "multiplications")


class CountFeatures(Exercise):
    """The answer: `count_features(configuration, image_size, in_channels)` → two whole numbers."""

    id, points, title = "05.3", 5, "Count the features by formula"
    ready_made = ("Conv2d", "Linear", "BatchNorm2d", "Sequential", "numel", "parameters")
    ready_made_hint = "count with whole numbers alone: no layer or tensor needs to be built"
    worth_a_look = (
        *("make_layers", "VGG", "slim_vgg", "trace", "summary", "footprint"),
        *("count_flops", "conv_parameters", "linear_parameters", "conv_flops", "linear_flops"),
    )

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def objection(self, case: Case, watch: Watch) -> str:
        return self.ready_made_hint if watch.names else ""

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 2:
            return wrong(f"return two numbers: the {' and the '.join(PARTS)}")
        parts = zip(PARTS, result, key["want"], key["mistakes"], strict=True)
        for part, have, want, mistakes in parts:
            if not same_number(have, want):
                hint = first_mistake(have, mistakes, same=same_number)
                return wrong(f"{part}: {hint or f'expected {want:,}, got {describe(have)}'}")
            if type(have) is not int:
                return wrong(f"{part}: right, but as a float. Whole numbers: // instead of /")
        return right()


EXERCISES = [BuildFeatures(), BuildVGG(), CountFeatures()]
