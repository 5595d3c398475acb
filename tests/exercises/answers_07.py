"""Lecture 07: other right answers, and wrong ones with the hint that each should get."""

import copy
from functools import partial
from random import Random

import torch
from torch import nn
from torch.utils.data import Dataset, Subset, random_split

# --- 07.1 ----------------------------------------------------------------------------------------


def prepared(model, num_classes, *, freeze="features", head=nn.Linear, keep=False):
    """Freeze and replace; the options are mistakes or other ways to write it."""
    if freeze:
        for parameter in model.get_submodule(freeze).parameters():
            parameter.requires_grad = False
    if not keep:
        model.classifier[6] = head(model.classifier[6].in_features, num_classes)
    return model


def frozen_by_method(model, num_classes):
    model.classifier[-1] = nn.Linear(model.classifier[-1].in_features, num_classes)
    model.features.requires_grad_(False)
    return model


def everything_frozen_first(model, num_classes):
    for parameter in model.parameters():
        parameter.requires_grad = False
    return prepared(model, num_classes)


def frozen_after_replacing(model, num_classes):
    return prepared(model, num_classes).requires_grad_(False)


def module_attribute(model, num_classes):
    model.features.requires_grad = False
    return prepared(model, num_classes, freeze=None)


def only_convolutions(model, num_classes):
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            layer.weight.requires_grad = False
    return prepared(model, num_classes, freeze=None)


def one_more_layer(model, num_classes):
    model.classifier.append(nn.Linear(model.classifier[6].out_features, num_classes))
    return prepared(model, num_classes, keep=True)


def attribute_only(model, num_classes):
    model.classifier[6].out_features = num_classes
    return prepared(model, num_classes, keep=True)


def replaced_where_needed(model, num_classes):
    keep = model.classifier[6].out_features == num_classes
    return prepared(model, num_classes, keep=keep)


def returns_nothing(model, num_classes):
    prepared(model, num_classes)


def zero_head(*sizes):
    layer = nn.Linear(*sizes)
    nn.init.zeros_(layer.weight)
    return layer


def started_again(model, num_classes):
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return prepared(model, num_classes)


# --- 07.2 ----------------------------------------------------------------------------------------


def groups_with(
    *, backbone="features", low=lambda rate, factor: rate / factor, high=None, all=False
):
    high = high or (lambda rate, factor: rate)

    def parameter_groups(model, learning_rate, factor):
        def wanted(module):
            return [p for p in module.parameters() if all or p.requires_grad]

        return [
            {"params": wanted(model.get_submodule(backbone)), "lr": low(learning_rate, factor)},
            {"params": wanted(model.classifier), "lr": high(learning_rate, factor)},
        ]

    return parameter_groups


def one_group_a_parameter(model, learning_rate, factor):
    return [
        {"params": [p], "lr": learning_rate / (factor if n.startswith("features") else 1)}
        for n, p in model.named_parameters()
        if p.requires_grad
    ]


def generators(model, learning_rate, factor):
    return [
        {"params": (p for p in part.parameters() if p.requires_grad), "lr": rate}
        for part, rate in (
            (model.classifier, learning_rate),
            (model.features, learning_rate / factor),
        )
    ]


def whole_model_and_features(model, learning_rate, factor):
    everything = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": everything, "lr": learning_rate},
        {
            "params": [p for p in model.features.parameters() if p.requires_grad],
            "lr": learning_rate / factor,
        },
    ]


def last_layer_only(model, learning_rate, factor):
    groups = groups_with()(model, learning_rate, factor)
    groups[1]["params"] = list(model.classifier[6].parameters())
    return groups


# --- 07.3 ----------------------------------------------------------------------------------------


def permutation(size, seed):
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()


def draw_with(
    *,
    order=permutation,
    wanted=lambda n: n,
    finish=lambda chosen: torch.tensor(chosen),
    twice=False,
):
    """Make a draw; the options are mistakes or other ways to write it."""

    def draw_few(labels, per_class, seed):
        chosen = []
        for name in sorted(set(labels.tolist())):
            places = (labels == name).nonzero().flatten()
            picked = places[order(len(places), seed)][: wanted(per_class)].tolist()
            chosen += picked[:1] * len(picked) if twice else picked
        return finish(chosen)

    return draw_few


def draw_by_one_order(labels, per_class, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[labels[order] == name][:per_class] for name in labels.unique()])


def draw_by_random(labels, per_class, seed):
    names = labels.tolist()
    by_class = {name: [i for i, n in enumerate(names) if n == name] for name in set(names)}
    return [i for places in by_class.values() for i in Random(seed).sample(places, per_class)]


def draw_by_loop(labels, per_class, seed):
    torch.manual_seed(seed)
    left, chosen = dict.fromkeys(labels.tolist(), per_class), []
    for place in torch.randperm(len(labels)).tolist():
        if left[labels[place].item()]:
            left[labels[place].item()] -= 1
            chosen.append(place)
    return torch.tensor(chosen)


def draw_any(labels, per_class, seed):
    count = per_class * len(labels.unique())
    return torch.tensor(permutation(len(labels), seed)[:count])


# --- 07.4 ----------------------------------------------------------------------------------------


def means_with(*, centre=lambda x: x.mean(0), score=lambda x, c: -torch.cdist(x, c), name=None):
    """Make the classifier; the options are mistakes or other ways to write it."""

    def nearest_mean(features, labels, new_features):
        names = labels.unique()
        centres = torch.stack([centre(features[labels == n]) for n in names])
        place = score(new_features, centres).argmax(dim=1)
        return name(place, names) if name else names[place]

    return nearest_mean


def nearest_example(features, labels, new_features):
    return labels[torch.cdist(new_features, features).argmin(dim=1)]


def means_one_by_one(features, labels, new_features):
    centres = {n: features[labels == n].mean(0) for n in labels.tolist()}
    found = [min(centres, key=lambda n: (centres[n] - x).norm().item()) for x in new_features]
    return torch.tensor(found)


def by_squares(x, points):
    return -((x[:, None] - points[None]) ** 2).sum(dim=2)


# --- 07.5 ----------------------------------------------------------------------------------------


def split_with(
    *, copied=copy.copy, order=permutation, exchange=False, swap=False, overlap=0, validate=None
):
    """Make a split; the options are mistakes or other ways to write it."""

    def split_dataset(dataset, count, train_transform, validation_transform, seed):
        if exchange:
            train_transform, validation_transform = validation_transform, train_transform
        train, validation = copied(dataset), copied(dataset)
        train.transform = train_transform
        validation.transform = validate or validation_transform
        positions = order(len(dataset), seed)
        parts = (
            Subset(train, positions[count - overlap : len(positions) - overlap]),
            Subset(validation, positions[:count]),
        )
        return parts[::-1] if swap else parts

    return split_dataset


class Transformed(Dataset):
    """A subset with a transform of its own: the third way out."""

    def __init__(self, subset, transform):
        self.subset, self.transform = subset, transform

    def __len__(self):
        return len(self.subset)

    def __getitem__(self, index):
        image, label = self.subset[index]
        return self.transform(image), label


def wrapped(dataset, count, train_transform, validation_transform, seed, *, plain=True):
    generator = torch.Generator().manual_seed(seed)
    dataset = copy.copy(dataset)
    if plain:
        dataset.transform = None
    parts = random_split(dataset, [len(dataset) - count, count], generator)
    transforms = (train_transform, validation_transform)
    return tuple(Transformed(p, t) for p, t in zip(parts, transforms, strict=True))


def shared(dataset, count, train_transform, validation_transform, seed):
    generator = torch.Generator().manual_seed(seed)
    train, validation = random_split(dataset, [len(dataset) - count, count], generator)
    train.dataset = validation.dataset = copy.copy(dataset)
    train.dataset.transform = train_transform
    validation.dataset.transform = validation_transform
    return train, validation


def on_the_subset(dataset, count, train_transform, validation_transform, seed):
    generator = torch.Generator().manual_seed(seed)
    train, validation = random_split(dataset, [len(dataset) - count, count], generator)
    train.transform, validation.transform = train_transform, validation_transform
    return train, validation


def split_twice(dataset, count, train_transform, validation_transform, seed):
    whole = split_with()
    train, _ = whole(dataset, count, train_transform, validation_transform, seed)
    _, validation = whole(dataset, count, train_transform, validation_transform, seed + 1)
    return train, validation


def one_part_copied(dataset, count, train_transform, validation_transform, seed):
    generator = torch.Generator().manual_seed(seed)
    train, validation = random_split(dataset, [len(dataset) - count, count], generator)
    validation = copy.deepcopy(validation)
    train.dataset.transform = train_transform
    validation.dataset.transform = validation_transform
    return train, validation


ANSWERS = {
    "07.1": dict(
        variants={
            "by requires_grad_": frozen_by_method,
            "the pool has no parameters": lambda model, n: prepared(model, n),
        },
        wrong={
            "freezes all at the end": (frozen_after_replacing, "the new layer is frozen too"),
            "freezes all first": (everything_frozen_first, "other linear layers learn too"),
            "attribute of the module": (module_attribute, "requires_grad belongs to the"),
            "weights of convolutions only": (only_convolutions, "can still learn"),
            "one more layer": (one_more_layer, "add no layer"),
            "changes an attribute": (attribute_only, "should have shape"),
            "keeps the old layer": (replaced_where_needed, "still the old layer"),
            "returns nothing": (returns_nothing, "return the model"),
            "a head of zeros": (lambda m, n: prepared(m, n, head=zero_head), "random start"),
            "starts again": (started_again, "trained values are the point"),
        },
        empty=dict(
            identity=lambda model, n: nn.Identity(), layers=lambda model, n: nn.Sequential()
        ),
    ),
    "07.2": dict(
        variants={"a group for each": one_group_a_parameter, "generators": generators},
        wrong={
            "frozen ones too": (groups_with(all=True), "is frozen"),
            "one rate": (groups_with(low=lambda r, f: r), "all rates are the same"),
            "small rates": (groups_with(high=lambda r, f: r / f), "all rates are the small one"),
            "multiplies": (groups_with(low=lambda r, f: r * f), "divide by the factor"),
            "exchanged": (
                groups_with(low=lambda r, f: r, high=lambda r, f: r / f),
                "rates are exchanged",
            ),
            "twice": (whole_model_and_features, "is there twice"),
            "last layer only": (last_layer_only, "is in no group"),
            "subtracts": (groups_with(low=lambda r, f: r - f), 'should have "lr"'),
            "nonsense": (lambda model, r, f: [{"params": [0], "lr": r}], "no parameter"),
        },
        empty=dict(
            parameters=lambda model, r, f: model.parameters(),
            groups=lambda model, r, f: [{"params": [], "lr": r}],
        ),
    ),
    "07.3": dict(
        variants={
            "one order of all": draw_by_one_order,
            "random.sample, a list": draw_by_random,
            "a loop": draw_by_loop,
        },
        wrong={
            "the first ones": (
                draw_with(order=lambda n, seed: list(range(n))),
                "another seed should give another",
            ),
            "no seed": (
                draw_with(order=lambda n, seed: torch.randperm(n).tolist()),
                "same seed should give the same",
            ),
            "one too many": (draw_with(wanted=lambda n: n + 1), "should be drawn"),
            "per class forgotten": (draw_any, "should be drawn"),
            "twice": (draw_with(twice=True), "there twice"),
            "a mask": (draw_with(finish=lambda c: torch.ones(len(c)) > 0), "return the positions"),
            "counts from 1": (
                draw_with(finish=lambda c: torch.tensor(c) + 100),
                "a position lies outside",
            ),
            "never the last one": (
                draw_with(order=lambda n, seed: permutation(n - 1, seed)),
                "same chance",
            ),
        },
        empty=dict(
            all=lambda labels, *_: torch.arange(len(labels)),
            first=lambda labels, n, _: torch.arange(n),
        ),
    ),
    "07.4": dict(
        variants={
            "squared distances": means_with(score=by_squares),
            "one by one": means_one_by_one,
            "sum and divide": means_with(centre=lambda x: x.sum(0) / len(x)),
        },
        wrong={
            "places": (means_with(name=lambda place, names: place), "not their places"),
            "nearest example": (nearest_example, "mean of each class"),
            "largest product": (means_with(score=lambda x, c: x @ c.T), "smallest distance to a"),
            "sums": (means_with(centre=lambda x: x.sum(0)), "divide the sum"),
            "farthest": (means_with(score=torch.cdist), "not the largest"),
            "medians": (
                means_with(centre=lambda x: x.median(0).values),
                "should get class",
            ),
            "distances": (lambda x, y, new: torch.cdist(new, x), "return a tensor of shape"),
            "floats": (lambda *case: means_with()(*case).float(), "whole numbers"),
        },
        empty=dict(
            zeros=lambda x, y, new: torch.zeros(len(new), dtype=torch.long),
            first=lambda x, y, new: y[:1].repeat(len(new)),
        ),
    ),
    "07.5": dict(
        variants={
            "deep copies": split_with(copied=copy.deepcopy),
            "a wrapper": wrapped,
            "shallow copies": split_with(),
        },
        wrong={
            "one shared data set": (shared, "share one data set"),
            "transform of the subset": (on_the_subset, "no transform"),
            "changes what it got": (
                lambda d, *rest: (setattr(d, "transform", rest[1]), split_with()(d, *rest))[1],
                "both parts need a copy",
            ),
            "only one part is a copy": (one_part_copied, "both parts need a copy"),
            "transforms exchanged": (split_with(exchange=True), "transforms are exchanged"),
            "a wrapper around a transform": (
                partial(wrapped, plain=False),
                "own transform is applied first",
            ),
            "parts exchanged": (split_with(swap=True), "parts are exchanged"),
            "not at random": (split_with(order=lambda n, s: list(range(n))), "choose at random"),
            "no seed": (
                split_with(order=lambda n, s: torch.randperm(n).tolist()),
                "same seed should give the same",
            ),
            "always one seed": (split_with(order=lambda n, s: permutation(n, 0)), "another seed"),
            "overlap": (split_with(overlap=2), "in both parts"),
            "split twice": (split_twice, "in both parts"),
            "loses the validation transform": (
                split_with(validate=lambda value: value),
                "validation images through no transform",
            ),
        },
        empty=dict(twice=lambda dataset, *_: (dataset, dataset), nothing=lambda *_: ([], [])),
    ),
}
