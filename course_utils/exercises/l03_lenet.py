"""Lecture 03: build LeNet-5, one training step, an evaluation, a broken training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
from .shared import (
    TOLERANCE,
    BuildModule,
    close,
    fields,
    first_mistake,
    identity,
    layer_state,
    normal,
    not_logits,
    numbered,
)

# --- small helpers -------------------------------------------------------------------------------


def _batches(rng: Generator, sizes: list[int], features: int, classes: int) -> list:
    """Batches of the given sizes, as (images, labels): float32 (B, features), int64 (B,)."""
    return [
        [normal(rng, size, features), torch.from_numpy(rng.integers(0, classes, size))]
        for size in sizes
    ]


def _new_model(kind: str, sizes: list[int]) -> nn.Module:
    """A small classifier: "linear", or "batch norm" with one hidden layer."""
    if kind == "linear":
        return nn.Linear(sizes[0], sizes[-1])
    features, hidden, classes = sizes
    return nn.Sequential(
        nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes)
    )


def _random_state(rng: Generator, kind: str, sizes: list[int]) -> dict[str, Tensor]:
    """A state dict for `_new_model`, with running statistics far from 0 and 1."""
    state = {}
    for name, value in _new_model(kind, sizes).state_dict().items():
        if value.is_floating_point():
            value = normal(rng, *value.shape, scale=0.5)
        state[name] = value.abs() + 0.5 if name.endswith("running_var") else value
    return state


def _by_hand(images: list[list[float]], labels: list[int]) -> list[Tensor]:
    """One batch that can be worked out on paper."""
    return [torch.tensor(images), torch.tensor(labels)]


# A linear layer that changes nothing: its logits are the two pixels of an image.
PAPER_MODEL = {
    "model": "linear",
    "sizes": [2, 2],
    "state": {"weight": torch.eye(2), "bias": torch.zeros(2)},
}


def _restore(case: Case) -> nn.Module:
    """The model that the case describes, in the mode in which it starts."""
    model = _new_model(case["model"], case["sizes"])
    model.load_state_dict(case["state"])
    return model.train(case["starts_in_training_mode"])


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _same_state(result: Any, want: dict[str, Tensor]) -> bool:
    return isinstance(result, dict) and all(
        close(result.get(name), value) for name, value in want.items()
    )


def _flags(value: Any) -> list[bool]:
    """The value if it is a list of booleans, otherwise an empty list."""
    is_flags = isinstance(value, list) and all(type(item) is bool for item in value)
    return value if is_flags else []


def _pair(returned: Any) -> bool:
    return isinstance(returned, list) and len(returned) == 2


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


def _lenet_shapes(num_classes: int, in_channels: int, image_size: int) -> list[tuple[int, ...]]:
    """The shapes of the weights, for maps that shrink by a 5×5 convolution and a 2×2 pooling."""
    flat = 16 * (((image_size - 4) // 2 - 4) // 2) ** 2
    return [(6, in_channels, 5, 5), (16, 6, 5, 5), (120, flat), (84, 120), (num_classes, 84)]


class BuildLeNet(BuildModule):
    """The answer: a class, built by name with `num_classes`, `in_channels` and `image_size`."""

    id, points, title = "03.1", 5, "LeNet-5 for any image size"
    mistakes = {
        "after the two linear layers in the middle the ReLU is missing": dict(
            after_linear=identity
        ),
        "after the convolutions the ReLU is missing": dict(after_conv=identity),
        "there is no ReLU anywhere: without one the layers fold into a single linear map": dict(
            after_conv=identity, after_linear=identity
        ),
        "the last layer returns logits: leave the softmax out, F.cross_entropy contains it": dict(
            last=lambda x: x.softmax(dim=1)
        ),
        "the last layer returns logits: leave the log-softmax out, F.cross_entropy contains it": (
            dict(last=lambda x: x.log_softmax(dim=1))
        ),
        "the last layer returns logits: no ReLU after it, or no logit can be negative": dict(
            last=F.relu
        ),
        "pool with the maximum, not with the average (that is closer to 1998)": dict(
            pool=F.avg_pool2d
        ),
        "use ReLU, not tanh (tanh is the network of 1998)": dict(
            after_conv=torch.tanh, after_linear=torch.tanh
        ),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, num_classes=10, in_channels=1, image_size=32)
        yield self._case(rng, num_classes=10, in_channels=3, image_size=32)
        yield self._case(rng, num_classes=10, in_channels=1, image_size=28)
        yield self._case(rng, num_classes=2, in_channels=1, image_size=16)
        yield self._case(rng, num_classes=5, in_channels=3, image_size=37)
        for _ in range(3):
            yield self._case(
                rng,
                num_classes=int(rng.integers(2, 20)),
                in_channels=int(rng.integers(1, 5)),
                image_size=int(rng.integers(18, 41)),
            )

    def _case(self, rng: Generator, **arguments: int) -> Case:
        layers = [layer_state(rng, "", *shape) for shape in _lenet_shapes(**arguments)]
        state = numbered(value for layer in layers for value in layer.values())
        size = arguments["image_size"]
        x = normal(rng, 2, arguments["in_channels"], size, size)
        return {"arguments": arguments, "state": state, "x": x}

    def build(self, answer: Any, case: Case) -> Any:
        model = answer(**case["arguments"])
        if isinstance(model, nn.Module) and any(map(nn.parameter.is_lazy, model.parameters())):
            model(case["x"])  # lazy layers learn their shapes from the first images
        return model

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        return numbered(module.parameters())

    def reference(
        self,
        case: Case,
        *,
        after_conv: Callable = F.relu,
        after_linear: Callable = F.relu,
        pool: Callable = F.max_pool2d,
        last: Callable = identity,
    ) -> Tensor:
        w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = case["state"].values()
        x = pool(after_conv(F.conv2d(case["x"], w1, b1)), 2)
        x = pool(after_conv(F.conv2d(x, w2, b2)), 2).flatten(1)
        x = after_linear(F.linear(x, w3, b3))
        x = after_linear(F.linear(x, w4, b4))
        return last(F.linear(x, w5, b5))

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


def _correct(logits: Tensor, labels: Tensor) -> int:
    return int((logits.argmax(dim=1) == labels).sum())


def _reference_step(
    case: Case,
    *,
    fresh: bool = True,
    training: bool = True,
    step_first: bool = False,
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> tuple[dict[str, Tensor], float, int]:
    """The state after one step, the loss and the number correct; options are the mistakes."""
    model, optimizer = _model_and_optimizer(case)
    model.train(training)
    if fresh:
        optimizer.zero_grad()
    if step_first:
        optimizer.step()
    logits = model(case["images"])
    loss = loss_of(logits, case["labels"])
    loss.backward()
    if not step_first:
        optimizer.step()
    return _state(model), loss.item(), _correct(logits, case["labels"])


def _model_and_optimizer(case: Case) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = _restore(case)
    for parameter, gradient in zip(model.parameters(), case["old_gradients"], strict=False):
        parameter.grad = gradient.clone()
    return model, torch.optim.SGD(model.parameters(), lr=case["learning_rate"])


STEP_MISTAKES = {
    "old gradients were added to the new ones: call optimizer.zero_grad() before loss.backward()": (
        dict(fresh=False)
    ),
    "the batch norm layer did not learn from this batch: call model.train() first": (
        dict(training=False)
    ),
    "the step used gradients from before this batch: call loss.backward() before the step": (
        dict(fresh=False, step_first=True)
    ),
    "give F.cross_entropy the logits: it contains the softmax, yours was applied twice": (
        dict(loss_of=lambda logits, labels: F.cross_entropy(logits.softmax(dim=1), labels))
    ),
    "the loss is the mean over the batch (the default), not the sum": (
        dict(loss_of=lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"))
    ),
}


class TrainingStep(Exercise):
    """The answer: `training_step(model, images, labels, optimizer)` → (loss, number correct)."""

    id, points, title = "03.2", 5, "One training step"

    def cases(self, rng: Generator) -> Iterator[Case]:
        images, labels = _by_hand([[1.0, 0.0], [0.0, 1.0]], [0, 0])
        yield {
            **PAPER_MODEL,
            "starts_in_training_mode": True,
            "old_gradients": [],
            "images": images,
            "labels": labels,
            "learning_rate": 1.0,
        }
        yield self._case(rng, "linear", starts_in_training_mode=True, old_gradients=True)
        yield self._case(rng, "batch norm", starts_in_training_mode=False, old_gradients=False)
        for _ in range(9):
            yield self._case(
                rng,
                "batch norm",
                starts_in_training_mode=bool(rng.random() < 0.2),
                old_gradients=bool(rng.random() < 0.8),
            )

    def _case(
        self, rng: Generator, kind: str, *, starts_in_training_mode: bool, old_gradients: bool
    ) -> Case:
        sizes = [int(rng.integers(3, 9)), int(rng.integers(3, 7)), int(rng.integers(2, 6))]
        [[images, labels]] = _batches(rng, [int(rng.integers(4, 12))], sizes[0], sizes[-1])
        state = _random_state(rng, kind, sizes)
        names = [name for name, _ in _new_model(kind, sizes).named_parameters()]
        old = [normal(rng, *state[name].shape) for name in names] if old_gradients else []
        return {
            "model": kind,
            "sizes": sizes,
            "state": state,
            "starts_in_training_mode": starts_in_training_mode,
            "old_gradients": old,
            "images": images,
            "labels": labels,
            "learning_rate": 0.25,
        }

    def describe(self, case: Case) -> str:
        mode = "training" if case["starts_in_training_mode"] else "evaluation"
        old = "old gradients left over" if case["old_gradients"] else "no gradients yet"
        return (
            f"a {case['model']} model in {mode} mode, {old}, a batch of {len(case['labels'])}, "
            f"SGD with learning rate {case['learning_rate']}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        model, optimizer = _model_and_optimizer(case)
        returned = answer(model, case["images"], case["labels"], optimizer)
        return {"returned": returned, "state": _state(model)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, state = fields(result, "returned", "state")
        want, loss, correct = _reference_step(case)
        if not _same_state(state, want):
            return wrong(self._state_hint(case, state))
        if not _pair(returned):
            return wrong(
                "the weights are right. Return two numbers, the loss and how many predictions "
                f"are correct; you returned {describe(returned)}"
            )
        problem = _number_problem("loss", returned[0])
        if problem or not same_number(returned[0], loss, TOLERANCE * max(1.0, loss)):
            return wrong(problem or f"the loss of this batch is {loss:.6g}, not {returned[0]:.6g}")
        problem = _number_problem("number of correct predictions", returned[1])
        if problem or not same_number(returned[1], correct):
            return wrong(problem or self._correct_hint(case, returned[1], correct))
        return right()

    def _state_hint(self, case: Case, state: Any) -> str:
        weights = {name: case["state"][name] for name in case["state"] if "running" not in name}
        weights.pop("1.num_batches_tracked", None)
        if _same_state(state, weights):
            return (
                "the weights have not changed: compute the gradients with loss.backward(), then "
                "call optimizer.step()"
            )

        def state_after(mistake: dict[str, Any]) -> dict[str, Tensor]:
            return _reference_step(case, **mistake)[0]

        if hint := first_mistake(state, STEP_MISTAKES, state_after, _same_state):
            return hint
        return (
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


def _reference_evaluation(case: Case) -> tuple[list[float], list[float]]:
    """Mean loss and accuracy of each batch, in evaluation mode."""
    model = _restore(case).eval()
    losses, accuracies = [], []
    with torch.no_grad():
        for images, labels in case["batches"]:
            logits = model(images)
            losses.append(F.cross_entropy(logits, labels).item())
            accuracies.append(_correct(logits, labels) / len(labels))
    return losses, accuracies


class Evaluate(Exercise):
    """The answer: `evaluate_model(model, batches)` → (mean loss, accuracy)."""

    id, points, title = "03.3", 6, "Evaluate a model"

    def cases(self, rng: Generator) -> Iterator[Case]:
        first, last = _by_hand([[1.0, 0.0], [0.0, 1.0]], [0, 0]), _by_hand([[1.0, 0.0]], [1])
        yield {**PAPER_MODEL, "batches": [first, last], "starts_in_training_mode": True}
        yield self._case(rng, "linear", [4, 4, 4], starts_in_training_mode=False)
        yield self._case(rng, "batch norm", [6, 6], starts_in_training_mode=True)
        yield self._case(rng, "batch norm", [5, 5, 1], starts_in_training_mode=False)
        yield self._case(rng, "linear", [7, 2], starts_in_training_mode=True)
        yield self._case(rng, "linear", [1], starts_in_training_mode=False)
        for _ in range(8):
            size = int(rng.integers(4, 9))
            yield self._case(
                rng,
                str(rng.choice(["linear", "batch norm"])),
                [size] * int(rng.integers(1, 4)) + [int(rng.integers(1, size))],
                starts_in_training_mode=bool(rng.integers(2)),
            )

    def _case(self, rng: Generator, kind: str, batch_sizes: list[int], **start: bool) -> Case:
        sizes = [5, int(rng.integers(3, 7)), int(rng.integers(2, 5))]
        state = _random_state(rng, kind, sizes)
        batches = _batches(rng, batch_sizes, sizes[0], sizes[-1])
        return {"model": kind, "sizes": sizes, "state": state, "batches": batches, **start}

    def describe(self, case: Case) -> str:
        mode = "training" if case["starts_in_training_mode"] else "evaluation"
        sizes = [len(labels) for _, labels in case["batches"]]
        return f"a {case['model']} model in {mode} mode, batches of {sizes} images"

    def run(self, answer: Any, case: Case) -> Any:
        model = _restore(case)
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
        return self._judge_numbers(case, returned)

    def _judge_numbers(self, case: Case, returned: Any) -> Verdict:
        if not _pair(returned):
            return wrong(f"return two numbers, (mean loss, accuracy), not {describe(returned)}")
        values = _reference_evaluation(case)
        for name, value, per_batch in zip(("mean loss", "accuracy"), returned, values, strict=True):
            problem = _number_problem(name, value) or self._problem(case, name, value, per_batch)
            if problem:
                return wrong(problem)
        return right()

    def _problem(self, case: Case, name: str, value: float, per_batch: list[float]) -> str | None:
        sizes = [len(labels) for _, labels in case["batches"]]
        total = sum(size * mean for size, mean in zip(sizes, per_batch, strict=True))
        want, count = total / sum(sizes), len(sizes)
        limit = TOLERANCE * max(1.0, want)
        if same_number(value, want, limit):
            return None
        if same_number(value, sum(per_batch) / count, limit):
            return (
                f"the {name} is an average over images, not over batches: the last batch is "
                "smaller, so its mean must count less"
            )
        if same_number(value, total, limit * sum(sizes)):
            return f"the {name} is a total here: divide by the number of images, {sum(sizes)}"
        if same_number(value, 100 * want, 100 * limit):
            return f"give the {name} as a share from 0 to 1, not in percent"
        if same_number(value, total / count, limit * sum(sizes)):
            return f"the {name} was divided by the number of batches: divide by that of images"
        return f"the {name} should be {want:.6g}, yours is {value:.6g}"


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


def _repaired(
    model: nn.Module, batches: list, optimizer: torch.optim.Optimizer, epochs: int
) -> list[float]:
    """The training loop without its mistakes: the mean loss over the images of each epoch."""
    losses = []
    model.train()
    for _ in range(epochs):
        total, count = 0.0, 0
        for images, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(labels), count + len(labels)
        losses.append(total / count)
    return losses


class BrokenLoop(Exercise):
    """The answer: `repaired_training(model, batches, optimizer, epochs)` → mean loss per epoch.

    Each of the six mistakes of the loop in the task has its own cases, which look at nothing
    else: mending one of them earns its points whatever the others do.
    """

    id, points, title = "03.4", 8, "Mend a broken training loop"

    ABOUT = ("mode", "softmax", "fresh gradients", "order", "plain numbers", "mean over images")

    def cases(self, rng: Generator) -> Iterator[Case]:
        for _ in range(2):
            for about in self.ABOUT:
                yield self._case(rng, about)
        for _ in range(4):
            yield self._case(rng, "everything")

    def _case(self, rng: Generator, about: str) -> Case:
        still = about in ("softmax", "mean over images")
        kind = "linear" if still or about == "fresh gradients" else "batch norm"
        sizes = [5, 6, int(rng.integers(3, 6))]
        size = int(rng.integers(4, 8))
        last = size if about == "softmax" else 3
        return {
            "about": about,
            "model": kind,
            "sizes": sizes,
            "state": _random_state(rng, kind, sizes),
            "starts_in_training_mode": bool(rng.integers(2)),
            "batches": _batches(rng, [size, size, last], sizes[0], sizes[-1]),
            "learning_rate": 0.0 if still else 0.1,
            "epochs": 2,
        }

    def describe(self, case: Case) -> str:
        sizes = [len(labels) for _, labels in case["batches"]]
        return (
            f"{case['about']}: a {case['model']} model, batches of {sizes} images, "
            f"{case['epochs']} epochs, SGD with learning rate {case['learning_rate']}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        model = _restore(case)
        optimizer = torch.optim.SGD(model.parameters(), lr=case["learning_rate"])
        seen = _Recorder(model, optimizer)
        batches = [tuple(batch) for batch in case["batches"]]
        losses = answer(model, batches, optimizer, case["epochs"])
        return {
            "losses": list(losses) if isinstance(losses, tuple) else losses,
            "modes": seen.modes,
            "events": seen.events,
            "left_over": seen.left_over,
            "step_sizes": seen.step_sizes,
            "state": _state(model),
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
        hint = checks.get(case["about"], self._everything)(case, result)
        return wrong(hint) if hint else right()

    def _mode(self, case: Case, result: dict) -> str | None:
        if all(result["modes"]):
            return None
        return "the model trains in evaluation mode: which call puts it into training mode?"

    def _fresh_gradients(self, case: Case, result: dict) -> str | None:
        left = _as_numbers(result.get("left_over"))
        if not left:
            return "no gradients were computed: loss.backward() is missing"
        if max(left) <= 1e-6:
            return None
        return "each batch adds its gradients to those of the batch before: who clears them?"

    def _order(self, case: Case, result: dict) -> str | None:
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

    def _softmax(self, case: Case, result: dict) -> str | None:
        losses = _as_numbers(result.get("losses"))
        want, _ = _still_losses(case)
        if not losses:
            return self._plain_numbers(case, result)
        if same_number(losses[0], want, TOLERANCE * max(1.0, want)):
            return None
        return (
            f"the learning rate is 0 here, so the mean loss is {want:.4g} in every epoch: what "
            "does F.cross_entropy take, logits or probabilities?"
        )

    def _plain_numbers(self, case: Case, result: dict) -> str | None:
        losses = result.get("losses")
        if not isinstance(losses, list) or len(losses) != case["epochs"]:
            return f"return a list with one mean loss per epoch, not {describe(losses)}"
        if all(type(loss) in (int, float) for loss in losses):
            return None
        return "the losses are tensors and keep the graph of every batch alive: .item() helps"

    def _mean_over_images(self, case: Case, result: dict) -> str | None:
        losses = _as_numbers(result.get("losses"))
        if not losses:
            return self._plain_numbers(case, result)
        for value in _still_losses(case):  # a softmax too many has its own cases
            if same_number(losses[0], value, TOLERANCE * max(1.0, value)):
                return None
        return (
            "the mean over the epoch's images is wanted: a smaller batch counts less than a full "
            "one, so weight each batch's mean by its number of images"
        )

    def _everything(self, case: Case, result: dict) -> str | None:
        model = _restore(case)
        optimizer = torch.optim.SGD(model.parameters(), lr=case["learning_rate"])
        want = _repaired(model, case["batches"], optimizer, case["epochs"])
        losses = _as_numbers(result.get("losses"))
        if not _same_state(result.get("state"), _state(model)):
            return "the weights after training are not right: a mistake is left"
        if problem := self._plain_numbers(case, result):
            return problem
        if all(same_number(*pair, TOLERANCE) for pair in zip(losses, want, strict=True)):
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


def _still_losses(case: Case) -> tuple[float, float]:
    """Mean loss of a model that does not change: from logits, and with a softmax too many."""
    model = _restore(case)
    images, labels = (torch.cat(parts) for parts in zip(*case["batches"], strict=True))
    with torch.no_grad():
        logits = model(images)
    twice = F.cross_entropy(logits.softmax(dim=1), labels)
    return F.cross_entropy(logits, labels).item(), twice.item()


EXERCISES = [BuildLeNet(), TrainingStep(), Evaluate(), BrokenLoop()]
