"""Lecture 06: freeze and replace, parameter groups, a split with two transforms, few labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..models.vgg import VGG
from .core import Case, Exercise, Verdict, describe, right, same_number, wrong
from .shared import field, fields, first_mistake

# --- 06.1 and 06.2 -------------------------------------------------------------------------------


def _network(case: Case) -> VGG:
    """A VGG-11 of the case's sizes, small enough to build in a millisecond."""
    torch.manual_seed(case["seed"])
    return VGG(
        "vgg11",
        case["old_classes"],
        batch_norm=case["batch_norm"],
        width=1 / 32,
        pool_size=1,
        hidden=case["hidden"],
    )


def _sizes(rng: Generator, *, batch_norm: bool) -> Case:
    return {
        "seed": int(rng.integers(1 << 30)),
        "old_classes": int(rng.integers(5, 12)),
        "hidden": int(rng.integers(6, 20)),
        "batch_norm": batch_norm,
    }


class FreezeAndReplace(Exercise):
    """The answer: `freeze_and_replace(model, num_classes)` → the model, changed."""

    id, points, title = "06.1", 7, "Freeze the backbone, replace the head"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for place in range(8):
            case = _sizes(rng, batch_norm=place % 2 == 0)
            same = place == 2  # as many classes as before: the layer is new all the same
            yield case | {"num_classes": case["old_classes"] if same else int(rng.integers(2, 5))}

    def describe(self, case: Case) -> str:
        norm = " with batch norm" if case["batch_norm"] else ""
        old, new = case["old_classes"], case["num_classes"]
        return f"a VGG-11{norm} with {old} classes, num_classes={new}"

    def run(self, answer: Any, case: Case) -> Any:
        model = _network(case)
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
        names = ("shapes", "trainable", "changed", "head", "logits")
        shapes, trainable, changed, head, logits = fields(result, *names)
        if not isinstance(shapes, dict) or not isinstance(trainable, list):
            return wrong("return the model")
        if problem := self._head_problem(case, shapes, changed, head, logits):
            return wrong(problem)
        everything = [n for n, _ in _network(case).named_parameters()]
        want = [n for n in everything if not n.startswith("features.")]
        if trainable == want:
            return right()
        if trainable == everything:
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

    def _head_problem(self, case: Case, shapes: dict, changed: Any, head: Any, logits: Any) -> str:
        """What is wrong with the new layer; empty if nothing is."""
        want = {name: list(value.shape) for name, value in _network(case).state_dict().items()}
        size = [case["num_classes"], case["hidden"]]
        if extra := sorted(set(shapes) - set(want)):
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

    id, points, title = "06.2", 6, "Two learning rates"

    def cases(self, rng: Generator) -> Iterator[Case]:
        starts = [(), ("features.0.", "features.3."), ("features.",), ("classifier.0.",)]
        for place in range(8):
            frozen = list(starts[place % len(starts)])
            yield _sizes(rng, batch_norm=place % 2 == 1) | {
                "frozen": frozen,
                "learning_rate": float(rng.choice([0.3, 0.1, 0.02])),
                "factor": int(rng.integers(2, 20)),
            }

    def describe(self, case: Case) -> str:
        frozen = ", ".join(f"{name}*" for name in case["frozen"]) or "nothing"
        rate, factor = case["learning_rate"], case["factor"]
        return f"a VGG-11, frozen: {frozen}; learning_rate={rate:g}, factor={factor}"

    def _frozen(self, case: Case, name: str) -> bool:
        return name.startswith(tuple(case["frozen"]))

    def run(self, answer: Any, case: Case) -> Any:
        model = _network(case)
        for name, parameter in model.named_parameters():
            parameter.requires_grad = not self._frozen(case, name)
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
        names = [name for name, _ in pairs]
        want = self._rates(case)
        if any(type(name) is not str for name in names):
            return wrong("a group holds something that is no parameter of the model")
        if twice := [name for name in names if names.count(name) > 1]:
            return wrong(f"{twice[0]} is there twice: each parameter belongs to one group")
        if cold := [name for name in names if self._frozen(case, name)]:
            return wrong(f"{cold[0]} is frozen: leave out parameters that do not require gradients")
        if missing := [name for name in want if name not in names]:
            return wrong(f"{missing[0]} is in no group, so it would never learn")
        rates = dict(pairs)
        if self._same(rates, want):
            return right()
        return wrong(self._hint(case, rates))

    def _same(self, rates: dict, want: dict[str, float]) -> bool:
        return all(same_number(rates[name], rate, 1e-9) for name, rate in want.items())

    def _rates(self, case: Case, *, low: float | None = None, high: float = 1) -> dict[str, float]:
        """The right rates; low and high multiply the backbone's and the head's."""
        low = 1 / case["factor"] if low is None else low
        return {
            name: case["learning_rate"] * (low if name.startswith("features.") else high)
            for name, _ in _network(case).named_parameters()
            if not self._frozen(case, name)
        }

    def _hint(self, case: Case, rates: dict) -> str:
        factor = case["factor"]
        mistakes = {
            "all rates are the same: the features move in smaller steps": dict(low=1),
            "all rates are the small one: the classifier gets the whole rate": dict(
                high=1 / factor
            ),
            "divide by the factor: trained features need the smaller steps": dict(low=factor),
            "the two rates are exchanged: the features get the small one": dict(
                low=1, high=1 / factor
            ),
        }
        if hint := first_mistake(rates, mistakes, lambda m: self._rates(case, **m), self._same):
            return hint
        want = self._rates(case)
        name = next(n for n, rate in want.items() if not same_number(rates[n], rate, 1e-9))
        return f'{name} should have "lr" {want[name]:g}, it has {describe(rates[name])}'


# --- 06.3 ----------------------------------------------------------------------------------------


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


MARKS = {0.25: "train_transform", 0.5: "validation_transform", 0.0: "no transform"}


class SplitWithTransforms(Exercise):
    """The answer: `split_dataset(dataset, count, train_transform, validation_transform, seed)`."""

    id, points, title = "06.3", 9, "A split with two transforms"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for place in range(8):
            size = int(rng.integers(60, 100))
            count = size // 2 if place == 1 else int(rng.integers(10, 25))
            yield {"size": size, "count": count, "seed": int(rng.integers(1000))}

    def describe(self, case: Case) -> str:
        size, count, seed = case["size"], case["count"], case["seed"]
        return f"a data set of {size} samples, count={count}, seed={seed}"

    def run(self, answer: Any, case: Case) -> Any:
        dataset = Numbers(case["size"])
        options = (case["count"], _add_quarter, _add_half)
        parts = answer(dataset, *options, case["seed"])
        items = [[part[i][0] for i in range(len(part))] for part in parts]
        again, other = (
            [part[i][0] for part in answer(Numbers(case["size"]), *options, seed) for i in (0, 1)]
            for seed in (case["seed"], case["seed"] + 1)
        )
        first = [value for part in items for value in part[:2]]
        return {
            "items": items,
            "repeats": first == again,
            "seeded": first != other,
            "untouched": dataset.transform is None and len(dataset) == case["size"],
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
            "the data set that was given has changed: work on copies of it": "untouched",
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


# --- 06.4 ----------------------------------------------------------------------------------------


def _chosen(labels: Tensor, per_class: int, seed: int, *, shuffle: bool = True) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    order = (
        torch.randperm(len(labels), generator=generator) if shuffle else torch.arange(len(labels))
    )
    return torch.cat([order[labels[order] == label][:per_class] for label in labels.unique()])


def _accuracies(
    case: Case,
    *,
    same_seed: bool = False,
    shuffle: bool = True,
    use_all: bool = False,
    nearest_one: bool = False,
    inner_product: bool = False,
    on_training: bool = False,
) -> list[float]:
    """The experiment; the options are the likely mistakes."""
    features, labels = case["features"], case["labels"]
    tests = (features, labels) if on_training else (case["test_features"], case["test_labels"])
    results = []
    for seed in case["seeds"]:
        seed = case["seeds"][0] if same_seed else seed
        chosen = _chosen(labels, case["per_class"], seed, shuffle=shuffle)
        chosen = torch.arange(len(labels)) if use_all else chosen
        known, of_class = features[chosen], labels[chosen]
        classes = of_class.unique()
        points = torch.stack([known[of_class == label].mean(dim=0) for label in classes])
        if nearest_one:
            points, classes = known, of_class
        scores = tests[0] @ points.T if inner_product else -torch.cdist(tests[0], points)
        results.append((classes[scores.argmax(dim=1)] == tests[1]).float().mean().item())
    return results


EXPERIMENT_MISTAKES = {
    "every run uses the same labels: give each seed to its own generator": dict(same_seed=True),
    "draw the examples at random: shuffle the positions first": dict(shuffle=False),
    "all labels are used: keep only per_class examples of each class": dict(use_all=True),
    "compare with the mean of each class, not with the nearest single example": dict(
        nearest_one=True
    ),
    "take the smallest distance to a mean; the largest product is another rule": dict(
        inner_product=True
    ),
    "measure on the test features: these are the ones the examples came from": dict(
        on_training=True
    ),
}


class FewShot(Exercise):
    """The answer: `few_shot(features, labels, test_features, test_labels, per_class, seeds)`."""

    id, points, title = "06.4", 8, "An experiment with few labels"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 3, 4, 1, 3)  # one label per class
        yield self._case(rng, 2, 3, 5, 1)  # one run
        for _ in range(8):
            classes, dimensions, per_class = (int(n) for n in rng.integers((2, 2, 2), (6, 8, 6)))
            yield self._case(rng, classes, dimensions, per_class, int(rng.integers(2, 5)))

    def _case(
        self, rng: Generator, classes: int, dimensions: int, per_class: int, runs: int
    ) -> Case:
        middles = 1.2 * rng.standard_normal((classes, dimensions))
        case: Case = {}
        for prefix, count in (("", 20 * classes), ("test_", 100)):
            labels = rng.permutation(np.arange(count) % classes)
            points = middles[labels] + rng.standard_normal((count, dimensions))
            case[f"{prefix}features"] = torch.from_numpy(points.astype(np.float32))
            case[f"{prefix}labels"] = torch.from_numpy(labels)
        seeds = [int(seed) for seed in rng.choice(1000, runs, replace=False)]
        return case | {"per_class": per_class, "seeds": seeds}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        want = _accuracies(case)
        if not isinstance(result, list):
            return wrong(
                f"return a list, one accuracy for each seed; you returned {describe(result)}"
            )
        if len(result) != len(want):
            return wrong(f"{len(want)} seeds should give {len(want)} accuracies, not {len(result)}")
        if any(isinstance(value, Tensor) for value in result):
            return wrong("the accuracies should be plain numbers: end with .item()")
        if self._same(result, want):
            return right()
        if self._same(result, [100 * value for value in want]):
            return wrong("an accuracy is a share from 0 to 1, not a percentage")
        if hint := first_mistake(
            result, EXPERIMENT_MISTAKES, lambda m: _accuracies(case, **m), self._same
        ):
            return wrong(hint)
        pairs = zip(result, want, strict=True)
        place = next(i for i, (have, need) in enumerate(pairs) if not same_number(have, need, 1e-6))
        seed = case["seeds"][place]
        have = describe(result[place])
        return wrong(f"with seed {seed} the accuracy should be {want[place]:.4f}, it is {have}")

    def _same(self, result: list, want: list[float]) -> bool:
        return all(same_number(r, w, 1e-6) for r, w in zip(result, want, strict=True))


EXERCISES = [FreezeAndReplace(), ParameterGroups(), SplitWithTransforms(), FewShot()]
