"""What asks for a GPU that is not there is done on the CPU, and nothing else changes."""

import pytest
import torch
from torch import nn

from course_utils.exercises.core import Watch
from course_utils.instructor.grading.grading_run import new_run
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.sandbox.kernels import Kernels
from course_utils.instructor.sandbox.missing_gpu import MENTIONED, StandIn

WHOLE = torch.arange(3.0)
CUDA = torch.device("cuda")
ON_GPU = {
    "to": lambda: WHOLE.to("cuda"),
    "to one of them": lambda: WHOLE.to("cuda:1"),
    "to a device": lambda: WHOLE.to(CUDA),
    "to by name": lambda: WHOLE.to(device="cuda", dtype=torch.float32),
    "to with more": lambda: WHOLE.to(CUDA, torch.float32, non_blocking=True),
    "to mps": lambda: WHOLE.to("mps"),
    "cuda": lambda: WHOLE.cuda(),
    "cuda with a number": lambda: WHOLE.cuda(0, non_blocking=True),
    "made there": lambda: torch.tensor([0.0, 1.0, 2.0], device="cuda"),
    "made as another": lambda: torch.zeros_like(WHOLE, device=CUDA) + WHOLE,
    "new": lambda: WHOLE.new_tensor([0.0, 1.0, 2.0], device="mps"),
    "in a block": lambda: in_a_block(),
    "a model": lambda: identity().cuda()(WHOLE.cuda()),
    "a model to": lambda: identity().to("cuda")(WHOLE.to("cuda")),
    "a layer": lambda: nn.Linear(3, 3, device="cuda").weight.detach()[0] * 0 + WHOLE,
    "a parameter": lambda: nn.Parameter(WHOLE.cuda()).detach(),
}


def in_a_block():
    with torch.device("cuda"):
        return torch.arange(3.0)


def identity():
    layer = nn.Linear(3, 3, bias=False)
    nn.init.eye_(layer.weight)
    return layer


@pytest.mark.parametrize("make", ON_GPU.values(), ids=ON_GPU)
def test_a_result_on_a_gpu_is_made_on_the_cpu(make):
    with StandIn(["cuda", "mps"]):
        result = make()
    assert result.device.type == "cpu"
    assert torch.equal(result, WHOLE)


def test_a_default_device_is_none_that_is_missing():
    with StandIn(["cuda", "mps"]):
        torch.set_default_device("cuda")
        try:
            made = torch.ones(2)
        finally:
            torch.set_default_device(None)
    assert made.device.type == "cpu"


@pytest.mark.parametrize("move", [lambda x: x.cuda(), lambda x: x.to("cuda")])
def test_what_is_moved_is_a_copy_with_its_gradient(move):
    x = torch.ones(2, requires_grad=True)
    with StandIn(["cuda", "mps"]):
        moved = move(x)
        same = x.to("cpu")
    assert same is x
    assert not moved.is_leaf
    assert moved.data_ptr() != x.data_ptr()
    moved.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_a_kind_that_is_there_is_used():
    on_mps = StandIn(["mps"])
    assert on_mps.is_missing("mps:0")
    assert not any(map(on_mps.is_missing, ("cuda", CUDA, "cpu", None, 0)))


def test_words_are_no_devices():
    with StandIn(["cuda", "mps"]):
        assert torch.einsum("mps,mps->mps", WHOLE.view(1, 1, 3), WHOLE.view(1, 1, 3)).shape[-1] == 3
        with pytest.raises(RuntimeError):
            WHOLE.to("cudas")


def test_what_a_check_watches_for_is_still_seen():
    with StandIn(["cuda", "mps"]), Watch() as watch:
        nn.functional.conv2d(torch.ones(1, 1, 3, 3).cuda(), torch.ones(1, 1, 2, 2).to("cuda"))
    assert "conv2d" in watch.names


@pytest.mark.parametrize(
    ("code", "is_mention"),
    [
        ("x.cuda()", True),
        ("device = 'cuda:0'", True),
        ('torch.device("mps")', True),
        ("if torch.cuda.is_available(): torch.cuda.empty_cache()", False),
        ("torch.backends.cuda.matmul.allow_tf32 = True", False),
        ("print('a barracuda')", False),
    ],
)
def test_a_cell_that_asks_for_a_gpu_is_told_from_others(code, is_mention):
    assert bool(MENTIONED.search(code)) == is_mention


STORED = """
import io, torch
file = io.BytesIO()
torch.save({"x": torch.ones(2)}, file)
file.seek(0)
assert torch.load(file, map_location="cuda")["x"].device.type == "cpu"
file.seek(0)
assert torch.load(file, map_location=torch.device("mps"))["x"].tolist() == [1, 1]
assert torch.ones(2).cuda().to("mps").tolist() == [1, 1]
assert not torch.cuda.is_available()
"""
PLAIN = """
import os
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
from torch.overrides import _get_current_function_mode_stack as modes
assert not modes()
"""


def test_a_kernel_stands_in_from_the_cell_that_mentions_it(tmp_path):
    run = new_run(tmp_path, Settings(sandbox=False))
    kernels = Kernels(run.fence(workers=1))
    try:
        kernel = kernels.start()
        errors = [kernel.run(code, 60).error for code in (PLAIN, STORED, PLAIN)]
        kernel.stop()
    finally:
        kernels.close()
        run.clear()
    assert errors == ["", "", "AssertionError:"]
