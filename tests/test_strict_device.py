"""What runs on the strict device equals the CPU, and what a GPU would refuse fails there."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.lectures.running import execute
from course_utils.runtime import project_root

TRAINING = """
import copy, io
from dataclasses import replace
import torch
from torch import nn
from course_utils.data import load_data, standard_augmentation
from course_utils.runtime import get_device, seed_everything
from course_utils.training import fit

torch.set_num_threads(1)  # with another number, sums are rounded in another order
device = get_device()
data = load_data("fashion_photos", profile="quick", validation=0.1)
data = replace(data, train=data.train.take(500), validation=data.validation.take(100))
""", """
seed_everything(0)
layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(4), nn.Dropout(0.3)
model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 49, 10))
augment = standard_augmentation()
settings = dict(epochs=2, batch_size=50, learning_rate=0.01, fast=False, augment=augment)
history = fit(model, data, **settings, optimizer="adam")
print([value.hex() for value in history["train_loss"] + history["validation_loss"]])
""", """
history = fit(copy.deepcopy(model), data, **settings, optimizer="sgd", schedule=None)
print([value.hex() for value in history["train_loss"]])
""", """
import sys
from course_utils.models import LeNet5
from course_utils.training import Precision
amp = Precision(device, torch.bfloat16, channels_last=True)
sys.modules["course_utils.training.fit"].choose_precision = lambda *_: amp  # it would measure
seed_everything(0)
fast = fit(LeNet5(in_channels=3), data, **settings | {"fast": True})
print([value.hex() for value in fast["train_loss"] + fast["validation_loss"]])
""", """
file = io.BytesIO()
torch.save(model.state_dict(), file)
file.seek(0)
again = copy.deepcopy(model)
again.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
images = data.normalize(data.test.images[:64].to(device))
print(torch.equal(model(images), again(images)), model(images).sum().item().hex())
""", """
with torch.autocast(device.type, dtype=torch.bfloat16):
    logits = model(nn.LocalResponseNorm(3)(images))  # it averages in float32
    loss = nn.functional.cross_entropy(logits, data.test.labels[:64].to(device))
loss.backward()
print(logits.dtype, loss.dtype, model[0].weight.grad.dtype, loss.item().hex())
""", """
print(torch.arange(3, device=device).tolist(), torch.eye(2, device=device).cpu().numpy())
rows = torch.randperm(5, generator=torch.Generator().manual_seed(0)).to(device)
print(images[rows, 0, 16, 16].tolist(), images[images > 3.2].numel(), f"{images.max():.3f}")
images[:, 0] = 0
print(images[:2].sum().item(), images.view(64, 3, -1)[0, 0].any().item())
""", """
from torch.nn.utils import prune
prune.l1_unstructured(model[0], "weight", amount=0.5)
prune.remove(model[0], "weight")  # by `weight.data = ...`
print((model[0].weight == 0).sum().item())
file = io.BytesIO()
torch.save(model.state_dict(), file)
file.seek(0)
again.load_state_dict(torch.load(file, map_location=device, weights_only=True))
print((again[0].weight == 0).sum().item())
"""  # fmt: skip

MISTAKES = {
    "numbers for NumPy": "on_device.numpy()",
    "an array by itself": "import numpy; numpy.asarray(on_device)",
    "two devices": "on_device + torch.ones(4)",
    "a mask": "on_device[torch.tensor([True, False, True, False])]",
    "a mask as a factor": "on_device * torch.tensor([True, False, True, False])",
    "labels": "torch.nn.functional.cross_entropy(on_device[None], torch.tensor([1]))",
    "a network left behind": "torch.nn.Linear(4, 2)(on_device)",
    "float64": "on_device.double()",
    # The last one: what it allows stays so small.
    "memory": """allow = getattr(torch, "strict", None)
allow and allow.set_per_process_memory_fraction(1e-6)
torch.ones(10_000, device=on_device.device)""",
}


def on_strict_device(notebook, tmp_path, *options):
    """Run pytest on a notebook with the strict device; return what it printed."""
    inherited = ("PYTEST_", "OMP_", "COURSE_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(inherited)}
    environment["PYTHONPATH"] = str(project_root() / "tests" / "strict_device")
    environment["COURSE_DEVICE"] = "strict"
    environment["OMP_NUM_THREADS"] = "1"  # other tests run beside this one
    command = [sys.executable, "-m", "pytest", "--nbval", "-n0", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(project_root()), "--color=no", *options, str(notebook)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def on_cpu(tmp_path, monkeypatch):
    """Return a function that stores cells with the outputs that they have on the CPU."""
    monkeypatch.setenv("COURSE_DEVICE", "cpu")

    def store(cells):
        notebook = new_notebook(cells=[new_code_cell(cell.strip()) for cell in cells])
        path = tmp_path / "lecture.ipynb"
        execute(notebook, path, {"COURSE_DEVICE": "cpu"})
        nbformat.write(notebook, path)
        return path

    return store


def test_training_equals_the_cpu_bit_by_bit(on_cpu, tmp_path):
    status, printed = on_strict_device(on_cpu(TRAINING), tmp_path)
    assert status == 0, printed
    assert f"{len(TRAINING)} passed" in printed


def test_what_a_gpu_refuses_fails(on_cpu, tmp_path):
    start = "import torch\nfrom course_utils import get_device\non_device = torch.ones(4)"
    path = on_cpu([start, *(f"{mistake};" for mistake in MISTAKES.values())])
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(1, new_code_cell("on_device = on_device.to(get_device())"))
    nbformat.write(notebook, path)
    status, printed = on_strict_device(path, tmp_path)
    assert status == 1
    assert f"{len(MISTAKES)} failed, 2 passed" in printed, printed


def test_a_lecture_on_the_strict_device(tmp_path):
    """One of them; `make test-device` runs all."""
    path = project_root() / "notebooks" / "02_convolution.ipynb"
    status, printed = on_strict_device(path, tmp_path, "-c", str(project_root() / "pyproject.toml"))
    assert status == 0, printed
