"""The vote over a table and cross-validation agree with KNearestNeighbors, ties included."""

import torch

from course_utils.models.knn import KNearestNeighbors
from course_utils.models.knn_selection import (
    choose_by_cross_validation,
    cross_validate,
    share_among_best,
    vote_of_nearest,
)
from course_utils.training import top_k_accuracy

GENERATOR = torch.Generator().manual_seed(0)
# Few grey values: many distances and many votes are equal.
IMAGES = torch.randint(0, 3, (53, 4), generator=GENERATOR, dtype=torch.uint8)
LABELS = torch.randint(0, 4, (53,), generator=GENERATOR)
KS, FOLDS = [4, 1, 7], 5


def test_the_vote_is_that_of_the_classifier():
    queries = IMAGES[:20]
    distances = torch.cdist(queries.double(), IMAGES.double())
    for k in KS:
        wanted = KNearestNeighbors(k).fit(IMAGES, LABELS).predict(queries)
        assert torch.equal(vote_of_nearest(distances, LABELS, k), wanted)


def test_each_image_is_judged_by_the_other_folds():
    right = cross_validate(IMAGES, LABELS, KS, FOLDS)
    fold_of = torch.arange(len(IMAGES)) % FOLDS
    for row, k in enumerate(KS):
        for fold in range(FOLDS):
            asked = fold_of == fold
            knn = KNearestNeighbors(k).fit(IMAGES[~asked], LABELS[~asked])
            wanted = knn.predict(IMAGES[asked]) == LABELS[asked]
            assert torch.equal(right[row, asked], wanted)


def test_another_distance_is_passed_on():
    by_l1 = cross_validate(IMAGES, LABELS, [1], len(IMAGES), metric="l1")
    by_l2 = cross_validate(IMAGES, LABELS, [1], len(IMAGES))
    assert by_l1.shape == by_l2.shape == (1, len(IMAGES))
    assert not torch.equal(by_l1, by_l2)


def test_of_equally_good_k_the_smallest_is_chosen():
    images = torch.tensor([[0], [1], [2], [200], [201], [202]], dtype=torch.uint8)
    best, accuracies = choose_by_cross_validation(images, torch.arange(6) // 3, [2, 1], 6)
    assert (best, accuracies) == (1, [1.0, 1.0])


def test_accuracies_come_in_the_order_of_ks():
    best, accuracies = choose_by_cross_validation(IMAGES, LABELS, KS, FOLDS)
    wanted = (cross_validate(IMAGES, LABELS, KS, FOLDS).sum(dim=1).double() / len(LABELS)).tolist()
    assert accuracies == wanted
    assert accuracies[KS.index(best)] == max(accuracies)


def test_the_top_classes_are_those_of_top_k_accuracy():
    votes = torch.randint(0, 3, (53, 6), generator=GENERATOR).float()
    for k in (1, 2, 5):
        assert share_among_best(votes, LABELS, k) == top_k_accuracy(votes, LABELS, k)
