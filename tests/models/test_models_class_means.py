"""Nearest class means against a plain loop."""

import torch

from course_utils.models.class_means import nearest_class_mean


def test_the_nearest_mean_is_that_of_a_loop():
    torch.manual_seed(0)
    features, labels = torch.randn(30, 5), torch.arange(30) % 3 * 10 + 4
    new = torch.randn(20, 5)
    means = {name: features[labels == name].mean(0) for name in (4, 14, 24)}
    want = [min(means, key=lambda name: (x - means[name]).norm().item()) for x in new]
    assert nearest_class_mean(features, labels, new).tolist() == want
