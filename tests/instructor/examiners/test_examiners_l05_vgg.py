"""Records of broken runs: the same on every machine, and they show what was left out."""

import numpy as np
import pytest
import torch

from course_utils.instructor.examiners.l05_vgg import Diagnose

CASES = list(Diagnose().cases(np.random.default_rng(3)))


def test_records_have_few_decimals_so_that_the_order_of_a_sum_leaves_no_trace():
    for case in CASES:
        for value in case["record"].values():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, value.double().round(decimals=5).float())


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
