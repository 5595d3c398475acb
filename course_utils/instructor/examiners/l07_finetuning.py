"""What lecture 07 asks: freezing, learning rates for parts, a split, an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from ...exercises.core import Case
from ...exercises.l07_finetuning import network
from .core import Examiner, mistaken

# --- 07.1 and 07.2 -------------------------------------------------------------------------------


def _vgg11(rng: Generator, *, batch_norm: bool) -> Case:
    """The layers of a slim VGG-11, by the names of their classes and what these are given."""
    old_classes, hidden = int(rng.integers(5, 12)), int(rng.integers(6, 20))
    features: list[list] = []
    channels = 3
    for block in ([2], [4], [8, 8], [16, 16], [16, 16]):
        for width in block:
            norm = [["BatchNorm2d", width]] if batch_norm else []
            features += [["Conv2d", channels, width, 3, 1, 1], *norm, ["ReLU"]]
            channels = width
        features.append(["MaxPool2d", 2])
    classifier = [["Linear", channels, hidden], ["ReLU"], ["Dropout"]]
    classifier += [["Linear", hidden, hidden], ["ReLU"], ["Dropout"]]
    classifier += [["Linear", hidden, old_classes]]
    pool = [["AdaptiveAvgPool2d", 1], ["Flatten"]]
    return {
        "seed": int(rng.integers(1 << 30)),
        "old_classes": old_classes,
        "hidden": hidden,
        "batch_norm": batch_norm,
        "parts": {"features": features, "avgpool": pool, "classifier": classifier},
    }


def _built(case: Case) -> nn.Module:
    with torch.device("meta"):  # names without numbers
        return network(case["parts"])


class FreezeAndReplace(Examiner):
    """With and without batch norm; once there are as many classes as before."""

    id = "07.1"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for place in range(8):
            case = _vgg11(rng, batch_norm=place % 2 == 0)
            same = place == 2  # as many classes as before: the layer is new all the same
            yield case | {"num_classes": case["old_classes"] if same else int(rng.integers(2, 5))}

    def key(self, case: Case) -> Any:
        model = _built(case)
        parameters = [name for name, _ in model.named_parameters()]
        return {
            "names": list(model.state_dict()),
            "parameters": parameters,
            "want": [name for name in parameters if not name.startswith("features.")],
        }


class ParameterGroups(Examiner):
    """Nothing is frozen, the first layers, all features, or a layer of the classifier."""

    id = "07.2"
    mistakes = {
        "all rates are the same: the features move in smaller steps": lambda f: (1, 1),
        "all rates are the small one: the classifier gets the whole rate": lambda f: (1 / f, 1 / f),
        "divide by the factor: trained features need the smaller steps": lambda f: (f, 1),
        "the two rates are exchanged: the features get the small one": lambda f: (1, 1 / f),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        starts = [(), ("features.0.", "features.3."), ("features.",), ("classifier.0.",)]
        for place in range(8):
            frozen = list(starts[place % len(starts)])
            yield _vgg11(rng, batch_norm=place % 2 == 1) | {
                "frozen": frozen,
                "learning_rate": int(rng.integers(20, 300)) / 1000,
                "factor": int(rng.integers(2, 20)),
            }

    def key(self, case: Case) -> Any:
        names = [name for name, _ in _built(case).named_parameters()]
        learns = [name for name in names if not name.startswith(tuple(case["frozen"]))]

        def rates(shares: Callable[[int], tuple[float, float]]) -> dict[str, float]:
            backbone, head = (case["learning_rate"] * share for share in shares(case["factor"]))
            return {name: backbone if name.startswith("features.") else head for name in learns}

        want = rates(lambda f: (1 / f, 1))
        return {"want": want, "mistakes": mistaken(self.mistakes, rates, want)}


# --- 07.3 ----------------------------------------------------------------------------------------


class SplitWithTransforms(Examiner):
    """Data sets of any size; once both parts are of (nearly) the same size."""

    id = "07.3"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for place in range(8):
            size = int(rng.integers(60, 100))
            count = size // 2 if place == 1 else int(rng.integers(10, 25))
            yield {"size": size, "count": count, "seed": int(rng.integers(1000))}

    def key(self, case: Case) -> Any:
        return {}  # what is asked for are properties of the parts


# --- 07.4 ----------------------------------------------------------------------------------------


def _chosen(labels: Tensor, per_class: int, seed: int, *, shuffle: bool = True) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    order = (
        torch.randperm(len(labels), generator=generator) if shuffle else torch.arange(len(labels))
    )
    return torch.cat([order[labels[order] == label][:per_class] for label in labels.unique()])


def _is_clear(case: Case) -> bool:
    """Whether no test feature lies so near to the middle of two points that float errors count."""
    features, labels = case["features"].double(), case["labels"]
    for seed in case["seeds"]:
        chosen = _chosen(labels, case["per_class"], seed)
        known, of_class = features[chosen], labels[chosen]
        points = torch.stack([known[of_class == label].mean(dim=0) for label in labels.unique()])
        first, second = torch.cdist(case["test_features"].double(), points).sort().values.T[:2]
        if (second - first < 1e-3).any():
            return False
    return True


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


class FewShot(Examiner):
    """One label for each class, one run, and any."""

    id = "07.4"
    mistakes = {
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
        case |= {"per_class": per_class, "seeds": seeds}
        if _is_clear(case):
            return case
        return self._case(rng, classes, dimensions, per_class, runs)

    def key(self, case: Case) -> Any:
        want = _accuracies(case)
        made = mistaken(self.mistakes, lambda mistake: _accuracies(case, **mistake), want)
        percentages = {
            "an accuracy is a share from 0 to 1, not a percentage": [100 * share for share in want]
        }
        return {"want": want, "mistakes": percentages | made}


EXAMINERS = [FreezeAndReplace(), ParameterGroups(), SplitWithTransforms(), FewShot()]
