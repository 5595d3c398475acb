"""Lecture 05: layers from a list, the whole VGG, counting, batch norm, a run that forgot calls."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .core import Case, Exercise, Verdict, Watch, describe, right, same_number, same_tensor, wrong
from .shared import NO_MODULE, BuildModule, close, field, fields, first_mistake, not_logits


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

PARTS = ("parameters of the features", "parameters of the classifier", "multiplications")


class CountVGG(Exercise):
    """The answer: `count_vgg(configuration, image_size, ...)` → three whole numbers."""

    id, points, title = "05.3", 5, "Count a VGG by formula"
    ready_made = ("Conv2d", "Linear", "BatchNorm2d", "Sequential", "numel", "parameters")
    ready_made_hint = "count with whole numbers alone: no layer or tensor needs to be built"
    worth_a_look = (
        *("make_layers", "VGG", "slim_vgg", "trace", "summary", "footprint", "count_flops"),
        *("conv_parameters", "linear_parameters", "conv_flops", "linear_flops"),
    )

    def run(self, answer: Any, case: Case) -> Any:
        return answer(**case)

    def objection(self, case: Case, watch: Watch) -> str:
        return self.ready_made_hint if watch.names else ""

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or len(result) != 3:
            return wrong(f"return three numbers: the {', the '.join(PARTS)}")
        parts = zip(PARTS, result, key["want"], key["mistakes"], strict=True)
        for part, have, want, mistakes in parts:
            if not same_number(have, want):
                hint = first_mistake(have, mistakes, same=same_number)
                return wrong(f"{part}: {hint or f'expected {want:,}, got {describe(have)}'}")
            if type(have) is not int:
                return wrong(f"{part}: right, but as a float. Whole numbers: // instead of /")
        return right()


# --- 05.4 ----------------------------------------------------------------------------------------

STATE_NAMES = ("weight", "bias", "running_mean", "running_var")


class BatchNorm(Exercise):
    """The answer: a module, built with `num_features`, `momentum` and `eps`."""

    id, points, title = "05.4", 6, "Batch normalisation"
    ready_made = (
        *("batch_norm", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"),
        *("_native_batch_norm_legit", "_batch_norm_impl_index", "_batch_norm_with_update"),
        *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "_BatchNorm"),
        *("LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d"),
        *("instance_norm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        *("group_norm", "native_group_norm", "GroupNorm"),
        *("layer_norm", "native_layer_norm", "LayerNorm"),
    )
    ready_made_hint = "batch norm is what you are to write: means, variances and a quotient"

    def describe(self, case: Case) -> str:
        mode = "training" if case["training"] else "evaluation"
        return (
            f"{mode} mode, x of shape {tuple(case['images'].shape)}, "
            f"momentum={case['momentum']:.3g}, eps={case['eps']:g}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        options = dict(momentum=case["momentum"], eps=case["eps"])
        module = answer(len(case["state"]["weight"]), **options)
        if not isinstance(module, nn.Module):
            return {"names": None}
        result: dict[str, Any] = {
            "names": {
                "parameters": [name for name, _ in module.named_parameters()],
                "buffers": [name for name, _ in module.named_buffers()],
            },
            "start": {name: value.clone() for name, value in module.state_dict().items()},
        }
        if set(STATE_NAMES) <= set(result["start"]):
            module.load_state_dict(case["state"], strict=False)
            x = case["images"].requires_grad_()
            output = module.train(case["training"])(x)
            result |= {"output": output, "state": dict(module.state_dict()), "gradient": None}
            if output.requires_grad and output.shape == x.shape:
                (output * case["pull"]).sum().backward()
                result["gradient"] = x.grad
        return result

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        names, start, output, state, gradient = fields(
            result, "names", "start", "output", "state", "gradient"
        )
        hint = self._names_hint(names) or self._start_hint(case, start)
        hint = hint or self._output_hint(key, output) or self._running_hint(key, state)
        if hint:
            return wrong(hint)
        if same_tensor(gradient, key["gradient"], 1e-3):
            return right()
        return wrong(
            "the gradient of the input is not right: mean and variance of the batch depend on the "
            "input too, so compute them with gradients, and detach only the running statistics"
        )

    def _names_hint(self, names: Any) -> str | None:
        parameters, buffers = fields(names, "parameters", "buffers")
        if not isinstance(parameters, list) or not isinstance(buffers, list):
            return NO_MODULE
        if {"running_mean", "running_var"} & set(map(str, parameters)):
            return (
                "the running statistics are measured, not trained: register_buffer instead of "
                "nn.Parameter, or the optimizer would change them"
            )
        if sorted(map(str, parameters)) != ["bias", "weight"]:
            return f"the parameters should be weight and bias; yours are {describe(parameters)}"
        if not {"running_mean", "running_var"} <= set(map(str, buffers)):
            return (
                "running_mean and running_var must be saved with the model: "
                'self.register_buffer("running_mean", ...)'
            )
        return None

    def _start_hint(self, case: Case, start: Any) -> str | None:
        count = len(case["state"]["weight"])
        for name, value in zip(STATE_NAMES, (1.0, 0.0, 0.0, 1.0), strict=True):
            have = start.get(name) if isinstance(start, dict) else None
            if not same_tensor(have, torch.full((count,), value)):
                return f"{name} should start as {count} numbers, each {value:g}"
        return None

    def _output_hint(self, key: Any, output: Any) -> str | None:
        want = key["want"]
        if close(output, want):
            return None
        if not isinstance(output, Tensor) or output.shape != want.shape:
            return f"the output has the shape of the input; yours is {describe(output)}"
        hint = first_mistake(output, key["mistakes"])
        return hint or "the shape of the output is right, but the values are not"

    def _running_hint(self, key: Any, state: Any) -> str | None:
        for name, want in key["running"].items():
            have = field(state, name)
            if not close(have, want):
                hint = first_mistake(have, key["running_mistakes"][name])
                return hint or f"the output is right, but {name} is not: it is {describe(have)}"
        return None


# --- 05.5 ----------------------------------------------------------------------------------------

CALLS = ("device", "train", "zero_grad", "backward", "step", "eval", "no_grad")
OVERLOOKED = {
    "device": "compare the two devices: a model and its images must be in the same place",
    "train": "batch norm did not learn while the model was trained: look at running_means",
    "zero_grad": "compare gradients with batch_gradients: something old is in them",
    "backward": "the gradients are all zero: who should have computed them?",
    "step": "there are gradients, but the weights do not move",
    "eval": "batch norm learned from the images it was evaluated on",
    "no_grad": "the evaluation recorded a graph, which costs memory for nothing",
}
FALSE_ALARM = {
    "train": "running_means does change from batch to batch",
    "zero_grad": "old gradients would be added to the new ones, and that is not what is seen here",
    "backward": "there are gradients that are not zero",
    "step": "without gradients even a good step leaves the weights where they are",
    "eval": "the evaluation left batch norm's running mean as it was",
    "no_grad": "the evaluation recorded no graph",
    "device": "model and images are on the same device",
}


class Diagnose(Exercise):
    """The answer: `diagnose(record)` → a list of the calls that the run forgot."""

    id, points, title = "05.5", 6, "Diagnose a broken training run"

    def describe(self, case: Case) -> str:
        record = case["record"]
        devices = f"model on {record['model_device']}, images on {record['images_device']}"
        return f"a record of {len(record['gradients'])} batches, {devices}"

    def run(self, answer: Any, case: Case) -> Any:
        found = answer(case["record"])
        return {"returned": sorted(found) if isinstance(found, (set, frozenset)) else found}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        found, want = field(result, "returned"), key["want"]
        if not isinstance(found, list) or not all(type(call) is str for call in found):
            return wrong(f"return a list of names, [] if nothing is missing, not {describe(found)}")
        unknown = [call for call in found if call not in CALLS]
        if unknown:
            return wrong(f"{unknown[0]!r} is none of the names {', '.join(CALLS)}")
        for call in CALLS:
            if call in want and call not in found:
                return wrong(f"something was overlooked: {OVERLOOKED[call]}")
            if call in found and call not in want:
                return wrong(f"{call!r} was not forgotten here: {FALSE_ALARM[call]}")
        return right()


EXERCISES = [BuildFeatures(), BuildVGG(), CountVGG(), BatchNorm(), Diagnose()]
