"""Convolution arithmetic: sizes, parameters, FLOPs and receptive fields, without running a net."""

from .costs import conv_flops, conv_parameters, linear_flops, linear_parameters
from .count import count_flops
from .receptive import ReceptiveField, receptive_field
from .sizes import (
    adaptive_windows,
    conv_output_size,
    layer_sizes,
    pad_widths,
    pool_output_size,
    read_counts,
    unread,
)
from .table import Row, Trace, scaled
from .trace import trace

__all__ = [
    "ReceptiveField",
    "Row",
    "Trace",
    "adaptive_windows",
    "conv_flops",
    "conv_output_size",
    "conv_parameters",
    "count_flops",
    "layer_sizes",
    "linear_flops",
    "linear_parameters",
    "pad_widths",
    "pool_output_size",
    "read_counts",
    "receptive_field",
    "scaled",
    "trace",
    "unread",
]
