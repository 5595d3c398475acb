"""What the measurements are made of: they compare like with like, and their tables have a place."""

import importlib.util
import re
import sys
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch

from course_utils.arithmetic import count_flops
from course_utils.data import Split, load_data
from course_utils.models import LeNet5
from course_utils.models.resnet import SmallResNet
from course_utils.runtime import project_root


def script(name):
    path = project_root() / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_every_table_has_its_marks():
    results = (project_root() / "benchmarks" / "RESULTS.md").read_text("utf-8")
    parts = ("knn", "throughput", "accuracy", "time to accuracy", "grading", "cluster")
    others = (
        "speed run",
        "limits",
        "limits, AVX2",
        "ordinary class",
        "gpu memory",
        "threads",
        "gpu",
    )
    for part in (*parts, *others):
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


@pytest.mark.parametrize(
    ("end", "torch_line"), [("oldest", "torch==2.6"), ("newest", "torch>=2.6")]
)
def test_the_matrix_is_not_held_to_the_tested_versions(tmp_path, monkeypatch, end, torch_line):
    matrix, asked = script("matrix"), []
    monkeypatch.setattr(matrix, "HOME", tmp_path)
    monkeypatch.setattr(matrix.subprocess, "run", lambda command, **_: asked.append(command))
    (tmp_path / end).mkdir()
    matrix.environment(end)
    assert "--upgrade" in asked[-1]
    assert "-c" not in asked[-1]
    assert torch_line in (tmp_path / end / "requirements.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize(("end", "asks_again"), [("oldest", False), ("newest", True)])
def test_the_matrix_asks_each_time_which_packages_are_the_newest(
    tmp_path, monkeypatch, end, asks_again
):
    matrix, asked = script("matrix"), []
    monkeypatch.setattr(matrix, "HOME", tmp_path)
    monkeypatch.setattr(matrix.subprocess, "run", lambda command, **_: asked.append(command))
    (tmp_path / end).mkdir()
    python = matrix.environment(end)
    asked.clear()
    assert matrix.environment(end) == python
    assert any("--upgrade" in command for command in asked) == asks_again


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


def test_a_lecture_beyond_its_budget_is_told_with_its_slowest_cells(tmp_path):
    notebooks = script("notebooks")
    cells = ["x = 1", "", "import time\ntime.sleep(0.3)", "y = 2"]
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(written, tmp_path / "01_slow.ipynb")
    notebook, needed = notebooks.measure(tmp_path / "01_slow.ipynb")
    assert len(notebook.cells) == len(cells)
    assert needed["seconds"] > 0.3
    assert 0.01 < needed["GB"] < 1
    first, second = notebooks.slowest(notebook, 2)
    assert first.startswith("cell 2: 0.3 s, «import time»")
    assert second.startswith(("cell 0", "cell 3"))


def test_a_setting_of_threads_is_compared_round_by_round():
    threads = script("threads")
    places = [(c, n) for c in threads.CONDITIONS for n in threads.NETWORKS]
    rates = {(*place, setting): [100, 10, 1] for place in places for setting in threads.SETTINGS}
    for place in places:
        rates[(*place, threads.CHOOSES)] = [100, 20, 20]
    row = threads.table(rates)[-1]
    assert row.startswith(f"| {threads.CHOOSES} (the course's) | 20 (2.00) |")
    assert row.count("|") == 2 + len(places)


def test_a_budget_leaves_half_as_much_for_slow_machines():
    over_budget = script("notebooks").over_budget
    assert over_budget({"seconds": 89, "GB": 2.9}) == ""
    assert over_budget({"seconds": 91, "GB": 2.9}) == "91.0 seconds, at most 90"
    assert over_budget({"seconds": 10, "GB": 3.2}) == "3.2 GB, at most 3"


@pytest.fixture
def speedrun(monkeypatch):
    monkeypatch.syspath_prepend(project_root() / "benchmarks")
    return script("speedrun")


def few_photographs(train=520):
    data = load_data("fashion_photos", profile="quick", validation=0.1)
    parts = {"validation": data.validation.take(100), "test": data.test.take(100)}
    return replace(data, train=data.train.take(train), **parts)


def test_the_fast_recipe_goes_on_exactly_where_it_was_interrupted(speedrun, tmp_path, monkeypatch):
    data, recipe = few_photographs(), speedrun.Recipe(widths=(24, 24, 24), epochs=2)
    recipe = replace(recipe, large_batches=False)  # three steps an epoch
    arguments = data, recipe, torch.device("cpu")
    whole, _ = speedrun.train(*arguments, tmp_path / "whole")
    epochs = iter([speedrun.train_one_epoch])

    def interrupted(*arguments, **options):
        for train in epochs:
            return train(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(speedrun, "train_one_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            speedrun.train(*arguments, tmp_path / "halves")
    halves, seconds = speedrun.train(*arguments, tmp_path / "halves")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, halves.state_dict()[name]), name
    monkeypatch.setattr(speedrun, "train_one_epoch", None)
    assert speedrun.train(*arguments, tmp_path / "halves")[1] == seconds  # only loaded


def test_without_an_ingredient_the_fast_recipe_lacks_it_alone(speedrun):
    data = few_photographs()
    recipe = speedrun.Recipe(widths=(24, 24, 24))
    x = torch.randn(2, 24, 5, 5)
    for identity in (True, False):
        conv = speedrun.make_model(data, replace(recipe, identity_start=identity)).blocks[0][0]
        assert torch.allclose(conv(x), x, atol=1e-6) == identity
    for fast, rates in ((True, 64), (False, 1)):
        changed = replace(recipe, fast_biases=fast)
        model = speedrun.make_model(data, changed)
        biases, others = speedrun.make_optimizer(model, changed).param_groups
        assert biases["lr"] == pytest.approx(rates * others["lr"])
        assert len(biases["params"]) == 6
        assert len(others["params"]) == 7 + 6 * (not fast)
        assert biases["lr"] * biases["weight_decay"] == others["lr"] * others["weight_decay"]
    small = speedrun.make_optimizer(model, replace(recipe, large_batches=False)).param_groups[1]
    assert others["lr"] == pytest.approx(1.5)
    assert small["lr"] == pytest.approx(1.5 / 4)
    assert small["weight_decay"] == others["weight_decay"]
    first, second = (speedrun.mirrored(data, epoch, seed=3).train.images for epoch in (0, 1))
    assert torch.equal(first, second.flip(-1))
    mirrored = (first != data.train.images).flatten(1).any(1).float().mean()
    assert 0.4 < mirrored < 0.6
    for alternating in (True, False):
        changed = replace(recipe, alternating_flip=alternating)
        loader = speedrun.loader_of(data, changed, 1, torch.device("cpu"), seed=3)
        assert torch.equal(loader.images, second if alternating else data.train.images)


def test_the_rate_rises_and_falls_and_lookahead_ends_on_the_average(speedrun):
    shares = [speedrun.share_of_rate(step, 100) for step in (0, 23, 100)]
    assert shares == pytest.approx([0.2, 1.0, 0.07])
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    ahead = speedrun.Lookahead(model, steps=12)
    seen = []
    for _ in range(12):
        model.weight.data += 1
        ahead()
        seen.append(model.weight.item())
    first = 5 * (1 - 0.95**5 * (5 / 12) ** 3)
    second = first + 5 * (1 - 0.95**5 * (10 / 12) ** 3)
    assert seen[3:6] == pytest.approx([4, first, first + 1])
    assert seen[9:] == pytest.approx([second, second + 1, second])


def test_an_ingredient_is_judged_by_paired_differences(speedrun):
    runs = {(arm, seed): [0.5, 0.6, 0.7] for arm in ("", *speedrun.INGREDIENTS) for seed in (0, 1)}
    runs["lookahead", 1] = [0.5, 0.6, 0.66]
    speedrun.SEEDS = (0, 1)
    rows = speedrun.table(runs)
    assert rows[3].endswith("| 50.0% (50.0% to 50.0%) | +20.0 (+20.0, +20.0) |")
    assert "| without lookahead | 68.0% (66.0% to 70.0%) | +2.0 (+0.0, +4.0) |" in rows


def test_the_row_of_a_data_set_has_each_seed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(project_root() / "benchmarks")
    time_to_accuracy = script("time_to_accuracy")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    goal = time_to_accuracy.Goal(0.5, time_to_accuracy.Recipe(widths=(24, 24, 24), epochs=1))
    monkeypatch.setitem(time_to_accuracy.GOALS, "cifar10", goal)
    monkeypatch.setattr(time_to_accuracy, "SEEDS", 2)
    row = time_to_accuracy.row("cifar10", few_photographs(), torch.device("cpu"))
    assert row.count("|") == time_to_accuracy.HEADER.splitlines()[0].count("|")
    assert re.search(r"\| 50.0% \| [\d.]+% \([\d.]+%, [\d.]+%\) \|", row)


def test_jpeg_keeps_the_brightness_and_halves_the_resolution_of_colours(monkeypatch):
    monkeypatch.syspath_prepend(project_root() / "benchmarks")
    time_to_accuracy = script("time_to_accuracy")
    grey = torch.randint(0, 256, (4, 1, 4, 4), dtype=torch.uint8)
    grey = grey.repeat(1, 3, 1, 1).repeat_interleave(8, 2).repeat_interleave(8, 3)  # 8 x 8 blocks
    stripes = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    stripes[:, 0, :, ::2] = 200  # red
    stripes[:, 2, :, 1::2] = 200  # and blue
    split = Split(torch.cat([grey, stripes]), torch.arange(5))
    stored = time_to_accuracy.as_jpeg(split)
    assert torch.equal(stored.labels, split.labels)
    assert (stored.images[:4].int() - grey.int()).abs().max() <= 3
    saturation = stored.images[4].float().std(0).mean() / stripes.float().std(1).mean()
    assert saturation < 0.6


def test_the_limits_count_what_a_step_computes_and_moves(monkeypatch):
    monkeypatch.syspath_prepend(project_root() / "benchmarks")
    limits = script("limits")
    flops = limits.computed_flops(lambda: LeNet5(in_channels=3))
    assert sum(flops.values()) == 3 * limits.BATCH * count_flops(LeNet5(in_channels=3), (3, 32, 32))
    monkeypatch.setattr(limits, "copy_seconds", lambda count: count)
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    whole, quarter = 4 * 10 * 3072, 4 * 10 * 768
    copies = limits.copying_seconds(model, element=4, batch=10)
    assert copies == {"ReLU": 3 * whole, "pooling": 3 * (whole + quarter) / 2}


def test_the_limits_know_the_operations_of_a_step(monkeypatch):
    monkeypatch.syspath_prepend(project_root() / "benchmarks")
    limits = script("limits")
    found = limits.shares(limits.our_step(SmallResNet(1, width=4), batch=4), steps=1)
    assert sum(found.values()) == pytest.approx(1)
    assert min(found[name] for name in ("convolutions", "batch norm", "ReLU", "optimizer")) > 0
    assert limits.group_of("aten::copy_") == "rest"
