"""Every figure of the course. A function takes numbers and returns a Figure that shows itself."""

from .alexnet import (
    activation_curves,
    contest_errors,
    dropout_masks,
    last_windows,
    lateral_inhibition,
    signal_by_layer,
    two_towers,
)
from .attention import time_by_tokens
from .attribution import heat_maps
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
from .densenet import dense_connections, feature_reuse, memory_by_layers
from .explorer import convolution_explorer, convolution_picture
from .fields import effective_fields, receptive_cones
from .finetuning import shared_objects
from .images import draw_image, image_grid, to_picture
from .inception import gradient_by_module, inception_module
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
    cross_validation,
    image_as_vector,
    image_differences,
    neighbor_rows,
    seconds_by_size,
    weight_images,
)
from .predictions import (
    accuracy_by_slice,
    embeddings,
    image_rows,
    precision_and_recall,
    probability_bars,
    reliability_diagram,
)
from .resnet import loss_on_line, residual_blocks, values_by_layer
from .runs import compared_arms, compared_curves
from .scaling import (
    channel_connections,
    channel_weights,
    located,
    networks_by_cost,
)
from .shifts import corruption_curves, roc_curves
from .style import COLORS, LINES, MARKERS, Figure, new_figure
from .training import learning_curves
from .training_deep import accuracy_by_rate
from .vgg import (
    accuracy_against_cost,
    channel_distributions,
    configurations,
    parameter_budget,
    stage_maps,
    weights_for_view,
)
from .whitening import correlations

__all__ = [
    "COLORS",
    "LINES",
    "MARKERS",
    "Figure",
    "accuracy_against_cost",
    "accuracy_against_shift",
    "accuracy_by_k",
    "accuracy_by_rate",
    "accuracy_by_slice",
    "accuracy_with_intervals",
    "activation_curves",
    "adaptive_pooling",
    "channel_connections",
    "channel_distributions",
    "channel_responses",
    "channel_weights",
    "configurations",
    "confusion_matrix",
    "connection_table",
    "contest_errors",
    "convolution_explorer",
    "convolution_picture",
    "correlations",
    "corruption_curves",
    "compared_arms",
    "compared_curves",
    "cost_by_layer",
    "cross_validation",
    "curves_by_step",
    "dense_connections",
    "draw_image",
    "dropout_masks",
    "effective_fields",
    "embeddings",
    "feature_maps",
    "feature_reuse",
    "filters",
    "gradient_by_module",
    "heat_maps",
    "image_as_vector",
    "image_differences",
    "image_grid",
    "image_rows",
    "inception_module",
    "kernel_responses",
    "last_windows",
    "lateral_inhibition",
    "learning_curves",
    "local_and_deep",
    "located",
    "loss_on_line",
    "memory_by_layers",
    "mistakes",
    "neighbor_rows",
    "network_stages",
    "networks_by_cost",
    "new_figure",
    "number_grids",
    "parameter_budget",
    "precision_and_recall",
    "probability_bars",
    "read_counts",
    "receptive_cones",
    "reliability_diagram",
    "residual_blocks",
    "roc_curves",
    "seconds_by_size",
    "shape_trace",
    "shared_objects",
    "signal_by_layer",
    "sliding_step",
    "stage_maps",
    "time_by_tokens",
    "to_picture",
    "two_towers",
    "values_by_layer",
    "weight_images",
    "weight_matrices",
    "weights_for_view",
    "window_rows",
]
