"""Lecture 10: train and test, statistics in one pass, seven layers, pruning, an objective."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from operator import eq
from typing import Any

import torch
from torch import Tensor

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .l03_lenet import restore, same_state, state_of
from .shared import TOLERANCE, BuildModule, fields, first_mistake


def _about(value: Any, want: float) -> bool:
    """Whether a number, or a tensor that holds one, is the wanted one up to rounding."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    return same_number(value, want, TOLERANCE * max(1.0, abs(want)))


def _as_text(value: Any) -> str:
    return (
        f"{value.item():.6g}"
        if isinstance(value, Tensor) and value.numel() == 1
        else describe(value)
    )


# --- 10.1 ----------------------------------------------------------------------------------------


class TrainOneEpoch(Exercise):
    """The answer: `train(epoch, model, images, optimizer, start)` → mean loss of all images.

    A key holds the state of the model after the epoch and the loss, and what mistakes lead to.
    """

    id, points, title = "10.1", 6, "train: one epoch, with the rate of this epoch"
    worth_a_look = ("train_one_epoch", "StepLR", "LambdaLR")

    def describe(self, case: Case) -> str:
        sizes = [len(labels) for _, labels in case["batches"]]
        return f"epoch {case['epoch']}, start={case['start']}, batches of {sizes} images"

    def run(self, answer: Any, case: Case) -> Any:
        model, _ = restore(case)
        groups = [{"params": [parameter]} for parameter in model.parameters()]
        optimizer = torch.optim.SGD(groups, lr=case["learning_rate"])
        batches = [tuple(batch) for batch in case["batches"]]
        returned = answer(case["epoch"], model, batches, optimizer, case["start"])
        return {"returned": returned, "state": state_of(model)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, state = fields(result, "returned", "state")
        if not same_state(state, key["state"]):
            return wrong(self._state_hint(case, key, state))
        if _about(returned, key["loss"]["want"]):
            return right()
        if hint := first_mistake(returned, key["loss"]["mistakes"], same=_about):
            return wrong(hint)
        return wrong(
            f"the weights are right; the mean loss of all images is {key['loss']['want']:.6g}, "
            f"not {_as_text(returned)}"
        )

    def _state_hint(self, case: Case, key: Any, state: Any) -> str:
        weights = {
            name: v for name, v in case["state"].items() if name.endswith(("weight", "bias"))
        }
        if same_state(state, weights):
            return "the weights have not changed: loss.backward(), then optimizer.step()"
        return first_mistake(state, key["mistakes"], same=same_state) or (
            "the weights after the epoch are others: set the rate, then for each batch forward, "
            "loss, zero_grad, backward, step, each of them once"
        )


# --- 10.2 ----------------------------------------------------------------------------------------


class TestLoop(Exercise):
    """The answer: `test(model, images)` → (mean loss, share of right answers).

    A key holds for either number what is right, and what mistakes lead to.
    """

    id, points, title = "10.2", 4, "test: loss and accuracy on other images"
    worth_a_look = ("evaluate",)

    def describe(self, case: Case) -> str:
        return f"batches of {[len(labels) for _, labels in case['batches']]} images"

    def run(self, answer: Any, case: Case) -> Any:
        model, _ = restore(case)
        modes: list[bool] = []
        graphs: list[bool] = []
        model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
        model.register_forward_pre_hook(lambda *_: graphs.append(torch.is_grad_enabled()))
        returned = answer(model, [tuple(batch) for batch in case["batches"]])
        return {"returned": returned, "modes": modes, "graphs": graphs}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, modes, graphs = fields(result, "returned", "modes", "graphs")
        if not isinstance(modes, list) or not modes:
            return wrong("the model was never called: output = model(x)")
        if True in modes:
            return wrong("the model was in training mode: call model.eval() first")
        if not isinstance(graphs, list) or True in graphs:
            return wrong("gradients were recorded: put the loop under with torch.no_grad():")
        if not isinstance(returned, list) or len(returned) != 2:
            return wrong(f"return two numbers, (mean loss, accuracy), not {describe(returned)}")
        for name, value in zip(("mean loss", "accuracy"), returned, strict=True):
            want, mistakes = key[name]["want"], key[name]["mistakes"]
            if not _about(value, want):
                hint = first_mistake(value, mistakes, same=_about)
                return wrong(hint or f"the {name} should be {want:.6g}, not {_as_text(value)}")
        return right()


# --- 10.3 ----------------------------------------------------------------------------------------

LONG = 8  # batches: from here on it is judged whether an answer keeps them
MOST_KEPT = 0.5  # of the pixels; one pass needs one batch, in a few forms,
BESIDES = 2000  # and some numbers, for example how often each value occurs


def _new_numbers() -> int:
    """How many numbers the tensors made since `gc.freeze` hold; those that share them count once.

    What is frozen is not looked at: a process with PyTorch has some 300,000 objects.
    """
    found = {}
    for thing in gc.get_objects():
        if type(thing) is Tensor and thing.layout is torch.strided:
            storage = thing.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes() // thing.element_size()
    return sum(found.values())


class StreamingStatistics(Exercise):
    """The answer: `channel_statistics(batches)` → (mean, std), one pass over an iterator.

    A result also holds which share of all pixels was kept when the last batch came.
    """

    id, points, title = "10.3", 5, "Mean and standard deviation in one pass"
    worth_a_look = ("StandardScaler", "partial_fit")

    def describe(self, case: Case) -> str:
        batches = case["batches"]
        shapes = dict.fromkeys(str(tuple(batch.shape)) for batch in batches)
        return f"{len(batches)} batches of shapes {', '.join(shapes)}"

    def run(self, answer: Any, case: Case) -> Any:
        batches, kept = case["batches"], [0.0]
        is_long = len(batches) >= LONG

        def stream() -> Iterator[Tensor]:
            yield from (batch.clone() for batch in batches[:-1])
            if is_long:
                kept[0] = (_new_numbers() - BESIDES) / sum(b.numel() for b in batches)
            yield batches[-1]

        gc.freeze()
        try:
            result = answer(stream())
        finally:
            gc.unfreeze()
        values = [torch.as_tensor(v) for v in result] if isinstance(result, Iterable) else result
        return {"returned": values, "kept": kept[0]}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, kept = fields(result, "returned", "kept")
        if not isinstance(returned, list) or len(returned) != 2:
            return wrong("return two things: the means and the standard deviations")
        if not self._same(returned, key["want"]):
            return wrong(self._hint(returned, key))
        if not isinstance(kept, float) or kept > MOST_KEPT:
            return wrong(
                "the numbers are right, but all batches are in memory at the end: add up sums, and "
                "keep no list of batches"
            )
        return right()

    def _hint(self, returned: list, key: Any) -> str:
        want = key["want"]
        channels = len(want[0])
        for name, value in zip(("mean", "std"), returned, strict=True):
            if not isinstance(value, Tensor) or value.shape != (channels,):
                return f"{name} should have {channels} numbers, one a channel"
        if hint := first_mistake(returned, key["mistakes"], same=self._same):
            return hint
        if not same_tensor(returned[0], want[0], 1e-5):
            return f"the mean should be {self._text(want[0])}, yours is {self._text(returned[0])}"
        if want[1].max() < 0.01:
            return "use float64 for the sums: float32 loses the small difference of large numbers"
        if returned[1].isnan().any():
            return (
                "the std is nan, the root of a negative number: squares of uint8 are uint8 again, "
                "and 16 · 16 = 256 becomes 0. Make the batch float64 before you square it"
            )
        text = "the mean is right; the std should be"
        return f"{text} {self._text(want[1])}, yours is {self._text(returned[1])}"

    def _same(self, result: list, want: list) -> bool:
        return all(
            isinstance(have, Tensor)
            and have.shape == need.shape
            and not have.is_complex()
            and bool(((have.double() - need).abs() <= 1e-6 + 1e-3 * need.abs()).all())
            for have, need in zip(result, want, strict=True)
        )

    def _text(self, values: Tensor) -> str:
        return "(" + ", ".join(f"{value:.5f}" for value in values.tolist()) + ")"


# --- 10.4 ----------------------------------------------------------------------------------------


class SevenLayers(BuildModule):
    """The answer: a class `SevenLayers(num_classes, channels, hidden)` for 32x32 images."""

    id, points, title = "10.4", 4, "Seven layers"
    worth_a_look = ("make_layers", "SevenLayerVGG")

    def output_hint(self, output: Any, want: Tensor) -> str:
        return "names and shapes are right, the logits are not: compare forward"

    def state_hint(self, have: dict, want: dict) -> str:
        if have.keys() == want.keys():
            return super().state_hint(have, want)
        places, wanted = (
            [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
            for names in (have, want)
        )
        if places == wanted:
            return "each of the seven layers has a weight and a bias, and nothing else has"
        shown = ", ".join(places[:9]) + (", ..." if len(places) > 9 else "")
        return (
            f"layers with weights should be {', '.join(wanted)}. Yours are {shown}: compare the "
            "order of convolutions, ReLUs and pools with the task"
        )

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        return f"{name} should have shape {want}, it has {describe(have)}"


# --- 10.5 ----------------------------------------------------------------------------------------


FEW = 4  # finished trials: with these nothing is pruned


class MedianPruning(Exercise):
    """The answer: `should_prune(values, finished)` → bool.

    It is asked after each epoch, and once more with few finished trials.
    """

    id, points, title = "10.5", 3, "When to stop a trial"
    worth_a_look = ("MedianPruner", "PercentilePruner")

    def run(self, answer: Any, case: Case) -> Any:
        values, finished = case["values"], case["finished"]
        asked = [answer(values[:epochs], finished) for epochs in range(1, len(values) + 1)]
        return [*asked, answer(values, finished[:FEW])]

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if not isinstance(result, list) or len(result) != len(want):
            return wrong("return True or False, once for each call")
        if odd := [value for value in result if type(value) is not bool]:
            return wrong(f"return True or False; your code returned {describe(odd[0])}")
        if result == want:
            return right()
        if hint := first_mistake(result, key["mistakes"], same=eq):
            return wrong(hint)
        if result[:-1] == want[:-1]:
            return wrong(f"with {FEW} finished trials nothing is pruned")
        epoch = next(
            e for e, (have, need) in enumerate(zip(result, want, strict=True)) if have != need
        )
        should = "stop" if want[epoch] else "go on"
        return wrong(f"after epoch {epoch + 1} this trial should {should}")


# --- 10.6 ----------------------------------------------------------------------------------------


class _Trial:
    """Stands for Optuna's trial: it answers from the case and notes every call."""

    def __init__(self, case: Case) -> None:
        self.number = 0
        self.params: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.reports: list[list[float]] = []
        self._settings, self._stops_after = case["settings"], case["stops_after"]

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> float:
        return self._suggest("suggest_float", name, [float(low), float(high)], options)

    def suggest_categorical(self, name: str, choices: Iterable) -> Any:
        return self._suggest("suggest_categorical", name, list(choices), {})

    def _suggest(self, call: str, name: str, values: list, options: dict) -> Any:
        log = bool(options.get("log"))
        self.asked.append({"call": call, "name": name, "values": values, "log": log})
        if name not in self._settings:
            raise ValueError(f"there is no setting {name!r} in the task")
        return self.params.setdefault(name, self._settings[name])

    def report(self, value: float, step: int) -> None:
        self.reports.append([float(value), step])

    def should_prune(self) -> bool:
        return 0 < self._stops_after == len(self.reports)


class _Network:
    """Stands for a network in training: its accuracies are those of the case."""

    def __init__(self, calls: list, accuracies: list[float], setting: dict) -> None:
        self._calls, self._accuracies, self._trained = calls, accuracies, 0
        calls.append(["start", setting])

    def train(self, epoch: int) -> float:
        self._calls.append(["train", epoch])
        self._trained += 1
        return 1.0

    def test(self) -> float:
        self._calls.append(["test"])
        return self._accuracies[min(self._trained, len(self._accuracies) - 1)]


class SearchObjective(Exercise):
    """The answer: `objective(trial, start, epochs)` → accuracy, or `optuna.TrialPruned`."""

    id, points, title = "10.6", 4, "The objective of a search"

    def describe(self, case: Case) -> str:
        when = case["stops_after"]
        stop = f"should_prune() is True after {when} reports" if when else "it is never pruned"
        return f"{case['epochs']} epochs, {case['settings']}, {stop}"

    def run(self, answer: Any, case: Case) -> Any:
        trial, pruned, returned = _Trial(case), False, None
        calls: list[Any] = []
        try:
            returned = answer(
                trial,
                lambda **setting: _Network(calls, case["accuracies"], setting),
                case["epochs"],
            )
        except Exception as error:
            if type(error).__name__ != "TrialPruned":  # of Optuna, which is not needed here
                raise
            pruned = True
        asked, reports = trial.asked, trial.reports
        return dict(returned=returned, pruned=pruned, asked=asked, reports=reports, calls=calls)

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, pruned, asked, reports, calls = fields(
            result, "returned", "pruned", "asked", "reports", "calls"
        )
        if not all(isinstance(found, list) for found in (asked, reports, calls)):
            return wrong("this is no objective")
        problem = (
            self._space(asked, key["asked"])
            or self._training(calls, key["calls"])
            or self._reports(reports, key["reports"])
        )
        if problem:
            return wrong(problem)
        if pruned is not key["pruned"]:
            return wrong("where should_prune() is True, raise optuna.TrialPruned(); nowhere else")
        if not pruned and not _about(returned, key["value"]):
            hint = first_mistake(returned, key["mistakes"], same=_about)
            return wrong(hint or f"return {key['value']:.6g}, not {_as_text(returned)}")
        return right()

    def _space(self, asked: list, want: list) -> str | None:
        found = {one["name"]: one for one in asked}
        for one in want:
            name, have = one["name"], found.get(one["name"])
            if have is None:
                return f"the trial was not asked for {name}: use trial.{one['call']}"
            if have["call"] != one["call"] or have["values"] != one["values"]:
                return f"{name}: the task says trial.{one['call']} with {one['values']}"
            if have["log"] != one["log"]:
                return f"{name} should be drawn evenly on a logarithmic axis: log=True"
        return None

    def _training(self, calls: list, want: list) -> str | None:
        if calls == want:
            return None
        if not calls or calls[0] != want[0]:
            return f"begin with network = start(...) with the settings {want[0][1]}"
        if calls[: len(want)] == want and calls[len(want) :] == [["test"]]:
            return "test once in each epoch, and return the accuracy that you reported last"
        if len(calls) > len(want) and calls[: len(want)] == want:
            return (
                "the training goes on after should_prune() was True, or after the last epoch: "
                "raise optuna.TrialPruned() at once"
            )
        return "in each epoch, 0, 1, ..., call network.train(epoch), then network.test(), once each"

    def _reports(self, reports: list, want: list) -> str | None:
        if reports == want:
            return None
        if len(reports) != len(want):
            return f"report once after each epoch: {len(want)} times here, not {len(reports)} times"
        if [value for value, _ in reports] == [value for value, _ in want]:
            return "trial.report(value, step): the step is the number of the epoch, from 0"
        return "report the accuracy that network.test() returns after this epoch"


EXERCISES = [
    TrainOneEpoch(),
    TestLoop(),
    StreamingStatistics(),
    SevenLayers(),
    MedianPruning(),
    SearchObjective(),
]
