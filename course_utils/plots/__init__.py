"""Every figure of the course. A function takes numbers and returns a Figure that shows itself."""

from .alexnet import (
    accuracy_on_versions,
    activation_curves,
    contest_errors,
    dropout_masks,
    last_windows,
    lateral_inhibition,
    range_test,
    signal_by_layer,
    two_towers,
)
from .blocks import cost_by_layer, local_and_deep, shape_trace
from .convolution import (
    adaptive_pooling,
    channel_responses,
    kernel_responses,
    number_grids,
    read_counts,
    sliding_step,
    weight_matrices,
    window_rows,
)
from .explorer import convolution_explorer, convolution_picture
from .fields import effective_fields, receptive_cones
from .images import draw_image, image_grid, to_picture
from .inspection import (
    accuracy_against_shift,
    accuracy_with_intervals,
    confusion_matrix,
    feature_maps,
    filters,
    mistakes,
)
from .lenet import connection_table, curves_by_step, network_stages
from .pixels import (
    accuracy_by_k,
    image_as_vector,
    image_differences,
    neighbor_rows,
    seconds_by_size,
    weight_images,
)
from .style import COLORS, LINES, MARKERS, Figure, new_figure
from .training import learning_curves, learning_rates
from .vgg import (
    accuracy_against_cost,
    channel_distributions,
    configurations,
    parameter_budget,
    signal_by_depth,
    stage_maps,
    weights_for_view,
)

__all__ = [
    "accuracy_against_cost",
    "channel_distributions",
    "configurations",
    "parameter_budget",
    "signal_by_depth",
    "stage_maps",
    "weights_for_view",
    "accuracy_on_versions",
    "activation_curves",
    "contest_errors",
    "dropout_masks",
    "last_windows",
    "lateral_inhibition",
    "range_test",
    "signal_by_layer",
    "two_towers",
    "cost_by_layer",
    "local_and_deep",
    "shape_trace",
    "adaptive_pooling",
    "channel_responses",
    "kernel_responses",
    "number_grids",
    "read_counts",
    "sliding_step",
    "weight_matrices",
    "window_rows",
    "convolution_explorer",
    "convolution_picture",
    "effective_fields",
    "receptive_cones",
    "accuracy_against_shift",
    "accuracy_with_intervals",
    "confusion_matrix",
    "feature_maps",
    "filters",
    "mistakes",
    "connection_table",
    "curves_by_step",
    "network_stages",
    "accuracy_by_k",
    "image_as_vector",
    "image_differences",
    "neighbor_rows",
    "seconds_by_size",
    "weight_images",
    "learning_curves",
    "learning_rates",
    "COLORS",
    "LINES",
    "MARKERS",
    "Figure",
    "draw_image",
    "image_grid",
    "new_figure",
    "to_picture",
]
