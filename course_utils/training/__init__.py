"""Training a classifier: one epoch, evaluation, and `fit`, which adds all that a long run needs."""

from .checkpoint import CheckpointError
from .fit import OutOfMemory, TrainingInterrupted, fit
from .history import EpochRow, History
from .loop import Evaluation, TrainingDiverged, evaluate, top_k_accuracy, train_one_epoch
from .precision import Precision, choose_precision
from .range_test import RangeTest, learning_rate_range_test
from .recipe import Recipe

__all__ = [
    "CheckpointError",
    "EpochRow",
    "Evaluation",
    "History",
    "OutOfMemory",
    "Precision",
    "RangeTest",
    "Recipe",
    "TrainingDiverged",
    "TrainingInterrupted",
    "choose_precision",
    "evaluate",
    "fit",
    "learning_rate_range_test",
    "top_k_accuracy",
    "train_one_epoch",
]
