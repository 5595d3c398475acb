"""PyTorch's own as the oracle; and records of broken runs, the same ones on every machine."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from course_utils.exercises.l06_training import _small_net
from course_utils.instructor.examiners import graded
from course_utils.instructor.examiners.l06_training import Diagnose, Mixup

CASES = list(Diagnose().cases(np.random.default_rng(3)))


# --- what is right, by PyTorch -------------------------------------------------------------------


def rates_by_torch(steps, warm_up, peak):
    """A straight line, then `CosineAnnealingLR`: the rates of the steps 0 to `steps`."""
    schedulers = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    chain = schedulers.CosineAnnealingLR(optimizer, steps - warm_up)
    if warm_up:
        rising = schedulers.LambdaLR(optimizer, lambda step: (step + 1) / warm_up)
        chain = schedulers.SequentialLR(optimizer, [rising, chain], [warm_up])
    rates = []
    for _ in range(steps + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        chain.step()
    return rates


@pytest.mark.parametrize("seed", [0, 5])
def test_the_rates_are_those_of_the_schedulers(seed):
    for question in graded("06.2", seed + 1):
        step, *settings = question.case.values()
        want = rates_by_torch(*settings)[step]
        assert question.key["want"] == pytest.approx(want, rel=1e-6, abs=1e-12)


def test_mixing_is_that_of_torchvision_where_it_can_be():
    """It mixes with the image before, and draws one share for the batch."""
    torch.manual_seed(0)
    images, labels = torch.rand(5, 3, 4, 4), torch.tensor([3, 0, 0, 2, 1])
    by_torchvision = v2.MixUp(alpha=1.0, num_classes=6)(images, labels)
    share = by_torchvision[1][0, 3].item()  # the label of the image itself
    case = {
        "images": images,
        "labels": labels,
        "partners": torch.arange(5).roll(1),
        "shares": torch.full((5,), share),
        "num_classes": 6,
    }
    for looks_at, want in zip(("images", "labels"), by_torchvision, strict=True):
        torch.testing.assert_close(Mixup().key(case | {"looks_at": looks_at})["want"], want)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_average_is_that_of_swa_utils_but_for_whole_numbers(seed):
    swa = torch.optim.swa_utils
    for question in graded("06.6", seed):
        case = question.case
        rule = swa.get_ema_multi_avg_fn(case["decay"])
        average = swa.AveragedModel(
            _small_net(case["average"]), multi_avg_fn=rule, use_buffers=True
        )
        average.n_averaged += 1  # the first call would copy
        for state in case["models"]:
            average.update_parameters(_small_net(state))
        for name, value in average.module.state_dict().items():
            want = value if value.is_floating_point() else case["models"][-1][name]
            torch.testing.assert_close(question.key["want"][name], want)


# --- records -------------------------------------------------------------------------------------


def test_records_have_few_decimals_so_that_the_order_of_a_sum_leaves_no_trace():
    for case in CASES:
        for value in case["record"].values():
            if isinstance(value, list):
                assert value == [round(number, 4) for number in value]


def test_the_number_of_threads_is_as_before():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        list(Diagnose().cases(np.random.default_rng(3)))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("missing", [(), *Diagnose.TOGETHER], ids="-".join)
def test_what_was_left_out_is_what_a_record_shows(missing):
    assert sorted(missing) in [Diagnose().key(case)["want"] for case in CASES]


@pytest.mark.parametrize("seed", range(20))
def test_what_a_record_shows_is_what_was_left_out(seed):
    kinds = [
        (),
        *((call,) for call in ("train", "zero_grad", "backward", "step", "eval", "no_grad")),
    ]
    want = [*kinds, ("device",), ("device",), *Diagnose.TOGETHER, ()]
    drawn = Diagnose().cases(np.random.default_rng(seed))
    assert [Diagnose().key(case)["want"] for case in drawn] == [sorted(calls) for calls in want]


def test_in_every_case_of_mixup_something_changes():
    """With random labels, partners may all be of one class: then doing nothing is right."""
    for seed in range(100):
        for case in Mixup().cases(np.random.default_rng(seed)):
            alone = F.one_hot(case["labels"], case["num_classes"]).float()
            before = case["images"] if case["looks_at"] == "images" else alone
            assert not torch.allclose(Mixup().key(case)["want"], before)
