"""PRIMITIVES, one file for each family: the record of each op, and the function that users call."""

from tinygrad_lstm.ops import (
    call,
    elementwise,
    exponential,
    index,
    integers,
    linalg,
    logic,
    loop,
    reduce,
    repeating,
    shape,
    sorting,
    source,
    spectral,
    threefry,
    trigonometry,
)

__all__ = [
    "call",
    "elementwise",
    "exponential",
    "index",
    "integers",
    "linalg",
    "logic",
    "loop",
    "reduce",
    "repeating",
    "shape",
    "sorting",
    "source",
    "spectral",
    "threefry",
    "trigonometry",
]
