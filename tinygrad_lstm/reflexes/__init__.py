"""What people type who know PyTorch, NumPy or JAX, and the line to write here: names, keywords, and calls."""

from tinygrad_lstm.reflexes.answers import answer, answered, answering, instead, is_function, unknown
from tinygrad_lstm.reflexes.attributes import ARRAYS, FRAMEWORK, LAYERS, MODULES, OPTIM, OPTIMISERS, RANDOM

__all__ = [
    "ARRAYS",
    "FRAMEWORK",
    "LAYERS",
    "MODULES",
    "OPTIM",
    "OPTIMISERS",
    "RANDOM",
    "answer",
    "answered",
    "answering",
    "instead",
    "is_function",
    "unknown",
]
