import errno
import functools
import io
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from tqdm import tqdm
from training_data import bright_quarters, interrupt

from course_utils.data import batches
from course_utils.training import (
    CheckpointError,
    OutOfMemory,
    TrainingDiverged,
    TrainingInterrupted,
    checkpoint,
    choose_precision,
    evaluate,
    fit,
    precision,
)
from course_utils.training.checkpoint import Checkpoint
from course_utils.training.recipe import epoch_randomness, make_optimizer

SETTINGS = dict(epochs=3, batch_size=40, learning_rate=0.01, device="cpu", fast=False)


def noisy(images, generator=None):
    """An augmentation that also draws from the global generators, as a student's may."""
    shift = torch.randint(0, 3, (1,), generator=generator).item() + random.randrange(2)
    return images.roll(shift + np.random.randint(2), dims=3)  # noqa: NPY002


def small_net(seed=0):
    """A network with all that has a state: batch-norm statistics and dropout's random numbers."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(1, 4, 4, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(64, 4))


def same_weights(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def data():
    return bright_quarters(size=16)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """On images this small, threads cost more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["one_cycle", None])
def test_it_learns(data, optimizer, schedule):
    model = small_net()
    history = fit(model, data, **SETTINGS | {"epochs": 6}, optimizer=optimizer, schedule=schedule)
    assert history.best.validation_accuracy > 0.7  # guessing: 0.25
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert evaluate(model, batches(data, "test")).accuracy > 0.6


def test_schedules_by_hand(data):
    rates = {
        name: fit(small_net(), data, **SETTINGS | {"epochs": 8}, schedule=name)["learning_rate"]
        for name in ("one_cycle", None)
    }
    assert rates[None] == [0.01] * 8
    assert rates["one_cycle"][0] == pytest.approx(0.01 / 25)
    assert max(rates["one_cycle"]) > 0.009
    assert rates["one_cycle"][-1] < 0.01 / 4


@pytest.mark.parametrize("schedule", ["one_cycle", None])
def test_one_epoch_of_one_batch(data, schedule):
    history = fit(small_net(), data, epochs=1, batch_size=1000, schedule=schedule, device="cpu")
    assert len(history) == 1


def test_weight_decay_shrinks_the_weights(data):
    norms = []
    for decay in (0.0, 1.0):
        model = small_net()
        fit(model, data, **SETTINGS, weight_decay=decay)
        norms.append(model[-1].weight.norm())
    assert norms[1] < norms[0]


def test_the_model_ends_with_its_best_epoch_ready_for_use(data):
    model = small_net()
    history = fit(model, data, **SETTINGS | {"learning_rate": 0.3, "epochs": 5}, schedule=None)
    accuracies = history["validation_accuracy"]
    assert history.best.validation_accuracy == max(accuracies)
    assert not model.training
    result = evaluate(model, batches(data, "validation"))
    assert (result.accuracy, result.loss) == (
        history.best.validation_accuracy,
        pytest.approx(history.best.validation_loss),
    )


def test_the_test_images_are_not_looked_at(data):
    blind = replace(data, test=data.test.at([]))
    assert fit(small_net(), blind, **SETTINGS) == fit(small_net(), data, **SETTINGS)


@pytest.mark.parametrize("fast", [True, False])
def test_a_seeded_run_repeats_exactly(data, fast):
    settings = SETTINGS | {"fast": fast, "augment": noisy}
    models, histories = [], []
    for noise, seed in ((1, 5), (2, 5), (1, 6)):
        random.seed(noise)
        model = small_net()
        torch.manual_seed(noise)
        histories.append(fit(model, data, **settings, seed=seed))
        models.append(model)
    assert histories[0] == histories[1]
    assert same_weights(models[0], models[1])
    assert histories[0] != histories[2]


def test_the_bar_changes_nothing(data, monkeypatch):
    histories, screen = [], io.StringIO()
    for disable in (False, True):
        bar = functools.partial(tqdm, file=screen, disable=disable, mininterval=0)
        shown = lambda description, bar=bar, **given: bar(desc=description, **given)  # noqa: E731
        monkeypatch.setattr("course_utils.training.run.progress", shown)
        histories.append(fit(small_net(), data, **SETTINGS))
    assert histories[0] == histories[1]
    assert "epoch 3/3: 100%" in screen.getvalue()


def test_the_bar_shows_epoch_and_loss(data, monkeypatch):
    seen = []

    class Bar:
        def __init__(self, **arguments):
            seen.append(arguments)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            seen.append("closed")

        def set_description(self, text):
            seen.append(text)

        def set_postfix(self, **values):
            seen.append(values)

        def update(self):
            seen.append(1)

    monkeypatch.setattr("course_utils.training.run.progress", Bar)
    fit(small_net(), data, **SETTINGS | {"batch_size": 4, "epochs": 2}, description="small net")
    assert seen[0] == {"total": 48, "description": "small net", "unit": "batch"}
    assert seen.count(1) == 48
    assert "small net, epoch 2/2" in seen
    assert any(isinstance(item, dict) and "loss" in item for item in seen[1:])
    assert seen[-1] == "closed"


def test_training_leaves_the_random_numbers_of_others_alone(data):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    def reset():
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        torch.manual_seed(3)

    reset()
    untouched = draw()
    model = small_net()
    reset()
    fit(model, data, **SETTINGS | {"fast": True}, augment=noisy)
    assert draw() == untouched


@pytest.mark.parametrize("device", ["cuda:1", "mps"])
def test_the_random_numbers_of_an_accelerator_are_put_back_too(monkeypatch, device):
    states = {device: 7}
    if device == "mps":  # its functions take no device
        get, put = lambda: states[device], lambda state: states.update({device: state})
    else:
        get, put = lambda at: states[str(at)], lambda state, at: states.update({str(at): state})
    accelerator = SimpleNamespace(get_rng_state=get, set_rng_state=put)
    monkeypatch.setattr(torch, "get_device_module", lambda device: accelerator)
    with epoch_randomness(torch.device(device), seed=0, epoch=1):
        states[device] = 8
        assert torch.backends.cudnn.deterministic
    assert states == {device: 7}
    assert not torch.backends.cudnn.deterministic


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["one_cycle", None])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    data, tmp_path, capsys, optimizer, schedule
):
    settings = SETTINGS | {"optimizer": optimizer, "schedule": schedule, "seed": 2}
    whole = small_net()
    expected = fit(whole, data, **settings, augment=noisy)

    file = tmp_path / "runs" / "net.pt"
    model = small_net()
    with interrupt(8), pytest.raises(KeyboardInterrupt) as stop:
        fit(model, data, **settings, augment=noisy, checkpoint=file)
    assert isinstance(stop.value, TrainingInterrupted)
    assert stop.value.history.rows == expected.rows[:2]
    assert stop.value.history.stopped == "interrupted in epoch 3"
    said = capsys.readouterr().out
    assert "Interrupted in epoch 3 of 3. The model holds the weights of epoch" in said
    assert "net.pt holds 2 epochs: the same call goes on from there.\n" in said

    resumed = small_net(seed=77)  # a new process has other initial weights
    assert fit(resumed, data, **settings, augment=noisy, checkpoint=file) == expected
    assert same_weights(resumed, whole)
    assert "net.pt: 2 of 3 epochs are done already." in capsys.readouterr().out

    again = small_net(seed=78)
    assert fit(again, data, **settings, augment=noisy, checkpoint=file) == expected
    assert same_weights(again, whole)


def test_an_interrupt_in_the_first_epoch_leaves_the_initial_weights(data, capsys):
    model = small_net()
    with interrupt(2), pytest.raises(TrainingInterrupted):
        fit(model, data, **SETTINGS)
    assert same_weights(model, small_net())
    assert not model.training
    assert capsys.readouterr().out == (
        "Interrupted in epoch 1 of 3. The model holds the weights it started with.\n"
    )


def test_an_interrupt_while_saving_costs_no_epoch(data, tmp_path, monkeypatch):
    file, sync, calls = tmp_path / "net.pt", os.fsync, []

    def interrupted_once(number):
        calls.append(number)
        if len(calls) == 2:
            raise KeyboardInterrupt
        sync(number)

    monkeypatch.setattr(os, "fsync", interrupted_once)
    with pytest.raises(TrainingInterrupted) as stop:
        fit(small_net(), data, **SETTINGS, checkpoint=file)
    assert len(stop.value.history) == 2
    resumed = fit(small_net(), data, **SETTINGS, checkpoint=file)
    assert resumed.rows[:2] == stop.value.history.rows
    assert resumed == fit(small_net(), data, **SETTINGS)
    assert os.listdir(tmp_path) == ["net.pt"]


def test_a_checkpoint_that_does_not_fit_on_the_disk_leaves_no_half_of_it(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "the disk is full")

    checkpoint = Checkpoint(tmp_path / "net.pt", {})
    checkpoint.save({"epoch": 1})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        checkpoint.save({"epoch": 2})
    assert checkpoint.load()["epoch"] == 1
    assert os.listdir(tmp_path) == ["net.pt"]


KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)  # another number would add up in another order
sys.path[:0] = [sys.argv[2], os.path.dirname(sys.argv[2])]
from test_training_fit import SETTINGS, bright_quarters, fit, small_net
sync, calls = os.fsync, []
def kill(number):
    calls.append(number)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = kill
fit(small_net(), bright_quarters(size=16), **SETTINGS, checkpoint=sys.argv[1])
"""


def test_a_process_killed_while_saving_loses_only_that_epoch(data, tmp_path):
    file = tmp_path / "net.pt"
    arguments = [sys.executable, "-c", KILLED, str(file), str(Path(__file__).parent)]
    assert subprocess.run(arguments, timeout=120).returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2  # the good file, and the half of a new one
    resumed, whole = small_net(seed=5), small_net()
    history = fit(resumed, data, **SETTINGS, checkpoint=file)
    assert history == fit(whole, data, **SETTINGS)
    assert same_weights(resumed, whole)
    assert os.listdir(tmp_path) == ["net.pt"]


@pytest.fixture(scope="module")
def saved(data, tmp_path_factory):
    file = tmp_path_factory.mktemp("saved") / "net.pt"
    fit(small_net(), data, **SETTINGS | {"epochs": 1}, checkpoint=file)
    return file.read_bytes()


def damage(kind, content):
    if kind == "empty":
        return b""
    if kind == "cut":
        return content[: len(content) // 2]
    return b"not a checkpoint\n" * 100


@pytest.mark.parametrize("kind", ["empty", "cut", "text"])
def test_a_damaged_checkpoint_is_named_with_the_remedy(data, tmp_path, saved, kind):
    file = tmp_path / "net.pt"
    file.write_bytes(damage(kind, saved))
    before = small_net()
    with pytest.raises(CheckpointError, match=r"net\.pt is damaged .*Delete it to train from"):
        fit(before, data, **SETTINGS | {"epochs": 1}, checkpoint=file)
    assert same_weights(before, small_net())


def test_every_flipped_bit_is_harmless_or_found(data, tmp_path, saved):
    settings, file = SETTINGS | {"epochs": 1}, tmp_path / "net.pt"
    file.write_bytes(saved)
    whole = small_net()
    expected = fit(whole, data, **settings, checkpoint=file)
    found = 0
    for position in np.random.default_rng(0).integers(len(saved), size=60):
        broken = bytearray(saved)
        broken[position] ^= 1
        file.write_bytes(broken)
        model = small_net(seed=9)
        try:
            assert fit(model, data, **settings, checkpoint=file) == expected
            assert same_weights(model, whole)
        except CheckpointError:
            found += 1
    assert found > 10


def test_a_file_of_another_kind_is_refused(data, tmp_path):
    file = tmp_path / "weights.pt"
    torch.save(small_net().state_dict(), file)
    with pytest.raises(CheckpointError, match=r"weights\.pt is not a checkpoint written by fit"):
        fit(small_net(), data, **SETTINGS, checkpoint=file)


def test_a_checkpoint_cannot_run_code(data, tmp_path):
    class Attack:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "attacked"),))

    file = tmp_path / "net.pt"
    torch.save({"format": checkpoint.FORMAT, "identity": Attack()}, file)
    with pytest.raises(CheckpointError, match="is damaged"):
        fit(small_net(), data, **SETTINGS, checkpoint=file)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 2}, "epochs 1 there, 2 here"),
        ({"learning_rate": 0.5}, "learning_rate 0.01 there, 0.5 here"),
        ({"weight_decay": 0.2}, "weight_decay 0.0 there, 0.2 here"),
        ({"seed": 3}, "seed 0 there, 3 here"),
        ({"augment": noisy}, "augment None there, 'noisy' here"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(data, tmp_path, saved, change, message):
    file = tmp_path / "net.pt"
    file.write_bytes(saved)
    with pytest.raises(CheckpointError, match=message) as error:
        fit(small_net(), data, **SETTINGS | {"epochs": 1} | change, checkpoint=file)
    assert "Delete it to train from the start" in str(error.value)
    assert file.read_bytes() == saved


def test_a_checkpoint_of_another_model_is_refused(data, tmp_path, saved):
    file = tmp_path / "net.pt"
    file.write_bytes(saved)
    layers = nn.Conv2d(1, 4, 4, stride=4), nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4)
    same_count = nn.Sequential(*layers)
    before = {name: value.clone() for name, value in same_count.state_dict().items()}
    with pytest.raises(
        CheckpointError, match="model.1 'BatchNorm2d' there, 'Flatten' here; .*more"
    ):
        fit(same_count, data, **SETTINGS | {"epochs": 1}, checkpoint=file)
    assert all(torch.equal(before[name], v) for name, v in same_count.state_dict().items())


def test_a_checkpoint_without_all_parts_is_refused(data, tmp_path, saved):
    file = tmp_path / "net.pt"
    content = torch.load(io.BytesIO(saved), weights_only=True)
    del content["optimizer"]
    torch.save(content, file)
    model = small_net(seed=3)
    with pytest.raises(CheckpointError, match=r"does not fit this model \('optimizer'\)"):
        fit(model, data, **SETTINGS | {"epochs": 1}, checkpoint=file)
    assert same_weights(model, small_net(seed=3))


def test_a_rate_that_is_far_too_large_keeps_the_history_so_far(data):
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 16), nn.Linear(16, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(TrainingDiverged, match=r"batch \d+ of epoch 1: .*smaller") as stop:
        fit(model, data, **SETTINGS | {"learning_rate": 1e30}, optimizer="sgd")
    assert stop.value.epoch == 1
    assert len(stop.value.history) == 0
    assert stop.value.history.stopped == "the loss was not finite in epoch 1"
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_weights_that_the_last_step_broke_are_noticed(data, tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 16), nn.Linear(16, 4))
    settings = SETTINGS | {"learning_rate": 1e30, "batch_size": 96}
    with pytest.raises(TrainingDiverged, match="batch 1 of epoch 1"):
        fit(model, data, **settings, optimizer="sgd", schedule=None, checkpoint=tmp_path / "a.pt")
    assert all(p.isfinite().all() for p in model.parameters())
    assert not os.listdir(tmp_path)


def test_settings_may_be_numpy_numbers(data, tmp_path):
    settings = SETTINGS | {"learning_rate": np.float64(0.01), "epochs": np.int64(3)}
    first = fit(small_net(), data, **settings, seed=np.int64(1), checkpoint=tmp_path / "a.pt")
    assert fit(small_net(), data, **SETTINGS, seed=1, checkpoint=tmp_path / "a.pt") == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lion"}, "optimizer 'lion' is unknown: choose one of .'adam', 'sgd'"),
        ({"schedule": "cosine"}, "schedule 'cosine' is unknown"),
        ({"epochs": 0}, "epochs must be greater than 0, got 0"),
        ({"learning_rate": -1.0}, "learning_rate must be greater than 0"),
    ],
)
def test_an_impossible_setting_is_named(data, change, message):
    with pytest.raises(ValueError, match=message):
        fit(small_net(), data, **SETTINGS | change)


def test_data_without_validation_images_is_refused(data):
    with pytest.raises(ValueError, match="0 validation images, and fit needs both"):
        fit(small_net(), replace(data, validation=data.train.at([])), **SETTINGS)


@pytest.fixture
def timed(monkeypatch):
    """Replace the measurement by given seconds a step, by number type and memory format."""

    def use(**seconds):
        def measured(choices):
            names = [
                f"{str(c.dtype).removeprefix('torch.')}{'_last' * c.channels_last}" for c in choices
            ]
            return [seconds.get(name, float("inf")) for name in names]

        precision._measured_choice.cache_clear()
        monkeypatch.setattr(precision, "_seconds_per_step", measured)

    yield use
    precision._measured_choice.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (dict(float32=5, float32_last=5), "float32, channels_last"),
        (dict(float32=5, float32_last=9, bfloat16_last=30), "float32, contiguous"),
        (dict(float32=5, float32_last=6, bfloat16_last=4.5), "float32, channels_last"),
        (dict(float32=5, float32_last=6, bfloat16_last=2.5), "bfloat16, channels_last"),
    ],
)
def test_precision_follows_the_measurement(timed, seconds, expected):
    timed(**seconds)
    assert str(choose_precision("cpu")) == expected
    assert str(choose_precision("cpu", fast=False)) == "float32, contiguous"


def test_the_measurement_runs_here_and_changes_nothing():
    precision._measured_choice.cache_clear()
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    chosen = choose_precision("cpu")
    assert chosen.dtype in (torch.float32, torch.bfloat16)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_what_a_device_cannot_do_is_never_chosen():
    def refuse():
        raise RuntimeError("not implemented for 'Half'")

    assert precision._seconds(refuse, torch.device("cpu")) == float("inf")


def test_memory_format_is_put_back(data, timed):
    timed(float32=5, float32_last=1)
    model = nn.Sequential(nn.Conv2d(1, 4, 4, padding=1), nn.Conv2d(4, 4, 4), nn.Flatten())
    model.append(nn.Linear(576, 4))
    fit(model, data, **SETTINGS | {"fast": True})
    assert model[1].weight.is_contiguous()


class Crowded(nn.Module):
    """A network on a device that has memory for few images; it can become full after a while."""

    def __init__(self, images, error=torch.OutOfMemoryError, calls=0):
        super().__init__()
        self.net, self.images, self.error, self.calls = small_net(), images, error, calls

    def forward(self, x):
        self.calls -= 1
        if self.calls < 0 and len(x) > self.images:
            raise self.error("out of memory: tried to allocate 2.00 GiB")
        return self.net(x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_too_little_memory_is_said_with_the_batch_size_to_try(data, error):
    model, before = Crowded(16, error), Crowded(16)
    with pytest.raises(OutOfMemory, match=r"cpu has .* batches of 40 images.*batch_size=20") as no:
        fit(model, data, **SETTINGS)
    assert no.value.batch_size == 40
    assert same_weights(model, before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_half_the_batch_size_until_it_fits_gives_what_it_gives_by_itself(data, capsys):
    model, other = Crowded(40), Crowded(40)
    history = fit(model, data, **SETTINGS | {"batch_size": 80}, halve_batch=True)
    assert "cpu is out of memory: going on with batch_size=40.\n" in capsys.readouterr().out
    assert history == fit(other, data, **SETTINGS)
    assert not history.stopped
    assert same_weights(model, other)


def test_memory_that_no_batch_fits_in_ends_the_halving(data):
    with pytest.raises(OutOfMemory, match="batches of 1 images"):
        fit(Crowded(0), data, **SETTINGS, halve_batch=True)


def test_a_completed_epoch_is_never_thrown_away(data):
    calls = len(batches(data, batch_size=40)) + len(batches(data, "validation", batch_size=160))
    history = None
    with pytest.raises(OutOfMemory) as no:
        history = fit(Crowded(8, calls=calls), data, **SETTINGS, halve_batch=True)
    assert history is None
    assert no.value.batch_size == 40


def test_another_error_is_not_taken_for_a_lack_of_memory(data):
    class Broken(nn.Linear):
        def forward(self, x):
            raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        fit(Broken(2, 2), data, **SETTINGS, halve_batch=True)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_the_step_in_one_pass_is_the_step_of_the_definition(monkeypatch, name, kind):
    def steps():
        torch.manual_seed(0)
        model, images = nn.Linear(5, 3), torch.rand(4, 5)
        optimizer = make_optimizer(name, model, 0.1, 0.01)
        for _ in range(4):
            optimizer.zero_grad()
            model(images).square().sum().backward()
            optimizer.step()
        return optimizer, model.weight.detach()

    def not_fused(self, *arguments, fused=False, **settings):
        if fused:
            raise RuntimeError("`fused=True` requires all the params to be on other devices")
        plain(self, *arguments, **settings)

    optimizer, fast = steps()
    assert optimizer.param_groups[0]["fused"]
    plain = kind.__init__
    monkeypatch.setattr(kind, "__init__", not_fused)
    optimizer, slow = steps()
    assert not optimizer.param_groups[0]["fused"]
    torch.testing.assert_close(fast, slow)
