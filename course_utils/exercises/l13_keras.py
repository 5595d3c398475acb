"""Lecture 13: a VGG block, a bottleneck, a callback, a new head, all in Keras.

Keras is an optional package: it is imported when an answer runs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
from .shared import close, field, fields, first_mistake


def the_keras() -> ModuleType:
    """Return Keras, on the torch backend."""
    os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it when it is imported
    import keras

    return keras


@contextmanager
def silent_copies() -> Iterator[None]:
    """Silence what NumPy 2 says of the way in which Keras copies weights."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def shape_name(kind: str, shape: Any) -> str:
    """Return how a weight is called here, for example "kernel 3×3×4×8"."""
    return f"{kind} {'×'.join(str(size) for size in shape)}"


def weight_names(variables: Any) -> list[str]:
    """Return what weights a model has, sorted: Keras numbers layers, so their names say nothing."""
    return sorted(shape_name(v.name, v.shape) for v in variables)


# --- 13.1 and 13.2 -------------------------------------------------------------------------------


class BuildLayers(Exercise):
    """The answer calls layers on a symbol; a model is made of them, given weights, and compared.

    A case holds the ``arguments`` by name, the ``weights`` that there should be, sorted, a value
    for each of them in ``state``, and the input ``x`` (N, H, W, C).
    """

    def describe(self, case: Case) -> str:
        named = ", ".join(f"{name}={value}" for name, value in case["arguments"].items())
        return f"x of shape {(None, *case['x'].shape[1:])}, {named}"

    def run(self, answer: Any, case: Case) -> Any:
        keras = the_keras()
        inputs = keras.Input(tuple(case["x"].shape[1:]))
        outputs = answer(inputs, *case["arguments"].values())
        if not isinstance(outputs, keras.KerasTensor):
            return {"weights": None}
        model = keras.Model(inputs, outputs)
        names = weight_names(model.weights)
        if names != case["weights"]:
            return {"weights": names}
        for variable in model.weights:
            variable.assign(case["state"][shape_name(variable.name, variable.shape)])
        with torch.no_grad():
            return {"weights": names, "output": model(case["x"], training=False)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        weights, output = fields(result, "weights", "output")
        if not isinstance(weights, list):
            return wrong("return the symbol that came out of the last layer")
        if weights != case["weights"]:
            return wrong(self.weights_hint(case, [str(name) for name in weights]))
        if close(output, key["want"]):
            return right()
        if hint := first_mistake(output, key["mistakes"]):
            return wrong(hint)
        shape = tuple(key["want"].shape)
        return wrong(f"the weights are right, the output is not: {shape}, it is {describe(output)}")

    def weights_hint(self, case: Case, have: list[str]) -> str:
        """Return what is wrong with the weights."""
        want, kinds = (
            [name for name in names if name.startswith("kernel")]
            for names in (case["weights"], have)
        )
        return f"the weights should be {', '.join(want)}; yours are {', '.join(kinds) or 'none'}"


class VggBlock(BuildLayers):
    """The answer: `vgg_block(x, filters, convolutions)` → a symbol."""

    id, points, title = "13.1", 4, "A block of VGG"
    worth_a_look = ("applications", "vgg_layers")

    def weights_hint(self, case: Case, have: list[str]) -> str:
        count = sum(name.startswith("kernel") for name in have)
        if count != case["arguments"]["convolutions"]:
            return (
                f"convolutions={case['arguments']['convolutions']}, and yours has {count} of them"
            )
        if not any(name.startswith("bias") for name in have):
            return "these convolutions have a bias: leave use_bias as it is"
        if any(name.startswith("gamma") for name in have):
            return "this VGG is that of 2014: no batch norm"
        return super().weights_hint(case, have)


class BottleneckBlock(BuildLayers):
    """The answer: `bottleneck(x, channels, stride)` → a symbol."""

    id, points, title = "13.2", 6, "The bottleneck of ResNet-50"
    worth_a_look = ("applications", "residual_bottleneck")

    def run(self, answer: Any, case: Case) -> Any:
        try:
            return super().run(answer, case)
        except ValueError as problem:
            if "incompatible shapes" in str(problem):
                return {"weights": ["not added"]}
            raise

    def weights_hint(self, case: Case, have: list[str]) -> str:
        if have == ["not added"]:
            return (
                "the branch and x have other shapes here and cannot be added: where the stride is "
                "not 1 or x has not 4 · channels channels, x goes through a projection, a 1×1 "
                "convolution with the stride and batch norm"
            )
        if any(name.startswith("bias") for name in have):
            return "batch norm follows each convolution and has a bias (beta): use_bias=False"
        kernels = [sum(n.startswith("kernel") for n in names) for names in (have, case["weights"])]
        norms = [sum(n.startswith("gamma") for n in names) for names in (have, case["weights"])]
        if kernels[0] == kernels[1] and norms[0] < norms[1]:
            return "batch norm follows each convolution, that of the projection too"
        if kernels == [4, 3]:
            return "here x fits as it is: no projection"
        return super().weights_hint(case, have)


# --- 13.3 ----------------------------------------------------------------------------------------


class KeepsTheBest(Exercise):
    """The answer: a class of callbacks. A case holds the logs of one training or of several.

    After epoch e of training t all weights of the model are 100 t + e + ``shift``.
    """

    id, points, title = "13.3", 5, "A callback that keeps the best weights"
    worth_a_look = ("ModelCheckpoint", "EarlyStopping", "BestWeights")

    def describe(self, case: Case) -> str:
        values = [[round(v, 3) for v in logs["val_accuracy"]] for logs in case["trainings"]]
        return "val_accuracy by epoch: " + ", then in a second training ".join(map(str, values))

    @silent_copies()
    def run(self, answer: Any, case: Case) -> Any:
        keras = the_keras()
        callback = answer()
        if not isinstance(callback, keras.callbacks.Callback):
            return None
        inputs = keras.Input((2,))
        layers = [keras.layers.Dense(2), keras.layers.BatchNormalization()]
        model = keras.Model(inputs, layers[1](layers[0](inputs)))
        chain, found = keras.callbacks.CallbackList([callback], model=model), []
        for number, logs in enumerate(case["trainings"]):
            chain.on_train_begin()
            for epoch, now in enumerate(zip(*logs.values(), strict=True)):
                chain.on_epoch_begin(epoch)
                for variable in model.weights:
                    value = 100.0 * number + epoch + case["shift"]
                    variable.assign(torch.full(tuple(variable.shape), value))
                chain.on_epoch_end(epoch, dict(zip(logs, now, strict=True)))
            chain.on_train_end()
            found.append([variable.value.flatten()[0].item() for variable in model.weights])
        return found

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list):
            return wrong("the answer should be a class that inherits from keras.callbacks.Callback")
        if self._same(result, key["want"]):
            return right()
        if hint := first_mistake(result, key["mistakes"], same=self._same):
            return wrong(hint)
        want = [round(values[0] - case["shift"]) % 100 for values in key["want"]]
        return wrong(
            f"at the end there should be the weights of epoch {' and '.join(map(str, want))}"
        )

    def _same(self, result: Any, want: list[list[float]]) -> bool:
        if len(result) != len(want):
            return False
        pairs = zip(result, want, strict=True)
        return all(
            type(have) is list
            and len(have) == len(need)
            and all(same_number(a, b, 1e-3) for a, b in zip(have, need, strict=True))
            for have, need in pairs
        )


# --- 13.4 ----------------------------------------------------------------------------------------


def small_backbone(case: Case) -> Any:
    """Return two convolutions with batch norm and ReLU, with the case's weights."""
    layers = the_keras().layers
    inputs = x = the_keras().Input(tuple(case["x"].shape[1:]))
    for place in (0, 6):  # each has kernel, bias, gamma, beta, moving mean and variance
        x = layers.Conv2D(case["state"][place].shape[-1], 3)(x)
        x = layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(x))
    backbone = the_keras().Model(inputs, x)
    for variable, value in zip(backbone.weights, case["state"], strict=True):
        variable.assign(value)
    return backbone


class NewHead(Exercise):
    """The answer: `new_head(backbone, num_classes, tune)` → a model."""

    id, points, title = "13.4", 5, "A new head on a trained backbone"
    worth_a_look = ("with_new_head",)

    def describe(self, case: Case) -> str:
        frozen = ", which was frozen before" if case["frozen"] else ""
        return (
            f"a backbone with {case['state'][6].shape[-1]} channels{frozen}, "
            f"num_classes={case['num_classes']}, tune={case['tune']}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        backbone = small_backbone(case)
        backbone.trainable = not case["frozen"]
        model = answer(backbone, case["num_classes"], case["tune"])
        if not isinstance(model, the_keras().Model):
            return {"head": None}
        old = {id(variable) for variable in backbone.weights}
        head = [variable for variable in model.weights if id(variable) not in old]
        result = {"head": weight_names(head), "trainable": weight_names(model.trainable_weights)}
        if result["head"] != sorted(case["head"]):
            return result
        for variable in head:
            variable.assign(case["head"][shape_name(variable.name, variable.shape)])
        with torch.no_grad():
            result["output"] = model(case["x"], training=False)
            result["trained"] = model(case["x"], training=True)
        pairs = zip(backbone.weights, case["state"], strict=True)
        same = all(torch.equal(a.value.detach().cpu(), b) for a, b in pairs)
        return result | {"unchanged": same}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        head, trainable, *ran = fields(result, "head", "trainable", "output", "trained")
        if not isinstance(head, list) or not isinstance(trainable, list):
            return wrong("return a keras.Model")
        if head != sorted(case["head"]):
            return wrong(
                f"beside the backbone's there should be {' and '.join(case['head'])}: average over "
                f"rows and columns, then one Dense. Yours: {', '.join(map(str, head)) or 'nothing'}"
            )
        if not close(ran[0], key["want"]):
            hint = first_mistake(ran[0], key["mistakes"])
            return wrong(
                hint or f"the output should be logits: {describe(ran[0])} has other numbers"
            )
        if trainable != key["trainable"]:
            return wrong(self._trainable_hint(case, [str(name) for name in trainable]))
        if not close(ran[1], key["want"]):
            return wrong("training=True gives other outputs: batch norm follows the batch")
        if field(result, "unchanged") is not True:
            return wrong("the backbone's weights or statistics have changed")
        return right()

    def _trainable_hint(self, case: Case, trainable: list[str]) -> str:
        kinds = {name.split()[0] for name in trainable}
        if not trainable or not set(case["head"]) <= set(trainable):
            return "the new layer cannot learn: freeze the backbone, not the whole model"
        if not case["tune"]:
            return "tune=False: the backbone can still learn. Set its trainable to False"
        if "gamma" in kinds:
            return (
                "tune=True: batch norm can learn too. Setting backbone.trainable reaches all its "
                "layers, so freeze those of batch norm after it"
            )
        return "tune=True: the convolutions of the backbone should learn"


EXERCISES = [VggBlock(), BottleneckBlock(), KeepsTheBest(), NewHead()]
