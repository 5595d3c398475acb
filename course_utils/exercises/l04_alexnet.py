"""Lecture 04: sizes through AlexNet, LRN, the network of the paper, dropout, augmentation."""

from __future__ import annotations

import math
from operator import eq
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .core import Case, Exercise, Verdict, describe, right, same_tensor, tensor_problem, wrong
from .shared import TOLERANCE, BuildModule, close, field, first_mistake, numbered

# --- 04.1 ----------------------------------------------------------------------------------------

Layers = list[list[int]]


class SizesThroughTheNet(Exercise):
    """The answer: `sizes_through(size, layers)` → a list of (output size, rows left over)."""

    id, points, title = "04.1", 5, "Sizes through the net"

    def describe(self, case: Case) -> str:
        return f"size={case['size']}, layers={[tuple(layer) for layer in case['layers']]}"

    def run(self, answer: Any, case: Case) -> Any:
        return answer(case["size"], [tuple(layer) for layer in case["layers"]])

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if not isinstance(result, list):
            return wrong(f"return a list with one pair for each layer, not {describe(result)}")
        if result == want and all(type(n) is int for pair in result for n in pair):
            return right()
        if result and result == [size for size, _ in want]:
            return wrong("each entry is a pair: (output size, rows left over)")
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in result):
            return wrong("each entry is a pair of whole numbers: (output size, rows left over)")
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
        if size == want[0]:
            return (
                f"the size {size} is right; left over are the rows of the padded input "
                f"that do not make up a whole stride, {want[1]}, not {left}"
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
SIDE = 227


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

    id, points, title = "04.3", 8, "The network of the paper"
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


# --- 04.4 ----------------------------------------------------------------------------------------


class Dropout(Exercise):
    """The answer: `drop_out(x, probability, training)` → a tensor like x."""

    id, points, title = "04.4", 5, "Dropout"
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


# --- 04.5 ----------------------------------------------------------------------------------------


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

    id, points, title = "04.5", 6, "Augmentation of a batch"
    worth_a_look = (
        *("pad_crop", "standard_augmentation", "RandomCrop", "RandomHorizontalFlip"),
        *("random_crop", "random_flip", "hflip", "horizontal_flip"),
    )

    def describe(self, case: Case) -> str:
        images = case["images"]
        kind = str(images.dtype).removeprefix("torch.")
        return f"{kind} images of shape {tuple(images.shape)}, padding={case['padding']}"

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
        hint = self._chance(case, places)
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

    def _chance(self, case: Case, places: Tensor) -> str | None:
        if len(places) < 100:
            return None
        rows, columns, mirrored = places.unbind(1)
        padding = case["padding"]
        share = mirrored.float().mean().item()
        if share in (0.0, 1.0):
            return (
                f"{'none' if share == 0 else 'all'} of the images are mirrored: decide for each "
                "image, with probability 0.5"
            )
        if padding and (rows == rows[0]).all() and (columns == columns[0]).all():
            return "all images were cut at the same place: draw a place for each image"
        if padding and torch.equal(rows, columns):
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
        if abs(share - 0.5) > 3 / len(places) ** 0.5:
            return f"about half of the images should be mirrored; yours mirrored {share:.0%}"
        return None


EXERCISES = [SizesThroughTheNet(), ResponseNorm(), BuildTheNetOfThePaper(), Dropout(), Augment()]
