"""What a trained network does, in numbers. `course_utils.plots` draws them."""

from .features import feature_maps, first_layer_filters
from .gradients import gradient_flow, loss_along, random_direction
from .predictions import (
    Predictions,
    accuracy_by_shift,
    confusion_matrix,
    label_predictor,
    most_confident_mistakes,
    predict,
    wilson_interval,
)
from .summary import Footprint, footprint, summary

__all__ = [
    "Footprint",
    "Predictions",
    "accuracy_by_shift",
    "confusion_matrix",
    "feature_maps",
    "first_layer_filters",
    "footprint",
    "gradient_flow",
    "label_predictor",
    "loss_along",
    "most_confident_mistakes",
    "predict",
    "random_direction",
    "summary",
    "wilson_interval",
]
