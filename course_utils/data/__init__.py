"""Named data sets as uint8 tensors, their splits and statistics, and the loaders over them."""

from .augment import crop, flip, pad_crop, shift, standard_augmentation, zoom
from .download import DownloadError
from .folder import folder_problems
from .loaders import BatchLoader, batches
from .loading import Found, found_data, load_data, load_data_or_stand_in
from .photos import PHOTOGRAPHS, Recipe, photograph, recipe
from .types import ImageData, Split

__all__ = [
    "BatchLoader",
    "DownloadError",
    "Found",
    "ImageData",
    "PHOTOGRAPHS",
    "Recipe",
    "Split",
    "batches",
    "crop",
    "flip",
    "folder_problems",
    "found_data",
    "load_data",
    "load_data_or_stand_in",
    "pad_crop",
    "photograph",
    "recipe",
    "shift",
    "standard_augmentation",
    "zoom",
]
