"""Lecture 06: batch norm, a schedule, dropout, augmentation, mixup, averages, forgotten calls."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import (
    NO_MODULE,
    close,
    field,
    fields,
    first_mistake,
)

# --- 06.1 ----------------------------------------------------------------------------------------

STATE_NAMES = ("weight", "bias", "running_mean", "running_var")


class BatchNorm(Exercise):
    """The answer: a module, built with `num_features`, `momentum` and `eps`."""

    id, points, title = "06.1", 6, "Batch normalisation"
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


# --- 06.2 ----------------------------------------------------------------------------------------


class WarmUpAndCosine(Exercise):
    """The answer: `learning_rate_at(step, steps, warm_up, peak)` → float."""

    id, points, title = "06.2", 4, "A warm-up and a cosine"
    worth_a_look = (
        *("CosineAnnealingLR", "CosineAnnealingWarmRestarts", "LinearLR", "SequentialLR"),
        *("LambdaLR", "OneCycleLR", "warm_up_and_cosine"),
    )

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        def same(result: Any, value: float) -> bool:
            return same_number(result, value, 1e-6 * case["peak"])

        if same(result, key["want"]):
            return right()
        if type(result) not in (int, float):
            return wrong(f"return a number (math.cos gives one), not {describe(result)}")
        hint = first_mistake(result, key["mistakes"], same=same)
        return wrong(hint or f"expected {key['want']:.6g}, got {describe(result)}")


# --- 06.3 ----------------------------------------------------------------------------------------


class Dropout(Exercise):
    """The answer: `drop_out(x, probability, training)` → a tensor like x."""

    id, points, title = "06.3", 5, "Dropout"
    ready_made = (
        *("dropout", "dropout_", "native_dropout", "feature_dropout", "feature_dropout_"),
        *("dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
        *("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"),
    )
    ready_made_hint = "draw the mask yourself, without PyTorch's dropout"

    def describe(self, case: Case) -> str:
        probabilities = dict.fromkeys(f"{probability:.3g}" for probability, _ in case["calls"])
        return f"x={describe(case['x'])}, probability={' and '.join(probabilities)}"

    def run(self, answer: Any, case: Case) -> Any:
        x = case["x"].clone()
        with torch.no_grad():
            returned = [answer(x, *call) for call in case["calls"]]
        return {"returned": returned, "unchanged": torch.equal(x, case["x"])}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        x, returned = case["x"], field(result, "returned")
        if not isinstance(returned, list) or len(returned) != len(key):
            return wrong(f"return a tensor of shape {tuple(x.shape)}, not {describe(returned)}")
        for y in returned:
            if not isinstance(y, Tensor) or y.shape != x.shape:
                return wrong(f"return a tensor of shape {tuple(x.shape)}, not {describe(y)}")
        if field(result, "unchanged") is not True:
            return wrong("x itself was changed: compute a new tensor, x * mask")
        drawn = [y != 0 for y, want in zip(returned, key, strict=True) if "dropped" in want]
        hint = self._randomness(*drawn) if drawn else None
        for y, want in zip(returned, key, strict=True):
            hint = hint or self._hint(x, y, **want)
        return wrong(hint) if hint else right()

    def _hint(
        self,
        x: Tensor,
        y: Tensor,
        factor: float,
        mistakes: dict[str, float],
        otherwise: str,
        dropped: float | None = None,
    ) -> str | None:
        """Return what is wrong with one result, which should be ``factor`` times x where kept."""
        if dropped is not None:
            kept = y != 0
            if hint := self._share_hint(kept, dropped):
                return hint
            x, y = x[kept], y[kept]
        if factor == 0 and not y.isfinite().all():
            return "the result is not finite: with probability 1 everything is 0, not 0/0"
        if close(y, x * factor):
            return None
        return first_mistake(y, mistakes, lambda mistake: x * mistake) or otherwise

    def _share_hint(self, kept: Tensor, p: float) -> str | None:
        share, spread = kept.float().mean().item(), (p * (1 - p) / kept.numel()) ** 0.5
        if abs(share - p) < 6 * spread < abs(share - (1 - p)):
            return f"probability is that of being dropped: {p:.0%} should be 0, {1 - share:.0%} are"
        if abs(share - (1 - p)) > 6 * spread:
            return f"a share of {p:.3g} should be dropped; yours dropped {1 - share:.3g}"
        return None

    def _randomness(self, kept: Tensor, again: Tensor) -> str | None:
        if kept.all():
            return "in training nothing was dropped"
        if torch.equal(kept, again):
            return "two calls dropped the same places: draw a new mask in each call"
        for dimension in range(kept.ndim):
            if (kept == kept.narrow(dimension, 0, 1)).all():
                return "whole rows or columns were dropped: draw one number for each element of x"
        return None


# --- 06.4 ----------------------------------------------------------------------------------------


def _places(images: Tensor, returned: Tensor, crops: Tensor) -> Tensor:
    """For each image: from which (row, column) it was cut and whether mirrored, (N, 3).

    -1 where it is none of the ``crops`` (rows, columns, 2, H, W), which say of each pixel which
    one of the image it is; -1 stands for a 0 from outside.
    """
    pixels = F.pad(images.flatten(2), (0, 1))
    found = pixels[:, :, crops.long()] == returned[:, :, None, None, None]
    found = found.flatten(5).all(5).all(1)  # (N, rows, columns, 2)
    flat = found.flatten(1)
    place = torch.stack(torch.unravel_index(flat.float().argmax(1), found.shape[1:]), dim=1)
    return torch.where(flat.any(1)[:, None], place, -1)


def _all_found(images: Tensor, returned: Tensor, crops: Tensor) -> bool:
    return bool((_places(images, returned, crops) >= 0).all())


class Augment(Exercise):
    """The answer: `augment_batch(images, padding)` → a tensor like images."""

    id, points, title = "06.4", 6, "Augmentation of a batch"
    worth_a_look = (
        *("pad_crop", "standard_augmentation", "RandomCrop", "RandomHorizontalFlip"),
        *("random_crop", "random_flip", "hflip", "horizontal_flip"),
    )

    def describe(self, case: Case) -> str:
        images = case["images"]
        kind = str(images.dtype).removeprefix("torch.")
        text = f"{kind} images of shape {tuple(images.shape)}, padding={case['padding']}"
        looked_at = {"cuts": "where they are cut", "mirrors": "how many are mirrored"}
        return f"{text} ({looked_at.get(case['looks_at'], 'what becomes of them')})"

    def run(self, answer: Any, case: Case) -> Any:
        images = case["images"].clone()
        with torch.no_grad():
            returned = answer(images, case["padding"])
        return {"returned": returned, "unchanged": torch.equal(images, case["images"])}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        images, returned = case["images"], field(result, "returned")
        if not isinstance(returned, Tensor) or returned.shape != images.shape:
            return wrong(
                f"the result has the shape of the images, {tuple(images.shape)}: cut the padded "
                f"images back to their size; yours is {describe(returned)}"
            )
        if returned.dtype != images.dtype:
            return wrong(f"the type of the images, {images.dtype}, should stay as it is")
        if field(result, "unchanged") is not True:
            return wrong("the images that came in were changed: make new ones")
        places = _places(images, returned, key["want"])
        if (places < 0).any():
            return wrong(self._no_crop(images, returned, key, places))
        look = {"cuts": self._cuts_hint, "mirrors": self._mirrors_hint}.get(case["looks_at"])
        hint = look and look(places, case["padding"])
        return wrong(hint) if hint else right()

    def _no_crop(self, images: Tensor, returned: Tensor, key: Any, places: Tensor) -> str:
        mistakes, crops = key["mistakes"], key["want"]
        if hint := first_mistake(returned, mistakes, same=lambda r, c: _all_found(images, r, c)):
            return hint
        if _all_found(returned, images, crops):
            return "pad before you cut"
        channels = range(images.shape[1])
        if all(_all_found(images[:, [c]], returned[:, [c]], crops) for c in channels):
            return "all channels of an image move together: one place and one mirroring per image"
        bad = int((places < 0).any(1).nonzero()[0])
        return (
            f"image {bad} is not a crop of its padded original, mirrored or not: image i of the "
            "result is made from image i, and its place is between 0 and 2 · padding"
        )

    def _mirrors_hint(self, places: Tensor, padding: int) -> str | None:
        share = places[:, 2].float().mean().item()
        if share in (0.0, 1.0):
            return (
                f"{'none' if share == 0 else 'all'} of the images are mirrored: decide for each "
                "image, with probability 0.5"
            )
        if abs(share - 0.5) > 3 / len(places) ** 0.5:
            return f"about half of the images should be mirrored; yours mirrored {share:.0%}"
        return None

    def _cuts_hint(self, places: Tensor, padding: int) -> str | None:
        rows, columns, _ = places.unbind(1)
        if (places[:, :2] == padding).all():
            return "no image has moved: cut each of them at a random place of its padded version"
        if (rows == rows[0]).all() and (columns == columns[0]).all():
            return "all images were cut at the same place: draw a place for each image"
        if torch.equal(rows, columns):
            return "rows and columns move by the same amount: draw them separately"
        for name, values in (("rows", rows), ("columns", columns)):
            missing = set(range(2 * padding + 1)) - set(values.tolist())
            if missing == {2 * padding}:
                return (
                    f"the last place is never drawn: {name} can start at 0 to {2 * padding}, and "
                    "the upper end of torch.randint does not belong to it"
                )
            if missing:
                return f"{name} can start at 0 to {2 * padding}; never drawn: {sorted(missing)}"
        return None


# --- 06.5 ----------------------------------------------------------------------------------------


class Mixup(Exercise):
    """The answer: `mixup(images, labels, partners, shares, num_classes)` → images, soft labels.

    A case looks at one of the two: who mixes images rightly, and labels not, earns a part.
    """

    id, points, title = "06.5", 5, "Mixup"
    worth_a_look = ("MixUp", "CutMix", "mix_images")
    GIVEN = ("images", "labels", "partners", "shares", "num_classes")

    def describe(self, case: Case) -> str:
        count, shape = len(case["images"]), tuple(case["images"].shape)
        one = "an image" if count == 1 else f"{count} images"
        text = f"{one}, {shape}, num_classes={case['num_classes']}"
        if count <= 5:
            shares = ", ".join(f"{share:.3g}" for share in case["shares"].tolist())
            labels, partners = case["labels"].tolist(), case["partners"].tolist()
            text += f", labels={labels}, partners={partners}, shares=[{shares}]"
        return f"{text} ({'the images' if case['looks_at'] == 'images' else 'the labels'})"

    def run(self, answer: Any, case: Case) -> Any:
        given = [case[name] for name in self.GIVEN]
        before = [value.clone() for value in given[:-1]]
        returned = answer(*given)
        same = [torch.equal(value, old) for value, old in zip(given, before, strict=False)]
        return {"returned": returned, "unchanged": all(same)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        both = field(result, "returned")
        if not isinstance(both, list) or len(both) != 2:
            return wrong(f"return two tensors: images, soft labels; yours is {describe(both)}")
        if field(result, "unchanged") is not True:
            return wrong("an argument was changed: make new tensors, without mul_, += and the like")
        have = both[0] if case["looks_at"] == "images" else both[1]
        if close(have, key["want"]):
            return right()
        if not isinstance(have, Tensor) or have.shape != key["want"].shape:
            return wrong(self._shape_hint(case, have))
        hint = first_mistake(have, key["mistakes"])
        return wrong(hint or f"the shape of the {case['looks_at']} is right, the values are not")

    def _shape_hint(self, case: Case, have: Any) -> str:
        count, classes = len(case["images"]), case["num_classes"]
        if case["looks_at"] == "images":
            return (
                f"the mixed images have the shape of the images, {tuple(case['images'].shape)}; "
                f"yours is {describe(have)}"
            )
        if isinstance(have, Tensor) and have.shape == (count,):
            return "mix rows of numbers, one number for each class: F.one_hot makes them"
        return f"the soft labels have shape {(count, classes)}; yours is {describe(have)}"


# --- 06.6 ----------------------------------------------------------------------------------------


def _small_net(state: dict[str, Tensor]) -> nn.Module:
    """Return a linear layer with this state, and a batch norm behind it where the state has one."""
    width, inputs = state["0.weight"].shape
    norm = [nn.BatchNorm1d(width)] if "1.running_mean" in state else []
    net = nn.Sequential(nn.Linear(inputs, width), *norm)
    net.load_state_dict(state)
    return net


def _noted(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


class UpdateAverage(Exercise):
    """The answer: `update_average(average, model, decay)`, which changes `average` in place."""

    id, points, title = "06.6", 5, "An average of the weights"
    worth_a_look = (
        *("AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "move_average"),
        *("get_swa_avg_fn", "get_swa_multi_avg_fn"),
    )

    def describe(self, case: Case) -> str:
        norm = " and a batch norm" if "1.running_mean" in case["average"] else ""
        calls = f"{len(case['models'])} calls" if len(case["models"]) > 1 else "one call"
        text = f"a linear layer{norm}, decay={case['decay']:.3g}, {calls}"
        frozen = "" if case["trainable"] else ", after average.requires_grad_(False)"
        return text + frozen + (", inside torch.no_grad()" if case["no_grad"] else "")

    def run(self, answer: Any, case: Case) -> Any:
        average = _small_net(case["average"]).requires_grad_(case["trainable"])
        model = _small_net(case["models"][0])
        for state in case["models"]:
            model.load_state_dict(state)
            with torch.set_grad_enabled(not case["no_grad"]):
                answer(average, model, case["decay"])
        result = {"average": _noted(average), "model": _noted(model)}
        tracked = any(not parameter.is_leaf for parameter in average.parameters())
        with torch.no_grad():
            for value in model.state_dict().values():
                value.add_(1)
        linked = any(
            not torch.equal(value, result["average"][name])
            for name, value in average.state_dict().items()
        )
        return result | {"tracked": tracked, "linked": linked}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        average, model, tracked, linked = fields(result, "average", "model", "tracked", "linked")
        if not isinstance(average, dict) or not isinstance(model, dict):
            return wrong(f"change `average`, a module; there is {describe(average)}")
        if any(not same_tensor(field(model, n), v) for n, v in case["models"][-1].items()):
            return wrong("`model` was changed: only `average` moves")
        for name in key["want"]:
            if hint := self._hint(case, key, name, field(average, name)):
                return wrong(hint)
        if linked is not False:
            return wrong(
                "the numbers are right, but `average` and `model` share their memory now: copy_ "
                "the numbers, or the next step of the optimizer changes both"
            )
        if tracked is not False:
            return wrong(
                "the numbers are right, but gradients were recorded, and their graph grows with "
                "every call: with torch.no_grad()"
            )
        return right()

    def _hint(self, case: Case, key: Any, name: str, have: Any) -> str | None:
        """Return what is wrong with one tensor of the average."""
        want = key["want"][name]
        if isinstance(have, Tensor) and have.dtype != want.dtype:
            return f"{name} should stay {want.dtype}; yours is {have.dtype}"
        if close(have, want):
            return None
        hint = first_mistake(have, key["mistakes"][name])
        return hint or f"{name} should be {self._text(want)}, yours is {self._text(have)}"

    def _text(self, value: Any) -> str:
        if not isinstance(value, Tensor) or value.numel() > 6:
            return describe(value)
        return str([round(number, 4) for number in value.flatten().tolist()])


# --- 06.7 ----------------------------------------------------------------------------------------

CALLS = ("device", "train", "zero_grad", "backward", "step", "eval", "no_grad")
OVERLOOKED = {
    "device": "compare the two devices: a model and its images must be in the same place",
    "train": "batch norm did not learn while the model was trained: look at running_mean",
    "zero_grad": "compare gradient with true_gradient: something old is in it",
    "backward": "the gradients are all zero: who should have computed them?",
    "step": "there are gradients, but the weight does not move",
    "eval": "batch norm learned from the images it was evaluated on",
    "no_grad": "the evaluation recorded a graph, which costs memory for nothing",
}
FALSE_ALARM = {
    "train": "running_mean does change from batch to batch",
    "zero_grad": "old gradients would be added to the new ones, and that is not what is seen here",
    "backward": "there are gradients that are not zero",
    "step": "without gradients even a good step leaves the weight where it is",
    "eval": "the evaluation left batch norm's running mean as it was",
    "no_grad": "the evaluation recorded no graph",
    "device": "model and images are on the same device",
}


class Diagnose(Exercise):
    """The answer: `diagnose(record)` → a list of the calls that the run forgot."""

    id, points, title = "06.7", 6, "Diagnose a broken training run"

    def describe(self, case: Case) -> str:
        record = case["record"]
        if not record["weight"]:
            return f"model on {record['model_device']}, images on {record['images_device']}"
        numbers = ("weight", "gradient", "true_gradient", "running_mean")
        lists = ", ".join(f"{name}={record[name]}" for name in numbers)
        return f"{lists}, evaluation_graph={record['evaluation_graph']}"

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


EXERCISES = [
    *(BatchNorm(), WarmUpAndCosine(), Dropout(), Augment(), Mixup(), UpdateAverage()),
    Diagnose(),
]
