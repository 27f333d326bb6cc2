"""OP DEFINITIONS: name and shape rule of each primitive, and the function that users call, one file a family."""

from tinygrad_lstm.ops import (
    call,
    elementwise,
    exponential,
    filling,
    index,
    integers,
    linalg,
    logic,
    loop,
    random,
    reduce,
    shape,
    sorting,
    source,
    trigonometry,
)

__all__ = [
    "call",
    "elementwise",
    "exponential",
    "filling",
    "index",
    "integers",
    "linalg",
    "logic",
    "loop",
    "random",
    "reduce",
    "shape",
    "sorting",
    "source",
    "trigonometry",
]
