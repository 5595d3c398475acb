"""What lecture 07 asks: freezing, learning rates for parts, few labels, a split."""

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


# --- 07.3 and 07.4 -------------------------------------------------------------------------------


class DrawPerClass(Examiner):
    """Classes of different sizes, and labels that do not count from 0."""

    id = "07.3"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for place in range(8):
            classes, per_class = (
                int(rng.integers(2, 6)),
                1 if place == 0 else int(rng.integers(2, 5)),
            )
            names = rng.choice(30, classes, replace=False)
            sizes = rng.integers(per_class + 1, per_class + 4, classes)
            labels = torch.from_numpy(rng.permutation(np.repeat(names, sizes)))
            seeds = [int(seed) for seed in rng.choice(1000, 60, replace=False)]
            yield {"labels": labels, "per_class": per_class, "seeds": seeds}

    def key(self, case: Case) -> Any:
        return {}  # what is asked for are properties of the draws


def _means(features: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([features[labels == name].mean(dim=0) for name in labels.unique()])


def _is_clear(case: Case) -> bool:
    """Whether no new feature lies so near to the middle of two points that float errors count."""
    points = _means(case["features"].double(), case["labels"])
    first, second = torch.cdist(case["new_features"].double(), points).sort().values.T[:2]
    return bool((second - first).min() > 1e-3)


def _nearest(
    case: Case,
    *,
    positions: bool = False,
    nearest_one: bool = False,
    inner_product: bool = False,
    sums: bool = False,
    farthest: bool = False,
) -> Tensor:
    """The class of each new feature; the options are the likely mistakes."""
    features, labels, new = case["features"], case["labels"], case["new_features"]
    points, names = _means(features, labels), labels.unique()
    if sums:
        points = torch.stack([features[labels == name].sum(dim=0) for name in names])
    if nearest_one:
        points, names = features, labels
    scores = new @ points.T if inner_product else -torch.cdist(new, points)
    place = (-scores if farthest else scores).argmax(dim=1)
    return place if positions else names[place]


class NearestMeans(Examiner):
    """One feature for each class, and any number; labels that do not count from 0."""

    id = "07.4"
    mistakes = {
        "return the labels of the classes, not their places in a list": dict(positions=True),
        "compare with the mean of each class, not with the nearest single example": dict(
            nearest_one=True
        ),
        "take the smallest distance to a mean; the largest product is another rule": dict(
            inner_product=True
        ),
        "divide the sum by the number of features of this class": dict(sums=True),
        "take the smallest distance, not the largest": dict(farthest=True),
    }

    def examples(self) -> Iterator[Case]:
        yield {
            "features": torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]]),
            "labels": torch.tensor([3, 3, 8]),
            "new_features": torch.tensor([[4.0, 4.0], [6.0, 7.0]]),
        }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, 3, 4, 1)  # one feature per class
        for _ in range(9):
            yield self._case(rng, *(int(n) for n in rng.integers((2, 2, 3), (6, 8, 9))))

    def _case(self, rng: Generator, classes: int, dimensions: int, most: int) -> Case:
        names = rng.choice(30, classes, replace=False)
        sizes = rng.integers(1, most + 1, classes)
        middles = 1.2 * rng.standard_normal((classes, dimensions))
        kind = rng.permutation(np.repeat(np.arange(classes), sizes))
        points = middles[kind] + rng.standard_normal((len(kind), dimensions))
        new = middles[rng.integers(classes, size=40)] + rng.standard_normal((40, dimensions))
        case: Case = {
            "features": torch.from_numpy(points.astype(np.float32)),
            "labels": torch.from_numpy(names[kind]),
            "new_features": torch.from_numpy(new.astype(np.float32)),
        }
        return case if _is_clear(case) else self._case(rng, classes, dimensions, most)

    def key(self, case: Case) -> Any:
        want = _nearest(case)
        made = mistaken(self.mistakes, lambda mistake: _nearest(case, **mistake), want)
        return {"want": want, "mistakes": made}


# --- 07.5 ----------------------------------------------------------------------------------------


class SplitWithTransforms(Examiner):
    """Data sets of any size; once both parts are of (nearly) the same size, two are used again.

    Every second one has a transform already.
    """

    id = "07.5"

    def cases(self, rng: Generator) -> Iterator[Case]:
        for place in range(8):
            size = int(rng.integers(60, 100))
            count = size // 2 if place == 1 else int(rng.integers(10, 25))
            case = {"size": size, "count": count, "seed": int(rng.integers(1000))}
            yield case | {"kept": place >= 6, "own": place % 2 == 1}

    def key(self, case: Case) -> Any:
        return {}  # what is asked for are properties of the parts


EXAMINERS = [
    FreezeAndReplace(),
    ParameterGroups(),
    DrawPerClass(),
    NearestMeans(),
    SplitWithTransforms(),
]
