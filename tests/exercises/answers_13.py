"""Lecture 13: other right answers, and wrong ones with the hint that each should get."""

import torch

from course_utils.models.keras_weights import (
    dense_from_keras,
    dense_to_keras,
    kernel_from_keras,
    kernel_to_keras,
)


def kernel_by_loops(weight):
    out, read, height, width = weight.shape
    kernel = torch.empty(height, width, read, out)
    for o in range(out):
        for i in range(read):
            kernel[:, :, i, o] = weight[o, i]
    return kernel


def kernel_by_the_way_back(weight):
    return kernel_from_keras(weight.permute(1, 0, 3, 2))


def dense_by_the_way_back(weight, channels, side):
    places = torch.arange(weight.shape[1], dtype=torch.float64)[:, None]
    return weight.T[dense_from_keras(places, channels, side).flatten().argsort()]


def dense_by_index(weight, channels, side):
    order = torch.arange(channels * side * side).reshape(channels, side * side).T.flatten()
    return weight[:, order].T


def maps(weight, channels, side):
    return weight.reshape(-1, channels, side, side)


ANSWERS = {
    "13.1": dict(
        variants={
            "by loops": kernel_by_loops,
            "two transposes": lambda w: w.transpose(0, 3).transpose(1, 2).transpose(0, 1),
        },
        wrong={
            "reshape": (lambda w: w.reshape(*w.shape[2:], w.shape[1], w.shape[0]), "cuts the row"),
            "in and out exchanged": (lambda w: w.permute(2, 3, 0, 1), "in and out, in this"),
            "width first": (lambda w: w.permute(3, 2, 1, 0), "height comes first"),
            "as images": (lambda w: w.permute(0, 2, 3, 1), "order of images"),
            "nothing": (lambda w: w, "should have shape"),
            "from Keras": (lambda w: w.permute(3, 2, 0, 1), "from Keras to torch"),
        },
        empty={"zeros": lambda w: kernel_by_loops(0 * w)},
        adapters={
            "the course's": (kernel_to_keras, 0),
            "the course's back": (kernel_by_the_way_back, 0),
        },
    ),
    "13.2": dict(
        variants={"by index": dense_by_index},
        wrong={
            "transpose": (lambda w, c, s: w.T, "transpose alone"),
            "no transpose": (
                lambda w, c, s: maps(w, c, s).permute(0, 2, 3, 1).flatten(1),
                "last step is missing",
            ),
            "columns first": (
                lambda w, c, s: maps(w, c, s).permute(3, 2, 1, 0).reshape(-1, len(w)),
                "rows come before columns",
            ),
            "taken apart wrongly": (
                lambda w, c, s: w.reshape(-1, s, s, c).permute(3, 1, 2, 0).reshape(-1, len(w)),
                "in that order",
            ),
            "reshape": (lambda w, c, s: w.reshape(-1, len(w)), "cuts the row"),
        },
        empty={"zeros": lambda w, c, s: 0 * w.T},
        adapters={
            "the course's": (dense_to_keras, 0),
            "the course's back": (dense_by_the_way_back, 0),
        },
    ),
}
