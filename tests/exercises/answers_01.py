"""Lecture 01: other right answers, and wrong ones with the hint that each should get."""

import numpy as np
import sklearn.metrics
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import euclidean_distances, top_k_accuracy_score
from torch.nn import functional as F

from course_utils.models import knn
from course_utils.models.knn import KNearestNeighbors
from course_utils.models.knn_selection import (
    choose_by_cross_validation,
    share_among_best,
    vote_of_nearest,
)
from course_utils.training import loop

# --- 01.1 ----------------------------------------------------------------------------------------


def by_broadcasting(queries, images):
    return (queries[:, None] - images[None]).square().sum(dim=-1).sqrt()


def by_cdist(queries, images):
    return torch.cdist(queries, images)


def by_numpy(queries, images):
    a, b = queries.double().numpy(), images.double().numpy()
    squared = (a**2).sum(1, keepdims=True) + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squared, 0))


def squared_by_product(queries, images):
    lengths = queries.square().sum(1)[:, None] + images.square().sum(1)
    return lengths - 2 * queries @ images.T


def one_loop(queries, images):
    return torch.stack([(images - query).norm(dim=1) for query in queries])


def two_loops(queries, images):
    distances = torch.zeros(len(queries), len(images))
    for i in range(len(queries)):
        for j in range(len(images)):
            distances[i, j] = (queries[i] - images[j]).norm()
    return distances


def distances_of_its_parts(queries, images):
    return knn._distances(knn._scores(queries, images, "l2"), queries, "l2")


def distances_of_knn(queries, images):
    """Ask for all neighbours, and sort them back."""
    distances, order = (
        KNearestNeighbors(len(images))
        .fit(images, torch.zeros(len(images)).long())
        .neighbors(queries)
    )
    return distances.gather(1, order.argsort(dim=1))


DISTANCES = dict(
    variants={
        "broadcasting": by_broadcasting,
        "NumPy": by_numpy,
        "matrix product": lambda q, x: squared_by_product(q, x).clamp(min=0).sqrt(),
    },
    wrong={
        "squared": (lambda q, x: by_broadcasting(q, x).square(), "square root"),
        "transposed": (lambda q, x: by_broadcasting(x, q), "transposed"),
        "L1": (lambda q, x: torch.cdist(q, x, p=1.0), "L1"),
        "mean": (
            lambda q, x: (q[:, None] - x).square().mean(dim=-1).sqrt(),
            "mean over the pixels",
        ),
        "dot products": (lambda q, x: q @ x.T, "dot products"),
        "not summed": (lambda q, x: (q[:, None] - x).abs(), "still holds the pixels"),
        "summed over the images": (
            lambda q, x: (q[:, None] - x).square().sum(dim=1).sqrt(),
            r"shape should be \(2, 3\)",
        ),
        "NaN": (
            lambda q, x: torch.where(
                by_broadcasting(q, x) > 0, by_broadcasting(q, x), torch.tensor(-1.0).sqrt()
            ),
            "NaN",
        ),
        "length of the queries forgotten": (
            lambda q, x: (x.square().sum(1) - 2 * q @ x.T).clamp(min=0).sqrt(),
            "length of the queries",
        ),
        "length of the images forgotten": (
            lambda q, x: (q.square().sum(1)[:, None] - 2 * q @ x.T).clamp(min=0).sqrt(),
            "length of the images",
        ),
        "torch.cdist": (by_cdist, "ready-made"),
        "pairwise_distance": (
            lambda q, x: F.pairwise_distance(q[:, None], x[None], eps=0),
            "ready-made",
        ),
        "SciPy": (lambda q, x: torch.from_numpy(cdist(q.numpy(), x.numpy())), "ready-made"),
        "sklearn": (lambda q, x: euclidean_distances(q.numpy(), x.numpy()), "ready-made"),
        "sklearn, from elsewhere": (
            lambda q, x: sklearn.metrics.pairwise_distances(q.numpy(), x.numpy()),
            "ready-made",
        ),
        "one loop": (one_loop, "there is a loop"),
        "two loops": (two_loops, "there is a loop"),
    },
    empty={
        "zeros": lambda q, x: torch.zeros(len(q), len(x)),
        "ones": lambda q, x: torch.ones(len(q), len(x)),
    },
    adapters={
        "KNearestNeighbors": (distances_of_knn, 0),
        "its parts": (distances_of_its_parts, 0),
        "torch.cdist, which a person is told": (by_cdist, 5),
        "sklearn, likewise": (lambda q, x: euclidean_distances(q.numpy(), x.numpy()), 5),
    },
)

# --- 01.2 ----------------------------------------------------------------------------------------


def nearest(distances, k, stable=True):
    return distances.argsort(dim=1, stable=stable)[:, :k]


def vote_by_bincount(distances, labels, k):
    return torch.tensor([int(labels[row].bincount().argmax()) for row in nearest(distances, k)])


def vote_by_one_hot(distances, labels, k):
    return F.one_hot(labels[nearest(distances, k)]).sum(dim=1).argmax(dim=1)


def vote_by_numpy(distances, labels, k):
    order = np.argsort(distances.numpy(), axis=1, kind="stable")[:, :k]
    return np.array([np.bincount(labels.numpy()[row]).argmax() for row in order])


def largest_in_a_tie(distances, labels, k):
    top = int(labels.max())
    return top - vote_by_one_hot(distances, top - labels, k)


def nearest_in_a_tie(distances, labels, k):
    rows = labels[nearest(distances, k)].tolist()
    return torch.tensor([max(row, key=row.count) for row in rows])  # the first of the most frequent


def higher_index_first(distances, labels, k):
    return vote_by_one_hot(distances.flip(1), labels.flip(0), k)


VOTE = dict(
    variants={
        "bincount": vote_by_bincount,
        "one-hot": vote_by_one_hot,
        "NumPy": vote_by_numpy,
    },
    wrong={
        "largest label in a tie": (largest_in_a_tie, "you return the largest"),
        "nearest in a tie": (nearest_in_a_tie, "label of the nearest"),
        "farthest": (lambda d, y, k: vote_by_one_hot(-d, y, k), "farthest away"),
        "nearest only": (lambda d, y, k: vote_by_one_hot(d, y, 1), "nearest image only"),
        "all vote": (lambda d, y, k: vote_by_one_hot(d, y, len(y)), "every image votes"),
        "one too few": (lambda d, y, k: vote_by_one_hot(d, y, max(k - 1, 1)), "too few"),
        "one too many": (lambda d, y, k: vote_by_one_hot(d, y, k + 1), "too many"),
        "without the nearest": (
            lambda d, y, k: F.one_hot(y[nearest(d, k + 1)[:, 1:]]).sum(1).argmax(1),
            "leave out the nearest",
        ),
        "index": (lambda d, y, k: d.argmin(dim=1), "index of an image"),
        "mean of the labels": (
            lambda d, y, k: y[nearest(d, k)].float().mean(dim=1).round().long(),
            "average the labels",
        ),
        "higher index first": (higher_index_first, "lower index comes first"),
        "topk": (
            lambda d, y, k: F.one_hot(y[d.topk(k, largest=False).indices]).sum(1).argmax(1),
            "topk does not see to that",
        ),
        "sort without stable": (
            lambda d, y, k: F.one_hot(y[nearest(d, k, stable=False)]).sum(1).argmax(1),
            "without stable=True",
        ),
        "a list": (lambda d, y, k: vote_by_one_hot(d, y, k).tolist(), "return a tensor"),
        "class 7 for all": (lambda d, y, k: torch.full((len(d),), 7), "predictions are right"),
    },
    empty={
        "class 0": lambda d, y, k: torch.zeros(len(d), dtype=torch.int64),
        "class 1": lambda d, y, k: torch.ones(len(d), dtype=torch.int64),
        "the first labels": lambda d, y, k: y[: len(d)],
    },
    adapters={
        "vote_of_nearest": (vote_of_nearest, 0),
        "vote of the smallest": (lambda d, y, k: knn.vote(y[knn._smallest(d, k)[1]]), 0),
        "torch.mode": (lambda d, y, k: y[nearest(d, k)].mode(dim=1).values, 5),
    },
)

# --- 01.3 ----------------------------------------------------------------------------------------


def fold_of(count, folds):
    return torch.arange(count) % folds


def accuracies_of(images, labels, ks, fold, *, turns=None, known=None, asked=None):
    """The right rule, with places to break it."""
    turns = sorted(set(fold.tolist())) if turns is None else turns
    shares = []
    for k in ks:
        correct = total = 0
        for turn in turns:
            inside = fold == turn
            train = known(inside) if known else ~inside
            held_out = asked(inside) if asked else inside
            model = KNearestNeighbors(k).fit(images[train], labels[train])
            correct += int((model.predict(images[held_out]) == labels[held_out]).sum())
            total += int(held_out.sum())
        shares.append(correct / total)
    return shares


def best(ks, shares):
    return min(k for k, share in zip(ks, shares, strict=True) if share == max(shares))


def choose(images, labels, ks, folds, change=lambda shares, count: shares, **options):
    shares = accuracies_of(images, labels, ks, fold_of(len(labels), folds), **options)
    return best(ks, shares), change(shares, len(labels))


def choose_with_all_neighbors_at_once(images, labels, ks, folds):
    """The distances once for all k, and a vote over the first k columns."""
    correct = dict.fromkeys(ks, 0)
    for turn in range(folds):
        held_out = torch.arange(len(labels)) % folds == turn
        known = labels[~held_out]
        order = KNearestNeighbors(max(ks)).fit(images[~held_out], known).neighbors(images[held_out])
        for k in ks:
            votes = F.one_hot(known[order[1][:, :k]], 2).sum(dim=1)
            correct[k] += int((votes.argmax(dim=1) == labels[held_out]).sum())
    shares = [correct[k] / len(labels) for k in ks]
    return best(ks, shares), shares


def blocks(images, labels, ks, folds):
    fold = torch.cat(
        [torch.full((len(x),), i) for i, x in enumerate(np.array_split(range(len(labels)), folds))]
    )
    shares = accuracies_of(images, labels, ks, fold)
    return best(ks, shares), shares


def average_of_folds(images, labels, ks, folds):
    fold = fold_of(len(labels), folds)
    rows = [accuracies_of(images, labels, ks, fold, turns=[turn]) for turn in range(folds)]
    shares = [sum(column) / folds for column in zip(*rows, strict=True)]
    return best(ks, shares), shares


def largest_of_the_best(images, labels, ks, folds):
    _, shares = choose(images, labels, ks, folds)
    return max(k for k, share in zip(ks, shares, strict=True) if share == max(shares)), shares


def position(images, labels, ks, folds):
    _, shares = choose(images, labels, ks, folds)
    return shares.index(max(shares)), shares


CHOOSE_K = dict(
    variants={"one k after the other": choose, "at once": choose_with_all_neighbors_at_once},
    wrong={
        "fold is in the training images": (
            lambda *case: choose(*case, known=torch.ones_like),
            "each image finds itself",
        ),
        "first fold only": (lambda *case: choose(*case, turns=[0]), "only the first fold"),
        "starts at fold 1": (
            lambda i, y, ks, folds: choose(i, y, ks, folds, turns=range(1, folds)),
            "the first fold",
        ),
        "stops before the last fold": (
            lambda i, y, ks, folds: choose(i, y, ks, folds, turns=range(folds - 1)),
            "the last fold",
        ),
        "folds in blocks": (blocks, "image i is in fold"),
        "average of the folds": (average_of_folds, "average their accuracies"),
        "error rates": (
            lambda *case: choose(*case, lambda shares, n: [1 - share for share in shares]),
            "error rates",
        ),
        "percentages": (
            lambda *case: choose(*case, lambda shares, n: [100 * share for share in shares]),
            "percentages",
        ),
        "counts": (
            lambda *case: choose(*case, lambda shares, n: [n * share for share in shares]),
            "divide by the number of images",
        ),
        "tensors": (
            lambda *case: choose(*case, lambda shares, n: [torch.tensor(s) for s in shares]),
            r"\.item",
        ),
        "sorted ks": (
            lambda i, y, ks, folds: choose(i, y, sorted(ks), folds),
            "in the order of ks",
        ),
        "largest of the best": (largest_of_the_best, "return the smallest"),
        "position": (position, "position in the list"),
        "only k": (lambda *case: choose(*case)[0], "return two things"),
        "always 1": (lambda *case: (1, choose(*case)[1]), "highest of them"),
        "guess": (lambda *case: (1, [0.9] * len(case[2])), "the accuracy is"),
    },
    empty={
        f"accuracy {guess}": lambda i, y, ks, folds, guess=guess: (min(ks), [guess] * len(ks))
        for guess in (0.0, 0.5, 1.0)
    },
    adapters={"choose_by_cross_validation": (choose_by_cross_validation, 0)},
)

# --- 01.4 ----------------------------------------------------------------------------------------


def found(scores, labels, k):
    return (scores.argsort(dim=1, descending=True, stable=True)[:, :k] == labels[:, None]).any(1)


def share(hits):
    return hits.float().mean().item()


def by_loop(scores, labels, k):
    hits = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda c: -row[c])  # sorted keeps the order of equals
        hits += label in order[:k]
    return hits / len(labels)


def own(scores, labels):
    return scores.gather(1, labels[:, None])


def top_k_by_sklearn(scores, labels, k):
    classes = range(scores.shape[1])
    return float(top_k_accuracy_score(labels.numpy(), scores.numpy(), k=k, labels=classes))


TOP_K = dict(
    variants={"loop": by_loop, "sort": lambda s, y, k: share(found(s, y, k))},
    wrong={
        "ascending": (lambda s, y, k: share(found(-s, y, k)), "lowest scores"),
        "top-1 always": (lambda s, y, k: share(found(s, y, 1)), "best class only"),
        "k-th only": (
            lambda s, y, k: share(found(s, y, k)) - share(found(s, y, k - 1)),
            "k-th best class only",
        ),
        "one too few": (lambda s, y, k: share(found(s, y, k - 1)), "too few"),
        "one too many": (lambda s, y, k: share(found(s, y, k + 1)), "too many"),
        "generous ties": (
            lambda s, y, k: share((s > own(s, y)).sum(1) < k),
            "let all of them in",
        ),
        "strict ties": (lambda s, y, k: share((s >= own(s, y)).sum(1) <= k), "none of them"),
        "higher class first": (
            lambda s, y, k: share(found(s.flip(1), s.shape[1] - 1 - y, k)),
            "you take the higher one",
        ),
        "topk": (
            lambda s, y, k: share((s.topk(k).indices == y[:, None]).any(1)),
            "of equal scores the lower class comes first",
        ),
        "count": (lambda s, y, k: int(found(s, y, k).sum()), "number of hits"),
        "percentage": (lambda s, y, k: 100 * share(found(s, y, k)), "percentage"),
        "error": (lambda s, y, k: 1 - share(found(s, y, k)), "1 minus"),
        "mean over N x k": (lambda s, y, k: share(found(s, y, k)) / k, "k times as many"),
        "tensor": (lambda s, y, k: found(s, y, k).float().mean(), r"\.item"),
        "guess": (lambda s, y, k: 0.123, "expected"),
    },
    empty={"k of all classes": lambda s, y, k: k / s.shape[1]},
    adapters={
        "top_k_accuracy": (loop.top_k_accuracy, 0),
        "share_among_best": (share_among_best, 0),
        "sklearn": (top_k_by_sklearn, 2.5),
    },
)

ANSWERS = {"01.1": DISTANCES, "01.2": VOTE, "01.3": CHOOSE_K, "01.4": TOP_K}
