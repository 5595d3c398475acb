"""Lecture 02: answers that only call what the course or PyTorch has, and what they earn.

They stand apart from the other answers, whose text tests put into notebooks.
"""

import re

from answers_02 import (
    convolve_ready_made,
    convolve_unfolded,
    count_by_torch,
    pool_ready_made,
    size_by_torch,
)

from course_utils.arithmetic import (
    ReceptiveField,
    conv_output_size,
    pool_output_size,
    receptive_field,
)
from course_utils.exercises import get_exercise


def size_of_the_course(**case):
    try:
        return conv_output_size(**case)
    except ValueError:
        return 0


def size_of_a_pool(size, kernel_size, stride=1, padding=0, dilation=1):
    try:
        return pool_output_size(size + 2 * padding, kernel_size, stride, dilation=dilation)
    except ValueError:
        return 0


def said_by_the_judge(size, target, layers):
    """What the judge of 02.6 says of layers: it has to measure those that students choose."""
    case = dict(size=size, target=target, field=10**9)
    return get_exercise("02.6").judge(case, {}, layers).hint


def size_by_the_judge(size, kernel_size, stride=1, padding=0, dilation=1):
    span = dilation * (kernel_size - 1) + 1
    said = re.search(r"lead to size (\d+)", said_by_the_judge(size, -1, [[span, stride, padding]]))
    return int(said[1]) if said else 0


def field_of_the_course(layers):
    return receptive_field(dict(kernel_size=k, stride=s) for k, s in layers).size


def field_step_by_step(layers):
    field = ReceptiveField()
    for kernel_size, stride in layers:
        field = field.after(kernel_size, stride)
    return field.size


def field_by_the_judge(layers):
    layers = [[kernel, stride, 0] for kernel, stride in layers]
    said = (said_by_the_judge(size, 1, layers) for size in range(1, 300))
    return next((int(s.split()[4].strip(",")) for s in said if "receptive" in s), 0)


ADAPTERS = {
    "02.1": {
        "conv_output_size": (size_of_the_course, 0),
        "pool_output_size": (size_of_a_pool, 0),
        "nn.Conv1d": (size_by_torch, 4),
        "the judge of 02.6": (size_by_the_judge, 1.6),
    },
    "02.2": {"F.conv2d": (convolve_ready_made, 6), "F.unfold": (convolve_unfolded, 6)},
    "02.3": {"F.max_pool2d": (pool_ready_made, 5)},
    "02.4": {"lazy layers": (count_by_torch, 5)},
    "02.5": {
        "receptive_field": (field_of_the_course, 0),
        "ReceptiveField.after": (field_step_by_step, 0),
        "the judge of 02.6": (field_by_the_judge, 1.7),
    },
}
