"""What a trained network does, in numbers. `course_utils.plots` draws them."""

from .attribution import activation_map, grad_cam, occlusion
from .calibration import Reliability, expected_calibration_error, fit_temperature, reliability
from .distribution import (
    area_under_roc,
    bootstrap_interval,
    energy,
    gaps_by_attribute,
    roc_curve,
)
from .features import feature_maps, first_layer_filters
from .gradients import gradient_flow, loss_along, random_direction, weight_gradients
from .memory import held_bytes
from .predictions import (
    Predictions,
    accuracy_by_shift,
    confusion_matrix,
    label_predictor,
    most_confident_mistakes,
    predict,
    wilson_interval,
)
from .reuse import feature_reuse
from .summary import Footprint, footprint, summary

__all__ = [
    "Footprint",
    "Predictions",
    "Reliability",
    "accuracy_by_shift",
    "activation_map",
    "area_under_roc",
    "bootstrap_interval",
    "confusion_matrix",
    "energy",
    "expected_calibration_error",
    "feature_maps",
    "feature_reuse",
    "first_layer_filters",
    "fit_temperature",
    "footprint",
    "grad_cam",
    "gaps_by_attribute",
    "gradient_flow",
    "held_bytes",
    "label_predictor",
    "loss_along",
    "most_confident_mistakes",
    "occlusion",
    "predict",
    "random_direction",
    "reliability",
    "roc_curve",
    "summary",
    "weight_gradients",
    "wilson_interval",
]
