"""What the measurements are made of: they compare like with like, and their tables have a place."""

import importlib.util

import numpy as np
import pytest
import torch

from course_utils.models import LeNet5
from course_utils.runtime import project_root


def script(name):
    path = project_root() / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_has_its_marks():
    results = (project_root() / "benchmarks" / "RESULTS.md").read_text("utf-8")
    for part in ("knn", "throughput", "accuracy", "grading", "cluster"):
        assert results.index(f"<!-- {part}: begin -->") < results.index(f"<!-- {part}: end -->")


def test_the_knn_searches_agree_and_disagreement_is_told_apart():
    knn = script("knn")
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (300, 1, 8, 8), dtype=torch.uint8, generator=generator)
    images[1] = images[0]
    queries = images[:40]
    exact = knn.ours(images, queries)()
    assert knn.disagreement(images, queries, exact, exact) == "0 | 0"
    assert knn.disagreement(images, queries, exact, knn.scikit_learn(images, queries)())[-1] == "0"
    other = exact.copy()
    other[0, :2] = other[0, 1::-1]  # the twin: a tie
    other[5, 0], other[6, -1] = (np.setdiff1d(range(300), exact[row])[0] for row in (5, 6))
    assert knn.disagreement(images, queries, exact, other) == "1 | 2"


def test_the_scaling_figure_shows_what_the_table_says():
    knn = script("knn")
    seconds = {"images": 0.5, "random pixels": 1.0}
    found = {name: {10: seconds, 20: seconds} for name in ("training images", "pixels")}
    assert knn.scaling_table(found)[2] == "| training images | 10 | 0.50 | 1.00 |"
    figure = knn.scaling_figure(found)
    assert figure.alt_text
    assert [axis.get_xlabel() for axis in figure.axes] == [f"number of {name}" for name in found]


@pytest.mark.parametrize("way", ["ours", "lab_sheet"])
def test_a_training_of_the_throughput_benchmark_sees_every_image(way):
    throughput = script("throughput")
    model, seen = LeNet5(in_channels=3), []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    before = model.classifier[-1].weight.clone()
    getattr(throughput, way)(model, throughput.random_data(24), 16)()
    assert sum(len(images) for images in seen) == 24
    assert all(images.shape[1:] == throughput.SHAPE for images in seen)
    assert not torch.equal(before, model.classifier[-1].weight)
