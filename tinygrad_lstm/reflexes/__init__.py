"""What people type who know PyTorch, NumPy, JAX or Keras, and the line to write here: names, keywords, and calls."""

from tinygrad_lstm.reflexes.answers import (
    answer,
    answered,
    answering,
    instead,
    is_function,
    unknown,
    unknown_of_array,
)
from tinygrad_lstm.reflexes.module_names import INITIALISERS, LAYERS, MODULES, OPTIM, OPTIMISERS, SCHEDULES
from tinygrad_lstm.reflexes.package_names import (
    COMPILED,
    DATA,
    DRAW,
    DRAWINGS,
    FRAMEWORK,
    RANDOM,
    TESTING,
    TRAIN,
    UPDATES,
)
from tinygrad_lstm.reflexes.tensor_names import ARRAYS, SHARED, VARIABLES

__all__ = [
    "ARRAYS",
    "COMPILED",
    "DATA",
    "DRAW",
    "DRAWINGS",
    "FRAMEWORK",
    "INITIALISERS",
    "LAYERS",
    "MODULES",
    "OPTIM",
    "OPTIMISERS",
    "RANDOM",
    "SCHEDULES",
    "SHARED",
    "TESTING",
    "TRAIN",
    "UPDATES",
    "VARIABLES",
    "answer",
    "answered",
    "answering",
    "instead",
    "is_function",
    "unknown",
    "unknown_of_array",
]
