"""A block whose answer is all zeros would be right for an answer without any work."""

import numpy as np

from course_utils.instructor.examiners.l08_resnet import AskBasicBlock


def test_no_case_of_the_basic_block_is_all_zeros():
    block = AskBasicBlock()
    cases = [case for seed in range(60) for case in block.cases(np.random.default_rng(seed))]
    assert min((block.reference(case) > 0).float().mean() for case in cases) > 0.02
