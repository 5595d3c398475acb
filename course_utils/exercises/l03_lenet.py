"""Lecture 03: build LeNet-5, one training step, an evaluation, a broken training loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
from .shared import (
    TOLERANCE,
    BuildModule,
    close,
    fields,
    first_mistake,
    not_logits,
    numbered,
)

# --- small helpers -------------------------------------------------------------------------------


def new_model(kind: str, sizes: list[int]) -> nn.Module:
    """Return a small classifier: "linear", or "batch norm" with one hidden layer."""
    if kind == "linear":
        return nn.Linear(sizes[0], sizes[-1])
    features, hidden, classes = sizes
    return nn.Sequential(
        nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes)
    )


def restore(case: Case) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return the model that the case describes, in the mode in which it starts, and SGD for it."""
    model = new_model(case["model"], case["sizes"])
    model.load_state_dict(case["state"])
    for parameter, gradient in zip(model.parameters(), case.get("old_gradients", ()), strict=False):
        parameter.grad = gradient.clone()
    model.train(case["starts_in_training_mode"])
    return model, torch.optim.SGD(model.parameters(), lr=case.get("learning_rate", 0.0))


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the model's state."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same_state(result: Any, want: dict[str, Tensor]) -> bool:
    """Return whether a state has the tensors of another, up to rounding."""
    return isinstance(result, dict) and all(
        close(result.get(name), value) for name, value in want.items()
    )


def _flags(value: Any) -> list[bool]:
    """The value if it is a list of booleans, otherwise an empty list."""
    is_flags = isinstance(value, list) and all(type(item) is bool for item in value)
    return value if is_flags else []


def _pair(returned: Any) -> bool:
    return isinstance(returned, list) and len(returned) == 2


def _about(value: Any, want: float) -> bool:
    return same_number(value, want, TOLERANCE * max(1.0, want))


def _number_problem(name: str, value: Any) -> str | None:
    """Why `value` is not a plain Python number, or None if it is one."""
    if isinstance(value, Tensor):
        return (
            f"the {name} is a tensor. Return a Python number: .item() takes it out of the tensor "
            "(a loss tensor would keep its whole graph in memory)"
        )
    if type(value) not in (int, float):
        return f"the {name} should be a number, you returned {describe(value)}"
    return None


# --- 03.1 ----------------------------------------------------------------------------------------

LAYERS = ("first convolution", "second convolution", "first linear layer", "second linear layer")


class BuildLeNet(BuildModule):
    """The answer: a class, built by name with `num_classes`, `in_channels` and `image_size`."""

    id, points, title = "03.1", 5, "LeNet-5 for any image size"

    def build(self, answer: Any, case: Case) -> Any:
        model = answer(**case["arguments"])
        if isinstance(model, nn.Module) and any(map(nn.parameter.is_lazy, model.parameters())):
            model(case["x"])  # lazy layers learn their shapes from the first images
        return model

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        return numbered(module.parameters())

    def output_hint(self, output: Any, want: Tensor) -> str:
        return not_logits(output, want) or (
            "the layers have the right shapes, but the logits differ: compare forward with the "
            "drawing, stage by stage, and define the layers in the order in which you use them"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        if have and len(have) != len(want):
            return (
                f"five layers with a weight and a bias each make {len(want)} parameter tensors; "
                f"your model has {len(have)}, of shapes {describe(list(have.values()))}"
            )
        return super().state_hint(have, want)

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        index = int(name)
        layer = LAYERS[index // 2] if index < 8 else "last linear layer"
        part = "bias" if index % 2 else "weight"
        hint = f"the {part} of the {layer} should have shape {want}, yours has {describe(have)}"
        if index == 4 and have == [120, 400]:
            hint += ": 400 = 16·5·5 fits 32×32 images only, compute it from image_size"
        elif index == 4 and isinstance(have, list) and have[:1] == [120]:
            hint += ": follow the size through conv, pool, conv, pool; pooling drops a remainder"
        return hint


# --- 03.2 ----------------------------------------------------------------------------------------


class TrainingStep(Exercise):
    """The answer: `training_step(model, images, labels, optimizer)` → (loss, number correct).

    A key holds the state after the step, the loss, the number correct, and states after mistakes.
    """

    id, points, title = "03.2", 5, "One training step"

    def describe(self, case: Case) -> str:
        mode = "training" if case["starts_in_training_mode"] else "evaluation"
        old = "old gradients left over" if case["old_gradients"] else "no gradients yet"
        return (
            f"a {case['model']} model in {mode} mode, {old}, a batch of {len(case['labels'])}, "
            f"SGD with learning rate {case['learning_rate']}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        model, optimizer = restore(case)
        returned = answer(model, case["images"], case["labels"], optimizer)
        return {"returned": returned, "state": state_of(model)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, state = fields(result, "returned", "state")
        loss, correct = key["loss"], key["correct"]
        if not same_state(state, key["want"]):
            return wrong(self._state_hint(case, key, state))
        if not _pair(returned):
            return wrong(
                "the weights are right. Return two numbers, the loss and how many predictions "
                f"are correct; you returned {describe(returned)}"
            )
        problem = _number_problem("loss", returned[0])
        if problem or not _about(returned[0], loss):
            return wrong(problem or f"the loss of this batch is {loss:.6g}, not {returned[0]:.6g}")
        problem = _number_problem("number of correct predictions", returned[1])
        if problem or not same_number(returned[1], correct):
            return wrong(problem or self._correct_hint(case, returned[1], correct))
        return right()

    def _state_hint(self, case: Case, key: Any, state: Any) -> str:
        weights = {name: case["state"][name] for name in case["state"] if "running" not in name}
        weights.pop("1.num_batches_tracked", None)
        if same_state(state, weights):
            return (
                "the weights have not changed: compute the gradients with loss.backward(), then "
                "call optimizer.step()"
            )
        return first_mistake(state, key["mistakes"], same=same_state) or (
            "the weights after the step are not those of one step on this batch: check the order "
            "train, zero_grad, forward, loss, backward, step, each of them once"
        )

    def _correct_hint(self, case: Case, value: float, correct: int) -> str:
        if same_number(value, correct / len(case["labels"]), 1e-6):
            return f"return how many are correct, {correct}, not their share {value:.6g}"
        return (
            f"{correct} predictions are correct, not {value:.6g}: compare logits.argmax(dim=1) "
            "with the labels, using the logits from before the step"
        )


# --- 03.3 ----------------------------------------------------------------------------------------


class Evaluate(Exercise):
    """The answer: `evaluate_model(model, batches)` → (mean loss, accuracy).

    A key holds for either number what is right, and what mistakes lead to.
    """

    id, points, title = "03.3", 6, "Evaluate a model"

    def describe(self, case: Case) -> str:
        mode = "training" if case["starts_in_training_mode"] else "evaluation"
        sizes = [len(labels) for _, labels in case["batches"]]
        return f"a {case['model']} model in {mode} mode, batches of {sizes} images"

    def run(self, answer: Any, case: Case) -> Any:
        model, _ = restore(case)
        modes, graphs = [], []

        def look(module: nn.Module, inputs: Any) -> None:
            modes.append(module.training)
            graphs.append(torch.is_grad_enabled())

        model.register_forward_pre_hook(look)
        returned = answer(model, [tuple(batch) for batch in case["batches"]])
        return {"returned": returned, "modes": modes, "graphs": graphs, "left_in": model.training}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, modes, graphs, left_in = fields(result, "returned", "modes", "graphs", "left_in")
        if not _flags(modes):
            return wrong("the model was never called: compute logits = model(images)")
        if any(modes):
            return wrong(
                "the model was in training mode while it was evaluated: call model.eval() before "
                "the loop (here batch norm then answers differently, and learns from the test data)"
            )
        if any(_flags(graphs)):
            return wrong(
                "gradients were being recorded: put the loop under `with torch.no_grad():`, or "
                "decorate the function with @torch.no_grad()"
            )
        if left_in is not case["starts_in_training_mode"]:
            return wrong(
                "leave the model in the mode in which you found it: remember model.training at "
                "the start and call model.train(...) with it at the end"
            )
        return self._judge_numbers(key, returned)

    def _judge_numbers(self, key: Any, returned: Any) -> Verdict:
        if not _pair(returned):
            return wrong(f"return two numbers, (mean loss, accuracy), not {describe(returned)}")
        for name, value in zip(("mean loss", "accuracy"), returned, strict=True):
            want, mistakes = key[name]["want"], key[name]["mistakes"]
            if problem := _number_problem(name, value):
                return wrong(problem)
            if not _about(value, want):
                hint = first_mistake(value, mistakes, same=_about)
                return wrong(hint or f"the {name} should be {want:.6g}, yours is {value:.6g}")
        return right()


# --- 03.4 ----------------------------------------------------------------------------------------


class _Recorder:
    """Notes what happens to a model while a training loop runs: modes, gradients, steps."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.modes: list[bool] = []
        self.events: list[str] = []
        self.left_over: list[float] = []
        self.step_sizes: list[float] = []
        self._parameter = next(model.parameters())
        model.register_forward_pre_hook(lambda module, _: self.modes.append(module.training))
        self._parameter.register_hook(self._incoming)
        self._parameter.register_post_accumulate_grad_hook(self._accumulated)
        optimizer.register_step_pre_hook(lambda *_: self._step())

    def _incoming(self, gradient: Tensor) -> None:
        self._new = gradient.clone()

    def _accumulated(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.events.append("backward")
        self.left_over.append(float((parameter.grad - self._new).abs().max()))

    def _step(self) -> None:
        self.events.append("step")
        gradient = self._parameter.grad
        self.step_sizes.append(0.0 if gradient is None else float(gradient.abs().max()))


class BrokenLoop(Exercise):
    """The answer: `repaired_training(model, batches, optimizer, epochs)` → mean loss per epoch.

    Each of the six mistakes of the loop in the task has its own cases, which look at nothing
    else: mending one of them earns its points whatever the others do. A key holds the losses and
    the state after the whole training without mistakes, and the mean losses of a model that does
    not change: from logits, and with a softmax too many.
    """

    id, points, title = "03.4", 8, "Mend a broken training loop"

    def describe(self, case: Case) -> str:
        sizes = [len(labels) for _, labels in case["batches"]]
        return (
            f"{case['about']}: a {case['model']} model, batches of {sizes} images, "
            f"{case['epochs']} epochs, SGD with learning rate {case['learning_rate']}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        model, optimizer = restore(case)
        seen = _Recorder(model, optimizer)
        batches = [tuple(batch) for batch in case["batches"]]
        losses = answer(model, batches, optimizer, case["epochs"])
        return {
            "losses": list(losses) if isinstance(losses, tuple) else losses,
            "modes": seen.modes,
            "events": seen.events,
            "left_over": seen.left_over,
            "step_sizes": seen.step_sizes,
            "state": state_of(model),
        }

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, dict) or not _flags(result.get("modes")):
            return wrong("the model was never called")
        checks = {
            "mode": self._mode,
            "softmax": self._softmax,
            "fresh gradients": self._fresh_gradients,
            "order": self._order,
            "plain numbers": self._plain_numbers,
            "mean over images": self._mean_over_images,
        }
        hint = checks.get(case["about"], self._everything)(case, key, result)
        return wrong(hint) if hint else right()

    def _mode(self, case: Case, key: Any, result: dict) -> str | None:
        if all(result["modes"]):
            return None
        return "the model trains in evaluation mode: which call puts it into training mode?"

    def _fresh_gradients(self, case: Case, key: Any, result: dict) -> str | None:
        left = _as_numbers(result.get("left_over"))
        if not left:
            return "no gradients were computed: loss.backward() is missing"
        if max(left) <= 1e-6:
            return None
        return "each batch adds its gradients to those of the batch before: who clears them?"

    def _order(self, case: Case, key: Any, result: dict) -> str | None:
        events, sizes = result.get("events"), _as_numbers(result.get("step_sizes"))
        wanted = ["backward", "step"] * (len(case["batches"]) * case["epochs"])
        if events != wanted:
            return (
                "for each batch there should be one backward and then one step; here they came as "
                f"{describe(events[:4] if isinstance(events, list) else events)} and so on"
            )
        if not sizes or min(sizes) == 0.0:
            return "the gradients are cleared between backward and step: the step does nothing"
        return None

    def _softmax(self, case: Case, key: Any, result: dict) -> str | None:
        losses = _as_numbers(result.get("losses"))
        want, _ = key["still"]
        if not losses:
            return self._list_of_numbers(case, result)
        if _about(losses[0], want):
            return None
        return (
            f"the learning rate is 0 here, so the mean loss is {want:.4g} in every epoch: what "
            "does F.cross_entropy take, logits or probabilities?"
        )

    def _plain_numbers(self, case: Case, key: Any, result: dict) -> str | None:
        if problem := self._list_of_numbers(case, result):
            return problem
        if len(set(result["losses"])) > 1:
            return None
        return "the losses of all epochs are the same: return what each epoch's batches gave"

    def _list_of_numbers(self, case: Case, result: dict) -> str | None:
        losses = result.get("losses")
        if not isinstance(losses, list) or len(losses) != case["epochs"]:
            return f"return a list with one mean loss per epoch, not {describe(losses)}"
        if all(type(loss) in (int, float) for loss in losses):
            return None
        return "the losses are tensors and keep the graph of every batch alive: .item() helps"

    def _mean_over_images(self, case: Case, key: Any, result: dict) -> str | None:
        losses = _as_numbers(result.get("losses"))
        if not losses:
            return self._list_of_numbers(case, result)
        if any(_about(losses[0], value) for value in key["still"]):
            return None  # a softmax too many has its own cases
        return (
            "the mean over the epoch's images is wanted: a smaller batch counts less than a full "
            "one, so weight each batch's mean by its number of images"
        )

    def _everything(self, case: Case, key: Any, result: dict) -> str | None:
        losses = _as_numbers(result.get("losses"))
        if not same_state(result.get("state"), key["state"]):
            return "the weights after training are not right: a mistake is left"
        if problem := self._list_of_numbers(case, result):
            return problem
        if all(same_number(*pair, TOLERANCE) for pair in zip(losses, key["losses"], strict=True)):
            return None
        return "the weights are right, but the losses that are returned are not"


def _as_numbers(losses: Any) -> list[float]:
    """A list of numbers, also if they are still tensors; empty if it is anything else."""
    if not isinstance(losses, list):
        return []
    numbers = [loss.item() if _is_scalar(loss) else loss for loss in losses]
    return numbers if all(type(number) in (int, float) for number in numbers) else []


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


EXERCISES = [BuildLeNet(), TrainingStep(), Evaluate(), BrokenLoop()]
