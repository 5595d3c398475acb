"""Lecture 07: freeze and replace, parameter groups, few labels, a split with two transforms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
from .shared import field, fields, first_mistake

# --- 07.1 and 07.2 -------------------------------------------------------------------------------


def network(parts: dict[str, list[list]]) -> nn.Module:
    """Build the layers of each part from the names of their classes and what these are given."""
    model = nn.Sequential()
    for name, layers in parts.items():
        built = (getattr(nn, kind)(*options) for kind, *options in layers)
        model.add_module(name, nn.Sequential(*built))
    return model


class FreezeAndReplace(Exercise):
    """The answer: `freeze_and_replace(model, num_classes)` → the model, changed."""

    id, points, title = "07.1", 7, "Freeze the backbone, replace the head"

    def describe(self, case: Case) -> str:
        norm = " with batch norm" if case["batch_norm"] else ""
        old, new = case["old_classes"], case["num_classes"]
        return f"a VGG-11{norm} with {old} classes, num_classes={new}"

    def run(self, answer: Any, case: Case) -> Any:
        torch.default_generator.manual_seed(case["seed"])
        model = network(case["parts"])
        old = {name: value.clone() for name, value in model.state_dict().items()}
        model = answer(model, case["num_classes"])
        if not isinstance(model, nn.Module):
            return {"model": None}
        state = model.state_dict()
        with torch.no_grad():
            logits = model.eval()(torch.zeros(2, 3, 32, 32))
        return {
            "shapes": {name: list(value.shape) for name, value in state.items()},
            "trainable": [n for n, p in model.named_parameters() if p.requires_grad],
            "changed": [n for n in old if n in state and not torch.equal(old[n], state[n])],
            "head": state.get("classifier.6.weight"),
            "logits": list(logits.shape),
        }

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        trainable, shapes, *rest = fields(
            result, "trainable", "shapes", "changed", "head", "logits"
        )
        if not isinstance(shapes, dict) or not isinstance(trainable, list):
            return wrong("return the model")
        if problem := self._head_problem(case, key, shapes, *rest):
            return wrong(problem)
        want = key["want"]
        if trainable == want:
            return right()
        if trainable == key["parameters"]:
            return wrong(
                "nothing is frozen: requires_grad belongs to the parameters, not to the module; "
                "go through model.features.parameters()"
            )
        if not trainable or "classifier.6.weight" not in trainable:
            return wrong("the new layer is frozen too: freeze model.features and nothing else")
        if trainable == [n for n in want if n.startswith("classifier.6.")]:
            return wrong("only model.features should be frozen: the other linear layers learn too")
        if late := [n for n in trainable if n.startswith("features.")]:
            return wrong(f"{late[0]} can still learn: freeze all parameters of model.features")
        return wrong(f"these should be trainable: {want}")

    def _head_problem(
        self, case: Case, key: Any, shapes: dict, changed: Any, head: Any, logits: Any
    ) -> str:
        """What is wrong with the new layer; empty if nothing is."""
        size = [case["num_classes"], case["hidden"]]
        if extra := sorted(set(shapes) - set(key["names"])):
            return f"the model got a new tensor {extra[0]}: replace classifier[6], add no layer"
        if "classifier.6.weight" not in shapes or shapes["classifier.6.weight"] != size:
            found = describe(shapes.get("classifier.6.weight"))
            return f"the weight of classifier[6] should have shape {size}, it has {found}"
        if logits != [2, case["num_classes"]]:
            return f"two images should give logits of shape (2, {case['num_classes']})"
        if not isinstance(head, Tensor) or not isinstance(changed, list):
            return "return the model"
        if case["num_classes"] == case["old_classes"] and "classifier.6.weight" not in changed:
            return "classifier[6] is still the old layer: make a new one, also for as many classes"
        if head.std() == 0:
            return "leave the new layer's random start as it is"
        if kept := [n for n in changed if not n.startswith("classifier.6.")]:
            return f"{kept[0]} has other values than before: its trained values are the point"
        return ""


class ParameterGroups(Exercise):
    """The answer: `parameter_groups(model, learning_rate, factor)` → list of dicts."""

    id, points, title = "07.2", 6, "Two learning rates"

    def describe(self, case: Case) -> str:
        frozen = ", ".join(f"{name}*" for name in case["frozen"]) or "nothing"
        rate, factor = case["learning_rate"], case["factor"]
        return f"a VGG-11, frozen: {frozen}; learning_rate={rate:g}, factor={factor}"

    def run(self, answer: Any, case: Case) -> Any:
        torch.default_generator.manual_seed(case["seed"])
        model = network(case["parts"])
        for name, parameter in model.named_parameters():
            parameter.requires_grad = not name.startswith(tuple(case["frozen"]))
        groups = answer(model, case["learning_rate"], case["factor"])
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        found = []
        for group in groups:
            found += [[names.get(id(p)), group.get("lr")] for p in group["params"]]
        return {"rates": found}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        pairs = field(result, "rates")
        if not isinstance(pairs, list) or any(type(p) is not list or len(p) != 2 for p in pairs):
            return wrong('return a list of dicts {"params": [...], "lr": ...}')
        names, want = [name for name, _ in pairs], key["want"]
        if any(type(name) is not str for name in names):
            return wrong("a group holds something that is no parameter of the model")
        (most, times), *_ = Counter(names).most_common(1) or [("", 0)]
        if times > 1:
            return wrong(f"{most} is there twice: each parameter belongs to one group")
        if cold := [name for name in names if name.startswith(tuple(case["frozen"]))]:
            return wrong(f"{cold[0]} is frozen: leave out parameters that do not require gradients")
        rates = dict(pairs)
        if missing := [name for name in want if name not in rates]:
            return wrong(f"{missing[0]} is in no group, so it would never learn")
        if self._same(rates, want):
            return right()
        if hint := first_mistake(rates, key["mistakes"], same=self._same):
            return wrong(hint)
        name = next(n for n, rate in want.items() if not same_number(rates[n], rate, 1e-9))
        return wrong(f'{name} should have "lr" {want[name]:g}, it has {describe(rates[name])}')

    def _same(self, rates: dict, want: dict[str, float]) -> bool:
        return all(same_number(rates[name], rate, 1e-9) for name, rate in want.items())


# --- 07.3 and 07.4 -------------------------------------------------------------------------------


class DrawPerClass(Exercise):
    """The answer: `draw_few(labels, per_class, seed)` → positions, any valid choice of them."""

    id, points, title = "07.3", 4, "A draw with few labels"

    def describe(self, case: Case) -> str:
        labels, per_class = describe(case["labels"]), case["per_class"]
        return f"labels: {labels}, per_class={per_class}, seeds {case['seeds'][0]} and others"

    def run(self, answer: Any, case: Case) -> Any:
        draws = []
        for number, seed in enumerate([case["seeds"][0], *case["seeds"]]):
            torch.default_generator.manual_seed(number)  # the draw depends on its own seed alone
            drawn = answer(case["labels"].clone(), case["per_class"], seed)
            draws.append(drawn.tolist() if isinstance(drawn, Tensor) else drawn)
        return draws

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if not isinstance(result, list) or any(not _positions(draw) for draw in result):
            return wrong("return the positions: a tensor of whole numbers, or a list of them")
        labels = case["labels"].tolist()
        for draw in result:
            if hint := self._hint(draw, labels, case["per_class"]):
                return wrong(hint)
        again, *draws = [sorted(draw) for draw in result]
        if again != draws[0]:
            return wrong("the same seed should give the same draw: use a generator with this seed")
        if all(draw == again for draw in draws):
            return wrong("another seed should give another draw: give the seed to the generator")
        never = set(range(len(labels))) - {place for draw in draws for place in draw}
        if never:
            text = f"position {min(never)} is in none of {len(draws)} draws"
            return wrong(f"{text}: every image of a class should have the same chance")
        return right()

    def _hint(self, draw: list[int], labels: list[int], per_class: int) -> str:
        """What is wrong with one draw; empty if nothing is."""
        if any(not 0 <= place < len(labels) for place in draw):
            return f"a position lies outside 0 to {len(labels) - 1}"
        if len(set(draw)) < len(draw):
            return "a position is there twice: draw without putting back"
        counts = Counter(labels[place] for place in draw)
        for name in sorted(set(labels)):
            if counts[name] != per_class:
                return f"class {name} should be drawn {per_class} times, it is {counts[name]} times"
        return ""


def _positions(draw: Any) -> bool:
    return type(draw) is list and bool(draw) and all(type(place) is int for place in draw)


class NearestMeans(Exercise):
    """The answer: `nearest_mean(features, labels, new_features)` → a class for each new feature."""

    id, points, title = "07.4", 4, "The nearest class mean"

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = key["want"]
        if not isinstance(result, Tensor) or result.shape != want.shape:
            shape = tuple(want.shape)
            return wrong(f"return a tensor of shape {shape}; you returned {describe(result)}")
        if result.is_floating_point() or result.dtype == torch.bool:
            return wrong("return the labels of classes, whole numbers")
        if torch.equal(result.long(), want):
            return right()
        if hint := first_mistake(result.long(), key["mistakes"], same=torch.equal):
            return wrong(hint)
        place = int((result != want).nonzero()[0])
        have, need = int(result[place]), int(want[place])
        return wrong(f"new feature {place} should get class {need}, it gets {have}")


# --- 07.5 ----------------------------------------------------------------------------------------


class Numbers(Dataset):
    """A stand-in for ImageFolder: `samples` are (number, label), `transform` is applied to one."""

    def __init__(self, size: int, transform: Callable[[float], float] | None = None) -> None:
        self.samples = [(float(number), number % 3) for number in range(size)]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[float, int]:
        number, label = self.samples[index]
        return (self.transform(number) if self.transform else number), label


def _add_quarter(number: float) -> float:
    return number + 0.25


def _add_half(number: float) -> float:
    return number + 0.5


def _add_eighth(number: float) -> float:
    return number + 0.125


MARKS = {
    0.25: "train_transform",
    0.5: "validation_transform",
    0.0: "no transform",
    0.125: "the data set's own transform",
}


class SplitWithTransforms(Exercise):
    """The answer: `split_dataset(dataset, count, train_transform, validation_transform, seed)`.

    Only some cases look at the data set that was given: to change it alone costs a part.
    """

    id, points, title = "07.5", 9, "A split with two transforms"

    def describe(self, case: Case) -> str:
        size, count, seed = case["size"], case["count"], case["seed"]
        own = " with a transform of its own" if case["own"] else ""
        kept = ", and the data set is used again afterwards" if case["kept"] else ""
        return f"a data set of {size} samples{own}, count={count}, seed={seed}{kept}"

    def run(self, answer: Any, case: Case) -> Any:
        own = _add_eighth if case["own"] else None
        dataset = Numbers(case["size"], own)
        options = (case["count"], _add_quarter, _add_half)
        items, again, other = (
            [[part[i][0] for i in range(len(part))] for part in answer(data, *options, seed)]
            for data, seed in (
                (dataset, case["seed"]),
                (Numbers(case["size"], own), case["seed"]),
                (Numbers(case["size"], own), case["seed"] + 1),
            )
        )
        return {
            "items": items,
            "repeats": items == again,
            "seeded": items != other,
            "untouched": not case["kept"]
            or (dataset.transform is own and len(dataset) == case["size"]),
        }

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        parts = field(result, "items")
        if not isinstance(parts, list) or len(parts) != 2:
            return wrong("return two data sets: for training and for validation")
        train, validation = parts
        if any(type(value) is not float for value in [*train, *validation]):
            return wrong("each item should be what the data set gives: (transformed image, label)")
        problem = self._split_problem(case, train, validation)
        problem = problem or self._transform_problem(train, validation)
        if problem:
            return wrong(problem)
        needs = {
            "the data set that was given has changed: both parts need a copy of it": "untouched",
            "the same seed should give the same split: use a generator with this seed": "repeats",
            "another seed should give another split: give the seed to the generator": "seeded",
        }
        hint = first_mistake(result, needs, same=lambda r, name: r.get(name) is not True)
        return wrong(hint) if hint else right()

    def _split_problem(self, case: Case, train: list, validation: list) -> str:
        size, count = case["size"], case["count"]
        if (len(train), len(validation)) != (size - count, count):
            if (len(train), len(validation)) == (count, size - count):
                return "count is the number of validation images: the two parts are exchanged"
            have = f"{len(train)} and {len(validation)}"
            return f"the parts should have {size - count} and {count} images, they have {have}"
        numbers = [int(value) for value in validation]
        if len({int(value) for value in [*train, *validation]}) != size:
            return "an image is in both parts, and another in none: split the indices once"
        if sorted(numbers) in (list(range(count)), list(range(size - count, size))):
            return "choose at random: files are listed class by class, so the end is one class"
        return ""

    def _transform_problem(self, train: list, validation: list) -> str:
        seen = [{value % 1 for value in part} for part in (train, validation)]
        if seen == [{0.25}, {0.5}]:
            return ""
        if seen == [{0.375}, {0.625}]:
            return (
                "the data set's own transform is applied first: in a copy of it, put yours in its "
                "place"
            )
        if seen[0] == seen[1] and len(seen[0]) == 1:
            return (
                "both parts go through the same transform "
                f"({MARKS.get(seen[0].pop(), 'an unknown one')}): the two subsets share one data "
                "set, and it has one attribute transform"
            )
        if seen == [{0.5}, {0.25}]:
            return "the two transforms are exchanged"
        names = [", ".join(sorted(MARKS.get(m, "both, in turn") for m in marks)) for marks in seen]
        return f"training images went through {names[0]}, validation images through {names[1]}"


EXERCISES = [
    FreezeAndReplace(),
    ParameterGroups(),
    DrawPerClass(),
    NearestMeans(),
    SplitWithTransforms(),
]
